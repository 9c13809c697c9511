"""Stills: the view as it is at one instant, as a drawing in SVG."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from typing import Any

import numpy as np
from numpy.typing import NDArray

from observatory.visualization.colours import rgb
from observatory.visualization.layout import Layout
from observatory.visualization.screen import INKS, NIGHT
from observatory.visualization.status import EIGHTHS, SPARKS, Line

CELL = 8
"""The side of a cell, in pixels; a character is as wide and twice as high."""
_DOT = 0.86
"""The width of an agent's dot, as a share of its place."""
_MARGIN = 2 * CELL
_FONT = "ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace"


def still(layout: Layout, colours: NDArray[Any], lines: list[Line]) -> str:
    """Return the picture as an SVG document.

    It has a background of its own, and looks the same on a dark page and on a light one.

    Args:
        layout: the places of things, in characters.
        colours: what the palette gave for the cells, of shape (height, width[, 3]).
        lines: the status bar, from the top.
    """
    width, height = layout.columns * CELL + 2 * _MARGIN, layout.rows * 2 * CELL + 2 * _MARGIN
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        f'width="{width}" height="{height}" font-family="{_FONT}" font-size="13">',
        f'<rect width="{width}" height="{height}" rx="12" fill="{NIGHT}"/>',
        f'<g transform="translate({_MARGIN} {_MARGIN})">',
        *_grid(layout, rgb(colours)),
    ]
    for number, line in enumerate(lines[: layout.status_rows]):
        parts += _text(line, layout.status_top + number)
    parts += ["</g>", "</svg>", ""]
    return "\n".join(parts)


def _grid(layout: Layout, cells: NDArray[np.int64]) -> Iterator[str]:
    """Draw the cells as dots: for each colour a path of strokes of no length, with round ends."""
    if not layout.grid_rows:
        return
    codes = cells[..., 0] << 16 | cells[..., 1] << 8 | cells[..., 2]
    side = layout.scale * CELL
    paths: dict[int, list[str]] = {}
    for y, row in enumerate(codes.tolist()):
        for x, code in enumerate(row):
            paths.setdefault(code, []).append(f"M{x * side} {y * side}h0")
    left, top = layout.left * CELL + side / 2, layout.top * 2 * CELL + side / 2
    yield (
        f'<g transform="translate({left:g} {top:g})" fill="none" stroke-linecap="round" '
        f'stroke-width="{_DOT * side:g}">'
    )
    for code, dots in sorted(paths.items()):
        yield f'<path stroke="#{code:06x}" d="{"".join(dots)}"/>'
    yield "</g>"


def _text(line: Line, row: int) -> Iterator[str]:
    """Draw a line of text; blocks as what they are, since fonts leave gaps between them."""
    column = 0
    for text, role in line:
        if role == "course" or (role == "accent" and not set(text) - set(EIGHTHS)):
            block = _spark if role == "course" else _eighths
            d = "".join(block(letter, column + i, row) for i, letter in enumerate(text))
            yield f'<path fill="{INKS[role]}" d="{d}"/>'
        elif text.strip():
            # The length is fixed, as every machine has another font.
            begin = column + len(text) - len(text.lstrip())
            yield (
                f'<text x="{begin * CELL}" y="{row * 2 * CELL + 12}" fill="{INKS[role]}" '
                f'textLength="{len(text.strip()) * CELL}" xml:space="preserve">'
                f"{escape(text.strip())}</text>"
            )
        column += len(text)


def _eighths(letter: str, column: int, row: int) -> str:
    wide = EIGHTHS.index(letter) * CELL // 8
    return f"M{column * CELL} {row * 2 * CELL + 3}h{wide}v10h-{wide}z"


def _spark(letter: str, column: int, row: int) -> str:
    high, wide = (SPARKS.index(letter) + 1) * 1.5, CELL - 1
    return f"M{column * CELL} {row * 2 * CELL + 13 - high:g}h{wide}v{high:g}h-{wide}z"
