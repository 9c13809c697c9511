"""Pure tasks: equal calls are one node, all others stay two."""

from __future__ import annotations

from typing import Any

import pytest

import cascade as cs
from cascade.graph.build import build


@cs.task(pure=True, mode="inline")
def pure(value: Any = None, *, more: Any = None) -> Any:
    return (value, more)


@cs.task(mode="inline")
def ordinary(value: Any = None) -> Any:
    return [value]


def count(target: Any) -> int:
    return len(build(target))


def test_equal_calls_are_one_node() -> None:
    assert count([pure(1), pure(value=1), pure(1, more=None)]) == 1
    assert (
        cs.run([pure([1, {"a": (2,)}]), pure([1, {"a": (2,)}])]) == [([1, {"a": (2,)}], None)] * 2
    )


def test_two_calls_of_an_ordinary_task_are_two() -> None:
    assert count([ordinary(1), ordinary(1)]) == 2


@pytest.mark.parametrize("other", [2, 1.0, True, "1", [1], None])
def test_calls_of_other_content_are_two(other: Any) -> None:
    assert count([pure(1), pure(other)]) == 2


def test_what_is_computed_counts_as_what_computes_it() -> None:
    shared = ordinary(1)
    assert count([pure(shared), pure(shared)]) == 2
    assert count([pure([shared, {"x": shared}]), pure([shared, {"x": shared}])]) == 2
    assert count([pure(ordinary(1)), pure(ordinary(1))]) == 4


def test_it_goes_on_through_calls_of_calls() -> None:
    assert count([pure(pure(pure(1))), pure(pure(pure(1)))]) == 3
    assert cs.run([ordinary([pure(1), pure(1)])]) == [[[(1, None), (1, None)]]]


def test_what_was_said_counts() -> None:
    assert count([pure(1).with_retry(2), pure(1).with_retry(2)]) == 1
    assert count([pure(1).with_retry(2), pure(1)]) == 2
    assert count([pure(1).after(ordinary()), pure(1).after(ordinary())]) == 4
    first = ordinary()
    assert count([pure(1).after(first), pure(1).after(first)]) == 2


def test_calls_whose_content_cannot_be_told_stay_two() -> None:
    def endless() -> Any:
        yield

    generator = endless()
    assert count([pure(generator), pure(generator)]) == 2


def test_one_that_is_needed_twice_is_freed_when_both_have_it() -> None:
    graph = build([ordinary(pure(1)), ordinary(pure(1))])
    assert graph.consumers == [2, 1, 1]
    assert [len(wanted) for wanted in graph.needs] == [0, 1, 1]
