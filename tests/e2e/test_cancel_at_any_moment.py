"""A run that is cancelled at any moment leaves nothing: no task, thread, slot or resource."""
# ruff: noqa: B008 - an injection as a default is how tasks ask for resources

from __future__ import annotations

import asyncio
import random
import threading
import time
from collections.abc import AsyncIterator
from contextvars import ContextVar
from typing import Any

import cascade as cs
from cascade.runtime.events import RunFinished, TaskEvent, TaskFinished, TaskStarted
from cascade.testing import EventRecorder, run_virtual

DIARY: ContextVar[list[str]] = ContextVar("diary")
SCALE: ContextVar[float] = ContextVar("scale")
"""Seconds that the longest tasks take."""


@cs.task
async def wait(seconds: float, *_needs: Any) -> None:
    await asyncio.sleep(seconds)


@cs.resource
async def base() -> AsyncIterator[list[str]]:
    diary = DIARY.get()
    await asyncio.sleep(0.5 * SCALE.get())
    diary.append("+base")
    yield diary
    await asyncio.sleep(0.5 * SCALE.get())
    diary.append("-base")


@cs.resource
def top(base: list[str] = cs.inject("base")) -> Any:
    base.append("+top")
    yield base
    base.append("-top")


@cs.task
async def agent(left: int, _top: Any = cs.inject("top")) -> Any:
    await asyncio.sleep(SCALE.get() / 4)
    return cs.TailCall(left - 1) if left else None


@cs.task
def in_thread() -> None:
    time.sleep(0.001)


@cs.task(mode="inline")
def gather(*values: Any) -> int:
    return len(values)


def everything(scale: float) -> Any:
    first = [wait(scale * number / 4).with_constraints(slot=1) for number in range(4)]
    agents = [agent(4).with_constraints(slot=1) for _ in range(3)]
    threads = [in_thread() for _ in range(3)]
    return gather(*first, *agents, *threads, wait(scale, gather(*first)))


async def cancel_at(moment: float, scale: float) -> bool:
    """Cancel a run of everything, and check that nothing is left; return whether it was in time."""
    diary: list[str] = []
    DIARY.set(diary)
    SCALE.set(scale)
    engine = cs.Engine(system_resources={"slot": 2})
    engine.register(base)
    engine.register(top)
    recorder = EventRecorder(engine.bus)
    run = asyncio.ensure_future(engine.run(everything(scale)))
    await asyncio.wait([run], timeout=moment)
    run.cancel()
    await asyncio.wait([run])

    assert asyncio.all_tasks() == {asyncio.current_task()}
    statistics = engine.resource_manager.statistics()
    assert (statistics.holding, statistics.waiting) == (0, 0)
    assert statistics.resources["slot"].used == 0
    opened = [name[1:] for name in diary if name[0] == "+"]
    assert [name[1:] for name in diary if name[0] == "-"] == opened[::-1]
    started = sorted(event.task_id for event in recorder.of(TaskStarted))
    assert started == sorted(event.task_id for event in recorder.of(TaskFinished))
    if recorder.events:
        assert len({event.task_id for event in recorder.of(TaskEvent)}) == 13
        assert len(recorder.of(RunFinished)) == 1
    return run.cancelled()


def test_on_virtual_time_a_run_can_be_cancelled_at_any_moment() -> None:
    chance = random.Random(11)
    moments = [0.0, *[chance.uniform(0, 12) for _ in range(49)]]
    in_time = [run_virtual(cancel_at(moment, 2.0)) for moment in moments]
    assert in_time.count(True) > 20
    assert in_time.count(False) > 2


def test_on_a_real_loop_a_run_can_be_cancelled_at_any_moment() -> None:
    before = threading.active_count()
    chance = random.Random(12)

    async def main() -> list[bool]:
        moments = [0.0, *[chance.uniform(0, 0.12) for _ in range(49)]]
        return [await cancel_at(moment, 0.02) for moment in moments]

    assert asyncio.run(main()).count(True) > 20
    assert threading.active_count() == before
