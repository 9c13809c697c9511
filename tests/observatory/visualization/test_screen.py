"""Screen: a terminal that is fed its frames shows what was asked for, and nothing is sent twice."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from tests.long_form import tries
from tests.observatory.visualization.emulator import DEFAULT, Terminal

from observatory.visualization.colours import RGB, ColourDepth, code_of, codes
from observatory.visualization.layout import Layout
from observatory.visualization.screen import NIGHT, Screen
from observatory.visualization.status import Line

COLOURS = np.array(
    [[8, 11, 24], [17, 23, 51], [255, 251, 209], [122, 154, 31], [255, 0, 0]], dtype=np.uint8
)
NUMBERS = np.array([0, 16, 231, 17], dtype=np.uint8)


def shown_as(code: int, depth: ColourDepth) -> str:
    """How the emulator names a colour."""
    if code & RGB:
        return f"{code >> 16 & 255};{code >> 8 & 255};{code & 255}"
    return str(code)


def wanted(
    layout: Layout, colours: NDArray[Any], depth: ColourDepth
) -> dict[tuple[int, int], tuple[object, object]]:
    """The two halves of every character of the grid, worked out one by one."""
    cells = codes(colours, depth)
    night = code_of(NIGHT, depth)
    height, width = cells.shape

    def at(y: int, x: int) -> object:
        row = y // layout.scale
        code = int(cells[row, x // layout.scale]) if row < height else night
        return bool(code) if depth == ColourDepth.NONE else shown_as(code, depth)

    return {
        (layout.top + row, layout.left + column): (at(2 * row, column), at(2 * row + 1, column))
        for row in range(layout.grid_rows)
        for column in range(width * layout.scale)
    }


def seen(terminal: Terminal, place: tuple[int, int], depth: ColourDepth) -> tuple[object, object]:
    cell = terminal.cell(*place)
    if depth == ColourDepth.NONE:
        assert (cell.ink, cell.paper) == (DEFAULT, DEFAULT)
        return cell.letter in "▀█", cell.letter in "▄█"
    return cell.halves


def check(
    terminal: Terminal,
    layout: Layout,
    colours: NDArray[Any],
    lines: list[Line],
    depth: ColourDepth,
) -> None:
    """Everything is where it belongs, and the rest is night."""
    grid = wanted(layout, colours, depth)
    status = range(layout.status_top, layout.status_top + layout.status_rows)
    night = shown_as(code_of(NIGHT, depth), depth)
    for row in range(layout.rows):
        for column in range(layout.columns):
            if (row, column) in grid:
                assert seen(terminal, (row, column), depth) == grid[row, column]
            elif depth != ColourDepth.NONE:
                assert terminal.cell(row, column).paper == night
            if (row, column) not in grid and row not in status:
                assert terminal.cell(row, column).letter == " "
    for row, line in zip(status, lines, strict=False):
        assert terminal.text(row) == "".join(text for text, _ in line).ljust(layout.columns)


def lines_of(width: int, words: list[str]) -> list[Line]:
    return [
        ((word[:width], "plain"), (word[:width][: max(0, width - len(word))], "dim"))
        for word in words
    ]


WINDOWS = [(20, 12), (7, 9), (31, 20), (3, 3), (1, 1), (40, 5)]


@st.composite
def layouts(draw: st.DrawFn, width: int, height: int) -> Layout:
    """Where a grid goes: by itself, or anywhere that there is room, enlarged by any number."""
    columns, rows = draw(st.sampled_from(WINDOWS))
    scale = draw(st.integers(1, 4))
    grid_rows = -(-height * scale // 2)
    if draw(st.booleans()) or width * scale > columns or grid_rows + 2 > rows:
        return Layout.of(columns, rows, width, height, 2)
    top = draw(st.integers(0, rows - 2 - grid_rows))
    return Layout(
        columns=columns,
        rows=rows,
        factor=1,
        scale=scale,
        left=draw(st.integers(0, columns - width * scale)),
        top=top,
        grid_rows=grid_rows,
        status_top=draw(st.integers(top + grid_rows, rows - 2)),
        status_left=0,
        status_rows=2,
    )


@st.composite
def cells(draw: st.DrawFn, layout: Layout, width: int, height: int) -> NDArray[Any]:
    """What a palette may give: RGB, or numbers of the terminal's own colours."""
    shape = -(-height // layout.factor), -(-width // layout.factor)
    few, size = (COLOURS, 5) if draw(st.booleans()) else (NUMBERS, 4)
    picks = draw(st.lists(st.integers(0, size - 1), min_size=49, max_size=49))
    found: NDArray[Any] = few[np.array(picks[: shape[0] * shape[1]]).reshape(shape)]
    return found


Picture = tuple[Layout, NDArray[Any], list[Line]]


@st.composite
def sequences(draw: st.DrawFn) -> list[Picture]:
    """Pictures one after the other: whatever may change in a view does, or some of it doesn't."""
    width, height = draw(st.integers(1, 7)), draw(st.integers(1, 7))
    layout = draw(layouts(width, height))
    colours = draw(cells(layout, width, height))
    words = ["", ""]
    pictures = []
    for change in draw(st.lists(st.sampled_from(["grid", "window", "cells", "words"]), max_size=6)):
        if change == "grid":
            width, height = draw(st.integers(1, 7)), draw(st.integers(1, 7))
        if change in ("grid", "window"):
            layout = draw(layouts(width, height))
            colours = draw(cells(layout, width, height))
        elif change == "cells":
            colours = colours.copy()
            pick = st.tuples(st.integers(0, 6), st.integers(0, 6), st.integers(0, 3))
            for y, x, colour in draw(st.lists(pick, min_size=1, max_size=8)):
                place = y % colours.shape[0], x % colours.shape[1]
                colours[place] = (COLOURS if colours.ndim == 3 else NUMBERS)[colour]
        else:
            words = draw(st.lists(st.sampled_from(["", "R 0.5", "agents"]), min_size=2, max_size=2))
        pictures.append((layout, colours, lines_of(layout.columns, words)))
    return pictures


@settings(deadline=None, max_examples=tries(80, 250))
@given(sequences(), st.sampled_from(ColourDepth), st.data())
def test_the_terminal_shows_each_picture_and_is_sent_what_has_changed(
    pictures: list[Picture], depth: ColourDepth, data: st.DataObject
) -> None:
    screen = Screen(depth)
    terminal = Terminal(1, 1)
    known: Picture | None = None
    for layout, colours, lines in pictures:
        # Of what a window showed before, the screen has to take care itself.
        terminal.resize(layout.columns, layout.rows)
        written, selected = terminal.written, terminal.selected
        terminal.feed(screen.frame(layout, colours, lines))
        check(terminal, layout, colours, lines, depth)
        if known is not None and (known[0], known[1].shape[:2]) == (layout, colours.shape[:2]):
            before, after = (wanted(layout, cells, depth) for cells in (known[1], colours))
            changed = [place for place in after if after[place] != before[place]]
            rows = sum(
                line != old
                for line, old in zip(lines[: layout.status_rows], known[2], strict=False)
            )
            assert terminal.written - written == len(changed) + layout.columns * rows
            # Each pair of colours is selected once, however many characters have it; each piece
            # of a line has its own, and so has the rest of its row.
            pairs = {frozenset(after[place]) for place in changed}
            assert terminal.selected - selected <= len(pairs) + 3 * rows
        else:
            assert terminal.written - written >= layout.columns * layout.rows
        assert screen.frame(layout, colours, lines) == b""
        known = layout, colours, lines
        if data.draw(st.booleans()):
            screen.forget()
            known = None


@pytest.mark.parametrize("depth", [ColourDepth.BASIC, ColourDepth.INDEXED, ColourDepth.TRUE])
def test_however_colours_are_mixed_each_pair_is_selected_once(depth: ColourDepth) -> None:
    layout = Layout.of(40, 20, 40, 30, 2)
    rows, columns = np.indices((30, 40))
    screen, terminal = Screen(depth), Terminal(40, 20)
    terminal.feed(screen.frame(layout, COLOURS[np.zeros((30, 40), dtype=int)], []))
    selected = terminal.selected
    colours = COLOURS[(rows * 7 + columns * 3) % 5]
    terminal.feed(screen.frame(layout, colours, []))
    pairs = {frozenset(pair) for pair in wanted(layout, colours, depth).values()}
    assert 3 <= terminal.selected - selected <= len(pairs)


def test_forgotten_all_of_it_is_sent_again() -> None:
    layout = Layout.of(20, 10, 4, 4, 2)
    colours, lines = COLOURS[np.ones((4, 4), dtype=int)], lines_of(20, ["one", "two"])
    screen = Screen(ColourDepth.TRUE)
    first = screen.frame(layout, colours, lines)
    assert screen.frame(layout, colours, lines) == b""
    screen.forget()
    assert screen.frame(layout, colours, lines) == first


def test_a_changed_line_is_sent_alone() -> None:
    layout = Layout.of(20, 10, 4, 4, 2)
    colours = COLOURS[np.zeros((4, 4), dtype=int)]
    screen = Screen(ColourDepth.TRUE)
    screen.frame(layout, colours, lines_of(20, ["one", "two"]))
    terminal = Terminal(20, 10)
    terminal.feed(screen.frame(layout, colours, lines_of(20, ["one", "three"])))
    assert terminal.written == 20
    assert terminal.text(layout.status_top + 1).startswith("three")


@pytest.mark.parametrize("depth", ColourDepth)
def test_cells_side_by_side_that_change_alike_need_one_move(depth: ColourDepth) -> None:
    layout = Layout.of(30, 10, 30, 12, 2)
    screen = Screen(depth)
    dark = np.zeros((12, 30, 3), dtype=np.uint8)
    screen.frame(layout, dark, [])
    lit = dark.copy()
    lit[4:6] = 255
    assert screen.frame(layout, lit, []).count(b"H") == 1
