"""Layout: where the grid and the status bar go in a window of a given size."""

from __future__ import annotations

from dataclasses import dataclass

WIDEST, HIGHEST = 200, 100
"""Columns, and rows for the grid, of the largest window that `Layout.natural` asks for."""
NARROWEST = 62
"""Columns of its smallest window."""
ALIGNED = 80
"""Columns that there must be for the status if it is to begin where the grid does."""


@dataclass(frozen=True, slots=True)
class Layout:
    """Places in a window of characters; a character shows two cells, one above the other."""

    columns: int
    """Width of the window, in characters."""
    rows: int
    """Height of the window, in characters."""
    factor: int
    """The side of the block of agents that one cell stands for; 1 where there is room for all."""
    scale: int
    """The side of an agent's square, in cells: 1, or an even number."""
    left: int
    """Characters left of the grid."""
    top: int
    """Rows above the grid."""
    grid_rows: int
    """Rows of characters that the grid takes; 0 where there is no room for one."""
    status_top: int
    """The first row of the status bar."""
    status_left: int
    """Characters left of it: it begins where the grid does, if that leaves enough room."""
    status_rows: int
    """How many of its rows there is room for."""

    @classmethod
    def of(cls, columns: int, rows: int, width: int, height: int, status_rows: int) -> Layout:
        """Lay a grid of `width` × `height` agents out, the status bar below it.

        A grid that is larger than the window is shown in blocks, one that is much smaller is
        enlarged; both together stand in the middle. In a very low window the status bar gives way
        last.
        """
        status_rows = min(status_rows, rows)
        free = rows - status_rows
        factor, scale = 1, 1
        if width > columns or height > 2 * free:
            factor = max(_parts(width, max(columns, 1)), _parts(height, max(2 * free, 1)))
        else:
            largest = min(columns // width, 2 * free // height)
            # An even one takes whole characters, of one colour each.
            scale = max(1, largest - largest % 2)
        grid_columns = _parts(width, factor) * scale
        grid_rows = min(_parts(_parts(height, factor) * scale, 2), free)
        gap = 1 if grid_rows < free else 0
        top = (free - grid_rows - gap) // 2
        left = max(0, (columns - grid_columns) // 2)
        return cls(
            columns=columns,
            rows=rows,
            factor=factor,
            scale=scale,
            left=left,
            top=top,
            grid_rows=grid_rows,
            status_top=top + grid_rows + gap,
            status_left=max(0, left - 1) if columns - left >= ALIGNED else 0,
            status_rows=status_rows,
        )

    @classmethod
    def natural(cls, width: int, height: int, status_rows: int) -> Layout:
        """Lay a grid out in a window that is made for it: no larger than it has to be.

        Small grids are enlarged to about 60 columns; a window of 200 × 100 is the largest.
        """
        scale = max(1, 60 // max(width, height))
        scale -= scale % 2 if scale > 1 else 0
        columns = min(max(NARROWEST, width * scale + 2), WIDEST)
        factor = max(_parts(width, columns), _parts(height, 2 * HIGHEST))
        grid_rows = _parts(_parts(height, factor) * scale, 2)
        # A row of night below the grid and one below the status bar.
        return cls.of(columns, grid_rows + 2 + status_rows, width, height, status_rows)


def _parts(whole: int, part: int) -> int:
    """How many parts it takes to make up the whole."""
    return -(-whole // part)
