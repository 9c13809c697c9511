"""What a type checker knows of a workflow; `assert_type` is checked by mypy, and runs as well."""

from __future__ import annotations

from typing import Any, assert_type

import cascade as cs
from cascade.spec.lazy import LazyMap
from cascade.testing import run_virtual


@cs.task
async def double(number: int) -> int:
    return 2 * number


@cs.task
def halve(text: str) -> str:
    return text[: len(text) // 2]


@cs.task
async def count_down(number: int) -> str | cs.TailCall:
    return cs.TailCall(number - 1) if number else "lift-off"


def test_a_call_knows_what_it_stands_for() -> None:
    assert_type(double(1), cs.LazyResult[int])
    assert_type(halve("ab").named("half").run_if(True), cs.LazyResult[str])


def test_a_tail_call_is_no_result() -> None:
    assert_type(count_down(3), cs.LazyResult[str])


def test_a_run_gives_what_the_call_stands_for() -> None:
    async def main() -> str:
        engine = cs.Engine()
        number = assert_type(await engine.run(double(2)), int)
        text = assert_type(await engine.run(count_down(number), use_vm=True), str)
        return text + assert_type(await cs.arun(halve("!?")), str)

    assert run_virtual(main()) == "lift-off!"
    assert assert_type(cs.run(double(3), timeout=10.0), int) == 6


def test_a_container_gives_its_shape_which_no_checker_follows() -> None:
    assert assert_type(cs.run([double(1), halve("ab")]), Any) == [2, "a"]


def test_a_map_gives_a_list_of_what_its_task_gives() -> None:
    doubled = double.map(number=[1, 2, 3]).with_constraints(slot=1).windowed(2)
    assert_type(doubled, LazyMap[int])
    assert assert_type(cs.run(doubled), list[int]) == [2, 4, 6]


def test_an_input_knows_its_type_by_the_default_or_as_it_is_said() -> None:
    assert_type(cs.Param("x"), cs.Param[str])
    assert_type(cs.Param("x", default=3), cs.Param[int])
    assert_type(cs.Param("x", default=None), cs.Param[str | None])
    assert_type(cs.Param("x", default=3, type=float), cs.Param[float])
    assert_type(cs.Env("X", default=True, description="whether"), cs.Env[bool])
    assert assert_type(cs.run(cs.Param("x", default=3)), int) == 3


def test_a_pipeline_has_the_type_of_its_last_step_where_that_is_known() -> None:
    assert assert_type(cs.run(cs.pipeline("abcd", halve, halve)), str) == "a"
    steps = [double, double]
    assert assert_type(cs.pipeline(1, *steps), cs.LazyResult[Any]).name == "double"
