"""Feasibility: what could not be granted as limits are now, without asking for it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from cascade.errors import InfeasibleRequestError
from cascade.runtime.feasibility import Limits, Obstacle
from cascade.runtime.resource_manager import ResourceManager


def manager() -> ResourceManager:
    made = ResourceManager({"gpu": 2, "paused": 0, "endless": None})
    made.set_rate("api", 10, burst=5)
    made.set_gate("open", open=True)
    made.set_gate("shut", open=False)
    made.set_budget("usd", 3)
    made.set_budget("spent", 0)
    made.set_budget("strict", 1, on_empty="fail")
    made.set_budget("gone", 0, on_empty="fail")
    return made


@pytest.mark.parametrize(
    ("name", "amount"),
    [
        ("gpu", 2),
        ("gpu", 0),
        ("paused", 0),
        ("endless", 10**6),
        ("api", 5),
        ("open", 1),
        ("usd", 3),
        ("strict", 1),
        ("unheard of", 0),
    ],
)
def test_what_fits_has_no_obstacle(name: str, amount: float) -> None:
    assert Limits(manager(), None).obstacle(name, amount) is None


@pytest.mark.parametrize(
    ("name", "amount", "reason"),
    [
        ("gpu", 2.5, "can never be granted: its capacity is 2"),
        ("api", 6, "can never be granted: its burst is 5"),
        ("strict", 2, "can never be granted: its remaining budget is 1"),
        ("gone", 1, "can never be granted: its remaining budget is 0"),
        ("paused", 1, "its capacity is 0, a pause: it waits until that is raised"),
        ("shut", 1, "this gate is closed: it waits until somebody opens it"),
        ("usd", 4, "3 is left of this budget: it waits until there is more"),
        ("spent", 1, "nothing is left of this budget"),
    ],
)
def test_what_does_not_fit_has_one(name: str, amount: float, reason: str) -> None:
    obstacle = Limits(manager(), None).obstacle(name, amount)
    assert obstacle is not None
    assert obstacle.stops
    assert reason in obstacle.reason


@pytest.mark.parametrize(
    ("name", "amount"), [("gpu", 2.5), ("api", 6), ("strict", 2), ("gone", 1), ("gpu", 2)]
)
def test_it_fails_where_a_request_fails_and_says_the_same(name: str, amount: float) -> None:
    limits = manager()
    foreseen = Limits(limits, None).obstacle(name, amount)
    raised = asyncio.run(asked(limits, name, amount))
    if isinstance(raised, InfeasibleRequestError):
        assert foreseen == Obstacle(str(raised), True)
    else:
        assert foreseen is None


async def asked(limits: ResourceManager, name: str, amount: float) -> object:
    return (await asyncio.gather(limits.acquire({name: amount}), return_exceptions=True))[0]


def test_system_resources_are_merged_and_the_manager_stays_as_it_is() -> None:
    limits = manager()
    before = limits.statistics()
    view = Limits(limits, {"gpu": 8, "paused": None, "new": 1})
    assert view.obstacle("gpu", 8) is None
    assert view.obstacle("paused", 1) is None
    assert view.obstacle("new", 2) is not None
    assert view.obstacle("api", 6) is not None
    assert limits.statistics() == before
    assert Limits(limits, None).obstacle("gpu", 8) is not None


def test_a_name_without_a_limit_is_only_suspicious() -> None:
    assert Limits(manager(), None).obstacle("gpus", 1) == Obstacle(
        "the resource 'gpus' has no limit, so it is unlimited; did you mean 'gpu'?", False
    )
    assert Limits(None, None).obstacle("gpus", 1) is None


def test_a_strict_manager_refuses_it() -> None:
    strict = ResourceManager({"gpu": 1}, strict=True)
    obstacle = Limits(strict, {"disk": 1}).obstacle("disc", 1)
    assert obstacle is not None
    assert obstacle.stops
    assert "did you mean 'disk'?" in obstacle.reason


@pytest.mark.parametrize(
    ("system_resources", "kind"),
    [(3, TypeError), ({"gpu": "many"}, TypeError), ({"gpu": -1}, ValueError)],
)
def test_wrong_capacities_are_refused(system_resources: Any, kind: type[Exception]) -> None:
    with pytest.raises(kind):
        Limits(None, system_resources)


def test_a_capacity_of_another_kind_is_refused() -> None:
    with pytest.raises(ValueError, match="is a rate already"):
        Limits(manager(), {"api": 1})


def test_the_manager_is_one() -> None:
    with pytest.raises(TypeError, match="resource_manager must be a ResourceManager, got 3"):
        Limits(3, None)  # type: ignore[arg-type]
