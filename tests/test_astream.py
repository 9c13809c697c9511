"""astream(): results as they come."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import Any

import pytest

import cascade as cs
from cascade import testing
from cascade.runtime.events import TaskFinished

ended: list[float] = []


@cs.task
async def wait(seconds: float) -> float:
    try:
        await asyncio.sleep(seconds)
    finally:
        ended.append(seconds)
    return seconds


@cs.task
async def fail(seconds: float) -> float:
    await asyncio.sleep(seconds)
    raise RuntimeError("failed")


@pytest.fixture(autouse=True)
def nothing_ended() -> None:
    ended.clear()


def collect(target: Any, **options: Any) -> list[tuple[float, Any, Any]]:
    async def follow() -> list[tuple[float, Any, Any]]:
        clock = asyncio.get_running_loop().time
        return [(clock(), key, value) async for key, value in cs.astream(target, **options)]

    found: list[tuple[float, Any, Any]] = testing.run_virtual(follow())
    return found


def test_parts_come_when_they_are_there() -> None:
    assert collect([wait(3), wait(1), wait(2)]) == [(1, 1, 1), (2, 2, 2), (3, 0, 3)]
    assert collect({"a": wait(2), "b": wait(1)}) == [(1, "b", 1), (2, "a", 2)]


def test_a_part_may_hold_several_and_comes_when_all_are_there() -> None:
    assert collect([{"x": wait(3), "y": [wait(1)]}, wait(2), "plain"]) == [
        (0, 2, "plain"),
        (2, 1, 2),
        (3, 0, {"x": 3, "y": [1]}),
    ]


def test_a_single_one_comes_under_its_name() -> None:
    assert collect(wait(1).named("it")) == [(1, "it", 1)]
    assert collect(wait(cs.Param("n", type=float)), params={"n": "2"}) == [(2, "wait", 2)]


def test_events_tell_of_the_tasks_alone() -> None:
    bus = cs.MessageBus()
    recorder = testing.EventRecorder(bus)
    collect([wait(1), wait(2)], bus=bus)
    assert [event.task_name for event in recorder.of(TaskFinished)] == ["wait", "wait"]


def test_what_was_there_before_a_failure_has_come() -> None:
    seen = []

    async def follow() -> None:
        async for key, _ in cs.astream([wait(1), fail(2), wait(3)]):
            seen.append(key)

    with pytest.raises(RuntimeError, match="failed") as caught:
        testing.run_virtual(follow())
    assert seen == [0]
    assert "in task 'fail'" in caught.value.__notes__[0]
    assert ended == [1, 3]


def test_leaving_early_cancels_the_run() -> None:
    async def follow() -> float:
        async with aclosing(cs.astream([wait(1), wait(100)])) as results:
            async for _ in results:
                break
        assert len(asyncio.all_tasks()) == 1
        return asyncio.get_running_loop().time()

    assert testing.run_virtual(follow()) == 1
    assert ended == [1, 100]


def test_being_cancelled_cancels_the_run() -> None:
    async def follow() -> None:
        async for _ in cs.astream([wait(100)]):
            pass

    async def steps() -> None:
        following = asyncio.create_task(follow())
        await asyncio.sleep(1)
        following.cancel()
        with pytest.raises(asyncio.CancelledError):
            await following
        assert ended == [100]
        assert len(asyncio.all_tasks()) == 1

    testing.run_virtual(steps())


def test_it_ends_when_nothing_of_the_run_goes_on_however_often_it_is_cancelled() -> None:
    @cs.task
    async def close_slowly() -> None:
        try:
            await asyncio.sleep(100)
        finally:
            await asyncio.sleep(5)
            ended.append(5)

    async def follow() -> None:
        async for _ in cs.astream([close_slowly()]):
            pass

    async def steps() -> None:
        following = asyncio.create_task(follow())
        await asyncio.sleep(1)
        for _ in range(3):
            following.cancel()
            await asyncio.sleep(1)
        with pytest.raises(asyncio.CancelledError):
            await following
        assert ended == [5]
        assert len(asyncio.all_tasks()) == 1

    testing.run_virtual(steps())


@pytest.mark.parametrize("pause", [0, 5])
def test_a_task_that_holds_what_its_parts_need_is_a_deadlock(pause: float) -> None:
    manager = cs.ResourceManager({"slot": 1})

    @cs.task
    async def follow() -> list[int]:
        found = []
        parts = [wait(0), wait(1).with_constraints(slot=1).after(wait(1))]
        async for key, _ in cs.astream(parts, resource_manager=manager):
            found.append(key)
            await asyncio.sleep(pause)  # the second part begins to wait meanwhile, or later
        return found

    call = follow().with_constraints(slot=1)
    with pytest.raises(cs.errors.DeadlockError, match="'wait' waits for 'slot', held by 'follow'"):
        testing.run_virtual(cs.arun(call, resource_manager=manager))


def test_a_task_that_gives_back_what_its_parts_need_is_none() -> None:
    manager = cs.ResourceManager({"slot": 1})

    @cs.task
    async def follow() -> list[int]:
        found = []
        parts = [wait(0), wait(1).with_constraints(slot=1).after(wait(1))]
        async for key, _ in cs.astream(parts, resource_manager=manager):
            found.append(key)
            if not key:
                async with cs.released():
                    await asyncio.sleep(5)
        return found

    call = follow().with_constraints(slot=1)
    assert testing.run_virtual(cs.arun(call, resource_manager=manager)) == [0, 1]


def test_a_skipped_part_is_an_error_at_the_end() -> None:
    with pytest.raises(cs.errors.SkippedError):
        collect([wait(1), wait(2).run_if(False)])


def test_refuses_what_is_no_target() -> None:
    with pytest.raises(TypeError, match="a target is a lazy result"):
        collect([1, 2])
