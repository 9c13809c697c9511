"""Choices: what the routers of a run have chosen, and what is still to be hoped for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from cascade.errors import GraphError, UnknownRouteError
from cascade.runtime.run import PENDING
from cascade.spec.checks import shown

if TYPE_CHECKING:
    from cascade.graph.model import Graph
    from cascade.graph.routes import Routes
    from cascade.spec.routing import Router


class Choices:
    """The routers of one run.

    Args:
        routes: what hangs on them.
    """

    __slots__ = ("_hopes", "chosen", "routes")

    def __init__(self, routes: Routes) -> None:
        self.routes = routes
        """What hangs on the routers."""
        self.chosen: dict[int, int] = {}
        """For each router that has chosen, the branch."""
        self._hopes = dict(routes.hopes)

    def want(self, node: int, missing: list[int]) -> list[int]:
        """A node is wanted, and with it what it wants; return those that can start.

        Args:
            node: its number.
            missing: for each node, for how much it still waits.
        """
        ready = []
        stack = [node]
        while stack:
            wanted = stack.pop()
            if self._hopes.pop(wanted, None) is None:
                continue
            missing[wanted] -= 1
            if not missing[wanted]:
                ready.append(wanted)
            stack.extend(self.routes.demands[wanted])
        return ready

    def give_up(self, node: int) -> Iterator[int]:
        """Somebody doesn't want a node after all; yield those that nobody wants any more."""
        stack = [node]
        while stack:
            given_up = stack.pop()
            left = self._hopes.get(given_up)
            if left is None:
                continue
            if left > 1:
                self._hopes[given_up] = left - 1
                continue
            del self._hopes[given_up]
            yield given_up
            stack.extend(self.routes.demands[given_up])
            stack.extend(self.routes.branches.get(given_up, ()))

    def check_decided(self, graph: Graph, states: Sequence[int]) -> None:
        """Check, when nothing is left to be run, that no choice waits for who waits for it.

        Args:
            graph: the graph of the run.
            states: the state of each node.

        Raises:
            GraphError: one does; it names who comes after what.
        """
        for node, others in graph.order_only.items():
            if states[node] == PENDING and node not in self._hopes:
                for other in [other for other in others if other in self._hopes]:
                    name, branch = graph.nodes[node].name, graph.nodes[other].name
                    raise GraphError(
                        f"{name!r} is to come after {branch!r}, which belongs to a branch of a "
                        f"router and isn't chosen before {name!r} has ended"
                    )


def branch_of(router: Router[Any], key: Any) -> int:
    """Return the place of the branch that has a key.

    Raises:
        UnknownRouteError: there is none; it names those that there are.
    """
    places: dict[Any, int] = dict(zip(router.keys, range(len(router.keys)), strict=True))
    try:
        return places[key]
    except (KeyError, TypeError):  # a TypeError: what can't be a key
        keys = ", ".join(map(repr, router.keys))
        raise UnknownRouteError(
            f"{router!r} was to choose {shown(key)}, which isn't one of its keys: {keys}"
        ) from None
