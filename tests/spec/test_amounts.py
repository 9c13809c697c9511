"""Amounts are counted in whole billionths: sums are exact, and a share of n always fits n times."""

from __future__ import annotations

import math
from decimal import Decimal
from enum import IntEnum
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cascade.spec.amounts import UNITS, check_amount, from_units, to_units


@pytest.mark.parametrize(
    ("amount", "units"),
    [
        (0, 0),
        (0.0, 0),
        (1, UNITS),
        (1.5, 1_500_000_000),
        (0.1, 100_000_000),
        (0.3, 300_000_000),
        (0.1 + 0.2, 300_000_000),
        (0.3 - 0.1, 200_000_000),
        (1e-9, 1),
        (3e-9, 3),
        (0.123456789, 123_456_789),
        (4321.123456789, 4_321_123_456_789),
        (65821.9, 65_821_900_000_000),
        (133638.3, 133_638_300_000_000),
        (Fraction(1, 4), 250_000_000),
        (Fraction(1, 3), 333_333_333),
        (10**15, 10**24),
    ],
)
def test_whole_units(amount: Any, units: int) -> None:
    check_amount("cpu", amount)
    assert to_units(amount) == units


def test_what_is_finer_than_a_unit_is_rounded_down() -> None:
    assert to_units(2 / 3) == 666_666_666
    assert to_units(1.9e-9) == 1


@given(st.integers(0, 10**15))
def test_units_survive_the_way_out(units: int) -> None:
    assert round(from_units(units) * UNITS) == units


@given(st.integers(0, 10**13))
def test_an_amount_that_was_reported_can_be_asked_for(units: int) -> None:
    assert to_units(from_units(units)) == units


@given(st.integers(0, 10**9))
def test_up_to_a_million_with_three_decimals_is_exact(thousandths: int) -> None:
    assert to_units(thousandths / 1000) == thousandths * UNITS // 1000


def test_an_nth_fits_n_times_into_one() -> None:
    too_much = [n for n in range(1, 10_001) if n * to_units(1 / n) > to_units(1)]
    assert too_much == []


def test_an_nth_is_not_lost_when_it_is_a_whole_number_of_units() -> None:
    exact = [n for n in range(1, 10_001) if UNITS % n == 0]
    assert len(exact) > 30
    assert [n for n in exact if n * to_units(1 / n) != UNITS] == []


@pytest.mark.parametrize("capacity", [2, 10, 64, 100])
@pytest.mark.parametrize("n", [3, 7, 11, 997])
def test_a_share_of_a_capacity_fits_as_often_as_it_was_cut(capacity: int, n: int) -> None:
    assert n * to_units(capacity / n) <= to_units(capacity)


@pytest.mark.parametrize("amount", [True, False, "1", b"1", None, [1], 1j, Decimal("1"), object()])
def test_what_is_no_real_number_is_a_type_error_that_names_the_resource(amount: object) -> None:
    with pytest.raises(TypeError, match="'gpu'") as caught:
        check_amount("gpu", amount)
    assert repr(amount) in str(caught.value)


@pytest.mark.parametrize("amount", [-1, -0.5, -1e-12, math.nan, math.inf, -math.inf])
def test_what_is_negative_or_not_finite_is_a_value_error_that_names_it(amount: float) -> None:
    with pytest.raises(ValueError, match="'gpu'") as caught:
        check_amount("gpu", amount)
    assert repr(amount) in str(caught.value)


@pytest.mark.parametrize("amount", [1e-10, 0.5e-9, 0.999e-9, 0.9995e-9, 5e-324])
def test_a_positive_amount_below_the_finest_unit_is_refused(amount: float) -> None:
    with pytest.raises(ValueError, match="'gpu'") as caught:
        check_amount("gpu", amount)
    assert "1e-9" in str(caught.value)


@pytest.mark.parametrize(
    "amount",
    [10**400, 10**5000, 1e300, -(10**400)],
    ids=["large", "too large to be shown", "float", "negative"],
)
def test_an_amount_too_large_to_count_is_a_value_error_that_names_the_resource(amount: Any) -> None:
    with pytest.raises(ValueError, match="'gpu'"):
        check_amount("gpu", amount)


def test_zero_is_an_amount() -> None:
    for nothing in (0, 0.0, -0.0, Fraction(0)):
        check_amount("gpu", nothing)


def test_members_of_an_enumeration_of_numbers_count_as_numbers() -> None:
    class Size(IntEnum):
        LARGE = 4

    check_amount("gpu", Size.LARGE)
    assert to_units(Size.LARGE) == 4 * UNITS
