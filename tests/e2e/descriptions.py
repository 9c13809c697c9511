"""Graphs described as plain data, and what their nodes make of their arguments.

Nothing in here knows how the library runs a graph.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Any, TypeAlias

Expression: TypeAlias = Any
"""An argument: a `Use`, a whole number, or a list, tuple or dict of expressions."""

CAPACITIES = {"slot": 2, "memory": 3}
"""How much there is of what nodes may take."""
CALLS = frozenset({"inline", "async", "suspending", "thread", "process"})
"""The kinds of nodes that call a function of these tests."""
INPUTS = frozenset({"param", "env"})
"""The kinds of nodes whose values are known when a run starts."""


@dataclass(frozen=True)
class Use:
    """The value of an earlier node."""

    node: int


@dataclass(frozen=True)
class Children:
    """What makes a node a map."""

    elements: int | Use | tuple[Expression, ...]
    """How many whole numbers, or an earlier map whose value is taken apart, or each element."""
    failing: frozenset[int]
    """The children that have the failures of the node; with a cache, all have them."""
    window: int | None
    collects_errors: bool


@dataclass(frozen=True, repr=False)
class Node:
    """A call, an item, a choice or an input, and everything that is said about it."""

    kind: str
    """"inline", "async" (never suspends), "suspending", "thread" or "process" for a call; "item",
    "router", "param" or "env"."""
    inputs: tuple[Expression, ...] = ()
    """The arguments of a call; of an item the container and the key, of a router the selector."""
    number: int = 1
    """What its value is as an amount; 0 is also false as a condition."""
    seconds: float = 0.0
    """How long a suspending one takes."""
    clean_up: float = 0.0
    """How long a suspending one takes to end when it is cancelled."""
    conditions: tuple[bool | Use, ...] = ()
    after: tuple[int, ...] = ()
    amounts: tuple[tuple[str, int | Use], ...] = ()
    failures: int = 0
    """How many attempts fail before one succeeds."""
    attempts: int = 1
    delay: float = 0.0
    jitter: float = 0.0
    timeout: float | None = None
    priority: int = 0
    children: Children | None = None
    shape: str = "one"
    """Whether the value is "one", a "list" of some or a "dict" of some."""
    like: int | None = None
    """The node whose call, or whose input, it declares again."""
    pure: bool = False
    """Whether equal calls of its task are one."""
    lifetime: float | None = None
    """For how many seconds its value is kept in a cache; None: in none."""
    branches: tuple[int, ...] = ()
    """What a router chooses from; the keys are their places."""
    given: str = "default"
    """Whether an input is given as a "value", as a "text", by "default", or as "nothing"."""

    def __repr__(self) -> str:
        """Only what isn't as usual, so that a failing example can be read."""
        said = [
            f"{each.name}={getattr(self, each.name)!r}"
            for each in fields(self)
            if getattr(self, each.name) != each.default
        ]
        return f"Node({', '.join(said)})"

    @property
    def needs(self) -> set[int]:
        """The nodes whose values it needs in any case: not the branches of a router."""
        amounts = [amount for _, amount in self.amounts]
        expressions = [*self.inputs, *self.conditions, *amounts]
        if self.children is not None:
            expressions.append(self.children.elements)
        return set(uses(expressions))

    @property
    def has_events(self) -> bool:
        """Whether anything is told of it."""
        return self.kind in CALLS or self.kind == "item"

    @property
    def collects_errors(self) -> bool:
        """Whether exceptions may be among its values."""
        return self.children is not None and self.children.collects_errors


@dataclass(frozen=True)
class Description:
    """A graph, what is asked of it, and how it is run."""

    nodes: tuple[Node, ...]
    target: Expression
    as_machine: bool = False
    keeps_state: bool = False
    cancelled_at: float | None = None
    earlier: float | None = None
    """When an earlier run of the same is cancelled, in seconds (infinity: never); None: none."""
    own_cache: bool = False
    """Whether values are kept by the engine, and not with the tasks."""

    @property
    def reachable(self) -> list[int]:
        """The nodes that the target needs or may need, in the order of their declaration."""
        found: set[int] = set()
        left = list(uses(self.target))
        while left:
            number = left.pop()
            if number not in found:
                found.add(number)
                node = self.nodes[number]
                left += [*node.needs, *node.after, *node.branches]
        return sorted(found)

    @property
    def missing(self) -> list[int]:
        """The inputs that have no value."""
        nodes = self.nodes
        return [number for number in self.reachable if nodes[number].given == "nothing"]

    def source(self, number: int) -> int:
        """The node that was the first to declare what a node declares."""
        like = self.nodes[number].like
        return number if like is None else like


def uses(expression: Expression) -> Iterator[int]:
    """The nodes that an expression uses, as often as it does."""
    if isinstance(expression, Use):
        yield expression.node
    elif isinstance(expression, dict):
        yield from uses(list(expression.values()))
    elif isinstance(expression, (list, tuple)):
        for part in expression:
            yield from uses(part)


def filled(expression: Expression, values: Any) -> Any:
    """An expression with `values[n]` in the place of each ``Use(n)``."""
    if isinstance(expression, Use):
        return values[expression.node]
    if isinstance(expression, dict):
        return {key: filled(part, values) for key, part in expression.items()}
    if isinstance(expression, (list, tuple)):
        return type(expression)(filled(part, values) for part in expression)
    return expression


# Values


class Value(float):
    """The value of a node: an amount or a condition, known by its mark; can be watched weakly."""

    mark: int


def value_of(node: Node, source: int, child: int | None, arguments: Any) -> Any:
    """What a node, or a child of it, makes of its arguments: a `Value`, or several."""
    about = source, child, marks(arguments)
    if node.shape == "list":
        return [_value(node, place, about) for place in range(3)]
    if node.shape == "dict":
        return {key: _value(node, key, about) for key in ("a", 0, 1)}
    return _value(node, None, about)


def _value(node: Node, place: Any, about: Any) -> Value:
    value = Value(node.number)
    value.mark = zlib.crc32(repr((place, about)).encode())
    return value


def values_in(made: Any) -> list[Value]:
    """The values that a node has made at once."""
    if isinstance(made, dict):
        return list(made.values())
    return made if isinstance(made, list) else [made]


def marks(value: Any) -> Any:
    """What tells one value from another, in the same shape."""
    if isinstance(value, Value):
        return value.mark
    if isinstance(value, dict):
        return {key: marks(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(marks(part) for part in value)
    if isinstance(value, Broken):
        return ("Broken", *value.args)
    if isinstance(value, BaseException):
        return (type(value).__name__,)
    return value


class Broken(Exception):
    """What a node raises on purpose: its number, that of the child, and that of the attempt."""


def failures_of(node: Node, child: int | None) -> int:
    """How many attempts of a node, or of one of its children, fail."""
    if child is None or node.children is None or node.lifetime is not None:
        return node.failures
    return node.failures if child in node.children.failing else 0


def is_for_ever(lifetime: float | None) -> bool:
    """Whether a value that is kept for so long is kept to the end."""
    return lifetime == math.inf
