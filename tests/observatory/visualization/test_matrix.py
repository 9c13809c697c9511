"""BrightnessMatrix and blocks: the same as worked out one by one."""

from __future__ import annotations

import math
from array import array
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from observatory.visualization.matrix import BrightnessMatrix, reduced

times = st.floats(-100, 100) | st.just(-math.inf)


@given(st.lists(times, min_size=12, max_size=12), st.floats(-50, 150), st.floats(0.01, 20))
def test_brightness_is_lost_in_a_straight_line(lit: list[float], now: float, decay: float) -> None:
    matrix = BrightnessMatrix(4, 3, decay)
    for agent, time in enumerate(lit):
        matrix.light(agent, time)
    seen = matrix.at(now)
    assert seen.shape == (3, 4)
    for agent, time in enumerate(lit):
        expected = min(1.0, max(0.0, 1.0 - (now - time) * decay))
        assert seen[agent // 4, agent % 4] == pytest.approx(expected, abs=1e-9)


def test_who_was_never_lit_is_dark() -> None:
    assert (BrightnessMatrix(3, 2, 1.0).at(0.0) == 0).all()


def test_a_look_changes_nothing() -> None:
    matrix = BrightnessMatrix(1, 1, 1.0)
    matrix.light(0, 3.0)
    for now in (9.0, 3.5, 3.25, 3.5):
        matrix.at(now)[:] = 0.75
        assert matrix.lit_at[0] == 3.0
        assert matrix.at(now)[0, 0] == max(0.0, 4.0 - now)


def test_it_can_follow_times_that_somebody_else_writes() -> None:
    matrix = BrightnessMatrix(2, 1, 1.0)
    theirs = array("d", [0.0, -math.inf])
    matrix.follow(theirs)
    theirs[1] = 0.25
    assert matrix.at(0.5).tolist() == [[0.5, 0.75]]


@pytest.mark.parametrize("theirs", [array("d", [0.0]), array("f", [0.0, 0.0])])
def test_what_it_cannot_follow(theirs: Any) -> None:
    with pytest.raises(ValueError, match="lit_at must be an array of 2 doubles"):
        BrightnessMatrix(2, 1, 1.0).follow(theirs)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((0, 3, 1.0), "width must be a whole number ≥ 1, got 0"),
        ((3, 2.5, 1.0), "height must be a whole number ≥ 1, got 2.5"),
        ((3, 3, 0), "decay_per_second must be above 0, got 0"),
        ((3, 3, math.nan), "decay_per_second must be a finite number"),
        ((3, 3, "1"), "decay_per_second must be a number"),
    ],
)
def test_bad_arguments(arguments: Any, message: str) -> None:
    with pytest.raises((TypeError, ValueError), match=message):
        BrightnessMatrix(*arguments)


@given(
    st.integers(1, 9),
    st.integers(1, 9),
    st.integers(1, 10),
    st.sampled_from(["brightest", "mean"]),
    st.randoms(use_true_random=False),
)
def test_blocks(width: int, height: int, factor: int, reduction: Any, chance: Any) -> None:
    cells = np.array([[chance.random() for _ in range(width)] for _ in range(height)])
    blocks = reduced(cells, factor, reduction)
    assert blocks.shape == (-(-height // factor), -(-width // factor))
    for y in range(blocks.shape[0]):
        for x in range(blocks.shape[1]):
            block = [
                float(cells[row, column])
                for row in range(y * factor, min(height, (y + 1) * factor))
                for column in range(x * factor, min(width, (x + 1) * factor))
            ]
            expected = max(block) if reduction == "brightest" else sum(block) / len(block)
            assert blocks[y, x] == pytest.approx(expected, abs=1e-12)
