"""Items of lazy results, sequences and pipelines."""

from __future__ import annotations

from typing import Any

import pytest

import cascade as cs
from cascade import testing

order: list[str] = []


@cs.task
async def note(name: str, skip: bool = False) -> str:
    order.append(name)
    return name


@cs.task(mode="inline")
def config() -> dict[str, list[int]]:
    return {"sizes": [3, 4]}


@cs.task(mode="inline")
def add(one: int, other: int = 1) -> int:
    return one + other


@pytest.fixture(autouse=True)
def nothing_noted() -> None:
    order.clear()


class TestItems:
    def test_an_item_is_lazy(self) -> None:
        assert testing.run_virtual(config()["sizes"][1]) == 4
        assert testing.run_virtual(add(config()["sizes"][0])) == 4

    def test_its_key_may_be_lazy(self) -> None:
        assert testing.run_virtual(config()["sizes"][add(0, 0)]) == 3

    def test_it_is_named_after_what_it_is_an_item_of(self) -> None:
        assert config()["sizes"][1].name == "config['sizes'][1]"
        assert config().named("settings")["sizes"].name == "settings['sizes']"
        assert config()["sizes"].named("sizes")[0].name == "sizes[0]"

    def test_one_that_is_missing_fails_with_the_error_of_the_container(self) -> None:
        with pytest.raises(KeyError, match="size") as caught:
            testing.run_virtual(config()["size"])
        assert "config['size']" in caught.value.__notes__[0]

    def test_deep_ones_have_short_names_and_no_recursion(self) -> None:
        lazy: Any = config()
        for _ in range(5_000):
            lazy = lazy[0]
        assert lazy.name == "config…[0][0][0][0][0]"

    def test_what_looks_like_a_container_still_cannot_be_iterated(self) -> None:
        with pytest.raises(TypeError, match="can't be iterated"):
            list(config())
        with pytest.raises(TypeError, match="not iterable"):
            3 in config()  # noqa: B015 - the operator is what is tested


class TestSequence:
    def test_runs_in_order_and_has_the_value_of_the_last(self) -> None:
        last, first, middle = note("last"), note("first"), note("middle")
        assert testing.run_virtual(cs.sequence(first, middle, last)) == "last"
        assert order == ["first", "middle", "last"]

    def test_a_skipped_call_holds_up_nobody(self) -> None:
        lazy = cs.sequence(note("first"), note("never").run_if(False), note("last"))
        assert testing.run_virtual(lazy) == "last"
        assert order == ["first", "last"]

    def test_refuses_what_is_no_call(self) -> None:
        wrong: Any = "b"
        with pytest.raises(TypeError, match="got 'b' as number 2"):
            cs.sequence(note("a"), wrong)
        with pytest.raises(ValueError, match="at least one"):
            cs.sequence()


class TestPipeline:
    def test_each_gets_the_result_of_the_one_before(self) -> None:
        assert testing.run_virtual(cs.pipeline(1, add, lambda n: add(n, 10), add)) == 13

    def test_it_begins_with_a_value_or_a_lazy_result(self) -> None:
        assert testing.run_virtual(cs.pipeline(add(1), add)) == 3

    def test_refuses_steps_that_are_none(self) -> None:
        wrong: Any = 3
        with pytest.raises(TypeError, match="step 2 must be a task or a function, got 3"):
            cs.pipeline(1, add, wrong)
        plain: Any = abs
        with pytest.raises(TypeError, match="step 1, abs, must return a lazy result, got 1"):
            cs.pipeline(-1, plain)
        with pytest.raises(ValueError, match="at least one step"):
            cs.pipeline(1)  # type: ignore[call-arg]
