"""Lazy results are values: immutable, told apart by identity, and never mistaken for results."""

from __future__ import annotations

import copy
import pickle
import weakref
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import pytest

import cascade as cs
from cascade import testing


@cs.task(mode="inline")
def same(value: Any = None) -> Any:
    return value


ATTRIBUTES = ("task", "bound", "dependencies", "injections", "policies", "serial", "call")


class TestValue:
    @pytest.mark.parametrize("name", [*ATTRIBUTES, "name", "id", "anything"])
    def test_cannot_be_changed(self, name: str) -> None:
        lazy: Any = same(1)
        with pytest.raises(AttributeError, match=name):
            setattr(lazy, name, 1)
        with pytest.raises(AttributeError, match=name):
            delattr(lazy, name)

    def test_has_slots_and_no_dict(self) -> None:
        assert not hasattr(same(1), "__dict__")

    def test_can_be_referred_to_weakly(self) -> None:
        lazy = same(1)
        reference = weakref.ref(lazy)
        assert reference() is lazy
        del lazy
        assert reference() is None

    def test_serial_numbers_grow_and_name_the_call(self) -> None:
        first, second = same(1), same(2)
        variant = first.named("variant")
        assert first.serial < second.serial < variant.serial
        assert first.call == variant.call == first.serial
        assert first.id == variant.id == f"same#{first.call}"

    def test_equality_between_lazy_results_is_identity(self) -> None:
        first, second = same(1), same(1)
        assert first == first
        assert first != second
        assert first != first.named("first")
        assert len({first, second, first}) == 2
        assert [second, first].index(first) == 1

    @pytest.mark.parametrize(
        "other", [1, None, "x", [], object()], ids=lambda other: type(other).__name__
    )
    def test_comparing_with_anything_else_is_an_error(self, other: Any) -> None:
        lazy: Any = same(1)
        comparisons: list[Callable[[], Any]] = [
            lambda: lazy == other,
            lambda: other == lazy,
            lambda: lazy != other,
        ]
        for compare in comparisons:
            with pytest.raises(TypeError, match="can't be compared"):
                compare()

    @pytest.mark.parametrize(
        ("use", "hint"),
        [
            (bool, r"no truth value.*run_if"),
            (lambda lazy: 1 if lazy else 2, "no truth value"),
            (lambda lazy: not lazy, "no truth value"),
            (iter, "can't be iterated"),
            (list, "can't be iterated"),
            (lambda lazy: 1 in lazy, "not iterable|can't be iterated"),
            (lambda lazy: [*lazy], "can't be iterated"),
            (len, "no length"),
            (pickle.dumps, "can't be pickled"),
        ],
    )
    def test_using_it_as_a_result_is_an_error_with_a_hint(self, use: Any, hint: str) -> None:
        with pytest.raises(TypeError, match=hint):
            use(same(1))

    def test_a_copy_is_the_same_value(self) -> None:
        lazy = same(1)
        assert copy.copy(lazy) is lazy
        assert copy.deepcopy([lazy])[0] is lazy

    def test_its_text_names_it(self) -> None:
        lazy = same(1)
        assert repr(lazy) == f"<LazyResult same #{lazy.call}>"
        assert "variant" in repr(lazy.named("variant"))

    def test_its_text_does_not_show_its_arguments(self) -> None:
        lazy = same(1)
        for _ in range(10_000):
            lazy = same([lazy])
        assert len(repr(lazy)) < 50


class TestChainMethods:
    @pytest.mark.parametrize(
        "method",
        [
            lambda x: x.with_constraints(cpu=1),
            lambda x: x.run_if(True),
            lambda x: x.after(),
            lambda x: x.named("other"),
        ],
        ids=["with_constraints", "run_if", "after", "named"],
    )
    def test_each_returns_a_new_value_of_the_same_call(self, method: Any) -> None:
        lazy = same([1])
        before = lazy.policies
        variant = method(lazy)
        assert variant is not lazy
        assert lazy.policies is before
        assert (variant.call, variant.task) == (lazy.call, lazy.task)
        assert variant.bound is lazy.bound
        assert variant.dependencies is lazy.dependencies

    def test_what_was_said_before_stays(self) -> None:
        other = same(2)
        lazy = same(1).with_constraints(cpu=1).run_if(True).after(other).named("x").run_if(False)
        assert dict(lazy.policies.constraints) == {"cpu": 1}
        assert lazy.policies.conditions == (True, False)
        assert lazy.policies.after == (other,)
        assert lazy.name == "x"

    def test_constraints_merge_name_by_name(self) -> None:
        lazy = same(1).with_constraints(cpu=1, memory=2).with_constraints(cpu=3, gpu=0)
        assert dict(lazy.policies.constraints) == {"cpu": 3, "memory": 2, "gpu": 0}

    def test_a_constraint_may_have_any_name(self) -> None:
        lazy: Any = same(1)
        named = lazy.with_constraints(self=1, amounts=2)
        assert dict(named.policies.constraints) == {"self": 1, "amounts": 2}

    @pytest.mark.parametrize("amount", [0, 1, 0.5, 1e-9, Fraction(1, 3), 10**18])
    def test_amounts_are_numbers_from_zero_up(self, amount: Any) -> None:
        assert same(1).with_constraints(cpu=amount).policies.constraints == (("cpu", amount),)

    @pytest.mark.parametrize(
        ("amount", "error"),
        [
            (-1, ValueError),
            (float("nan"), ValueError),
            (float("inf"), ValueError),
            (1e-10, ValueError),
            (10**400, ValueError),
            ("1", TypeError),
            (None, TypeError),
            (True, TypeError),
            (1j, TypeError),
            ([1], TypeError),
        ],
        ids=lambda value: repr(value)[:10],
    )
    def test_other_amounts_are_refused_naming_the_resource(
        self, amount: Any, error: type[Exception]
    ) -> None:
        with pytest.raises(error, match="'memory'"):
            same(1).with_constraints(cpu=1, memory=amount)

    def test_a_constraint_without_a_name_is_refused(self) -> None:
        with pytest.raises(ValueError, match="resource name must not be empty"):
            same(1).with_constraints(**{"": 1})

    def test_lazy_amounts_and_conditions_are_needed_each_once(self) -> None:
        one, two, other = same(1), same(2), same(3)
        lazy = same(0).with_constraints(cpu=one, gpu=two).run_if(one).run_if(True).after(other)
        assert set(lazy.policies.needed) == {one, two}
        assert len(lazy.policies.needed) == 2

    def test_a_replaced_amount_is_needed_no_more(self) -> None:
        lazy = same(0).with_constraints(cpu=same(1)).with_constraints(cpu=2)
        assert lazy.policies.needed == ()

    @pytest.mark.parametrize("other", [None, 1, "a", [same(1)]], ids=["none", "int", "str", "list"])
    def test_after_takes_lazy_results_only(self, other: Any) -> None:
        with pytest.raises(TypeError, match=r"after\(\) takes lazy results, got"):
            same(1).after(same(2), other)

    def test_a_name_is_a_string_with_something_in_it(self) -> None:
        wrong: Any = 5
        with pytest.raises(TypeError, match="name must be a string, got 5"):
            same(1).named(wrong)
        with pytest.raises(ValueError, match="name must not be empty"):
            same(1).named("")

    def test_a_condition_decides_whether_it_runs(self) -> None:
        assert testing.run_virtual(same(1).run_if(same(True)).run_if([0])) == 1
        with pytest.raises(cs.errors.SkippedError, match="'same'"):
            testing.run_virtual(same(1).run_if(same(True)).run_if(same(0)))

    def test_a_condition_that_would_always_be_true_is_refused(self) -> None:
        for wrong in ([same(0)], {"on": (same(0),)}):
            with pytest.raises(TypeError, match="condition must be one lazy result"):
                same(1).run_if(wrong)
        with pytest.raises(TypeError, match="condition must be a call of a task"):
            same(1).run_if(same)
        functions: list[Any] = [lambda: False, len, [].count]
        for function in functions:
            with pytest.raises(TypeError, match=r"the function .* always be true"):
                same(1).run_if(function)
