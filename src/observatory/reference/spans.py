"""Spans: a large world in pieces of time, each with many instants that are run together.

All instants of a span are run together as if there were no others; those that meet are undone
(`Together`), and run again one by one in the order of time, with those that became due meanwhile.
Where one of these comes to an agent that a later instant has touched already, that one is undone
as well, and waits for its turn. Nothing else has to be: those that still stand have nothing in
common with it, and all that was run one by one was earlier. So each span is a piece of the very
world that instant after instant would give.

How long spans are is fitted to how much has to be run one by one.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable
from heapq import heapify, heappush

import numpy as np

from observatory.reference.instant import Instant
from observatory.reference.state import Key, State, Times, View, Whole, whole_view
from observatory.reference.together import Outcome, Together

NEAR = 1 / 20
"""How far one looks ahead for who will be due, as a share of the period."""
FEW, MANY = 0.12, 0.16
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
        self._owner = whole_view(together.owner)
        count = len(state.due)
        self._length = state.period * min(NEAR, count**-0.5)
        self._horizon = -np.inf
        self._near = np.empty(0, dtype=np.int64)
        """Who will be due before the horizon, and some who were."""
        self._is_near = np.zeros(count, dtype=bool)

    def run_until(self, time: float) -> None:
        """Run all instants before a time, in seconds."""
        due = self._state.due
        while True:
            near_due = due.take(self._near)
            begin = float(near_due.min(initial=np.inf))
            if begin >= self._horizon:
                begin = float(due.min())
                if begin >= time:
                    return
                self._look_ahead(begin)
                near_due = due.take(self._near)
            if begin >= time:
                return
            end = min(max(begin + self._length, np.nextafter(begin, np.inf)), self._horizon, time)
            self._run(self._near[near_due < end], float(end))

    def _look_ahead(self, begin: float) -> None:
        self._is_near[self._near] = False
        self._horizon = float(np.nextafter(begin + NEAR * self._state.period, np.inf))
        self._near = np.flatnonzero(self._state.due < self._horizon)
        self._is_near[self._near] = True

    def _run(self, agents: Whole, end: float) -> None:
        """Run the span of some agents, all who are due before its end."""
        agents = self._state.in_turn(agents)
        outcome = self._together.run(agents, self._state.due[agents])
        woken = self._run_one_by_one(outcome, end)
        self._tell_all(outcome)
        self._keep_near(np.concatenate((outcome.touched(), np.array(woken, dtype=np.int64))))

    def _run_one_by_one(self, outcome: Outcome, end: float) -> list[int]:
        """Run what doesn't stand and what became due before the end; return who was woken."""
        state, instant = self._state, self._instant
        due, rank = instant.due, instant.rank
        touched = outcome.touched()
        agenda = state.keys(
            np.unique(np.concatenate((outcome.waiting(), touched[state.due[touched] < end])))
        )
        if not agenda:
            return []
        heapify(agenda)
        standing = _Standing(state, outcome, self._owner, agenda)
        woken: list[int] = []
        while agenda:
            now = agenda[0][0]
            standing.give_way(now)
            queue = instant.taken_from(agenda)
            for agent in instant.run(now, queue, end, standing):
                if due[agent] < end:
                    heappush(agenda, (due[agent], now, rank[agent], agent))
            woken += queue
        return woken

    def _tell_all(self, outcome: Outcome) -> None:
        agents, times = outcome.flashes()
        share = 0.0
        if self._instant.flashed:
            others, their_times = self._instant.taken()
            share = len(others) / (len(agents) + len(others))
            agents = np.concatenate((agents, others))
            times = np.concatenate((times, their_times))
            order = np.argsort(times, kind="stable")
            agents, times = agents[order], times[order]
        if share > MANY:
            self._length *= 0.9
        elif share < FEW:
            self._length = min(self._length * 1.1, NEAR * self._state.period)
        self._tell(agents, times)

    def _keep_near(self, agents: Whole) -> None:
        """Take in who has come near, and leave out who has gone."""
        due = self._state.due
        come = np.unique(agents[(due[agents] < self._horizon) & ~self._is_near[agents]])
        self._is_near[come] = True
        near = np.concatenate((self._near, come))
        still = due[near] < self._horizon
        self._is_near[near[~still]] = False
        self._near = near[still]


class _Standing:
    """The instants of a span that stand, while others are run one by one."""

    def __init__(self, state: State, outcome: Outcome, owner: View[int], agenda: list[Key]) -> None:
        self._state, self._outcome, self._agenda = state, outcome, agenda
        self._moments: list[float] = outcome.moments.tolist()
        # An instant that doesn't stand keeps nobody from anything.
        self._until: list[float] = np.where(outcome.stands, outcome.moments, -np.inf).tolist()
        self.kept = owner, outcome.base, self._until

    def give_way(self, now: float) -> None:
        """Undo what stands at this very time: it is part of one instant with what is to run."""
        number = bisect_left(self._moments, now)
        if number < len(self._until) and self._until[number] == now:
            self.release(number)

    def release(self, keeper: int) -> None:
        """Undo an instant; those who were due first in it are due again."""
        self._until[keeper] = -np.inf
        for key in self._state.keys(self._outcome.undo(self._state, keeper)):
            heappush(self._agenda, key)
