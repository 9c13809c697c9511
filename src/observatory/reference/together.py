"""Many instants at once: each step is done for all of them with arrays.

In one instant there is a queue of agents to wake (see `observatory.reference.fireflies`). It is
taken in generations: the first are those who are due, the next are those who joined the queue
while one generation was woken. A generation of all instants is woken with a few operations on
arrays. Within a generation a flash reaches those who still wait behind it, which is found in
rounds until nobody more flashes.

Instants of different times may run together only where none touches what another has touched. As
that isn't known before, all are run, and those that meet are found and undone: those that are left
have seen nothing of each other.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from observatory.reference.state import Before, State, Times, Truth, Whole


@dataclass(slots=True)
class _Generation:
    """Who was woken together, in which instant, who of them flashed, and how they were before."""

    queue: Whole
    instant: Whole
    flashing: Truth
    before: Before


class Outcome:
    """What came of instants that were run together.

    Args:
        moments: when they were, in order.
        stands: which of them stand; the others have been undone.
        base: what the number of the first of them is in `Together.owner`.
        generations: all who were woken.
    """

    def __init__(
        self, moments: Times, stands: Truth, base: int, generations: list[_Generation]
    ) -> None:
        self.moments, self.stands, self.base = moments, stands, base
        self._generations = generations
        self._woken = np.concatenate([one.queue for one in generations])
        self._instants = np.concatenate([one.instant for one in generations])
        self._flashed = np.concatenate([one.flashing for one in generations])

    def flashes(self) -> tuple[Whole, Times]:
        """Return agents and times of the flashes that stand, in the order of the world."""
        these = np.flatnonzero(self._flashed & self.stands[self._instants])
        these = these[np.argsort(self._instants[these], kind="stable")]
        return self._woken[these], self.moments[self._instants[these]]

    def touched(self) -> Whole:
        """Return who was woken, some more than once, also in instants that don't stand."""
        return self._woken

    def waiting(self) -> Whole:
        """Return who was due first in instants that don't stand."""
        first = self._generations[0]
        were_due: Whole = first.queue[~self.stands[first.instant]]
        return were_due

    def undo(self, state: State, number: int) -> Whole:
        """Undo an instant that has stood; return who was due first in it."""
        self.stands[number] = False
        for one in reversed(self._generations):
            where = np.flatnonzero(one.instant == number)
            if where.size:
                state.put_back(one.queue, one.before, where)
        first = self._generations[0]
        were_due: Whole = first.queue[first.instant == number]
        return were_due


class Together:
    """Runs instants together.

    Args:
        state: the state of the world.
        neighbors: who hears each agent, shape (agents, neighbours of each).
    """

    def __init__(self, state: State, neighbors: Whole) -> None:
        self._state = state
        self._neighbors = neighbors
        count = len(neighbors)
        self.owner = np.full(count, -1)
        """The number of the instant that has touched each agent last, of all there ever were."""
        self._place = np.full(count, -1)
        self._first = np.empty(count, dtype=np.int64)
        self._instants = 0

    def run(self, queue: Whole, due: Times) -> Outcome:
        """Run instants, and undo those that meet.

        Args:
            queue: all who are due, in the order in which they come.
            due: when each of them is.
        """
        state, owner = self._state, self.owner
        base = self._instants
        is_later = np.empty(len(due), dtype=bool)
        is_later[0] = True
        np.greater(due[1:], due[:-1], out=is_later[1:])
        moments = due[is_later]
        instant = np.cumsum(is_later) - 1
        self._instants += len(moments)
        meets = np.zeros(len(moments), dtype=bool)
        woken = np.zeros(len(moments), dtype=np.int64)
        heard: Whole | None = None
        generations: list[_Generation] = []
        owner[queue] = base + instant
        while queue.size:
            now = moments.take(instant)
            place = np.arange(len(queue))
            self._place[queue] = place
            before = state.copy(queue)
            due, flashing = self._wake(queue, now, heard, before)
            generations.append(_Generation(queue, instant, flashing, before))
            state.due[queue] = due
            in_instant = np.bincount(instant, minlength=len(moments))
            starts = np.cumsum(in_instant) - in_instant
            state.set_at[queue] = now
            state.rank[queue] = place + (woken - starts).take(instant)
            woken += in_instant
            sender = np.flatnonzero(flashing)
            flashed = queue.take(sender)
            state.flashed_at[flashed] = now.take(sender)

            hearer = self._neighbors.take(flashed, axis=0)
            sender = sender[:, np.newaxis]
            of = instant.take(sender)
            owners = owner.take(hearer) - base
            foreign = (owners >= 0) & (owners != of)
            if foreign.any():
                meets[np.broadcast_to(of, hearer.shape)[foreign]] = True
                meets[owners[foreign]] = True
            listens = state.period - (state.due.take(hearer) - now.take(sender)) >= state.threshold
            # Whoever waited behind the sender has taken its flash already.
            listens &= self._place.take(hearer) <= sender
            if meets.any():
                listens &= ~meets.take(of)
            self._place[queue] = -1
            joins = np.flatnonzero(listens)
            hearer = hearer.take(joins)
            of = of.take(joins // self._neighbors.shape[1])
            owner[hearer] = base + of
            owners = owner.take(hearer) - base
            foreign = owners != of
            if foreign.any():
                meets[of[foreign]] = True
                meets[owners[foreign]] = True
            queue, instant, heard = self._joined(hearer, of)
            if meets.any():
                alone = np.flatnonzero(~meets.take(instant))
                queue, instant, heard = queue.take(alone), instant.take(alone), heard.take(alone)
        if meets.any():
            for one in reversed(generations):
                state.put_back(one.queue, one.before, np.flatnonzero(meets[one.instant]))
        return Outcome(moments, ~meets, base, generations)

    def _wake(
        self, queue: Whole, now: Times, heard: Whole | None, before: Before
    ) -> tuple[Times, Truth]:
        """Return when those in the queue will be due after their turn, and who of them flashes."""
        if heard is None:  # all of them were due
            return now + self._state.period, np.ones(len(queue), dtype=bool)
        before_due, _, _, flashed_at = before
        takes = flashed_at != now
        due = np.where(takes, self._advanced(before_due, now, heard), before_due)
        flashing = due <= now
        more = np.flatnonzero(flashing)
        while more.size:
            behind = self._place.take(self._neighbors.take(queue.take(more), axis=0))
            reached = behind[behind > more[:, np.newaxis]]
            if not reached.size:
                break
            heard = heard + np.bincount(reached, minlength=len(queue))
            more = reached[takes[reached] & ~flashing[reached]]
            due[more] = self._advanced(before_due[more], now[more], heard[more])
            more = np.unique(more[due[more] <= now[more]])
            flashing[more] = True
        return np.where(flashing, now + self._state.period, due), flashing

    def _advanced(self, due: Times, now: Times, heard: Whole) -> Times:
        """Return when agents are due that have heard so many flashes, one after another."""
        due = self._nearer(due, now)  # each of them has heard one at least
        more = np.flatnonzero(heard > 1)
        count = 1
        while more.size:
            due[more] = self._nearer(due[more], now[more])
            count += 1
            more = more[heard[more] > count]
        return due

    def _nearer(self, due: Times, now: Times) -> Times:
        """Return when agents are due that have heard a flash."""
        state = self._state
        return due - (state.slope * (state.period - (due - now)) + state.constant)

    def _joined(self, hearer: Whole, instant: Whole) -> tuple[Whole, Whole, Whole]:
        """Return who joins the queue, in the order of the first flash heard, and how many each."""
        first = self._first
        order = np.arange(len(hearer))
        first[hearer[::-1]] = order[::-1]
        first_of = first.take(hearer)
        joins = np.flatnonzero(first_of == order)
        heard = np.bincount(first_of, minlength=len(hearer)).take(joins)
        return hearer.take(joins), instant.take(joins), heard
