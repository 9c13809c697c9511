"""cs.dry_run: what would run and what would stop it, while nothing runs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

import cascade as cs
from cascade.testing import EventRecorder


@cs.task(mode="inline")
def never(*args: Any) -> Any:
    raise AssertionError("it ran")


@cs.resource
def database() -> Iterator[str]:
    yield str(never.fn())


@cs.resource
def cursor(database: str = cs.inject("database")) -> Iterator[str]:
    yield database


@cs.task(mode="inline")
def query(cursor: str = cs.inject("cursor"), connector: Any = None) -> str:
    return cursor


def problems(target: Any, **options: Any) -> list[str]:
    return [str(problem) for problem in cs.dry_run(target, **options).problems]


def test_nothing_runs() -> None:
    limits = cs.ResourceManager({"gpu": 1})
    before = limits.statistics()
    run = cs.dry_run(never(never()).with_constraints(gpu=1, odd=1), resource_manager=limits)
    assert [node.id for node in run.nodes] == ["never#0", "never#1"]
    assert limits.statistics() == before


def test_no_event_is_sent() -> None:
    engine = cs.Engine(system_resources={"gpu": 1})
    recorder = EventRecorder(engine.bus)
    cs.dry_run(engine.plan(never().with_constraints(gpu=2)))
    cs.dry_run(never().with_constraints(gpu=2), resource_manager=engine.resource_manager)
    assert recorder.events == []


def test_what_can_be_satisfied_has_no_problem() -> None:
    target = never().with_constraints(gpu=2, disk=0)
    assert problems(target, system_resources={"gpu": 2, "disk": 1}) == []
    assert problems(target) == []


def test_a_problem_is_told_once_with_all_that_have_it() -> None:
    target = [never().with_constraints(gpu=3), never().with_constraints(gpu=3), never()]
    (problem,) = cs.dry_run(target, system_resources={"gpu": 2}).problems
    assert problem.subject == "gpu"
    assert problem.tasks == ("never#0", "never#1")
    assert str(problem) == (
        "a request for 3 of 'gpu' can never be granted: its capacity is 2 (never#0, never#1)"
    )


def test_each_amount_is_a_problem_of_its_own() -> None:
    target = never().with_constraints(gpu=3, disk=1)
    found = cs.dry_run(target, system_resources={"gpu": 2, "disk": 0}).problems
    assert [problem.subject for problem in found] == ["gpu", "disk"]


def test_amounts_that_are_computed_are_not_known() -> None:
    assert problems(never().with_constraints(gpu=never()), system_resources={"gpu": 0}) == []


def test_a_name_without_a_limit_is_a_warning() -> None:
    run = cs.dry_run(never().with_constraints(gpus=1), system_resources={"gpu": 2})
    assert run.problems == ()
    assert ["did you mean 'gpu'?" in str(warning) for warning in run.warnings] == [True]


def test_it_shows_in_the_text() -> None:
    text = str(cs.dry_run(never().with_constraints(gpu=3), system_resources={"gpu": 2}))
    assert text.splitlines()[1:] == [
        "never #0  gpu=3",
        "problem: a request for 3 of 'gpu' can never be granted: its capacity is 2 (never#0)",
    ]


# Inputs


def test_missing_inputs_are_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CASCADE_TEST_HOST", raising=False)
    target = never(cs.Param("size", type=int), cs.Env("CASCADE_TEST_HOST"))
    (problem,) = cs.dry_run(target).problems
    assert problem.subject == "size, CASCADE_TEST_HOST"
    assert "the workflow needs 'size'" in str(problem)
    monkeypatch.setenv("CASCADE_TEST_HOST", "here")
    assert problems(target, params={"size": 3}) == []


@pytest.mark.parametrize("params", [{"size": "many"}, {"size": 1, "sise": 2}])
def test_wrong_inputs_are_a_problem(params: dict[str, Any]) -> None:
    (problem,) = cs.dry_run(never(cs.Param("size", type=int)), params=params).problems
    assert problem.subject == "params"
    assert "'size'" in problem.reason


# Injected resources


def test_unknown_injections_are_problems_where_resources_are_given() -> None:
    assert problems(query()) == []
    assert problems(query(), resources=[database, cursor]) == []
    (problem,) = cs.dry_run([query(), query()], resources=[cursor]).problems
    assert "no resource 'database' is registered; registered: 'cursor'" in problem.reason
    assert (problem.subject, problem.tasks) == ("cursor", ("query#0", "query#1"))


def test_the_engines_connector_may_be_there() -> None:
    target = query("given", connector=cs.inject("_internal_connector"))
    assert problems(target, resources=[]) == []


# Arguments


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"params": 3}, "params must map names of parameters to values, got 3"),
        ({"system_resources": 3}, "system_resources must map"),
        ({"resource_manager": 3}, "resource_manager must be a ResourceManager"),
        ({"resources": [3]}, "resources must hold what @cs.resource makes"),
    ],
)
def test_wrong_arguments_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(TypeError, match=message):
        cs.dry_run(never(), **options)


def test_the_target_is_one() -> None:
    with pytest.raises(TypeError, match="call it first"):
        cs.dry_run(never)
