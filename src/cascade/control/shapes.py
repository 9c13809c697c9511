"""The shape of a run: its nodes and edges, which never change."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cascade.graph.edges import edges_into, numbers_of
from cascade.graph.words import said_about, shortened
from cascade.spec.routing import Router

if TYPE_CHECKING:
    from cascade.graph.model import Graph
    from cascade.runtime.run import Run
    from cascade.spec.lazy import LazyResult

MOST_NODES = 2_000
"""Nodes that are told of at most, the first ones of the graph."""
MOST_EDGES = 6_000
"""Edges between them that are told of at most."""


def graph_of(run: Run) -> Graph | None:
    """Return the graph of a run; None for a machine, which is one node and has none."""
    plan = getattr(run, "plan", None)
    graph: Graph | None = None if plan is None else plan.graph
    return graph


def shape_of(run: Run) -> dict[str, Any]:
    """Return the nodes and edges of a run as plain data, and how many of them are left out."""
    graph = graph_of(run)
    size = len(run.states)
    shown = min(size, MOST_NODES)
    edges, edges_left_out = ([], 0) if graph is None else _edges(graph, shown)
    return {
        "nodes": [
            {
                "id": run.node_id(node),
                "name": shortened(run.name_of(node)),
                "kind": _kind(run.lazy_of(node)),
                "said": list(said_about(run.lazy_of(node))),
            }
            for node in range(shown)
        ],
        "edges": edges,
        "left_out": {"nodes": size - shown, "edges": edges_left_out},
    }


def _edges(graph: Graph, shown: int) -> tuple[list[dict[str, Any]], int]:
    """Return the edges between the first nodes of a graph, and how many of these are left out."""
    numbers = numbers_of(graph)
    found: list[dict[str, Any]] = []
    left_out = 0
    for node in range(shown):
        for edge in edges_into(graph, node, numbers):
            # What a node needs comes before it, and so is shown as well.
            if len(found) < MOST_EDGES:
                found.append(
                    {
                        "source": edge.source,
                        "target": edge.target,
                        "kind": edge.kind.value,
                        "label": shortened(edge.label) if edge.label else "",
                    }
                )
            else:
                left_out += 1
    return found, left_out


def _kind(lazy: LazyResult[Any]) -> str:
    if lazy.policies.mapped is not None:
        return "map"
    if lazy.is_call:
        return "task"
    return "router" if isinstance(lazy, Router) else "input"
