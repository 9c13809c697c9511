"""Runs what descriptions describe, and writes down all that happens."""

from __future__ import annotations

import asyncio
import gc
import os
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from math import inf
from time import monotonic, sleep
from typing import Any
from unittest import mock
from weakref import ref

from tests.e2e.described_tasks import Away, Tasks, declare, given
from tests.e2e.descriptions import (
    CAPACITIES,
    Broken,
    Description,
    Node,
    Value,
    failures_of,
    marks,
    uses,
    value_of,
    values_in,
)
from tests.e2e.plain_evaluation import without_repeats

import cascade as cs
from cascade.adapters.state.memory import InMemoryStateBackend
from cascade.runtime import events
from cascade.testing import run_virtual

A_MOMENT = 2.0**-10
"""Seconds in which the loop has nothing to do, and no timer is due."""
LIMIT = 0.5
"""Seconds after which a thread has let go of the call that it has ended."""

Place = tuple[int, int | None]
"""A node, or a child of a node."""


@dataclass(frozen=True)
class Told:
    """An event, without anything that would keep values alive."""

    run_id: str
    time: float
    kind: str
    node: int | None = None
    child: int | None = None
    detail: tuple[Any, ...] = ()


@dataclass
class Report:
    """How a run went."""

    told: list[Told]
    calls: Counter[Place]
    ended_at: float
    """How long after its beginning."""
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
    """What the tasks of one example share: which node is running, what it makes, what is there."""

    def __init__(self, description: Description) -> None:
        self.description = without_repeats(description)
        self.places = self.description.reachable
        self.kept: list[str] = []
        self._values: list[tuple[int, ref[Value]]] = []
        nodes = self.description.nodes
        self._consumers: dict[int, list[int]] = {number: [] for number in self.places}
        self._followers: dict[int, set[int]] = {number: set() for number in self.places}
        for number in self.places:
            for other in {*nodes[number].needs, *nodes[number].branches}:
                self._consumers[other].append(number)
            for other in nodes[number].after:
                self._followers[other].add(number)
        self._has_threads = any(node.kind == "thread" for node in nodes)
        self._asked = set(uses(self.description.target))
        self.begin()

    def __reduce__(self) -> tuple[Any, ...]:
        """What of it goes to other processes, and counts where arguments count by content."""
        return Away, (self.description.nodes,)

    def begin(self) -> None:
        """A run begins, with nothing known of it."""
        self.told: list[Told] = []
        self.calls: Counter[Place] = Counter()
        self._begun: set[int] = set()
        self._ended: set[int] = set()

    # What the tasks do

    def node(self, number: int) -> Node:
        """Return what was described under a number."""
        return self.description.nodes[number]

    def enter(self) -> None:
        """A function was called: look which values are there though nobody needs them."""
        place = self._running()
        self.calls[place] += 1
        self.look_for(f"when {place} was called", self._is_gone)

    def call(self, source: int, child: int | None, arguments: Any) -> Any:
        """Do what the node does that is running, and return its value."""
        number, which = place = self._running()
        node = self.description.nodes[number]
        if self.calls[place] <= failures_of(node, which):
            raise Broken(number, which, self.calls[place])
        made = value_of(node, source, child, arguments)
        self._values += [(number, ref(value)) for value in values_in(made)]
        return made

    def _running(self) -> Place:
        """Where the code of a task is: nothing but the engine knows it, of equal calls."""
        return self._place_of(cs.current().task_id)

    def _place_of(self, task_id: str) -> Place:
        place = re.fullmatch(r"\w+#(\d+)(?:\[(\d+)\])?", task_id)
        assert place is not None
        return self.places[int(place[1])], None if place[2] is None else int(place[2])

    # Which values are there

    def look_for(self, moment: str, is_gone: Callable[[int], bool]) -> None:
        """Note which values are there, of nodes whose values should be gone."""
        for number, value in self._values:
            if value() is not None and is_gone(number) and self._stays(value):
                self.kept.append(f"the value of {number} {moment}")

    def is_kept(self, number: int) -> bool:
        """Whether a cache may keep the value of a node."""
        return self.description.nodes[number].lifetime is not None

    def _stays(self, value: ref[Value]) -> bool:
        """Whether a value stays, also when a thread that has just ended a call lets go of it."""
        until = monotonic() + LIMIT
        while self._has_threads and value() is not None and monotonic() < until:
            sleep(0.0001)
        return value() is not None

    def _is_gone(self, number: int) -> bool:
        """Whether nobody can need the value of a node any more."""
        node = self.description.nodes[number]
        return (
            not self.is_kept(number)
            and number not in self._asked
            and (number in self._ended or not node.has_events)
            and (not self._ends_later(number) or self._followers[number] <= self._begun)
            and all(
                self._is_gone(other) if self._passes_on(other) else other in self._ended
                for other in self._consumers[number]
            )
        )

    def _ends_later(self, number: int) -> bool:
        """Whether only who waits for a node can know that it is done with, and not by events.

        Nothing is told of routers, and what nobody needs is handed to a state backend all the same.
        """
        is_unneeded = not self._consumers[number]
        is_told = self.description.nodes[number].has_events
        return not is_told or (is_unneeded and self.description.keeps_state)

    def _passes_on(self, number: int) -> bool:
        """Whether values that a node is given are, or are in, its own."""
        node = self.description.nodes[number]
        # The tracebacks of errors that were collected know the arguments.
        return node.kind in ("router", "item") or node.collects_errors

    # What is told

    def tell(self, event: events.Event) -> None:
        """Write an event down."""
        node = child = None
        if isinstance(event, events.TaskEvent):
            node, child = self._place_of(event.task_id)
        kind = type(event).__name__
        names = ("status", "duration", "reason", "attempt", "delay", "blocked_on", "waited")
        detail = [getattr(event, name) for name in names if hasattr(event, name)]
        error = getattr(event, "error", None)
        detail.append(type(error).__name__)
        self.told.append(Told(event.run_id, event.time, kind, node, child, tuple(detail)))
        if child is None and node is not None:
            self._begun.add(node)
            if is_well_ended(self.told[-1]):
                self._ended.add(node)


def is_well_ended(told: Told) -> bool:
    """Whether a node has succeeded or was skipped: the traceback of a failure keeps its values."""
    if told.kind == "TaskSkipped":
        return "Cancelled" not in told.detail
    return told.kind == "TaskFinished" and "succeeded" in told.detail


# Running it


def report(
    description: Description,
    run: Callable[[Any], Any] = run_virtual,
    executor: cs.LocalExecutor | None = None,
) -> list[Report]:
    """Run what a description describes; once more if there is an earlier run.

    Args:
        description: what it is.
        run: runs a coroutine; on virtual time by default.
        executor: that of the engines; by default each has its own.
    """
    gc.disable()  # whatever is freed, must be so by counting references
    try:
        with mock.patch.dict(os.environ, given(description, "env")):
            reports: list[Report] = run(_reports(description, executor))
            return reports
    finally:
        gc.enable()


async def _reports(description: Description, executor: cs.LocalExecutor | None) -> list[Report]:
    world, tasks = World(description), Tasks()
    cache = cs.InMemoryCache() if description.own_cache else None
    moments = [] if description.earlier is None else [description.earlier]
    moments.append(inf if description.cancelled_at is None else description.cancelled_at)
    reports: list[Report] = []
    for moment in moments:
        world.begin()
        reports.append(await _report(description, world, tasks, cache, executor, moment))
    for task in tasks.made:
        task.memory = cache = None
    world.look_for("when the caches were gone", lambda _: True)
    return reports


async def _report(
    description: Description,
    world: World,
    tasks: Tasks,
    cache: cs.InMemoryCache | None,
    executor: cs.LocalExecutor | None,
    moment: float,
) -> Report:
    loop = asyncio.get_running_loop()
    began = loop.time()
    left: list[str] = []
    loop.set_exception_handler(lambda _, context: left.append(str(context)))
    factory = InMemoryStateBackend if description.keeps_state else None
    engine = cs.Engine(
        system_resources=CAPACITIES,
        state_backend_factory=factory,
        cache_backend=cache,
        executor=executor,
    )
    engine.bus.subscribe(events.Event, world.tell)
    run = asyncio.ensure_future(
        engine.run(
            declare(description, tasks, world),
            given(description, "param") or None,
            use_vm=description.as_machine,
        )
    )
    await asyncio.wait([run], timeout=None if moment == inf else moment)
    run.cancel()
    await asyncio.wait([run])
    ended_at = loop.time() - began

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
    left += [f"{task} is under way" for task in tasks.made if task.flights]
    del run
    await asyncio.sleep(A_MOMENT)  # withdrawn jobs leave the loop's line when it has nothing to do
    world.look_for("at the end", lambda number: not world.is_kept(number))
    return Report(world.told, world.calls, ended_at, found, error, notes, world.kept, left)
