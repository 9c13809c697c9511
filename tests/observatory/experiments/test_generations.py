"""The check of Life: step errors and drift are counted as they are defined."""

from __future__ import annotations

import hashlib
from array import array
from itertools import islice

import numpy as np
import pytest

from observatory.experiments.generations import (
    ALIVE,
    DEAD,
    WRONGLY_ALIVE,
    WRONGLY_DEAD,
    Generations,
)
from observatory.reference.conway import World, generations

BLINKER: World = np.array(
    [[False] * 5, [False] * 5, [False, True, True, True, False]] + [[False] * 5] * 2
)


class Clock:
    """A clock that is set by hand."""

    now = 10.0

    def __call__(self) -> float:
        return self.now


def make(made: Generations, generation: int, world: World) -> None:
    for cell, alive in enumerate(world.ravel().tolist()):
        made.made(cell, generation, alive)


def test_generations_that_are_right_are_no_errors() -> None:
    made = Generations(BLINKER, 10.0, 0.0, Clock())
    for number, world in enumerate(islice(generations(BLINKER), 3), start=1):
        make(made, number, world)
        assert (made.whole, made.alive, made.steps) == (number, 3, 25 * number)
    assert (made.errors, made.first_error, made.apart, made.behind) == (0, None, 0, 0)


def test_each_wrong_cell_of_each_generation_is_an_error() -> None:
    made = Generations(BLINKER, 10.0, 0.0, Clock())
    make(made, 1, BLINKER)  # it should have turned: two should be alive, two dead
    assert (made.errors, made.first_error) == (4, (1, 7))
    make(made, 2, BLINKER)  # the reference goes on from its own states: this is right
    assert (made.errors, made.first_error) == (4, (1, 7))
    make(made, 3, BLINKER)
    assert (made.errors, made.first_error) == (8, (1, 7))


def test_a_generation_is_checked_when_its_last_cell_has_made_it() -> None:
    made = Generations(BLINKER, 10.0, 0.0, Clock())
    for cell in range(24):
        made.made(cell, 1, True)
    assert (made.whole, made.errors) == (0, 0)
    made.made(24, 1, True)
    assert (made.whole, made.errors) == (1, 22)


def test_wrong_cells_have_numbers_of_their_own() -> None:
    states = array("d", [0.5]) * 25
    made = Generations(BLINKER, 10.0, 0.0, Clock(), states)
    assert set(states) == {DEAD, ALIVE}
    assert [n for n, state in enumerate(states) if state == ALIVE] == [11, 12, 13]
    make(made, 1, BLINKER)
    assert {n: state for n, state in enumerate(states) if state != DEAD} == {
        12: ALIVE,
        **dict.fromkeys((7, 17), WRONGLY_DEAD),
        **dict.fromkeys((11, 13), WRONGLY_ALIVE),
    }


def test_cells_are_apart_by_the_generations_between_the_foremost_and_the_rearmost() -> None:
    made = Generations(BLINKER, 10.0, 0.0, Clock())
    made.made(0, 1, False)
    assert made.apart == 0  # everybody else is at generation 0
    made.made(0, 2, False)
    assert made.apart == 1
    made.made(0, 3, False)
    assert made.apart == 2
    for cell in range(1, 25):
        made.made(cell, 1, False)
    made.made(1, 2, False)
    assert made.apart == 2


def test_a_generation_is_behind_by_the_whole_intervals_after_its_time() -> None:
    clock = Clock()
    made = Generations(BLINKER, 10.0, 2.0, clock)
    worlds = generations(BLINKER)
    for number, (time, behind) in enumerate([(12.0, 0), (15.5, 0), (20.0, 2), (18.0, 2)], start=1):
        clock.now = time
        make(made, number, next(worlds))
        assert made.behind == behind
    assert list(made.lateness) == [0.0, 1.5, 4.0, 0.0]


@pytest.mark.parametrize(("time", "behind"), [(9.0, 0), (12.0, 0), (13.9, 0), (14.0, 1), (19.0, 3)])
def test_at_any_time_the_next_generation_is_behind(time: float, behind: int) -> None:
    assert Generations(BLINKER, 10.0, 2.0, Clock()).behind_at(time) == behind
    assert Generations(BLINKER, 10.0, 0.0, Clock()).behind_at(time) == 0


def test_the_digest_is_that_of_all_whole_generations() -> None:
    made = Generations(BLINKER, 10.0, 0.0, Clock())
    make(made, 1, BLINKER.T)
    made.made(0, 2, True)
    packed = np.packbits(BLINKER).tobytes() + np.packbits(BLINKER.T).tobytes()
    assert made.digest() == hashlib.sha256(packed).hexdigest()
