"""Layout: everything is inside the window, as large as it can be, and nothing overlaps."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from observatory.visualization.layout import ALIGNED, HIGHEST, NARROWEST, WIDEST, Layout

sizes = st.tuples(st.integers(0, 250), st.integers(0, 120))
grids = st.tuples(st.integers(1, 400), st.integers(1, 400))


def parts(whole: int, part: int) -> int:
    return -(-whole // part)


def check(layout: Layout, width: int, height: int) -> None:
    shown_width = parts(width, layout.factor) * layout.scale
    shown_height = parts(height, layout.factor) * layout.scale
    assert layout.factor == 1 or layout.scale == 1
    assert layout.scale == 1 or layout.scale % 2 == 0
    if layout.grid_rows and layout.columns:
        assert layout.grid_rows == parts(shown_height, 2)
        assert 0 <= layout.left + shown_width <= layout.columns
    assert layout.top >= 0
    assert layout.top + layout.grid_rows <= layout.status_top
    assert layout.status_top + layout.status_rows <= layout.rows
    assert 0 <= layout.status_left < max(1, layout.columns)


@given(sizes, grids, st.integers(0, 6))
def test_all_is_inside_and_apart(
    size: tuple[int, int], grid: tuple[int, int], status_rows: int
) -> None:
    layout = Layout.of(*size, *grid, status_rows)
    check(layout, *grid)
    assert (layout.columns, layout.rows) == size
    assert layout.status_rows == min(status_rows, size[1])


@given(sizes, grids)
def test_blocks_are_the_smallest_and_squares_the_largest_that_fit(
    size: tuple[int, int], grid: tuple[int, int]
) -> None:
    (columns, rows), (width, height) = size, grid
    layout = Layout.of(columns, rows, width, height, 4)
    free = 2 * (rows - layout.status_rows)
    if not free or not columns:
        return
    assert layout.grid_rows
    if layout.factor > 1:
        smaller = layout.factor - 1
        assert parts(width, smaller) > columns or parts(height, smaller) > free
    else:
        larger = layout.scale + (2 if layout.scale > 1 else 1)
        assert larger % 2 or width * larger > columns or height * larger > free


@given(grids)
def test_the_natural_window_is_made_for_the_grid(grid: tuple[int, int]) -> None:
    layout = Layout.natural(*grid, 3)
    check(layout, *grid)
    assert layout.status_rows == 3
    assert layout.columns <= WIDEST
    assert layout.grid_rows <= HIGHEST
    assert layout.columns >= NARROWEST
    assert layout.factor == max(1, parts(grid[0], WIDEST), parts(grid[1], 2 * HIGHEST))


@settings(deadline=None)
@given(grids)
def test_between_grid_and_status_is_a_row_of_night_if_there_is_room(grid: tuple[int, int]) -> None:
    for rows in range(5, 60):
        layout = Layout.of(80, rows, *grid, 4)
        gap = layout.status_top - layout.top - layout.grid_rows
        assert gap == (layout.grid_rows < rows - 4)
    natural = Layout.natural(*grid, 3)
    assert natural.status_top == natural.top + natural.grid_rows + 1


def test_in_its_natural_window_a_small_grid_is_enlarged() -> None:
    seen = {side: Layout.natural(side, side, 3).scale * side for side in range(1, 61)}
    assert all(30 <= width <= 62 for side, width in seen.items() if side > 1), seen
    assert all(Layout.natural(side, side, 3).scale == 1 for side in range(32, 200))


@given(sizes, grids)
def test_the_grid_stands_in_the_middle(size: tuple[int, int], grid: tuple[int, int]) -> None:
    layout = Layout.of(*size, *grid, 4)
    right = layout.columns - layout.left - parts(grid[0], layout.factor) * layout.scale
    assert right - 1 <= layout.left <= right or not layout.columns
    below = layout.rows - layout.status_top - layout.status_rows
    assert layout.top <= below <= layout.top + 1


@given(sizes, grids)
def test_in_a_low_window_the_status_gives_way_last(
    size: tuple[int, int], grid: tuple[int, int]
) -> None:
    columns, _ = size
    for rows in range(6):
        layout = Layout.of(columns, rows, *grid, 4)
        assert layout.status_rows == min(4, rows)
        assert (layout.grid_rows > 0) == (rows > 4)


@pytest.mark.parametrize(
    ("columns", "rows", "factor", "scale"),
    [(80, 24, 1, 1), (200, 60, 1, 2), (200, 70, 1, 4), (20, 10, 3, 1), (10, 4, 30, 1)],
)
def test_900_agents(columns: int, rows: int, factor: int, scale: int) -> None:
    layout = Layout.of(columns, rows, 30, 30, 4)
    assert (layout.factor, layout.scale) == (factor, scale)


def test_the_status_begins_where_the_grid_does_if_there_is_room() -> None:
    assert Layout.of(200, 60, 30, 30, 4).status_left == 69
    assert Layout.of(80, 24, 30, 30, 4).status_left == 0


@given(sizes, grids)
def test_the_status_has_enough_columns_or_all_of_them(
    size: tuple[int, int], grid: tuple[int, int]
) -> None:
    layout = Layout.of(*size, *grid, 4)
    assert layout.status_left == 0 or layout.columns - layout.status_left > ALIGNED
    assert layout.status_left in (0, layout.left - 1)
