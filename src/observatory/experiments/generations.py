"""Generations: what the cells of Life have made, checked against the calculation."""

from __future__ import annotations

import hashlib
import math
from array import array
from collections.abc import Callable

import numpy as np

from observatory.reference.conway import World, generations

DEAD, ALIVE, WRONGLY_DEAD, WRONGLY_ALIVE = 0.0, 0.4, 0.8, 1.0
"""What stands for a cell in a picture; a wrong one outshines others in its block."""


class Generations:
    """Is told what each cell makes, and checks a generation when all cells have made it.

    Two things can go wrong, and are counted. A *step error* is a cell whose state in a generation
    isn't the one that `observatory.reference.conway` has for it; as that goes on from its own
    states and not from those of the agents, an error that spreads counts in each generation and
    for each cell. *Drift* is what the generations lack in step, in two ways:

    - `apart`: by how many generations the cells were apart. It is 0 if everybody had made
      generation g - 1 whenever somebody made g, and n if the slowest cell had only made g - 1 - n.
    - `behind`: by how many whole intervals a generation was made too late, by the last of its
      cells. It is 0 if each was whole before the next one was due.

    Args:
        first: generation 0.
        start: when it is there, in seconds on the clock.
        interval: seconds from the time at which a generation is due to that of the next; 0: they
            aren't due at any time.
        clock: tells the time, in seconds.
        states: where the latest whole generation is kept, as numbers for a picture; None: nowhere.
    """

    def __init__(
        self,
        first: World,
        start: float,
        interval: float,
        clock: Callable[[], float],
        states: array[float] | None = None,
    ) -> None:
        self.whole = 0
        """The latest generation that all cells have made."""
        self.steps = 0
        """How many states the cells have made."""
        self.alive = int(first.sum())
        """How many cells live in the latest whole generation."""
        self.errors = 0
        """Step errors, in all whole generations."""
        self.first_error: tuple[int, int] | None = None
        """The first of them: the generation, and the cell with the lowest number."""
        self.apart = 0
        """By how many generations the cells were apart at most."""
        self.behind = 0
        """By how many whole intervals a generation was late at most."""
        self.lateness = array("d")
        """How late each generation was whole, in seconds; empty if they aren't due at any time."""
        self._cells = first.size
        self._shape = first.shape
        self._reference = generations(first)
        self._start = start
        self._interval = interval
        self._clock = clock
        self._states = None if states is None else np.frombuffer(states)
        self._made: dict[int, bytearray] = {}
        self._missing: dict[int, int] = {}
        self._digest = hashlib.sha256(np.packbits(first).tobytes())
        self._show(first, first)

    def made(self, agent_id: int, generation: int, alive: bool) -> None:
        """A cell has made its state in a generation."""
        missing = self._missing.get(generation)
        if missing is None:
            # The first one to make it: this is when the slowest may be furthest behind.
            missing = self._cells
            self._made[generation] = bytearray(self._cells)
            self.apart = max(self.apart, generation - 1 - self.whole)
        self._made[generation][agent_id] = alive
        self.steps += 1
        self._missing[generation] = missing - 1
        if missing == 1:
            del self._missing[generation]
            self._check(generation, self._made.pop(generation))

    def behind_at(self, time: float) -> int:
        """Return by how many whole intervals the generation that is being made is late at a time.

        Args:
            time: the time, in seconds on the clock.
        """
        return self._intervals(time - self._due(self.whole + 1))

    def digest(self) -> str:
        """Return the SHA-256 of all whole generations, eight cells to a byte, as hex digits."""
        return self._digest.hexdigest()

    def _check(self, generation: int, cells: bytearray) -> None:
        # All cells make their generations in order, so the one before is whole already.
        self.whole = generation
        world: World = np.frombuffer(cells, dtype=np.bool_).reshape(self._shape)
        right = next(self._reference)
        wrong = np.flatnonzero(world != right)
        if wrong.size:
            self.errors += wrong.size
            if self.first_error is None:
                self.first_error = (generation, int(wrong[0]))
        self.alive = int(np.count_nonzero(world))
        self._digest.update(np.packbits(world).tobytes())
        if self._interval:
            late = max(0.0, self._clock() - self._due(generation))  # a timer may be a hair early
            self.lateness.append(late)
            self.behind = max(self.behind, self._intervals(late))
        self._show(world, right)

    def _show(self, world: World, right: World) -> None:
        if self._states is not None:
            seen = np.where(world, ALIVE, DEAD)
            seen[world != right] = WRONGLY_DEAD
            seen[world & ~right] = WRONGLY_ALIVE
            self._states[:] = seen.ravel()

    def _due(self, generation: int) -> float:
        return self._start + generation * self._interval

    def _intervals(self, late: float) -> int:
        return max(0, math.floor(late / self._interval)) if self._interval else 0
