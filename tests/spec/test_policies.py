"""Retry: its numbers are checked where they are written, and its pauses are as documented."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import cascade as cs
from cascade.spec.policies import Retry


@cs.task
async def work(n: int = 0) -> int:
    return n


@pytest.mark.parametrize(
    ("arguments", "error", "says"),
    [
        ({"max_attempts": 0}, ValueError, "max_attempts must be a whole number ≥ 1, got 0"),
        ({"max_attempts": 1.5}, TypeError, "max_attempts must be a whole number"),
        ({"max_attempts": True}, TypeError, "max_attempts must be a whole number"),
        ({"delay": -1}, ValueError, "delay must be ≥ 0 seconds, got -1"),
        ({"delay": float("inf")}, ValueError, "delay must be a finite number"),
        ({"delay": "1"}, TypeError, "delay must be a number of seconds"),
        ({"backoff": 0}, ValueError, "backoff must be above 0, got 0"),
        ({"backoff": float("nan")}, ValueError, "backoff must be a finite number"),
        ({"jitter": -0.5}, ValueError, "jitter must be ≥ 0"),
        ({"max_delay": -1}, ValueError, "max_delay must be ≥ 0"),
        ({"on": ()}, ValueError, "on must name at least one exception"),
        ({"on": (ValueError, "OSError")}, TypeError, "on must hold classes of exceptions"),
        ({"on": KeyboardInterrupt}, TypeError, "on must hold classes of exceptions"),
    ],
)
def test_bad_numbers_are_refused_at_the_call(
    arguments: dict[str, Any], error: type[Exception], says: str
) -> None:
    with pytest.raises(error, match=says):
        work().with_retry(**arguments)


def test_the_attempts_count_all_of_them() -> None:
    retry = Retry(max_attempts=3)
    pauses = [retry.pause_after(ValueError(), attempt, Random(0)) for attempt in (1, 2, 3, 4)]
    assert pauses == [0.0, 0.0, None, None]


def test_each_pause_is_the_one_before_times_the_backoff_up_to_the_longest() -> None:
    retry = Retry(max_attempts=9, delay=1.0, backoff=2.0, max_delay=5.0)
    pauses = [retry.pause_after(ValueError(), attempt, Random(0)) for attempt in range(1, 6)]
    assert pauses == [1.0, 2.0, 4.0, 5.0, 5.0]


def test_a_pause_too_long_for_a_number_is_the_longest() -> None:
    retry = Retry(max_attempts=10**6, delay=1.0, backoff=10.0, max_delay=60.0)
    assert retry.pause_after(ValueError(), 10**5, Random(0)) == 60.0


def test_no_pause_stays_none_however_often_it_is_multiplied() -> None:
    retry = Retry(max_attempts=10**6, backoff=10.0)
    assert retry.pause_after(ValueError(), 10**5, Random(0)) == 0.0


def test_only_the_named_exceptions_and_their_subclasses_are_tried_again() -> None:
    retry = Retry(on=(OSError, KeyError))
    assert retry.pause_after(ConnectionResetError(), 1, Random(0)) == 0.0
    assert retry.pause_after(KeyError(), 1, Random(0)) == 0.0
    assert retry.pause_after(ValueError(), 1, Random(0)) is None


@pytest.mark.parametrize(
    ("on", "pause"),
    [
        (Exception, None),
        (cs.errors.CascadeError, None),
        ((OSError, cs.errors.RunCancelledError), 2.0),
    ],
)
def test_a_run_within_it_that_somebody_has_cancelled_stays_so_unless_it_is_named(
    on: Any, pause: float | None
) -> None:
    retry = work().with_retry(delay=2.0, on=on).policies.retry
    assert retry is not None
    error = cs.errors.RunCancelledError("run-7", "ada has cancelled it")
    assert retry.pause_after(error, 1, Random(0)) == pause


class BusyError(Exception):
    """Says when it may be tried again."""

    def __init__(self, retry_after: object) -> None:
        self.retry_after = retry_after


def test_an_error_can_ask_for_a_longer_pause_up_to_the_longest() -> None:
    retry = Retry(max_attempts=9, delay=1.0, max_delay=5.0)
    asked: list[tuple[object, float]] = [(3, 3.0), (0.5, 1.0), (0, 1.0), (60, 5.0)]
    for seconds, pause in asked:
        assert retry.pause_after(BusyError(seconds), 1, Random(0)) == pause


def test_the_jitter_comes_on_top_of_what_an_error_asks_for() -> None:
    retry = Retry(jitter=2.0)
    pauses = [retry.pause_after(BusyError(10.0), 1, Random(seed)) for seed in range(9)]
    assert all(pause is not None and 10.0 <= pause <= 12.0 for pause in pauses)
    assert len(set(pauses)) == 9


@pytest.mark.parametrize("what", [None, "3", True, -1, float("nan"), float("inf"), 10**400])
def test_what_is_no_number_of_seconds_asks_for_nothing(what: object) -> None:
    assert Retry(delay=0.5).pause_after(BusyError(what), 1, Random(0)) == 0.5


@given(
    st.integers(1, 20),
    st.floats(0, 10),
    st.floats(0.5, 3),
    st.floats(0, 5),
    st.none() | st.floats(0, 20),
    st.integers(0, 99),
)
def test_a_pause_lies_between_the_plain_one_and_that_plus_the_jitter(
    attempt: int, delay: float, backoff: float, jitter: float, most: float | None, seed: int
) -> None:
    retry = Retry(21, delay, backoff, jitter, most)
    pause = retry.pause_after(ValueError(), attempt, Random(seed))
    plain = delay * backoff ** (attempt - 1)
    assert pause is not None
    limit = float("inf") if most is None else most
    assert min(plain, limit) <= pause <= min(plain + jitter, limit)


@pytest.mark.parametrize("seconds", [0, -1, float("nan")])
def test_a_timeout_is_above_zero(seconds: float) -> None:
    with pytest.raises(ValueError, match="seconds must be"):
        work().with_timeout(seconds)
    with pytest.raises(ValueError, match="timeout must be"):
        cs.task(timeout=seconds)(lambda: None)


def test_an_infinite_timeout_is_none() -> None:
    assert work().with_timeout(float("inf")).policies.timeout is None


def test_a_priority_is_a_whole_number_of_either_sign() -> None:
    assert work().with_priority(-3).policies.priority == -3
    assert work().with_priority(n=3).policies.priority == 3
    for bad in (1.0, "1", True, None):
        with pytest.raises(TypeError, match="priority must be a whole number"):
            work().with_priority(bad)  # type: ignore[arg-type]


def test_each_chain_method_keeps_what_the_others_said() -> None:
    said = (
        work()
        .with_retry(2)
        .with_timeout(3)
        .with_priority(4)
        .with_constraints(cpu=1)
        .named("n")
        .policies
    )
    assert said.retry == Retry(2)
    assert (said.timeout, said.priority, said.constraints, said.name) == (3, 4, (("cpu", 1),), "n")


@pytest.mark.parametrize(
    ("say", "words"),
    [
        (lambda x: x.with_retry(7), "up to 7 attempts"),
        (lambda x: x.with_timeout(2.5), "a timeout of 2.5 s"),
        (lambda x: x.with_priority(4), "priority 4"),
    ],
)
def test_variants_of_one_call_that_differ_in_it_are_told_apart(say: Any, words: str) -> None:
    lazy = work()
    with pytest.raises(cs.errors.GraphError, match=words):
        cs.run([lazy, say(lazy)])
    assert cs.run([say(lazy), say(lazy)]) == [0, 0]
