"""CountingSpanProcessor: a batch processor that says how many spans it has dropped."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING
from weakref import WeakMethod

from cascade.errors import MissingExtraError
from cascade.spec.checks import check_whole, shown

try:
    from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
except ImportError as error:
    raise MissingExtraError("cascade.telemetry.export", "opentelemetry-sdk", "telemetry") from error

from cascade.telemetry.instruments import instruments_of

if TYPE_CHECKING:
    from opentelemetry.metrics import MeterProvider
    from opentelemetry.sdk.trace import ReadableSpan

_log = logging.getLogger("cascade.telemetry")


class CountingSpanProcessor(BatchSpanProcessor):
    """Exports spans in batches from a thread of its own, as `BatchSpanProcessor` does, and counts.

    When the queue is full, because the collector is slow or gone, new spans are dropped at once;
    nobody waits. How many is in `dropped`, in the metric ``cascade.spans.dropped``, and in a
    warning of the logger ``cascade.telemetry`` at the first and then whenever it has doubled.

    Args:
        exporter: any exporter of spans.
        max_queue_size: how many spans may wait for their export.
        max_export_batch_size: how many are exported at once, at most `max_queue_size`.
        schedule_delay_millis: after how many milliseconds less than that are exported.
        meter_provider: where the metric goes; by default nowhere.

    Raises:
        TypeError, ValueError: an argument isn't valid; the error names it.
    """

    def __init__(
        self,
        exporter: SpanExporter,
        max_queue_size: int = 2048,
        max_export_batch_size: int = 512,
        schedule_delay_millis: int = 5000,
        meter_provider: MeterProvider | None = None,
    ) -> None:
        if not callable(getattr(exporter, "export", None)):
            raise TypeError(f"exporter must have the method export, got {shown(exporter)}")
        self._most = check_whole("max_queue_size", max_queue_size, 1)
        if check_whole("max_export_batch_size", max_export_batch_size, 1) > max_queue_size:
            raise ValueError(
                f"max_export_batch_size must be at most max_queue_size, {max_queue_size}, "
                f"got {max_export_batch_size}"
            )
        check_whole("schedule_delay_millis", schedule_delay_millis, 1)
        self.dropped = 0
        """How many spans were dropped."""
        self._lock = threading.Lock()
        self._queued = 0
        self._instruments = None if meter_provider is None else instruments_of(meter_provider)
        super().__init__(
            _Taking(exporter, self),
            max_queue_size=max_queue_size,
            schedule_delay_millis=schedule_delay_millis,
            max_export_batch_size=max_export_batch_size,
        )
        if hasattr(os, "register_at_fork"):
            begin_anew = WeakMethod(self._begin_anew)

            def after_in_child() -> None:
                if (begin := begin_anew()) is not None:
                    begin()

            os.register_at_fork(after_in_child=after_in_child)

    def _begin_anew(self) -> None:
        """In a child that was forked the queue is empty, and nobody holds the lock."""
        self._lock = threading.Lock()
        self._queued = 0

    def on_end(self, span: ReadableSpan) -> None:
        """Queue a span, or drop it."""
        context = span.context
        if not (context and context.trace_flags.sampled):
            return
        with self._lock:
            full = self._queued >= self._most
            if full:
                self.dropped += 1
                dropped = self.dropped
            else:
                self._queued += 1
        if not full:
            super().on_end(span)
            return
        if self._instruments is not None:
            self._instruments.add("cascade.spans.dropped", "queue_full")
        if not dropped & (dropped - 1):
            _log.warning("%d spans dropped: the collector is slow or gone", dropped)

    def taken(self, count: int) -> None:
        """So many spans have left the queue."""
        with self._lock:
            self._queued -= count


class _Taking(SpanExporter):
    """Tells the processor what has left its queue, and passes on everything."""

    def __init__(self, exporter: SpanExporter, processor: CountingSpanProcessor) -> None:
        self._exporter = exporter
        self._processor = processor

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        self._processor.taken(len(spans))
        return self._exporter.export(spans)

    def shutdown(self) -> None:
        self._exporter.shutdown()

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        return self._exporter.force_flush(timeout_millis)
