"""Tracing: the events of runs as spans of OpenTelemetry."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from cascade.telemetry.listener import Listener
from cascade.telemetry.loop_clock import LoopClock
from cascade.telemetry.task_names import (
    call_name,
    function_name,
    map_id,
    skipped_status,
    whole,
)
from cascade.telemetry.traced import TracedRun, TracedTask, failed, record

if TYPE_CHECKING:
    from opentelemetry.trace import TracerProvider
    from opentelemetry.util.types import AttributeValue

    from cascade.runtime import events
    from cascade.runtime.bus import MessageBus


class Tracing(Listener):
    """Makes spans of the events of a bus. Only what is under way is kept.

    Args:
        bus: whose events.
        provider: where the spans go.
        spans_per_task: how many spans each task may have below its own.
        report: called for each span beyond that, if given.
    """

    def __init__(
        self,
        bus: MessageBus,
        provider: TracerProvider,
        spans_per_task: int,
        report: Callable[[], None] | None,
    ) -> None:
        self.dropped = 0
        """How many spans were not made as their task had enough."""
        self._tracer = provider.get_tracer("cascade")
        self._most = spans_per_task
        self._report = report
        self._runs: dict[str, TracedRun] = {}
        self._clocks: WeakKeyDictionary[asyncio.AbstractEventLoop, LoopClock] = WeakKeyDictionary()
        super().__init__(bus)

    @property
    def open_spans(self) -> int:
        """How many runs and tasks are under way."""
        return sum(1 + len(run.tasks) for run in list(self._runs.values()))

    def close(self) -> None:
        """Stop listening, and end all spans at the time of the latest event of their run."""
        super().close()
        for run in list(self._runs.values()):
            self._end(run, "unfinished", None)

    # Runs

    def _run_started(self, event: events.RunStarted) -> None:
        if (lost := self._runs.get(event.run_id)) is not None:
            self._end(lost, "unfinished", None)  # of another virtual loop, with the same number
        loop = asyncio.get_running_loop()
        clock = self._clocks.get(loop)
        if clock is None:
            clock = self._clocks[loop] = LoopClock()
        clock.begin(loop)
        self._runs[event.run_id] = TracedRun(
            self._tracer, event.run_id, event.name, clock, event.time
        )

    def _run_finished(self, event: events.RunFinished) -> None:
        run = self._runs.get(event.run_id)
        if run is not None:
            run.last = run.clock(event.time)
            self._end(run, event.status, event.error)

    def _end(self, run: TracedRun, status: str, error: BaseException | None) -> None:
        del self._runs[run.run_id]
        run.clock.open -= 1
        run.leave()
        while run.tasks:
            run.tasks.popitem()[1].end("unfinished", None)
        span = run.span
        if span.is_recording():
            span.set_attribute("cascade.run.status", status)
            if status == "failed" and error is not None:
                failed(span, error)
                if not run.told:
                    record(span, error, run.last)
        span.end(run.last)

    # Tasks

    def _known(self, event: events.TaskEvent) -> TracedTask | None:
        """Return a task that is under way, unless it began before anybody listened."""
        run = self._runs.get(event.run_id)
        if run is None:
            return None
        run.last = run.clock(event.time)
        return run.tasks.get(event.task_id)

    def _open(self, event: events.TaskEvent) -> TracedTask | None:
        """Return the task of an event; a new one if it is its first."""
        task = self._known(event)
        if task is not None or (run := self._runs.get(event.run_id)) is None:
            return task
        above = map_id(event)
        parent = None if above is None else run.tasks.get(above)
        attributes: dict[str, AttributeValue] = {
            "cascade.run.id": event.run_id,
            "cascade.task.id": whole(event.task_id),
            "cascade.task.name": whole(event.task_name),
            "cascade.task.function": function_name(event),
        }
        task = run.tasks[event.task_id] = TracedTask(
            self._tracer,
            run,
            run.span if parent is None else parent.span,
            f"task {call_name(event)}",
            attributes,
            self._most,
            self._drop,
        )
        return task

    def _drop(self) -> None:
        self.dropped += 1
        if self._report is not None:
            self._report()

    def _close(self, event: events.TaskEvent, status: str, error: BaseException | None) -> None:
        run = self._runs.get(event.run_id)
        task = None if run is None else run.tasks.pop(event.task_id, None)
        if task is not None:
            task.end(status, error)

    def _task_started(self, event: events.TaskStarted) -> None:
        if (task := self._open(event)) is not None:
            task.start(event.mode, event.tags)

    def _task_finished(self, event: events.TaskFinished) -> None:
        self._known(event)
        self._close(event, event.status, event.error)

    def _task_skipped(self, event: events.TaskSkipped) -> None:
        if (task := self._open(event)) is not None:
            task.span.set_attribute("cascade.task.reason", whole(event.reason))
            self._close(event, skipped_status(event), None)

    def _task_stepped(self, event: events.TaskStepped) -> None:
        if (task := self._known(event)) is not None:
            task.step(event.step)

    def _task_retrying(self, event: events.TaskRetrying) -> None:
        if (task := self._known(event)) is not None:
            task.pause(event.delay, event.error)

    def _task_resumed(self, event: events.TaskResumed) -> None:
        if (task := self._known(event)) is not None:
            task.resume(event.attempt)

    def _task_blocked(self, event: events.TaskBlocked) -> None:
        if (task := self._open(event)) is not None:
            task.wait(event.blocked_on)

    def _task_unblocked(self, event: events.TaskUnblocked) -> None:
        if (task := self._known(event)) is not None:
            task.begin_attempt()
