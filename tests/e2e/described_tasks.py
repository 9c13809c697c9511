"""The tasks and workflows that descriptions describe."""

from __future__ import annotations

import asyncio
from typing import Any, Protocol

from tests.e2e.descriptions import (
    CALLS,
    INPUTS,
    Broken,
    Description,
    Node,
    Use,
    failures_of,
    filled,
    is_for_ever,
    value_of,
)

import cascade as cs


class Called(Protocol):
    """Who is told of the calls."""

    def node(self, number: int) -> Node:
        """Return what was described under a number."""

    def enter(self) -> None:
        """A function has been called."""

    def call(self, source: int, child: int | None, arguments: Any) -> Any:
        """Do what the node does that is running, and return its value."""


class Away:
    """The world as it is in another process: nobody there knows which of equal calls it makes."""

    def __init__(self, nodes: tuple[Node, ...]) -> None:
        self.nodes = nodes

    def node(self, number: int) -> Node:
        """Return what was described under a number."""
        return self.nodes[number]

    def enter(self) -> None:
        """Nobody counts the calls."""

    def call(self, source: int, child: int | None, arguments: Any) -> Any:
        """Do what a node does, which fails each time or never."""
        node = self.nodes[source]
        if failures_of(node, child) >= node.attempts:
            raise Broken(source, child, node.attempts)
        return value_of(node, source, child, arguments)


def work(world: Called, source: int, arguments: Any) -> Any:
    world.enter()
    return world.call(source, None, arguments)


async def work_async(world: Called, source: int, arguments: Any) -> Any:
    return work(world, source, arguments)


async def work_suspending(world: Called, source: int, arguments: Any) -> Any:
    world.enter()
    await pass_time(world.node(source))
    return world.call(source, None, arguments)


def work_child(world: Called, source: int, child: int | None, element: Any, arguments: Any) -> Any:
    world.enter()
    return world.call(source, child, (element, arguments))


async def work_child_async(
    world: Called, source: int, child: int | None, element: Any, arguments: Any
) -> Any:
    return work_child(world, source, child, element, arguments)


async def work_child_suspending(
    world: Called, source: int, child: int | None, element: Any, arguments: Any
) -> Any:
    world.enter()
    await pass_time(world.node(source))
    return world.call(source, child, (element, arguments))


async def pass_time(node: Node) -> None:
    try:
        await asyncio.sleep(node.seconds)
    except asyncio.CancelledError:
        if node.clean_up:
            await asyncio.sleep(node.clean_up)
        raise


class Tasks:
    """The tasks of one example, of one name all of them: a cache of theirs begins empty."""

    def __init__(self) -> None:
        self._made: dict[tuple[str, bool, bool], cs.Task[Any]] = {}

    @property
    def made(self) -> list[cs.Task[Any]]:
        """Those that were used."""
        return list(self._made.values())

    def of(self, node: Node) -> cs.Task[Any]:
        """The task that a node calls."""
        about = node.kind, node.pure, node.children is not None
        if about not in self._made:
            functions: dict[str, tuple[Any, Any]] = {
                "async": (work_async, work_child_async),
                "suspending": (work_suspending, work_child_suspending),
            }
            function = functions.get(node.kind, (work, work_child))[node.children is not None]
            mode: Any = node.kind if node.kind in ("inline", "process") else None
            self._made[about] = cs.task(mode=mode, name="work", pure=node.pure)(function)
        return self._made[about]


# Declaring


def declare(description: Description, tasks: Tasks, world: Called) -> Any:
    """Build the workflow, and return the target."""
    calls: list[Any] = []
    for number, node in enumerate(description.nodes):
        declared = _declared(description, number, calls, tasks, world)
        calls.append(_with_policies(node, declared, calls))
    return filled(description.target, calls)


def _declared(
    description: Description, number: int, calls: list[Any], tasks: Tasks, world: Called
) -> Any:
    node, source = description.nodes[number], description.source(number)
    arguments = filled(node.inputs, calls)
    if node.kind in INPUTS:
        return _input(node, source)
    if node.kind == "router":
        branches = dict(enumerate(calls[branch] for branch in node.branches))
        return cs.Router(arguments[0], branches)
    if node.kind == "item":
        return arguments[0][arguments[1]]
    task = tasks.of(node)
    if node.children is None:
        return task(world, source, arguments)
    elements = node.children.elements
    count = number_of_children(description, elements)
    return task.map(
        world=cs.constant(world),
        source=cs.constant(source),
        child=range(count) if node.lifetime is None else [None] * count,
        element=range(count) if isinstance(elements, int) else filled(elements, calls),
        arguments=cs.constant(arguments),
    )


def number_of_children(description: Description, elements: Any) -> int:
    """How many children a map over these elements has."""
    while isinstance(elements, Use):
        children = description.nodes[elements.node].children
        assert children is not None
        elements = children.elements
    return elements if isinstance(elements, int) else len(elements)


def name_of_input(source: int) -> str:
    return f"CASCADE_TEST_{source}"


def _input(node: Node, source: int) -> Any:
    kind = cs.Param if node.kind == "param" else cs.Env
    if node.given == "default":
        return kind(name_of_input(source), node.number, type=int)
    return kind(name_of_input(source), type=int)


def given(description: Description, kind: str) -> dict[str, Any]:
    """The values that are given for the inputs of a kind, by name."""
    values: dict[str, Any] = {}
    for number in description.reachable:
        node = description.nodes[number]
        if node.kind == kind and node.given in ("value", "text"):
            value = str(node.number) if node.given == "text" else node.number
            values[name_of_input(description.source(number))] = value
    return values


def _with_policies(node: Node, call: Any, calls: list[Any]) -> Any:
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
    if node.lifetime is not None:
        ttl = None if is_for_ever(node.lifetime) else node.lifetime
        call = call.with_cache(cs.cache(ttl=ttl))
    if node.kind in CALLS and node.children is not None:
        if node.children.window is not None:
            call = call.windowed(node.children.window)
        if node.children.collects_errors:
            call = call.collecting_errors()
    return call.with_priority(node.priority) if node.priority else call
