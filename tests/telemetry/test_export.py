"""A collector that is slow, broken or gone: nobody waits for it, and what is lost is counted."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import subprocess
import sys
import threading
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.metrics import NoOpMeterProvider
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from prove.telemetry import run_traced

import cascade as cs
from cascade import telemetry
from cascade.telemetry.export import CountingSpanProcessor


class Exporter(SpanExporter):
    """Does nothing while it is stopped; raises while it is broken."""

    def __init__(self) -> None:
        self.exported = 0
        self.goes_on = threading.Event()
        self.is_broken = False

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        assert self.goes_on.wait(60)
        if self.is_broken:
            raise ConnectionError("nobody is there")
        self.exported += len(spans)
        return SpanExportResult.SUCCESS


@cs.task(mode="inline")
def nothing(n: int) -> None: ...


def spans_in_memory() -> int:
    return sum(isinstance(each, ReadableSpan) for each in gc.get_objects())


def test_a_stopped_collector_holds_up_nothing_and_memory_stays_flat(
    caplog: pytest.LogCaptureFixture,
) -> None:
    exporter, engine = Exporter(), cs.Engine()
    reader = InMemoryMetricReader()
    meters = MeterProvider([reader], shutdown_on_exit=False)
    processor = CountingSpanProcessor(
        exporter, max_queue_size=64, max_export_batch_size=16, meter_provider=meters
    )
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(processor)
    gc.collect()
    before = spans_in_memory()
    with (
        caplog.at_level(logging.WARNING, "cascade.telemetry"),
        telemetry.instrument(engine, tracer_provider=provider, meter_provider=meters),
    ):
        for _ in range(3):
            asyncio.run(engine.run(nothing.map(n=range(200)).windowed(20)))
            assert spans_in_memory() - before <= 64 + 16 + 5  # and a few that are on their way
    assert processor.dropped >= 3 * (2 * 200 + 2) - 64 - 16
    assert f'"value": {processor.dropped}' in str(reader.get_metrics_data().to_json())  # type: ignore[union-attr]
    said = [record.args[0] for record in caplog.records if isinstance(record.args, tuple)]
    assert said == [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024]
    exporter.goes_on.set()
    provider.shutdown()
    assert exporter.exported + processor.dropped == 3 * (2 * 200 + 2)


def test_the_long_proof_in_short(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR):
        _, ended, dropped, exported = run_traced(1_500, stopped=True)
    assert ended == dropped + exported
    assert dropped > 0
    _, ended, dropped, exported = run_traced(100, stopped=False)
    assert (ended, 0) == (exported, dropped)


def test_a_collector_that_is_gone_breaks_nothing(caplog: pytest.LogCaptureFixture) -> None:
    exporter, engine = Exporter(), cs.Engine()
    exporter.is_broken = True
    exporter.goes_on.set()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(CountingSpanProcessor(exporter))
    with telemetry.instrument(engine, tracer_provider=provider, meter_provider=NoOpMeterProvider()):
        assert asyncio.run(engine.run(nothing.map(n=range(10)))) == [None] * 10
    with caplog.at_level(logging.ERROR):
        provider.shutdown()
    assert "nobody is there" in caplog.text


@given(sizes=st.lists(st.integers(0, 40), max_size=5), size=st.integers(1, 20))
def test_what_ends_is_exported_or_dropped(sizes: list[int], size: int) -> None:
    exporter = Exporter()
    processor = CountingSpanProcessor(exporter, size, max_export_batch_size=size)
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(processor)
    tracer = provider.get_tracer("test")
    logging.getLogger("cascade.telemetry").disabled = True
    for count in sizes:
        for _ in range(count):
            tracer.start_span("any").end()
    exporter.goes_on.set()
    provider.shutdown()
    logging.getLogger("cascade.telemetry").disabled = False
    assert exporter.exported + processor.dropped == sum(sizes)
    assert processor.dropped <= max(0, sum(sizes) - size)


@pytest.mark.parametrize(
    ("options", "error", "says"),
    [
        ({"exporter": "http://…"}, TypeError, "exporter must have the method export"),
        ({"max_queue_size": 0}, ValueError, "max_queue_size must be a whole number ≥ 1, got 0"),
        ({"max_queue_size": 2.5}, TypeError, "max_queue_size must be a whole number"),
        ({"max_queue_size": 5}, ValueError, "max_export_batch_size must be at most"),
        ({"schedule_delay_millis": 0}, ValueError, "schedule_delay_millis"),
    ],
)
def test_a_bad_argument_is_refused(
    options: dict[str, Any], error: type[Exception], says: str
) -> None:
    with pytest.raises(error, match=says):
        CountingSpanProcessor(**{"exporter": Exporter(), **options})


FORKING = """
import os, sys, threading
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from cascade.telemetry.export import CountingSpanProcessor

class Exporter(SpanExporter):
    exported = 0
    def export(self, spans):
        assert os.getpid() != parent or goes_on.wait(60)
        self.exported += len(spans)
        return SpanExportResult.SUCCESS

parent, goes_on, exporter = os.getpid(), threading.Event(), Exporter()
processor = CountingSpanProcessor(exporter, max_queue_size=8, max_export_batch_size=4)
provider = TracerProvider(shutdown_on_exit=False)
provider.add_span_processor(processor)
tracer = provider.get_tracer("test")
while not processor.dropped:
    tracer.start_span("parent").end()
child = os.fork()
if child == 0:
    exporter.exported = processor.dropped = 0
    for _ in range(5):
        tracer.start_span("child").end()
    provider.force_flush()
    print(exporter.exported, processor.dropped, flush=True)
    os._exit(0)
os.waitpid(child, 0)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs processes as POSIX has them")
def test_a_child_that_was_forked_has_the_whole_queue_for_itself() -> None:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", FORKING],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stdout == "5 0\n"
