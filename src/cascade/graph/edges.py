"""Edges: why one node comes before another. For pictures and forecasts; runs don't need them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from cascade.graph.model import FromNode, FromTemplate
from cascade.spec.checks import shown
from cascade.spec.lazy import LazyResult
from cascade.spec.routing import Router

if TYPE_CHECKING:
    from cascade.graph.model import Graph


class EdgeKind(Enum):
    """Why a node comes after another one."""

    DATA = "data"
    """It needs the value: as an argument, or as the amount of a resource."""
    CONDITION = "condition"
    """The value decides whether it runs, as in ``run_if``."""
    ORDER = "order"
    """It only has to wait for the end, as in ``after``."""
    ROUTE = "route"
    """The value decides which branch it gets its argument from, as the selector of a router."""


@dataclass(frozen=True, slots=True)
class Edge:
    """One node comes before another."""

    source: int
    """The number of the node that comes first."""
    target: int
    """The number of the node that comes after it."""
    kind: EdgeKind
    """Why."""
    label: str = ""
    """What the value is for, where that isn't plain: the resources whose amount it is, or the keys
    of the branch that it is."""


def edges_into(graph: Graph, node: int, numbers: dict[int, int]) -> list[Edge]:
    """Return why a node has to wait, each reason once: a node may be needed for two.

    Args:
        graph: the graph.
        node: the number of the node.
        numbers: the numbers of all nodes, by call; see `numbers_of`.
    """
    lazy = graph.nodes[node]
    policies = lazy.policies
    labels: dict[tuple[int, EdgeKind], list[str]] = {}
    if isinstance(lazy, Router):
        if isinstance(lazy.selector, LazyResult):
            labels[numbers[lazy.selector.call], EdgeKind.ROUTE] = []
        for key, branch in zip(lazy.keys, lazy.branches, strict=True):
            labels.setdefault((numbers[branch.call], EdgeKind.DATA), []).append(shown(key))
    else:
        for other in lazy.dependencies:
            labels[numbers[other.call], EdgeKind.DATA] = []
    for resource, amount in policies.constraints:
        if isinstance(amount, LazyResult):
            labels.setdefault((numbers[amount.call], EdgeKind.DATA), []).append(resource)
    for condition in policies.conditions:
        if isinstance(condition, LazyResult):
            labels.setdefault((numbers[condition.call], EdgeKind.CONDITION), [])
    for number in graph.order_only.get(node, ()):
        labels[number, EdgeKind.ORDER] = []
    return [Edge(source, node, kind, ", ".join(words)) for (source, kind), words in labels.items()]


def numbers_of(graph: Graph) -> dict[int, int]:
    """Return the numbers of all nodes of a graph, by call."""
    return {lazy.call: number for number, lazy in enumerate(graph.nodes)}


def edges_of(graph: Graph) -> list[Edge]:
    """Return all edges of a graph, by the node that they lead to."""
    numbers = numbers_of(graph)
    return [edge for node in range(len(graph)) for edge in edges_into(graph, node, numbers)]


def longest_way(graph: Graph) -> list[int]:
    """Return the longest way through a graph, by the number of nodes; the first of equal ones."""
    numbers = numbers_of(graph)
    lengths: list[int] = []
    before: list[int | None] = []
    for node in range(len(graph)):
        sources = sorted([edge.source for edge in edges_into(graph, node, numbers)])
        longest = max(sources, key=lengths.__getitem__, default=None)
        before.append(longest)
        lengths.append(1 if longest is None else 1 + lengths[longest])
    way: list[int] = []
    last = max(range(len(graph)), key=lengths.__getitem__, default=None)
    while last is not None:
        way.append(last)
        last = before[last]
    return way[::-1]


def goals_of(graph: Graph) -> tuple[int, ...]:
    """Return the nodes that were asked for, each once, in the order of the target."""
    result = graph.result
    if isinstance(result, FromTemplate):
        leaves = [leaf.node for leaf in result.leaves if isinstance(leaf, FromNode)]
        return tuple(dict.fromkeys(leaves))
    return (result.node,) if isinstance(result, FromNode) else ()
