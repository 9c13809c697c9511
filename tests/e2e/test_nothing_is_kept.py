"""What a run comes to is all that stays of it: no values, and nothing for the cyclic collector."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable
from typing import Any
from weakref import ref

import pytest

import cascade as cs
from cascade.adapters.state.memory import InMemoryStateBackend
from cascade.testing import run_virtual


class Value:
    """Something that weak references can watch."""


@cs.task(mode="inline")
def make(watched: list[ref[Value]]) -> Value:
    value = Value()
    watched.append(ref(value))
    return value


@cs.task
async def wait(seconds: float, clean_up: float = 0.0, *_values: Any) -> None:
    try:
        await asyncio.sleep(seconds)
    finally:
        await asyncio.sleep(clean_up)


@cs.task
async def fail(value: Any = None) -> None:
    await asyncio.sleep(1)
    raise LookupError


@cs.task
def fail_in_thread(value: Any = None) -> None:
    raise LookupError


@cs.task(mode="inline")
def fail_inline(value: Any = None) -> None:
    raise LookupError


async def outcome(target: Any, cancel_at: float | None = None, **parts: Any) -> Any:
    """Run a target to its end; return its result or its error."""
    run = asyncio.ensure_future(cs.Engine(**parts).run(target))
    await asyncio.wait([run], timeout=cancel_at)
    run.cancel()
    await asyncio.wait([run])
    try:
        return run.result()
    except BaseException as error:
        return error
    finally:
        del run


def garbage_of(target: Any, run: Callable[..., Any] = run_virtual, **options: Any) -> int:
    """Return how many objects of a run only the cyclic collector would free."""

    async def main() -> int:
        await outcome(target, **options)
        gc.collect()
        gc.disable()
        try:
            await outcome(target, **options)
            return gc.collect()
        finally:
            gc.enable()

    found: int = run(main())
    return found


@pytest.mark.parametrize("run", [run_virtual, asyncio.run])
@pytest.mark.parametrize(
    "call",
    [
        fail_in_thread().with_constraints(slot=1),
        fail_in_thread().with_timeout(9),
        fail_in_thread().with_retry(2),
        fail_in_thread().with_retry(2).with_timeout(9),
    ],
)
def test_a_call_that_fails_in_a_thread_leaves_no_cycle(call: Any, run: Any) -> None:
    assert garbage_of(call, run) == 0


@pytest.mark.parametrize("constrained", [True, False])
def test_an_attempt_that_takes_too_long_leaves_no_cycle(constrained: bool) -> None:
    call = wait(9).with_timeout(1).with_retry(2)
    assert garbage_of(call.with_constraints(slot=1) if constrained else call) == 0


@pytest.mark.parametrize("task", [fail, fail_in_thread, fail_inline])
@pytest.mark.parametrize("cancel_at", [None, 1.5])
@pytest.mark.parametrize("factory", [None, InMemoryStateBackend])
def test_collected_errors_leave_no_cycle(task: Any, cancel_at: Any, factory: Any) -> None:
    children = task.map(value=[1, 2]).collecting_errors()
    target = [children, wait(2)]
    assert garbage_of(target, cancel_at=cancel_at, state_backend_factory=factory) == 0


def test_a_run_that_is_cancelled_while_siblings_of_a_failure_end_leaves_no_cycle() -> None:
    assert garbage_of([fail(), wait(9, 5)], cancel_at=3) == 0


@pytest.mark.parametrize("as_machine", [True, False])
def test_a_timeout_that_would_come_later_keeps_no_result(as_machine: bool) -> None:
    watched: list[ref[Value]] = []

    @cs.task
    async def make_value() -> Value:
        value = Value()
        watched.append(ref(value))
        return value

    async def main() -> bool:
        call = make_value().with_constraints(slot=1).with_timeout(3600)
        await asyncio.create_task(cs.Engine().run(call, use_vm=as_machine))
        await asyncio.sleep(0)
        return watched[0]() is None

    gc.disable()
    try:
        assert run_virtual(main())
    finally:
        gc.enable()


@pytest.mark.parametrize("fails", [fail, fail_inline])
@pytest.mark.parametrize("factory", [None, InMemoryStateBackend])
def test_an_error_that_is_kept_keeps_no_values_of_others(fails: Any, factory: Any) -> None:
    watched: list[ref[Value]] = []
    value = make(watched)
    target = [value, fails().after(value), wait(9, 0, value)]

    async def main() -> None:
        error = await outcome(target, state_backend_factory=factory)
        assert isinstance(error, LookupError)
        assert watched[0]() is None

    run_virtual(main())
