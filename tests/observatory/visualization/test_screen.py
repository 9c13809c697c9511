"""Screen: a terminal that is fed its frames shows what was asked for, and nothing is sent twice."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from tests.observatory.visualization.emulator import DEFAULT, Terminal

from observatory.visualization.colours import RGB, ColourDepth, code_of, codes
from observatory.visualization.layout import Layout
from observatory.visualization.screen import NIGHT, Screen
from observatory.visualization.status import Line

COLOURS = np.array(
    [[8, 11, 24], [17, 23, 51], [255, 251, 209], [122, 154, 31], [255, 0, 0]], dtype=np.uint8
)


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


@st.composite
def pictures(draw: st.DrawFn) -> tuple[Layout, NDArray[Any], list[Line]]:
    width, height = draw(st.integers(1, 7)), draw(st.integers(1, 7))
    columns, rows = draw(st.sampled_from([(20, 12), (7, 9), (31, 20), (3, 3), (1, 1), (40, 5)]))
    layout = Layout.of(columns, rows, width, height, 2)
    shape = -(-height // layout.factor), -(-width // layout.factor)
    if draw(st.booleans()):
        picks = draw(st.lists(st.integers(0, 4), min_size=49, max_size=49))
        colours = COLOURS[np.array(picks[: shape[0] * shape[1]]).reshape(shape)]
    else:
        picks = draw(st.lists(st.sampled_from([0, 16, 231, 17]), min_size=49, max_size=49))
        colours = np.array(picks[: shape[0] * shape[1]], dtype=np.uint8).reshape(shape)
    words = draw(st.lists(st.sampled_from(["", "R 0.5", "agents"]), min_size=2, max_size=2))
    return layout, colours, lines_of(columns, words)


@settings(deadline=None, max_examples=300)
@given(st.lists(pictures(), min_size=1, max_size=6), st.sampled_from(ColourDepth), st.data())
def test_the_terminal_shows_each_picture(
    frames: list[tuple[Layout, NDArray[Any], list[Line]]], depth: ColourDepth, data: st.DataObject
) -> None:
    screen = Screen(depth)
    terminal = None
    for layout, colours, lines in frames:
        if terminal is None or (terminal.columns, terminal.rows) != (layout.columns, layout.rows):
            terminal = Terminal(layout.columns, layout.rows)
            screen.forget()
        terminal.feed(screen.frame(layout, colours, lines))
        check(terminal, layout, colours, lines, depth)
        assert screen.frame(layout, colours, lines) == b""
        if data.draw(st.booleans()):
            screen.forget()


@settings(deadline=None, max_examples=200)
@given(pictures(), st.lists(st.tuples(st.integers(0, 48), st.integers(0, 4)), max_size=8))
def test_only_changed_characters_are_sent(
    picture: tuple[Layout, NDArray[Any], list[Line]], changes: list[tuple[int, int]]
) -> None:
    layout, colours, lines = picture
    if colours.ndim == 2:
        colours = COLOURS[np.zeros(colours.shape, dtype=int)]
    screen, terminal = Screen(ColourDepth.TRUE), Terminal(layout.columns, layout.rows)
    terminal.feed(screen.frame(layout, colours, lines))
    before = wanted(layout, colours, ColourDepth.TRUE)
    colours = colours.copy()
    for place, colour in changes:
        flat = colours.reshape(-1, 3)
        flat[place % len(flat)] = COLOURS[colour]
    after = wanted(layout, colours, ColourDepth.TRUE)
    changed = [place for place in after if after[place] != before[place]]
    written, selected = terminal.written, terminal.selected
    terminal.feed(screen.frame(layout, colours, lines))
    assert terminal.written - written == len(changed)
    # Each pair of colours is selected once, however many characters have it.
    assert terminal.selected - selected <= len({frozenset(after[place]) for place in changed})
    check(terminal, layout, colours, lines, ColourDepth.TRUE)


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
