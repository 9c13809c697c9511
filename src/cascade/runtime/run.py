"""Run: what belongs to one run of a plan, and what it tells the bus."""

from __future__ import annotations

import asyncio
import itertools
from abc import abstractmethod
from typing import TYPE_CHECKING, Any

from cascade.errors import RunCancelledError
from cascade.graph.model import id_of
from cascade.runtime.attempts import Attempt, current_attempt
from cascade.runtime.bus import MessageBus
from cascade.runtime.events import (
    RunFinished,
    RunStarted,
    Status,
    TaskBlocked,
    TaskFinished,
    TaskResumed,
    TaskRetrying,
    TaskSkipped,
    TaskStarted,
    TaskStepped,
    TaskUnblocked,
)
from cascade.runtime.notes import annotate
from cascade.runtime.resource_scopes import ResourceScope
from cascade.runtime.rules import Asker
from cascade.runtime.ticket import Request, Ticket

if TYPE_CHECKING:
    from collections.abc import Awaitable, Iterable
    from random import Random

    from cascade.runtime.engine import Engine
    from cascade.spec.lazy import LazyResult
    from cascade.spec.policies import Policies
    from cascade.spec.task import Task

PENDING, STARTED, ENDED, SKIPPED = range(4)
"""The states of a node."""

_run_numbers = itertools.count(1)


class Run:
    """One run: its identity, the states of its nodes, and its events."""

    __slots__ = (
        "__weakref__",
        "_begun",
        "attempts",
        "charged",
        "engine",
        "loop",
        "scope",
        "serial",
        "states",
    )

    loop: asyncio.AbstractEventLoop
    """The loop that it runs on."""
    serial: int
    """Its number."""

    def __init__(
        self,
        engine: Engine,
        size: int,
    ) -> None:
        self.engine = engine
        self.states = bytearray(size)
        """The state of each node."""
        self.scope: ResourceScope | None = None
        """The injected resources of this run, once one was needed."""
        self.attempts: dict[int, Attempt] | None = None
        """The nodes that ask for resources and are under way, once there was one."""
        self.charged: dict[int, Ticket] | None = None
        """What running nodes that asked for nothing are charged with, once a rule came."""
        self._begun: dict[int, float] | None = None

    @property
    def bus(self) -> MessageBus | None:
        """The bus, if anybody listens: looked at for every event, so late subscribers count."""
        bus = self.engine.bus_in_use
        return bus if bus is not None and bus.hot else None

    def number(self, loop: asyncio.AbstractEventLoop) -> None:
        """Give the run its loop, and a number on it."""
        self.loop = loop
        # A virtual loop numbers its runs itself: the same seed gives the same events.
        self.serial = next(getattr(loop, "run_numbers", _run_numbers))

    @property
    def run_id(self) -> str:
        """Its id, for events."""
        return f"run-{self.serial}"

    @property
    def is_part(self) -> bool:
        """Whether it is a part of another run, with which it shares its id."""
        return False

    @property
    def target_name(self) -> str:
        """The name of what is run, for events."""
        return self.name_of(0)

    @abstractmethod
    def lazy_of(self, node: int) -> LazyResult[Any]:
        """Return the call that a node stands for."""

    @abstractmethod
    def execute(self, use_vm: bool) -> Awaitable[Any]:
        """Run everything and return the target's value."""

    def order(self) -> Iterable[int]:
        """Return the nodes in the order in which they are told of."""
        return range(len(self.states))

    @property
    def random(self) -> Random:
        """Where the random part of pauses comes from."""
        return self.engine.random_for(self.loop)

    def node_id(self, node: int) -> str:
        """Return the id of a node: unique in the run, the same whenever the graph is the same."""
        return id_of(self.lazy_of(node), node)

    def name_of(self, node: int) -> str:
        """Return the name of a node, for events and errors."""
        return self.lazy_of(node).name

    def mode_of(self, node: int) -> str:
        """Return how a node runs, for events."""
        lazy = self.lazy_of(node)
        return lazy.task.mode if lazy.policies.mapped is None else "map"

    def policies_of(self, node: int) -> Policies:
        """Return what was said about a node."""
        return self.lazy_of(node).policies

    def asker(self, node: int, task: Task[Any] | None = None) -> Asker:
        """Return who a node is, for tickets and rules.

        Args:
            node: its number.
            task: what it runs now, if a TailCall has led it elsewhere.
        """
        lazy, engine = self.lazy_of(node), self.engine.name
        if task is None:
            task = lazy.task
        label = f"{engine}/{lazy.name}" if engine else lazy.name
        names = (lazy.name, task.name)
        return Asker(label, names, task.tags, engine, self, node, lazy.policies.priority)

    def begin_attempt(self, node: int) -> Attempt:
        """A node is about to ask for resources: what it does from now on is part of that."""
        parent, own = current_attempt.get(), self.owns_task_of(node)
        attempt = Attempt(parent, own, self.loop)
        if self.attempts is None:
            self.attempts = {}
        self.attempts[node] = attempt
        current_attempt.set(attempt)
        return attempt

    def end_attempt(self, node: int, attempt: Attempt) -> None:
        """A node asks for nothing any more."""
        if self.attempts is not None:
            del self.attempts[node]
        # Contexts keep it, such as that of a cancelled timer: it must not keep the task's result.
        attempt.task = None
        current_attempt.set(attempt.parent)

    def owns_task_of(self, node: int) -> bool:
        """Whether the asyncio task of a node is the run's own, so that only it can cancel it."""
        return True

    def node_in_this_task(self) -> int | None:
        """Return the node that code of the run belongs to if it has no place of its own."""
        return None

    def running(self) -> list[int]:
        """Return the nodes that are under way, but for maps: these do nothing themselves."""
        return [
            node
            for node, state in enumerate(self.states)
            if state == STARTED and self.policies_of(node).mapped is None
        ]

    def charge(self, node: int, ticket: Ticket) -> None:
        """Keep what a running node is charged with until it ends, or asks for something itself."""
        if self.charged is None:
            self.charged = {}
        self.charged[node] = ticket

    def is_charged(self, node: int, ticket: Ticket) -> bool:
        """Whether a ticket is what a running node is charged with."""
        return self.charged is not None and self.charged.get(node) is ticket

    def end_charge(self, node: int) -> None:
        """Give back what a running node was charged with, if it was."""
        ticket = None if self.charged is None else self.charged.pop(node, None)
        if ticket is not None:
            ticket.release()

    def injections(self) -> ResourceScope:
        """Return the scope of this run's injected resources."""
        if self.scope is None:
            self.scope = ResourceScope(self)
        return self.scope

    # What is told to the bus

    def started(self) -> None:
        """The run begins."""
        if (bus := self.bus) is not None:
            bus.publish(RunStarted(self.run_id, self.loop.time(), self.target_name))

    def finished(self, began: float, error: BaseException | None) -> None:
        """The run has ended: nothing of it is running any more."""
        if (bus := self.bus) is not None:
            now = self.loop.time()
            bus.publish(RunFinished(self.run_id, now, status_of(error), now - began, error))

    def node_started(self, node: int) -> None:
        """A node begins."""
        self.states[node] = STARTED
        bus = self.engine.bus_in_use
        if bus is not None and bus.hot:
            now = self.loop.time()
            if self._begun is None:
                self._begun = {}
            self._begun[node] = now
            name, task = self.name_of(node), self.lazy_of(node).task
            mode = self.mode_of(node)
            bus.publish(TaskStarted(self.run_id, now, self.node_id(node), name, mode, task.tags))

    def node_ended(self, node: int, error: BaseException | None) -> None:
        """A node that began has ended; one that never began was skipped."""
        if self.charged:
            self.end_charge(node)
        if self.states[node] != STARTED:
            self.node_skipped(node, "Cancelled")
            return
        self.states[node] = ENDED
        if (bus := self.bus) is not None:
            now = self.loop.time()
            duration = now - (self._begun.pop(node, now) if self._begun is not None else now)
            name = self.name_of(node)
            identity = self.node_id(node)
            bus.publish(
                TaskFinished(self.run_id, now, identity, name, status_of(error), duration, error)
            )

    def node_skipped(self, node: int, reason: str) -> None:
        """A node will not run."""
        if self.states[node] != PENDING:
            return
        self.states[node] = SKIPPED
        if (bus := self.bus) is not None and self.lazy_of(node).is_call:
            name = self.name_of(node)
            bus.publish(
                TaskSkipped(self.run_id, self.loop.time(), self.node_id(node), name, reason)
            )

    def rest_skipped(self) -> None:
        """The run ends early: every node that never began is told to be skipped."""
        if self.bus is not None:
            for node in self.order():
                if self.states[node] == PENDING:
                    self.node_skipped(node, "Cancelled")

    def ended(self, error: BaseException | None) -> None:
        """The run's own coroutine has ended, in this way."""
        if error is not None:
            self.rest_skipped()

    def node_stepped(self, node: int, step: int) -> None:
        """A node is about to start again."""
        bus = self.bus
        if bus is not None and bus.wants(TaskStepped):
            name = self.name_of(node)
            bus.publish(TaskStepped(self.run_id, self.loop.time(), self.node_id(node), name, step))

    def pause_after(self, node: int, attempt: int, error: Exception) -> float | None:
        """An attempt has failed: return how long to wait before the next; None if there is none.

        The next one is told of.
        """
        retry = self.policies_of(node).retry
        pause = None if retry is None else retry.pause_after(error, attempt, self.random)
        if pause is not None and (bus := self.bus) is not None:
            now, name = self.loop.time(), self.name_of(node)
            bus.publish(
                TaskRetrying(self.run_id, now, self.node_id(node), name, attempt, pause, error)
            )
        return pause

    def node_resumed(self, node: int, attempt: int) -> None:
        """The pause after a failed attempt is over."""
        if (bus := self.bus) is not None:
            now, name = self.loop.time(), self.name_of(node)
            bus.publish(TaskResumed(self.run_id, now, self.node_id(node), name, attempt))

    async def wait_for(self, node: int, request: Request, owner: Asker) -> Ticket:
        """Queue for what a node wants, and tell those who listen that it is blocked."""
        manager = self.engine.resource_manager
        began, name, identity = self.loop.time(), self.name_of(node), self.node_id(node)
        if (bus := self.bus) is not None:
            lacking = manager.lacking(request)
            bus.publish(TaskBlocked(self.run_id, began, identity, name, lacking))
        ticket = await manager.wait(request, owner, priority=owner.priority)
        if (bus := self.bus) is not None:
            now = self.loop.time()
            bus.publish(TaskUnblocked(self.run_id, now, identity, name, now - began))
        return ticket


def status_of(error: BaseException | None) -> Status:
    """Return how something has ended that has raised an error, or none."""
    if error is None:
        return "succeeded"
    ended_early = (asyncio.CancelledError, RunCancelledError, GeneratorExit)
    return "cancelled" if isinstance(error, ended_early) else "failed"


async def to_the_end(coroutine: Any) -> Any:
    """Await a coroutine to its end, even when the awaiting task is cancelled meanwhile.

    A cancellation that arrives is raised afterwards; what the coroutine has raised is noted on it.
    """
    return await _finished(asyncio.ensure_future(coroutine), pass_on=False)


async def in_a_task(coroutine: Any) -> Any:
    """Await a coroutine or task; a cancellation goes on to it, and is raised when it has ended.

    Unlike with a plain ``await task``, a task that swallows the cancellation doesn't swallow it
    for whoever awaits it.
    """
    return await _finished(asyncio.ensure_future(coroutine), pass_on=True)


async def _finished(task: asyncio.Future[Any], pass_on: bool) -> Any:
    interrupted = None
    while not task.done():
        try:
            await asyncio.wait([task])
        except asyncio.CancelledError as error:
            interrupted = error
            if pass_on:
                task.cancel()
    try:
        if interrupted is not None:
            if not task.cancelled() and task.exception() is not None:
                annotate(interrupted, f"meanwhile this was raised: {task.exception()!r}")
            raise interrupted
        return task.result()
    finally:
        interrupted = None
        del task
