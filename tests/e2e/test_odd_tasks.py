"""Tasks that return, raise or keep what a task shouldn't: the run ends in order all the same."""

from __future__ import annotations

import asyncio
import dataclasses
import gc
import threading
import time
import weakref
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest

import cascade as cs
from cascade.errors import SkippedError
from cascade.testing import run_virtual

LIMIT = 10.0
"""Seconds after which a test gives up waiting for a thread."""


@dataclasses.dataclass(frozen=True)
class Frozen(Exception):
    """An exception that takes no notes."""

    number: int


class Stubborn(Exception):
    """Another one."""

    def add_note(self, note: str) -> None:
        raise RuntimeError("no notes, please")


class Value:
    """Something that can be watched."""


@cs.task(mode="inline")
def same(value: Any) -> Any:
    return value


@cs.task
async def swallow() -> str:
    try:
        await asyncio.sleep(100)
    except asyncio.CancelledError:
        return "swallowed"
    return "slept"


# What they raise


@pytest.mark.parametrize("beside", [False, True], ids=["alone", "beside another"])
@pytest.mark.parametrize("pause", [None, 1.0], ids=["at once", "later"])
def test_a_coroutine_that_raises_what_closes_coroutines_fails(
    pause: float | None, beside: bool
) -> None:
    @cs.task
    async def leave() -> None:
        if pause is not None:
            await asyncio.sleep(pause)
        raise GeneratorExit

    target = [leave(), swallow()] if beside else leave()
    with pytest.raises(RuntimeError, match="raised GeneratorExit") as raised:
        run_virtual(cs.Engine().run(target))
    assert any("'leave'" in note for note in raised.value.__notes__)


@pytest.mark.parametrize("error", [Frozen(1), Stubborn()], ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("mode", ["inline", "thread", "async"])
@pytest.mark.parametrize("style", ["alone", "named", "machine"])
def test_an_exception_that_takes_no_note_is_raised_without_one(
    error: Exception, mode: str, style: str
) -> None:
    def broken() -> None:
        raise error

    async def broken_async() -> None:
        await asyncio.sleep(0)
        raise error

    task: cs.Task[None]
    task = cs.task(broken_async) if mode == "async" else cs.task(mode=mode)(broken)  # type: ignore[call-overload]
    call = task().named("broken") if style == "named" else task()
    with pytest.raises(type(error)) as raised:
        run_virtual(cs.Engine().run(call, use_vm=style == "machine"))
    assert raised.value is error


@pytest.mark.parametrize("use_vm", [False, True])
@pytest.mark.parametrize("policies", [False, True])
def test_a_time_out_around_a_thread_that_fails_too_late_is_a_time_out(
    use_vm: bool, policies: bool
) -> None:
    gate = threading.Event()

    @cs.task
    def work() -> None:
        gate.wait(LIMIT)
        raise LookupError("too late")

    async def main() -> TimeoutError:
        asyncio.get_running_loop().call_later(0.05, gate.set)
        call = work().with_constraints(slot=1) if policies else work()
        try:
            async with asyncio.timeout(0.02):
                await cs.Engine().run(call, use_vm=use_vm)
        except TimeoutError as error:
            return error
        pytest.fail("it must time out")

    cancelled = asyncio.run(main()).__cause__
    assert cancelled is not None
    assert any("too late" in note for note in cancelled.__notes__)


def test_a_time_out_around_a_tear_down_that_fails_is_a_time_out() -> None:
    @cs.resource
    async def tool() -> AsyncIterator[None]:
        yield
        await asyncio.sleep(5)
        raise LookupError("stuck")

    @cs.task(mode="inline")
    def use(_tool: Any) -> None: ...

    async def main() -> None:
        engine = cs.Engine()
        engine.register(tool)
        async with asyncio.timeout(1):
            await engine.run(use(cs.inject("tool")))

    with pytest.raises(TimeoutError) as raised:
        run_virtual(main())
    assert any("stuck" in note for note in raised.value.__cause__.__notes__)  # type: ignore[union-attr]


# What they swallow


@pytest.mark.parametrize("style", ["inline first", "alone", "beside another"])
def test_a_task_that_swallows_the_cancellation_does_not_save_the_run(style: str) -> None:
    @cs.task(mode="inline")
    def first() -> Any:
        return cs.TailCall(to=swallow)

    ran: list[str] = []

    @cs.task(mode="inline")
    def after(value: str) -> str:
        ran.append(value)
        return value

    async def main() -> None:
        call = first() if style == "inline first" else swallow()
        target = [after(call), same(1)] if style == "beside another" else after(call)
        task = asyncio.create_task(cs.Engine().run(target))
        await asyncio.sleep(1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    run_virtual(main())
    assert ran == []


# What they return


@pytest.mark.parametrize("mode", ["inline", "thread"])
@pytest.mark.parametrize("use_vm", [False, True])
@pytest.mark.parametrize("policies", [False, True])
def test_a_coroutine_is_no_value(mode: Any, use_vm: bool, policies: bool) -> None:
    async def later() -> int:
        return 1

    @cs.task(mode=mode)
    def forgetful() -> Any:
        return later()

    call = forgetful().with_constraints(slot=1) if policies else forgetful()
    with pytest.raises(TypeError, match=r"'forgetful' returned the coroutine .*later.* async def"):
        run_virtual(cs.Engine().run(call, use_vm=use_vm))


@cs.task(mode="inline")
def _settings() -> dict[str, int]:
    return {"size": 3}


@cs.task(mode="inline")
def _size(of: int) -> int:
    return of


@pytest.mark.parametrize("use_vm", [False, True])
@pytest.mark.parametrize(
    "declare",
    [
        _settings,
        lambda: _settings()["size"],
        lambda: _size.map(of=[1]),
        lambda: cs.Router("key", {"key": _settings()}),
        lambda: cs.Param("size"),
        lambda: cs.Env("SIZE"),
    ],
    ids=["call", "item", "map", "router", "parameter", "variable"],
)
def test_what_nobody_would_run_is_no_value(declare: Callable[[], Any], use_vm: bool) -> None:
    @cs.task
    async def forgetful() -> Any:
        return declare()

    with pytest.raises(TypeError, match=r"'forgetful' returned the lazy result"):
        run_virtual(cs.Engine().run(forgetful(), use_vm=use_vm))


def test_a_static_method_that_is_async_is_awaited() -> None:
    class Tools:
        @cs.task
        @staticmethod
        async def later(number: int) -> int:
            return number + 1

    assert run_virtual(Tools.later(1)) == 2


def test_a_skip_is_told_of_its_task() -> None:
    with pytest.raises(SkippedError, match="'same'"):
        run_virtual(same(same(1).run_if(False)))


# What they keep


def lives(reference: weakref.ref[Value], wanted: Any) -> bool:
    """Whether a value lives on; a worker thread may let go of it a moment after its step."""
    give_up = time.monotonic() + 1.0
    while reference() is not None and reference() is not wanted and time.monotonic() < give_up:
        time.sleep(0.001)
    return reference() is not None


@pytest.mark.parametrize("use_vm", [False, True])
@pytest.mark.parametrize("policies", [False, True])
@pytest.mark.parametrize("mode", ["async", "inline", "thread"])
def test_an_endless_task_does_not_keep_the_arguments_of_earlier_steps(
    mode: str, use_vm: bool, policies: bool
) -> None:
    watched: list[weakref.ref[Value]] = []
    alive: list[list[bool]] = []

    @cs.task(mode="inline")
    def make() -> Value:
        value = Value()
        watched.append(weakref.ref(value))
        return value

    def step(_value: Any, left: int) -> Any:
        alive.append([lives(reference, _value) for reference in watched])
        if not left:
            return None
        fresh = None
        if left == 3:
            fresh = Value()
            watched.append(weakref.ref(fresh))
        return cs.TailCall(fresh, left - 1)

    async def step_async(_value: Any, left: int) -> Any:
        return step(_value, left)

    task: cs.Task[Any]
    task = cs.task(step_async) if mode == "async" else cs.task(mode=mode)(step)  # type: ignore[call-overload]
    call = task(make(), 3)
    call = call.with_constraints(slot=1) if policies else call
    asyncio.run(cs.Engine().run(call, use_vm=use_vm))
    assert alive == [[True], [False, True], [False, False], [False, False]]


# Nothing for the cyclic collector


async def garbage_of(work: Callable[[], Any]) -> int:
    """Return how many objects of `work`, which may fail, only the cyclic collector would free."""

    async def attempt() -> None:
        try:
            await work()
        except (LookupError, OSError):
            return

    await attempt()
    gc.collect()
    gc.disable()
    try:
        await attempt()
        return gc.collect()
    finally:
        gc.enable()


class Subscribed:
    """The handle of a subscription that hears nothing."""

    def unsubscribe(self) -> None: ...


class Leaving:
    """A connector that fails when it is left."""

    async def connect(self) -> None: ...

    async def disconnect(self) -> None:
        raise OSError("gone")

    async def publish(self, topic: str, payload: Any, qos: int = 0, retain: bool = False) -> None:
        raise NotImplementedError

    async def subscribe(self, topic: str, callback: Any) -> Any:
        return Subscribed()


@pytest.mark.parametrize("trouble", ["set-up", "tear-down", "disconnect", "next task"])
def test_a_clean_up_that_fails_leaves_no_cycles(trouble: str) -> None:
    @cs.resource
    def tool() -> Iterator[int]:
        if trouble in ("set-up", "next task"):
            raise LookupError
        yield 1
        if trouble == "tear-down":
            raise LookupError

    @cs.task
    async def use(tool: Any = cs.inject("tool")) -> None: ...  # noqa: B008

    @cs.task
    async def first() -> Any:
        return cs.TailCall(to=use)

    engine = cs.Engine(connector=Leaving() if trouble == "disconnect" else None)
    engine.register(tool)
    target = first() if trouble == "next task" else use()
    assert asyncio.run(garbage_of(lambda: engine.run(target))) == 0


@pytest.mark.parametrize("amounts", [{"slot": 1}, {"slot": 0.5}, {"slot": 1, "gpu": 1}])
def test_an_engine_with_limits_leaves_no_cycles(amounts: dict[str, float]) -> None:
    target = swallow().run_if(False)

    @cs.task
    async def limited() -> None:
        await asyncio.sleep(0)

    async def work() -> None:
        engine = cs.Engine(system_resources={"slot": 1, "gpu": 1})
        await engine.run([limited().with_constraints(**amounts) for _ in range(3)])
        with pytest.raises(SkippedError):
            await engine.run(target)

    assert asyncio.run(garbage_of(work)) == 0
