"""GridView: what is to be seen of the agents at a time."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from observatory.visualization.grid import LEVELS, Aspect, GridView, StateView
from observatory.visualization.palette import Palettes


def test_a_light_fades_in_few_levels() -> None:
    grid = GridView(2, 1, Palettes.grey, 0.5)
    grid.light(0, 10.0)
    seen = [float(grid.levels(10.0 + step / 100)[0, 0]) for step in range(250)]
    assert (seen[0], seen[-1]) == (1.0, 0.0)
    assert seen == sorted(seen, reverse=True)
    assert len(set(seen)) == LEVELS
    assert grid.levels(10.0).tolist() == [[1.0, 0.0]]


@pytest.mark.parametrize(("reduction", "expected"), [("brightest", 1.0), ("mean", 4 / 15)])
def test_agents_that_share_a_place(reduction: Any, expected: float) -> None:
    grid = GridView(2, 2, Palettes.grey, 1.0, reduction)
    grid.light(3, 0.0)
    assert grid.levels(0.0, factor=2).tolist() == [[pytest.approx(expected)]]


def test_frozen_it_stays_as_it_is_whatever_is_lit() -> None:
    grid = GridView(2, 1, Palettes.grey, 1.0)
    grid.light(0, 0.0)
    grid.freeze(0.0)
    grid.light(1, 1.0)
    assert grid.levels(1.0).tolist() == [[1.0, 0.0]]
    grid.thaw()
    assert grid.levels(1.0).tolist() == [[0.0, 1.0]]


def test_it_switches_between_brightness_and_aspects() -> None:
    grid = GridView(2, 1, Palettes.grey, 1.0)
    grid.light(0, 0.0)
    half = Aspect("half", lambda now: np.full((1, 2), 0.2 * now), Palettes.ice)
    full = Aspect("full", lambda now: np.ones((1, 2)), Palettes.ember)
    grid.aspects = (half, full)
    seen: list[Any] = []
    for _ in range(4):
        seen.append((grid.aspect, grid.levels(1.0).tolist(), grid.colours(1.0).tolist()))
        grid.switch()
    assert seen[0] == seen[3] == (None, [[0.0, 0.0]], Palettes.grey(np.zeros((1, 2))).tolist())
    assert seen[1] == (half, [[0.2, 0.2]], Palettes.ice(np.full((1, 2), 0.2)).tolist())
    assert seen[2] == (full, [[1.0, 1.0]], Palettes.ember(np.ones((1, 2))).tolist())
    GridView.switch(alone := GridView(1, 1, Palettes.grey, 1.0))
    assert alone.aspect is None


def test_frozen_it_shows_every_aspect_of_that_moment() -> None:
    grid = GridView(1, 1, Palettes.grey, 1.0)
    grid.light(0, 0.0)
    grid.aspects = (Aspect("time", lambda now: np.full((1, 1), now), Palettes.ice),)
    grid.freeze(0.2)
    grid.switch()
    assert grid.levels(0.6).tolist() == [[pytest.approx(0.2)]]
    grid.switch()
    assert grid.levels(0.6).tolist() == [[pytest.approx(0.8)]]
    grid.thaw()
    grid.switch()
    assert grid.levels(0.6).tolist() == [[pytest.approx(0.6)]]


def test_the_colours_are_the_palettes() -> None:
    grid = GridView(3, 2, Palettes.firefly, 1.0)
    grid.light(4, 0.0)
    assert (grid.colours(0.3) == Palettes.firefly(grid.levels(0.3))).all()
    numbers = GridView(3, 2, lambda b: (b * 255).astype(int), 1.0)
    assert numbers.colours(0.0).shape == (2, 3)


@pytest.mark.parametrize(
    ("palette", "error", "message"),
    [
        (lambda b: b, TypeError, "palette_func must return an array of whole numbers, got float64"),
        (
            lambda b: [[1]],
            TypeError,
            "palette_func must return an array of whole numbers, got list",
        ),
        (lambda b: np.zeros((1, 1), int), ValueError, r"shape \(2, 3\) or RGB .*got \(1, 1\)"),
        (lambda b: np.zeros((2, 3, 4), int), ValueError, r"\(2, 3, 3\), got \(2, 3, 4\)"),
        (lambda b: np.full((2, 3), 256), ValueError, "numbers from 0 to 255, got 256 to 256"),
        (lambda b: None, TypeError, "array of whole numbers, got NoneType"),
        (lambda b: b > 0, TypeError, "array of whole numbers, got bool"),
        (lambda b: np.zeros((2, 3, 3)), TypeError, "array of whole numbers, got float64"),
        (lambda b: np.zeros((3, 2), int), ValueError, r"palette_func .*got \(3, 2\)"),
        (lambda b: np.full((2, 3), -1), ValueError, "numbers from 0 to 255, got -1 to -1"),
    ],
)
def test_what_is_no_palette_is_named(palette: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        GridView(3, 2, palette, 1.0).colours(0.0)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((0, 1, Palettes.grey, 1.0), "width must be"),
        ((1, 0, Palettes.grey, 1.0), "height must be"),
        ((1, 1, Palettes.grey, 0.0), "decay_per_second must be above 0"),
        ((1, 1, "grey", 1.0), "palette_func must be a function, got 'grey'"),
        ((1, 1, Palettes.grey, -1.0), "decay_per_second must be above 0"),
        ((1, 1, Palettes.grey, 1.0, "median"), "reduction must be 'brightest' or 'mean'"),
    ],
)
def test_bad_arguments(arguments: Any, message: str) -> None:
    with pytest.raises((TypeError, ValueError), match=message):
        GridView(*arguments)


def test_a_palette_is_given_what_is_to_be_seen_in_blocks() -> None:
    given = []

    def palette(brightness: Any) -> Any:
        given.append(brightness)
        return Palettes.grey(brightness)

    grid = GridView(5, 3, palette, 1.0)
    grid.light(14, 0.0)
    assert grid.colours(0.0, factor=2).shape == (2, 3, 3)
    assert given[0].tolist() == [[0.0, 0.0, 0.0], [0.0, 0.0, 1.0]]


@pytest.mark.parametrize("kind", [np.uint8, np.int16, np.int64, np.uint32])
def test_any_kind_of_whole_number_will_do(kind: Any) -> None:
    grid = GridView(3, 2, lambda b: np.full(b.shape, 255).astype(kind), 1.0)
    assert (grid.colours(0.0) == 255).all()


def test_frozen_in_a_window_of_another_size_it_shows_the_same_moment() -> None:
    grid = GridView(4, 4, Palettes.grey, 1.0)
    grid.light(0, 0.0)
    grid.freeze(0.0)
    grid.light(15, 5.0)
    assert grid.levels(5.0, factor=2).tolist() == [[1.0, 0.0], [0.0, 0.0]]


def test_a_state_stays_until_it_is_another() -> None:
    view = StateView(2, 2, Palettes.grey)
    assert (view.levels(0.0) == 0).all()
    view.states[2] = 1.0
    for now in (0.0, 1e9):
        assert view.levels(now).tolist() == [[0.0, 0.0], [1.0, 0.0]]
    view.states[2] = 0.0
    assert (view.levels(0.0) == 0).all()


def test_states_frozen_stay_as_they_are() -> None:
    view = StateView(2, 1, Palettes.grey)
    view.states[0] = 1.0
    view.freeze(0.0)
    view.states[0], view.states[1] = 0.0, 1.0
    assert view.levels(0.0).tolist() == [[1.0, 0.0]]
    view.thaw()
    assert view.levels(0.0).tolist() == [[0.0, 1.0]]


@pytest.mark.parametrize(("reduction", "expected"), [("brightest", 1.0), ("mean", 4 / 15)])
def test_states_that_share_a_place(reduction: Any, expected: float) -> None:
    view = StateView(2, 2, Palettes.grey, reduction)
    view.states[1] = 1.0
    assert view.levels(0.0, factor=2).tolist() == [[pytest.approx(expected)]]
