"""Logs: the events of runs as log records, and the ids of the running task in any record."""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Callable
from dataclasses import fields
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from cascade.errors import NoTaskError
from cascade.runtime import events
from cascade.runtime.current import current
from cascade.runtime.events import Event
from cascade.spec.checks import shown
from cascade.telemetry.exceptions import text_of, type_name

if TYPE_CHECKING:
    from cascade.runtime.bus import MessageBus

_LEVELS: dict[type[Event], int] = {
    events.RunStarted: logging.INFO,
    events.RunFinished: logging.INFO,
    events.TaskStarted: logging.INFO,
    events.TaskFinished: logging.INFO,
    events.TaskSkipped: logging.INFO,
    events.TaskRetrying: logging.WARNING,
    events.TaskResumed: logging.DEBUG,
    events.TaskStepped: logging.DEBUG,
    events.TaskBlocked: logging.DEBUG,
    events.TaskUnblocked: logging.DEBUG,
    events.ResourceSetUp: logging.DEBUG,
    events.ResourceTornDown: logging.DEBUG,
    events.ConstraintApplied: logging.INFO,
    events.ConstraintRemoved: logging.INFO,
    events.ConstraintRejected: logging.WARNING,
}
"""How grave each event is. One that says that something has failed is an error."""
_WITH_ERRORS = (events.RunFinished, events.TaskFinished, events.ResourceTornDown)


def log_events(
    bus: MessageBus, level: int | str = logging.INFO, *, logger: logging.Logger | None = None
) -> Callable[[], None]:
    """Write the events of a bus as log records, from now on.

    Starts and ends are of level INFO; waiting, steps and resources DEBUG; attempts that failed and
    rules that were rejected WARNING; what has failed ERROR. A record has what its event has as
    attributes (``record.run_id``, ``record.task_id``, ``record.status``, …; the time on the
    loop's clock as ``record.loop_time``), and the event's class name as ``record.event``.

    Args:
        bus: whose events.
        level: the least level that is written, as a number or a name of `logging`. For events
            below it nobody subscribes, so that they aren't made.
        logger: where to; by default the logger ``cascade.runs``.

    Returns:
        A function that ends it; calling it again does nothing.

    Raises:
        TypeError: `bus` has no `subscribe`, or `level` or `logger` isn't one.
        ValueError: there is no level of that name.
    """
    if not callable(getattr(bus, "subscribe", None)):
        raise TypeError(f"bus must be a MessageBus, got {shown(bus)}")
    least = _level_of(level)
    if logger is None:
        logger = logging.getLogger("cascade.runs")
    elif not isinstance(logger, logging.Logger):
        raise TypeError(f"logger must be a logging.Logger, got {shown(logger)}")
    target = logger

    def write(grave: int, event: Event) -> None:
        error = getattr(event, "error", None)
        has_failed = error is not None and getattr(event, "status", "failed") == "failed"
        if has_failed and isinstance(event, _WITH_ERRORS):
            grave = logging.ERROR
        if grave < least or not target.isEnabledFor(grave):
            return
        told = isinstance(event, events.TaskFinished) and has_failed
        target.log(
            grave,
            "%s",
            _sentence(event),
            extra=_attributes(event),
            exc_info=error if told else None,
        )

    ends = [
        bus.subscribe(kind, partial(write, usual))
        for kind, usual in _LEVELS.items()
        if usual >= least or (kind in _WITH_ERRORS and least <= logging.ERROR)
    ]

    def end() -> None:
        for unsubscribe in ends:
            unsubscribe()

    return end


def _level_of(level: int | str) -> int:
    if isinstance(level, str):
        known = logging.getLevelNamesMapping()
        if level not in known:
            raise ValueError(f"level must be one of {', '.join(known)}, got {shown(level)}")
        return known[level]
    if isinstance(level, bool) or not isinstance(level, int):
        raise TypeError(f"level must be a number or a name of logging, got {shown(level)}")
    return level


def _attributes(event: Event) -> dict[str, Any]:
    found: dict[str, Any] = {"event": type(event).__name__}
    for field in fields(event):
        value = getattr(event, field.name)
        if field.name == "time":
            found["loop_time"] = value
        elif field.name == "name":
            found["run_name"] = value  # `name` is that of the logger
        elif isinstance(value, BaseException):
            found["error"] = f"{type_name(value)}: {text_of(value)}"
        elif value is not None and field.name != "constraint":
            found[field.name] = value
        elif value is not None:
            found["constraint_id"] = value.id
    return found


def _sentence(event: Event) -> str:
    match event:
        case events.RunStarted():
            what = f"started: {event.name}"
        case events.TaskStarted():
            what = "started"
        case events.RunFinished() | events.TaskFinished():
            what = f"{event.status} after {event.duration:.3g} s"
        case events.TaskStepped():
            what = f"makes step {event.step}"
        case events.TaskRetrying():
            what = f"failed in attempt {event.attempt}, the next in {event.delay:.3g} s"
        case events.TaskResumed():
            what = f"comes to attempt {event.attempt}"
        case events.TaskSkipped():
            what = f"skipped: {event.reason}"
        case events.TaskBlocked():
            what = f"waits for {', '.join(event.blocked_on)}"
        case events.TaskUnblocked():
            what = f"goes on after waiting {event.waited:.3g} s"
        case events.ResourceEvent():
            verb = "set up" if isinstance(event, events.ResourceSetUp) else "torn down"
            what = f"resource {event.resource_name!r} {verb}"
        case events.ConstraintApplied():
            what = f"rule {event.constraint.id!r} holds"
        case events.ConstraintRemoved():
            how = "expired" if event.expired else "removed"
            what = f"rule {event.constraint.id!r} {how}"
        case events.ConstraintRejected():
            what = f"rule {event.constraint_id!r} rejected: {event.reason}"
        case _:
            what = type(event).__name__
    error = getattr(event, "error", None)
    if error is not None:
        what = f"{what}: {type_name(error)}: {text_of(error)}"
    if isinstance(event, events.TaskEvent):
        name = event.task_name
        own = event.task_id if event.task_id.startswith(f"{name}#") else f"{event.task_id} ({name})"
        return f"{event.run_id} {own} {what}"
    return f"{event.run_id} {what}".lstrip()


class TaskFilter(logging.Filter):
    """Puts the ids of the running task into every record: for handlers, or for loggers.

    The records get ``run_id``, ``task_id``, ``task_name`` and ``attempt``, as `cs.current` has
    them. Those written outside of tasks are left as they are, so a formatter that names them needs
    ``defaults``. It lets every record pass.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Put the ids into a record that has none."""
        if not hasattr(record, "run_id"):
            try:
                here = current()
            except NoTaskError:
                return True
            record.run_id = here.run_id
            record.task_id = here.task_id
            record.task_name = here.task_name
            record.attempt = here.attempt
        return True


_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime"}
_OWN = frozenset({"time", "level", "logger", "message", "exception", "stack"})


class JsonFormatter(logging.Formatter):
    """Writes each record as one line of JSON, in ASCII.

    It has ``time`` (ISO 8601, UTC), ``level``, ``logger``, ``message``, all attributes that were
    given as ``extra`` or by filters, and, where there is one, ``exception`` with ``type``,
    ``message`` and ``traceback``. An attribute whose name is one of these gets a ``_`` behind it.
    What JSON doesn't know is written as its `repr`, not-a-number and infinity as text.
    """

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, without its end."""
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="microseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        for name, value in vars(record).items():
            if name not in _STANDARD and value is not None:
                line[f"{name}_" if name in _OWN else name] = value
        if record.exc_info and record.exc_info[1] is not None:
            error = record.exc_info[1]
            line["exception"] = {
                "type": type_name(error),
                "message": text_of(error),
                "traceback": self.formatException(record.exc_info),
            }
        if record.stack_info:
            line["stack"] = self.formatStack(record.stack_info)
        try:
            return json.dumps(line, default=_described, allow_nan=False)
        except (TypeError, ValueError, RecursionError):
            return json.dumps({name: _plain(value) for name, value in line.items()})


def _described(value: object) -> Any:
    return list(value) if isinstance(value, (set, frozenset)) else _text(value)


def _text(value: object) -> str:
    try:
        return repr(value)
    except Exception as error:
        return f"<{type(value).__name__} whose repr raised {type(error).__name__}>"


def _plain(value: object) -> Any:
    """Return a value of one of JSON's own types, for what it can't write as it is."""
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    try:
        return json.loads(json.dumps(value, default=_described, allow_nan=False))
    except (TypeError, ValueError, RecursionError):
        return _text(value)
