"""Metrics: the events of runs as counters and histograms, and the resources of an engine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cascade.runtime.events import (
    RunFinished,
    RunStarted,
    TaskBlocked,
    TaskEvent,
    TaskFinished,
    TaskResumed,
    TaskRetrying,
    TaskSkipped,
    TaskStarted,
    TaskStepped,
    TaskUnblocked,
)
from cascade.telemetry.gauges import gauges_of
from cascade.telemetry.task_names import function_name, skipped_status

if TYPE_CHECKING:
    from opentelemetry.metrics import MeterProvider

    from cascade.runtime.bus import MessageBus
    from cascade.runtime.engine import Engine

BUCKETS = (0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0, 60.0, 300.0, 1800.0, 7200.0)
"""Where the histograms of durations are divided, in seconds."""


class Metrics:
    """Counts the events of a bus, by the names of tasks, never by ids.

    Args:
        bus: whose events.
        provider: where the metrics go.
        engine: whose resources are told, if given.
    """

    def __init__(self, bus: MessageBus, provider: MeterProvider, engine: Engine | None) -> None:
        meter = provider.get_meter("cascade")
        counter, up_down = meter.create_counter, meter.create_up_down_counter
        self._runs = counter("cascade.runs", "{run}", "Runs that have ended.")
        self._runs_active = up_down("cascade.runs.active", "{run}", "Runs under way.")
        self._tasks = counter("cascade.tasks", "{task}", "Tasks that have ended, or never began.")
        self._tasks_active = up_down(
            "cascade.tasks.active", "{task}", "Tasks that have begun and not ended."
        )
        self._tasks_waiting = up_down(
            "cascade.tasks.waiting", "{task}", "Tasks that wait for resources."
        )
        self._retries = counter("cascade.retries", "{attempt}", "Failed attempts that had another.")
        self._steps = counter("cascade.steps", "{step}", "Steps of tasks after their first.")
        self._spans_dropped = counter(
            "cascade.spans.dropped", "{span}", "Spans that were not made or not exported."
        )
        self._run_duration, self._duration, self._waiting, self._lateness = (
            meter.create_histogram(
                name, "s", description, explicit_bucket_boundaries_advisory=BUCKETS
            )
            for name, description in (
                ("cascade.run.duration", "From the start of a run to its end."),
                ("cascade.task.duration", "From the first grant of a task to its end."),
                ("cascade.task.waiting", "How long a task waited for resources, each time."),
                ("cascade.retry.lateness", "How much later than due a pause ended."),
            )
        )
        self._active_runs: set[str] = set()
        # What is under way: by run and task, the name.
        self._active: dict[tuple[str, str], str] = {}
        self._blocked: dict[tuple[str, str], tuple[str, str]] = {}
        self._due: dict[tuple[str, str], float] = {}
        self._gauges = None if engine is None else gauges_of(provider)
        self._engine = engine
        if self._gauges is not None and engine is not None:
            self._gauges.add(engine)
        self._subscriptions = [
            bus.subscribe(RunStarted, self._run_started),
            bus.subscribe(RunFinished, self._run_finished),
            bus.subscribe(TaskStarted, self._task_started),
            bus.subscribe(TaskFinished, self._task_finished),
            bus.subscribe(TaskStepped, self._task_stepped),
            bus.subscribe(TaskRetrying, self._task_retrying),
            bus.subscribe(TaskResumed, self._task_resumed),
            bus.subscribe(TaskSkipped, self._task_skipped),
            bus.subscribe(TaskBlocked, self._task_blocked),
            bus.subscribe(TaskUnblocked, self._task_unblocked),
        ]

    def close(self) -> None:
        """Stop listening. What is under way isn't counted as active any more."""
        for unsubscribe in self._subscriptions:
            unsubscribe()
        if self._gauges is not None and self._engine is not None:
            self._gauges.remove(self._engine)
        while self._active_runs:
            self._active_runs.pop()
            self._runs_active.add(-1)
        while self._active:
            self._tasks_active.add(-1, {"cascade.task": self._active.popitem()[1]})
        while self._blocked:
            self._tasks_waiting.add(-1, {"cascade.task": self._blocked.popitem()[1][0]})
        self._due.clear()

    def span_dropped(self) -> None:
        """A span was not made as its task had enough."""
        self._spans_dropped.add(1, {"cascade.reason": "spans_per_task"})

    def _run_started(self, event: RunStarted) -> None:
        if event.run_id not in self._active_runs:
            self._active_runs.add(event.run_id)
            self._runs_active.add(1)

    def _run_finished(self, event: RunFinished) -> None:
        attributes = {"cascade.status": event.status}
        self._runs.add(1, attributes)
        self._run_duration.record(event.duration, attributes)
        if event.run_id in self._active_runs:
            self._active_runs.discard(event.run_id)
            self._runs_active.add(-1)

    def _task_started(self, event: TaskStarted) -> None:
        name = function_name(event)
        self._active[event.run_id, event.task_id] = name
        self._tasks_active.add(1, {"cascade.task": name})

    def _task_finished(self, event: TaskFinished) -> None:
        self._ended(event)
        attributes = {"cascade.task": function_name(event), "cascade.status": event.status}
        self._tasks.add(1, attributes)
        self._duration.record(event.duration, attributes)

    def _task_skipped(self, event: TaskSkipped) -> None:
        self._ended(event)
        name, status = function_name(event), skipped_status(event)
        self._tasks.add(1, {"cascade.task": name, "cascade.status": status})

    def _ended(self, event: TaskEvent) -> None:
        key = event.run_id, event.task_id
        if (name := self._active.pop(key, None)) is not None:
            self._tasks_active.add(-1, {"cascade.task": name})
        self._unblocked(key)
        self._due.pop(key, None)

    def _task_stepped(self, event: TaskStepped) -> None:
        self._steps.add(1, {"cascade.task": function_name(event)})

    def _task_retrying(self, event: TaskRetrying) -> None:
        self._retries.add(1, {"cascade.task": function_name(event)})
        self._due[event.run_id, event.task_id] = event.time + event.delay

    def _task_resumed(self, event: TaskResumed) -> None:
        due = self._due.pop((event.run_id, event.task_id), None)
        if due is not None:
            late = max(0.0, event.time - due)  # some loops' timers go off up to 1 ms early
            self._lateness.record(late, {"cascade.task": function_name(event)})

    def _task_blocked(self, event: TaskBlocked) -> None:
        name = function_name(event)
        self._blocked[event.run_id, event.task_id] = name, ",".join(event.blocked_on)
        self._tasks_waiting.add(1, {"cascade.task": name})

    def _task_unblocked(self, event: TaskUnblocked) -> None:
        found = self._unblocked((event.run_id, event.task_id))
        if found is not None:
            name, resource = found
            self._waiting.record(event.waited, {"cascade.task": name, "cascade.resource": resource})

    def _unblocked(self, key: tuple[str, str]) -> tuple[str, str] | None:
        found = self._blocked.pop(key, None)
        if found is not None:
            self._tasks_waiting.add(-1, {"cascade.task": found[0]})
        return found
