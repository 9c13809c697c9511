"""Instruments: what is counted, and the resources of engines, told when somebody collects."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, NamedTuple
from weakref import WeakKeyDictionary, ref

from opentelemetry.context import Context
from opentelemetry.metrics import CallbackOptions, Observation

from cascade.runtime.explanations import ResourceFigures, figures
from cascade.telemetry.task_names import whole

if TYPE_CHECKING:
    from opentelemetry.metrics import MeterProvider

    from cascade.runtime.engine import Engine
    from cascade.runtime.resource_manager import ResourceManager

BUCKETS = (0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0, 60.0, 300.0, 1800.0, 7200.0)
"""Where the histograms of durations are divided, in seconds."""


class Count(NamedTuple):
    """Something that is counted."""

    unit: str
    """Its unit, as OpenTelemetry writes them."""
    description: str
    """What it is."""
    attributes: tuple[str, ...]
    """By what it is told apart."""
    falls: bool = False
    """Whether it can become less: how many there are now, not how many there ever were."""


COUNTS = {
    "cascade.runs": Count("{run}", "Runs that have ended.", ("cascade.status",)),
    "cascade.runs.active": Count("{run}", "Runs under way.", (), falls=True),
    "cascade.tasks": Count(
        "{task}", "Tasks that have ended or were skipped.", ("cascade.task", "cascade.status")
    ),
    "cascade.tasks.active": Count(
        "{task}", "Tasks that have begun and not ended.", ("cascade.task",), falls=True
    ),
    "cascade.tasks.waiting": Count(
        "{task}", "Tasks that wait for resources.", ("cascade.task",), falls=True
    ),
    "cascade.retries": Count(
        "{attempt}", "Failed attempts that were to be followed by another.", ("cascade.task",)
    ),
    "cascade.steps": Count("{step}", "Steps of tasks after their first.", ("cascade.task",)),
    "cascade.spans.dropped": Count(
        "{span}", "Spans that were not made or not exported.", ("cascade.reason",)
    ),
}
"""All that is counted, by name."""

DURATIONS = {
    "cascade.run.duration": "From the start of a run to its end.",
    "cascade.task.duration": "From the first grant of a task to its end.",
    "cascade.task.waiting": "How long a task waited for resources, each time.",
    "cascade.retry.lateness": "How much later than due the pause after a failure ended.",
}
"""The histograms, by name; in seconds."""

_GAUGES: tuple[tuple[str, str, str, Callable[[ResourceFigures], float | None]], ...] = (
    ("used", "1", "What is taken of a resource.", lambda each: each.used),
    ("capacity", "1", "What there is of a resource at most.", lambda each: each.capacity),
    ("available", "1", "What is left of a resource.", lambda each: each.available),
    ("waiting", "{task}", "How many wait for a resource.", lambda each: each.waiting),
)

_NO_CONTEXT = Context()
_lock = threading.Lock()
# OpenTelemetry has one instrument of a name in each provider, and never lets its callbacks go: so
# all who count for a provider must share them.
_known: WeakKeyDictionary[MeterProvider, Instruments] = WeakKeyDictionary()


def instruments_of(provider: MeterProvider) -> Instruments:
    """Return the instruments of a provider; made on first use."""
    with _lock:
        found = _known.get(provider)
        if found is None:
            found = _known[provider] = Instruments(provider)
        return found


class Instruments:
    """Counts by itself, as a call of OpenTelemetry's counters costs as much as a whole task."""

    def __init__(self, provider: MeterProvider) -> None:
        self._lock = threading.Lock()
        self._sums: dict[str, dict[tuple[str, ...], int]] = {name: {} for name in COUNTS}
        self._engines: dict[int, tuple[ref[Engine], int]] = {}
        meter = provider.get_meter("cascade")
        for name, count in COUNTS.items():
            make = (
                meter.create_observable_up_down_counter
                if count.falls
                else meter.create_observable_counter
            )
            make(name, [self._counted(name, count)], count.unit, count.description)
        for name, unit, description, figure in _GAUGES:
            meter.create_observable_gauge(
                f"cascade.resource.{name}", [self._looked_up(figure)], unit, description
            )
        self._durations = {
            name: meter.create_histogram(
                name, "s", description, explicit_bucket_boundaries_advisory=BUCKETS
            )
            for name, description in DURATIONS.items()
        }

    def add(self, name: str, *key: str, amount: int = 1) -> None:
        """Count something, by the values of its attributes; from any thread."""
        sums = self._sums[name]
        with self._lock:
            sums[key] = sums.get(key, 0) + amount

    def record(self, name: str, seconds: float, attributes: dict[str, str]) -> None:
        """Put a duration into a histogram."""
        # In a context without a span: the current one isn't that of the task that has ended.
        self._durations[name].record(seconds, attributes, _NO_CONTEXT)

    def watch(self, engine: Engine) -> None:
        """Look at the resources of an engine from now on."""
        with self._lock:
            _, times = self._engines.get(id(engine), (None, 0))
            self._engines[id(engine)] = ref(engine), times + 1

    def unwatch(self, engine: Engine) -> None:
        """Undo one `watch`."""
        with self._lock:
            known, times = self._engines.pop(id(engine))
            if times > 1:
                self._engines[id(engine)] = known, times - 1

    def _counted(
        self, name: str, count: Count
    ) -> Callable[[CallbackOptions], Iterable[Observation]]:
        sums = self._sums[name]

        def observe(_: CallbackOptions) -> list[Observation]:
            with self._lock:
                found = list(sums.items())
            return [
                Observation(value, dict(zip(count.attributes, key, strict=True)))
                for key, value in found
            ]

        return observe

    def _managers(self) -> list[ResourceManager]:
        with self._lock:
            for identity in [key for key, (known, _) in self._engines.items() if known() is None]:
                del self._engines[identity]
            engines = [known() for known, _ in self._engines.values()]
        managers = [engine.manager_in_use for engine in engines if engine is not None]
        return list(dict.fromkeys(manager for manager in managers if manager is not None))

    def _looked_up(
        self, figure: Callable[[ResourceFigures], float | None]
    ) -> Callable[[CallbackOptions], Iterable[Observation]]:
        def observe(_: CallbackOptions) -> list[Observation]:
            sums: dict[tuple[str, str], float] = {}
            for manager in self._managers():
                for each in figures(manager):
                    value = figure(each)
                    if value is not None:
                        key = whole(each.name), each.kind or "unlimited"
                        sums[key] = sums.get(key, 0.0) + value
            return [
                Observation(value, {"cascade.resource": name, "cascade.resource.kind": kind})
                for (name, kind), value in sums.items()
            ]

        return observe
