"""TailCall: what a task returns to start again, checked as soon as it is made."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import cascade as cs
from cascade import testing


@cs.task(mode="inline")
def same(value: Any = None) -> Any:
    return value


class TestMaking:
    def test_keeps_what_it_was_given(self) -> None:
        items = [1]
        tail = cs.TailCall(1, items, to=same, flag=True)
        assert tail.args == (1, items)
        assert tail.args[1] is items
        assert tail.kwargs == {"flag": True}
        assert tail.to is same

    def test_its_text_reads_like_the_call(self) -> None:
        assert repr(cs.TailCall(1, "a", flag=True)) == "TailCall(1, 'a', flag=True)"
        assert repr(cs.TailCall(to=same)) == "TailCall(to=same)"

    @pytest.mark.parametrize("to", [5, "same", lambda: None, same.fn], ids=range(4))
    def test_to_must_be_a_task(self, to: Any) -> None:
        with pytest.raises(TypeError, match=r"to must be a task .*got"):
            cs.TailCall(1, to=to)

    def test_to_must_not_be_a_call(self) -> None:
        to: Any = same(1)
        with pytest.raises(TypeError, match=r"to must be a task .*<LazyResult same"):
            cs.TailCall(to=to)

    @pytest.mark.parametrize("stray", [same(1), cs.inject("database")], ids=["lazy", "inject"])
    @pytest.mark.parametrize(
        "wrap",
        [
            lambda x: x,
            lambda x: [1, (x,)],
            lambda x: {"a": {"b": x}},
            lambda x: {x: 1},
            lambda x: {1, x},
            lambda x: {(1, x): 1},
        ],
        ids=["bare", "list", "dict", "key", "set", "deep key"],
    )
    def test_carries_values_only(self, wrap: Callable[[Any], Any], stray: Any) -> None:
        with pytest.raises(TypeError, match=r"can't carry .*(LazyResult|Inject)"):
            cs.TailCall(0, wrap(stray))
        with pytest.raises(TypeError, match=r"can't carry .*(LazyResult|Inject)"):
            cs.TailCall(a=0, b=wrap(stray))

    @pytest.mark.parametrize("name", ["self", "args", "kwargs"])
    def test_a_parameter_may_have_any_name(self, name: str) -> None:
        arguments: dict[str, Any] = {name: 1}
        assert cs.TailCall(**arguments).kwargs == {name: 1}

    @pytest.mark.timeout(10)
    def test_depth_and_circles_do_no_harm(self) -> None:
        deep: Any = []
        for _ in range(100_000):
            deep = [deep]
        loop: list[Any] = []
        loop.append(loop)
        assert cs.TailCall(deep, loop).args[1] is loop


class TestMeaning:
    def test_new_arguments_are_laid_over_the_previous_ones(self) -> None:
        seen = []

        @cs.task(mode="inline")
        def step(count: int, total: int = 0, *, label: str) -> Any:
            seen.append((count, total, label))
            if count == 0:
                return total
            if count == 2:
                return cs.TailCall(1, label="last")
            return cs.TailCall(count - 1, total=total + count)

        assert testing.run_virtual(step(3, label="first")) == 4
        assert seen == [(3, 0, "first"), (2, 3, "first"), (1, 3, "last"), (0, 4, "last")]

    def test_nothing_is_carried_over_to_another_task(self) -> None:
        @cs.task(mode="inline")
        def first(value: int, extra: str) -> Any:
            return cs.TailCall(value + 1, to=second)

        @cs.task(mode="inline")
        def second(value: int, extra: str = "default") -> Any:
            return value, extra

        assert testing.run_virtual(first(1, extra="carried")) == (2, "default")

    def test_arguments_that_the_other_task_lacks_are_an_error(self) -> None:
        @cs.task(mode="inline")
        def first(value: int) -> Any:
            return cs.TailCall(to=second)

        @cs.task(mode="inline")
        def second(value: int) -> Any:
            return value

        with pytest.raises(TypeError, match=r"second\(\) missing .*'value'"):
            testing.run_virtual(first(1))

    def test_an_unknown_name_is_an_error_at_that_step(self) -> None:
        steps = []

        @cs.task(mode="inline")
        def step(count: int) -> Any:
            steps.append(count)
            return cs.TailCall(count + 1) if count < 2 else cs.TailCall(total=1)

        with pytest.raises(TypeError, match=r"'total', which isn't a parameter of task 'step'"):
            testing.run_virtual(step(0))
        assert steps == [0, 1, 2]


def test_a_tail_call_can_not_be_subclassed() -> None:
    with pytest.raises(TypeError, match="'Mine' tries to"):
        type("Mine", (cs.TailCall,), {"__qualname__": "Mine"})
