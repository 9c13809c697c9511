"""Gauges: the resources of instrumented engines, looked at when somebody collects the metrics."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary, ref

from opentelemetry.metrics import CallbackOptions, Observation

from cascade.runtime.explanations import ResourceFigures, figures

if TYPE_CHECKING:
    from opentelemetry.metrics import MeterProvider

    from cascade.runtime.engine import Engine
    from cascade.runtime.resource_manager import ResourceManager

_lock = threading.Lock()
# OpenTelemetry has one instrument of a name in each provider, and never lets its callbacks go: so
# all engines of a provider must share them.
_known: WeakKeyDictionary[MeterProvider, Gauges] = WeakKeyDictionary()


def gauges_of(provider: MeterProvider) -> Gauges:
    """Return the gauges of a provider; made on first use."""
    with _lock:
        found = _known.get(provider)
        if found is None:
            found = _known[provider] = Gauges(provider)
        return found


class Gauges:
    """What resources are used, there, left and waited for, added up over managers by name."""

    def __init__(self, provider: MeterProvider) -> None:
        self._engines: dict[int, tuple[ref[Engine], int]] = {}
        meter = provider.get_meter("cascade")
        for name, unit, description, figure in (
            ("used", "1", "What is taken of a resource.", lambda each: each.used),
            ("capacity", "1", "What there is of a resource at most.", lambda each: each.capacity),
            ("available", "1", "What is left of a resource.", lambda each: each.available),
            ("waiting", "{task}", "How many wait for a resource.", lambda each: each.waiting),
        ):
            meter.create_observable_gauge(
                f"cascade.resource.{name}", [self._observer(figure)], unit, description
            )

    def add(self, engine: Engine) -> None:
        """Look at the resources of an engine from now on; as often as it is added."""
        with _lock:
            _, times = self._engines.get(id(engine), (None, 0))
            self._engines[id(engine)] = ref(engine), times + 1

    def remove(self, engine: Engine) -> None:
        """Undo one `add`."""
        with _lock:
            known, times = self._engines.pop(id(engine))
            if times > 1:
                self._engines[id(engine)] = known, times - 1

    def _managers(self) -> list[ResourceManager]:
        with _lock:
            for identity in [key for key, (known, _) in self._engines.items() if known() is None]:
                del self._engines[identity]
            engines = [known() for known, _ in self._engines.values()]
        managers = [engine.manager_in_use for engine in engines if engine is not None]
        return list(dict.fromkeys(manager for manager in managers if manager is not None))

    def _observer(
        self, figure: Callable[[ResourceFigures], float | None]
    ) -> Callable[[CallbackOptions], Iterable[Observation]]:
        def observe(_: CallbackOptions) -> list[Observation]:
            sums: dict[tuple[str, str], float] = {}
            for manager in self._managers():
                for each in figures(manager):
                    value = figure(each)
                    if value is not None:
                        key = each.name, each.kind or "unlimited"
                        sums[key] = sums.get(key, 0.0) + value
            return [
                Observation(value, {"cascade.resource": name, "cascade.resource.kind": kind})
                for (name, kind), value in sums.items()
            ]

        return observe
