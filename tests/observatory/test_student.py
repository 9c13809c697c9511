"""Student's t, and the intervals made with it."""

from __future__ import annotations

import math
import statistics

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from observatory.student import interval, quantile


@pytest.mark.parametrize(
    ("degrees", "confidence", "published"),
    [
        (1, 0.95, 12.706),
        (2, 0.95, 4.303),
        (3, 0.95, 3.182),
        (4, 0.99, 4.604),
        (5, 0.9, 2.015),
        (10, 0.95, 2.228),
        (29, 0.95, 2.045),
        (120, 0.95, 1.980),
    ],
)
def test_quantiles_are_those_of_the_published_tables(
    degrees: int, confidence: float, published: float
) -> None:
    assert quantile(degrees, confidence) == pytest.approx(published, abs=0.0005)


@given(st.floats(0.01, 0.99))
def test_one_degree_of_freedom_is_the_cauchy_distribution(confidence: float) -> None:
    assert quantile(1, confidence) == pytest.approx(math.tan(math.pi / 2 * confidence))


def test_many_degrees_of_freedom_are_the_normal_distribution() -> None:
    assert quantile(10_000) == pytest.approx(statistics.NormalDist().inv_cdf(0.975), rel=1e-3)


@settings(max_examples=30)
@given(st.integers(1, 100), st.floats(0.05, 0.99))
def test_more_degrees_make_it_smaller(degrees: int, confidence: float) -> None:
    assert quantile(degrees + 1, confidence) < quantile(degrees, confidence)


def test_an_interval_is_the_mean_and_t_standard_errors_around_it() -> None:
    found = interval([1.0, 2.0, 3.0, 6.0])
    assert found is not None
    deviation, low, high = found
    assert deviation == pytest.approx(statistics.stdev([1.0, 2.0, 3.0, 6.0]))
    assert (low + high) / 2 == pytest.approx(3.0)
    assert (high - low) / 2 == pytest.approx(3.182446 * deviation / 2)


@pytest.mark.parametrize("values", [[], [1.0]])
def test_fewer_than_two_values_have_no_interval(values: list[float]) -> None:
    assert interval(values) is None


def test_bad_arguments_are_named() -> None:
    with pytest.raises(ValueError, match="degrees must be a whole number ≥ 1, got 0"):
        quantile(0)
    with pytest.raises(ValueError, match=r"confidence must be above 0 and below 1, got 1\.0"):
        quantile(3, 1.0)
