"""Life as a calculation: the rule, well-known patterns, and a plain count on a set of cells."""

from __future__ import annotations

from itertools import islice, product
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from observatory.reference.conway import World, generations, next_generation


def world_of(*rows: str) -> World:
    return np.array([[cell == "#" for cell in row] for row in rows])


def after(world: World, count: int) -> World:
    return next(islice(generations(world), count - 1, None))


def counted(living: set[tuple[int, int]], width: int, height: int) -> set[tuple[int, int]]:
    """The next generation from the coordinates of those who live, one cell after the other."""
    following = set()
    for x, y in product(range(width), range(height)):
        around = {
            ((x + dx) % width, (y + dy) % height)
            for dx, dy in product((-1, 0, 1), repeat=2)
            if (dx, dy) != (0, 0)
        }
        neighbours = len(around & living)
        if neighbours == 3 or (neighbours == 2 and (x, y) in living):
            following.add((x, y))
    return following


@pytest.mark.parametrize("alive", [False, True])
@pytest.mark.parametrize("neighbours", range(9))
def test_the_rule(alive: bool, neighbours: int) -> None:
    world = np.zeros((5, 5), dtype=np.bool_)
    around = [(1 + dy, 1 + dx) for dy, dx in product(range(3), repeat=2) if (dy, dx) != (1, 1)]
    for place in around[:neighbours]:
        world[place] = True
    world[2, 2] = alive
    assert next_generation(world)[2, 2] == (neighbours == 3 or (alive and neighbours == 2))


def test_a_block_stays_and_a_blinker_turns() -> None:
    block = world_of("....", ".##.", ".##.", "....")
    assert (next_generation(block) == block).all()
    blinker = world_of(".....", ".....", ".###.", ".....", ".....")
    assert (next_generation(blinker) == blinker.T).all()
    assert (after(blinker, 2) == blinker).all()


def test_a_glider_moves_by_one_in_four_generations_and_around_the_torus() -> None:
    glider = np.zeros((8, 6), dtype=np.bool_)
    glider[:3, :3] = world_of(".#.", "..#", "###")
    assert (after(glider, 4) == np.roll(glider, (1, 1), axis=(0, 1))).all()
    assert (after(glider, 4 * 24) == glider).all()  # 24 is the first that 8 and 6 divide


@settings(max_examples=50, deadline=None)
@given(st.integers(3, 7), st.integers(3, 7), st.data())
def test_it_agrees_with_a_plain_count(width: int, height: int, data: st.DataObject) -> None:
    cells = st.tuples(st.integers(0, width - 1), st.integers(0, height - 1))
    living = data.draw(st.sets(cells))
    world = np.zeros((height, width), dtype=np.bool_)
    for x, y in living:
        world[y, x] = True
    for following in islice(generations(world), 4):
        living = counted(living, width, height)
        assert {(x, y) for y, x in np.argwhere(following).tolist()} == living


def test_a_world_is_left_as_it_was() -> None:
    world = world_of("...", "###", "...")
    next_generation(world)
    assert (world == world_of("...", "###", "...")).all()


@pytest.mark.parametrize(
    ("world", "message"),
    [
        (np.zeros((3, 3)), "world must be an array of bools, got float64"),
        ([[True] * 3] * 3, "world must be an array of bools, got list"),
        (np.zeros((2, 3), dtype=np.bool_), r"of shape \(3, 3\) or larger, got \(2, 3\)"),
        (np.zeros(9, dtype=np.bool_), r"of shape \(3, 3\) or larger, got \(9,\)"),
    ],
)
def test_other_worlds_are_refused(world: Any, message: str) -> None:
    with pytest.raises((TypeError, ValueError), match=message):
        next_generation(world)
