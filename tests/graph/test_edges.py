"""Edges: why one node comes before another, each reason once."""

from __future__ import annotations

from typing import Any

import cascade as cs
from cascade.graph.build import build
from cascade.graph.edges import Edge, EdgeKind, edges_of, goals_of


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


def test_there_is_a_kind_for_routes() -> None:
    assert [kind.value for kind in EdgeKind] == ["data", "condition", "order", "route"]


def test_goals_are_in_the_order_of_the_target_each_once() -> None:
    one, two = make(), make()
    assert goals_of(build([two, {"again": two, "other": one}])) == (1, 0)
    assert goals_of(build(one)) == (0,)
    assert goals_of(build([])) == ()
