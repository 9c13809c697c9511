"""Conway's Life as a calculation: no agents, no event loop, no channels.

It exists to check the agents, and shares nothing with them, not even who neighbours whom.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

World = NDArray[np.bool_]
"""Who lives on a torus, of shape (height, width)."""


def next_generation(world: World) -> World:
    """Return the generation that follows one on a torus.

    A cell lives if three of the eight cells around it live, or if it lives already and two do.

    Args:
        world: who lives, of shape (height, width), at least (3, 3): on less, a cell would be its
            own neighbour.

    Raises:
        TypeError, ValueError: it isn't an array of bools of such a shape.
    """
    kind = getattr(world, "dtype", type(world).__name__)
    if kind != np.bool_:
        raise TypeError(f"world must be an array of bools, got {kind}")
    if world.ndim != 2 or min(world.shape) < 3:
        raise ValueError(f"world must be of shape (3, 3) or larger, got {world.shape}")
    # Three rows of three, and the cell itself is counted as well.
    ones = world.astype(np.uint8)
    rows = ones + np.roll(ones, 1, axis=1) + np.roll(ones, -1, axis=1)
    block = rows + np.roll(rows, 1, axis=0) + np.roll(rows, -1, axis=0)
    following: World = (block == 3) | (world & (block == 4))
    return following


def generations(world: World) -> Iterator[World]:
    """Yield the generations that follow one, without end; see `next_generation`.

    Raises:
        TypeError, ValueError: it isn't an array of bools of shape (3, 3) or larger.
    """
    while True:
        world = next_generation(world)
        yield world
