"""GridView: what is to be seen of the agents at a time."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from observatory.visualization.grid import LEVELS, GridView
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
        ((1, 1, "grey", 1.0), "palette_func must be a function, got 'grey'"),
        ((1, 1, Palettes.grey, -1.0), "decay_per_second must be above 0"),
        ((1, 1, Palettes.grey, 1.0, "median"), "reduction must be 'brightest' or 'mean'"),
    ],
)
def test_bad_arguments(arguments: Any, message: str) -> None:
    with pytest.raises((TypeError, ValueError), match=message):
        GridView(*arguments)
