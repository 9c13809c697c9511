"""CurrentSpan: what OpenTelemetry takes for the current span, in all code of a run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from opentelemetry import context as context_api
from opentelemetry import trace
from opentelemetry.trace import Span, SpanContext, Status, StatusCode

from cascade.errors import NoTaskError
from cascade.runtime.current import current

if TYPE_CHECKING:
    from opentelemetry.util.types import Attributes, AttributeValue

    from cascade.telemetry.traced import TracedRun


class CurrentSpan(Span):
    """Stands for the span of whatever task the code that asks belongs to.

    The tasks of a run copy its context, many share one, and no code of ours runs in between: so
    the context has this, which looks up the task when it is asked. It costs nothing before.
    """

    def __init__(self, run: TracedRun, outer: context_api.Context) -> None:
        self._run = run
        self._outer = outer

    @property
    def span(self) -> Span:
        """The attempt of the running task, else its run; after the run, what was before it."""
        run = self._run
        if run.over:
            return trace.get_current_span(self._outer)
        try:
            here = current()
        except NoTaskError:
            return run.span
        if here.run_id != run.run_id:
            return run.span  # a run inside of a task, by an engine that isn't instrumented
        return run.span_of(here.task_id)

    def get_span_context(self) -> SpanContext:
        """Return the ids of the span that it stands for."""
        return self.span.get_span_context()

    def is_recording(self) -> bool:
        """Whether the span that it stands for keeps what it is told."""
        return self.span.is_recording()

    def set_attributes(self, attributes: Mapping[str, AttributeValue]) -> None:
        """Set attributes of the span that it stands for."""
        self.span.set_attributes(attributes)

    def set_attribute(self, key: str, value: AttributeValue) -> None:
        """Set an attribute of the span that it stands for."""
        self.span.set_attribute(key, value)

    def add_event(
        self, name: str, attributes: Attributes = None, timestamp: int | None = None
    ) -> None:
        """Add an event to the span that it stands for."""
        self.span.add_event(name, attributes, timestamp)

    def add_link(self, context: SpanContext, attributes: Attributes = None) -> None:
        """Add a link to the span that it stands for."""
        self.span.add_link(context, attributes)

    def update_name(self, name: str) -> None:
        """Rename the span that it stands for."""
        self.span.update_name(name)

    def set_status(self, status: Status | StatusCode, description: str | None = None) -> None:
        """Set the status of the span that it stands for."""
        self.span.set_status(status, description)

    def record_exception(
        self,
        exception: BaseException,
        attributes: Attributes = None,
        timestamp: int | None = None,
        escaped: bool = False,
    ) -> None:
        """Record an exception in the span that it stands for."""
        self.span.record_exception(exception, attributes, timestamp, escaped)

    def end(self, end_time: int | None = None) -> None:
        """Do nothing: the span ends with what it stands for."""
