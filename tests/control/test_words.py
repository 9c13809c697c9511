"""Amounts, rates and durations are shown as they can be typed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cascade.control.words import amount_in_words, duration_in_words, rate_in_words, seconds_of
from cascade.spec.constraint import parse_rate


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("10m", 600), ("1h30m", 5400), ("90s", 90), ("90", 90), ("1.5h", 5400), ("250ms", 0.25)],
)
def test_a_duration_is_read(text: str, seconds: float) -> None:
    assert seconds_of(text) == seconds


@pytest.mark.parametrize("text", ["", "m", "10x", "10m5", "-3s", "0", "inf", "nan", "ten minutes"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="must be"):
        seconds_of(text)


@given(st.integers(1, 10**7) | st.floats(1e-9, 366 * 24 * 3600))
def test_a_duration_in_words_can_be_typed(seconds: float) -> None:
    assert seconds_of(duration_in_words(seconds)) == pytest.approx(seconds, rel=1e-10)


@given(st.integers(1, 1000), st.sampled_from("smhd"))
def test_a_rate_in_words_can_be_typed(count: int, unit: str) -> None:
    rate = parse_rate(f"{count}/{unit}")
    assert parse_rate(rate_in_words(rate)) == pytest.approx(rate)


@given(st.floats(1e-9, 1e6))
def test_any_rate_in_words_can_be_typed(rate: float) -> None:
    assert parse_rate(rate_in_words(rate)) == pytest.approx(rate)


@pytest.mark.parametrize(
    ("amount", "text"), [(1_234_567, "1234567"), (0.1 + 0.2, "0.3"), (4.0, "4"), (None, "none")]
)
def test_an_amount_is_exact_enough_to_be_typed(amount: float | None, text: str) -> None:
    assert amount_in_words(amount) == text


def test_no_limit_is_called_none() -> None:
    assert rate_in_words(None) == "none"
