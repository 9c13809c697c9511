"""Building: what a target needs, each call once, in an order that is already topological."""

from __future__ import annotations

import gc
from collections.abc import Callable
from typing import Any

import pytest
from tests.long_form import tries

import cascade as cs
from cascade import testing
from cascade.errors import GraphError
from cascade.graph.build import build
from cascade.graph.model import Graph

DEPTH = tries(20_000, 100_000)


@cs.task(mode="inline")
def same(value: Any = None) -> Any:
    return value


@cs.task(mode="inline")
def collect(*args: Any, **kwargs: Any) -> Any:
    return args, kwargs


def names(graph: Graph) -> list[str]:
    return [lazy.name for lazy in graph.nodes]


def node(graph: Graph, lazy: cs.LazyResult[Any]) -> int:
    return [other.call for other in graph.nodes].index(lazy.call)


def assert_in_order(graph: Graph) -> None:
    for number, successors in enumerate(graph.successors):
        assert all(other > number for other in successors), "a node stands before what it needs"


class TestTargets:
    def test_a_lazy_result_is_a_target(self) -> None:
        graph = build(same(1))
        assert len(graph) == 1
        assert graph.in_degrees == [0]
        assert graph.consumers == [1]

    @pytest.mark.parametrize(
        "shape",
        [
            lambda a, b: [a, b],
            lambda a, b: (a, [b, 7]),
            lambda a, b: {"a": a, "rest": {"b": (b, None)}},
            lambda a, b: [a, a, {"b": b}],
            lambda a, b: [a, b, [1, 2]],
        ],
    )
    def test_a_container_is_a_target_and_its_shape_comes_back(
        self, shape: Callable[[Any, Any], Any]
    ) -> None:
        target = shape(same("one"), same("two"))
        assert len(build(target)) == 2
        assert testing.run_virtual(target) == shape("one", "two")

    @pytest.mark.parametrize(
        "target", [None, 5, "x", [()], {"a": [1]}, set(), same.fn], ids=range(7)
    )
    def test_without_a_lazy_result_it_is_no_target(self, target: Any) -> None:
        with pytest.raises(TypeError, match="a target is a lazy result, or a list"):
            build(target)

    def test_a_task_that_was_not_called_is_no_target(self) -> None:
        with pytest.raises(TypeError, match=r"call it first, as in same\(\.\.\.\)"):
            build(same)

    @pytest.mark.parametrize("wrap", [lambda x: {x}, lambda x: {x: 1}, lambda x: frozenset([x])])
    def test_a_container_that_cannot_be_given_back_is_no_target(self, wrap: Any) -> None:
        with pytest.raises(TypeError, match="<LazyResult same"):
            build(wrap(same(1)))

    @pytest.mark.timeout(tries(10, 60))
    def test_a_deep_target_without_a_lazy_result_is_told_so(self) -> None:
        deep: Any = 1
        for _ in range(DEPTH):
            deep = [deep]
        with pytest.raises(TypeError, match="a target is a lazy result"):
            build(deep)

    def test_a_target_that_holds_itself_is_told_so(self) -> None:
        loop: list[Any] = []
        loop.append(loop)
        with pytest.raises(TypeError, match="a target is a lazy result"):
            build(loop)
        loop.append(same(1))
        with pytest.raises(ValueError, match="hold itself"):
            build(loop)


class TestNodes:
    def test_only_what_the_target_needs_is_in_the_graph(self) -> None:
        wanted = same(1).named("wanted")
        collect(wanted, same(2)).named("unwanted")
        assert names(build(collect(wanted))) == ["wanted", "collect"]

    def test_a_call_used_twice_is_one_node(self) -> None:
        shared = same(1)
        graph = build(collect(shared, [shared], key=same(shared)))
        assert names(graph) == ["same", "same", "collect"]
        assert graph.needs == [(), (0,), (0, 1)]
        assert graph.consumers == [2, 1, 1]
        assert graph.in_degrees == [0, 1, 2]

    def test_two_calls_with_equal_arguments_are_two_nodes(self) -> None:
        assert len(build([same(1), same(1)])) == 2

    def test_all_kinds_of_need_are_edges(self) -> None:
        argument, condition, amount, earlier = (same(number) for number in range(4))
        lazy = same(argument).run_if(condition).with_constraints(cpu=amount).after(earlier)
        graph = build(lazy)
        assert len(graph) == 5
        numbers = {other: node(graph, other) for other in (argument, condition, amount, earlier)}
        last = node(graph, lazy)
        assert set(graph.needs[last]) == {numbers[argument], numbers[condition], numbers[amount]}
        assert graph.in_degrees[last] == 4
        assert graph.consumers[numbers[earlier]] == 0
        assert all(graph.successors[number] == [last] for number in numbers.values())
        assert graph.number_of(amount) == numbers[amount]

    def test_one_need_for_several_reasons_is_one_edge(self) -> None:
        one = same(1)
        graph = build(same(one).run_if(one).with_constraints(cpu=one).after(one, one))
        assert graph.needs == [(), (0,)]
        assert graph.in_degrees == [0, 1]
        assert graph.successors == [[1], []]
        assert graph.consumers == [1, 1]

    def test_what_is_said_later_may_need_what_is_declared_later(self) -> None:
        first = same(1)
        second = same(2)
        graph = build(first.after(second.named("second")).named("first"))
        assert names(graph) == ["second", "first"]
        assert_in_order(graph)

    def test_plain_graphs_are_known_as_such(self) -> None:
        assert build(collect(same(1), [same(2)])).plain
        assert not build(same(1).named("x")).plain
        assert not build(same(same(1).after(same(2)))).plain
        assert not build(same([cs.inject("database")])).plain

    def test_a_node_is_described_by_its_name_its_place_and_its_needs(self) -> None:
        graph = build(collect(*(same(number).named(f"n{number}") for number in range(6))))
        assert graph.describe(0) == "task 'n0' (node 1 of 7)"
        assert graph.describe(6) == (
            "task 'collect' (node 7 of 7, which needs 'n0', 'n1', 'n2', 'n3', …)"
        )

    def test_a_list_changed_after_the_call_has_no_effect(self) -> None:
        one = same(1)
        items = [one]
        declared = same(items)
        items += [declared, same(2)]
        assert build(declared).needs == [(), (0,)]
        assert testing.run_virtual(declared) == [1]

    def test_a_target_list_changed_after_building_has_no_effect(self) -> None:
        target = [same(1)]
        graph = build(target)
        target.append(same(2))
        assert len(graph) == 1


class TestVariants:
    @pytest.mark.parametrize(
        ("change", "said"),
        [
            (lambda x: x.named("renamed"), "'renamed'"),
            (lambda x: x.with_constraints(gpu=2), "gpu=2"),
            (lambda x: x.run_if(same(True)), "condition"),
            (lambda x: x.after(same(0)), "order"),
        ],
        ids=["named", "with_constraints", "run_if", "after"],
    )
    @pytest.mark.parametrize(
        "place",
        [
            lambda one, two: [one, two],
            lambda one, two: collect(one, [two]),
            lambda one, two: [same(one), same(two)],
            lambda one, two: same(one).after(two),
            lambda one, two: same(one).run_if(two),
            lambda one, two: same(one).with_constraints(cpu=two),
        ],
        ids=["targets", "arguments", "consumers", "after", "run_if", "amount"],
    )
    def test_two_variants_of_one_call_are_an_error_that_names_both(
        self, change: Any, said: str, place: Any
    ) -> None:
        call = same(1).named("original")
        for one, two in ((call, change(call)), (change(call), call)):
            with pytest.raises(GraphError) as caught:
                build(place(one, two))
            text = str(caught.value)
            assert said in text
            assert "'original'" in text
            assert text.count(f"#{call.call}>") == 2

    @pytest.mark.parametrize(
        "change",
        [
            lambda x, condition: x.run_if(condition),
            lambda x, condition: x.with_constraints(gpu=condition),
        ],
        ids=["run_if", "with_constraints"],
    )
    def test_lazy_and_known_policies_are_variants(self, change: Any) -> None:
        call = same(1)
        for first, second in ((same(2), 2), (2, same(2)), (same(2), same(2))):
            with pytest.raises(GraphError, match="two variants of one call"):
                build([change(call, first), change(call, second)])

    def test_a_call_cannot_wait_for_itself(self) -> None:
        lazy = same(1)
        with pytest.raises(GraphError):
            build(lazy.after(lazy))
        with pytest.raises(GraphError):
            build(lazy.run_if(same(lazy)))

    @pytest.mark.parametrize(
        "change",
        [
            lambda x, _: x.named("twin"),
            lambda x, _: x.with_constraints(),
            lambda x, _: x.after(),
            lambda x, other: x.with_constraints(cpu=1, gpu=other),
            lambda x, other: x.run_if(other).run_if(True),
            lambda x, other: x.after(other).named("twin"),
        ],
    )
    def test_variants_of_equal_value_are_one_node(self, change: Any) -> None:
        call, other = same(1), same(2)
        one, two = change(call, other), change(call, other)
        graph = build([collect(one), collect(two), one])
        assert sum(lazy.call == call.call for lazy in graph.nodes) == 1
        assert testing.run_virtual([collect(one), two]) == [((1,), {}), 1]

    def test_saying_nothing_new_is_the_same_value(self) -> None:
        call = same(1)
        assert len(build([call, call.after(), call.with_constraints()])) == 1

    def test_constraints_have_no_order(self) -> None:
        call = same(1)
        one = call.with_constraints(cpu=1, memory=2)
        two = call.with_constraints(memory=2).with_constraints(cpu=1)
        assert len(build([one, two])) == 1

    def test_twins_keep_the_order_topological(self) -> None:
        call = same(1)
        early = call.named("twin")
        consumer = same(early)
        late = call.named("twin")
        for target in ([consumer, late], [late, consumer], collect(late, consumer)):
            graph = build(target)
            assert node(graph, call) < node(graph, consumer)
            assert_in_order(graph)

    def test_twins_in_one_call_are_one_need(self) -> None:
        call = same(1)
        graph = build(collect(call.named("twin"), [call.named("twin")]))
        assert graph.needs == [(), (0,)]
        assert graph.in_degrees == [0, 1]
        assert graph.successors == [[1], []]
        assert graph.consumers == [1, 1]

    def test_twins_as_targets_are_one_result(self) -> None:
        call = same(1)
        target = [call.named("twin"), call.named("twin")]
        assert build(target).consumers == [1]
        assert testing.run_virtual(target) == [1, 1]


class TestDepth:
    @pytest.mark.timeout(tries(20, 120))
    @pytest.mark.parametrize(
        "link",
        [
            same,
            lambda last: same([{"deep": last}]),
            lambda last: same(1).after(last),
            lambda last: same(1).run_if(last),
            lambda last: same(1).with_constraints(cpu=last),
        ],
        ids=["argument", "nested", "after", "run_if", "amount"],
    )
    def test_a_chain_of_any_length_builds_under_the_default_recursion_limit(
        self, link: Any
    ) -> None:
        lazy = same(1)
        for _ in range(DEPTH - 1):
            lazy = link(lazy)
        graph = build(lazy)
        assert len(graph) == DEPTH
        assert graph.in_degrees == [0] + [1] * (DEPTH - 1)
        del lazy, graph
        gc.collect()

    @pytest.mark.timeout(tries(20, 120))
    def test_a_node_with_any_number_of_inputs_builds(self) -> None:
        graph = build(collect(*[same(number) for number in range(DEPTH)]))
        assert graph.in_degrees[-1] == DEPTH
