"""What should come of a description, worked out in the plainest way.

Nothing in here knows how the library runs a graph: `evaluate` goes through the nodes again and
again, until nothing more can be said of any of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from tests.e2e.descriptions import (
    CALLS,
    CAPACITIES,
    INPUTS,
    Broken,
    Description,
    Node,
    Use,
    failures_of,
    filled,
    marks,
    uses,
    value_of,
)


@dataclass
class Failed:
    """The node fails, with any one of these (as `marks` has them)."""

    errors: list[Any]


class Skipped:
    """The node doesn't run, because of a condition."""


class Pruned:
    """The node doesn't run, because nobody wants its value."""


class Blocked:
    """The node can't begin, because something that it waits for fails."""


class Stuck:
    """The node can't begin: it waits for a choice that waits for it."""


@dataclass
class Evaluation:
    """What should come of a description, left to itself."""

    outcomes: dict[int, Any] = field(default_factory=dict)
    """For each node that the target needs, its value, or one of the five above."""
    chosen: dict[int, int] = field(default_factory=dict)
    """For each router that comes to a choice, the branch."""
    calls: dict[tuple[int, int | None], int] = field(default_factory=dict)
    """How often the function is called, for each node, or child of a node, that may run."""
    keys: dict[tuple[int, int | None], str] = field(default_factory=dict)
    """For those of them with a cache, what tells their calls from others."""

    def of(self, *kinds: type) -> set[int]:
        """The nodes that come to one of these ends."""
        return {node for node, outcome in self.outcomes.items() if isinstance(outcome, kinds)}


# Pure calls


def without_repeats(description: Description) -> Description:
    """The same, where equal calls of pure tasks are one: the first of them."""
    stand_ins: dict[int, Use] = {number: Use(number) for number in range(len(description.nodes))}
    nodes: list[Node] = list(description.nodes)
    known: list[tuple[Any, int]] = []
    for number in description.reachable:
        node = description.nodes[number]
        inputs = filled(node.inputs, stand_ins)
        if node.pure and node.kind in CALLS and node.children is None:
            about = (description.source(number), inputs, _said(node))
            same = [other for what, other in known if what == about]
            if same:
                stand_ins[number] = Use(same[0])
            else:
                known.append((about, number))
        nodes[number] = _with_stand_ins(replace(node, inputs=inputs), stand_ins)
    target = filled(description.target, stand_ins)
    return replace(description, nodes=tuple(nodes), target=target)


def _said(node: Node) -> Any:
    pauses = (node.delay, node.jitter) if node.attempts > 1 else None
    limits = (node.timeout, node.priority, node.lifetime)
    return (
        node.conditions,
        node.after,
        sorted(node.amounts, key=str),
        node.attempts,
        pauses,
        limits,
    )


def _with_stand_ins(node: Node, stand_ins: dict[int, Use]) -> Node:
    children = node.children
    if children is not None:
        children = replace(children, elements=filled(children.elements, stand_ins))
    return replace(
        node,
        conditions=filled(node.conditions, stand_ins),
        after=tuple(dict.fromkeys(stand_ins[other].node for other in node.after)),
        amounts=filled(node.amounts, stand_ins),
        branches=tuple(stand_ins[other].node for other in node.branches),
        children=children,
    )


# What comes of each node


def evaluate(description: Description) -> Evaluation:
    """Work out what should come of a description without repeats that isn't cancelled."""
    evaluation = Evaluation()
    outcomes, chosen = evaluation.outcomes, evaluation.chosen
    known = -1
    while len(outcomes) + len(chosen) > known:
        known = len(outcomes) + len(chosen)
        wanted = _wanted(description, evaluation, hoping=False)
        hoped = _wanted(description, evaluation, hoping=True)
        for number in description.reachable:
            if number in outcomes:
                continue
            if number not in hoped:
                outcomes[number] = Pruned()
            elif number in wanted:
                _settle(description, number, evaluation)
    left = Blocked if evaluation.of(Failed) else Stuck
    for number in description.reachable:
        outcomes.setdefault(number, left())
    return evaluation


def _wanted(description: Description, evaluation: Evaluation, hoping: bool) -> set[int]:
    """The nodes that are wanted as things stand; or hoping for whatever may still be chosen."""
    nodes = description.nodes
    branches = [branch for number in description.reachable for branch in nodes[number].branches]
    in_branches = _reached(branches, lambda number: {*nodes[number].needs, *nodes[number].branches})

    def wants(number: int) -> set[int]:
        node = nodes[number]
        wanted = {*node.needs, *(other for other in node.after if other not in in_branches)}
        if number in evaluation.chosen:
            wanted.add(evaluation.chosen[number])
        elif hoping and number not in evaluation.of(Skipped, Pruned):
            wanted.update(node.branches)
        return wanted

    return _reached(uses(description.target), wants)


def _reached(start: Iterable[int], edges: Callable[[int], set[int]]) -> set[int]:
    found: set[int] = set()
    left = list(start)
    while left:
        number = left.pop()
        if number not in found:
            found.add(number)
            left += edges(number)
    return found


def _settle(description: Description, number: int, evaluation: Evaluation) -> None:
    """Work out what comes of a node that is wanted, if all that it waits for is known."""
    node, outcomes = description.nodes[number], evaluation.outcomes
    if any(other not in outcomes for other in (*node.needs, *node.after)):
        return
    awaited = [outcomes[other] for other in (*node.needs, *node.after)]
    if any(isinstance(outcome, (Failed, Blocked)) for outcome in awaited):
        outcomes[number] = Blocked()
    elif any(isinstance(outcomes[other], Skipped) for other in node.needs) or not all(
        filled(node.conditions, outcomes)
    ):
        outcomes[number] = Skipped()
    elif node.kind == "router":
        _choose(node, number, evaluation)
    elif node.kind in INPUTS:
        outcomes[number] = node.number
    else:
        outcomes[number] = _called(description, number, evaluation)


def _choose(node: Node, number: int, evaluation: Evaluation) -> None:
    outcomes = evaluation.outcomes
    key = filled(node.inputs[0], outcomes)
    places = [place for place in range(len(node.branches)) if place == key]
    if not places:
        outcomes[number] = Failed([("UnknownRouteError",)])
        return
    branch = evaluation.chosen[number] = node.branches[places[0]]
    if branch in outcomes:
        outcome = outcomes[branch]
        outcomes[number] = Blocked() if isinstance(outcome, (Failed, Blocked)) else outcome


def _called(description: Description, number: int, evaluation: Evaluation) -> Any:
    node = description.nodes[number]
    arguments = filled(node.inputs, evaluation.outcomes)
    if node.children is None:
        ended = _attempted(description, number, None, arguments, evaluation)
        return Failed([marks(ended.error)]) if isinstance(ended, _Raised) else ended
    elements = node.children.elements
    made = range(elements) if isinstance(elements, int) else filled(elements, evaluation.outcomes)
    each = [
        _attempted(description, number, child, (element, arguments), evaluation)
        for child, element in enumerate(made)
    ]
    errors = [marks(ended.error) for ended in each if isinstance(ended, _Raised)]
    if errors and not node.children.collects_errors:
        return Failed(errors)
    return [ended.error if isinstance(ended, _Raised) else ended for ended in each]


@dataclass
class _Raised:
    """An exception that isn't a value."""

    error: Exception


def _attempted(
    description: Description,
    number: int,
    child: int | None,
    arguments: Any,
    evaluation: Evaluation,
) -> Any:
    node, place = description.nodes[number], (number, child)
    evaluation.calls[place] = 0
    if node.lifetime is not None:
        evaluation.keys[place] = repr((description.source(number), marks(arguments)))
    amounts = {name: filled(amount, evaluation.outcomes) for name, amount in node.amounts}
    if any(amount > CAPACITIES[name] for name, amount in amounts.items()):
        return _Raised(InfeasibleRequestError())
    if node.kind == "item":
        return _item(*arguments)
    # Equal calls with a cache share a value: it doesn't depend on which child it is.
    which, source = (child if node.lifetime is None else None), description.source(number)
    failures = failures_of(node, child)
    if node.kind == "process":  # nobody counts the calls there, nor knows whose they are
        if failures >= node.attempts:
            return _Raised(Broken(source, which, node.attempts))
        return value_of(node, source, which, arguments)
    evaluation.calls[place] = min(failures + 1, node.attempts)
    if node.kind == "suspending" and node.timeout is not None and node.seconds > node.timeout:
        evaluation.calls[place] = node.attempts
        return _Raised(TimeoutError())
    if failures >= node.attempts:
        return _Raised(Broken(number, child, node.attempts))
    return value_of(node, source, which, arguments)


def _item(container: Any, key: Any) -> Any:
    try:
        return container[key]
    except Exception as error:
        return _Raised(error)


class InfeasibleRequestError(Exception):
    """Stands for the library's error of this name."""
