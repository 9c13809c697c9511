"""Screen: turns what is to be seen into the bytes that change a terminal from what it shows now."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from observatory.visualization.colours import ColourDepth, code_of, codes, select
from observatory.visualization.layout import Layout
from observatory.visualization.status import Line, Role

NIGHT = "#080b18"
"""The colour behind everything."""
INKS: dict[Role, str] = {
    "plain": "#c9d1e6",
    "dim": "#7c89ad",
    "accent": "#e8e04a",
    "course": "#93a63a",
}
"""The colours of text, by what it is."""

GLYPHS = " ▀▄█"
"""Cells in the colour of the character: none, the upper one, the lower one, both."""
_BITS = 25
"""Room for the code of a colour."""


class Screen:
    """Knows what a terminal shows, and sends only what is different.

    It draws with half blocks: a character is two cells, one in the colour of the character and
    one in that of its background. Changed characters are sent colour by colour, so that a colour
    is selected once a frame, and the cursor is moved only where it isn't yet.

    Args:
        depth: how many colours the terminal has.
    """

    def __init__(self, depth: ColourDepth) -> None:
        self.depth = depth
        """How many colours the terminal has."""
        self._layout: Layout | None = None
        self._shape: tuple[int, ...] = ()
        self._characters: NDArray[np.int64] | None = None
        self._lines: list[Line | None] = []
        self._night = code_of(NIGHT, depth)

    def forget(self) -> None:
        """Take nothing for granted: the next frame draws everything anew."""
        self._layout = None

    def frame(self, layout: Layout, colours: NDArray[Any], lines: list[Line]) -> bytes:
        """Return what makes the terminal show this; empty if it does already.

        Args:
            layout: the places of things; another one than before, or another number of cells,
                draws everything anew.
            colours: what the palette gave for the cells, of shape (height, width[, 3]).
            lines: the status bar, from the top, each at most as wide as the window.
        """
        parts: list[str] = []
        shape = colours.shape[:2]
        if layout != self._layout or shape != self._shape:
            self._layout, self._shape, self._characters = layout, shape, None
            self._lines = [None] * layout.status_rows
            # Not every terminal erases in the colour of the background, so all of it is written.
            night = " " * layout.columns
            parts.append(f"{self._pen('plain')}\x1b[2J")
            parts += [f"\x1b[{row + 1};1H{night}" for row in range(layout.rows)]
        if layout.grid_rows:
            self._draw_grid(layout, codes(colours, self.depth), parts)
        for number, line in enumerate(lines[: layout.status_rows]):
            if line != self._lines[number]:
                self._lines[number] = line
                parts.append(self._text(line, layout.status_top + number, layout.columns))
        return "".join(parts).encode()

    def _draw_grid(self, layout: Layout, cells: NDArray[np.int64], parts: list[str]) -> None:
        before = self._characters
        characters = self._characters = _characters(cells, layout.scale, self.depth, self._night)
        if before is None:
            changed = np.arange(characters.size)
        else:
            changed = np.flatnonzero(characters != before)
        columns = characters.shape[1]
        characters = characters.ravel()[changed]
        order = np.argsort(characters, kind="stable")
        ink = paper = selected = at_row = at_column = -1
        for row, column, length, character in _runs(changed[order], characters[order], columns):
            glyph = GLYPHS[character & 3]
            if character != selected:  # they are in order, so mostly it is the same one again
                selected = character
                its_ink, its_paper = character >> _BITS + 2, character >> 2 & (1 << _BITS) - 1
                wanted = []
                if glyph != " " and its_ink != ink:
                    ink = its_ink
                    wanted.append(select(ink, self.depth, False))
                if its_paper != paper:
                    paper = its_paper
                    wanted.append(select(paper, self.depth, True))
                if wanted and self.depth != ColourDepth.NONE:
                    parts.append(f"\x1b[{';'.join(wanted)}m")
            row += layout.top
            column += layout.left
            if row != at_row or column != at_column:
                parts.append(_move(at_row, at_column, row, column))
            parts.append(glyph * length)
            # At the right edge the cursor stays where it is, as there is no wrapping.
            at_column = column + length
            at_row = row if at_column < layout.columns else -1

    def _pen(self, role: Role) -> str:
        """Return what selects a colour of text on the background, whatever was selected before."""
        if self.depth == ColourDepth.NONE:
            return "\x1b[m"
        front = select(code_of(INKS[role], self.depth), self.depth, False)
        return f"\x1b[0;{front};{select(self._night, self.depth, True)}m"

    def _text(self, line: Line, row: int, columns: int) -> str:
        """Return what writes a line of text over a whole row."""
        parts = [f"\x1b[{row + 1};1H"]
        for text, role in line:
            parts.append(f"{self._pen(role)}{text}")
            columns -= len(text)
        parts.append(f"{self._pen('plain')}{' ' * columns}")
        return "".join(parts)


def _characters(
    cells: NDArray[np.int64], scale: int, depth: ColourDepth, night: int
) -> NDArray[np.int64]:
    """Return what each character is, as one number: its colour, its background's, its glyph.

    The background gets the lower code, which mostly is the same, that of the darkest colour.
    """
    if scale > 1:
        cells = cells.repeat(scale, axis=0).repeat(scale, axis=1)
    if len(cells) % 2:
        cells = np.vstack([cells, np.full((1, cells.shape[1]), night)])
    upper, lower = cells[0::2], cells[1::2]
    glyphs = (upper > lower) + 2 * (upper < lower)
    if depth == ColourDepth.NONE:
        glyphs += 3 * ((upper == lower) & (upper > 0))
    return (np.maximum(upper, lower) << _BITS | np.minimum(upper, lower)) << 2 | glyphs


def _runs(
    places: NDArray[np.int64], characters: NDArray[np.int64], columns: int
) -> Iterator[tuple[int, int, int, int]]:
    """Return row, column, length and character of the runs of equal characters in a row.

    Args:
        places: where they are, counted row by row, in the order in which they are to be sent.
        characters: what they are.
        columns: how many there are in a row.
    """
    starts = np.ones(len(places), dtype=np.bool_)
    starts[1:] = (
        (np.diff(places) != 1) | (places[1:] % columns == 0) | (characters[1:] != characters[:-1])
    )
    first = np.flatnonzero(starts)
    lengths = np.diff(first, append=len(places))
    row, column = np.divmod(places[first], columns)
    runs = np.stack([row, column, lengths, characters[first]])
    return zip(*runs.tolist(), strict=True)


def _move(at_row: int, at_column: int, row: int, column: int) -> str:
    """Return the shortest way from one place to another."""
    if at_row == row and column > at_column:
        step = column - at_column
        return "\x1b[C" if step == 1 else f"\x1b[{step}C"
    return f"\x1b[{row + 1};{column + 1}H"
