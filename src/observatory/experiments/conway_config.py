"""The settings of a Life experiment, and the worlds that it can begin with."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from cascade.spec.checks import check_finite
from observatory.experiments.checks import check_seed, set_limit, set_whole
from observatory.reference.conway import World

RANDOM = "random"
"""The pattern of which each cell is drawn."""
PATTERNS: Mapping[str, tuple[str, ...]] = {
    "glider": (".#.", "..#", "###"),
    "r-pentomino": (".##", "##.", ".#."),
}
"""The other patterns, row by row; they stand in the middle of an empty world."""
PATTERN_NAMES = ", ".join((RANDOM, *PATTERNS))
DENSITY = 0.3
"""With which probability a cell of a random world lives at first, by default."""
SMALLEST = 3
"""Cells in a row, and rows, at least: on less, a cell would be its own neighbour."""
MOST_CELLS = 1_000_000
"""Cells at most."""


@dataclass(frozen=True, slots=True)
class ConwayConfig:
    """What a Life experiment is run with.

    Raises:
        TypeError, ValueError: a setting is no number or out of its range; the error names it.
    """

    width: int = 48
    """Cells in a row of the torus, at least 3."""
    height: int = 40
    """Rows, at least 3."""
    generations: int = 500
    """Which generation is the last; the first world is generation 0."""
    interval: float = 0.2
    """Seconds from generation to generation; 0: each cell goes on as soon as it can."""
    limit: int | None = None
    """How many cells may be at work at the same time; None: all of them."""
    pattern: str = RANDOM
    """What the world begins with: "random", or the name of one of `PATTERNS`."""
    density: float = DENSITY
    """With which probability a cell of a random world lives at first."""
    seed: int = 0
    """Where a random world comes from."""

    def __post_init__(self) -> None:
        set_whole(self, "width", SMALLEST)
        set_whole(self, "height", SMALLEST)
        if self.cells > MOST_CELLS:
            raise ValueError(
                f"width and height must make at most {MOST_CELLS} cells, "
                f"got {self.width} and {self.height}"
            )
        set_whole(self, "generations", 1)
        if check_finite("interval", self.interval) < 0:
            raise ValueError(f"interval must be ≥ 0 seconds, got {self.interval!r}")
        if self.limit is not None:
            set_limit(self, "limit")
        if self.pattern != RANDOM and self.pattern not in PATTERNS:
            raise ValueError(f"pattern must be one of {PATTERN_NAMES}, got {self.pattern!r}")
        if not 0 <= check_finite("density", self.density) <= 1:
            raise ValueError(f"density must be from 0 to 1, got {self.density!r}")
        check_seed(self.seed)

    @property
    def cells(self) -> int:
        """How many cells there are."""
        return self.width * self.height

    def first(self) -> World:
        """Return generation 0.

        A random one is drawn cell by cell, row by row: ``random.Random(seed).random() < density``.
        """
        if self.pattern == RANDOM:
            draw = random.Random(self.seed).random
            cells = [draw() < self.density for _ in range(self.cells)]
            return np.array(cells, dtype=np.bool_).reshape(self.height, self.width)
        world = np.zeros((self.height, self.width), dtype=np.bool_)
        pattern = np.array([[cell == "#" for cell in row] for row in PATTERNS[self.pattern]])
        rows, columns = pattern.shape
        top, left = (self.height - rows) // 2, (self.width - columns) // 2
        world[top : top + rows, left : left + columns] = pattern
        return world
