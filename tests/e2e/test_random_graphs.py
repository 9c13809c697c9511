"""Random graphs with everything in them: what comes out is what a plain evaluation says.

``CASCADE_EXAMPLES`` says how many graphs are made; ``python -m prove`` makes more of them.
"""

from __future__ import annotations

import math
import os
from dataclasses import replace
from math import inf

from hypothesis import HealthCheck, example, given, settings
from tests.e2e.described_checks import (
    Kept,
    check_caches,
    check_lives,
    check_order,
    check_outcome,
)
from tests.e2e.described_runs import report
from tests.e2e.descriptions import Children, Description, Node, Use
from tests.e2e.plain_evaluation import evaluate, without_repeats
from tests.e2e.random_descriptions import descriptions

COLLECTING = Node(
    kind="suspending",
    inputs=(Use(0),),
    conditions=(Use(0),),
    amounts=(("slot", 1),),
    failures=1,
    children=Children(elements=(Use(0),), failing=frozenset(), window=None, collects_errors=True),
    lifetime=math.inf,
)
"""A map that collects its errors."""

UNSAVED = Description(
    nodes=(
        Node(kind="suspending", pure=True, lifetime=math.inf),
        COLLECTING,
        Node(kind="router", inputs=(Use(0),), branches=(1, 0)),
        Node(kind="suspending", like=0, pure=True, lifetime=math.inf),
        replace(COLLECTING, like=1),
        Node(kind="suspending", like=0, pure=True, lifetime=math.inf),
        Node(kind="suspending", like=0, pure=True, lifetime=math.inf),
        Node(kind="suspending", conditions=(Use(6),), like=0, pure=True, lifetime=math.inf),
        Node(kind="suspending", after=(7,), like=0, pure=True, lifetime=math.inf),
        Node(kind="item", inputs=(Use(7), 0), amounts=(("slot", 1),)),
        Node(kind="suspending", priority=-1, like=0, pure=True, lifetime=math.inf),
        Node(kind="suspending", like=0, pure=True, lifetime=math.inf),
    ),
    target=[Use(number) for number in range(12)],
    as_machine=False,
    keeps_state=True,
    cancelled_at=None,
    earlier=None,
    own_cache=False,
)
ROUTED = Description(
    (
        Node("inline"),
        Node("inline"),
        Node("router", (Use(0),), branches=(0, 1)),
        Node("router", (1,), branches=(2, 1)),
        Node("inline", (Use(2), Use(3))),
        Node("inline", after=(2, 3, 4)),
    ),
    Use(5),
)
CACHED = Description(
    (
        Node("suspending", (), seconds=1.0),
        Node("suspending", (Use(0),), seconds=1.0, lifetime=inf),
        Node("suspending", (Use(0),), seconds=1.0, lifetime=inf, like=1),
        Node("inline", after=(1, 2)),
    ),
    Use(3),
    earlier=inf,
)
FOLLOWED = Description(
    (
        Node("suspending", (), seconds=1.0, lifetime=inf),
        Node("suspending", (), seconds=1.0, lifetime=inf, like=0),
        Node("router", (Use(0),), branches=(0, 1)),
        Node("router", (Use(1),), branches=(1, 0)),
        Node("inline", (Use(2), Use(3))),
    ),
    Use(4),
)
STUCK = Description(
    (Node("inline"), Node("inline", after=(0,)), Node("router", (Use(1),), branches=(0,))), Use(2)
)

EXAMPLES = int(os.environ.get("CASCADE_EXAMPLES", "80"))


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@example(description=ROUTED).via("a branch runs that isn't chosen, and its value is kept")
@example(description=CACHED).via("equal calls run side by side, and again")
@example(description=replace(CACHED, earlier=1.5)).via("the calls of a cancelled run are kept")
@example(description=FOLLOWED).via("a branch waits for the call that chooses it")
@example(description=UNSAVED).via("a run fails while collected errors are still to be saved")
@example(description=STUCK).via("a choice waits for itself")
@given(description=descriptions())
def test_a_run_agrees_with_a_plain_evaluation_and_leaves_nothing(description: Description) -> None:
    reports = report(description)

    plain = without_repeats(description)
    expected = evaluate(plain)
    kept: Kept = {}
    moments = [description.earlier, description.cancelled_at][-len(reports) :]
    for found, moment in zip(reports, moments, strict=True):
        check_outcome(plain, expected, found, kept, moment)
        check_lives(plain, expected, found, moment)
        check_order(plain, expected, found)
        kept = check_caches(plain, expected, found, kept)
        assert found.left == []
        assert found.kept == []
    assert [each.told for each in report(description)] == [each.told for each in reports]
