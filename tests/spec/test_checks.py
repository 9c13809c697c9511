"""Checks of plain arguments: refused at once, with name, value and what would be valid."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from cascade.spec.checks import (
    check_duration,
    check_finite,
    check_name,
    check_priority,
    check_time,
    check_whole,
    shown,
)

HUGE = 10**400


@pytest.mark.parametrize("name", [1, None, b"cpu", ("cpu",)])
def test_a_name_that_is_no_string_is_a_type_error_that_shows_it(name: object) -> None:
    with pytest.raises(TypeError, match="resource name must be a string") as caught:
        check_name(name)
    assert repr(name) in str(caught.value)


def test_an_empty_name_is_a_value_error_that_says_what_it_names() -> None:
    with pytest.raises(ValueError, match="tag must not be empty"):
        check_name("", "tag")
    check_name("any text, really", "tag")


@pytest.mark.parametrize("check", [check_time, check_duration, check_finite])
@pytest.mark.parametrize("value", [True, "5", None, 1j, [1.0]])
def test_what_is_no_number_is_a_type_error_that_shows_it(check: Any, value: object) -> None:
    with pytest.raises(TypeError, match=r"^delay must be a number") as caught:
        check("delay", value)
    assert repr(value) in str(caught.value)


@pytest.mark.parametrize("check", [check_time, check_duration, check_finite])
def test_numbers_come_back_as_floats(check: Any) -> None:
    number = check("delay", 3)
    assert (number, type(number)) == (3.0, float)
    assert check("delay", 0.25) == 0.25
    with pytest.raises(ValueError, match=r"^delay must be .*got nan"):
        check("delay", math.nan)


def test_a_time_may_be_any_number() -> None:
    assert check_time("when", -2) == -2.0
    assert check_time("when", math.inf) == math.inf
    assert check_time("when", HUGE) == math.inf
    assert check_time("when", -HUGE) == -math.inf


def test_a_duration_is_never_negative() -> None:
    assert check_duration("timeout", 0) == 0.0
    assert check_duration("timeout", HUGE) == math.inf
    for value in (-1, -1e-9, -math.inf, -HUGE):
        with pytest.raises(ValueError, match=r"^timeout must be ≥ 0 seconds, got -"):
            check_duration("timeout", value)


@pytest.mark.parametrize(
    "value", [math.inf, -math.inf, HUGE, 10**5000], ids=["inf", "-inf", "huge", "unwritable"]
)
def test_what_is_not_finite_is_refused_where_it_must_be(value: float) -> None:
    with pytest.raises(ValueError, match=r"^period must be a finite number, got"):
        check_finite("period", value)


@pytest.mark.parametrize("value", [True, 1.0, "1", None])
def test_a_whole_number_is_an_int(value: Any) -> None:
    with pytest.raises(TypeError, match=r"^agents must be a whole number ≥ 1, got") as caught:
        check_whole("agents", value, 1)
    assert repr(value) in str(caught.value)


@pytest.mark.parametrize("value", [np.int64(3), np.uint8(3), 3])
def test_a_whole_number_of_another_library_becomes_an_int(value: Any) -> None:
    assert type(check_whole("agents", value, 1)) is int
    assert type(check_priority(value)) is int
    assert check_whole("agents", value, 1) == check_priority(value) == 3
    with pytest.raises(ValueError, match=r"^agents must be a whole number ≥ 4, got .*3"):
        check_whole("agents", value, 4)


@pytest.mark.parametrize("value", [np.float64(3), np.bool_(True), np.array([1, 2]), "3", True])
def test_what_is_no_whole_number_there_is_none_here(value: Any) -> None:
    with pytest.raises(TypeError, match="must be a whole number"):
        check_whole("agents", value, 1)
    with pytest.raises(TypeError, match="must be a whole number"):
        check_priority(value)


def test_a_whole_number_has_a_least_value() -> None:
    assert check_whole("agents", 1, 1) == 1
    with pytest.raises(ValueError, match=r"^agents must be a whole number ≥ 1, got 0$"):
        check_whole("agents", 0, 1)


def test_a_value_is_shown_as_it_is_written_but_never_at_length() -> None:
    assert shown("soon") == "'soon'"
    assert shown(HUGE) == repr(HUGE)
    assert shown(-(2**20000)) == "-2**20000 or more"
    assert len(shown("x" * 10**6)) < 300
    assert len(shown(list(range(10**5)))) < 300
