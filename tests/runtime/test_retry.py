"""Retry: how often, when, and that nothing is held in between."""

from __future__ import annotations

import asyncio
import gc
from random import Random
from typing import Any

import pytest
from tests.runtime.queueing import check_idle

import cascade as cs
from cascade.errors import DeadlockError, InfeasibleRequestError
from cascade.runtime.events import TaskFinished, TaskRetrying, TaskStarted
from cascade.testing import EventRecorder, run_virtual


class Failing:
    """Fails so many times, and notes when it was called."""

    def __init__(self, times: int, error: type[Exception] = OSError) -> None:
        self.left = times
        self.error = error
        self.calls: list[float] = []

    def call(self) -> str:
        self.calls.append(asyncio.get_running_loop().time())
        if self.left:
            self.left -= 1
            raise self.error(f"failure {len(self.calls)}")
        return "done"


@cs.task
async def on_the_loop(failing: Failing) -> str:
    return failing.call()


@cs.task(mode="inline")
def inline(failing: Failing) -> str:
    return failing.call()


@cs.task
def in_a_thread(failing: Failing, loop: asyncio.AbstractEventLoop) -> str:
    failing.calls.append(loop.time())
    if failing.left:
        failing.left -= 1
        raise failing.error
    return "done"


@pytest.mark.parametrize("task", [on_the_loop, inline])
@pytest.mark.parametrize("use_vm", [False, True])
def test_a_task_is_tried_again_after_growing_pauses(task: Any, use_vm: bool) -> None:
    failing = Failing(3)
    lazy = task(failing).with_retry(max_attempts=4, delay=1.0, backoff=2.0)
    assert run_virtual(cs.Engine().run(lazy, use_vm=use_vm)) == "done"
    assert failing.calls == [0.0, 1.0, 3.0, 7.0]


@pytest.mark.parametrize("use_vm", [False, True])
def test_an_error_can_ask_for_a_pause(use_vm: bool) -> None:
    class BusyError(OSError):
        retry_after = 30

    failing = Failing(2, BusyError)
    lazy = on_the_loop(failing).with_retry(3, delay=1.0, backoff=50.0, max_delay=40.0)
    assert run_virtual(cs.Engine().run(lazy, use_vm=use_vm)) == "done"
    assert failing.calls == [0.0, 30.0, 70.0]


def test_also_one_that_runs_in_a_thread() -> None:
    failing = Failing(2)

    async def main() -> Any:
        loop = asyncio.get_running_loop()
        return await cs.arun(in_a_thread(failing, loop).with_retry(3, delay=1.0))

    assert run_virtual(main()) == "done"
    assert failing.calls == [0.0, 1.0, 2.0]


@pytest.mark.parametrize("use_vm", [False, True])
def test_the_last_failure_is_raised_as_it_is_with_the_task_named(use_vm: bool) -> None:
    failing = Failing(9)
    with pytest.raises(OSError, match="failure 3") as caught:
        run_virtual(cs.Engine().run(on_the_loop(failing).with_retry(3), use_vm=use_vm))
    assert len(failing.calls) == 3
    assert any("'on_the_loop'" in note for note in caught.value.__notes__)


def test_other_exceptions_than_the_named_ones_fail_at_once() -> None:
    failing = Failing(9, KeyError)
    with pytest.raises(KeyError):
        run_virtual(cs.Engine().run(on_the_loop(failing).with_retry(3, on=OSError)))
    assert len(failing.calls) == 1


def test_a_cancellation_is_never_tried_again() -> None:
    calls = []

    @cs.task
    async def leaving() -> None:
        calls.append(1)
        raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        run_virtual(cs.Engine().run(leaving().with_retry(3)))
    assert calls == [1]


@pytest.mark.parametrize("use_vm", [False, True])
def test_slots_are_free_while_it_waits_and_taken_again_in_line(use_vm: bool) -> None:
    order: list[tuple[str, float]] = []

    @cs.task
    async def failing(left: list[int]) -> None:
        order.append(("failing", asyncio.get_running_loop().time()))
        await asyncio.sleep(1)
        if left:
            left.pop()
            raise OSError

    @cs.task
    async def other() -> None:
        order.append(("other", asyncio.get_running_loop().time()))
        await asyncio.sleep(4)

    async def main() -> None:
        manager = cs.ResourceManager({"slot": 1})
        first = cs.Engine(resource_manager=manager).run(
            failing([1]).with_constraints(slot=1).with_retry(2, delay=2.0), use_vm=use_vm
        )
        second = cs.Engine(resource_manager=manager).run(other().with_constraints(slot=1))
        await asyncio.gather(first, second)
        check_idle(manager)

    run_virtual(main())
    # The pause ends at 3 s, and the other one holds the slot until 5 s.
    assert order == [("failing", 0.0), ("other", 1.0), ("failing", 5.0)]


def test_each_attempt_pays_the_rate() -> None:
    failing = Failing(2)

    async def main() -> None:
        engine = cs.Engine()
        engine.resource_manager.set_rate("api", per_second=0.1)
        await engine.run(on_the_loop(failing).with_constraints(api=1).with_retry(3))

    run_virtual(main())
    assert failing.calls == [0.0, 10.0, 20.0]


def test_what_can_never_be_granted_is_not_tried_again() -> None:
    failing = Failing(0)
    engine = cs.Engine(system_resources={"slot": 1})
    with pytest.raises(InfeasibleRequestError):
        run_virtual(engine.run(on_the_loop(failing).with_constraints(slot=2).with_retry(5)))
    assert failing.calls == []


def test_nor_is_a_deadlock_of_its_own_request() -> None:
    attempts = []

    async def main() -> None:
        engine = cs.Engine(system_resources={"slot": 1})

        @cs.task
        async def parent() -> None:
            attempts.append(1)
            child = on_the_loop(Failing(0)).with_constraints(slot=1).with_retry(5)
            await engine.run(child)

        await engine.run(parent().with_constraints(slot=1))

    with pytest.raises(DeadlockError):
        run_virtual(main())
    assert attempts == [1]


def test_each_step_of_a_machine_counts_its_own_attempts() -> None:
    failures = {1: 2, 2: 2, 3: 2}
    calls: list[int] = []

    @cs.task
    async def step(number: int) -> Any:
        calls.append(number)
        if failures[number]:
            failures[number] -= 1
            raise OSError
        return cs.TailCall(number + 1) if number < 3 else "end"

    lazy = step(1).with_retry(3)
    assert run_virtual(cs.Engine().run(lazy, use_vm=True)) == "end"
    assert calls == [1, 1, 1, 2, 2, 2, 3, 3, 3]


def test_events_tell_each_failed_attempt_and_one_start_and_end() -> None:
    engine, failing = cs.Engine(), Failing(2)
    recorder = EventRecorder(engine.bus)
    run_virtual(engine.run(on_the_loop(failing).with_retry(3, delay=1.5)))
    told = recorder.of(TaskRetrying)
    assert [(event.attempt, event.delay, str(event.error)) for event in told] == [
        (1, 1.5, "failure 1"),
        (2, 1.5, "failure 2"),
    ]
    assert len(recorder.of(TaskStarted)) == 1
    (finished,) = recorder.of(TaskFinished)
    assert (finished.status, finished.duration) == ("succeeded", 3.0)


def test_a_run_that_is_cancelled_during_a_pause_ends_at_once() -> None:
    async def main() -> None:
        engine = cs.Engine(system_resources={"slot": 1})
        recorder = EventRecorder(engine.bus)
        lazy = on_the_loop(Failing(9)).with_constraints(slot=1).with_retry(9, delay=100.0)
        run = asyncio.ensure_future(engine.run(lazy))
        await asyncio.sleep(50)
        run.cancel()
        with pytest.raises(asyncio.CancelledError):
            await run
        assert asyncio.get_running_loop().time() == 50
        assert recorder.names()[-2:] == ["TaskFinished", "RunFinished"]
        check_idle(engine.resource_manager)

    run_virtual(main())


def test_a_sibling_that_fails_ends_a_pause() -> None:
    @cs.task
    async def broken() -> None:
        await asyncio.sleep(1)
        raise ValueError("broken")

    async def main() -> None:
        lazies = [on_the_loop(Failing(9)).with_retry(9, delay=100.0), broken()]
        with pytest.raises(ValueError, match="broken"):
            await cs.arun(lazies)
        assert asyncio.get_running_loop().time() == 1

    run_virtual(main())


def test_the_jitter_comes_from_the_engines_random_source() -> None:
    def pauses(engine: cs.Engine) -> list[float]:
        failing = Failing(4)
        run_virtual(engine.run(on_the_loop(failing).with_retry(5, delay=1.0, jitter=1.0)))
        return [
            later - earlier
            for earlier, later in zip(failing.calls, failing.calls[1:], strict=False)
        ]

    seeded = pauses(cs.Engine(random=Random(7)))
    expected = Random(7)
    assert seeded == pytest.approx([1.0 + expected.uniform(0, 1) for _ in range(4)])
    # Virtual time has a seed of its own: the same program gets the same pauses.
    assert pauses(cs.Engine()) == pauses(cs.Engine()) != seeded
    with pytest.raises(TypeError, match="random must be a Random"):
        cs.Engine(random=7)  # type: ignore[arg-type]


def test_failed_attempts_leave_nothing_to_the_cyclic_collector() -> None:
    failing = Failing(50)

    async def main() -> int:
        engine = cs.Engine(system_resources={"slot": 1})
        gc.collect()
        await engine.run(on_the_loop(failing).with_constraints(slot=1).with_retry(51))
        return gc.collect()

    gc.disable()
    try:
        assert run_virtual(main()) == 0
    finally:
        gc.enable()
