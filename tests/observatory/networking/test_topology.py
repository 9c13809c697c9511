"""Neighbours on a torus and the shapes of grids."""

from __future__ import annotations

from typing import Any

import pytest

from observatory.networking.topology import (
    TOPOLOGIES,
    Topology,
    moore_neighbors,
    most_square,
    neighborhoods,
    ring_neighbors,
    square_counts_near,
)


def test_neighbours_in_the_middle_come_row_by_row() -> None:
    assert moore_neighbors(12, 5, 5) == [6, 7, 8, 11, 13, 16, 17, 18]


def test_the_grid_has_no_edge() -> None:
    assert moore_neighbors(0, 4, 3) == [11, 8, 9, 3, 1, 7, 4, 5]


@pytest.mark.parametrize(
    ("width", "height", "expected"),
    [
        (1, 1, []),
        (2, 1, [1]),
        (3, 1, [2, 1]),
        (1, 3, [2, 1]),
        (2, 2, [3, 2, 1]),
        (3, 2, [5, 3, 4, 2, 1]),
        (3, 3, [8, 6, 7, 2, 1, 5, 3, 4]),
    ],
)
def test_on_a_tiny_grid_everybody_is_listed_once(
    width: int, height: int, expected: list[int]
) -> None:
    assert moore_neighbors(0, width, height) == expected


@pytest.mark.parametrize(("width", "height"), [(1, 1), (2, 1), (2, 3), (5, 1), (4, 4), (7, 3)])
def test_neighbourhood_is_mutual_and_never_of_oneself(width: int, height: int) -> None:
    cells = range(width * height)
    around = {cell: moore_neighbors(cell, width, height) for cell in cells}
    for cell in cells:
        assert cell not in around[cell]
        assert len(set(around[cell])) == len(around[cell])
        assert all(cell in around[other] for other in around[cell])


@pytest.mark.parametrize(
    ("index", "count", "expected"),
    [(0, 1, []), (0, 2, [1]), (1, 2, [0]), (0, 3, [2, 1]), (4, 9, [3, 5]), (8, 9, [7, 0])],
)
def test_in_a_ring_there_is_one_on_each_side(index: int, count: int, expected: list[int]) -> None:
    assert ring_neighbors(index, count) == expected


@pytest.mark.parametrize("count", [1, 2, 5, 12])
@pytest.mark.parametrize("topology", TOPOLOGIES)
def test_whoever_hears_somebody_is_heard_by_it(topology: Topology, count: int) -> None:
    around = neighborhoods(topology, count)
    assert len(around) == count
    for cell in range(count):
        assert len(set(around[cell])) == len(around[cell])
        assert all(cell in around[other] for other in around[cell])
        if topology != "complete":
            assert cell not in around[cell]


def test_neighbourhoods_are_those_of_the_torus_and_the_ring() -> None:
    assert neighborhoods("torus", 12)[5] == moore_neighbors(5, 4, 3)
    assert neighborhoods("ring", 12)[5] == [4, 6]


def test_a_complete_graph_costs_no_memory() -> None:
    around = neighborhoods("complete", 10**6)
    assert around[0] is around[-1]
    assert around[0] == range(10**6)


def test_what_isnt_in_the_ring_or_no_topology_is_refused() -> None:
    with pytest.raises(ValueError, match="index must be from 0 to 3, got 4"):
        ring_neighbors(4, 4)
    with pytest.raises(ValueError, match="count must be a whole number ≥ 1, got 0"):
        neighborhoods("complete", 0)
    with pytest.raises(ValueError, match="topology must be torus, ring or complete, got 'star'"):
        neighborhoods("star", 4)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("count", "expected"),
    [(1, (1, 1)), (2, (2, 1)), (900, (30, 30)), (1000, (40, 25)), (12, (4, 3)), (997, (997, 1))],
)
def test_most_square(count: int, expected: tuple[int, int]) -> None:
    assert most_square(count) == expected


def test_most_square_is_the_best_of_all_rectangles() -> None:
    for count in range(1, 200):
        shapes = [(w, count // w) for w in range(1, count + 1) if count % w == 0]
        best = min((shape for shape in shapes if shape[0] >= shape[1]), key=lambda s: s[0] - s[1])
        assert most_square(count) == best


@pytest.mark.parametrize(
    ("count", "expected"), [(1, (1, 1)), (2, (1, 4)), (997, (961, 1024)), (900, (900, 900))]
)
def test_square_counts_near(count: int, expected: tuple[int, int]) -> None:
    assert square_counts_near(count) == expected


@pytest.mark.parametrize(
    ("arguments", "name"),
    [((4, 2, 2), "index"), ((-1, 2, 2), "index"), ((0, 0, 2), "width"), ((0, 2, -1), "height")],
)
def test_what_isnt_on_the_grid_is_refused(arguments: tuple[int, int, int], name: str) -> None:
    with pytest.raises(ValueError, match=f"{name} must be"):
        moore_neighbors(*arguments)


@pytest.mark.parametrize("wrong", [1.0, "1", True, None])
def test_only_whole_numbers(wrong: Any) -> None:
    with pytest.raises(TypeError, match="index must be a whole number"):
        moore_neighbors(wrong, 3, 3)
    with pytest.raises(TypeError, match="width must be a whole number"):
        moore_neighbors(0, wrong, 3)
    with pytest.raises(TypeError, match="count must be a whole number"):
        most_square(wrong)


@pytest.mark.parametrize("count", [0, -4])
def test_a_grid_has_at_least_one_cell(count: int) -> None:
    with pytest.raises(ValueError, match=f"count must be a whole number ≥ 1, got {count}"):
        most_square(count)
    with pytest.raises(ValueError, match=f"count must be a whole number ≥ 1, got {count}"):
        square_counts_near(count)
