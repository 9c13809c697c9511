"""Run: what belongs to one run of a plan, and what it tells the bus."""

from __future__ import annotations

import asyncio
import itertools
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from cascade.runtime.bus import MessageBus
from cascade.runtime.events import (
    RunFinished,
    RunStarted,
    Status,
    TaskBlocked,
    TaskFinished,
    TaskSkipped,
    TaskStarted,
    TaskStepped,
    TaskUnblocked,
)
from cascade.runtime.notes import annotate
from cascade.runtime.resource_scopes import ResourceScope
from cascade.runtime.ticket import Request, Ticket

if TYPE_CHECKING:
    from cascade.graph.model import Plan
    from cascade.runtime.engine import Engine

PENDING, STARTED, ENDED, SKIPPED = range(4)
"""The states of a node."""

current_run: ContextVar[str | None] = ContextVar("cascade_current_run", default=None)
"""The id of the run that the current code is a task of."""

_run_numbers = itertools.count(1)


class Run:
    """One run: its identity, the states of its nodes, and its events."""

    __slots__ = ("_begun", "engine", "loop", "plan", "run_id", "scope", "states")

    def __init__(self, engine: Engine, plan: Plan, loop: asyncio.AbstractEventLoop) -> None:
        self.engine = engine
        self.plan = plan
        self.loop = loop
        # A virtual loop numbers its runs itself: the same seed gives the same events.
        self.run_id = f"run-{next(getattr(loop, 'run_numbers', _run_numbers))}"
        self.states = bytearray(len(plan.graph))
        """The state of each node."""
        self.scope: ResourceScope | None = None
        """The injected resources of this run, once one was needed."""
        self._begun: dict[int, float] | None = None

    @property
    def bus(self) -> MessageBus | None:
        """The bus, if anybody listens: looked at for every event, so late subscribers count."""
        bus = self.engine.bus_in_use
        return bus if bus is not None and bus.hot else None

    def node_id(self, node: int) -> str:
        """Return the id of a node: unique in the run, the same whenever the graph is the same."""
        return f"{self.plan.graph.nodes[node].task.name}#{node}"

    def owner(self, node: int) -> str:
        """Return who a node is, in words, for tickets."""
        name = self.plan.graph.nodes[node].name
        return f"{self.engine.name}/{name}" if self.engine.name else name

    def injections(self) -> ResourceScope:
        """Return the scope of this run's injected resources."""
        if self.scope is None:
            self.scope = ResourceScope(self)
        return self.scope

    # What is told to the bus

    def started(self) -> None:
        """The run begins."""
        if (bus := self.bus) is not None:
            bus.publish(RunStarted(self.run_id, self.loop.time()))

    def finished(self, began: float, error: BaseException | None) -> None:
        """The run has ended: nothing of it is running any more."""
        if (bus := self.bus) is not None:
            now = self.loop.time()
            bus.publish(RunFinished(self.run_id, now, _status(error), now - began, error))

    def node_started(self, node: int) -> None:
        """A node begins."""
        self.states[node] = STARTED
        if (bus := self.bus) is not None:
            now = self.loop.time()
            if self._begun is None:
                self._begun = {}
            self._begun[node] = now
            name = self.plan.graph.nodes[node].name
            bus.publish(TaskStarted(self.run_id, now, self.node_id(node), name))

    def node_ended(self, node: int, error: BaseException | None) -> None:
        """A node that began has ended; one that never began was skipped."""
        if self.states[node] != STARTED:
            self.node_skipped(node, "Cancelled")
            return
        self.states[node] = ENDED
        if (bus := self.bus) is not None:
            now = self.loop.time()
            duration = now - (self._begun.pop(node, now) if self._begun is not None else now)
            name = self.plan.graph.nodes[node].name
            identity = self.node_id(node)
            bus.publish(
                TaskFinished(self.run_id, now, identity, name, _status(error), duration, error)
            )

    def node_skipped(self, node: int, reason: str) -> None:
        """A node will not run."""
        if self.states[node] != PENDING:
            return
        self.states[node] = SKIPPED
        if (bus := self.bus) is not None:
            name = self.plan.graph.nodes[node].name
            bus.publish(
                TaskSkipped(self.run_id, self.loop.time(), self.node_id(node), name, reason)
            )

    def rest_skipped(self) -> None:
        """The run ends early: every node that never began is told to be skipped."""
        if self.bus is not None:
            for node in self.plan.order:
                if self.states[node] == PENDING:
                    self.node_skipped(node, "Cancelled")

    def node_stepped(self, node: int, step: int) -> None:
        """A node is about to start again."""
        bus = self.bus
        if bus is not None and bus.wants(TaskStepped):
            name = self.plan.graph.nodes[node].name
            bus.publish(TaskStepped(self.run_id, self.loop.time(), self.node_id(node), name, step))

    async def wait_for(self, node: int, request: Request, owner: str) -> Ticket:
        """Queue for what a node wants, and tell that it is blocked."""
        manager = self.engine.resource_manager
        bus = self.bus
        if bus is None:
            return await manager.wait(request, owner)
        began = self.loop.time()
        name = self.plan.graph.nodes[node].name
        identity = self.node_id(node)
        bus.publish(TaskBlocked(self.run_id, began, identity, name, manager.lacking(request)))
        ticket = await manager.wait(request, owner)
        now = self.loop.time()
        bus.publish(TaskUnblocked(self.run_id, now, identity, name, now - began))
        return ticket


def _status(error: BaseException | None) -> Status:
    if error is None:
        return "succeeded"
    ended_early = (asyncio.CancelledError, GeneratorExit)
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
