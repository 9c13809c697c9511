"""Graph and Plan: the declaration as arrays. Nodes are numbers; everything else is looked up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import TYPE_CHECKING, Any, TypeAlias

from cascade.spec.lazy import LazyResult
from cascade.spec.template import Template

if TYPE_CHECKING:
    from cascade.graph.routes import Routes
    from cascade.spec.inputs import Input


@dataclass(slots=True)
class FromNode:
    """An argument that is the value of a node."""

    node: int
    """Its number."""


@dataclass(slots=True)
class FromResource:
    """An argument that is an injected resource."""

    name: str
    """Its name."""


@dataclass(slots=True)
class FromTemplate:
    """An argument that is a container with values of nodes or resources somewhere in it."""

    template: Template
    """The frozen container."""
    leaves: tuple[FromNode | FromResource, ...]
    """What goes in the places of its leaves."""


Source = FromNode | FromResource | FromTemplate


@dataclass(slots=True)
class Recipe:
    """How the arguments of a node are made of what was declared and what was computed."""

    positional: tuple[tuple[int, Source], ...]
    """The positions that are to be filled in."""
    named: tuple[tuple[str, Source], ...]
    """The keyword arguments that are to be filled in."""


AnyRecipe: TypeAlias = "int | itemgetter[Any] | Recipe | None"
"""How the arguments of a node are made: None when they are all known, the number of a node when
its value is the only argument, a getter when all arguments are values, a `Recipe` otherwise."""


_NO_INPUTS: Mapping[int, Any] = {}


class Graph:
    """The nodes that a target needs, in an order in which none comes before what it needs.

    Immutable by convention, and shareable: whatever changes during a run lives in the run.
    """

    __slots__ = (
        "_successors",
        "consumers",
        "inputs",
        "needs",
        "nodes",
        "numbers",
        "order_only",
        "plain",
        "recipes",
        "result",
        "routes",
    )

    def __init__(
        self,
        nodes: Sequence[LazyResult[Any]],
        needs: list[tuple[int, ...]],
        order_only: dict[int, tuple[int, ...]],
        recipes: list[AnyRecipe],
        consumers: list[int],
        result: Source,
        numbers: dict[int, int] | None,
    ) -> None:
        self.nodes = nodes
        """The lazy results, by number."""
        self.needs = needs
        """For each node, the nodes whose values it needs (arguments, conditions, amounts)."""
        self.order_only = order_only
        """The nodes that must have ended before some node, though it doesn't need their values."""
        self.recipes = recipes
        """For each node, how its arguments are made; see `AnyRecipe`."""
        self.consumers = consumers
        """For each node, how many need its value (the result of the run counts as one)."""
        self.result = result
        """How the result of the run is made."""
        self.numbers = numbers
        """The numbers of the nodes, by call; None if no node has policies that look for one."""
        self.plain = numbers is None
        """Whether all nodes are calls, without policies or injected resources."""
        self.inputs: Mapping[int, Input[Any]] = _NO_INPUTS
        """The nodes that are known when a run starts."""
        self.routes: Routes | None = None
        """What hangs on the choices of routers, if there are any."""

        self._successors: list[list[int]] | None = None

    def __len__(self) -> int:
        return len(self.nodes)

    @property
    def successors(self) -> list[list[int]]:
        """For each node, the nodes that can't start before it has ended.

        Made when first asked for: what runs in order doesn't need them.
        """
        if self._successors is None:
            successors: list[list[int]] = [[] for _ in self.nodes]
            for node, wanted in enumerate(self.needs):
                for other in wanted:
                    successors[other].append(node)
                for other in self.order_only.get(node, ()):
                    successors[other].append(node)
            self._successors = successors
        return self._successors

    @property
    def in_degrees(self) -> list[int]:
        """For each node, how many nodes must have ended before it can start; a fresh list."""
        degrees = list(map(len, self.needs))
        for node, others in self.order_only.items():
            degrees[node] += len(others)
        return degrees

    def number_of(self, lazy: LazyResult[Any]) -> int:
        """Return the number of a lazy result that is needed by the policies of a node."""
        assert self.numbers is not None
        return self.numbers[lazy.call]

    def id_of(self, node: int) -> str:
        """Return the id of a node, as events have it: the same whenever the graph is the same."""
        return id_of(self.nodes[node], node)

    def describe(self, node: int) -> str:
        """Name a node and its place in the graph, for error messages."""
        lazy = self.nodes[node]
        place = f"task {lazy.name!r} (node {node + 1} of {len(self.nodes)}"
        sources = [self.nodes[other].name for other in self.needs[node][:4]]
        if not sources:
            return place + ")"
        more = ", …" if len(self.needs[node]) > len(sources) else ""
        return f"{place}, which needs {', '.join(map(repr, sources))}{more})"


def id_of(lazy: LazyResult[Any], node: int) -> str:
    """Return the id of a call that is a node of a graph."""
    return f"{lazy.task.name}#{node}"


class Plan:
    """A graph with the order in which its nodes are looked at, and a rank for scarce slots."""

    __slots__ = ("_drops", "_rank", "graph", "order")

    def __init__(
        self, graph: Graph, order: Sequence[int], rank: Sequence[int] | None = None
    ) -> None:
        self.graph = graph
        """The graph that is planned."""
        self.order = order
        """All nodes; none comes before what it needs."""
        self._rank = rank
        self._drops: list[tuple[int, ...]] | None = None

    @property
    def rank(self) -> Sequence[int]:
        """For each node, how many nodes the longest way from it to the end has, itself included.

        Made when first asked for: it only matters when slots are scarce.
        """
        if self._rank is None:
            rank = [1] * len(self.graph)
            successors = self.graph.successors
            for node in reversed(self.order):
                if successors[node]:
                    rank[node] = 1 + max([rank[other] for other in successors[node]])
            self._rank = rank
        return self._rank

    @property
    def drops(self) -> list[tuple[int, ...]]:
        """For each place in the order, the nodes whose values nobody needs after it."""
        if self._drops is None:
            graph = self.graph
            left = list(graph.consumers)
            drops: list[tuple[int, ...]] = []
            for node in self.order:
                gone = [] if left[node] else [node]
                for other in graph.needs[node]:
                    left[other] -= 1
                    if not left[other]:
                        gone.append(other)
                drops.append(tuple(gone))
            self._drops = drops
        return self._drops


def make(source: Source, values: Sequence[Any], resources: Mapping[str, Any] | None) -> Any:
    """Make one argument, or the result of a run, out of the values of nodes and the resources."""
    if type(source) is FromNode:
        return values[source.node]
    if type(source) is FromTemplate:
        return source.template.fill([make(leaf, values, resources) for leaf in source.leaves])
    assert type(source) is FromResource
    assert resources is not None
    return resources[source.name]
