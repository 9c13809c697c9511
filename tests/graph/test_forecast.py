"""What a run would do: nodes in order, the longest way, and a tree to read."""

from __future__ import annotations

from dataclasses import FrozenInstanceError
from typing import Any

import pytest

import cascade as cs
from cascade.adapters.solvers.native import NativeSolver
from cascade.graph.build import build
from cascade.graph.edges import Edge, EdgeKind
from cascade.graph.forecast import MOST_BRANCHES, MOST_LEVELS, MOST_LINES, DryRun, Problem, forecast
from cascade.graph.model import Plan


@cs.task(mode="inline")
def load(*args: Any) -> Any:
    return args


@cs.task
def clean(*args: Any) -> Any:
    return args


@cs.task
async def report(*args: Any) -> Any:
    return args


def forecast_of(target: Any) -> DryRun:
    return forecast(NativeSolver().resolve(build(target)))


def test_a_node_says_all_that_was_declared() -> None:
    size, first = load(), load()
    lazy = report(first).with_constraints(gpu=2, memory=size).with_retry(3).run_if(size)
    node = forecast_of(lazy.named("the report")).nodes[-1]
    assert (node.number, node.name, node.id, node.mode) == (2, "the report", "report#2", "async")
    assert dict(node.needs) == {"gpu": 2.0, "memory": None}
    assert node.policies == ("3 attempts",)
    assert not node.is_map
    assert node.dependencies == (
        Edge(1, 2, EdgeKind.DATA),
        Edge(0, 2, EdgeKind.DATA, "memory"),
        Edge(0, 2, EdgeKind.CONDITION),
    )
    assert str(node) == "the report #2  gpu=2 · memory=… · 3 attempts"


def test_nodes_are_in_the_order_of_the_plan() -> None:
    graph = build([load(), clean()])
    run = forecast(Plan(graph, [1, 0]))
    assert [node.id for node in run.nodes] == ["clean#1", "load#0"]
    assert [node.id for node in run.goals] == ["load#0", "clean#1"]


def test_it_is_a_value() -> None:
    run = forecast_of(load())
    with pytest.raises(FrozenInstanceError):
        run.nodes = ()  # type: ignore[misc]
    with pytest.raises(TypeError):
        run.nodes[0].needs["gpu"] = 1  # type: ignore[index]
    assert repr(run) == "<DryRun of 1 nodes, 0 problems>"


def test_the_longest_way_counts_nodes() -> None:
    short, first = load(), load()
    run = forecast_of(report(short, clean(load(first)), clean(short)))
    assert [node.number for node in run.critical_path] == [1, 2, 3, 5]


def test_orders_and_conditions_are_part_of_the_longest_way() -> None:
    run = forecast_of(report().after(clean().run_if(load())))
    assert [node.name for node in run.critical_path] == ["load", "clean", "report"]


def test_the_tree_shows_each_node_once_and_refers_to_it_after_that() -> None:
    first = load()
    cleaned = clean(first).with_timeout(5)
    last = report(cleaned, first).run_if(cleaned).after(load().named("setup"))
    assert (
        str(forecast_of(last.with_constraints(gpu=1, memory=first)))
        == """\
4 nodes, the longest way has 3: load → clean → report
report #3  gpu=1 · memory=…
├─ clean #1  5 s
│  └─ load #0
├─ memory = load #0 (above)
├─ if clean #1 (above)
└─ after setup #2"""
    )


def test_a_router_is_shown_with_its_selector_and_its_branches() -> None:
    run = forecast_of(cs.Router(cs.Param("which", "b"), {"a": load(), "b": clean()}))
    assert (
        str(run)
        == """\
4 nodes, the longest way has 2: which → Router
Router #3
├─ route which #0
├─ 'a' = load #1
└─ 'b' = clean #2"""
    )
    assert [node.is_call for node in run.nodes] == [False, True, True, False]


def test_several_goals_are_several_trees() -> None:
    first = load()
    assert (
        str(forecast_of([clean(first), first]))
        == """\
2 nodes, the longest way has 2: load → clean
clean #1
└─ load #0
load #0 (above)"""
    )


def test_nothing_to_do() -> None:
    run = forecast_of([])
    assert (str(run), run.critical_path) == ("0 nodes", ())


def test_problems_and_warnings_stand_below_the_tree() -> None:
    tasks = tuple(f"load#{number}" for number in range(8))
    plan = NativeSolver().resolve(build(load()))
    run = forecast(plan, (Problem("gpu", "no gpu", ("load#0",)),), (Problem("x", "odd", tasks),))
    assert str(run).splitlines()[-2:] == [
        "problem: no gpu (load#0)",
        "warning: odd (load#0, load#1, load#2, load#3, load#4, load#5 and 2 more)",
    ]


def test_a_long_chain_is_abbreviated() -> None:
    last = load()
    for _ in range(19_999):
        last = load(last)
    lines = str(forecast_of(last)).splitlines()
    assert lines[0] == (
        "20,000 nodes, the longest way has 20,000: "
        "load → load → load → … 19,994 more … → load → load → load"
    )
    assert lines[-2].endswith("└─ …")
    assert lines[-1] == f"… {20_000 - MOST_LEVELS:,} of 20,000 nodes aren't shown"
    assert len(lines) == MOST_LEVELS + 3


def test_many_branches_are_abbreviated() -> None:
    lines = str(forecast_of(load([clean() for _ in range(1000)]))).splitlines()
    assert lines[-2:] == [
        f"└─ … {1000 - MOST_BRANCHES} more",
        f"… {1000 - MOST_BRANCHES} of 1,001 nodes aren't shown",
    ]


def test_a_tree_of_many_goals_ends_somewhere() -> None:
    lines = str(forecast_of([load() for _ in range(1000)])).splitlines()
    assert len(lines) == 1 + MOST_LINES + 1
    assert lines[-1] == f"… {1000 - MOST_LINES} of 1,000 nodes aren't shown"
