"""What can be seen of running workflows from outside, as plain data ready for JSON."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeAlias

from cascade.control import census
from cascade.runtime.rules import PREFIX
from cascade.runtime.ticket import WAITING

if TYPE_CHECKING:
    from cascade.runtime.explanations import ResourceStatistics
    from cascade.runtime.resource_manager import ResourceManager
    from cascade.runtime.run import Run
    from cascade.spec.constraint import GlobalConstraint

MOST = 100
"""Runs, waiters, resources and names in a snapshot at most, of all managers together."""
MOST_HOLDERS = 10
MOST_NODES = 200_000
"""Nodes that are looked at one by one at most; of larger worlds only totals are told."""


def first(parts: Iterable[list[dict[str, Any]]]) -> list[dict[str, Any]]:
    """Return the first `MOST` of all that some lists have; the last lists aren't made then."""
    found: list[dict[str, Any]] = []
    for part in parts:
        found += part[: MOST - len(found)]
        if len(found) == MOST:
            break
    return found


def of_resources(manager: ResourceManager) -> list[dict[str, Any]]:
    """Return the resources of a manager, with who holds them; not those of live rules."""
    held = census.holders(manager)
    return [
        _of_resource(name, each, held.get(name, {}))
        for name, each in manager.statistics().resources.items()
        if not name.startswith(PREFIX)
    ]


def _of_resource(name: str, each: ResourceStatistics, held: dict[str, float]) -> dict[str, Any]:
    first = dict(list(held.items())[:MOST_HOLDERS])
    return {
        "name": name,
        "kind": each.kind,
        "capacity": each.capacity,
        "used": each.used,
        "available": each.available,
        "per_second": each.per_second,
        "waiting": each.waiting,
        "peak": each.peak,
        "oldest_waiter": each.oldest_waiter,
        "holders": first,
        "more_holders": len(held) - len(first),
    }


def of_waiters(manager: ResourceManager) -> list[dict[str, Any]]:
    """Return who waits and for what, in the order in which they stand; the first of them."""
    now = manager.now()
    return [
        {
            "owner": each.owner,
            "request": dict(each.request),
            "blocked_on": list(each.blocked_on),
            "waited": now - each.since,
            "sentence": str(each),
        }
        for each in manager.explain(MOST)
    ]


States: TypeAlias = dict["Run", dict[str, int]]
"""How many tasks of each run are in each state: what `census.states` returns."""


def of_runs(manager: ResourceManager, states: States) -> list[dict[str, Any]]:
    """Return the runs of a manager, of these states, the oldest first; `MOST` of them."""
    return [_of_run(manager, run, of_run) for run, of_run in islice(states.items(), MOST)]


def _of_run(manager: ResourceManager, run: Run, states: dict[str, int]) -> dict[str, Any]:
    began = None if manager.oversight is None else manager.oversight.began(run)
    return {
        "id": run.run_id,
        "engine": run.engine.name,
        "name": run.name_of(len(run.states) - 1) if run.states else "",
        "seconds": None if began is None else run.loop.time() - began,
        "tasks": states,
    }


def totals(of_managers: Iterable[States]) -> tuple[int, dict[str, int]]:
    """Return how many runs there are, and how many tasks of all of them are in each state."""
    found = dict.fromkeys(("waiting", "running", "pending", "ended", "skipped"), 0)
    runs = 0
    for of_manager in of_managers:
        runs += len(of_manager)
        for states in of_manager.values():
            for state, number in states.items():
                found[state] += number
    return runs, found


def by_name(managers: Iterable[ResourceManager]) -> list[dict[str, Any]]:
    """Return how many tasks of each name run and wait, those with the most first."""
    running: Counter[str] = Counter()
    waiting: Counter[str] = Counter()
    looked_at = 0
    for manager in managers:
        wait = {(asker.run, asker.node): asker for _, asker in census.askers(manager, WAITING)}
        waiting.update(asker.names[0] for asker in wait.values())
        for run in manager.running():
            looked_at += len(run.states)
            if looked_at > MOST_NODES:
                break
            # A child of a map goes by the name of the map.
            running.update(
                run.lazy_of(node).name for node in run.running() if (run, node) not in wait
            )
    names = sorted({*running, *waiting}, key=lambda name: -(running[name] + waiting[name]))
    return [
        {"name": name, "running": running[name], "waiting": waiting[name]} for name in names[:MOST]
    ]


def of_rule(rule: GlobalConstraint, left: float | None) -> dict[str, Any]:
    """Return a live rule.

    Args:
        rule: the rule.
        left: how many seconds it still holds; None: without end.
    """
    return {
        "id": rule.id,
        "scope": rule.scope,
        "type": rule.type,
        "params": dict(rule.params),
        "left": left,
    }
