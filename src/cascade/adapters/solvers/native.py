"""NativeSolver: the order in which the calls were declared, which is always topological."""

from __future__ import annotations

from cascade.graph.model import Graph, Plan


class NativeSolver:
    """Takes nodes in the order of their declaration; ranks them by the longest way to the end."""

    __slots__ = ()

    def resolve(self, graph: Graph) -> Plan:
        """Return a plan for `graph`."""
        return Plan(graph, range(len(graph)))
