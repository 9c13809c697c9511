"""What is typed to set a limit, and what is sent then."""

from __future__ import annotations

from typing import Any

import pytest

from cascade.cli.orders import WrongUse, limit_order_in_a_line


def rule(scope: str, limit: int, **more: Any) -> tuple[str, dict[str, Any]]:
    return "rule", {"scope": scope, "type": "concurrency", "params": {"limit": limit}, **more}


@pytest.mark.parametrize(
    ("line", "order"),
    [
        ("slot=5", ("limit", {"resource": "slot", "amount": 5.0})),
        (" slot=none ", ("limit", {"resource": "slot", "amount": None})),
        ("a=b=0.5", ("limit", {"resource": "a=b", "amount": 0.5})),
        ("slot=5 for 10m", ("limit", {"resource": "slot", "amount": 5.0, "for": 600.0})),
        ("slot=5 --for 1h30m ", ("limit", {"resource": "slot", "amount": 5.0, "for": 5400.0})),
        ("task:fetch*=3", rule("task:fetch*", 3)),
        ("task:x=none", ("lift", {"scope": "task:x", "type": "concurrency"})),
        ("engine=3", ("limit", {"resource": "engine", "amount": 3.0})),
        ("global=10 for 90s", rule("global", 10, **{"for": 90.0})),
    ],
)
def test_a_line_is_a_command(line: str, order: tuple[str, dict[str, Any]]) -> None:
    assert limit_order_in_a_line(line) == order


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("slot", "WHAT=AMOUNT is needed"),
        ("=5", "WHAT=AMOUNT is needed"),
        ("slot=", "AMOUNT must be a number or none, got ''"),
        ("slot=nan", "AMOUNT must be a number or none, got 'nan'"),
        ("slot=-inf", "AMOUNT must be a number or none, got '-inf'"),
        ("slot=1e400", "AMOUNT must be a number or none, got '1e400'"),
        ("task:x=many", "AMOUNT must be a whole number of tasks, got 'many'"),
        ("task:x=none for 10m", "none takes no --for"),
        ("slot=5 for ever", "--for must be a duration such as"),
    ],
)
def test_what_is_none_is_named(line: str, problem: str) -> None:
    with pytest.raises(WrongUse, match=problem):
        limit_order_in_a_line(line)
