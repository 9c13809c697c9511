"""Random graphs with everything in them: what comes out is what a plain evaluation says.

``CASCADE_EXAMPLES`` says how many graphs are made; ``python -m prove`` makes more of them.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from typing import Any

from hypothesis import HealthCheck, given, settings
from tests.e2e.described_runs import Report, Told, report
from tests.e2e.descriptions import (
    Blocked,
    Description,
    Evaluation,
    Failed,
    Skipped,
    evaluate,
    filled,
    marks,
    uses,
)
from tests.e2e.random_descriptions import descriptions

EXAMPLES = int(os.environ.get("CASCADE_EXAMPLES", "80"))


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(description=descriptions())
def test_a_run_agrees_with_a_plain_evaluation_and_leaves_nothing(description: Description) -> None:
    expected = evaluate(description)
    found = report(description)

    check_outcome(description, expected, found)
    check_lives(description, expected, found)
    check_order(description, found)
    assert found.left == []
    assert found.kept == []
    assert report(description).told == found.told


def check_outcome(description: Description, expected: Evaluation, found: Report) -> None:
    """Check that the result or the error is one that may come of the description."""
    moment = description.cancelled_at
    if found.error == ("CancelledError",):
        assert moment is not None
        assert found.ended_at >= moment
        return
    failed = expected.of(Failed)
    if failed:
        assert found.error is not None, "it must fail"
        (place, count) = next(filter(None, map(place_in, found.notes)))
        assert count == len(description.reachable)
        number = description.reachable[place - 1]
        assert number in failed
        assert found.error in expected.outcomes[number].errors
    elif any(number in expected.of(Skipped) for number in uses(description.target)):
        assert found.error == ("SkippedError",)
    else:
        assert found.error is None
        assert found.result == marks(filled(description.target, expected.outcomes))
        check_calls(expected, found)


def place_in(note: str) -> tuple[int, int] | None:
    """The place of the task that a note names, and how many there are."""
    place = re.match(r"in task 'work' \(node (\d+) of (\d+)", note)
    return None if place is None else (int(place[1]), int(place[2]))


def check_calls(expected: Evaluation, found: Report) -> None:
    """Check that each function was called as often as it had to be."""
    assert found.calls == Counter({key: count for key, count in expected.calls.items() if count})
    again = Counter((each.node, each.child) for each in found.told if each.kind == "TaskRetrying")
    assert again == Counter({key: count - 1 for key, count in found.calls.items() if count > 1})


ONE_LIFE = (["TaskStarted", "TaskFinished"], ["TaskSkipped"])


def check_lives(description: Description, expected: Evaluation, found: Report) -> None:
    """Check that all that began has ended, once, and that nothing is told of what didn't."""
    if not found.told:  # cancelled before its first step
        assert description.cancelled_at == 0
        return
    kinds = [each.kind for each in found.told]
    assert (kinds[0], kinds[-1]) == ("RunStarted", "RunFinished")
    assert (kinds.count("RunStarted"), kinds.count("RunFinished")) == (1, 1)
    status, error = found.told[-1].detail[0], found.error
    if error is None:
        assert status == "succeeded"
    else:
        assert status == ("cancelled" if error == ("CancelledError",) else "failed")
    lives: dict[tuple[Any, Any], list[Told]] = {}
    for each in found.told:
        if each.kind in ("TaskStarted", "TaskFinished", "TaskSkipped"):
            lives.setdefault((each.node, each.child), []).append(each)
    assert {node for node, child in lives if child is None} == set(description.reachable)
    for life in lives.values():
        assert [each.kind for each in life] in ONE_LIFE
    assert {node for node, child in found.calls} <= {
        node for (node, _), life in lives.items() if life[0].kind == "TaskStarted"
    }
    check_endings(expected, found, lives)


def check_endings(
    expected: Evaluation, found: Report, lives: dict[tuple[Any, Any], list[Told]]
) -> None:
    """Check how each node has ended, as far as the evaluation knows."""
    never = expected.of(Skipped) | expected.of(Blocked)
    for (node, child), life in lives.items():
        last = life[-1]
        if last.kind == "TaskSkipped" and last.detail[0] != "Cancelled":
            assert node in expected.of(Skipped)
            assert child is None
        if node in never:
            assert last.kind == "TaskSkipped"
        if last.kind == "TaskFinished" and last.detail[0] == "failed" and child is None:
            assert node in expected.of(Failed)
        if last.kind == "TaskFinished" and last.detail[0] == "succeeded" and child is None:
            assert node not in expected.of(Failed)
        if found.error in (None, ("SkippedError",)) and child is None:
            is_skipped = node in expected.of(Skipped)
            assert last.kind == ("TaskSkipped" if is_skipped else "TaskFinished")


def check_order(description: Description, found: Report) -> None:
    """Check that nothing began before what it waits for had ended."""
    ended: set[int | None] = set()
    for each in found.told:
        if each.kind == "TaskStarted" and each.node is not None:
            node = description.nodes[each.node]
            assert ended >= {*node.needs, *node.after}
        if each.child is None and each.kind in ("TaskFinished", "TaskSkipped"):
            ended.add(each.node)
