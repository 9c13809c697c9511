"""Who hears whom: on a torus, in a ring, everybody; and which shape a number of cells can take."""

from __future__ import annotations

from collections.abc import Sequence
from math import isqrt
from typing import Literal

from cascade.spec.checks import check_whole

Topology = Literal["torus", "ring", "complete"]
"""The eight around on the most square torus; the two beside in a ring; everybody else."""
TOPOLOGIES: tuple[Topology, ...] = ("torus", "ring", "complete")
"""All there are."""


def check_topology(value: object) -> Topology:
    """Return the topology of this name.

    Raises:
        ValueError: there is none.
    """
    for topology in TOPOLOGIES:
        if topology == value:
            return topology
    raise ValueError(f"topology must be torus, ring or complete, got {value!r}")


def neighborhoods(topology: Topology, count: int) -> list[Sequence[int]]:
    """Return for each of `count` cells the cells it is joined to, in order.

    On the torus these are `moore_neighbors` on the most square grid, in the ring `ring_neighbors`.
    In the complete graph all cells have one `range` in common, which costs no memory; it holds the
    cell itself too, and whoever uses it leaves that one out.

    Raises:
        TypeError: `count` isn't a whole number.
        ValueError: `count` is below 1, or there is no such topology.
    """
    check_topology(topology)
    check_whole("count", count, 1)
    if topology == "complete":
        return [range(count)] * count
    if topology == "ring":
        return [ring_neighbors(index, count) for index in range(count)]
    width, height = most_square(count)
    return [moore_neighbors(index, width, height) for index in range(count)]


def ring_neighbors(index: int, count: int) -> list[int]:
    """Return the neighbours of a cell in a ring: the one before it, then the one after it.

    In a ring of two these are the same cell, which is listed once; a lone cell has none.

    Args:
        index: the cell, from 0 to ``count - 1``.
        count: cells in the ring.

    Raises:
        TypeError: an argument isn't a whole number.
        ValueError: `count` is below 1, or `index` isn't in the ring.
    """
    check_whole("count", count, 1)
    check_whole("index", index, 0)
    if index >= count:
        raise ValueError(f"index must be from 0 to {count - 1}, got {index!r}")
    beside = dict.fromkeys(((index - 1) % count, (index + 1) % count))
    beside.pop(index, None)
    return list(beside)


def moore_neighbors(index: int, width: int, height: int) -> list[int]:
    """Return the up to eight neighbours of a cell on a torus.

    Cells are numbered row by row: ``index = y * width + x``. The neighbours come row by row, the
    row above first, and from left to right in each; a cell that is reached twice on a tiny grid
    is listed where it comes first, and a cell is never its own neighbour. So a grid of one cell
    gives an empty list.

    Args:
        index: the cell, from 0 to ``width * height - 1``.
        width: cells in a row.
        height: number of rows.

    Raises:
        TypeError: an argument isn't a whole number.
        ValueError: `width` or `height` is below 1, or `index` isn't on the grid.
    """
    check_whole("width", width, 1)
    check_whole("height", height, 1)
    check_whole("index", index, 0)
    if index >= width * height:
        raise ValueError(f"index must be from 0 to {width * height - 1}, got {index!r}")
    row, column = divmod(index, width)
    around = dict.fromkeys(
        (row + dy) % height * width + (column + dx) % width
        for dy in (-1, 0, 1)
        for dx in (-1, 0, 1)
    )
    del around[index]
    return list(around)


def most_square(count: int) -> tuple[int, int]:
    """Return ``(width, height)`` of the most square grid of exactly `count` cells.

    The width is the larger of the two; a prime number of cells makes a line, ``(count, 1)``.

    Raises:
        TypeError: `count` isn't a whole number.
        ValueError: `count` is below 1.
    """
    check_whole("count", count, 1)
    height = isqrt(count)
    while count % height:
        height -= 1
    return count // height, height


def square_counts_near(count: int) -> tuple[int, int]:
    """Return the nearest square numbers, ``(below, above)``, with ``below <= count <= above``.

    Both are `count` itself if it is a square number.

    Raises:
        TypeError: `count` isn't a whole number.
        ValueError: `count` is below 1.
    """
    check_whole("count", count, 1)
    side = isqrt(count)
    below = side * side
    return below, below if below == count else (side + 1) ** 2
