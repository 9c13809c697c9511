"""Edges: why one node comes before another. For pictures and forecasts; runs don't need them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from cascade.graph.model import FromNode, FromTemplate
from cascade.spec.lazy import LazyResult

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
    """What the value is for, where that isn't plain: the resources whose amount it is."""


def edges_into(graph: Graph, node: int, numbers: dict[int, int]) -> list[Edge]:
    """Return why a node has to wait, each reason once: a node may be needed for two.

    Args:
        graph: the graph.
        node: the number of the node.
        numbers: the numbers of all nodes, by call; see `numbers_of`.
    """
    lazy = graph.nodes[node]
    policies = lazy.policies
    labels: dict[tuple[int, EdgeKind], list[str]] = {
        (numbers[other.call], EdgeKind.DATA): [] for other in lazy.dependencies
    }
    for resource, amount in policies.constraints:
        if isinstance(amount, LazyResult):
            labels.setdefault((numbers[amount.call], EdgeKind.DATA), []).append(resource)
    for condition in policies.conditions:
        if isinstance(condition, LazyResult):
            labels.setdefault((numbers[condition.call], EdgeKind.CONDITION), [])
    for other in graph.order_only.get(node, ()):
        labels[other, EdgeKind.ORDER] = []
    return [
        Edge(source, node, kind, ", ".join(resources))
        for (source, kind), resources in labels.items()
    ]


def numbers_of(graph: Graph) -> dict[int, int]:
    """Return the numbers of all nodes of a graph, by call."""
    return {lazy.call: number for number, lazy in enumerate(graph.nodes)}


def edges_of(graph: Graph) -> list[Edge]:
    """Return all edges of a graph, by the node that they lead to."""
    numbers = numbers_of(graph)
    return [edge for node in range(len(graph)) for edge in edges_into(graph, node, numbers)]


def goals_of(graph: Graph) -> tuple[int, ...]:
    """Return the nodes that were asked for, each once, in the order of the target."""
    result = graph.result
    if isinstance(result, FromTemplate):
        leaves = [leaf.node for leaf in result.leaves if isinstance(leaf, FromNode)]
        return tuple(dict.fromkeys(leaves))
    return (result.node,) if isinstance(result, FromNode) else ()
