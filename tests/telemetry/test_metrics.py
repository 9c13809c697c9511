"""Metrics read back: what was counted, and the resources as they are when somebody looks."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from opentelemetry.metrics import NoOpMeterProvider
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.trace import NoOpTracerProvider
from tests.telemetry.tasks import fail, sleep

import cascade as cs
from cascade import telemetry, testing
from cascade.telemetry.instruments import COUNTS, DURATIONS


class Meters:
    """A provider that keeps its metrics in memory."""

    def __init__(self) -> None:
        self._reader = InMemoryMetricReader()
        self.provider = MeterProvider([self._reader], shutdown_on_exit=False)

    def instrument(self, target: Any) -> telemetry.Instrumentation:
        return telemetry.instrument(
            target, tracer_provider=NoOpTracerProvider(), meter_provider=self.provider
        )

    def points(self, name: str) -> dict[tuple[str, ...], Any]:
        """The points of a metric by the values of their attributes, in the order of their names."""
        found = self._reader.get_metrics_data()
        points = {}
        for resource in found.resource_metrics if found is not None else ():
            for scope in resource.scope_metrics:
                for metric in scope.metrics:
                    if metric.name == f"cascade.{name}":
                        for point in metric.data.data_points:
                            attributes = sorted((point.attributes or {}).items())
                            points[tuple(str(value) for _, value in attributes)] = point
        return points

    def __getitem__(self, name: str) -> dict[tuple[str, ...], float]:
        return {key: point.value for key, point in self.points(name).items()}

    def sums(self, name: str) -> dict[tuple[str, ...], tuple[int, float]]:
        return {key: (point.count, point.sum) for key, point in self.points(name).items()}


@cs.task
async def count(left: int) -> Any:
    return cs.TailCall(left - 1) if left else "done"


def test_tasks_by_what_became_of_them() -> None:
    meters, engine = Meters(), cs.Engine()

    @cs.task
    async def kept() -> None: ...

    async def main() -> None:
        await engine.run([sleep(2).named("any"), sleep(3), kept().with_cache(cs.cache())])
        await engine.run([kept().with_cache(cs.cache())])
        for bad in ([fail(1), sleep(5), sleep(0, sleep(9))], [sleep(1).run_if(False)]):
            with pytest.raises((OSError, cs.errors.SkippedError)):
                await engine.run(bad)

    with meters.instrument(engine):
        testing.run_virtual(main())
    assert meters["tasks"] == {
        ("succeeded", "sleep"): 2,
        ("failed", "fail"): 1,
        ("cancelled", "sleep"): 3,
        ("succeeded", "kept"): 1,
        ("cached", "kept"): 1,
        ("skipped", "sleep"): 1,
    }
    assert meters.sums("task.duration") == {
        ("succeeded", "sleep"): (2, 5),
        ("succeeded", "kept"): (1, 0),
        ("failed", "fail"): (1, 1),
        ("cancelled", "sleep"): (2, 2),
    }
    assert meters["runs"] == {("succeeded",): 2, ("failed",): 2}
    assert meters.sums("run.duration") == {("succeeded",): (2, 3), ("failed",): (2, 1)}


def test_the_children_of_a_map_and_calls_of_any_name_count_as_one_task() -> None:
    meters, engine = Meters(), cs.Engine()
    calls = [sleep(1).named(f"number {place}") for place in range(50)]
    with meters.instrument(engine):
        testing.run_virtual(engine.run([*calls, sleep.map(seconds=range(50)).named("all")]))
    assert meters["tasks"] == {("succeeded", "sleep"): 101}


def test_waiting_retries_steps_and_lateness() -> None:
    meters, engine = Meters(), cs.Engine(system_resources={"slot": 1})

    async def main() -> None:
        await engine.run([sleep(2).with_constraints(slot=1) for _ in range(3)])
        with pytest.raises(OSError, match="broken"):
            await engine.run(fail(1).with_retry(3, delay=1))
        await engine.run(count(1_000), use_vm=True)

    with meters.instrument(engine):
        testing.run_virtual(main())
    assert meters.sums("task.waiting") == {("slot", "sleep"): (2, 6)}
    assert meters["retries"] == {("fail",): 2}
    assert meters.sums("retry.lateness") == {("fail",): (2, 0)}
    assert meters["steps"] == {("count",): 1_000}


def test_what_is_under_way_and_what_resources_there_are() -> None:
    meters = Meters()
    engine = cs.Engine(system_resources={"slot": 2, "paused": 0})
    engine.resource_manager.set_rate("calls", 0.1, 5)
    engine.resource_manager.set_budget("money", 10)
    engine.resource_manager.set_capacity({"free": None})

    async def main() -> None:
        wanted = {"slot": 1, "calls": 1, "money": 2, "free": 3}
        limited = [sleep(2).with_constraints(**wanted) for _ in range(3)]
        run = asyncio.ensure_future(engine.run([*limited, sleep(1).with_constraints(paused=1)]))
        await asyncio.sleep(1)
        assert meters["runs.active"] == {(): 1}
        assert meters["tasks.active"] == {("sleep",): 2}
        assert meters["tasks.waiting"] == {("sleep",): 2}
        slot, calls, money = ("slot", "capacity"), ("calls", "rate"), ("money", "budget")
        paused, free = ("paused", "capacity"), ("free", "capacity")
        used = {slot: 2, calls: 2, money: 4, paused: 0, free: 6}
        assert meters["resource.used"] == used
        assert meters["resource.capacity"] == {slot: 2, calls: 5, money: 6, paused: 0}
        available = meters["resource.available"]
        assert available.pop(calls) == pytest.approx(3.1)
        assert available == {slot: 0, money: 6, paused: 0}
        assert meters["resource.waiting"] == {slot: 1, calls: 1, money: 1, paused: 1, free: 1}
        run.cancel()
        await asyncio.wait([run])
        assert set(meters["resource.used"].values()) == {0}

    with meters.instrument(engine):
        testing.run_virtual(main())
        assert meters["runs.active"] == {(): 0}
        assert meters["tasks.active"] == meters["tasks.waiting"] == {("sleep",): 0}
    assert meters["resource.used"] == {}


def test_closing_in_the_midst_leaves_nothing_active_and_what_was_counted() -> None:
    meters, engine = Meters(), cs.Engine(system_resources={"slot": 1})

    async def main() -> None:
        with meters.instrument(engine):
            limited = [sleep(seconds).with_constraints(slot=1) for seconds in (1, 5, 5)]
            run = asyncio.ensure_future(engine.run(limited))
            await asyncio.sleep(2)
        for name in ("runs.active", "tasks.active", "tasks.waiting"):
            assert set(meters[name].values()) == {0}
        with meters.instrument(engine):
            await run
        for name in ("runs.active", "tasks.active", "tasks.waiting"):
            assert set(meters[name].values()) == {0}
        assert meters["tasks"] == {("succeeded", "sleep"): 3}

    testing.run_virtual(main())


def test_engines_of_one_provider_are_added_up() -> None:
    meters, shared = Meters(), cs.ResourceManager()
    shared.set_capacity({"slot": 3})
    engines = [cs.Engine(resource_manager=shared) for _ in range(2)]
    engines.append(cs.Engine(system_resources={"slot": 4}))
    handles = [meters.instrument(engine) for engine in [*engines, engines[0]]]

    async def main() -> None:
        for engine in engines[1:]:
            await engine.run(sleep(1).with_constraints(slot=1))

    testing.run_virtual(main())
    assert meters["tasks"] == {("succeeded", "sleep"): 2}
    assert meters["resource.capacity"] == {("slot", "capacity"): 7}
    handles.pop().close()
    assert meters["resource.capacity"] == {("slot", "capacity"): 7}
    for handle in handles[:2]:
        handle.close()
    assert meters["resource.capacity"] == {("slot", "capacity"): 4}
    del engines[2], handles
    assert meters["resource.capacity"] in ({}, {("slot", "capacity"): 4})


def test_a_bus_alone_has_no_resources() -> None:
    meters, bus = Meters(), cs.MessageBus()
    engine = cs.Engine(bus=bus, system_resources={"slot": 1})
    with meters.instrument(bus):
        testing.run_virtual(engine.run(sleep(1).with_constraints(slot=1)))
    assert meters["tasks"] == {("succeeded", "sleep"): 1}
    assert meters["resource.used"] == {}


def test_what_is_counted_while_another_thread_collects() -> None:
    meters, engine = Meters(), cs.Engine(system_resources={"slot": 2})

    async def main() -> None:
        collecting = [asyncio.to_thread(collect) for _ in range(2)]
        await asyncio.gather(*collecting, *[work(place) for place in range(20)])

    def collect() -> None:
        for _ in range(20):
            meters.points("tasks")

    async def work(place: int) -> None:
        for turn in range(5):
            names = {"slot": 1, f"resource {place} {turn}": 1}
            engine.resource_manager.set_capacity({f"resource {place} {turn}": 1})
            await engine.run(sleep(0).with_constraints(**names))

    with meters.instrument(engine):
        asyncio.run(main())
    assert meters["tasks"] == {("succeeded", "sleep"): 100}


def test_the_docs_have_all_metrics() -> None:
    from pathlib import Path

    page = (Path(__file__).parents[2] / "docs" / "telemetry.md").read_text(encoding="utf-8")
    for name in (*COUNTS, *DURATIONS, "cascade.resource.used", "cascade.resource.capacity"):
        assert f"`{name}`" in page, name


def test_without_metrics_and_traces_nobody_listens() -> None:
    engine = cs.Engine()
    with telemetry.instrument(
        engine, tracer_provider=NoOpTracerProvider(), meter_provider=NoOpMeterProvider()
    ) as handle:
        assert not engine.bus.hot
    assert (handle.dropped, handle.open_spans) == (0, 0)


def test_halves_of_characters_are_told_so_that_any_collector_takes_them() -> None:
    @cs.task(name="odd \udcff")
    async def odd() -> None: ...

    meters = Meters()
    engine = cs.Engine(system_resources={"slot \udcff": 1})
    with meters.instrument(engine):
        work = odd().with_constraints(**{"slot \udcff": 1})
        testing.run_virtual(engine.run(work))
        assert meters["tasks"] == {("succeeded", "odd ?"): 1}
        assert list(meters["resource.capacity"]) == [("slot ?", "capacity")]
