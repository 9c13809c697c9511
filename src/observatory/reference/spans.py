"""Spans: a large world in pieces of time, each with many instants that are run together.

All instants of a span are run together as if there were no others; those that meet are undone
(`Together`), and run again in another round, with those that became due meanwhile. When few are
left, they are run one by one in the order of time. Where one of these comes to an agent that a
later instant has touched already, that one is undone as well, with all that was built on it, and
waits for its turn. Nothing else has to be: those that still stand have seen nothing of it, and all
that was run one by one was earlier. So each span is a piece of the very world that instant after
instant would give.

How long spans are is fitted to how much has to run again: longer ones have more to do in each
operation on arrays, but more that meets.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable
from heapq import heapify, heappush

import numpy as np

from observatory.reference.instant import Instant
from observatory.reference.record import Record
from observatory.reference.state import Key, State, Times, View, Whole, time_view, whole_view
from observatory.reference.together import Together

NEAR = 1 / 20
"""How far one looks ahead for who will be due, as a share of the period."""
SHRINK = 0.8
"""Rounds go on while each leaves less than this share of those who waited."""
ROUNDS = 10
"""How often instants are run together at most."""
ALONE = 60
"""Fewer who wait than these are run one by one."""
FEW, MANY = 0.1, 0.13
"""Spans get longer below this share of agents who wait after the first round, shorter above."""


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
        record = self._together.record()
        waiting = self._state.in_turn(agents)
        held_back = np.empty(0)
        for number in range(ROUNDS):
            runs = waiting
            if held_back.size:
                held = np.isin(self._state.due.take(waiting), held_back)
                runs = waiting.take(np.flatnonzero(~held))
            held_back = self._together.run(runs, record)
            before = len(waiting)
            waiting = self._waiting(waiting, record, end)
            if number == 0:
                self._fit(len(waiting) / before)
            if len(waiting) < ALONE or len(waiting) > SHRINK * before:
                break
        woken = self._run_one_by_one(waiting, record, end) if waiting.size else []
        self._tell_all(record)
        touched = record.touched()
        self._keep_near(np.concatenate((agents, touched, np.array(woken, dtype=np.int64))))

    def _fit(self, share: float) -> None:
        """Make the next spans longer or shorter, after a share that has to run again."""
        if share > MANY:
            self._length *= 0.9
        elif share < FEW:
            self._length = min(self._length * 1.1, NEAR * self._state.period)

    def _waiting(self, agents: Whole, record: Record, end: float) -> Whole:
        """Return who is due before the end, in the order in which they come.

        Nothing in the record is at the same time then: it is part of one instant with them.

        Args:
            agents: who was due before the latest round.
            record: the record.
            end: the end, in seconds.
        """
        due = self._state.due
        while True:
            agents = np.concatenate((agents, record.changed()))
            agents = self._state.in_turn(agents.take(np.flatnonzero(due.take(agents) < end)))
            at = np.append(due.take(agents), np.inf)
            same = at.take(np.searchsorted(at, record.moments)) == record.moments
            same &= record.stands
            if not same.any():
                return agents
            record.undo(same)

    def _run_one_by_one(self, waiting: Whole, record: Record, end: float) -> list[int]:
        """Run who is waiting, and who becomes due before the end; return who was woken."""
        instant = self._instant
        due, rank = instant.due, instant.rank
        agenda = self._state.keys(waiting)
        heapify(agenda)
        standing = _Standing(self._state, record, self._owner, agenda, end)
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

    def _tell_all(self, record: Record) -> None:
        agents, times = record.flashes()
        others, their_times = self._instant.taken()
        agents = np.concatenate((agents, others))
        times = np.concatenate((times, their_times))
        order = np.argsort(times, kind="stable")
        self._tell(agents.take(order), times.take(order))

    def _keep_near(self, agents: Whole) -> None:
        """Take in who has come near, and leave out who has gone."""
        due, is_near = self._state.due, self._is_near
        come = np.sort(agents[(due.take(agents) < self._horizon) & ~is_near.take(agents)])
        come = come[np.diff(come, prepend=-1) > 0]
        is_near[come] = True
        near = np.concatenate((self._near, come))
        still = due.take(near) < self._horizon
        is_near[near[~still]] = False
        self._near = near[still]


class _Standing:
    """The instants of a span that stand, while others are run one by one."""

    def __init__(
        self, state: State, record: Record, owner: View[int], agenda: list[Key], end: float
    ) -> None:
        self._state, self._record, self._agenda, self._end = state, record, agenda, end
        order = np.argsort(record.moments)
        self._numbers = whole_view(order)
        self._moments = record.moments.take(order).tolist()
        # An instant that doesn't stand keeps nobody from anything.
        self._until_when = np.where(record.stands, record.moments, -np.inf)
        self._until = time_view(self._until_when)
        self.kept = owner, record.base, self._until

    def give_way(self, now: float) -> None:
        """Undo what stands at this very time: it is part of one instant with what is to run."""
        place = bisect_left(self._moments, now)
        while place < len(self._moments) and self._moments[place] == now:
            number = self._numbers[place]
            if self._until[number] == now:
                self.release(number)
            place += 1

    def release(self, keeper: int) -> None:
        """Undo an instant; those who are due again before the end are run again."""
        gone = np.zeros(len(self._until_when), dtype=bool)
        gone[keeper] = True
        touched = self._record.undo(gone)
        self._until_when[gone] = -np.inf
        for key in self._state.keys(touched[self._state.due[touched] < self._end]):
            heappush(self._agenda, key)
