"""The lines of many flashes are those of each."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from observatory.flash_lines import flash_lines
from observatory.flashes import flash_line


def check(flashes: list[tuple[int, float]]) -> None:
    agents = np.array([agent for agent, _ in flashes], dtype=np.int64)
    times = np.array([time for _, time in flashes], dtype=np.float64)
    assert flash_lines(agents, times) == b"".join(map(flash_line, flashes))


@given(
    st.lists(
        st.tuples(
            st.integers(0, 10**7) | st.sampled_from([0, 9, 10, 999, 1000, 999_999, 10**9]),
            st.floats(0, 10)
            | st.floats(0, 1e5)
            | st.floats(-1, 1e12)
            | st.integers(0, 2 * 10**9).map(lambda halves: halves / 2e9),
        ),
        max_size=12,
    )
)
def test_they_are_the_same_bytes(flashes: list[tuple[int, float]]) -> None:
    check(flashes)


@pytest.mark.parametrize(
    "time",
    [0.0, 0.9999999995, 0.9999999994, 999.9999999999, 0.5, 2**-10, 5e-10, 1.5e-9, 2.5e-9, 3599.75],
)
def test_halves_and_carries(time: float) -> None:
    # 2**-10 is 0.0009765625: exact in ten decimals, and half-way between two of nine.
    check([(7, time), (12, time), (1234, np.nextafter(time, 1e9))])


def test_a_hundred_thousand() -> None:
    chance = np.random.default_rng(3)
    times = np.sort(chance.random(100_000)) * 120
    check(list(zip(chance.integers(0, 10**6, 100_000).tolist(), times.tolist(), strict=True)))
