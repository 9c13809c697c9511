"""TracedRun and TracedTask: the spans of what is under way."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Literal

from opentelemetry import context as context_api
from opentelemetry import trace
from opentelemetry.trace import Span, Status, StatusCode, Tracer

from cascade.telemetry.current_span import CurrentSpan
from cascade.telemetry.exceptions import text_of, trace_of, type_name
from cascade.telemetry.task_names import whole

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from opentelemetry.util.types import AttributeValue

    from cascade.telemetry.loop_clock import LoopClock

Phase = Literal["waiting", "attempt", "pause"]
"""What a task does: it is always one of these, so that they leave no gap."""

_opening = threading.Lock()
"""Held while an attempt gets its span: a task in a thread may ask for it meanwhile."""


class TracedRun:
    """A run that is under way.

    Args:
        tracer: makes its spans.
        run_id: its id, as in events.
        name: what is run.
        clock: the clock of its loop.
        time: when it began, in seconds on the loop's clock.
    """

    __slots__ = ("clock", "inside", "last", "outer", "over", "run_id", "span", "tasks", "told")

    def __init__(
        self, tracer: Tracer, run_id: str, name: str, clock: LoopClock, time: float
    ) -> None:
        outer, name = context_api.get_current(), whole(name)
        self.run_id = run_id
        self.clock = clock
        self.last = clock(time)
        """When the latest event came, in nanoseconds."""
        self.span = tracer.start_span(
            f"run {name}",
            context=outer,
            attributes={"cascade.run.id": run_id, "cascade.run.name": name},
            start_time=self.last,
        )
        self.tasks: dict[str, TracedTask] = {}
        """The tasks that are under way, by id."""
        self.over = False
        """Whether it has ended."""
        self.told = False
        """Whether one of its spans has an exception."""
        self.outer = outer
        """The context in which it was started."""
        self.inside = trace.set_span_in_context(CurrentSpan(self, outer), outer)
        """The context for what runs in it."""
        context_api.attach(self.inside)

    def span_of(self, task_id: str) -> Span:
        """Return the span that is current in a task: that of its attempt if it has one."""
        task = self.tasks.get(task_id)
        return self.span if task is None else task.current()

    def leave(self) -> None:
        """Put back the context of the caller: the run has ended."""
        self.over = True
        # Not by the token of `attach`: a run whose loop was closed ends in some other context, and
        # there nothing is to be put back.
        if context_api.get_current() is self.inside:
            context_api.attach(self.outer)


class TracedTask:
    """A task that is under way: it has begun, or waits for its first attempt.

    Args:
        tracer: makes its spans.
        run: the run it belongs to.
        parent: the span above: that of the run, or of the map that it is a child of.
        name: the name of its span.
        attributes: what its span is told.
        most: how many spans it may have below its own.
        drop: called for each that it doesn't get.
    """

    __slots__ = (
        "_attempt",
        "_below",
        "_drop",
        "_dropped",
        "_is_map",
        "_left",
        "_phase",
        "_phase_attributes",
        "_queues",
        "_run",
        "_since",
        "_span",
        "_steps",
        "_tracer",
        "span",
    )

    def __init__(
        self,
        tracer: Tracer,
        run: TracedRun,
        parent: Span,
        name: str,
        attributes: Mapping[str, AttributeValue],
        most: int,
        drop: Callable[[], None],
    ) -> None:
        self._tracer = tracer
        self._run = run
        self._left = most
        self._drop = drop
        self._dropped = 0
        self._attempt = 1
        self._steps = 0
        self._is_map = False
        self.span = tracer.start_span(
            name,
            context=trace.set_span_in_context(parent, run.outer),
            attributes=attributes,
            start_time=run.last,
        )
        """Its own span."""
        self._below = trace.set_span_in_context(self.span, run.outer)
        self._phase: Phase | None = None
        self._since = run.last
        self._phase_attributes: dict[str, AttributeValue] = {}
        # The spans below are made when they end, but for an attempt of which somebody asks.
        self._span: Span | None = None
        self._queues = False  # whether the attempt that was told of may still have to wait

    def current(self) -> Span:
        """Return the span of the attempt that goes on; else the task's own."""
        if self._phase == "attempt":
            with _opening:
                if self._span is None and self._left > 0:
                    self._left -= 1
                    self._span = self._start("attempt")
        return self.span if self._span is None else self._span

    def start(self, mode: str, tags: tuple[str, ...]) -> None:
        """It has begun. One that has waited before did so with what it was granted."""
        if self.span.is_recording():
            self.span.set_attribute("cascade.task.mode", mode)
            if tags:
                self.span.set_attribute("cascade.task.tags", [whole(tag) for tag in tags])
        self._is_map = mode == "map"
        if not self._is_map and self._phase != "attempt":
            self.begin_attempt()

    def begin_attempt(self) -> None:
        """An attempt goes on from here."""
        attributes: dict[str, AttributeValue] = {"cascade.attempt.number": self._attempt}
        if self._steps:
            attributes["cascade.task.step"] = self._steps
        self._change("attempt", attributes)

    def resume(self, attempt: int) -> None:
        """A pause is over: an attempt begins, or first its waiting."""
        self._attempt = attempt
        self.begin_attempt()
        self._queues = True

    def wait(self, blocked_on: tuple[str, ...]) -> None:
        """It waits for resources."""
        attributes: dict[str, AttributeValue] = {
            "cascade.waiting.blocked_on": [whole(each) for each in blocked_on]
        }
        if self._queues:
            self._queues = False
            self._phase, self._phase_attributes = "waiting", attributes
        else:
            self._change("waiting", attributes)

    def step(self, number: int) -> None:
        """It is about to start again."""
        self._steps, self._attempt, self._queues = number, 1, False

    def pause(self, delay: float, error: BaseException) -> None:
        """The attempt has failed, and there will be another one."""
        self._end_phase("failed", error)
        self._change("pause", {"cascade.pause.delay": delay})

    def end(self, status: str, error: BaseException | None) -> None:
        """It has ended, or will never begin."""
        told = self._end_phase(status, error)
        span = self.span
        if span.is_recording():
            span.set_attribute("cascade.task.status", status)
            if self._steps:
                span.set_attribute("cascade.task.steps", self._steps)
            if self._dropped:
                span.set_attribute("cascade.task.dropped_spans", self._dropped)
            if status == "failed" and error is not None:
                failed(span, error)
                if not told and not (self._is_map and self._run.told):
                    self._tell(span, error)
        span.end(self._run.last)

    def _change(self, phase: Phase, attributes: dict[str, AttributeValue]) -> None:
        self._end_phase("succeeded", None)
        self._phase, self._since, self._phase_attributes = phase, self._run.last, attributes

    def _end_phase(self, status: str, error: BaseException | None) -> bool:
        """End what goes on; whether its span tells of the error."""
        phase, self._phase = self._phase, None
        span, self._span = self._span, None
        self._queues = False
        if phase is None:
            return False
        if span is None:
            if not self._left:
                self._dropped += 1
                self._drop()
                return False
            self._left -= 1
            if phase == "attempt":
                self._phase_attributes["cascade.attempt.status"] = status
            span = self._start(phase)
        elif span.is_recording():
            span.set_attribute("cascade.attempt.status", status)
        told = phase == "attempt" and status == "failed" and error is not None
        if told and span.is_recording():
            assert error is not None
            failed(span, error)
            self._tell(span, error)
        span.end(self._run.last)
        return told

    def _start(self, phase: Phase) -> Span:
        return self._tracer.start_span(
            phase, context=self._below, attributes=self._phase_attributes, start_time=self._since
        )

    def _tell(self, span: Span, error: BaseException) -> None:
        self._run.told = True
        record(span, error, self._run.last)


def failed(span: Span, error: BaseException) -> None:
    """Say in a span that it has failed, and of what."""
    kind = type_name(error)
    span.set_attribute("error.type", kind)
    span.set_status(Status(StatusCode.ERROR, f"{kind}: {text_of(error)}"))


def record(span: Span, error: BaseException, time: int) -> None:
    """Add an exception to a span, as OpenTelemetry's conventions say, but of bounded size.

    Args:
        span: what it is added to.
        error: what was raised.
        time: when, in nanoseconds since 1970.
    """
    span.add_event(
        "exception",
        {
            "exception.type": type_name(error),
            "exception.message": text_of(error),
            "exception.stacktrace": trace_of(error),
        },
        time,
    )
