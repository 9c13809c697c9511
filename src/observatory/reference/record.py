"""What was run together: who was woken, how everybody was before, and how to undo some of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from observatory.reference.state import Before, State, Times, Truth, Whole


@dataclass(frozen=True, slots=True)
class Generation:
    """Who was woken together, in which instant, who of them flashed, and how they were before."""

    queue: Whole
    instant: Whole
    flashing: Truth
    before: Before
    owner: Whole
    """Which instant had touched each of them before."""


class Record:
    """What was run together since a span began, in one round or more.

    Instants have numbers, in the order in which they were run; those of a round in the order of
    time.

    Args:
        state: the state of the world.
        owner: the number of the instant that has touched each agent last, of all there ever were.
        base: what the number of the first instant of this record is there.
    """

    def __init__(self, state: State, owner: Whole, base: int) -> None:
        self.moments: Times = np.empty(0)
        """When the instants were."""
        self.stands: Truth = np.empty(0, dtype=bool)
        """Which of them stand; the others have been undone."""
        self.base = base
        self._state, self._owner = state, owner
        self._generations: list[Generation] = []
        self._built: list[tuple[Whole, Whole]] = []
        self._changed: list[Whole] = []

    def begin(self, moments: Times) -> int:
        """Take in the instants of a round, in order; return the number of the first."""
        first = len(self.moments)
        self.moments = np.concatenate((self.moments, moments))
        self.stands = np.concatenate((self.stands, np.ones(len(moments), dtype=bool)))
        return first

    def add(self, generation: Generation) -> None:
        """Take in who was woken together, in instants of the latest round."""
        self._generations.append(generation)
        self._changed.append(generation.queue)

    def build(self, lower: Whole, upper: Whole) -> None:
        """Take in which instants have built on what others did; these can't go without them."""
        self._built.append((lower, upper))

    def touched(self) -> Whole:
        """Return who was woken, some more than once, also in instants that don't stand."""
        return np.concatenate([one.queue for one in self._generations])

    def changed(self) -> Whole:
        """Return who was woken or put back since this was called, some more than once."""
        changed = np.concatenate(self._changed) if self._changed else np.empty(0, dtype=np.int64)
        self._changed.clear()
        return changed

    def flashes(self) -> tuple[Whole, Times]:
        """Return agents and times of the flashes that stand; in order within an instant."""
        agents, instants = [], []
        for one in self._generations:
            flashed = np.flatnonzero(one.flashing & self.stands.take(one.instant))
            agents.append(one.queue.take(flashed))
            instants.append(one.instant.take(flashed))
        return np.concatenate(agents), self.moments.take(np.concatenate(instants))

    def undo(self, gone: Truth) -> Whole:
        """Undo instants and all that were built on them; return whom they had touched.

        Args:
            gone: which of them; it is changed.
        """
        gone &= self.stands
        if self._built:
            lower = np.concatenate([pair[0] for pair in self._built])
            upper = np.concatenate([pair[1] for pair in self._built])
            while (more := upper[gone.take(lower) & (self.stands > gone).take(upper)]).size:
                gone[more] = True
        self.stands &= ~gone
        touched = []
        for one in reversed(self._generations):
            where = np.flatnonzero(gone.take(one.instant))
            if where.size:
                agents = one.queue.take(where)
                due, rest = one.before
                self._state.put_back(agents, (due.take(where), rest.take(where)))
                self._owner[agents] = one.owner.take(where)
                touched.append(agents)
        self._changed += touched
        return np.concatenate(touched) if touched else np.empty(0, dtype=np.int64)
