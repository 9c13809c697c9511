"""Parameters and environment variables: declared as values, checked before anything starts."""

from __future__ import annotations

import asyncio
from datetime import date
from pathlib import Path
from typing import Any

import pytest

import cascade as cs
from cascade import testing
from cascade.spec.inputs import resolve_inputs

started: list[str] = []


@cs.task(mode="inline")
def keep(value: Any, other: Any = None) -> Any:
    started.append("keep")
    return (value, other)


@cs.task
async def double(value: int) -> int:
    return 2 * value


@pytest.fixture(autouse=True)
def nothing_started() -> None:
    started.clear()


def value_of(lazy: cs.LazyResult[Any], **params: Any) -> Any:
    return testing.run_virtual(cs.arun(lazy, params=params))


class TestValues:
    def test_a_parameter_is_given_when_the_workflow_is_run(self) -> None:
        assert value_of(keep(cs.Param("name")), name="Ada") == ("Ada", None)

    def test_it_stands_wherever_a_lazy_result_may(self) -> None:
        number = cs.Param("n", type=int)
        inside = keep({"a": [number]}).run_if(number).with_constraints(cpu=number)
        assert value_of(inside, n=3) == ({"a": [3]}, None)
        with pytest.raises(cs.errors.SkippedError):
            value_of(inside, n=0)
        assert value_of(double.map(value=cs.Param("all", type=list)), all=[1, 2]) == [2, 4]
        assert value_of(number, n=4) == 4
        assert value_of(keep(cs.Param("d", type=dict)["x"]), d={"x": 5}) == (5, None)

    def test_it_is_an_input_of_a_machine(self) -> None:
        engine = cs.Engine()
        lazy = double(cs.Param("n", type=int))
        assert asyncio.run(engine.run(lazy, params={"n": 4}, use_vm=True)) == 8
        assert asyncio.run(engine.run(cs.Param("n"), params={"n": "x"}, use_vm=True)) == "x"

    def test_two_of_one_name_are_one(self) -> None:
        lazy = keep(cs.Param("n", type=int, default=1), cs.Param("n", type=int, default=1))
        assert value_of(lazy, n=2) == (2, 2)
        assert value_of(lazy) == (1, 1)

    def test_two_of_one_name_that_differ_are_an_error_that_names_both(self) -> None:
        lazy = keep(cs.Param("n", type=int), cs.Param("n", default="x"))
        with pytest.raises(cs.errors.GraphError, match=r"'n'.*type int and no default.*'x'"):
            value_of(lazy, n=1)

    def test_one_workflow_knows_nothing_of_another_ones_parameters(self) -> None:
        cs.Param("elsewhere")
        assert value_of(keep(1)) == (1, None)
        with pytest.raises(ValueError, match="'elsewhere', which the workflow doesn't declare"):
            value_of(keep(1), elsewhere=1)

    def test_a_plan_takes_other_values_in_each_run(self) -> None:
        engine = cs.Engine()
        plan = engine.plan(double(cs.Param("n", type=int)))
        assert [asyncio.run(engine.run(plan, params={"n": n})) for n in (1, 2)] == [2, 4]

    def test_an_environment_variable(self, monkeypatch: pytest.MonkeyPatch) -> None:
        lazy = keep(cs.Env("CASCADE_TEST", type=int, default=7))
        assert value_of(lazy) == (7, None)
        monkeypatch.setenv("CASCADE_TEST", "8")
        assert value_of(lazy) == (8, None)

    def test_no_event_tells_of_them(self) -> None:
        engine = cs.Engine()
        recorder = testing.EventRecorder(engine.bus)
        testing.run_virtual(engine.run(keep(cs.Param("n")), params={"n": "x"}))
        assert recorder.names() == ["RunStarted", "TaskStarted", "TaskFinished", "RunFinished"]


class TestChecks:
    def test_all_that_miss_are_named_before_anything_starts(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.delenv("TOKEN", raising=False)
        lazy = keep(
            keep(1), [cs.Param("a"), cs.Param("b"), cs.Param("c", default=1), cs.Env("TOKEN")]
        )
        with pytest.raises(cs.errors.MissingInputError, match=r"'a', 'b'.*'TOKEN'") as caught:
            value_of(lazy)
        assert caught.value.names == ["a", "b", "TOKEN"]
        assert started == []

    def test_what_cannot_be_converted_is_named_before_anything_starts(self) -> None:
        lazy = keep(keep(1), cs.Param("n", type=int))
        with pytest.raises(ValueError, match="parameter 'n' must be int, got 'many'"):
            value_of(lazy, n="many")
        assert started == []

    def test_an_unknown_name_tells_what_there_is(self) -> None:
        with pytest.raises(ValueError, match="'m', which the workflow doesn't declare: it has 'n'"):
            value_of(keep(cs.Param("n")), n=1, m=2)

    def test_params_must_be_a_mapping(self) -> None:
        wrong: Any = ["n"]
        with pytest.raises(TypeError, match=r"params must map .* got \['n'\]"):
            testing.run_virtual(cs.arun(keep(1), params=wrong))

    @pytest.mark.parametrize(
        ("made", "given", "value"),
        [
            (int, "5", 5),
            (int, 5, 5),
            (float, 5, 5.0),
            (float, "1e3", 1000.0),
            (bool, "yes", True),
            (bool, "0", False),
            (bool, False, False),
            (str, "x", "x"),
            (str, 5, "5"),
            (Path, "a/b", Path("a/b")),
            (lambda text: text.split(","), "a,b", ["a", "b"]),
        ],
    )
    def test_conversion(self, made: Any, given: Any, value: Any) -> None:
        (found,) = resolve_inputs([cs.Param("x", type=made)], {"x": given})
        assert found == value
        assert type(found) is type(value)

    @pytest.mark.parametrize(
        ("made", "given", "error"),
        [
            (int, 2.7, TypeError),
            (int, True, TypeError),
            (int, "2.7", ValueError),
            (float, "", ValueError),
            (bool, "maybe", ValueError),
            (bool, 1, TypeError),
            (str, ["x"], TypeError),
            (str, None, TypeError),
            (list, "1, 2", TypeError),
            (tuple, b"12", TypeError),
            (set, "12", TypeError),
        ],
    )
    def test_conversion_that_would_lose_something(
        self, made: Any, given: Any, error: type[Exception]
    ) -> None:
        with pytest.raises(error, match="parameter 'x' must be"):
            resolve_inputs([cs.Param("x", type=made)], {"x": given})

    def test_the_default_says_the_type_if_nobody_does(self) -> None:
        assert resolve_inputs([cs.Param("x", default=3)], {"x": "4"}) == [4]
        assert resolve_inputs([cs.Param("x", default=(1, 2))], {"x": [3]}) == [(3,)]

    def test_none_may_be_given_where_it_is_the_default(self) -> None:
        for lazy in (cs.Param("x", default=None), cs.Param("x", default=None, type=int)):
            assert resolve_inputs([lazy], {}) == [None]
            assert resolve_inputs([lazy], {"x": None}) == [None]

    def test_a_function_makes_values_of_what_is_given_and_of_a_default_in_text(self) -> None:
        day = date(2026, 1, 31)
        for default in (day, "2026-01-31"):
            lazy = cs.Param("since", default=default, type=date.fromisoformat)
            assert resolve_inputs([lazy], {}) == [day]
            assert resolve_inputs([lazy], {"since": "2026-02-01"}) == [date(2026, 2, 1)]
        with pytest.raises(ValueError, match="parameter 'since' must be fromisoformat, got 'x'"):
            cs.Param("since", default="x", type=date.fromisoformat)

    def test_a_default_is_checked_where_it_is_written(self) -> None:
        with pytest.raises(ValueError, match="parameter 'n' must be int, got 'x'"):
            cs.Param("n", default="x", type=int)
        with pytest.raises(TypeError, match="default of parameter 'n' must be a value"):
            cs.Param("n", default=keep(1))

    @pytest.mark.parametrize(
        ("name", "made", "error"),
        [
            (3, str, TypeError),
            ("", str, ValueError),
            ("n", "int", TypeError),
            ("n", keep, TypeError),
        ],
    )
    def test_a_declaration_is_checked(self, name: Any, made: Any, error: type[Exception]) -> None:
        with pytest.raises(error):
            cs.Param(name, type=made)

    def test_nothing_can_be_said_about_an_input(self) -> None:
        with pytest.raises(TypeError, match="is a value, not a call"):
            cs.Param("n").with_retry()
