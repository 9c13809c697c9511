"""Engine: joins the parts and lives through one run after another."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from functools import partial
from random import Random
from typing import TYPE_CHECKING, Any, TypeVar, cast, overload
from weakref import ref

from cascade.adapters.cache.memory import InMemoryCache
from cascade.adapters.executors.local import LocalExecutor
from cascade.adapters.solvers.native import NativeSolver
from cascade.errors import GraphError
from cascade.graph.build import build
from cascade.graph.model import Plan
from cascade.runtime.attempts import current_attempt, current_run
from cascade.runtime.bus import MessageBus
from cascade.runtime.constraints import ConstraintManager
from cascade.runtime.graph_run import GraphRun
from cascade.runtime.machine_run import MachineRun
from cascade.runtime.notes import annotate, raise_first
from cascade.runtime.resource_manager import ResourceManager
from cascade.runtime.resource_scopes import CONNECTOR, check_injections
from cascade.runtime.run import Run, to_the_end
from cascade.spec.checks import shown
from cascade.spec.inputs import resolve_inputs
from cascade.spec.lazy import LazyResult
from cascade.spec.resource import ResourceDefinition

if TYPE_CHECKING:
    from cascade.graph.model import Graph
    from cascade.ports import CacheBackend, Connector, Executor, Solver, StateBackend
    from cascade.spec.task import Task

T = TypeVar("T")

_SOLVER = NativeSolver()
_CONTROLLED = os.environ.get("CASCADE_CONTROL", "") not in ("", "0")
"""Whether every engine of the program can be steered from outside."""
_NO_DEFINITIONS: Mapping[str, ResourceDefinition] = {}


class Engine:
    """Runs workflows. All parts are optional and are made when first needed.

    Engines are light: an experiment may have thousands, one per agent. Several runs may go on in
    one engine at the same time.

    Args:
        solver: decides the order of nodes; a `NativeSolver` by default.
        executor: runs thread and process tasks; by default a `LocalExecutor` of its own, whose
            threads and processes end with the last run. One that is given stays open.
        bus: receives the events of all runs; by default one of its own.
        state_backend_factory: called once per run for a `StateBackend`, which is told every value.
        system_resources: capacities, merged into the resource manager.
        connector: joins the engine to a broker while it runs; injected as "_internal_connector".
        cache_backend: where cached values are kept; by default in memory, with each task.
        resource_manager: the limits; one manager may be shared by any number of engines.
        name: the engine's name, for explanations.
        random: where the random part of a retry's pause comes from; by default one without a seed
            of its own, and on virtual time one that is seeded, so that runs can be repeated.

    Raises:
        TypeError: a part lacks the methods of its port.
        TypeError, ValueError: a capacity isn't a finite number ≥ 0.
    """

    __slots__ = (
        "__weakref__",
        "_executor",
        "_owns_executor",
        "_random",
        "_runs",
        "bus_in_use",
        "cache_backend",
        "connector",
        "definitions",
        "manager_in_use",
        "name",
        "solver",
        "state_backend_factory",
    )

    def __init__(
        self,
        solver: Solver | None = None,
        executor: Executor | None = None,
        bus: MessageBus | None = None,
        state_backend_factory: Callable[[], StateBackend] | None = None,
        system_resources: Mapping[str, float | None] | None = None,
        connector: Connector | None = None,
        cache_backend: CacheBackend | None = None,
        resource_manager: ResourceManager | None = None,
        name: str | None = None,
        random: Random | None = None,
    ) -> None:
        if solver is not None:
            _check_port("solver", solver, "resolve")
        if executor is not None:
            _check_port("executor", executor, "execute", "aclose")
        if bus is not None:
            _check_port("bus", bus, "publish", "subscribe", "wants")
            if not hasattr(bus, "hot"):
                raise TypeError(f"bus must have the attribute hot, got {bus!r}")
        if connector is not None:
            _check_port("connector", connector, "connect", "disconnect", "publish", "subscribe")
        if cache_backend is not None:
            _check_port("cache_backend", cache_backend, "get", "put", "delete")
        if state_backend_factory is not None and not callable(state_backend_factory):
            raise TypeError(
                "state_backend_factory must be callable without arguments, "
                f"got {state_backend_factory!r}"
            )
        if resource_manager is not None:
            _check_is("resource_manager", resource_manager, ResourceManager)
        if name is not None:
            _check_is("name", name, str)
        if random is not None:
            _check_is("random", random, Random)
        self._random = random
        self.solver: Solver = _SOLVER if solver is None else solver
        self._executor = executor
        self._owns_executor = executor is None
        self.bus_in_use = bus
        """The bus, if one was given or asked for."""
        self.state_backend_factory = state_backend_factory
        self.connector = connector
        """The connector that was given."""
        self.cache_backend = cache_backend
        """Where cached values are kept, if that was given."""
        self.manager_in_use = resource_manager
        """The resource manager, if one was given or asked for."""
        self.name = name
        """The engine's name, or None."""
        self.definitions: Mapping[str, ResourceDefinition] = _NO_DEFINITIONS
        """The registered resources, by name."""
        # Weakly, so that a run whose loop was closed under it can go. An agent's engine has one.
        self._runs: ref[Run] | dict[int, ref[Run]] | None = None
        if system_resources is not None:
            if not isinstance(system_resources, Mapping):
                raise TypeError(
                    "system_resources must map resource names to amounts, "
                    f"got {shown(system_resources)}"
                )
            self.resource_manager.set_capacity(system_resources)

    @property
    def bus(self) -> MessageBus:
        """The bus that receives the events of all runs."""
        if self.bus_in_use is None:
            self.bus_in_use = MessageBus()
        return self.bus_in_use

    @property
    def resource_manager(self) -> ResourceManager:
        """The manager of the limits; made on first use unless one was injected."""
        if self.manager_in_use is None:
            self.manager_in_use = ResourceManager()
            for run in self._running():
                self.manager_in_use.runs[id(run)] = ref(run)
        return self.manager_in_use

    @property
    def constraint_manager(self) -> ConstraintManager:
        """The live rules of the resource manager: shared by all engines that share it."""
        return ConstraintManager(self)

    @property
    def has_rules(self) -> bool:
        """Whether there are live rules, or were."""
        return self.manager_in_use is not None and self.manager_in_use.rules is not None

    def cache_for(self, task: Task[Any]) -> CacheBackend:
        """Return where the values of a task are kept."""
        if self.cache_backend is not None:
            return self.cache_backend
        if task.memory is None:
            task.memory = InMemoryCache()
        memory: CacheBackend = task.memory
        return memory

    def random_for(self, loop: asyncio.AbstractEventLoop) -> Random:
        """Return where random numbers come from in a run on a loop; made on first use."""
        if self._random is not None:
            return self._random
        seeded: Random | None = getattr(loop, "random", None)
        if seeded is not None:
            return seeded
        self._random = Random()
        return self._random

    @property
    def executor(self) -> Executor:
        """What runs thread and process tasks; made on first use unless one was injected."""
        if self._executor is None:
            self._executor = LocalExecutor()
        return self._executor

    def register(self, resource_definition: ResourceDefinition) -> None:
        """Make a resource known, so that tasks can have it injected. The last of a name counts.

        One named "_internal_connector" stands in for the engine's connector, which the engine then
        neither connects nor disconnects.

        Raises:
            TypeError: it wasn't made with ``@cs.resource``.
        """
        if not isinstance(resource_definition, ResourceDefinition):
            raise TypeError(
                "register() takes what @cs.resource makes of a generator function, "
                f"got {resource_definition!r}"
            )
        self.definitions = {**self.definitions, resource_definition.name: resource_definition}

    def plan(self, target: Any) -> Plan:
        """Return the plan of a target, to be run any number of times, by any engine.

        It takes what building the graph costs out of each run.

        Raises:
            TypeError: `target` holds something, but no lazy result.
            GraphError: two variants of one call are in the graph, or the solver's order is wrong.
        """
        graph = build(target)
        plan = self.solver.resolve(graph)
        if self.solver is not _SOLVER:
            _check_plan(self.solver, plan, graph)
        return plan

    @overload
    def run(
        self, target: LazyResult[T], params: Mapping[str, Any] | None = None, use_vm: bool = False
    ) -> Coroutine[Any, Any, T]: ...
    @overload
    def run(
        self, target: Any, params: Mapping[str, Any] | None = None, use_vm: bool = False
    ) -> Coroutine[Any, Any, Any]: ...
    def run(
        self, target: Any, params: Mapping[str, Any] | None = None, use_vm: bool = False
    ) -> Coroutine[Any, Any, Any]:
        """Run everything that `target` needs, and return its value; to be awaited.

        When this returns or raises, nothing of the run goes on: the first failure cancels the
        sibling tasks and waits for them, slots are back, resources torn down.

        Args:
            target: a lazy result, or a list, tuple or dict that holds some (the result then has
                the same shape); or what `plan` has made of it.
            params: values for the parameters that the workflow declares.
            use_vm: run the target as a machine, step by step in this coroutine: the way for
                agents that never end. Its inputs are computed once, before. What it does to
                context variables is seen by the caller, as with any coroutine that is awaited.

        Raises:
            TypeError: `target` holds something, but no lazy result, or `params` isn't a mapping.
            ValueError: `params` names something that the workflow doesn't declare.
            MissingInputError: parameters or environment variables have no value.
            UnknownRouteError: a router has no branch of the key that was computed.
            GraphError: two variants of one call are in the graph, the solver's order is wrong, or a
                task comes after a branch that isn't chosen before the task has ended.
            InjectionError: a resource isn't registered, or resources need each other in a circle.
            SkippedError: the target was skipped.
            RunCancelledError: somebody outside of the program has cancelled it.
            BaseException: what the first failing task raised, with a note that names the task.
        """
        if (
            use_vm
            and type(target) is LazyResult
            and params is None
            and self.connector is None
            and not _CONTROLLED
            and not self._is_overseen()
            and self._is_plain_machine(target)
        ):
            machine: Any = MachineRun(self, target).execute()
            machine.__qualname__ = "Engine.run"  # whoever forgets to await it is told so
            return cast("Coroutine[Any, Any, Any]", machine)
        return self._run(target, params, use_vm)

    async def _run(self, target: Any, params: Mapping[str, Any] | None, use_vm: bool) -> Any:
        run = self._graph_run(target, params)
        began = run.loop.time()
        run.started()
        leaving: list[Callable[[], Awaitable[None]]] | None = None
        closing = False
        error: BaseException | None = None
        outer = current_run.get()
        current_run.set(ref(run))
        holder = current_attempt.get()
        if holder is not None and not holder.waits(run.loop):
            holder = None
        self.enter(run)
        try:
            for connector in self._connectors():
                leaving = [] if leaving is None else leaving
                await self._connect(connector, leaving)
            manager = self.manager_in_use
            if manager is not None and manager.oversight is not None:
                return await manager.oversight.execute(run, use_vm)
            return await run.execute(use_vm)
        except GeneratorExit as closed:
            # The loop was closed under the run: nothing can be awaited any more.
            if leaving:
                for connector in self._connectors():
                    self.constraint_manager.abandon(connector)
            error, closing = closed, True
            raise
        except BaseException as raised:
            error = raised
            raise
        finally:
            run.ended(error)
            if holder is not None:
                holder.goes_on()
            self.leave(run)
            if closing:
                run.finished(began, error)
            else:
                current_run.set(outer)
                if leaving or run.scope is not None or self.must_close_executor():
                    await self.clean_up_and_finish(run, began, leaving, error)
                else:
                    run.finished(began, error)
            error = None

    def _connectors(self) -> Sequence[Connector]:
        """Return what a run has to connect to: its own connector, and that to the outside."""
        own = self.connector if CONNECTOR not in self.definitions else None
        if own is None and not _CONTROLLED:
            return ()
        found: list[Connector] = [] if own is None else [own]
        if _CONTROLLED:
            # Only here: most programs never need what it imports.
            from cascade.control.local import LocalControl, control_from_environment

            if not isinstance(own, LocalControl):
                found.append(control_from_environment())
        return found

    def _is_overseen(self) -> bool:
        """Whether somebody outside of the program looks after what runs."""
        return self.manager_in_use is not None and self.manager_in_use.oversight is not None

    def _graph_run(self, target: Any, params: Mapping[str, Any] | None) -> GraphRun:
        plan = target if isinstance(target, Plan) else self.plan(target)
        inputs, given = plan.graph.inputs, None
        if inputs or params is not None:
            given = dict(zip(inputs, resolve_inputs(inputs.values(), params), strict=True))
        if not plan.graph.plain:
            self._check_injections(plan.graph)
        factory, state = self.state_backend_factory, None
        if factory is not None:
            state = factory()
            _check_port("what state_backend_factory returns", state, "put", "get", "has", "clear")
        return GraphRun(self, plan, asyncio.get_running_loop(), state, given)

    async def _connect(
        self, connector: Connector, leaving: list[Callable[[], Awaitable[None]]]
    ) -> None:
        """Join the broker, and obey the rules that come from it; note how to leave again."""
        await connector.connect()
        leaving.append(connector.disconnect)
        await self.constraint_manager.attach(connector)
        leaving.append(partial(self.constraint_manager.detach, connector))

    def enter(self, run: Run) -> None:
        """A run begins: rules that come reach what it runs."""
        known, runs = ref(run), self._runs
        if runs is None:
            self._runs = known
        else:
            if not isinstance(runs, dict):
                first = runs()
                runs = self._runs = {} if first is None else {id(first): runs}
            runs[id(run)] = known
        manager = self.manager_in_use
        if manager is not None:
            manager.runs[id(run)] = known
            if manager.rules is not None:
                manager.rules.run_begins(run.loop)

    def leave(self, run: Run) -> None:
        """A run has ended."""
        runs = self._runs
        if isinstance(runs, dict):
            runs.pop(id(run), None)
            self._runs = runs or None
        elif runs is not None and runs() is run:
            self._runs = None
        if self.manager_in_use is not None:
            self.manager_in_use.runs.pop(id(run), None)

    def _running(self) -> list[Run]:
        runs = self._runs
        known = [] if runs is None else list(runs.values()) if isinstance(runs, dict) else [runs]
        return [run for each in known if (run := each()) is not None]

    async def clean_up_and_finish(
        self,
        run: Run,
        began: float,
        leaving: list[Callable[[], Awaitable[None]]] | None,
        error: BaseException | None,
    ) -> None:
        """Clean up after a run, tell its end, and raise what the clean-up raised."""
        try:
            await to_the_end(self._clean_up(run, leaving, error))
        except BaseException as raised:
            error = raised
            raise
        finally:
            run.finished(began, error)
            error = None

    def must_close_executor(self) -> bool:
        """Whether the engine's own threads and processes have nothing to do any more."""
        return self._owns_executor and self._executor is not None and not self._running()

    async def _clean_up(
        self,
        run: Run,
        leaving: list[Callable[[], Awaitable[None]]] | None,
        failure: BaseException | None,
    ) -> None:
        """Tear down what the run has used; the first error counts, further ones are noted on it."""
        errors: list[BaseException] = []
        if run.scope is not None:
            errors += await run.scope.close()
            run.scope = None  # the scope knows the run: nothing is left to the cyclic collector
        if self.must_close_executor():
            executor, self._executor = self._executor, None
            assert executor is not None
            try:
                await executor.aclose()
            except Exception as error:
                errors.append(error)
        while leaving:
            try:
                await leaving.pop()()
            except Exception as error:
                annotate(error, "while disconnecting the engine's connector")
                errors.append(error)
        try:
            raise_first(errors, failure)
        finally:
            failure = None  # the frame may be in its traceback

    def _is_plain_machine(self, target: LazyResult[Any]) -> bool:
        """Whether a machine has no inputs and nobody else has a say, so that it needs no graph."""
        said = target.policies
        return (
            not target.dependencies
            and not target.injections
            and not said.needed
            and not said.after
            and not said.conditions
            and said.cache is None
            and target.is_call
            and self.state_backend_factory is None
            and self.solver is _SOLVER
        )

    def _check_injections(self, graph: Graph) -> None:
        names: dict[str, None] = {}
        for lazy in graph.nodes:
            names.update(dict.fromkeys(lazy.injections))
        if names:
            check_injections(names, self.definitions, self.connector is not None)

    def __repr__(self) -> str:
        runs = {run.run_id for run in self._running()}
        return f"<Engine {self.name or 'without a name'}, {len(runs)} runs>"


def _check_port(argument: str, part: object, *methods: str) -> None:
    missing = [method for method in methods if not callable(getattr(part, method, None))]
    if missing:
        raise TypeError(f"{argument} must have the methods {', '.join(methods)}, got {part!r}")


def _check_plan(solver: Solver, plan: object, graph: Graph) -> None:
    """Refuse what would leave out nodes, or run one before what it needs."""
    if not isinstance(plan, Plan):
        raise GraphError(f"{solver!r} must return a Plan, got {plan!r}")
    order = list(plan.order)
    if sorted(order) != list(range(len(graph))):
        raise GraphError(f"the order of {solver!r} must have every node once, got {shown(order)}")
    places = [0] * len(graph)
    for place, node in enumerate(order):
        places[node] = place
    for node, successors in enumerate(graph.successors):
        for other in successors:
            if places[other] < places[node]:
                raise GraphError(
                    f"the order of {solver!r} has {graph.describe(other)} before what it waits "
                    f"for, {graph.describe(node)}"
                )


def _check_is(argument: str, value: object, kind: type) -> None:
    if not isinstance(value, kind):
        raise TypeError(f"{argument} must be a {kind.__name__}, got {value!r}")
