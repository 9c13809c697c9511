"""Figures fit into the cells that there are, and nothing in a name can spoil the screen."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from rich.cells import cell_len
from tests.cli.watching.odd import TRICKY

from cascade.cli.watching.figures import bar, clean, duration, fit, number, sparkline

FINITE = st.floats(allow_nan=False, allow_infinity=False)


@given(st.text() | st.sampled_from(TRICKY), st.integers(-1, 200))
def test_a_text_takes_just_the_cells_that_it_is_given(text: str, width: int) -> None:
    cleaned = clean(text)
    assert cleaned.isprintable()
    assert cleaned.encode().decode() == cleaned  # no half characters
    assert cell_len(fit(cleaned, width)) == max(0, width)


def test_what_cannot_be_printed_is_a_question_mark() -> None:
    assert clean("a\x1b[31mb\nc\ud800") == "a?[31mb c?"
    assert clean(10**5000) == "?"
    assert clean(None) == "None"


def test_a_long_text_ends_in_dots() -> None:
    assert fit("abcdef", 4) == "abc…"
    assert fit("火火火", 4) == "火 …"
    assert fit("ab", 4) == "ab  "


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0, "0"),
        (3.25, "3.25"),
        (9999, "9999"),
        (12345, "12.35k"),
        (2.5e6, "2.5M"),
        (7e20, "7.0e+20"),
        (4e-7, "4.0e-07"),
    ],
)
def test_numbers_are_short(value: float, shown: str) -> None:
    assert number(value) == shown


@given(FINITE)
def test_no_number_is_long(value: float) -> None:
    assert len(number(value)) <= 9


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (None, "–"),
        (0, "0.0s"),
        (9.96, "10s"),
        (59.6, "1m00s"),
        (185, "3m05s"),
        (7800, "2h10m"),
        (442800, "5d03h"),
        (-3, "-3.0s"),
    ],
)
def test_durations_have_two_units(seconds: float | None, shown: str) -> None:
    assert duration(seconds) == shown


@given(FINITE)
def test_no_duration_is_long(seconds: float) -> None:
    assert len(duration(seconds)) <= 12


@given(FINITE, FINITE, st.integers(0, 50))
@example(-1e308, 1e-308, 4)
@example(1e308, 1e-308, 4)
def test_a_bar_is_as_wide_as_it_is_to_be(used: float, capacity: float, width: int) -> None:
    assert len(bar(used, capacity, width)) == width


@pytest.mark.parametrize(
    ("used", "capacity", "shown"),
    [
        (0, 10, "░░░░"),
        (5, 10, "██░░"),
        (10, 10, "████"),
        (0.1, 10, "█░░░"),
        (12, 10, "███>"),
        (0, 0, "░░░░"),
    ],
)
def test_a_bar_shows_the_share(used: float, capacity: float, shown: str) -> None:
    assert bar(used, capacity, 4) == shown


@given(st.lists(FINITE, max_size=20), st.integers(0, 15))
def test_a_course_is_as_wide_as_it_is_to_be(values: list[float], width: int) -> None:
    assert len(sparkline(values, width)) == width


def test_a_course_goes_from_nothing_to_the_largest() -> None:
    assert sparkline([0, 1, 2, 4], 6) == "  ▁▃▅█"
    assert sparkline([9, 0, 0], 2) == "▁▁"
