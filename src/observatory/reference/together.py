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

from observatory.reference.state import State, Times, Truth, Whole


@dataclass(slots=True)
class _Generation:
    """Who was woken together, in which instant, who of them flashed, and how they were before."""

    queue: Whole
    instant: Whole
    flashing: Truth
    before: tuple[Times, Times, Whole, Times]


@dataclass(slots=True)
class Outcome:
    """What came of instants that were run together."""

    moments: Times
    """When they were, in order."""
    stands: Truth
    """Which of them stand; the others have been undone."""
    generations: list[_Generation]

    def flashes(self) -> tuple[Whole, Times]:
        """Return agents and times of the flashes that stand, in the order of the world."""
        agents = np.concatenate([one.queue[one.flashing] for one in self.generations])
        instants = np.concatenate([one.instant[one.flashing] for one in self.generations])
        stand = self.stands[instants]
        agents, instants = agents[stand], instants[stand]
        order = np.argsort(instants, kind="stable")
        return agents[order], self.moments[instants[order]]

    def touched(self) -> tuple[Whole, Times]:
        """Return who was woken in instants that stand, and when; some more than once."""
        agents = np.concatenate([one.queue for one in self.generations])
        instants = np.concatenate([one.instant for one in self.generations])
        stand = self.stands[instants]
        return agents[stand], self.moments[instants[stand]]

    def undo(self, state: State, which: Truth) -> None:
        """Put the state back to before some instants, which must not stand any more."""
        for one in reversed(self.generations):
            state.put_back(one.queue, one.before, which[one.instant])


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
        # All of these are only looked at where they have just been set.
        self._owner = np.full(count, -1)
        self._place = np.full(count, -1)
        self._first = np.empty(count, dtype=np.int64)
        self._instants = 0

    def run(self, queue: Whole, instant: Whole, moments: Times) -> Outcome:
        """Run instants, and undo those that meet.

        Args:
            queue: all who are due, by instant, and in each in the order in which they come.
            instant: the number of the instant of each.
            moments: when the instants are, in order.
        """
        state, owner = self._state, self._owner
        base = self._instants
        self._instants += len(moments)
        meets = np.zeros(len(moments), dtype=bool)
        woken = np.zeros(len(moments), dtype=np.int64)
        heard = np.zeros(len(queue), dtype=np.int64)
        generations: list[_Generation] = []
        owner[queue] = base + instant
        while queue.size:
            now = moments[instant]
            place = np.arange(len(queue))
            self._place[queue] = place
            due, flashing = self._wake(queue, now, heard, first=not generations)
            generations.append(_Generation(queue, instant, flashing, state.copy(queue)))
            state.due[queue] = due
            state.set_at[queue] = now
            starts = np.flatnonzero(np.diff(instant, prepend=-1))
            in_instant = np.diff(starts, append=len(queue))
            state.rank[queue] = place - np.repeat(starts, in_instant) + woken[instant]
            woken[instant[starts]] += in_instant
            state.flashed_at[queue[flashing]] = now[flashing]

            sender = np.flatnonzero(flashing)
            around = self._neighbors[queue[sender]]
            hearer = around.ravel()
            sender = np.repeat(sender, around.shape[1])
            of = instant[sender]
            self._find_meetings(hearer, of, base, meets)
            listens = state.period - (state.due[hearer] - now[sender]) >= state.threshold
            # Whoever waited behind the sender has taken its flash already.
            joins = np.flatnonzero(listens & (self._place[hearer] <= sender) & ~meets[of])
            self._place[queue] = -1
            hearer, of = hearer[joins], of[joins]
            owner[hearer] = base + of
            self._find_meetings(hearer, of, base, meets)
            queue, instant, heard = self._joined(hearer, of)
            if meets.any():
                alone = ~meets[instant]
                queue, instant, heard = queue[alone], instant[alone], heard[alone]
        outcome = Outcome(moments, ~meets, generations)
        if meets.any():
            outcome.undo(state, meets)
        return outcome

    def _wake(self, queue: Whole, now: Times, heard: Whole, first: bool) -> tuple[Times, Truth]:
        """Return when those in the queue will be due after their turn, and who of them flashes."""
        state = self._state
        if first:
            return now + state.period, np.ones(len(queue), dtype=bool)
        before = state.due[queue]
        takes = state.flashed_at[queue] != now
        due = np.where(takes, self._advanced(before, now, heard), before)
        flashing = due <= now
        more = np.flatnonzero(flashing)
        while more.size:
            behind = self._place[self._neighbors[queue[more]]]
            reached = behind[behind > more[:, np.newaxis]]
            if not reached.size:
                break
            heard = heard + np.bincount(reached, minlength=len(queue))
            more = np.unique(reached)
            more = more[takes[more] & ~flashing[more]]
            due[more] = self._advanced(before[more], now[more], heard[more])
            more = more[due[more] <= now[more]]
            flashing[more] = True
        return np.where(flashing, now + state.period, due), flashing

    def _advanced(self, due: Times, now: Times, heard: Whole) -> Times:
        """Return when agents are due that have heard so many flashes, one after another."""
        state = self._state
        for count in range(int(heard.max(initial=0))):
            advance = state.slope * (state.period - (due - now)) + state.constant
            due = np.where(heard > count, due - advance, due)
        return due

    def _find_meetings(self, agents: Whole, instant: Whole, base: int, meets: Truth) -> None:
        """Note the instants that have come to agents which are another's."""
        owners = self._owner[agents] - base
        foreign = (owners >= 0) & (owners != instant)
        if foreign.any():
            meets[instant[foreign]] = True
            meets[owners[foreign]] = True

    def _joined(self, hearer: Whole, instant: Whole) -> tuple[Whole, Whole, Whole]:
        """Return who joins the queue, in the order of the first flash heard, and how many each."""
        first = self._first
        order = np.arange(len(hearer))
        first[hearer[::-1]] = order[::-1]
        is_first = first[hearer] == order
        number = np.cumsum(is_first) - 1
        heard = np.bincount(number[first[hearer]], minlength=int(is_first.sum()))
        return hearer[is_first], instant[is_first], heard
