"""Random graphs with tasks in processes, in real time: they agree with a plain evaluation as well.

There are fewer of them, and they say nothing about time: it goes on by itself here.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from dataclasses import replace
from math import inf
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from tests.e2e.described_checks import (
    Kept,
    check_caches,
    check_lives,
    check_order,
    check_outcome,
)
from tests.e2e.described_runs import report
from tests.e2e.descriptions import Description, Node
from tests.e2e.plain_evaluation import evaluate, without_repeats
from tests.e2e.random_descriptions import descriptions

import cascade as cs

EXAMPLES = int(os.environ.get("CASCADE_EXAMPLES", "80")) // 8
QUICK = 0.01
"""How many seconds of real time stand for one."""
MOMENT = 0.25
"""Seconds within which things may happen at the same moment, on a machine that is busy."""


@pytest.fixture(scope="module")
def executor() -> Iterator[cs.LocalExecutor]:
    """An executor for all examples: processes start slowly."""
    executor = cs.LocalExecutor(processes=2)
    yield executor
    asyncio.run(executor.aclose())


def in_real_time(description: Description) -> Description:
    """The same, without anything that would take long, or depend on how long something takes."""

    def quick(node: Node) -> Node:
        lifetime = None if node.lifetime is None else inf
        return replace(node, delay=0.0, jitter=0.0, timeout=None, lifetime=lifetime)

    def sooner(moment: float | None) -> float | None:
        return None if moment is None else moment * QUICK

    return replace(
        description,
        nodes=tuple(map(quick, description.nodes)),
        cancelled_at=sooner(description.cancelled_at),
        earlier=sooner(description.earlier),
    )


@settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(description=descriptions(("process",) * 4 + ("thread", "inline", "async")))
def test_processes_agree_with_a_plain_evaluation(
    executor: cs.LocalExecutor, description: Description
) -> None:
    description = in_real_time(description)
    reports = report(description, asyncio.run, executor)

    plain = without_repeats(description)
    expected = evaluate(plain)
    kept: Kept = {}
    moments: list[Any] = [description.earlier, description.cancelled_at][-len(reports) :]
    for found, moment in zip(reports, moments, strict=True):
        check_outcome(plain, expected, found, kept, moment)
        check_lives(plain, expected, found, moment)
        check_order(plain, expected, found)
        kept = check_caches(plain, expected, found, kept, MOMENT)
        assert found.left == []
        assert found.kept == []
