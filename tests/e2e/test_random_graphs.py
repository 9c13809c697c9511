"""Random graphs with everything in them: what comes out is what a plain evaluation says.

``CASCADE_EXAMPLES`` says how many graphs are made; ``python -m prove`` makes more of them.
"""

from __future__ import annotations

import os

from hypothesis import HealthCheck, given, settings
from tests.e2e.described_checks import (
    Kept,
    check_caches,
    check_lives,
    check_order,
    check_outcome,
)
from tests.e2e.described_runs import report
from tests.e2e.descriptions import Description
from tests.e2e.plain_evaluation import evaluate, without_repeats
from tests.e2e.random_descriptions import descriptions

EXAMPLES = int(os.environ.get("CASCADE_EXAMPLES", "80"))


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.too_slow])
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
