"""Graphs described as plain data, and what should come of them, worked out in the plainest way.

Nothing in here knows how the library runs a graph: `evaluate` goes through the nodes one by one.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from typing import Any, TypeAlias

Expression: TypeAlias = Any
"""An argument: a `Use`, a whole number, or a list, tuple or dict of expressions."""

CAPACITIES = {"slot": 2, "memory": 3}
"""How much there is of what nodes may take."""


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
    """The children that have the failures of the node; the others have none."""
    window: int | None
    collects_errors: bool


@dataclass(frozen=True, repr=False)
class Node:
    """One call of a task, and everything that is said about it."""

    kind: str
    """"inline", "async" (never suspends), "suspending" or "thread"."""
    inputs: tuple[Expression, ...] = ()
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
        """The nodes whose values it needs."""
        amounts = [amount for _, amount in self.amounts]
        expressions = [*self.inputs, *self.conditions, *amounts]
        if self.children is not None:
            expressions.append(self.children.elements)
        return set(uses(expressions))


@dataclass(frozen=True)
class Description:
    """A graph, what is asked of it, and how it is run."""

    nodes: tuple[Node, ...]
    target: Expression
    as_machine: bool = False
    keeps_state: bool = False
    cancelled_at: float | None = None

    @property
    def reachable(self) -> list[int]:
        """The nodes that the target needs, in the order of their declaration."""
        found: set[int] = set()
        left = list(uses(self.target))
        while left:
            number = left.pop()
            if number not in found:
                found.add(number)
                left += [*self.nodes[number].needs, *self.nodes[number].after]
        return sorted(found)


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


def value_of(node: Node, number: int, child: int | None, arguments: Any) -> Value:
    """What a node, or a child of it, makes of its arguments."""
    value = Value(node.number)
    value.mark = zlib.crc32(repr((number, child, marks(arguments))).encode())
    return value


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


# What should come of it


@dataclass
class Failed:
    """The node fails, with any one of these (as `marks` has them)."""

    errors: list[Any]


class Skipped:
    """The node doesn't run, because of a condition."""


class Blocked:
    """The node can't begin, because something that it waits for fails."""


@dataclass
class Evaluation:
    """What should come of a description, left to itself."""

    outcomes: dict[int, Any] = field(default_factory=dict)
    """For each node that the target needs, its value, or one of the three above."""
    calls: dict[tuple[int, int | None], int] = field(default_factory=dict)
    """How often the function is called, for each node, or child of a node, that may run."""

    def of(self, kind: type) -> set[int]:
        """The nodes that come to this end."""
        return {node for node, outcome in self.outcomes.items() if isinstance(outcome, kind)}


def evaluate(description: Description) -> Evaluation:
    """Work out what should come of a description that isn't cancelled."""
    evaluation = Evaluation()
    for number in description.reachable:
        outcome = _outcome(description.nodes[number], number, evaluation)
        evaluation.outcomes[number] = outcome
    return evaluation


def _outcome(node: Node, number: int, evaluation: Evaluation) -> Any:
    outcomes = evaluation.outcomes
    awaited = [outcomes[other] for other in (*node.needs, *node.after)]
    if any(isinstance(outcome, (Failed, Blocked)) for outcome in awaited):
        return Blocked()
    if any(isinstance(outcomes[other], Skipped) for other in node.needs):
        return Skipped()
    if not all(filled(node.conditions, outcomes)):
        return Skipped()
    arguments = filled(node.inputs, outcomes)
    if node.children is None:
        ended = _attempted(node, number, None, arguments, evaluation)
        return Failed([marks(ended)]) if isinstance(ended, Exception) else ended
    elements = node.children.elements
    made = range(elements) if isinstance(elements, int) else filled(elements, outcomes)
    each = [
        _attempted(node, number, child, (element, arguments), evaluation)
        for child, element in enumerate(made)
    ]
    errors = [marks(ended) for ended in each if isinstance(ended, Exception)]
    return Failed(errors) if errors and not node.children.collects_errors else each


def _attempted(
    node: Node, number: int, child: int | None, arguments: Any, evaluation: Evaluation
) -> Value | Exception:
    evaluation.calls[number, child] = 0
    amounts = {name: filled(amount, evaluation.outcomes) for name, amount in node.amounts}
    if any(amount > CAPACITIES[name] for name, amount in amounts.items()):
        return InfeasibleRequestError()
    failures = failures_of(node, child)
    evaluation.calls[number, child] = min(failures + 1, node.attempts)
    if node.kind == "suspending" and node.timeout is not None and node.seconds > node.timeout:
        evaluation.calls[number, child] = node.attempts
        return TimeoutError()
    if failures >= node.attempts:
        return Broken(number, child, node.attempts)
    return value_of(node, number, child, arguments)


def failures_of(node: Node, child: int | None) -> int:
    """How many attempts of a node, or of one of its children, fail."""
    if child is None or (node.children is not None and child in node.children.failing):
        return node.failures
    return 0


class InfeasibleRequestError(Exception):
    """Stands for the library's error of this name."""
