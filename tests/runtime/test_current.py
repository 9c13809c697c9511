"""current(): every kind of task knows what it is, whatever runs beside it."""

from __future__ import annotations

import asyncio
import logging
import threading
from typing import Any

import pytest

import cascade as cs
from cascade import testing
from cascade.runtime.events import TaskStarted


def who() -> tuple[str, str, int]:
    me = cs.current()
    return me.task_name, me.task_id, me.attempt


@cs.task(mode="inline")
def inline(*_: Any) -> Any:
    return who()


@cs.task
def thread(*_: Any) -> Any:
    return who()


@cs.task
async def quick(*_: Any) -> Any:
    return who()


@cs.task
async def slow(*_: Any) -> Any:
    before = who()
    await asyncio.sleep(1)
    assert who() == before
    assert await asyncio.create_task(also()) == before
    assert await asyncio.to_thread(who) == before
    return before


async def also() -> Any:
    await asyncio.sleep(0)
    return who()


KINDS = [inline, thread, quick, slow]


def check(target: Any, **options: Any) -> None:
    """Run a workflow and compare what its tasks say of themselves with the events."""

    async def steps() -> None:
        engine = cs.Engine(**options)
        recorder = testing.EventRecorder(engine.bus)
        said = await engine.run(target)
        told = {event.task_id: event.task_name for event in recorder.of(TaskStarted)}
        assert {identity: name for name, identity, _ in said} == told
        assert [attempt for _, _, attempt in said] == [1] * len(said)

    testing.run_virtual(steps())
    asyncio.run(steps())


@pytest.mark.parametrize("task", KINDS, ids=lambda task: str(task.name))
def test_many_of_one_kind(task: cs.Task[Any]) -> None:
    check([task().named(f"number {place}") for place in range(20)])


def test_all_kinds_mixed_with_limits_between() -> None:
    calls = [KINDS[place % 4](place).named(f"number {place}") for place in range(40)]
    limited = [
        call.with_constraints(slot=1) if place % 3 else call for place, call in enumerate(calls)
    ]
    check(limited, system_resources={"slot": 3})


def test_a_suspended_task_and_those_that_go_on_meanwhile() -> None:
    inner = [slow() for _ in range(5)]
    check([slow(), *inner, *map(quick, inner), quick(), quick(), inline()])


def test_children_of_a_map() -> None:
    said = testing.run_virtual(slow_map.map(value=[1, 2]).named("both"))
    assert [name for name, _, _ in said] == ["both[0]", "both[1]"]
    assert said[0][1].endswith("[0]")


@cs.task
async def slow_map(value: int) -> Any:
    await asyncio.sleep(value)
    return who()


@pytest.mark.parametrize("use_vm", [False, True])
@pytest.mark.parametrize("with_input", [False, True])
def test_attempts_are_counted_in_each_step(use_vm: bool, with_input: bool) -> None:
    said: list[int] = []

    @cs.task
    async def flaky(left: Any) -> Any:
        said.append(cs.current().attempt)
        if len(said) in (1, 3):
            raise RuntimeError("once more")
        return cs.TailCall(left - 1) if left else cs.current().task_name

    @cs.task(mode="inline")
    def two() -> int:
        return 2

    lazy = flaky(two() if with_input else 2).with_retry()
    assert testing.run_virtual(cs.arun(lazy, use_vm=use_vm)) == "flaky"
    assert said == [1, 2, 1, 2, 1]


def test_a_run_inside_of_a_task_has_tasks_of_its_own() -> None:
    @cs.task
    async def outer() -> Any:
        before = cs.current()
        for use_vm in (False, True):
            inner = await cs.arun(quick().named("inner"), use_vm=use_vm)
            assert inner[0] == "inner"
        assert await cs.arun([inline().named("i"), thread().named("t")]) == [
            ("i", "inline#0", 1),
            ("t", "thread#1", 1),
        ]
        assert cs.current() == before
        return before.task_name, before.run_id

    name, run_id = testing.run_virtual(outer())
    assert name == "outer"
    assert run_id.startswith("run-")


def test_the_logger_names_the_task(caplog: pytest.LogCaptureFixture) -> None:
    @cs.task
    async def talk() -> None:
        cs.current().logger.info("hello %s", "there", extra={"more": 1})

    with caplog.at_level(logging.INFO, logger="cascade.task"):
        testing.run_virtual(talk().named("talker"))
    (record,) = caplog.records
    assert record.getMessage().endswith("talk#0] hello there")
    found: Any = record
    assert (found.task_name, found.attempt, found.more) == ("talker", 1, 1)


def test_outside_of_tasks_it_is_an_error() -> None:
    with pytest.raises(cs.errors.NoTaskError, match="no task is running"):
        cs.current()

    async def after() -> None:
        await cs.arun(quick())
        await cs.arun(slow(), use_vm=True)
        cs.current()

    with pytest.raises(cs.errors.NoTaskError):
        asyncio.run(after())
    outcome: list[Any] = []

    def alone() -> None:
        try:
            cs.current()
        except cs.errors.NoTaskError as error:
            outcome.append(error)

    other = threading.Thread(target=alone)
    other.start()
    other.join()
    assert len(outcome) == 1
