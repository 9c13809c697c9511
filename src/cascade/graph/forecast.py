"""DryRun: what a run would do, as plain data, and as a tree to read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from cascade.graph.edges import Edge, EdgeKind, edges_into, goals_of, longest_way, numbers_of
from cascade.graph.model import Plan
from cascade.graph.words import needs_in_words, policies_in_words, shortened
from cascade.spec.lazy import LazyResult
from cascade.spec.policies import NO_POLICIES

MOST_LINES = 200
"""How many lines of a tree are shown at most."""
MOST_LEVELS = 30
"""How deep a tree is shown at most."""
MOST_BRANCHES = 20
"""How many of the nodes that one needs are shown at most."""
_MOST_NAMES = 6

_WORDS = {EdgeKind.CONDITION: "if ", EdgeKind.ORDER: "after ", EdgeKind.ROUTE: "route "}
_NOTHING: Mapping[str, float | None] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class PlannedNode:
    """One call of a workflow, as a run would make it; or an input, or a router."""

    number: int
    """Its number in the graph."""
    name: str
    """Its name: that of the task, or what `.named()` said."""
    id: str
    """Its id, as events have it."""
    mode: str
    """Where it runs: "async", "thread" or "inline"."""
    is_call: bool
    """Whether a task is called; False for inputs and routers."""
    is_map: bool
    """Whether it stands for a call for each element of iterables."""
    needs: Mapping[str, float | None]
    """What it takes while it runs (each child, if it is a map), by resource; None for an amount
    that is computed up-stream."""
    policies: tuple[str, ...]
    """What else was said about it, in words, such as ("3 attempts", "5 s")."""
    dependencies: tuple[Edge, ...]
    """What comes before it, and why; `Edge.source` is a number."""
    words: tuple[str, ...]
    """Needs and policies in words."""

    def __str__(self) -> str:
        said = "  " + " · ".join(self.words) if self.words else ""
        return f"{shortened(self.name)} #{self.number}{said}"


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that would stop a run, or that is probably not meant."""

    subject: str
    """What it is about: the name of a resource, of an injection, or of inputs."""
    reason: str
    """What is wrong, in words."""
    tasks: tuple[str, ...]
    """The ids of those that are concerned, if any are."""

    def __str__(self) -> str:
        return f"{self.reason} ({_some(self.tasks)})" if self.tasks else self.reason


def _some(names: tuple[str, ...]) -> str:
    more = len(names) - _MOST_NAMES
    shown = ", ".join(map(shortened, names[:_MOST_NAMES]))
    return f"{shown} and {more:,} more" if more > 0 else shown


@dataclass(frozen=True, slots=True, repr=False)
class DryRun:
    """What a run would do. As text, a tree from what was asked for down to what it needs."""

    nodes: tuple[PlannedNode, ...]
    """All nodes, in the order in which they are looked at: none comes before what it needs."""
    goals: tuple[PlannedNode, ...]
    """What was asked for."""
    critical_path: tuple[PlannedNode, ...]
    """The longest way through the graph, by the number of nodes; the first of equal ones."""
    problems: tuple[Problem, ...]
    """What can't be satisfied as limits are now."""
    warnings: tuple[Problem, ...]
    """What would run, and is probably not meant."""

    def __str__(self) -> str:
        return "\n".join(
            [
                self._summary(),
                *_tree(self),
                *[f"problem: {problem}" for problem in self.problems],
                *[f"warning: {warning}" for warning in self.warnings],
            ]
        )

    def __repr__(self) -> str:
        return f"<DryRun of {len(self.nodes):,} nodes, {len(self.problems)} problems>"

    def _summary(self) -> str:
        count, path = len(self.nodes), self.critical_path
        if not count:
            return "0 nodes"
        names = [shortened(node.name) for node in path]
        if len(names) > _MOST_NAMES:
            half = _MOST_NAMES // 2
            left_out = f"… {len(names) - 2 * half:,} more …"
            names = [*names[:half], left_out, *names[-half:]]
        return (
            f"{count:,} node{'' if count == 1 else 's'}, "
            f"the longest way has {len(path):,}: {' → '.join(names)}"
        )


def forecast(
    plan: Plan, problems: tuple[Problem, ...] = (), warnings: tuple[Problem, ...] = ()
) -> DryRun:
    """Return what a run of a plan would do."""
    graph, numbers = plan.graph, numbers_of(plan.graph)
    nodes = [_planned(plan, node, numbers) for node in range(len(graph))]
    return DryRun(
        nodes=tuple([nodes[node] for node in plan.order]),
        goals=tuple([nodes[node] for node in goals_of(graph)]),
        critical_path=tuple([nodes[node] for node in longest_way(graph)]),
        problems=problems,
        warnings=warnings,
    )


def _planned(plan: Plan, node: int, numbers: dict[int, int]) -> PlannedNode:
    lazy = plan.graph.nodes[node]
    constraints, needs, policies = lazy.policies.constraints, _NOTHING, policies_in_words(lazy)
    if constraints:
        needs = MappingProxyType(
            {
                resource: None if isinstance(amount, LazyResult) else float(amount)
                for resource, amount in constraints
            }
        )
    return PlannedNode(
        number=node,
        name=lazy.name,
        id=plan.graph.id_of(node),
        mode=lazy.task.mode,
        is_call=lazy.is_call,
        is_map=lazy.policies is not NO_POLICIES and lazy.policies.mapped is not None,
        needs=needs,
        policies=policies,
        dependencies=tuple(edges_into(plan.graph, node, numbers)),
        words=(*needs_in_words(lazy), *policies),
    )


# The tree


def _reason(edge: Edge) -> str:
    return f"{shortened(edge.label)} = " if edge.label else _WORDS.get(edge.kind, "")


def _tree(run: DryRun) -> list[str]:
    """Return the lines of the tree. A node that was shown is referred to, not shown again."""
    nodes = {node.number: node for node in run.nodes}
    lines: list[str] = []
    shown: set[int] = set()
    # Entries: (what stands before the node's own line, before those below it, words, node, level);
    # one without a node is a note.
    stack: list[tuple[str, str, str, PlannedNode | None, int]] = [
        ("", "", "", goal, 1) for goal in reversed(run.goals)
    ]
    while stack and len(lines) < MOST_LINES:
        lead, below, words, node, level = stack.pop()
        if node is None:
            lines.append(f"{lead}{words}")
            continue
        if node.number in shown:
            lines.append(f"{lead}{words}{shortened(node.name)} #{node.number} (above)")
            continue
        shown.add(node.number)
        lines.append(f"{lead}{words}{node}")
        edges = node.dependencies
        if level == MOST_LEVELS and edges:
            lines.append(f"{below}└─ …")
            continue
        branches: list[tuple[str, PlannedNode | None]] = [
            (_reason(edge), nodes[edge.source]) for edge in edges[:MOST_BRANCHES]
        ]
        if len(edges) > MOST_BRANCHES:
            branches.append((f"… {len(edges) - MOST_BRANCHES:,} more", None))
        last = len(branches) - 1
        for place in range(last, -1, -1):
            word, branch = branches[place]
            own, further = ("└─ ", "   ") if place == last else ("├─ ", "│  ")
            stack.append((below + own, below + further, word, branch, level + 1))
    if len(shown) < len(nodes):
        lines.append(f"… {len(nodes) - len(shown):,} of {len(nodes):,} nodes aren't shown")
    return lines
