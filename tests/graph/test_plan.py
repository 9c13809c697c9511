"""Plans: for any graph, order, counters and drop lists agree with a plain calculation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.long_form import tries

import cascade as cs
from cascade import ports
from cascade.adapters.solvers.native import NativeSolver
from cascade.graph.build import build
from cascade.graph.model import Graph, Plan, Recipe, make

LENGTH = tries(20_000, 100_000)


@cs.task(mode="inline")
def collect(*args: Any, **kwargs: Any) -> Any:
    return args, kwargs


@dataclass
class Node:
    """One call, as it was drawn."""

    direct: list[int]
    nested: list[int]
    conditions: list[int]
    amounts: list[int]
    after: list[int]
    name: bool
    declared: cs.LazyResult[Any] = field(init=False)

    @property
    def needs(self) -> set[int]:
        return {*self.direct, *self.nested, *self.conditions, *self.amounts}

    @property
    def before(self) -> set[int]:
        return self.needs | set(self.after)


@dataclass
class Case:
    """A target, and what was drawn to make it."""

    nodes: list[Node]
    goals: list[int]
    target: Any

    def reachable(self) -> set[int]:
        found: set[int] = set()
        stack = list(self.goals)
        while stack:
            node = stack.pop()
            if node not in found:
                found.add(node)
                stack += self.nodes[node].before
        return found


@st.composite
def cases(draw: st.DrawFn, twins: bool) -> Case:
    """A random graph; with `twins`, calls are also referred to by variants of equal value."""
    nodes: list[Node] = []

    def say(node: Node, call: cs.LazyResult[Any]) -> cs.LazyResult[Any]:
        lazy = call
        for other in node.conditions:
            lazy = lazy.run_if(nodes[other].declared)
        for other in node.amounts:
            lazy = lazy.with_constraints(**{f"r{other}": nodes[other].declared})
        if node.after:
            lazy = lazy.after(*(nodes[other].declared for other in node.after))
        return lazy.named("named") if node.name else lazy

    def refer(number: int) -> cs.LazyResult[Any]:
        declared = nodes[number].declared
        if twins and draw(st.booleans()):
            # What the chain methods add to a variant with nothing said is nothing.
            return declared.after()
        return declared

    for number in range(draw(st.integers(1, 8))):
        few = st.lists(st.integers(0, number - 1), max_size=2) if number else st.just([])
        direct, nested, conditions, amounts, after = (draw(few) for _ in range(5))
        node = Node(direct, nested, conditions, amounts, after, name=draw(st.booleans()))
        keywords = {"deep": [{"nested": tuple(map(refer, node.nested))}]} if node.nested else {}
        call = collect(*map(refer, node.direct), **keywords)
        node.declared = say(node, call)
        nodes.append(node)
    goals = draw(st.lists(st.integers(0, len(nodes) - 1), min_size=1, max_size=3))
    if len(goals) == 1 and draw(st.booleans()):
        return Case(nodes, goals, refer(goals[0]))
    return Case(nodes, goals, {"all": [refer(goal) for goal in goals]})


def numbering(case: Case, graph: Graph) -> dict[int, int]:
    """The place of each drawn node in the graph."""
    places = {lazy.call: place for place, lazy in enumerate(graph.nodes)}
    return {
        number: places[node.declared.call]
        for number, node in enumerate(case.nodes)
        if node.declared.call in places
    }


def check(case: Case) -> None:
    graph = build(case.target)
    place = numbering(case, graph)
    assert set(place) == case.reachable()
    assert len(graph) == len(place)
    needs = {place[n]: {place[other] for other in case.nodes[n].needs} for n in place}
    before = {place[n]: {place[other] for other in case.nodes[n].before} for n in place}
    goals = {place[goal] for goal in case.goals}
    for node in range(len(graph)):
        assert sorted(graph.needs[node]) == sorted(needs[node])
        assert graph.in_degrees[node] == len(before[node])
        assert sorted(graph.successors[node]) == [n for n in sorted(before) if node in before[n]]
        consumers = [n for n in needs if node in needs[n]]
        assert graph.consumers[node] == len(consumers) + (node in goals)
    plan = NativeSolver().resolve(graph)
    check_plan(plan, needs, before, goals)
    check_values(case, plan, place)


def check_plan(
    plan: Plan, needs: dict[int, set[int]], before: dict[int, set[int]], goals: set[int]
) -> None:
    """Order, rank and drop lists, against their definitions."""
    assert sorted(plan.order) == sorted(before)
    at = {node: place for place, node in enumerate(plan.order)}
    for node in before:
        assert all(at[other] < at[node] for other in before[node]), "not in topological order"
    for node in before:
        ways = [plan.rank[other] for other in before if node in before[other]]
        assert plan.rank[node] == 1 + max(ways, default=0)
    dropped: list[set[int]] = [set() for _ in before]
    for node in set(before) - goals:
        last = max([at[other] for other in needs if node in needs[other]], default=at[node])
        dropped[last].add(node)
    assert [sorted(gone) for gone in plan.drops] == [sorted(gone) for gone in dropped]


def check_values(case: Case, plan: Plan, place: dict[int, int]) -> None:
    """Every argument and the result are made of the values that were asked for."""
    graph = plan.graph
    values = [f"value {node}" for node in range(len(graph))]
    for number, node in place.items():
        drawn = case.nodes[number]
        args, kwargs = arguments(graph, node, values)
        assert args == tuple(values[place[other]] for other in drawn.direct)
        nested = tuple(values[place[other]] for other in drawn.nested)
        assert kwargs == ({"deep": [{"nested": nested}]} if nested else {})
    wanted = [values[place[goal]] for goal in case.goals]
    result = make(graph.result, values, None)
    assert result == ({"all": wanted} if isinstance(case.target, dict) else wanted[0])


def arguments(graph: Graph, node: int, values: Sequence[Any]) -> tuple[Any, dict[str, Any]]:
    args, kwargs = graph.nodes[node].bound
    recipe = graph.recipes[node]
    if recipe is None:
        return args, kwargs or {}
    if isinstance(recipe, int):
        return (values[recipe],), {}
    if not isinstance(recipe, Recipe):
        return recipe(values), {}
    filled, named = list(args), dict(kwargs or {})
    for place, source in recipe.positional:
        filled[place] = make(source, values, {})
    for name, source in recipe.named:
        named[name] = make(source, values, {})
    return tuple(filled), named


@settings(max_examples=tries(75, 300), deadline=None)
@given(cases(twins=False))
def test_plans_of_random_graphs_agree_with_a_plain_calculation(case: Case) -> None:
    check(case)


@settings(max_examples=tries(75, 300), deadline=None)
@given(cases(twins=True))
def test_twins_of_equal_value_change_nothing(case: Case) -> None:
    check(case)


@settings(max_examples=tries(50, 200), deadline=None)
@given(cases(twins=False), st.randoms(use_true_random=False))
def test_rank_and_drops_hold_for_any_topological_order(case: Case, random: Any) -> None:
    graph = build(case.target)
    place = numbering(case, graph)
    missing = graph.in_degrees
    ready = [node for node in range(len(graph)) if not missing[node]]
    order = []
    while ready:
        node = ready.pop(random.randrange(len(ready)))
        order.append(node)
        for other in graph.successors[node]:
            missing[other] -= 1
            if not missing[other]:
                ready.append(other)
    needs = {place[n]: {place[other] for other in case.nodes[n].needs} for n in place}
    before = {place[n]: {place[other] for other in case.nodes[n].before} for n in place}
    check_plan(Plan(graph, order), needs, before, {place[goal] for goal in case.goals})


def test_the_native_solver_is_a_solver() -> None:
    assert isinstance(NativeSolver(), ports.Solver)


def test_the_native_order_is_the_order_of_declaration() -> None:
    third = collect()
    second = collect()
    first = collect(second, third)
    plan = NativeSolver().resolve(build([first, third]))
    assert [plan.graph.nodes[node] for node in plan.order] == [third, second, first]


def test_a_given_rank_counts() -> None:
    graph = build(collect(collect()))
    assert Plan(graph, [0, 1], [5, 7]).rank == [5, 7]
    assert list(Plan(graph, [0, 1]).rank) == [2, 1]


def test_rank_and_drops_of_a_long_chain_need_no_recursion() -> None:
    lazy = collect()
    for _ in range(LENGTH - 1):
        lazy = collect(lazy)
    plan = NativeSolver().resolve(build(lazy))
    assert plan.rank[0] == LENGTH
    assert plan.drops[0] == ()
    assert plan.drops[1:] == [(node,) for node in range(LENGTH - 1)]


def test_a_value_that_nobody_needs_is_dropped_at_once() -> None:
    earlier = collect()
    plan = NativeSolver().resolve(build(collect().after(earlier)))
    assert plan.graph.nodes[plan.order[0]] is earlier
    assert plan.drops == [(0,), ()]
