"""What was said about a call, in a few words."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import cascade as cs
from cascade.graph.words import LONGEST, said_about, seconds, shortened


@cs.task(mode="inline")
def work(item: int = 0) -> int:
    return item


@cs.task(timeout=90)
def slow() -> None:
    pass


@pytest.mark.parametrize(
    ("duration", "text"),
    [
        (0, "0 s"),
        (2.5e-8, "0.025 µs"),
        (4.567e-4, "457 µs"),
        (0.01234, "12.3 ms"),
        (0.99949, "999 ms"),
        (0.9996, "1 s"),
        (5.0, "5 s"),
        (1234.5, "1234 s"),
    ],
)
def test_times_have_three_digits_and_a_unit_that_fits(duration: float, text: str) -> None:
    assert seconds(duration) == text


def test_needs_and_policies_in_words() -> None:
    lazy = work(1).with_constraints(gpu=1, memory_gb=0.5, share=Fraction(1, 4))
    lazy = lazy.with_retry(4).with_timeout(5).with_cache(cs.cache()).with_priority(-2)
    words = ("gpu=1", "memory_gb=0.5", "share=0.25", "4 attempts", "5 s", "cached", "priority -2")
    assert said_about(lazy) == words


def test_an_amount_that_is_not_known_yet() -> None:
    assert said_about(work(1).with_constraints(gpu=work(2))) == ("gpu=…",)


def test_a_map_says_what_it_is_over() -> None:
    lazy = work.map(item=[1, 2]).windowed(3).collecting_errors()
    assert said_about(lazy) == ("for each item", "3 at once", "errors collected")


def test_the_timeout_of_a_task_counts_unless_the_call_has_one() -> None:
    assert said_about(slow()) == ("90 s",)
    assert said_about(slow().with_timeout(1)) == ("1 s",)


def test_nothing_said_is_no_words() -> None:
    assert said_about(work(1)) == ()


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("two\n  lines\t", "two lines"),
        ("bell\a", "bell�"),
        ("lone \ud800", "lone �"),
        ("\u202eright to left", "�right to left"),
        (" \n", "(blank)"),
        ("x" * 100, "x" * (LONGEST - 1) + "…"),
    ],
)
def test_names_are_made_fit_to_be_shown(name: str, text: str) -> None:
    assert shortened(name) == text


@settings(max_examples=50)
@given(st.text(min_size=1))
def test_any_name_can_be_shown_in_one_line(name: str) -> None:
    text = shortened(name)
    assert text.isprintable()
    assert 0 < len(text) <= LONGEST
    assert shortened(text) == text
