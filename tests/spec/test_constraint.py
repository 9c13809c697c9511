"""GlobalConstraint: a rule is checked when it is made, whoever makes it."""

from __future__ import annotations

from typing import Any

import pytest

from cascade.spec.constraint import GlobalConstraint, parse_rate


@pytest.mark.parametrize(
    ("type", "params"),
    [
        ("pause", {}),
        ("concurrency", {"limit": 0}),
        ("concurrency", {"limit": 50}),
        ("rate_limit", {"rate": "10/m"}),
        ("rate_limit", {"rate": 2.5, "burst": 3}),
    ],
)
def test_what_a_rule_can_do(type: str, params: dict[str, Any]) -> None:
    rule = GlobalConstraint("r", "global", type, params)
    assert rule.expires_in is None
    assert dict(rule.params) == ({"burst": 1} | params if type == "rate_limit" else params)


def test_its_parameters_cannot_be_changed_afterwards() -> None:
    given = {"limit": 3}
    rule = GlobalConstraint("r", "global", "concurrency", given)
    given["limit"] = 4
    assert rule.params["limit"] == 3
    with pytest.raises(TypeError):
        rule.params["limit"] = 5  # type: ignore[index]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"id": ""}, "id of a constraint must not be empty"),
        ({"id": 3}, "id of a constraint must be a string, got 3"),
        ({"id": "a/b"}, "id of a constraint must not contain /"),
        ({"scope": "everything"}, "scope must be one of global, task:<glob>.*'everything'"),
        ({"scope": "task:"}, "scope must be one of"),
        ({"scope": None}, "scope must be a string, got None"),
        ({"type": "stop"}, "type must be one of pause, concurrency, rate_limit, got 'stop'"),
        ({"params": {"limit": 3}}, "a pause takes no parameters, got 'limit'"),
        ({"params": [3]}, "params must map names to values"),
        ({"type": "concurrency"}, "a concurrency needs 'limit'"),
        ({"type": "concurrency", "params": {"limit": -1}}, "limit must be a whole number ≥ 0"),
        ({"type": "concurrency", "params": {"limit": 1.5}}, "limit must be a whole number ≥ 0"),
        ({"type": "concurrency", "params": {"limit": True}}, "limit must be a whole number ≥ 0"),
        ({"type": "concurrency", "params": {"limit": 1, "burst": 1}}, "takes limit, got 'burst'"),
        ({"type": "rate_limit", "params": {}}, "a rate_limit needs 'rate'"),
        ({"type": "rate_limit", "params": {"rate": "10/week"}}, 'form "10/m"'),
        ({"type": "rate_limit", "params": {"rate": "0/s"}}, "above 0"),
        ({"type": "rate_limit", "params": {"rate": f"0.{'0' * 320}1/d"}}, "above 0"),
        ({"type": "rate_limit", "params": {"rate": "9" * 400 + "/s"}}, 'form "10/m"'),
        ({"type": "rate_limit", "params": {"rate": 5e-324}}, "rate must be above 0 per second"),
        ({"type": "rate_limit", "params": {"rate": -1}}, "rate must be above 0 per second"),
        ({"type": "rate_limit", "params": {"rate": None}}, "rate must be a number"),
        ({"type": "rate_limit", "params": {"rate": "1/s", "burst": 0.5}}, "burst must be at least"),
        ({"expires_in": 0}, "expires_in must be above 0 seconds, got 0"),
        ({"expires_in": float("nan")}, "expires_in must be a finite number"),
    ],
)
def test_what_is_no_rule_is_refused(fields: dict[str, Any], message: str) -> None:
    with pytest.raises((TypeError, ValueError), match=message):
        GlobalConstraint(**({"id": "r", "scope": "global", "type": "pause"} | fields))


@pytest.mark.parametrize(
    ("rate", "per_second"),
    [("10/s", 10), ("10/m", 10 / 60), ("600 / h", 1 / 6), ("86400/d", 1), ("0.5/s", 0.5), (3, 3)],
)
def test_rates(rate: object, per_second: float) -> None:
    assert parse_rate(rate) == pytest.approx(per_second, rel=1e-15)


@pytest.mark.parametrize(
    ("scope", "matches"),
    [
        ("global", True),
        ("task:fire*", True),
        ("task:firefly_agent", True),
        ("task:lamp", True),
        ("task:fire", False),
        ("task:FIRE*", False),
        ("tag:slow", True),
        ("tag:slo*", False),
        ("engine:left", True),
        ("engine:right", False),
    ],
)
def test_whom_a_rule_is_for(scope: str, matches: bool) -> None:
    rule = GlobalConstraint("r", scope, "pause")
    assert rule.matches(("lamp", "firefly_agent"), ("slow", "big"), "left") is matches
    assert rule.matches(("x",), (), None) is (scope == "global")


def test_a_message_may_leave_out_the_id() -> None:
    rule = GlobalConstraint.from_payload("r", {"scope": "tag:a", "type": "pause"})
    assert rule == GlobalConstraint("r", "tag:a", "pause")


@pytest.mark.parametrize(
    ("payload", "message"),
    [
        (["pause"], "must be a mapping of its fields"),
        ({"scope": "global"}, "a constraint needs 'type'"),
        ({"scope": "global", "type": "pause", "limit": 3}, "a constraint takes .*, got 'limit'"),
        ({"scope": "global", "type": "pause", "id": "other"}, "the topic says 'r'"),
    ],
)
def test_a_message_that_is_no_rule_is_refused(payload: object, message: str) -> None:
    with pytest.raises((TypeError, ValueError), match=message):
        GlobalConstraint.from_payload("r", payload)
