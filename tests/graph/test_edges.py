"""Edges: why one node comes before another, each reason once."""

from __future__ import annotations

from typing import Any

import cascade as cs
from cascade.graph.build import build
from cascade.graph.edges import Edge, EdgeKind, edges_of, goals_of, longest_way


@cs.task(mode="inline")
def make(*args: Any) -> Any:
    return args


def test_an_argument_is_data_wherever_it_stands() -> None:
    first = make()
    graph = build(make(first, [{"deep": (first, make())}]))
    assert edges_of(graph) == [Edge(0, 2, EdgeKind.DATA), Edge(1, 2, EdgeKind.DATA)]


def test_conditions_and_orders_are_kinds_of_their_own() -> None:
    wanted, earlier = make(), make()
    graph = build(make().run_if(wanted).after(earlier))
    assert edges_of(graph) == [Edge(0, 2, EdgeKind.CONDITION), Edge(1, 2, EdgeKind.ORDER)]


def test_a_condition_known_already_is_no_edge() -> None:
    assert edges_of(build(make().run_if(True))) == []


def test_an_amount_is_data_and_names_its_resources() -> None:
    size = make()
    graph = build(make().with_constraints(gpu=size, memory=size, cpu=1))
    assert edges_of(graph) == [Edge(0, 1, EdgeKind.DATA, "gpu, memory")]


def test_an_amount_that_is_an_argument_too_is_one_edge() -> None:
    size = make()
    graph = build(make(size).with_constraints(gpu=size))
    assert edges_of(graph) == [Edge(0, 1, EdgeKind.DATA, "gpu")]


def test_a_node_can_be_needed_for_two_reasons() -> None:
    both = make()
    graph = build(make(both).run_if(both))
    assert edges_of(graph) == [Edge(0, 1, EdgeKind.DATA), Edge(0, 1, EdgeKind.CONDITION)]


def test_an_order_that_a_value_implies_is_no_edge_of_its_own() -> None:
    first = make()
    assert edges_of(build(make(first).after(first))) == [Edge(0, 1, EdgeKind.DATA)]


def test_a_router_has_a_selector_and_branches_with_keys() -> None:
    selector, branch, other = make(), make(), make()
    graph = build(cs.Router(selector, {"a": branch, "b": other, 3: branch}))
    assert edges_of(graph) == [
        Edge(0, 3, EdgeKind.ROUTE),
        Edge(1, 3, EdgeKind.DATA, "'a', 3"),
        Edge(2, 3, EdgeKind.DATA, "'b'"),
    ]


def test_a_selector_known_already_is_no_edge() -> None:
    graph = build(cs.Router("a", {"a": make()}))
    assert edges_of(graph) == [Edge(0, 1, EdgeKind.DATA, "'a'")]


def test_the_longest_way_goes_by_way_of_branches_and_is_the_first_of_equal_ones() -> None:
    selector, branch = make(), make(make(make()))
    twin = make(make(make()))
    graph = build([cs.Router(selector, {"a": branch, "b": make()}), make(twin)])
    assert longest_way(graph) == [1, 2, 3, 8]
    assert longest_way(build([])) == []


def test_goals_are_in_the_order_of_the_target_each_once() -> None:
    one, two = make(), make()
    assert goals_of(build([two, {"again": two, "other": one}])) == (1, 0)
    assert goals_of(build(one)) == (0,)
    assert goals_of(build([])) == ()
