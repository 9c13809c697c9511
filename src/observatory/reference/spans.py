"""Spans: a large world in pieces of time, each with many instants that are run together.

All instants of a span are run together as if there were no others; those that meet are undone
(`Together`), and run again one by one in the order of time, with those that became due meanwhile.
That is exact unless one of these comes to an agent that a later instant has touched already, which
stands. Then the span ends before it: whatever stands from that time on is undone, and the next span
begins there. So each span is a piece of the very world that instant after instant would give.

How long spans are is fitted to how much had to be run one by one.
"""

from __future__ import annotations

from collections.abc import Callable
from heapq import heapify, heappop, heappush

import numpy as np

from observatory.reference.instant import Instant, TouchedError
from observatory.reference.state import State, Times, Whole
from observatory.reference.together import Outcome, Together

NEAR = 1 / 20
"""How far one looks ahead for who will be due, as a share of the period."""
FEW, MANY = 0.04, 0.12
"""Spans get longer below this share of flashes that had to be run one by one, shorter above."""


class Spans:
    """Runs a world span by span.

    Args:
        state: the state of the world.
        instant: runs one instant.
        together: runs many.
        tell: is told of agents and times of all flashes, in order.
    """

    def __init__(
        self,
        state: State,
        instant: Instant,
        together: Together,
        tell: Callable[[Whole, Times], None],
    ) -> None:
        self._state = state
        self._instant = instant
        self._together = together
        self._tell = tell
        count = len(state.due)
        self._touched = np.full(count, -np.inf)
        """When each agent was touched last by an instant that stands and was run with others."""
        self._touched_view = memoryview(self._touched)
        self._length = state.period * min(NEAR, 20 / count**0.5 / 20)
        self._only_one = False
        self._horizon = -np.inf
        self._near = np.empty(0, dtype=np.int64)
        """Who will be due before the horizon, and some who were."""
        self._is_near = np.zeros(count, dtype=bool)

    def run_until(self, time: float) -> None:
        """Run all instants before a time, in seconds."""
        due = self._state.due
        while True:
            near_due = due[self._near]
            begin = float(near_due.min(initial=np.inf))
            if begin >= self._horizon:
                begin = float(due.min())
                if begin >= time:
                    return
                self._look_ahead(begin)
                near_due = due[self._near]
            if begin >= time:
                return
            end = min(begin + self._length, self._horizon, time)
            if self._only_one or end <= begin:
                end = float(np.nextafter(begin, np.inf))
            self._run(self._near[near_due < end], end)

    def _look_ahead(self, begin: float) -> None:
        self._is_near[self._near] = False
        self._horizon = float(np.nextafter(begin + NEAR * self._state.period, np.inf))
        self._near = np.flatnonzero(self._state.due < self._horizon)
        self._is_near[self._near] = True

    def _run(self, agents: Whole, end: float) -> None:
        """Run the span of some agents, all who are due before its end."""
        state = self._state
        agents = state.in_turn(agents)
        moments, number = np.unique(state.due[agents], return_inverse=True)
        outcome = self._together.run(agents, number, moments)
        touched, when = outcome.touched()
        self._touched[touched] = when
        touched = np.unique(touched)
        again = agents[~outcome.stands[number]]
        agenda = state.keys(again) + state.keys(touched[state.due[touched] < end])
        woken, broken_at = self._run_one_by_one(agenda, end, outcome)
        if broken_at is not None:
            self._undo_from(broken_at, outcome)
        self._only_one = broken_at is not None and broken_at <= moments[0]
        self._tell_all(outcome)
        if broken_at is not None:
            # Those that were undone have their old due times again, which are in here anyway.
            self._length *= 0.7
        self._keep_near(np.concatenate((touched, np.array(woken, dtype=np.int64))))

    def _run_one_by_one(
        self, agenda: list[tuple[float, float, int, int]], end: float, outcome: Outcome
    ) -> tuple[list[int], float | None]:
        """Run the instants of an agenda; return who was woken, and when it couldn't go on."""
        instant = self._instant
        due, set_at, rank = instant.due, instant.set_at, instant.rank
        heapify(agenda)
        stand = set(outcome.moments[outcome.stands].tolist()) if agenda else set()
        woken: list[int] = []
        while agenda:
            now = agenda[0][0]
            queue = []
            while agenda and agenda[0][0] == now:
                _, at, place, agent = heappop(agenda)
                if due[agent] == now and set_at[agent] == at and rank[agent] == place:
                    queue.append(agent)
            if not queue:
                continue
            if now in stand:
                return woken, now
            try:
                came = instant.run(now, queue, self._touched_view)
            except TouchedError:
                return woken, now
            woken += came
            for agent in came:
                if due[agent] < end:
                    heappush(agenda, (due[agent], now, rank[agent], agent))
        return woken, None

    def _undo_from(self, time: float, outcome: Outcome) -> None:
        """Undo the instants that stand from a time on."""
        undone = outcome.stands & (outcome.moments >= time)
        agents, when = outcome.touched()
        self._touched[agents[when >= time]] = -np.inf
        outcome.undo(self._state, undone)
        outcome.stands &= ~undone

    def _tell_all(self, outcome: Outcome) -> None:
        agents, times = outcome.flashes()
        if self._instant.flashed:
            others, their_times = self._instant.taken()
            share = len(others) / (len(agents) + len(others))
            agents = np.concatenate((agents, others))
            times = np.concatenate((times, their_times))
            order = np.argsort(times, kind="stable")
            agents, times = agents[order], times[order]
        else:
            share = 0.0
        if share > MANY:
            self._length *= 0.8
        elif share < FEW:
            self._length = min(self._length * 1.1, NEAR * self._state.period)
        if agents.size:
            self._tell(agents, times)

    def _keep_near(self, agents: Whole) -> None:
        """Take in who has come near, and leave out who has gone."""
        due = self._state.due
        agents = np.unique(agents)
        come = agents[(due[agents] < self._horizon) & ~self._is_near[agents]]
        self._is_near[come] = True
        near = np.concatenate((self._near, come))
        still = due[near] < self._horizon
        self._is_near[near[~still]] = False
        self._near = near[still]
