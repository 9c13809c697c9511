"""The order parameters agree with their plain definitions, on any torus."""

from __future__ import annotations

import cmath
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from observatory.networking.topology import moore_neighbors
from observatory.order import local_order, order_parameter

toruses = st.tuples(st.integers(1, 6), st.integers(1, 6)).flatmap(
    lambda shape: st.lists(
        st.floats(-3.0, 3.0), min_size=shape[0] * shape[1], max_size=shape[0] * shape[1]
    ).map(lambda turns: np.array(turns).reshape(shape))
)


def plain(turns: list[float]) -> float:
    return abs(sum(cmath.exp(2j * math.pi * turn) for turn in turns)) / len(turns)


@given(toruses)
def test_local_order_is_the_order_parameter_of_a_cell_and_its_neighbours(
    turns: NDArray[np.float64],
) -> None:
    height, width = turns.shape
    flat = turns.ravel().tolist()
    expected = [
        plain([flat[other] for other in (cell, *moore_neighbors(cell, width, height))])
        for cell in range(width * height)
    ]
    found = local_order(turns)
    assert found.shape == turns.shape
    assert found.ravel().tolist() == pytest.approx(expected, abs=1e-12)
    assert found.max() <= 1.0


@given(toruses)
def test_r_is_the_length_of_the_mean(turns: NDArray[np.float64]) -> None:
    assert order_parameter(turns) == pytest.approx(plain(turns.ravel().tolist()), abs=1e-12)
    assert order_parameter(turns) <= 1.0


def test_patches_at_odds_have_local_order_and_none_in_all() -> None:
    turns = np.zeros((12, 12))
    turns[:, 6:] = 0.5
    assert order_parameter(turns) == pytest.approx(0.0, abs=1e-12)
    around = local_order(turns)
    assert around[5, 2] == around[5, 8] == 1.0
    # At a border a third of the neighbourhood is on the other side.
    assert around[5, 5] == around[5, 0] == pytest.approx(1 / 3)


def test_of_what_is_no_number_there_is_no_order() -> None:
    assert math.isnan(order_parameter(np.array([0.5, math.nan])))
