"""instrument(): subscribes to the events of runs, and makes traces and metrics of them."""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING, Any

from cascade.errors import MissingExtraError
from cascade.runtime.bus import MessageBus
from cascade.runtime.engine import Engine
from cascade.spec.checks import check_whole, shown

if TYPE_CHECKING:
    from opentelemetry.metrics import MeterProvider
    from opentelemetry.trace import TracerProvider

    from cascade.telemetry.metrics import Metrics
    from cascade.telemetry.tracing import Tracing


def instrument(
    engine_or_bus: Engine | MessageBus,
    *,
    tracer_provider: TracerProvider | None = None,
    meter_provider: MeterProvider | None = None,
    spans_per_task: int = 128,
) -> Instrumentation:
    """Make OpenTelemetry traces and metrics of all runs that begin from now on.

    A run is a span, and a child of the span in which it was started. Below it each task is one,
    and below that, in turn and without gaps, what the task did: ``waiting`` for resources, an
    ``attempt``, a ``pause`` before the next. Inside of a task its attempt is the current span.
    Metrics are told in [the docs](../telemetry.md#metrics).

    Args:
        engine_or_bus: whose runs. A bus may serve many engines, but only an engine knows its
            resources: their metrics need one.
        tracer_provider: where spans go; by default the global one. With a `NoOpTracerProvider`
            there are no traces.
        meter_provider: where metrics go; by default the global one. With a `NoOpMeterProvider`
            there are no metrics.
        spans_per_task: how many spans a task may have below its own, so that one that never ends
            doesn't make spans without end. The others are counted as `dropped`.

    Raises:
        MissingExtraError: OpenTelemetry isn't installed.
        TypeError, ValueError: an argument isn't valid; the error names it.
    """
    if isinstance(engine_or_bus, Engine):
        engine, bus = engine_or_bus, engine_or_bus.bus
    else:
        engine, bus = None, engine_or_bus
        if not callable(getattr(bus, "subscribe", None)):
            raise TypeError(f"engine_or_bus must be an Engine or a MessageBus, got {shown(bus)}")
    check_whole("spans_per_task", spans_per_task, 0)
    for name, provider, method in (
        ("tracer_provider", tracer_provider, "get_tracer"),
        ("meter_provider", meter_provider, "get_meter"),
    ):
        if provider is not None and not callable(getattr(provider, method, None)):
            raise TypeError(f"{name} must have the method {method}, got {shown(provider)}")
    try:
        from opentelemetry import metrics as metrics_api
        from opentelemetry import trace as trace_api
    except ImportError as error:
        raise MissingExtraError("telemetry", "opentelemetry-api", "telemetry") from error
    from cascade.telemetry.metrics import Metrics
    from cascade.telemetry.tracing import Tracing

    meters: Metrics | None = None
    traces: Tracing | None = None
    if not isinstance(meter_provider, metrics_api.NoOpMeterProvider):
        found = meter_provider if meter_provider is not None else metrics_api.get_meter_provider()
        meters = Metrics(bus, found, engine)
    if not isinstance(tracer_provider, trace_api.NoOpTracerProvider):
        tracers = (
            tracer_provider if tracer_provider is not None else trace_api.get_tracer_provider()
        )
        report = None if meters is None else meters.span_dropped
        traces = Tracing(bus, tracers, spans_per_task, report)
    return Instrumentation(traces, meters)


class Instrumentation:
    """What `instrument` has begun, until `close()`; also a context manager."""

    def __init__(self, traces: Tracing | None, meters: Metrics | None) -> None:
        self._traces = traces
        self._parts: list[Any] = [part for part in (traces, meters) if part is not None]

    @property
    def dropped(self) -> int:
        """How many spans were not made because their task had `spans_per_task` already."""
        return 0 if self._traces is None else self._traces.dropped

    @property
    def open_spans(self) -> int:
        """How many runs and tasks are under way and have a span that hasn't ended."""
        return 0 if self._traces is None else self._traces.open_spans

    def close(self) -> None:
        """Stop listening. Spans of what is under way end now, with the status "unfinished".

        It flushes nothing, as it doesn't know the exporters: shut the providers down for that.
        Calling it again does nothing.
        """
        while self._parts:
            self._parts.pop().close()

    def __enter__(self) -> Instrumentation:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()
