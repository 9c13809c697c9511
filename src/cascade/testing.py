"""Tools for tests: virtual time, and a recorder of events."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar, overload
from uuid import uuid4

from cascade.runtime.bus import MessageBus
from cascade.runtime.events import Event
from cascade.runtime.resource_scopes import Value, overrides
from cascade.runtime.virtual_time import VirtualTimeLoop
from cascade.spec.checks import check_name, shown
from cascade.spec.lazy import LazyResult
from cascade.spec.resource import ResourceDefinition
from cascade.spec.task import Task

__all__ = ["EventRecorder", "Stub", "override", "run_virtual", "stub", "virtual_loop"]

T = TypeVar("T")
E = TypeVar("E", bound=Event)


def virtual_loop(*, start: float = 0.0) -> VirtualTimeLoop:
    """Return a new event loop on virtual time, for `asyncio.Runner(loop_factory=virtual_loop)`.

    Args:
        start: what its clock shows at the beginning, in seconds.

    Raises:
        TypeError: `start` isn't a number.
        ValueError: `start` isn't finite.
    """
    return VirtualTimeLoop(start)


@overload
def run_virtual(target: Coroutine[Any, Any, T], *, start: float = 0.0) -> T: ...


@overload
def run_virtual(target: Any, *, start: float = 0.0) -> Any: ...


def run_virtual(target: Any, *, start: float = 0.0) -> Any:
    """Run `target` to its end on virtual time and return its result.

    What it leaves behind is cancelled and waited for, as `asyncio.run` does.

    Args:
        target: a coroutine; or a lazy result, or a list, tuple or dict of them, which a new
            `Engine` then runs.
        start: what the clock shows at the beginning, in seconds.

    Raises:
        TypeError: `target` is something else.
        RuntimeError: an event loop is running in this thread already.
        VirtualDeadlockError: everybody waits and nothing is left to happen.
    """
    coroutine = target if asyncio.iscoroutine(target) else _run_declared(target)
    try:
        _check_no_running_loop()
        runner = asyncio.Runner(loop_factory=partial(virtual_loop, start=start))
        with runner:
            return runner.run(coroutine)
    finally:
        coroutine.close()  # for the ways out on which it never began


def _check_no_running_loop() -> None:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return
    raise RuntimeError(
        "run_virtual() makes a loop of its own and can't be called where one is running: "
        "await the coroutine instead, or call run_virtual() from a plain function"
    )


def _run_declared(target: Any) -> Coroutine[Any, Any, Any]:
    if not isinstance(target, (LazyResult, list, tuple, dict)):
        hint = " (call it)" if asyncio.iscoroutinefunction(target) else ""
        raise TypeError(
            f"target must be a coroutine, or a lazy result or a list, tuple or dict of them, "
            f"got {target!r}{hint}"
        )

    async def run() -> Any:
        from cascade.runtime.engine import Engine

        return await Engine().run(target)

    return run()


class EventRecorder:
    """Keeps every event that a bus publishes, from now until `close()`.

    Raises:
        TypeError: `bus` has no `subscribe`.
    """

    def __init__(self, bus: MessageBus) -> None:
        if not callable(getattr(bus, "subscribe", None)):
            raise TypeError(f"bus must be a MessageBus, got {bus!r}")
        self.events: list[Event] = []
        """The events, in the order in which they happened."""
        self._unsubscribe = bus.subscribe(Event, self.events.append)

    def of(self, event_type: type[E]) -> list[E]:
        """The events of this class and of its subclasses."""
        return [event for event in self.events if isinstance(event, event_type)]

    def names(self) -> list[str]:
        """The class names of the events."""
        return [type(event).__name__ for event in self.events]

    def close(self) -> None:
        """Stop listening; the events stay. Calling it again does nothing."""
        self._unsubscribe()


@contextmanager
def override(resource: str | ResourceDefinition, replacement: Any) -> Iterator[None]:
    """Let something else stand in for a resource, in all runs that begin inside the block.

    Args:
        resource: the resource, or its name. It needn't be registered.
        replacement: a value, which is injected as it is; or another resource, which is set up and
            torn down in its place.

    Raises:
        TypeError, ValueError: `resource` is neither a resource nor a name.
    """
    name = resource.name if isinstance(resource, ResourceDefinition) else resource
    check_name(name)
    made = replacement if isinstance(replacement, ResourceDefinition) else Value(replacement)
    before = overrides.set({**overrides.get(), name: made})
    try:
        yield
    finally:
        overrides.reset(before)


@dataclass(slots=True)
class Stub:
    """What `stub` gives: the calls that were made instead of the task's."""

    calls: list[tuple[tuple[Any, ...], dict[str, Any]]] = field(default_factory=list)
    """Positional and named arguments of each call, defaults included, in the order of the calls."""


class _StandIn:
    """Notes a call and makes it, in the place of a task's function.

    Its name is unlike any other, so that cached values are neither taken nor left.
    """

    def __init__(
        self,
        replaced: Callable[..., Any],
        function: Callable[..., Any],
        calls: list[tuple[tuple[Any, ...], dict[str, Any]]],
    ) -> None:
        self.__signature__ = inspect.signature(replaced)
        self.__qualname__ = f"stub {uuid4().hex}"
        self._function = function
        self._calls = calls

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        self._calls.append((args, kwargs))
        return self._function(*args, **kwargs)


class _AsyncStandIn(_StandIn):
    """The same, to be awaited, whether the function is async or plain."""

    async def __call__(self, *args: Any, **kwargs: Any) -> Any:
        result = super().__call__(*args, **kwargs)
        return await result if inspect.isawaitable(result) else result


@contextmanager
def stub(task: Task[Any], function: Callable[..., Any]) -> Iterator[Stub]:
    """Let another function run in the place of a task's, in all runs, inside the block.

    All that was said about the task stays: its name, its mode, limits, retries. Only a task that
    would run in another process runs in this one, and a cached task shares values with no call
    from outside of the block.

    Args:
        task: the task.
        function: takes the same arguments. For an async task it may be plain or async.

    Raises:
        TypeError: `task` isn't a task, or `function` can't be called, or is async for a task that
            isn't.
    """
    if not isinstance(task, Task):
        raise TypeError(f"stub() takes a task, got {shown(task)}")
    if isinstance(function, Task):
        function = function.fn
    if not callable(function):
        raise TypeError(f"function must be callable, got {shown(function)}")
    if task.mode != "async" and inspect.iscoroutinefunction(function):
        raise TypeError(f"task {task.name!r} isn't async, so {function!r} can't stand in for it")
    found = Stub()
    fn, mode = task.fn, task.mode
    task.fn = (_AsyncStandIn if mode == "async" else _StandIn)(fn, function, found.calls)
    if mode not in ("async", "thread"):
        task.mode = "inline"
    try:
        yield found
    finally:
        task.fn, task.mode = fn, mode
