"""GraphRun: a node starts when its last input is there. One coroutine owns the run.

No stages and no barriers; nothing scans all nodes per event. One failure cancels the siblings,
waits for them, and is raised as it is, with a note that names the task.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections import deque
from functools import partial
from operator import itemgetter
from time import monotonic
from typing import TYPE_CHECKING, Any, cast

from cascade.errors import SkippedError
from cascade.graph.model import FromNode, Recipe, make
from cascade.runtime.node_runner import prepare_node, run_node
from cascade.runtime.notes import annotate
from cascade.runtime.run import ENDED, STARTED, Run, in_a_task
from cascade.runtime.trampoline import (
    NOT_YET_VALUES,
    check_value,
    inject,
    next_step,
    run_steps,
)
from cascade.runtime.turns import SLICE
from cascade.spec.lazy import LazyResult
from cascade.spec.policies import NO_POLICIES

if TYPE_CHECKING:
    from cascade.graph.model import Plan
    from cascade.ports import StateBackend
    from cascade.runtime.engine import Engine
    from cascade.runtime.ticket import Request
    from cascade.spec.binding import Bound

_BATCH_REAL = 16
"""Nodes between two looks at the clock, in real time."""
_BATCH_VIRTUAL = 1024
"""Nodes between two yields, on virtual time."""


class GraphRun(Run):
    """Runs a plan: values, counters, what is ready and what is under way."""

    __slots__ = (
        "_consumers",
        "_failure",
        "_machine",
        "_missing",
        "_ready",
        "_running",
        "_skips",
        "_state",
        "_unsaved",
        "_values",
        "_wake",
    )

    def __init__(
        self,
        engine: Engine,
        plan: Plan,
        loop: asyncio.AbstractEventLoop,
        state: StateBackend | None = None,
    ) -> None:
        super().__init__(engine, plan, loop)
        self._values: list[Any] = [None] * len(plan.graph)
        self._state = state
        self._failure: BaseException | None = None
        self._machine: int | None = None
        self._skips: dict[int, tuple[int, str]] = {}

    async def execute(self, use_vm: bool = False) -> Any:
        """Run the whole plan and return the target's value, in the target's shape.

        Args:
            use_vm: run the target itself step by step in this coroutine, after its inputs.

        Raises:
            SkippedError: the target, or a part of it, was skipped.
            BaseException: what the first failing task raised.
        """
        graph = self.plan.graph
        if use_vm and isinstance(graph.result, FromNode):
            target = graph.result.node
            if graph.nodes[target].policies.mapped is None:  # a map has no steps of its own
                self._machine = target
        if self._machine is not None and len(graph) == 1 and graph.plain:
            return await self._run_machine()
        if graph.plain and self._state is None and not self.engine.has_rules and self._all_inline():
            done = await self._run_in_order()
            if done < len(graph):
                await self._run_ready_queue(done)
        else:
            await self._run_ready_queue()
            if self._machine is not None and self._machine not in self._skips:
                return await self._run_machine()
        return self._result()

    def owns_task_of(self, node: int) -> bool:
        """Whether the asyncio task of a node is the run's own: the machine's is the caller's."""
        return node != self._machine

    def _all_inline(self) -> bool:
        return self._machine is None and all(
            lazy.task.mode == "inline" and lazy.task.timeout is None
            for lazy in self.plan.graph.nodes
        )

    def _result(self) -> Any:
        graph = self.plan.graph
        if self._skips:
            for node in _nodes_of(graph.result):
                if node in self._skips:
                    raise SkippedError(graph.nodes[node].name, self._skip_reason(node))
        return make(graph.result, self._values, None)

    # Arguments

    def value_of(self, lazy: LazyResult[Any]) -> Any:
        """Return the value of a lazy result that a node of this graph needs for its policies."""
        return self._values[self.plan.graph.number_of(lazy)]

    def arguments(self, node: int) -> Bound:
        """Return the arguments of a node, and let go of the values that nobody needs any more."""
        graph = self.plan.graph
        recipe = graph.recipes[node]
        bound = graph.nodes[node].bound
        if recipe is not None:
            values = self._values
            if type(recipe) is itemgetter:
                bound = recipe(values), None
            elif type(recipe) is int:
                bound = (values[recipe],), None
            else:
                assert type(recipe) is Recipe
                resources = self.scope.values if self.scope is not None else None
                bound = _fill(recipe, bound, values, resources)
        self._consume(node)
        return bound

    def _consume(self, node: int) -> None:
        consumers = self._consumers
        for other in self.plan.graph.needs[node]:
            left = consumers[other] - 1
            consumers[other] = left
            if not left:
                self._values[other] = None
                if self._state is not None:
                    self._unsaved.append((other, None, True))

    # In a fixed order: plans of inline tasks without policies need no counters at all

    async def _run_in_order(self) -> int:
        """Run nodes in the plan's order, until rules come; return how many were run."""
        graph, engine, states = self.plan.graph, self.engine, self.states
        nodes, recipes, values = graph.nodes, graph.recipes, self._values
        # A copy for each node: what it does to context variables stays its own.
        clean = contextvars.copy_context().copy
        until = monotonic() + SLICE
        virtual = getattr(self.loop, "virtual", False)
        left = batch = _BATCH_VIRTUAL if virtual else _BATCH_REAL
        node = done = 0
        try:
            for node, gone in zip(self.plan.order, self.plan.drops, strict=True):
                lazy, recipe = nodes[node], recipes[node]
                if type(recipe) is itemgetter:
                    args, kwargs = recipe(values), None
                elif recipe is None:
                    args, kwargs = lazy.bound
                elif type(recipe) is int:
                    args, kwargs = (values[recipe],), None
                else:
                    args, kwargs = _fill(cast("Recipe", recipe), lazy.bound, values, None)
                bus = engine.bus_in_use
                if bus is not None and bus.hot:
                    self.node_started(node)
                if kwargs is None:
                    value = clean().run(lazy.task.fn, *args)
                else:
                    value = clean().run(lazy.task.fn, *args, **kwargs)
                if type(value) in NOT_YET_VALUES:
                    # A task of its own, or the further steps would run in the caller's context.
                    further = self.loop.create_task(
                        self._continue(node, (args, kwargs), value),
                        name=lazy.name,
                        context=clean(),
                    )
                    # It may be endless, and must not keep what only the first step needed.
                    args, kwargs, value = (), None, None
                    for other in gone:
                        values[other] = None
                    value = await in_a_task(further)
                    del further
                values[node] = value
                if gone:
                    for other in gone:
                        values[other] = None
                bus = engine.bus_in_use
                if bus is not None and bus.hot:
                    states[node] = STARTED
                    self.node_ended(node, None)
                else:
                    states[node] = ENDED
                left -= 1
                if not left:
                    left = batch
                    done += batch
                    if virtual or monotonic() > until:
                        await asyncio.sleep(0)
                        until = monotonic() + SLICE
                        if engine.has_rules:
                            return done
            return len(nodes)
        except StopIteration as stop:
            error = _wrapped(stop)
            self._told_in_order(node, error)
            raise error from stop
        except BaseException as raised:
            self._told_in_order(node, raised)
            raise

    def _told_in_order(self, node: int, error: BaseException) -> None:
        if self.states[node] != ENDED:
            self.states[node] = STARTED
            annotate(error, f"in {self.plan.graph.describe(node)}")
            self.node_ended(node, error)

    async def _continue(self, node: int, bound: Bound, value: Any) -> Any:
        """Go on with a node whose first call was made here and returned a TailCall."""
        task = self.plan.graph.nodes[node].task
        check_value(task, value)
        # In a list, which is emptied: an endless machine must not keep what came before.
        kept = [next_step(task, bound, value)]
        fresh = value.to is not None
        del task, bound, value
        if fresh:
            kept = [(kept[0][0], await inject(self, kept[0][1]))]
        self.node_stepped(node, 1)
        return await run_steps(self, node, *kept.pop(), None, 1)

    # By need: each node as soon as its last input is there

    async def _run_ready_queue(self, done: int = 0) -> None:
        """Run nodes as they get ready, but for the first so many of the plan's order."""
        graph = self.plan.graph
        self._missing = list(graph.in_degrees)
        self._consumers = list(graph.consumers)
        ended = self.plan.order[:done]
        for node in ended:
            for other in graph.successors[node]:
                self._missing[other] -= 1
            for other in graph.needs[node]:
                self._consumers[other] -= 1
        self._running: dict[asyncio.Future[Any], int] = {}
        self._unsaved: deque[tuple[int, Any, bool]] = deque()
        self._wake: asyncio.Future[None] | None = None
        sources = [node for node in self.plan.order[done:] if not self._missing[node]]
        if not graph.plain:
            rank = self.plan.rank
            sources.sort(key=lambda node: -rank[node])
        self._ready = deque(sources)
        interrupted = None
        try:
            await self._keep_going()
        except GeneratorExit:  # the loop was closed: nothing can be waited for any more
            for node in self._running.values():
                self.node_ended(node, asyncio.CancelledError())
            raise
        except BaseException as error:
            interrupted = error
        if interrupted is not None or self._failure is not None:
            cancelled = interrupted if isinstance(interrupted, asyncio.CancelledError) else None
            if self._failure is None:
                self._failure = interrupted  # from here on nothing new is started
            elif interrupted is not self._failure and cancelled is None and interrupted is not None:
                annotate(self._failure, f"then the run raised {interrupted!r}")
            cancelled = await self._stop_running() or cancelled
            failure, self._failure = self._failure, None
            assert failure is not None
            try:
                # A cancellation from outside wins: whoever sent it waits for it.
                if cancelled is not None and cancelled is not failure:
                    annotate(cancelled, f"when it came, the run had failed already: {failure!r}")
                    for note in getattr(failure, "__notes__", ()):
                        annotate(cancelled, note)
                raise cancelled or failure
            finally:
                interrupted = cancelled = failure = None

    async def _keep_going(self) -> None:
        ready, virtual = self._ready, getattr(self.loop, "virtual", False)
        batch = _BATCH_VIRTUAL if virtual else _BATCH_REAL
        until = monotonic() + SLICE
        count = 0
        while self._failure is None:
            while ready and self._failure is None:
                self._start(ready.popleft())
                count += 1
                if self._unsaved:
                    await self._save()
                if not count % batch and (virtual or monotonic() > until):
                    await asyncio.sleep(0)
                    until = monotonic() + SLICE
            if self._unsaved and self._failure is None:
                await self._save()
            elif self._failure is None:
                if not self._running and not ready:
                    return
                if not ready:
                    await self._woken()
                    until = monotonic() + SLICE

    async def _woken(self) -> None:
        self._wake = self.loop.create_future()
        try:
            await self._wake
        finally:
            self._wake = None

    async def _save(self) -> None:
        """Hand finished values to the state backend, then release what waited for them."""
        state = self._state
        assert state is not None
        discard = getattr(state, "discard", None)
        while self._unsaved:
            node, value, unneeded = self._unsaved.popleft()
            if not unneeded:
                try:
                    await state.put(self.run_id, self.node_id(node), value)
                except Exception as error:
                    graph = self.plan.graph
                    annotate(error, f"while keeping the value of {graph.describe(node)}")
                    raise
                self._release(node)
            elif discard is not None:
                await discard(self.run_id, self.node_id(node))

    def _start(self, node: int) -> None:
        graph = self.plan.graph
        lazy = graph.nodes[node]
        try:
            if not graph.plain and not self._admitted(node, lazy):
                return
            if node == self._machine:
                return
            mode = lazy.task.mode
            if lazy.injections or lazy.task.timeout is not None or self._needs_runner(node):
                self._spawn(node, run_node(self, node))
            elif mode == "async":
                self._spawn(node, run_steps(self, node, lazy.task, self.arguments(node)))
            else:
                args, kwargs = bound = self.arguments(node)
                self.node_started(node)
                call = partial(lazy.task.fn, *args, **(kwargs or {}))
                if mode == "inline":
                    self._ended(node, contextvars.copy_context().run(call), bound)
                else:
                    job = asyncio.ensure_future(self.engine.executor.execute(call, mode))
                    self._running[job] = node
                    job.add_done_callback(partial(self._job_done, bound))
        except StopIteration as stop:
            error = _wrapped(stop)
            error.__cause__ = stop
            self._failed(node, error)
        except BaseException as error:
            self._failed(node, error)
            if not isinstance(error, Exception):
                raise

    def _needs_runner(self, node: int) -> bool:
        """Whether more belongs to a node than one call: what was said about it, or a live rule."""
        said = self.policies_of(node)
        if said is not NO_POLICIES and (
            said.constraints
            or said.retry is not None
            or said.timeout is not None
            or said.mapped is not None
        ):
            return True
        manager = self.engine.manager_in_use
        if manager is None or manager.rules is None:
            return False
        return bool(manager.rules.matching(self.asker(node)))

    def _spawn(self, node: int, coroutine: Any) -> None:
        name = self.plan.graph.nodes[node].name
        task = self.loop.create_task(coroutine, name=name)
        self._running[task] = node
        task.add_done_callback(self._task_done)

    def _task_done(self, task: asyncio.Future[Any]) -> None:
        node = self._running.pop(task)
        try:
            error = task.exception()
        except asyncio.CancelledError as cancelled:  # the very one, with the notes on it
            error = cancelled
        if error is not None:
            self._failed(node, error)
            error = None
        else:
            self._succeeded(node, task.result())
        self._wake_up()

    def _wake_up(self) -> None:
        wake = self._wake
        if wake is not None and not wake.done():
            wake.set_result(None)

    def _job_done(self, bound: Bound, job: asyncio.Future[Any]) -> None:
        if not job.cancelled() and job.exception() is None:
            value = job.result()
            if type(value) in NOT_YET_VALUES:
                node = self._running.pop(job)
                if self._failure is None:
                    self._spawn(node, self._continue(node, bound, value))
                else:  # the run is ending: no further step
                    self._failed(node, asyncio.CancelledError())
                    self._wake_up()
                return
        self._task_done(job)

    def _ended(self, node: int, value: Any, bound: Bound) -> None:
        if type(value) in NOT_YET_VALUES:
            self._spawn(node, self._continue(node, bound, value))
        else:
            self._succeeded(node, value)

    def _succeeded(self, node: int, value: Any) -> None:
        self.node_ended(node, None)
        wanted = self.plan.graph.consumers[node]
        if wanted:
            self._values[node] = value
        if self._state is None:
            self._release(node)
        else:
            self._unsaved.append((node, value, False))
            if not wanted:
                self._unsaved.append((node, None, True))

    def _release(self, node: int) -> None:
        missing, ready = self._missing, self._ready
        for other in self.plan.graph.successors[node]:
            left = missing[other] - 1
            missing[other] = left
            if not left:
                ready.append(other)

    def _failed(self, node: int, error: BaseException) -> None:
        self.node_ended(node, error)
        if self._failure is None:
            annotate(error, f"in {self.plan.graph.describe(node)}")
            self._failure = error
        elif isinstance(error, asyncio.CancelledError):
            for note in getattr(error, "__notes__", ()):
                annotate(self._failure, note)
        else:
            name = self.plan.graph.nodes[node].name
            annotate(self._failure, f"while it was being cancelled, {name!r} raised {error!r}")

    async def _stop_running(self) -> asyncio.CancelledError | None:
        """Cancel what is under way and wait for it; return a cancellation that came meanwhile."""
        interrupted = None
        while self._running:
            for attempt in self.attempts.values():
                attempt.ended = True
            for future in list(self._running):
                future.cancel()
            try:
                while self._running:
                    await self._woken()
            except asyncio.CancelledError as error:
                interrupted = error
        return interrupted

    # Skipping

    def _admitted(self, node: int, lazy: LazyResult[Any]) -> bool:
        """Whether a node is to run; otherwise it is skipped here."""
        if self._skips:
            for other in self.plan.graph.needs[node]:
                if other in self._skips:
                    self._skip(node, self._skips[other])
                    return False
        if lazy.policies is not NO_POLICIES:
            for condition in lazy.policies.conditions:
                value = self.value_of(condition) if isinstance(condition, LazyResult) else condition
                if not value:
                    self._skip(node, (node, "its condition is false"))
                    return False
        return True

    def _skip(self, node: int, cause: tuple[int, str]) -> None:
        self._skips[node] = cause
        self.node_skipped(node, self._skip_reason(node))
        self._consume(node)
        self._release(node)

    def _skip_reason(self, node: int) -> str:
        cause, reason = self._skips[node]
        if cause == node:
            return reason
        name = self.plan.graph.nodes[cause].name
        return f"it needs {name!r}, which was skipped: {reason}"

    # The machine: the target runs step by step in the run's own coroutine

    async def _run_machine(self) -> Any:
        node = self._machine
        assert node is not None
        lazy = self.plan.graph.nodes[node]
        error: BaseException | None = None
        try:
            if lazy.policies.constraints or lazy.injections or len(self.plan.graph) > 1:
                # Not by way of a name: an endless machine must not keep its inputs.
                value = await run_steps(self, node, lazy.task, *await self._prepared(node))
            else:
                value = await run_steps(self, node, lazy.task, lazy.bound)
            if self._state is not None:
                await self._state.put(self.run_id, self.node_id(node), value)
            return value
        except BaseException as raised:
            error = raised
            annotate(error, f"in {self.plan.graph.describe(node)}")
            raise
        finally:
            self.node_ended(node, error)
            error = None

    async def _prepared(self, node: int) -> tuple[Bound, Request | None]:
        prepared = await prepare_node(self, node)
        if self._state is not None:
            await self._save()
        return prepared


def _wrapped(stop: StopIteration) -> RuntimeError:
    """Return what stands for a StopIteration, which can't leave a coroutine."""
    return RuntimeError(f"the function raised {stop!r}")


def _nodes_of(source: Any) -> list[int]:
    if isinstance(source, FromNode):
        return [source.node]
    return [leaf.node for leaf in source.leaves if isinstance(leaf, FromNode)]


def _fill(recipe: Recipe, bound: Bound, values: list[Any], resources: Any) -> Bound:
    args, kwargs = bound
    if recipe.positional:
        filled = list(args)
        for place, source in recipe.positional:
            filled[place] = make(source, values, resources)
        args = tuple(filled)
    if recipe.named:
        kwargs = dict(kwargs or {})
        for name, source in recipe.named:
            kwargs[name] = make(source, values, resources)
    return args, kwargs
