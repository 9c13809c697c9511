"""A million events traced: a collector that has stopped costs neither time nor memory.

``python -m prove.telemetry`` runs mapped children whose spans go to an exporter that takes them at
once, and others whose exporter never comes back, in turn. It ends with 1 if the median of the
second needs more than 1.1 times as long, if the process ever had 20 MiB more than after the first
round, or if a span was neither exported, nor queued, nor counted as dropped.
"""

from __future__ import annotations

import asyncio
import logging
import sys
import threading
from collections.abc import Sequence
from statistics import median
from time import perf_counter

from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

import cascade as cs
from cascade import telemetry
from cascade.runtime.events import Event
from cascade.telemetry.export import CountingSpanProcessor
from prove.million import bytes_of, do_nothing

EVENTS = 1_000_000
"""How many events the runs of each kind make altogether."""
ROUNDS = 10
"""In how many runs of each kind."""
LIMIT = 1.1
"""How many times as long it may take with a collector that has stopped."""
MOST = 20 * 2**20
"""How many bytes the process may take more."""
QUEUE = 2048
"""How many spans may wait for their export."""


class Exporter(SpanExporter):
    """Takes spans and forgets them; while it is stopped, an export doesn't come back."""

    def __init__(self) -> None:
        self.exported = 0
        self.goes_on = threading.Event()
        self.goes_on.set()

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Take spans, when the collector goes on."""
        self.exported += len(spans)
        self.goes_on.wait()
        return SpanExportResult.SUCCESS


def run_traced(children: int, stopped: bool) -> tuple[float, int, int, int]:
    """Run so many mapped children.

    Returns:
        the seconds that it took; how many spans ended, were dropped, and were with the exporter or
        in the queue while it ran.
    """
    exporter = Exporter()
    meters = MeterProvider([InMemoryMetricReader()], shutdown_on_exit=False)
    processor = CountingSpanProcessor(exporter, QUEUE, meter_provider=meters)
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(processor)
    engine = cs.Engine()
    if stopped:
        exporter.goes_on.clear()
    with telemetry.instrument(engine, tracer_provider=provider, meter_provider=meters):
        began = perf_counter()
        asyncio.run(engine.run(do_nothing.map(n=range(children)).windowed(100)))
        took = perf_counter() - began
    dropped = processor.dropped
    exporter.goes_on.set()
    provider.shutdown()
    meters.shutdown()
    return took, 2 * children + 2, dropped, exporter.exported


def run_silently(children: int) -> float:
    """Run so many mapped children without telemetry; return the seconds that it took."""
    engine = cs.Engine()
    began = perf_counter()
    asyncio.run(engine.run(do_nothing.map(n=range(children)).windowed(100)))
    return perf_counter() - began


def events_of(children: int) -> int:
    """Return how many events a run of so many children makes."""
    engine, seen = cs.Engine(), 0

    def count(_: Event) -> None:
        nonlocal seen
        seen += 1

    engine.bus.subscribe(Event, count)
    asyncio.run(engine.run(do_nothing.map(n=range(children)).windowed(100)))
    return seen


def main() -> int:
    """Run both kinds in turn; return the exit code."""
    logging.getLogger("cascade.telemetry").setLevel(logging.ERROR)  # it would tell of each doubling
    each = events_of(1_000) / 1_000
    children = round(EVENTS / ROUNDS / each)
    run_traced(children, stopped=True)
    before, bad = bytes_of("VmRSS"), 0
    seconds: dict[bool, list[float]] = {False: [], True: []}
    off = []
    lost = 0
    for _ in range(ROUNDS):
        off.append(run_silently(children))
        for stopped in (False, True):
            took, ended, dropped, exported = run_traced(children, stopped)
            seconds[stopped].append(took)
            bad += ended != dropped + exported
            if stopped:
                lost += dropped
    slower = median(seconds[True]) / median(seconds[False])
    grown = bytes_of("VmHWM") - before
    healthy, dead = sum(seconds[False]), sum(seconds[True])
    print(
        f"{EVENTS:,} events: {healthy:.1f} s with a collector, {dead:.1f} s with one that has "
        f"stopped ({slower:.2f} times); {lost:,} spans dropped and counted; "
        f"{grown / 2**20:.1f} MiB more"
    )
    microseconds = 1e6 / children
    print(
        f"a task takes {median(off) * microseconds:.0f} µs without telemetry and "
        f"{median(seconds[False]) * microseconds:.0f} µs with it"
    )
    return bool(slower > LIMIT or grown > MOST or bad)


if __name__ == "__main__":
    sys.exit(main())
