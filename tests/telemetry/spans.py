"""Reads traces back: spans as a tree, in the order of their starts."""

from __future__ import annotations

from collections.abc import Coroutine
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from opentelemetry.metrics import NoOpMeterProvider
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

import cascade as cs
from cascade import telemetry, testing


class Traces:
    """A provider that keeps its spans in memory, and what it has been told."""

    def __init__(self) -> None:
        self.provider = TracerProvider(shutdown_on_exit=False)
        self._exporter = InMemorySpanExporter()
        self.provider.add_span_processor(SimpleSpanProcessor(self._exporter))

    @property
    def spans(self) -> tuple[ReadableSpan, ...]:
        return self._exporter.get_finished_spans()

    def roots(self) -> list[Node]:
        return tree(self.spans)

    def root(self) -> Node:
        (root,) = self.roots()
        return root

    def instrument(self, target: Any, **options: Any) -> telemetry.Instrumentation:
        options = {"meter_provider": NoOpMeterProvider(), **options}
        return telemetry.instrument(target, tracer_provider=self.provider, **options)


@dataclass
class Node:
    """A span and what is below it."""

    span: ReadableSpan
    below: list[Node] = field(default_factory=list)

    @property
    def name(self) -> str:
        return self.span.name

    def said(self, name: str) -> Any:
        """An attribute, without its prefix."""
        return (self.span.attributes or {}).get(f"cascade.{name}")

    @property
    def start(self) -> int:
        assert self.span.start_time is not None
        return self.span.start_time

    @property
    def end(self) -> int:
        assert self.span.end_time is not None
        return self.span.end_time

    @property
    def seconds(self) -> float:
        return (self.end - self.start) / 1e9

    @property
    def errors(self) -> list[str]:
        """The types of the exceptions that it tells of."""
        found = [event for event in self.span.events if event.name == "exception"]
        return [str((event.attributes or {})["exception.type"]) for event in found]

    def shape(self) -> Any:
        """Names and seconds as nested tuples: what a trace viewer shows."""
        mine = self.name, self.seconds
        return (*mine, [node.shape() for node in self.below]) if self.below else mine

    def find(self, name: str) -> Node:
        (found,) = [node for node in self.walk() if node.name == name]
        return found

    def walk(self) -> list[Node]:
        found = [self]
        for node in found:
            found += node.below
        return found


def tree(spans: tuple[ReadableSpan, ...]) -> list[Node]:
    ids = {}
    for span in spans:
        assert span.context is not None
        ids[span.context.span_id] = Node(span)
    roots: list[Node] = []
    for node in ids.values():
        parent = node.span.parent
        above = None if parent is None else ids.get(parent.span_id)
        (roots if above is None else above.below).append(node)
        if above is not None:
            assert node.span.context is not None
            assert above.span.context is not None
            assert node.span.context.trace_id == above.span.context.trace_id
    for node in [*ids.values()]:
        node.below.sort(key=lambda other: (other.start, other.end, other.said("task.id") or ""))
    return sorted(roots, key=lambda node: node.start)


def traced(target: Any, engine: cs.Engine | None = None, **options: Any) -> Node:
    """Run a workflow on virtual time, whatever comes of it, and return its trace."""
    traces = Traces()
    engine = engine or cs.Engine()

    async def steps() -> None:
        with traces.instrument(engine) as handle:
            with suppress(OSError, cs.errors.SkippedError):  # what the tasks of the tests raise
                if isinstance(target, Coroutine):
                    await target
                else:
                    await engine.run(target, **options)
            assert handle.open_spans == 0
        assert not engine.bus.hot

    testing.run_virtual(steps())
    return traces.root()
