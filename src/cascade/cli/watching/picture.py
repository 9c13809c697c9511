"""Picture: a snapshot of a program, read with care.

What a program sends may be of another version, or odd in any other way. Here it becomes plain
values of known types, whatever it was; what can't be read is left out.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from cascade.cli.watching.figures import clean


@dataclass(frozen=True, slots=True)
class Tasks:
    """How many tasks are in each state."""

    running: float
    waiting: float
    pending: float
    ended: float
    skipped: float


@dataclass(frozen=True, slots=True)
class NamedTasks:
    """The tasks of one name."""

    name: str
    running: float
    waiting: float


@dataclass(frozen=True, slots=True)
class RunShown:
    """A run that goes on."""

    id: str
    engine: str
    seconds: float | None
    """How long it goes on; None: nobody knows."""
    tasks: Tasks


@dataclass(frozen=True, slots=True)
class Slots:
    """A resource, and who holds it."""

    name: str
    kind: str
    capacity: float | None
    used: float
    available: float | None
    per_second: float | None
    waiting: float
    holders: tuple[tuple[str, float], ...]
    more_holders: float


@dataclass(frozen=True, slots=True)
class Waiter:
    """A task that waits."""

    owner: str
    sentence: str
    waited: float | None
    """For how many seconds."""


@dataclass(frozen=True, slots=True)
class RuleShown:
    """A rule that holds."""

    id: str
    params: str
    left: float | None
    """For how many seconds; None: without end."""


@dataclass(frozen=True, slots=True)
class ErrorShown:
    """An error of a run."""

    run: str
    text: str
    when: str


@dataclass(frozen=True, slots=True)
class Picture:
    """What a program looked like at one moment."""

    pid: str
    seconds: float | None
    """For how long it can be steered."""
    run_count: float
    tasks: Tasks
    by_name: tuple[NamedTasks, ...]
    runs: tuple[RunShown, ...]
    slots: tuple[Slots, ...]
    waiting: tuple[Waiter, ...]
    rules: tuple[RuleShown, ...]
    errors: tuple[ErrorShown, ...]
    """The latest first."""
    dropped: float
    tasks_per_second: float | None
    steps_per_second: float | None
    every: float
    """Seconds until the next one is to be expected; 0: it didn't say."""


def picture_of(snapshot: Mapping[str, Any]) -> Picture:
    """Return what a snapshot shows."""
    throughput = _object(snapshot, "throughput")
    return Picture(
        pid=_text(snapshot, "pid"),
        seconds=_number(snapshot, "seconds"),
        run_count=_amount(snapshot, "runs"),
        tasks=_tasks(_object(snapshot, "tasks")),
        by_name=tuple(
            NamedTasks(_text(each, "name"), _amount(each, "running"), _amount(each, "waiting"))
            for each in _objects(snapshot, "task_list")
        ),
        runs=tuple(
            RunShown(
                _text(each, "id"),
                _text(each, "engine"),
                _number(each, "seconds"),
                _tasks(_object(each, "tasks")),
            )
            for each in _objects(snapshot, "run_list")
        ),
        slots=tuple(_slots(each) for each in _objects(snapshot, "resources")),
        waiting=tuple(
            Waiter(_text(each, "owner"), _text(each, "sentence"), _number(each, "waited"))
            for each in _objects(snapshot, "waiting")
        ),
        rules=tuple(
            RuleShown(
                _text(each, "id"),
                " ".join(
                    f"{clean(key)}={clean(value)}" for key, value in _object(each, "params").items()
                ),
                _number(each, "left"),
            )
            for each in _objects(snapshot, "rule_list")
        ),
        errors=tuple(
            ErrorShown(_text(each, "run"), _text(each, "error"), _text(each, "when"))
            for each in reversed(list(_objects(snapshot, "errors")))
        ),
        dropped=_amount(snapshot, "dropped"),
        tasks_per_second=_number(throughput, "tasks"),
        steps_per_second=_number(throughput, "steps"),
        every=_amount(snapshot, "every"),
    )


def _tasks(found: Mapping[str, Any]) -> Tasks:
    names = ("running", "waiting", "pending", "ended", "skipped")
    return Tasks(*[_amount(found, name) for name in names])


def _slots(found: Mapping[str, Any]) -> Slots:
    holders = _object(found, "holders")
    return Slots(
        name=_text(found, "name"),
        kind=_text(found, "kind"),
        capacity=_number(found, "capacity"),
        used=_amount(found, "used"),
        available=_number(found, "available"),
        per_second=_number(found, "per_second"),
        waiting=_amount(found, "waiting"),
        holders=tuple((clean(owner), _amount(holders, owner)) for owner in holders),
        more_holders=_amount(found, "more_holders"),
    )


def _text(found: Mapping[str, Any], name: str) -> str:
    value = found.get(name)
    return "" if value is None else clean(value)


def _number(found: Mapping[str, Any], name: str) -> float | None:
    value = found.get(name)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def _amount(found: Mapping[str, Any], name: str) -> float:
    return _number(found, name) or 0.0


def _object(found: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = found.get(name)
    return value if isinstance(value, Mapping) else {}


def _objects(found: Mapping[str, Any], name: str) -> Iterator[Mapping[str, Any]]:
    value = found.get(name)
    if isinstance(value, list):
        yield from (each for each in value if isinstance(each, Mapping))
