"""MapRun: the children of a map, made as there is room for them."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from cascade.runtime.caching import CACHE_HIT, run_cached
from cascade.runtime.notes import annotate
from cascade.runtime.rules import Asker
from cascade.runtime.run import STARTED, Run
from cascade.runtime.trampoline import inject, run_steps
from cascade.spec.policies import Mapped
from cascade.spec.task import check_lengths, elements_of

if TYPE_CHECKING:
    from cascade.runtime.graph_run import GraphRun
    from cascade.runtime.resource_scopes import ResourceScope
    from cascade.runtime.ticket import Request
    from cascade.spec.lazy import LazyResult
    from cascade.spec.task import Task


async def run_map(
    run: GraphRun, node: int, arguments: Mapping[str, Any], request: Request | None
) -> list[Any]:
    """Run the children of a map and return their values, in the order of the elements.

    Args:
        run: the run that the map belongs to.
        node: the number of the map.
        arguments: the iterables, and what is the same for every child.
        request: what each child takes while it runs.

    Raises:
        TypeError, ValueError: what was to be taken apart isn't iterable, or differs in length.
        BaseException: what the first failing child raised, unless errors are collected.
    """
    mapped = run.policies_of(node).mapped
    assert mapped is not None
    task = run.plan.graph.nodes[node].task
    given = dict(arguments)
    lengths = {}
    for name in mapped.iterables:
        given[name] = elements_of(task.name, name, given[name])
        lengths[name] = len(given[name])
    check_lengths(task.name, lengths)
    children = MapRun(run, node, lengths.popitem()[1], given, mapped, request)
    run.node_started(node)
    run.engine.enter(children)
    try:
        return await children.execute()
    finally:
        run.engine.leave(children)


class MapRun(Run):
    """The children of a map: to the rest of the run, each of them is a node.

    Args:
        parent: the run that the map belongs to.
        map_node: the number of the map in it.
        count: how many children there will be.
        arguments: what they are called with; of the iterables each gets one element.
        mapped: how the map was declared.
        request: what each child takes while it runs.
    """

    __slots__ = (
        "_arguments",
        "_ended",
        "_failure",
        "_map",
        "_mapped",
        "_next",
        "_parent",
        "_request",
        "_running",
        "_values",
    )

    def __init__(
        self,
        parent: GraphRun,
        map_node: int,
        count: int,
        arguments: dict[str, Any],
        mapped: Mapped,
        request: Request | None,
    ) -> None:
        super().__init__(parent.engine, count)
        self.loop, self.serial = parent.loop, parent.serial
        self._parent = parent
        self._map = map_node
        self._arguments = arguments
        self._mapped = mapped
        self._request = request
        self._values: list[Any] = [None] * count
        self._running: dict[asyncio.Task[Any], int] = {}
        self._failure: BaseException | None = None
        self._next = 0

    @property
    def _task(self) -> Task[Any]:
        return self._parent.lazy_of(self._map).task

    @property
    def is_part(self) -> bool:
        """True: it belongs to the run of the map."""
        return True

    # What a child is, to whoever takes it for a node

    def node_id(self, node: int) -> str:
        """Return the id of a child."""
        return f"{self._parent.node_id(self._map)}[{node}]"

    def name_of(self, node: int) -> str:
        """Return the name of a child: that of the map, and its place."""
        return f"{self._parent.name_of(self._map)}[{node}]"

    def mode_of(self, node: int) -> str:
        """Return how a child runs."""
        return self._task.mode

    def lazy_of(self, node: int) -> LazyResult[Any]:
        """Return the map, whose policies are those of each of its children."""
        return self._parent.lazy_of(self._map)

    def asker(self, node: int, task: Task[Any] | None = None) -> Asker:
        """Return who a child is; rules know it by the names of the map and the task."""
        who = self._parent.asker(self._map, task)
        engine, name = self.engine.name, self.name_of(node)
        who.label = f"{engine}/{name}" if engine else name
        who.run, who.node = self, node
        return who

    def running(self) -> list[int]:
        """Return the children that are under way."""
        return [child for child in self._running.values() if self.states[child] == STARTED]

    def rest_skipped(self) -> None:
        """The map has ended: every child that never began is told to be skipped."""
        if self.bus is not None:
            for child in self.order():
                self.node_skipped(child, "Cancelled")

    def injections(self) -> ResourceScope:
        """Return the scope of the injected resources: that of the run."""
        self.scope = self._parent.injections()
        return self.scope

    # Running them

    async def execute(self, use_vm: bool = False) -> list[Any]:
        """Run all children, and return their values; the first failure cancels the others."""
        self._ended: asyncio.Future[None] = self.loop.create_future()
        try:
            self._go_on()
            await self._ended
        except asyncio.CancelledError:
            await self._stop()
            self._values.clear()
            raise
        finally:
            self.rest_skipped()
        failure, self._failure = self._failure, None
        if failure is not None:
            self._values.clear()
            try:
                raise failure
            finally:
                del failure
        # The errors in it, if they are collected, know this run by their tracebacks.
        values, self._values = self._values, []
        return values

    def _go_on(self) -> None:
        """Start children while there is room, and tell the end once all have ended."""
        count = len(self._values)
        room = self._mapped.window or count
        while self._failure is None and self._next < count and len(self._running) < room:
            child, self._next = self._next, self._next + 1
            task = self.loop.create_task(self._run_child(child), name=self.name_of(child))
            self._running[task] = child
            task.add_done_callback(self._child_done)
        if not self._running and not self._ended.done():
            self._ended.set_result(None)

    async def _run_child(self, child: int) -> Any:
        iterables = self._mapped.iterables
        given = {
            name: value[child] if name in iterables else value
            for name, value in self._arguments.items()
        }
        error: BaseException | None = None
        try:
            task = self._task
            bound = task.binder.bind(**given)
            del given
            if (policy := self.policies_of(child).cache) is None:
                return await run_steps(
                    self, child, task, await inject(self, child, bound), self._request
                )

            async def compute() -> Any:
                return await run_steps(
                    self, child, task, await inject(self, child, bound), self._request
                )

            value, hit = await run_cached(self, policy, task, bound, compute)
            if hit:
                self.node_skipped(child, CACHE_HIT)
            return value
        except BaseException as raised:
            error = raised
            raise
        finally:
            self.node_ended(child, error)
            error = None

    def _child_done(self, task: asyncio.Task[Any]) -> None:
        child = self._running.pop(task)
        try:
            error = task.exception()
        except asyncio.CancelledError as cancelled:
            error = cancelled
        if error is None:
            self._values[child] = task.result()
        elif isinstance(error, Exception) and self._mapped.collects_errors:
            self._values[child] = error
        elif self._failure is None:
            annotate(error, f"in {self.name_of(child)!r}, child {child + 1} of {len(self._values)}")
            self._failure = error
            self._cancel()
        elif not isinstance(error, asyncio.CancelledError):
            name = self.name_of(child)
            annotate(self._failure, f"while it was being cancelled, {name!r} raised {error!r}")
        del error
        self._go_on()

    def _cancel(self) -> None:
        for attempt in (self.attempts or {}).values():
            attempt.ended = True
        for task in list(self._running):
            task.cancel()

    async def _stop(self) -> None:
        """Cancel the children and wait for them, also if that is cancelled once more."""
        cancelled = asyncio.CancelledError()
        self._failure = self._failure or cancelled  # from here on nothing new is started
        while self._running:
            self._cancel()
            try:
                await asyncio.wait(self._running)
            except asyncio.CancelledError:
                continue
        self._failure = None
