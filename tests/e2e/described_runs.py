"""Runs what descriptions describe, and writes down all that happens."""

from __future__ import annotations

import asyncio
import gc
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic, sleep
from typing import Any
from weakref import ref

from tests.e2e.descriptions import (
    CAPACITIES,
    Broken,
    Description,
    Node,
    Use,
    Value,
    failures_of,
    filled,
    marks,
    uses,
    value_of,
)

import cascade as cs
from cascade.adapters.state.memory import InMemoryStateBackend
from cascade.runtime import events
from cascade.testing import run_virtual

A_MOMENT = 2.0**-10
"""Seconds in which the loop has nothing to do, and no timer is due."""
LIMIT = 0.5
"""Seconds after which a thread has let go of the call that it has ended."""


@dataclass(frozen=True)
class Told:
    """An event, without anything that would keep values alive."""

    time: float
    kind: str
    node: int | None = None
    child: int | None = None
    detail: tuple[Any, ...] = ()


@dataclass
class Report:
    """How a run went."""

    told: list[Told]
    calls: Counter[tuple[int, int | None]]
    ended_at: float
    result: Any
    """The marks of the result, if there was one."""
    error: Any
    """The marks of the error, if there was one."""
    notes: list[str]
    """Those of the error."""
    kept: list[str]
    """Values that were still there though nobody needed them."""
    left: list[str]
    """What the run has left behind."""


class World:
    """What the tasks of one run share."""

    def __init__(self, description: Description) -> None:
        self.description = description
        self.places = description.reachable
        self.told: list[Told] = []
        self.calls: Counter[tuple[int, int | None]] = Counter()
        self.values: list[tuple[int, ref[Value]]] = []
        self.kept: list[str] = []
        self._ended: set[int] = set()
        self._consumers: dict[int, list[int]] = {number: [] for number in self.places}
        for number in self.places:
            for other in description.nodes[number].needs:
                self._consumers[other].append(number)
        self._has_threads = any(node.kind == "thread" for node in description.nodes)
        self._asked = set(uses(description.target))

    def call(self, number: int, child: int | None, arguments: Any) -> Value:
        """Do what a node does when it is called."""
        node = self.description.nodes[number]
        if self.calls[number, child] <= failures_of(node, child):
            raise Broken(number, child, self.calls[number, child])
        value = value_of(node, number, child, arguments)
        self.values.append((number, ref(value)))
        return value

    def enter(self, number: int, child: int | None) -> None:
        """A node has been called: look which values are there though nobody needs them."""
        self.calls[number, child] += 1
        self.look_for(f"when {number} was called", self._is_gone)

    def look_for(self, moment: str, is_gone: Callable[[int], bool]) -> None:
        """Note which values are there, of nodes whose values should be gone."""
        for number, value in self.values:
            if value() is not None and is_gone(number) and self._stays(value):
                self.kept.append(f"the value of {number} {moment}")

    def _stays(self, value: ref[Value]) -> bool:
        """Whether a value stays, also when a thread that has just ended a call lets go of it."""
        until = monotonic() + LIMIT
        while self._has_threads and value() is not None and monotonic() < until:
            sleep(0.0001)
        return value() is not None

    def _is_gone(self, number: int) -> bool:
        """Whether nobody can need the value of a node any more."""
        return (
            number in self._ended
            and number not in self._asked
            and all(
                # The tracebacks of errors that were collected know the arguments.
                self._is_gone(other) if self._collects_errors(other) else other in self._ended
                for other in self._consumers[number]
            )
        )

    def _collects_errors(self, number: int) -> bool:
        children = self.description.nodes[number].children
        return children is not None and children.collects_errors

    def tell(self, event: events.Event) -> None:
        """Write an event down."""
        assert event.run_id == "run-1"
        node = child = None
        if isinstance(event, events.TaskEvent):
            place = re.fullmatch(r"\w+#(\d+)(?:\[(\d+)\])?", event.task_id)
            assert place is not None
            node = self.places[int(place[1])]
            child = None if place[2] is None else int(place[2])
        kind = type(event).__name__
        names = ("status", "duration", "reason", "attempt", "delay", "blocked_on", "waited")
        detail = [getattr(event, name) for name in names if hasattr(event, name)]
        error = getattr(event, "error", None)
        self.told.append(Told(event.time, kind, node, child, (*detail, type(error).__name__)))
        if child is None and node is not None and is_well_ended(self.told[-1]):
            self._ended.add(node)


def is_well_ended(told: Told) -> bool:
    """Whether a node has succeeded or was skipped: the traceback of a failure keeps its values."""
    if told.kind == "TaskSkipped":
        return "Cancelled" not in told.detail
    return told.kind == "TaskFinished" and "succeeded" in told.detail


# The tasks


def work(world: World, number: int, arguments: Any) -> Value:
    world.enter(number, None)
    return world.call(number, None, arguments)


async def work_async(world: World, number: int, arguments: Any) -> Value:
    return work(world, number, arguments)


async def work_suspending(world: World, number: int, arguments: Any) -> Value:
    world.enter(number, None)
    await pass_time(world.description.nodes[number])
    return world.call(number, None, arguments)


def work_child(world: World, number: int, child: int, element: Any, arguments: Any) -> Value:
    world.enter(number, child)
    return world.call(number, child, (element, arguments))


async def work_child_async(
    world: World, number: int, child: int, element: Any, arguments: Any
) -> Value:
    return work_child(world, number, child, element, arguments)


async def work_child_suspending(
    world: World, number: int, child: int, element: Any, arguments: Any
) -> Value:
    world.enter(number, child)
    await pass_time(world.description.nodes[number])
    return world.call(number, child, (element, arguments))


async def pass_time(node: Node) -> None:
    try:
        await asyncio.sleep(node.seconds)
    except asyncio.CancelledError:
        if node.clean_up:
            await asyncio.sleep(node.clean_up)
        raise


TASKS: dict[str, tuple[cs.Task[Any], cs.Task[Any]]] = {
    "inline": (
        cs.task(mode="inline", name="work")(work),
        cs.task(mode="inline", name="work")(work_child),
    ),
    "async": (cs.task(name="work")(work_async), cs.task(name="work")(work_child_async)),
    "suspending": (
        cs.task(name="work")(work_suspending),
        cs.task(name="work")(work_child_suspending),
    ),
    "thread": (cs.task(name="work")(work), cs.task(name="work")(work_child)),
}
"""The tasks for each kind of node, of one name all of them: as a call and as a map."""


def declare(description: Description, world: World) -> Any:
    """Build the workflow, and return the target."""
    calls: list[Any] = []
    for number, node in enumerate(description.nodes):
        calls.append(_declared(node, number, calls, world))
    return filled(description.target, calls)


def _declared(node: Node, number: int, calls: list[Any], world: World) -> Any:
    task, task_of_child = TASKS[node.kind]
    arguments = filled(node.inputs, calls)
    if node.children is None:
        call: Any = task(world, number, arguments)
    else:
        call = _map_declared(task_of_child, node, number, calls, world, arguments)
    for condition in node.conditions:
        call = call.run_if(filled(condition, calls))
    if node.after:
        call = call.after(*[calls[other] for other in node.after])
    if node.amounts:
        call = call.with_constraints(**{n: filled(amount, calls) for n, amount in node.amounts})
    if node.attempts > 1:
        call = call.with_retry(node.attempts, delay=node.delay, jitter=node.jitter)
    if node.timeout is not None:
        call = call.with_timeout(node.timeout)
    return call.with_priority(node.priority) if node.priority else call


def _map_declared(
    task: cs.Task[Any], node: Node, number: int, calls: list[Any], world: World, arguments: Any
) -> Any:
    assert node.children is not None
    elements = node.children.elements
    given = range(elements) if isinstance(elements, int) else filled(elements, calls)
    if isinstance(elements, Use):
        of_other = world.description.nodes[elements.node]
        while of_other.children is not None and isinstance(of_other.children.elements, Use):
            of_other = world.description.nodes[of_other.children.elements.node]
        assert of_other.children is not None
        known = of_other.children.elements
        count = known if isinstance(known, int) else len(known)  # type: ignore[arg-type]
    else:
        count = len(given)
    call = task.map(
        world=cs.constant(world),
        number=cs.constant(number),
        child=range(count),
        element=given,
        arguments=cs.constant(arguments),
    )
    if node.children.window is not None:
        call = call.windowed(node.children.window)
    return call.collecting_errors() if node.children.collects_errors else call


# Running it


def report(description: Description) -> Report:
    """Run what a description describes, on virtual time."""
    gc.disable()  # whatever is freed, must be so by counting references
    try:
        return run_virtual(_report(description))
    finally:
        gc.enable()


async def _report(description: Description) -> Report:
    loop = asyncio.get_running_loop()
    left: list[str] = []
    loop.set_exception_handler(lambda _, context: left.append(str(context)))
    world = World(description)
    factory = InMemoryStateBackend if description.keeps_state else None
    engine = cs.Engine(system_resources=CAPACITIES, state_backend_factory=factory)
    engine.bus.subscribe(events.Event, world.tell)
    machine = description.as_machine
    run = asyncio.ensure_future(engine.run(declare(description, world), use_vm=machine))
    await asyncio.wait([run], timeout=description.cancelled_at)
    run.cancel()
    await asyncio.wait([run])
    ended_at = loop.time()

    found = error = None
    notes: list[str] = []
    try:
        found = marks(run.result())
    except BaseException as raised:
        error, notes = marks(raised), getattr(raised, "__notes__", [])
    left += [str(task) for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    statistics = engine.resource_manager.statistics()
    left += [f"{statistics.holding} hold"] * bool(statistics.holding)
    left += [f"{statistics.waiting} wait"] * bool(statistics.waiting)
    left += [f"{name} used" for name, each in statistics.resources.items() if each.used]
    del run
    await asyncio.sleep(A_MOMENT)  # withdrawn jobs leave the loop's line when it has nothing to do
    world.look_for("at the end", lambda _: True)
    return Report(world.told, world.calls, ended_at, found, error, notes, world.kept, left)
