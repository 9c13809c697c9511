"""Routes: which nodes of a graph are wanted in any case, and which only if a router chooses them.

A node is wanted if it is a goal, or if a wanted node needs its value; a router wants its selector,
and of its branches only the one that it chooses. So a node that can be reached by way of branches
alone waits until it is wanted. It is given up ("pruned") when its last hope is gone: when nobody
is left who might still want it.

An order-only edge (`after`) wants what it leads to, unless that belongs to a branch: then the
choice decides, and whoever comes after it is content with a skip.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence


class Routes:
    """The routers of a graph, and what hangs on them. Immutable by convention.

    Args:
        branches: for each router its branches, in the order of its keys.
        needs: for each node the nodes whose values it needs; of a router only the selector.
        order_only: for some nodes those that must have ended before.
        goals: what is wanted in any case.
    """

    __slots__ = ("branches", "demands", "hopes")

    def __init__(
        self,
        branches: dict[int, tuple[int, ...]],
        needs: Sequence[tuple[int, ...]],
        order_only: dict[int, tuple[int, ...]],
        goals: Iterable[int],
    ) -> None:
        self.branches = branches
        """For each router its branches, in the order of its keys."""
        inside = _reach([node for each in branches.values() for node in each], needs, branches)

        def demands(node: int) -> tuple[int, ...]:
            others = order_only.get(node)
            if not others:
                return needs[node]
            return (*needs[node], *[other for other in others if other not in inside])

        self.demands = [demands(node) for node in range(len(needs))]
        """For each node, those that are wanted when it is; without the branches of routers."""
        wanted = _reach(goals, self.demands, {})
        self.hopes: dict[int, int] = {}
        """For each node that isn't wanted in any case, by how many others it may come to be."""
        for node, others in enumerate(self.demands):
            for other in (*others, *branches.get(node, ())):
                if other not in wanted:
                    self.hopes[other] = self.hopes.get(other, 0) + 1


def _reach(
    start: Iterable[int], edges: Sequence[tuple[int, ...]], more: dict[int, tuple[int, ...]]
) -> set[int]:
    """Return all nodes that can be reached, the first ones included."""
    found: set[int] = set()
    stack = list(start)
    while stack:
        node = stack.pop()
        if node not in found:
            found.add(node)
            stack.extend(edges[node])
            stack.extend(more.get(node, ()))
    return found
