"""Metrics: the events of runs as counts and histograms, and the resources of an engine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cascade.telemetry.instruments import instruments_of
from cascade.telemetry.listener import Listener
from cascade.telemetry.task_names import function_name, skipped_status, whole

if TYPE_CHECKING:
    from opentelemetry.metrics import MeterProvider

    from cascade.runtime import events
    from cascade.runtime.bus import MessageBus
    from cascade.runtime.engine import Engine


class Metrics(Listener):
    """Counts the events of a bus, by the names of tasks, never by ids.

    Args:
        bus: whose events.
        provider: where the metrics go.
        engine: whose resources are told, if given.
    """

    def __init__(self, bus: MessageBus, provider: MeterProvider, engine: Engine | None) -> None:
        self._instruments = instruments = instruments_of(provider)
        self._count = instruments.add
        self._record = instruments.record
        self._engine = engine
        if engine is not None:
            instruments.watch(engine)
        # What is under way, by run and task: its name; for what it waits; when it is due.
        self._runs: set[str] = set()
        self._active: dict[tuple[str, str], str] = {}
        self._blocked: dict[tuple[str, str], tuple[str, str]] = {}
        self._due: dict[tuple[str, str], float] = {}
        super().__init__(bus)

    def close(self) -> None:
        """Stop listening. What is under way isn't counted as active any more."""
        super().close()
        if self._engine is not None:
            self._instruments.unwatch(self._engine)
        for run_id in list(self._runs):
            self._run_ended(run_id)
        for key in [*self._active, *self._blocked]:
            self._ended(key)

    def span_dropped(self) -> None:
        """A span was not made as its task had enough."""
        self._count("cascade.spans.dropped", "spans_per_task")

    # Runs

    def _run_started(self, event: events.RunStarted) -> None:
        if event.run_id not in self._runs:  # two virtual loops may have given it the same number
            self._runs.add(event.run_id)
            self._count("cascade.runs.active")

    def _run_finished(self, event: events.RunFinished) -> None:
        self._count("cascade.runs", event.status)
        self._record("cascade.run.duration", event.duration, {"cascade.status": event.status})
        self._run_ended(event.run_id)

    def _run_ended(self, run_id: str) -> None:
        if run_id in self._runs:
            self._runs.discard(run_id)
            self._count("cascade.runs.active", amount=-1)

    # Tasks

    def _task_started(self, event: events.TaskStarted) -> None:
        name = self._active[_key(event)] = function_name(event)
        self._count("cascade.tasks.active", name)

    def _task_finished(self, event: events.TaskFinished) -> None:
        self._ended(_key(event))
        name = function_name(event)
        self._count("cascade.tasks", name, event.status)
        attributes = {"cascade.task": name, "cascade.status": event.status}
        self._record("cascade.task.duration", event.duration, attributes)

    def _task_skipped(self, event: events.TaskSkipped) -> None:
        self._ended(_key(event))
        self._count("cascade.tasks", function_name(event), skipped_status(event))

    def _ended(self, key: tuple[str, str]) -> None:
        if (name := self._active.pop(key, None)) is not None:
            self._count("cascade.tasks.active", name, amount=-1)
        self._unblocked(key)
        self._due.pop(key, None)

    def _task_stepped(self, event: events.TaskStepped) -> None:
        self._count("cascade.steps", function_name(event))

    def _task_retrying(self, event: events.TaskRetrying) -> None:
        self._count("cascade.retries", function_name(event))
        self._due[_key(event)] = event.time + event.delay

    def _task_resumed(self, event: events.TaskResumed) -> None:
        due = self._due.pop(_key(event), None)
        if due is not None:
            late = max(0.0, event.time - due)  # the timers of some loops go off up to 1 ms early
            self._record("cascade.retry.lateness", late, {"cascade.task": function_name(event)})

    def _task_blocked(self, event: events.TaskBlocked) -> None:
        name = function_name(event)
        self._blocked[_key(event)] = name, whole(",".join(event.blocked_on))
        self._count("cascade.tasks.waiting", name)

    def _task_unblocked(self, event: events.TaskUnblocked) -> None:
        found = self._unblocked(_key(event))
        if found is not None:
            name, resources = found
            attributes = {"cascade.task": name, "cascade.resource": resources}
            self._record("cascade.task.waiting", event.waited, attributes)

    def _unblocked(self, key: tuple[str, str]) -> tuple[str, str] | None:
        found = self._blocked.pop(key, None)
        if found is not None:
            self._count("cascade.tasks.waiting", found[0], amount=-1)
        return found


def _key(event: events.TaskEvent) -> tuple[str, str]:
    return event.run_id, event.task_id
