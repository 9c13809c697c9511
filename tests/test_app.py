"""cs.run and cs.arun: the batteries chosen, from plain code, notebooks and async code."""

from __future__ import annotations

import asyncio
import contextvars
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

import cascade as cs
from cascade.adapters.executors.local import LocalExecutor
from cascade.errors import NestedRunError
from cascade.runtime.events import RunFinished
from cascade.testing import EventRecorder, run_virtual

variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="unset")


@cs.task(mode="inline")
def add(*numbers: int) -> int:
    return sum(numbers)


@cs.task
async def wait(seconds: float) -> float:
    await asyncio.sleep(seconds)
    return seconds


@cs.task
def ident() -> int:
    return threading.get_ident()


@cs.task(mode="inline")
def look() -> str:
    return variable.get()


def in_async_code(target: Any, **options: Any) -> Any:
    async def main() -> Any:
        return await cs.arun(target, **options)

    return asyncio.run(main())


def where_a_loop_runs(target: Any, **options: Any) -> Any:
    async def cell() -> Any:
        return cs.run(target, **options)

    return asyncio.run(cell())


everywhere = pytest.mark.parametrize("run", [cs.run, in_async_code, where_a_loop_runs])


@everywhere
def test_the_result_has_the_shape_of_the_target(run: Callable[..., Any]) -> None:
    two = add(add(1), 1)
    assert run(two) == 2
    assert run([two, {"k": (two, 7)}]) == [2, {"k": (2, 7)}]


@everywhere
def test_a_failing_task_raises_its_own_error_with_a_note(run: Callable[..., Any]) -> None:
    error = LookupError("mine")

    @cs.task
    async def broken() -> None:
        raise error

    with pytest.raises(LookupError) as raised:
        run(broken())
    assert raised.value is error
    assert any("'broken'" in note for note in error.__notes__)
    assert error.__context__ is None  # nothing else is told before it


@everywhere
def test_after_the_timeout_the_run_is_cancelled(run: Callable[..., Any]) -> None:
    bus = cs.MessageBus()
    recorder = EventRecorder(bus)
    began = time.monotonic()
    with pytest.raises(TimeoutError):
        run(wait(60), timeout=0.02, bus=bus)
    assert time.monotonic() - began < 30
    assert [event.status for event in recorder.of(RunFinished)] == ["cancelled"]
    assert run(wait(0), timeout=60) == 0


@everywhere
@pytest.mark.parametrize("value", ["soon", True])
def test_a_timeout_that_is_no_number_is_a_type_error(run: Callable[..., Any], value: Any) -> None:
    with pytest.raises(TypeError, match=rf"timeout.*seconds.*{value!r}"):
        run(wait(0), timeout=value)


@everywhere
@pytest.mark.parametrize("value", [-1, float("nan")])
def test_a_timeout_that_is_no_time_is_a_value_error(run: Callable[..., Any], value: float) -> None:
    with pytest.raises(ValueError, match=rf"timeout.*≥ 0.*{value!r}"):
        run(wait(0), timeout=value)


@everywhere
def test_bad_targets_and_params_are_refused(run: Callable[..., Any]) -> None:
    with pytest.raises(TypeError, match="target"):
        run(42)
    with pytest.raises(TypeError, match="call it first"):
        run(add)
    with pytest.raises(ValueError, match="'seed'"):
        run(add(1), params={"seed": 1})


@everywhere
def test_limits_come_from_system_resources_or_a_manager(run: Callable[..., Any]) -> None:
    calls = [wait(0.02).with_constraints(slot=1) for _ in range(4)]
    manager = cs.ResourceManager()
    run(calls, resource_manager=manager, system_resources={"slot": 2})
    slot = manager.statistics().resources["slot"]
    assert (slot.capacity, slot.peak, slot.used) == (2, 2, 0)
    began = time.monotonic()
    run(calls, system_resources={"slot": 1})
    assert time.monotonic() - began > 0.06


@everywhere
def test_threads_end_with_the_run_unless_the_executor_was_given(run: Callable[..., Any]) -> None:
    before = threading.active_count()
    assert run(ident()) != threading.get_ident()
    assert threading.active_count() == before
    executor = LocalExecutor(1)
    assert run(ident(), executor=executor) == run(ident(), executor=executor)
    assert threading.active_count() == before + 1
    asyncio.run(executor.aclose())
    assert threading.active_count() == before


@everywhere
def test_use_vm_runs_a_machine(run: Callable[..., Any]) -> None:
    @cs.task(mode="inline")
    def count(number: int) -> Any:
        return cs.TailCall(number + 1) if number < 1000 else number

    assert run(count(add(1)), use_vm=True) == 1000


@everywhere
def test_context_variables_of_the_caller_reach_the_tasks(run: Callable[..., Any]) -> None:
    token = variable.set("caller's")
    try:
        assert run(look()) == "caller's"
    finally:
        variable.reset(token)


@pytest.mark.parametrize("mode", ["inline", "thread", "async"])
@pytest.mark.parametrize("run", [asyncio.run, run_virtual])
@pytest.mark.parametrize("use_vm", [True, False])
def test_inside_a_task_it_is_an_error_that_points_to_arun(
    mode: str, run: Callable[..., Any], use_vm: bool
) -> None:
    def nested(again: bool = True) -> Any:
        return cs.TailCall(False) if again else cs.run(add(1))

    async def nested_async(again: bool = True) -> Any:
        return nested(again)

    task: cs.Task[Any]
    task = cs.task(nested_async) if mode == "async" else cs.task(mode=mode)(nested)  # type: ignore[call-overload]
    with pytest.raises(NestedRunError, match=r"cs\.arun"):
        run(cs.Engine().run(task(), use_vm=use_vm))


def test_arun_inside_a_task_is_fine_and_so_is_run_after_a_run() -> None:
    @cs.task
    async def outer() -> int:
        return int(await cs.arun(add(1, 2)))

    async def main() -> tuple[Any, Any]:
        return await cs.arun(outer()), cs.run(add(3, 4))

    assert asyncio.run(main()) == (3, 7)


def test_where_a_loop_runs_the_run_gets_a_thread_of_its_own() -> None:
    @cs.task(mode="inline")
    def here() -> int:
        return threading.get_ident()

    before = threading.active_count()
    assert where_a_loop_runs(here()) != threading.get_ident()
    assert cs.run(here()) == threading.get_ident()
    assert threading.active_count() == before


def test_runs_from_several_threads_do_not_meet() -> None:
    results: dict[int, Any] = {}

    def work(number: int) -> None:
        results[number] = cs.run([add(number, 1), ident(), wait(0.01)])

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {number: values[0] for number, values in results.items()} == {
        number: number + 1 for number in range(8)
    }


@pytest.mark.parametrize("runner", ["asyncio.run(main())", "main_in_a_plain_loop()"])
def test_ctrl_c_ends_a_run_inside_a_running_loop(runner: str) -> None:
    code = f"""
import asyncio, os, signal, threading
import cascade as cs

@cs.task
async def endless():
    threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT)).start()
    try:
        await asyncio.sleep(3600)
    finally:
        print("torn down", flush=True)

async def main():
    cs.run(endless())

def main_in_a_plain_loop():
    loop = asyncio.new_event_loop()
    loop.run_until_complete(main())

try:
    {runner}
except KeyboardInterrupt:
    print("interrupted")
print(signal.getsignal(signal.SIGINT) is signal.default_int_handler)
"""
    command = [sys.executable, "-c", code]
    answer = subprocess.run(command, capture_output=True, text=True, timeout=30)
    assert answer.stdout.split("\n") == ["torn down", "interrupted", "True", ""], answer.stderr
