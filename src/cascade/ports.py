"""Every port in one place: what a part must offer to be plugged into an engine.

The parts that come with the library are in `cascade.adapters` and `cascade.connectors`;
anything with these methods can stand in for them, no base class needed.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop
    from contextvars import Context

    from cascade.graph.model import Graph, Plan

__all__ = [
    "CacheBackend",
    "Connector",
    "DirectExecutor",
    "Errand",
    "Executor",
    "Hit",
    "ProcessCall",
    "Receiver",
    "Solver",
    "StateBackend",
    "Subscription",
]


@runtime_checkable
class Solver(Protocol):
    """Decides in which order the nodes of a graph are looked at."""

    def resolve(self, graph: Graph) -> Plan:
        """Return a plan for `graph`: a topological order, and a rank for scarce slots."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class ProcessCall:
    """A call for another process, taken apart so that it can be sent there."""

    fn: Callable[..., Any]
    """The function."""
    args: tuple[Any, ...]
    """Its positional arguments."""
    kwargs: Mapping[str, Any]
    """Its named arguments."""
    name: str
    """The name of the task, for errors."""

    def __call__(self) -> Any:
        """Make the call here."""
        return self.fn(*self.args, **self.kwargs)


@runtime_checkable
class Executor(Protocol):
    """Runs plain functions somewhere else than on the event loop."""

    def execute(
        self, call: Callable[[], Any], mode: str, *, timeout: float | None
    ) -> Awaitable[Any]:
        """Run `call` in the given mode and return an awaitable of its result.

        The modes are "thread" and "process"; for the latter `call` is a `ProcessCall`. Cancelling
        the awaitable withdraws a call that hasn't begun. One that has begun in a thread can't be
        stopped: the awaitable then ends when the call does. One that has begun in a process is
        killed with its process: the awaitable ends when that is gone. After `timeout` seconds
        (None: never; it is always said) it raises `TimeoutError`.
        """
        ...

    async def aclose(self) -> None:
        """Wait for what is running and free threads and processes."""
        ...


class Errand(Protocol):
    """A call that a `DirectExecutor` has accepted."""

    node: int
    """Free for the receiver: what the call is about."""
    bound: Any
    """Free for the receiver: its arguments."""

    def withdraw(self) -> bool:
        """Let the call not be made; whether it hasn't begun yet. Then nobody is told of it."""
        ...


class Receiver(Protocol):
    """Whoever is told, on the loop, what calls came to."""

    def errand_done(self, errand: Any, value: Any, error: BaseException | None) -> None:
        """A call has returned, or raised."""
        ...

    def errands_done(self) -> None:
        """All that has arrived so far has been told."""
        ...


@runtime_checkable
class DirectExecutor(Protocol):
    """What an executor may offer beside `Executor`: thread calls without a future for each."""

    def start(
        self,
        call: Callable[[], Any],
        context: Context,
        loop: AbstractEventLoop,
        receiver: Receiver,
        node: int = -1,
        bound: Any = None,
    ) -> Errand | None:
        """Run `call` in a thread, in `context`, and tell `receiver` on `loop` what it came to.

        The errand has `node` and `bound` from the beginning.

        None if that can't be done on this loop: then `Executor.execute` is used.
        """
        ...


@runtime_checkable
class StateBackend(Protocol):
    """Keeps what the nodes of a run have returned, for whoever wants to look or resume."""

    async def put(self, run_id: str, node_id: str, value: Any) -> None:
        """Keep the value of a node."""
        ...

    async def get(self, run_id: str, node_id: str) -> Any:
        """Return the value of a node; `KeyError` if it isn't kept."""
        ...

    async def has(self, run_id: str, node_id: str) -> bool:
        """Whether the value of a node is kept."""
        ...

    async def clear(self, run_id: str) -> None:
        """Forget everything about a run."""
        ...


@dataclass(frozen=True, slots=True)
class Hit:
    """A value found in a cache; the wrapper tells a kept None from a miss."""

    value: Any
    """What was kept."""


@runtime_checkable
class CacheBackend(Protocol):
    """Keeps values of tasks between runs."""

    async def get(self, key: str) -> Hit | None:
        """Return what is kept under `key`, or None if there is nothing."""
        ...

    async def put(self, key: str, value: Any, ttl: float | None) -> None:
        """Keep a value for `ttl` seconds (None: for ever)."""
        ...

    async def delete(self, key: str) -> None:
        """Forget what is kept under `key`, if anything."""
        ...


class Subscription(Protocol):
    """The handle of a subscription to a topic."""

    def unsubscribe(self) -> Any:
        """End the subscription; calling it again does nothing."""
        ...


@runtime_checkable
class Connector(Protocol):
    """Joins an engine to a message broker with MQTT topic rules.

    `connect` may be called by several users: the connection closes when each has disconnected.
    """

    async def connect(self) -> None:
        """Open the connection, or join the users of the open one."""
        ...

    async def disconnect(self) -> None:
        """Leave; the last one to leave closes the connection and ends its subscriptions."""
        ...

    async def publish(self, topic: str, payload: Any, qos: int = 0, retain: bool = False) -> None:
        """Send `payload` to everybody whose subscription matches `topic`."""
        ...

    async def subscribe(
        self, topic: str, callback: Callable[[str, Any], Awaitable[None]]
    ) -> Subscription:
        """Call `callback(topic, payload)` for each message on a topic that matches."""
        ...
