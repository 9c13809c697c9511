"""Retry-After: seconds, dates, and what is neither."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cascade.providers.retry_after import retry_after

NOW = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize(("said", "seconds"), [("0", 0.0), ("120", 120.0), (" 7 ", 7.0)])
def test_seconds(said: str, seconds: float) -> None:
    assert retry_after({"Retry-After": said}, NOW) == seconds


@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        ("Sun, 01 Mar 2026 12:00:30 GMT", 30.0),
        ("Sun, 01 Mar 2026 14:00:30 +0200", 30.0),
        ("Sun, 01 Mar 2026 12:00:30 -0000", 30.0),
        ("Sun, 01 Mar 2026 11:59:00 GMT", 0.0),
    ],
)
def test_a_date(said: str, seconds: float) -> None:
    assert retry_after({"Retry-After": said}, NOW) == seconds


def test_a_date_counts_by_the_clock_of_the_server_that_said_it() -> None:
    headers = {
        "Retry-After": "Sun, 01 Mar 2026 12:00:30 GMT",
        "Date": "Sun, 01 Mar 2026 12:00:20 GMT",
    }
    assert retry_after(headers, NOW + timedelta(hours=1)) == 10.0


@pytest.mark.parametrize("said", ["", "-1", "1.5", "soon", "٣", "9" * 400, "Sun, 99 Mar 2026"])
def test_anything_else_says_nothing(said: str) -> None:
    assert retry_after({"Retry-After": said}, NOW) is None
    assert retry_after({}, NOW) is None


@pytest.mark.parametrize("said", ["0 MAR 0 0:3000000000", "Sun, 01 Mar 99999 12:00:00 GMT"])
def test_a_date_that_is_none_says_nothing(said: str) -> None:
    assert retry_after({"Retry-After": said}, NOW) is None


@settings(max_examples=50)
@given(st.text(max_size=40))
def test_nothing_that_a_server_says_is_an_error(said: str) -> None:
    assert retry_after({"Retry-After": said, "Date": said}, NOW) in (None, 0.0) or said.isdigit()
