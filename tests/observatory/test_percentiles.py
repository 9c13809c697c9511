"""Percentiles by nearest rank, against their definition."""

from __future__ import annotations

from array import array

from hypothesis import given
from hypothesis import strategies as st

from observatory.percentiles import percentiles


@given(
    st.lists(st.floats(-1e300, 1e300), min_size=1),
    st.lists(st.integers(1, 100), min_size=1, max_size=4),
)
def test_each_is_the_smallest_value_that_so_many_dont_exceed(
    values: list[float], percents: list[int]
) -> None:
    expected = [
        min(value for value in values if 100 * sum(o <= value for o in values) >= p * len(values))
        for p in percents
    ]
    given_values = array("d", values)
    assert percentiles(given_values, *percents) == expected
    assert given_values == array("d", values)


def test_of_few_values_the_highest_are_the_largest() -> None:
    assert percentiles(array("d", [3.0, 1.0, 2.0]), 1, 33, 34, 50, 67, 99, 100) == [
        *(1.0, 1.0, 2.0, 2.0, 3.0, 3.0, 3.0),
    ]


def test_nothing_keeps_the_values_from_growing_afterwards() -> None:
    values = array("d", [1.0])
    percentiles(values, 50)
    values.append(2.0)
    assert percentiles(values, 100) == [2.0]
