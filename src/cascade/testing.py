"""Tools for tests: virtual time, and a recorder of events."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from functools import partial
from typing import Any, TypeVar, overload

from cascade.runtime.bus import MessageBus
from cascade.runtime.events import Event
from cascade.runtime.virtual_time import VirtualTimeLoop
from cascade.spec.lazy import LazyResult

__all__ = ["EventRecorder", "run_virtual", "virtual_loop"]

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
