"""Grids without an edge: who neighbours whom, and which shape a number of cells can take."""

from __future__ import annotations

from math import isqrt


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
    _check_positive("width", width)
    _check_positive("height", height)
    _check_whole("index", index)
    if not 0 <= index < width * height:
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
    _check_positive("count", count)
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
    _check_positive("count", count)
    side = isqrt(count)
    below = side * side
    return below, below if below == count else (side + 1) ** 2


def _check_whole(name: str, value: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{name} must be a whole number, got {value!r}")


def _check_positive(name: str, value: int) -> None:
    _check_whole(name, value)
    if value < 1:
        raise ValueError(f"{name} must be at least 1, got {value!r}")
