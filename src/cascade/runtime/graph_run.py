"""GraphRun: one run of a plan, owned by one coroutine.

A plan of inline tasks runs in its order, without counters; any other one by need, see
`ready_queue`. One failure cancels the siblings, waits for them, and is raised as it is, with a note
that names the task.
"""

from __future__ import annotations

import asyncio
import contextvars
from operator import itemgetter
from time import monotonic
from typing import TYPE_CHECKING, Any, cast

from cascade.errors import SkippedError
from cascade.graph.model import FromNode, Recipe, make
from cascade.runtime.caching import CACHE_HIT
from cascade.runtime.current import Place, current_place
from cascade.runtime.node_runner import prepare_node, run_node, run_node_cached
from cascade.runtime.notes import annotate
from cascade.runtime.ready_queue import BATCH_REAL, BATCH_VIRTUAL, NOBODY, ReadyQueue, wrapped
from cascade.runtime.routing import Choices, branch_of
from cascade.runtime.run import ENDED, SKIPPED, STARTED, in_a_task
from cascade.runtime.trampoline import NOT_YET_VALUES, run_steps
from cascade.runtime.turns import SLICE
from cascade.spec.flow import Tap
from cascade.spec.lazy import LazyResult
from cascade.spec.policies import NO_POLICIES
from cascade.spec.resource import Inject
from cascade.spec.routing import Router

if TYPE_CHECKING:
    from collections.abc import Coroutine, Mapping

    from cascade.graph.model import Plan
    from cascade.ports import StateBackend
    from cascade.runtime.engine import Engine
    from cascade.runtime.ticket import Request
    from cascade.spec.binding import Bound


class GraphRun(ReadyQueue):
    """Runs a plan: in order where that will do, by need otherwise, or as a machine."""

    __slots__ = ("_choices", "_given", "_skips")

    def __init__(
        self,
        engine: Engine,
        plan: Plan,
        loop: asyncio.AbstractEventLoop,
        state: StateBackend | None = None,
        given: Mapping[int, Any] | None = None,
    ) -> None:
        super().__init__(engine, plan, loop, state)
        self._given = given
        self._skips: dict[int, tuple[int, str]] = {}
        routes = plan.graph.routes
        self._choices = None if routes is None else Choices(routes)

    async def execute(self, use_vm: bool = False) -> Any:
        """Run the whole plan and return the target's value, in the target's shape.

        Args:
            use_vm: run the target itself step by step in this coroutine, after its inputs.

        Raises:
            SkippedError: the target, or a part of it, was skipped.
            GraphError: a choice waits for somebody who waits for what it chooses.
            BaseException: what the first failing task raised.
        """
        graph = self.plan.graph
        if use_vm and isinstance(graph.result, FromNode):
            target = graph.result.node
            if type(graph.nodes[target]) is LazyResult:  # a map has no steps of its own
                self._machine = target
        try:
            if self._machine is not None and len(graph) == 1 and graph.plain:
                return await self._run_machine()
            if (
                graph.plain
                and self._state is None
                and not self.engine.has_rules
                and self._all_inline()
            ):
                done = await self._run_in_order()
                if done < len(graph):
                    await self._run_ready_queue(done)
            else:
                await self._run_ready_queue()
                if self._choices is not None:
                    self._choices.check_decided(self.plan.graph, self.states)
                if self._machine is not None and self._machine not in self._skips:
                    return await self._run_machine()
            return self._result()
        finally:
            # The traceback of an error knows this run: whoever keeps one must not keep the values.
            self._values.clear()
            self._state = None

    @property
    def target_name(self) -> str:
        """The name of the target, of the first of several and how many more, or "nothing"."""
        nodes = dict.fromkeys(_nodes_of(self.plan.graph.result))
        if not nodes:
            return "nothing"
        first, *more = nodes
        name = self.name_of(first)
        return f"{name} and {len(more)} more" if more else name

    def owns_task_of(self, node: int) -> bool:
        """Whether the asyncio task of a node is the run's own: the machine's is the caller's."""
        return node != self._machine

    def node_in_this_task(self) -> int | None:
        """Return the machine: it runs in the task of whoever runs the graph."""
        return self._machine

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
                resources = None if self.scope is None else self.scope.values_of(self, node)
                bound = _fill(recipe, bound, values, resources)
        if self._state is None:
            # What `_consume` does, written out for the most common case.
            consumers = self._consumers
            for other in graph.needs[node]:
                left = consumers[other] - 1
                consumers[other] = left
                if not left:
                    self._values[other] = None
        else:
            self._consume(node)
        return bound

    def described(self, node: int) -> Bound:
        """Return the arguments of a node with injected resources by name, and let go of nothing."""
        graph = self.plan.graph
        recipe, values = graph.recipes[node], self._values
        if recipe is None:
            return graph.nodes[node].bound
        if isinstance(recipe, Recipe):
            named = {name: Inject(name) for name in graph.nodes[node].injections}
            return _fill(recipe, graph.nodes[node].bound, values, named)
        return ((values[recipe],) if isinstance(recipe, int) else recipe(values)), None

    def node_from_cache(self, node: int) -> None:
        """A node has its value without having run."""
        self.node_skipped(node, CACHE_HIT)
        self._consume(node)

    def _consume(self, node: int) -> None:
        for other in self.plan.graph.needs[node]:
            self._let_go(other)

    def _let_go(self, node: int) -> None:
        """One of those that need the value of a node doesn't need it any more."""
        left = self._consumers[node] - 1
        self._consumers[node] = left
        if not left:
            self._values[node] = None
            if self._state is not None:
                self._unsaved.append((node, None, True))

    # In a fixed order: plans of inline tasks without policies need no counters at all

    async def _run_in_order(self) -> int:
        """Run nodes in the plan's order, until rules come; return how many were run."""
        graph, engine, states = self.plan.graph, self.engine, self.states
        nodes, recipes, values = graph.nodes, graph.recipes, self._values
        # A copy for each node: what it does to context variables stays its own.
        here = Place(self, NOBODY)
        outer = current_place.set(here)
        clean = contextvars.copy_context().copy
        current_place.reset(outer)
        until = monotonic() + SLICE
        virtual = getattr(self.loop, "virtual", False)
        left = batch = BATCH_VIRTUAL if virtual else BATCH_REAL
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
                here.node = node
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
            error = wrapped(stop)
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

    def _run_node(self, node: int) -> Coroutine[Any, Any, Any]:
        return run_node(self, node)

    # Skipping

    def _admitted(self, node: int, lazy: LazyResult[Any]) -> bool:
        """Whether a node is to run; otherwise it is skipped, or gets its value, here."""
        if self._choices is not None and node in self._choices.chosen:
            self._take_branch(node)
            return False
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
        if not lazy.is_call:
            if isinstance(lazy, Router):
                self._choose(node, lazy)
            elif isinstance(lazy, Tap):
                (deliver, key, value), _ = self.arguments(node)
                self._settled(node, deliver(key, value))
            else:
                assert self._given is not None
                self._settled(node, self._given[node])
            return False
        return True

    def _skip(self, node: int, cause: tuple[int, str]) -> None:
        self._skips[node] = cause
        self.node_skipped(node, self._skip_reason(node))
        self._consume(node)
        if self._choices is not None:
            for branch in self._choices.routes.branches.get(node, ()):
                self._let_go(branch)
                self._give_up(branch)
        self._release(node)

    def _settled(self, node: int, value: Any) -> None:
        """A node has its value without a call."""
        self.states[node] = ENDED
        if self._consumers[node]:
            self._values[node] = value
        self._release(node)

    # Choosing: what a router wants is run, what nobody wants any more is skipped

    def _choose(self, node: int, router: Router[Any]) -> None:
        """The selector of a router has its value.

        Raises:
            UnknownRouteError: no branch has that key.
        """
        choices = self._choices
        assert choices is not None
        selector = router.selector
        key = self.value_of(selector) if isinstance(selector, LazyResult) else selector
        place = branch_of(router, key)
        branches = choices.routes.branches[node]
        chosen = choices.chosen[node] = branches[place]
        self._consume(node)
        self._ready.extend(choices.want(chosen, self._missing))
        for other, branch in enumerate(branches):
            if other != place:
                self._let_go(branch)
                self._give_up(branch)
        if self.states[chosen] == ENDED or chosen in self._skips:
            self._take_branch(node)
            return
        if self._successors is self.plan.graph.successors:
            self._successors = list(self._successors)
        self._successors[chosen] = [*self._successors[chosen], node]
        self._missing[node] = 1

    def _take_branch(self, node: int) -> None:
        """The branch that a router has chosen has ended: so has the router."""
        assert self._choices is not None
        chosen = self._choices.chosen[node]
        value = self._values[chosen]
        self._let_go(chosen)
        if chosen in self._skips:
            self._skips[node] = self._skips[chosen]
            self.states[node] = SKIPPED
            self._release(node)
        else:
            self._settled(node, value)

    def _give_up(self, node: int) -> None:
        """Somebody doesn't want a node after all: skip it, and what it wants, if nobody does."""
        assert self._choices is not None
        for pruned in self._choices.give_up(node):
            self._skips[pruned] = pruned, "Pruned"
            self.node_skipped(pruned, "Pruned")
            self._consume(pruned)
            for branch in self._choices.routes.branches.get(pruned, ()):
                self._let_go(branch)
            self._release(pruned)

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
            if lazy.policies.cache is not None:
                value = await run_node_cached(self, node)
            elif lazy.policies.constraints or lazy.injections or len(self.plan.graph) > 1:
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
