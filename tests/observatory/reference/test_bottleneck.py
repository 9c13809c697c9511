"""The bottleneck as a formula, beside cases that are known otherwise."""

from __future__ import annotations

import math
from typing import Any

import pytest

from observatory.reference.bottleneck import expected


def test_one_agent_never_waits() -> None:
    answer = expected(agents=1, slots=1, think=3.0, work=1.0)
    assert answer.utilisation == pytest.approx(0.25)
    assert answer.waiting == 0
    assert answer.throughput == pytest.approx(0.25)


def test_with_a_slot_for_everybody_nobody_waits() -> None:
    answer = expected(agents=10, slots=10, think=3.0, work=1.0)
    assert answer.waiting_time == 0
    assert answer.utilisation == pytest.approx(0.25)


def test_two_agents_and_one_slot() -> None:
    # Balance by hand, with think = work = 1: weights 1, 2, 2 for none, one, two at the slot.
    answer = expected(agents=2, slots=1, think=1.0, work=1.0)
    assert answer.utilisation == pytest.approx(4 / 5)
    assert answer.waiting == pytest.approx(2 / 5)
    assert answer.waiting_time == pytest.approx(1 / 2)


@pytest.mark.parametrize(("agents", "slots"), [(5, 2), (50, 4), (1000, 20), (100_000, 500)])
def test_everybody_is_somewhere(agents: int, slots: int) -> None:
    """Little's law: agents = throughput · (think + wait + work)."""
    think, work = 2.0, 0.1
    answer = expected(agents, slots, think, work)
    assert agents == pytest.approx(answer.throughput * (think + answer.waiting_time + work))
    assert 0 < answer.utilisation <= 1
    assert math.isfinite(answer.waiting)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"agents": 0}, "agents must be a whole number ≥ 1, got 0"),
        ({"slots": 1.5}, "slots must be a whole number ≥ 1, got 1.5"),
        ({"think": 0}, "think must be above 0 seconds, got 0"),
        ({"work": math.inf}, "work must be a finite number"),
    ],
)
def test_bad_arguments(change: dict[str, Any], message: str) -> None:
    with pytest.raises((TypeError, ValueError), match=message):
        expected(**({"agents": 5, "slots": 2, "think": 1.0, "work": 1.0} | change))
