"""Checks that a run is one that may come of its description."""

from __future__ import annotations

import re
from collections import Counter
from itertools import pairwise
from math import inf
from typing import Any

from tests.e2e.described_runs import Place, Report, Told
from tests.e2e.descriptions import Description, Node, filled, is_for_ever, marks, uses
from tests.e2e.plain_evaluation import (
    Blocked,
    Evaluation,
    Failed,
    Pruned,
    Skipped,
    Stuck,
)

Kept = dict[str, float]
"""Until when a cache keeps the value of a call, by its key."""

ROUNDING = 1e-9
"""Seconds that may be lost where times are counted from the beginning of a later run."""


def check_outcome(
    description: Description, expected: Evaluation, found: Report, kept: Kept, moment: float | None
) -> None:
    """Check that the result or the error is one that may come of the description."""
    if description.missing and found.error != ("CancelledError",):
        assert found.error == ("MissingInputError",)
        return
    if found.error == ("CancelledError",):
        assert moment is not None
        assert found.ended_at >= moment - ROUNDING
        return
    failed = expected.of(Failed)
    if failed:
        assert found.error is not None, "it must fail"
        (place, count) = next(filter(None, map(place_in, found.notes)))
        assert count == len(description.reachable)
        number = description.reachable[place - 1]
        assert number in failed
        assert found.error in expected.outcomes[number].errors
    elif expected.of(Stuck):
        assert found.error == ("GraphError",)
    elif any(number in expected.of(Skipped) for number in uses(description.target)):
        assert found.error == ("SkippedError",)
    else:
        assert found.error is None
        assert found.result == marks(filled(description.target, expected.outcomes))
        check_calls(description, expected, found, kept)


def place_in(note: str) -> tuple[int, int] | None:
    """The place of the task that a note names, and how many there are."""
    place = re.match(r"in task .* \(node (\d+) of (\d+)", note)
    return None if place is None else (int(place[1]), int(place[2]))


def check_calls(description: Description, expected: Evaluation, found: Report, kept: Kept) -> None:
    """Check that each function was called as often as it had to be."""
    usual = {place: count for place, count in expected.calls.items() if count}
    sharing: dict[str, list[Place]] = {}
    for place, key in expected.keys.items():
        sharing.setdefault(key, []).append(place)
        # Which of those that share a value makes it isn't said.
        if not found.calls[place] and not _fails(expected, place):
            usual.pop(place, None)
    for key, places in sharing.items():
        if _fails(expected, places[0]):
            continue
        makers = [place for place in places if found.calls[place]]
        if any(expected.calls[place] for place in places) and key not in kept:
            assert makers
        if all(is_for_ever(description.nodes[node].lifetime) for node, _ in places):
            assert len(makers) <= (key not in kept)
    assert found.calls == Counter(usual)
    again = Counter(
        (each.node, each.child)
        for each in found.told
        if each.kind == "TaskRetrying" and (each.node, each.child) in found.calls
    )
    assert again == Counter({key: count - 1 for key, count in found.calls.items() if count > 1})


def _fails(expected: Evaluation, place: Place) -> bool:
    """Whether a child fails whose map collects errors."""
    node, child = place
    outcome = expected.outcomes[node]
    return child is not None and isinstance(outcome[child], BaseException)


ONE_LIFE = (["TaskStarted", "TaskFinished"], ["TaskSkipped"])


def check_lives(
    description: Description, expected: Evaluation, found: Report, moment: float | None
) -> None:
    """Check that all that began has ended, once, and that nothing is told of what didn't."""
    if not found.told:  # cancelled before its first step, or without the values of all inputs
        assert moment == 0 or description.missing
        assert not found.calls
        return
    assert len({each.run_id for each in found.told}) == 1
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
    of_events = {n for n in description.reachable if description.nodes[n].has_events}
    assert {node for node, child in lives if child is None} == of_events
    for life in lives.values():
        assert [each.kind for each in life] in ONE_LIFE
    for place in found.calls:
        assert lives[place][0].kind == "TaskStarted"
    check_endings(description, expected, found, lives)


def check_endings(
    description: Description,
    expected: Evaluation,
    found: Report,
    lives: dict[tuple[Any, Any], list[Told]],
) -> None:
    """Check how each node has ended, as far as the evaluation knows."""
    never = expected.of(Skipped, Pruned, Blocked, Stuck)
    for (node, child), life in lives.items():
        last = life[-1]
        reason = last.detail[0] if last.kind == "TaskSkipped" else None
        if reason == "CacheHit":
            assert (node, child) in expected.keys
        elif reason == "Pruned":
            assert (node, child) in {(number, None) for number in expected.of(Pruned)}
        elif reason not in (None, "Cancelled"):
            assert (node, child) in {(number, None) for number in expected.of(Skipped)}
        if node in never:
            assert reason not in (None, "CacheHit")
        if last.kind == "TaskFinished" and last.detail[0] == "failed" and child is None:
            assert node in expected.of(Failed)
        if last.kind == "TaskFinished" and last.detail[0] == "succeeded" and child is None:
            assert node not in expected.of(Failed)
        if found.error not in (None, ("SkippedError",)):
            continue
        if child is not None:
            assert reason in (None, "CacheHit") or _fails(expected, (node, child))
        else:
            assert (node in never) == (reason not in (None, "CacheHit"))
            assert (node in expected.of(Pruned)) == (reason == "Pruned")
            assert reason != "Cancelled"


def check_order(description: Description, expected: Evaluation, found: Report) -> None:
    """Check that nothing began before what it waits for had ended."""
    ended: set[int | None] = set()
    for each in found.told:
        begins = each.kind == "TaskStarted" or "CacheHit" in each.detail
        if begins and each.node is not None:
            node = description.nodes[each.node]
            assert ended >= told_before(description, expected, node)
        if each.child is None and each.kind in ("TaskFinished", "TaskSkipped"):
            ended.add(each.node)


def told_before(description: Description, expected: Evaluation, node: Node) -> set[int]:
    """Whose end is told before a node begins: what it waits for, or what that waits for."""
    found: set[int] = set()
    left = [*node.needs, *node.after]
    while left:
        number = left.pop()
        other = description.nodes[number]
        if other.has_events:
            found.add(number)
        elif number not in expected.of(Pruned):
            left += [*other.needs, *other.after]
            left += [expected.chosen[number]] if number in expected.chosen else []
    return found


def check_caches(
    description: Description,
    expected: Evaluation,
    found: Report,
    kept: Kept,
    moment: float = 0.0,
) -> Kept:
    """Check that no call is made while its value is kept, or is being made; return what is kept.

    What happens at the same moment may be told in any order; `moment` is how long that is.
    """
    begun: dict[Place, float] = {}
    made: dict[str, list[tuple[float, float, float]]] = {}
    for known, until in kept.items():
        made[known] = [(-inf, -inf, until)]
    hits: list[tuple[str, float]] = []
    for each in found.told:
        if each.node is None or (key := expected.keys.get((each.node, each.child))) is None:
            continue
        place = each.node, each.child
        if each.kind == "TaskStarted":
            begun[place] = each.time
        elif each.kind == "TaskFinished":
            lifetime = description.nodes[each.node].lifetime if "succeeded" in each.detail else 0.0
            assert lifetime is not None
            made.setdefault(key, []).append((begun[place], each.time, each.time + lifetime))
        elif "CacheHit" in each.detail:
            hits.append((key, each.time))
    for calls in made.values():
        calls.sort()
        for (_, end, until), (start, _, _) in pairwise(calls):
            assert end <= start + moment
            assert until <= start + moment
    for known, time in hits:
        assert any(end <= time + moment < until for _, end, until in made[known])
    return {
        known: max(until for _, _, until in calls)
        for known, calls in made.items()
        if any(end < until for _, end, until in calls)
    }
