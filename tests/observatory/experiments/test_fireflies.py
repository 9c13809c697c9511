"""The experiment on virtual time: agents and calculation agree, and every end leaves nothing."""

from __future__ import annotations

import asyncio
import gc
import json
import os
import random
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

import pytest
from tests.long_form import tries

from cascade.connectors.local import LocalBroker, LocalBusConnector
from cascade.ports import Connector
from cascade.testing import run_virtual
from observatory.experiments.config import FirefliesConfig
from observatory.experiments.fireflies import Fireflies, Moment
from observatory.experiments.recorder import Summary
from observatory.flashes import Flash, flash_digest
from observatory.monitors.aggregator import MetricsAggregator
from observatory.monitors.convergence import Convergence, ConvergenceMonitor
from observatory.networking.topology import TOPOLOGIES, Topology
from observatory.reference.fireflies import Simulation, simulate
from observatory.reference.mirollo_strogatz import simulate_states


def run(config: FirefliesConfig) -> Summary:
    return run_virtual(Fireflies(config).run())


def reference(config: FirefliesConfig) -> Simulation:
    world = (config.num_agents, config.period, config.nudge, config.duration, config.seed)
    if config.concavity is None:
        return simulate(*world, config.refractory_period, topology=config.topology)
    return simulate_states(*world, config.concavity, config.deaf_for, topology=config.topology)


def assert_as_the_reference(config: FirefliesConfig) -> Summary:
    """Run agents and calculation, and compare all flashes and the order parameter."""
    experiment = Fireflies(config, keep_flashes=True)
    summary = run_virtual(experiment.run())
    assert experiment.recorder is not None
    flashes, expected = experiment.recorder.flashes, reference(config)
    assert_same(flashes, expected.flashes)
    assert summary.flashes == len(flashes) > 0
    assert summary.pulses == len(flashes) // config.num_agents
    assert summary.digest == flash_digest(flashes) == flash_digest(expected.flashes)
    assert experiment.recorder.order_parameters == pytest.approx(expected.order_parameter, abs=1e-9)
    assert (summary.missed, summary.dropped) == (0, 0)
    assert summary.lateness_s == {"p50": 0.0, "p99": 0.0, "max": 0.0}
    return summary


def assert_same(flashes: Sequence[Flash], expected: Sequence[Flash]) -> None:
    for place, (flash, wanted) in enumerate(zip(flashes, expected, strict=False)):
        assert flash.agent == wanted.agent, f"flash number {place}: {flash}, not {wanted}"
        assert abs(flash.time - wanted.time) <= 1e-9, f"flash number {place}: {flash}, not {wanted}"
    assert len(flashes) == len(expected)


def assert_nothing_left(experiment: Fireflies) -> None:
    """Check, from the task that ran it, that the experiment left no task and no slot."""
    assert asyncio.all_tasks() == {asyncio.current_task()}
    statistics = experiment.manager.statistics()
    assert (statistics.holding, statistics.waiting) == (0, 0)
    assert all(resource.used == 0 for resource in statistics.resources.values())


# --- agents and calculation -------------------------------------------------------------------


@pytest.mark.parametrize("nudge", [0.05, 0.2])
@pytest.mark.parametrize("seed", range(tries(3, 6)))
def test_agents_and_calculation_give_the_same_flashes(seed: int, nudge: float) -> None:
    assert_as_the_reference(
        FirefliesConfig(num_agents=100, period=1.0, nudge=nudge, duration=60.0, seed=seed)
    )


def test_so_they_do_in_a_large_world_where_a_flash_meets_the_end_of_a_refractory_phase() -> None:
    # In the world of this seed, agents that flashed as one hear their next flash in the very
    # instant from which on they hear, and it depends on who hears it first who flashes first.
    assert_as_the_reference(
        FirefliesConfig(num_agents=900, period=1.0, nudge=0.05, duration=20.0, seed=3)
    )


@pytest.mark.parametrize("period", [0.25, 3.7, 60.0])
def test_so_they_do_with_any_period(period: float) -> None:
    assert_as_the_reference(
        FirefliesConfig(
            num_agents=49, period=period, nudge=0.05 * period, duration=30 * period, seed=8
        )
    )


@pytest.mark.parametrize("count", [1, 2, 3, 4, 6, 7, 12, 45, 97])
def test_so_they_do_on_any_torus_tiny_long_or_prime(count: int) -> None:
    summary = assert_as_the_reference(
        FirefliesConfig(num_agents=count, period=2.0, nudge=0.1, duration=40.0, seed=count)
    )
    assert summary.width * summary.height == count


def test_so_they_do_without_coupling_and_with_a_refractory_period_of_ones_own() -> None:
    assert_as_the_reference(FirefliesConfig(num_agents=20, nudge=0.0, duration=50.0, seed=2))
    assert_as_the_reference(
        FirefliesConfig(num_agents=36, period=1.0, duration=30.0, refractory_period=0.4, seed=2)
    )


def test_the_duration_need_not_be_whole_periods() -> None:
    assert_as_the_reference(FirefliesConfig(num_agents=25, duration=33.3, seed=6))


@pytest.mark.parametrize("count", [1, 2, 3, 40])
@pytest.mark.parametrize("topology", TOPOLOGIES)
@pytest.mark.parametrize("model", ["fixed", "mirollo-strogatz"])
def test_so_they_do_in_every_model_whoever_hears_whom(
    model: Literal["fixed", "mirollo-strogatz"], topology: Topology, count: int
) -> None:
    assert_as_the_reference(
        FirefliesConfig(
            num_agents=count,
            period=1.0,
            nudge=0.01,
            duration=25.0,
            seed=count,
            topology=topology,
            model=model,
        )
    )


def test_so_they_do_with_any_dissipation_and_with_a_refractory_period() -> None:
    for dissipation, refractory_period in ((0.1, None), (12.0, 0.0), (3.0, 0.3)):
        assert_as_the_reference(
            FirefliesConfig(
                num_agents=36,
                period=1.0,
                nudge=0.02,
                duration=20.0,
                model="mirollo-strogatz",
                dissipation=dissipation,
                refractory_period=refractory_period,
            )
        )


@pytest.mark.parametrize("seed", range(3))
def test_where_everybody_hears_everybody_a_concave_state_ends_in_one_flash(seed: int) -> None:
    config = FirefliesConfig(
        30, 1.0, 0.002, 40.0, seed=seed, topology="complete", model="mirollo-strogatz"
    )
    summary = assert_as_the_reference(config)
    assert summary.order_parameter["first"] is not None
    assert summary.order_parameter["last"] is not None
    assert summary.order_parameter["first"] < 0.9
    assert summary.order_parameter["last"] > 0.999


def test_agents_that_all_hear_each_other_share_what_they_need_for_it() -> None:
    def bytes_of(count: int) -> int:
        config = FirefliesConfig(num_agents=count, duration=1e-9, topology="complete")
        tracemalloc.start()
        run(config)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return peak

    # A list of its own for each agent would be another 8 · (400² - 100²) bytes, 1.2 MB.
    assert bytes_of(400) < 4 * bytes_of(100) + 300_000


def test_agents_know_no_mean_field() -> None:
    with pytest.raises(ValueError, match="model must be fixed or mirollo-strogatz with agents"):
        Fireflies(FirefliesConfig(model="kuramoto", topology="complete"))


@pytest.mark.parametrize("limit", [100, 101, 10_000])
def test_a_limit_that_is_no_limit_changes_no_flash(limit: int) -> None:
    config = FirefliesConfig(
        num_agents=100, period=1.0, nudge=0.1, duration=20.0, seed=4, limit=limit
    )
    assert assert_as_the_reference(config).active["max"] == 100


# --- one seed, one world ----------------------------------------------------------------------


@pytest.mark.parametrize("limit", [None, 5])
def test_the_same_settings_give_the_same_summary_apart_from_the_time_it_took(
    limit: int | None,
) -> None:
    config = FirefliesConfig(num_agents=30, duration=60.0, seed=12, limit=limit)
    first, second = run(config).as_dict(), run(config).as_dict()
    assert first.pop("elapsed") > 0
    assert second.pop("elapsed") > 0
    assert first == second


WORLD = """
from cascade.testing import run_virtual
from observatory.experiments.config import FirefliesConfig
from observatory.experiments.fireflies import Fireflies
print(run_virtual(Fireflies(FirefliesConfig(36, 1.0, 0.05, 20.0, seed=8)).run()).digest)
"""


def test_one_seed_is_one_world_in_every_process_however_it_hashes() -> None:
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", WORLD],
            env={**os.environ, "PYTHONHASHSEED": str(hash_seed)},
            stdout=subprocess.PIPE,
            text=True,
        )
        for hash_seed in range(1, 6)
    ]
    digests = [process.communicate(timeout=100)[0].strip() for process in processes]
    assert digests == [run(FirefliesConfig(36, 1.0, 0.05, 20.0, seed=8)).digest] * 5


def test_another_seed_is_another_world() -> None:
    summaries = [run(FirefliesConfig(num_agents=30, duration=20.0, seed=s)) for s in range(5)]
    assert len({summary.digest for summary in summaries}) == 5


def test_two_experiments_at_once_are_as_each_alone() -> None:
    one = FirefliesConfig(num_agents=25, duration=30.0, seed=1)
    other = FirefliesConfig(num_agents=16, duration=20.0, seed=2, limit=3)

    async def both() -> list[Summary]:
        return list(await asyncio.gather(Fireflies(one).run(), Fireflies(other).run()))

    digests = [summary.digest for summary in run_virtual(both())]
    assert digests == [run(one).digest, run(other).digest]


# --- under a limit ----------------------------------------------------------------------------


@pytest.mark.parametrize("limit", [1, 4, 29])
def test_the_limit_is_reached_and_never_passed_and_everybody_steps(limit: int) -> None:
    seen: list[Moment] = []
    experiment = Fireflies(
        FirefliesConfig(num_agents=30, period=1.0, nudge=0.1, duration=90.0, limit=limit),
        watch=seen.append,
        watch_interval=0.05,
    )
    summary = run_virtual(experiment.run())
    assert summary.active["max"] == limit
    assert summary.active["mean"] == pytest.approx(limit, rel=0.2)
    assert max(moment.active for moment in seen if moment.active is not None) == limit
    assert all(moment.waiting is not None for moment in seen)
    assert summary.steps["min_per_agent"] >= 2
    assert summary.steps["total"] >= 30 * summary.steps["min_per_agent"]


def test_flashes_that_are_late_and_cycles_that_are_lost_are_counted() -> None:
    async def scenario() -> Summary:
        config = FirefliesConfig(num_agents=3, period=1.0, nudge=0.0, duration=30.0, limit=1)
        experiment = Fireflies(config)
        running = asyncio.create_task(experiment.run())
        await asyncio.sleep(10.0)
        async with experiment.manager.hold({"cpu_slot": 1}, owner="somebody else"):
            began = asyncio.get_running_loop().time()
            await asyncio.sleep(5.0)
        assert 10.0 <= began < 12.0
        return await running

    summary = run_virtual(scenario())
    assert summary.lateness_s["p50"] is not None
    assert summary.lateness_s["max"] is not None
    assert 0.0 <= summary.lateness_s["p50"] < 1.0
    assert 4.0 < summary.lateness_s["max"] < 6.0
    # In five seconds each has lost four or five cycles, and was late for one.
    assert 12 <= summary.missed <= 15
    # Every cycle was a flash or is known to be lost; being that late shifts the phase.
    assert 90 - 2 * 3 <= summary.flashes + summary.missed <= 90


def test_an_agent_that_is_late_by_less_than_a_period_loses_nothing() -> None:
    config = FirefliesConfig(num_agents=9, period=1.0, nudge=0.0, duration=100.0, limit=1)
    summary = run(config)
    assert (summary.flashes, summary.missed) == (900, 0)
    assert summary.lateness_s["max"] is not None
    assert 0.1 < summary.lateness_s["max"] < 1.0


# --- the summary ------------------------------------------------------------------------------


def test_what_a_summary_tells() -> None:
    config = FirefliesConfig(num_agents=12, period=2.0, nudge=0.25, duration=40.0, seed=-7, limit=5)
    summary = run(config).as_dict()
    assert isinstance(summary["elapsed"], float)
    assert 0 < summary.pop("elapsed") < 60
    for count in ("flashes", "missed", "pulses", "dropped"):
        assert type(summary[count]) is int, count
        assert summary[count] >= 0
    assert summary["pulses"] == summary["flashes"] // 12
    assert {name: type(value) for name, value in summary["order_parameter"].items()} == {
        "first": float,
        "last": float,
        "max": float,
    }
    assert all(0 <= value <= 1 for value in summary["order_parameter"].values())
    assert summary["order_parameter"]["first"] <= summary["order_parameter"]["max"]
    assert summary["active"]["max"] == 5
    assert isinstance(summary["active"]["mean"], float)
    assert 0 < summary["active"]["mean"] <= 5
    assert {name: type(value) for name, value in summary["steps"].items()} == {
        "total": int,
        "min_per_agent": int,
        "max_per_agent": int,
    }
    assert {name: type(value) for name, value in summary["lateness_s"].items()} == {
        "p50": float,
        "p99": float,
        "max": float,
    }
    assert len(summary["digest"]) == 64
    int(summary["digest"], 16)
    told = {name: summary[name] for name in ("agents", "width", "height", "period", "nudge")}
    assert told == {"agents": 12, "width": 4, "height": 3, "period": 2.0, "nudge": 0.25}
    told = {name: summary[name] for name in ("limit", "seed", "time", "duration")}
    assert told == {"limit": 5, "seed": -7, "time": "virtual", "duration": 40.0}
    assert json.loads(json.dumps(summary)) == summary


def test_without_a_limit_there_are_no_slots_to_tell_of() -> None:
    summary = run(FirefliesConfig(num_agents=4, duration=20.0))
    assert summary.limit is None
    assert summary.active == {"max": None, "mean": None}


def test_a_run_shorter_than_a_period_has_an_order_parameter_only_at_its_end() -> None:
    experiment = Fireflies(FirefliesConfig(num_agents=50, period=5.0, duration=0.3, seed=3))
    summary = run_virtual(experiment.run())
    assert experiment.recorder is not None
    last = experiment.recorder.order_parameter(0.3)
    assert summary.order_parameter == {"first": None, "last": last, "max": None}
    assert 0 < last < 1


def test_a_run_in_which_nobody_flashes_has_no_lateness_and_the_digest_of_nothing() -> None:
    summary = run(FirefliesConfig(num_agents=2, period=5.0, duration=1e-6))
    assert (summary.flashes, summary.pulses, summary.missed) == (0, 0, 0)
    assert summary.lateness_s == {"p50": None, "p99": None, "max": None}
    assert summary.digest == flash_digest([])


def test_there_is_one_order_parameter_for_each_period_and_the_summary_is_made_of_them() -> None:
    config = FirefliesConfig(num_agents=64, period=1.0, nudge=0.1, duration=20.0, seed=5)
    expected = reference(config).order_parameter
    summary = run(config)
    assert len(expected) == 20
    assert summary.order_parameter == pytest.approx(
        {"first": expected[0], "last": expected[-1], "max": max(expected)}, abs=1e-9
    )


def test_there_is_no_summary_before_the_start() -> None:
    experiment = Fireflies(FirefliesConfig(num_agents=4))
    with pytest.raises(RuntimeError, match="hasn't begun"):
        experiment.summary()


def test_a_summary_under_way_tells_how_far_it_has_come() -> None:
    config = FirefliesConfig(num_agents=25, period=1.0, nudge=0.1, duration=30.0, seed=5)
    midway: list[Summary] = []

    def look(moment: Moment) -> None:
        midway.append(experiment.summary())

    experiment = Fireflies(config, watch=look, watch_interval=12.25)
    summary = run_virtual(experiment.run())
    first, second = midway
    assert [first.duration, second.duration] == [12.25, 24.5]
    assert 0 <= first.elapsed <= second.elapsed <= summary.elapsed
    assert 0 < first.flashes < second.flashes < summary.flashes
    assert second.digest == run(FirefliesConfig(25, 1.0, 0.1, 24.5, seed=5)).digest
    assert second.order_parameter["last"] == pytest.approx(1.0)


# --- every end leaves nothing -----------------------------------------------------------------


class BrokenConnector(LocalBusConnector):
    """Tells a number of flashes, and then fails for good."""

    def __init__(self, good: int) -> None:
        super().__init__(LocalBroker())
        self.good = good

    async def publish(self, topic: str, payload: Any, qos: int = 0, retain: bool = False) -> None:
        self.good -= 1
        if self.good < 0:
            raise BrokenError(f"no line for the flash of {payload['agent_id']}")
        await super().publish(topic, payload, qos, retain)


class BrokenError(Exception):
    """What the broken connector raises."""


@pytest.mark.parametrize("limit", [None, 1, 7])
@pytest.mark.parametrize("good", [0, 1, 40])
def test_an_agent_that_fails_ends_the_experiment_with_its_own_error(
    good: int, limit: int | None
) -> None:
    async def scenario() -> BaseException:
        connector = BrokenConnector(good)
        experiment = Fireflies(
            FirefliesConfig(num_agents=20, duration=1e6, limit=limit), connector=connector
        )
        with pytest.raises(BrokenError, match="no line for the flash") as caught:
            await experiment.run()
        assert_nothing_left(experiment)
        assert not connector.connected
        summary = experiment.summary()
        assert summary.flashes == good
        assert 0 < summary.duration < 1e6
        assert summary.duration == asyncio.get_running_loop().time()
        return caught.value

    assert any("firefly_agent" in note for note in run_virtual(scenario()).__notes__)


def test_a_watcher_that_fails_ends_the_experiment_with_its_error() -> None:
    def look(moment: Moment) -> None:
        raise BrokenError("can't look")

    async def scenario() -> None:
        experiment = Fireflies(FirefliesConfig(num_agents=20), watch=look, watch_interval=7.0)
        with pytest.raises(BrokenError, match="can't look"):
            await experiment.run()
        assert_nothing_left(experiment)
        assert experiment.summary().duration == 7.0

    run_virtual(scenario())


def test_a_connector_that_cant_connect_ends_it_before_it_has_begun() -> None:
    class Unreachable(LocalBusConnector):
        async def connect(self) -> None:
            raise BrokenError("nobody there")

    async def scenario() -> None:
        experiment = Fireflies(FirefliesConfig(num_agents=4), connector=Unreachable(LocalBroker()))
        with pytest.raises(BrokenError, match="nobody there"):
            await experiment.run()
        assert_nothing_left(experiment)
        with pytest.raises(RuntimeError, match="hasn't begun"):
            experiment.summary()

    run_virtual(scenario())


async def cancel_at(moment: float, config: FirefliesConfig) -> Summary:
    connector = LocalBusConnector(LocalBroker())
    experiment = Fireflies(config, connector=connector)
    running = asyncio.create_task(experiment.run())
    await asyncio.sleep(moment)
    running.cancel()
    await asyncio.wait([running])
    assert running.cancelled()
    assert not connector.connected
    assert_nothing_left(experiment)
    return experiment.summary()


@pytest.mark.parametrize("limit", [None, 1, 6])
def test_cancelled_at_any_moment_it_leaves_nothing_and_tells_how_far_it_came(
    limit: int | None,
) -> None:
    chance = random.Random(21)
    flashes = []
    for moment in [1e-9, *sorted(chance.uniform(0, 12) for _ in range(7))]:
        config = FirefliesConfig(num_agents=20, period=1.0, nudge=0.1, seed=9, limit=limit)
        summary = run_virtual(cancel_at(moment, config))
        assert summary.duration == pytest.approx(moment, abs=1e-12)
        whole = FirefliesConfig(
            num_agents=20, period=1.0, nudge=0.1, seed=9, limit=limit, duration=moment
        )
        assert summary.digest == run(whole).digest
        flashes.append(summary.flashes)
    assert flashes == sorted(flashes)
    assert flashes[0] == 0 < flashes[-1]


def test_cancelled_at_any_moment_on_a_real_loop_it_leaves_nothing() -> None:
    chance = random.Random(22)
    durations = []

    async def scenario() -> None:
        for number in range(12):
            limit = (None, 1, 6)[number % 3]
            config = FirefliesConfig(num_agents=20, period=0.02, nudge=0.001, limit=limit)
            summary = await cancel_at(chance.uniform(0.001, 0.1), config)
            # None at all, if that moment came while agents were still being made.
            assert 0 <= summary.duration <= summary.elapsed
            assert summary.time == "real"
            durations.append(summary.duration)

    asyncio.run(scenario())
    assert max(durations) > 0.01


def test_cancelled_before_its_first_step_it_hasnt_begun() -> None:
    async def scenario() -> None:
        experiment = Fireflies(FirefliesConfig(num_agents=4))
        running = asyncio.create_task(experiment.run())
        running.cancel()
        await asyncio.wait([running])
        assert_nothing_left(experiment)
        with pytest.raises(RuntimeError):
            experiment.summary()

    run_virtual(scenario())


def test_it_leaves_nothing_when_it_ends_by_itself() -> None:
    async def scenario() -> None:
        connector = LocalBusConnector(LocalBroker())
        experiment = Fireflies(
            FirefliesConfig(num_agents=20, duration=10.0, limit=3), connector=connector
        )
        await experiment.run()
        assert asyncio.get_running_loop().time() == 10.0
        assert not connector.connected
        assert_nothing_left(experiment)

    run_virtual(scenario())


# --- the cyclic collector ---------------------------------------------------------------------


@pytest.fixture
def _collector_restored() -> Iterator[None]:
    enabled, frozen = gc.isenabled(), gc.get_freeze_count() > 0
    yield
    gc.unfreeze()
    if frozen:  # as `tests/conftest.py` has it
        gc.collect()
        gc.freeze()
    if enabled:
        gc.enable()


async def to_the_end() -> None:
    seen: list[tuple[bool, bool]] = []

    def look(moment: Moment) -> None:
        seen.append((gc.isenabled(), gc.get_freeze_count() > 0))

    await Fireflies(FirefliesConfig(num_agents=4, duration=3.5), watch=look).run()
    assert seen == [(False, True)] * 3


async def to_a_failure() -> None:
    with pytest.raises(BrokenError):
        await Fireflies(FirefliesConfig(num_agents=4), connector=BrokenConnector(3)).run()


async def to_a_cancellation() -> None:
    await cancel_at(3.0, FirefliesConfig(num_agents=4, limit=2))


@pytest.mark.usefixtures("_collector_restored")
@pytest.mark.parametrize("way", [to_the_end, to_a_failure, to_a_cancellation])
@pytest.mark.parametrize("enabled", [True, False])
@pytest.mark.parametrize("frozen", [True, False])
def test_the_collector_rests_meanwhile_and_is_put_back_as_it_was(
    way: Callable[[], Any], enabled: bool, frozen: bool
) -> None:
    (gc.enable if enabled else gc.disable)()
    (gc.freeze if frozen else gc.unfreeze)()
    run_virtual(way())
    assert gc.isenabled() == enabled
    assert (gc.get_freeze_count() > 0) == frozen


# --- what others see of it --------------------------------------------------------------------


def test_flashes_reach_the_connector_of_the_user() -> None:
    async def scenario() -> tuple[Convergence, Summary, int]:
        broker = LocalBroker()
        mine, theirs = LocalBusConnector(broker), LocalBusConnector(broker)
        await mine.connect()
        monitor = ConvergenceMonitor(num_agents=25, period=1.0, connector=mine)
        samples: list[Convergence] = []
        watching = asyncio.create_task(monitor.run(frequency_hz=1.0, callback=samples.append))
        config = FirefliesConfig(num_agents=25, period=1.0, nudge=0.1, duration=20.5, seed=1)
        summary = await Fireflies(config, connector=theirs).run()
        monitor.stop()
        await watching
        await mine.disconnect()
        return samples[-1], summary, monitor.rejected

    sample, summary, rejected = run_virtual(scenario())
    assert (sample.heard, sample.silent, rejected) == (25, 0, 0)
    assert sample.order_parameter == pytest.approx(1.0)
    assert summary.order_parameter["max"] == pytest.approx(1.0)


def test_a_connector_that_is_in_use_stays_connected() -> None:
    async def scenario() -> list[tuple[int, float]]:
        connector = LocalBusConnector(LocalBroker())
        await connector.connect()
        heard: list[tuple[int, float]] = []

        async def hear(topic: str, payload: Any) -> None:
            heard.append((payload["agent_id"], payload["time"]))

        await connector.subscribe("firefly/flash", hear)
        config = FirefliesConfig(num_agents=9, duration=20.0, seed=3)
        summary = await Fireflies(config, connector=connector).run()
        await asyncio.sleep(0)
        assert connector.connected
        assert flash_digest(heard) == summary.digest
        await connector.disconnect()
        return heard

    assert run_virtual(scenario()) == simulate(9, 5.0, 0.2, 20.0, 3).flashes


def test_any_connector_will_do() -> None:
    class Wire:
        """The least that a connector can be."""

        told: list[str]

        async def connect(self) -> None:
            self.told = ["connect"]

        async def disconnect(self) -> None:
            self.told.append("disconnect")

        async def publish(
            self, topic: str, payload: Any, qos: int = 0, retain: bool = False
        ) -> None:
            self.told.append(f"{topic} {payload['agent_id']}")

        async def subscribe(self, topic: str, callback: Any) -> Any:
            self.told.append(f"subscribe {topic}")
            return self

        def unsubscribe(self) -> None:
            self.told.append("unsubscribe")

    wire = Wire()
    connector: Connector = wire
    run_virtual(Fireflies(FirefliesConfig(num_agents=1, duration=10.0), connector=connector).run())
    assert wire.told == [
        "connect",
        "subscribe cascade/constraints/+",
        "firefly/flash 0",
        "firefly/flash 0",
        "unsubscribe",
        "disconnect",
    ]


def test_log_lines_are_written(tmp_path: Path) -> None:
    file = tmp_path / "log.jsonl"

    async def scenario() -> Summary:
        with MetricsAggregator(file) as log:
            config = FirefliesConfig(num_agents=16, period=2.0, duration=20.0, limit=6)
            return await Fireflies(config, log=log).run()

    summary = run_virtual(scenario())
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    counts = {
        key: sum(line["count"] for line in lines if line["key"] == key)
        for key in {line["key"] for line in lines}
    }
    assert counts == {
        "lateness_s": summary.flashes,
        "order_parameter": 10,
        "slots.used": 100,
        "slots.waiting": 100,
    }
    assert max(line["max"] for line in lines if line["key"] == "slots.used") == 6
    late = max(line["max"] for line in lines if line["key"] == "lateness_s")
    assert late == summary.lateness_s["max"]


def test_without_a_limit_no_slots_are_logged(tmp_path: Path) -> None:
    file = tmp_path / "log.jsonl"

    async def scenario() -> None:
        with MetricsAggregator(file) as log:
            await Fireflies(FirefliesConfig(num_agents=4, duration=20.0), log=log).run()

    run_virtual(scenario())
    keys = {json.loads(line)["key"] for line in file.read_text().splitlines()}
    assert keys == {"lateness_s", "order_parameter"}


@pytest.mark.parametrize("limit", [None, 3])
def test_the_watcher_gets_a_moment_for_each_interval(limit: int | None) -> None:
    seen: list[Moment] = []
    experiment = Fireflies(
        FirefliesConfig(num_agents=16, period=1.0, nudge=0.1, duration=10.2, seed=1, limit=limit),
        watch=seen.append,
        watch_interval=0.5,
        keep_flashes=True,
    )
    run_virtual(experiment.run())
    assert [moment.time for moment in seen] == [number / 2 for number in range(1, 21)]
    assert all(0 <= moment.order_parameter <= 1 for moment in seen)
    assert all(0 <= moment.alight <= 1 for moment in seen)
    assert {moment.alight for moment in seen} > {0.0, 1.0} or limit is not None
    assert experiment.recorder is not None
    if limit is None:
        times = [flash.time for flash in experiment.recorder.flashes]
        for moment in seen:
            assert moment.flashes == sum(time <= moment.time for time in times)
        assert {(moment.active, moment.waiting) for moment in seen} == {(None, None)}
    else:
        assert {(moment.active, moment.waiting) for moment in seen} == {(3, 13)}


def test_intervals_that_a_slow_watcher_has_missed_are_left_out() -> None:
    seen: list[float] = []

    def look(moment: Moment) -> None:
        seen.append(moment.time)
        time.sleep(0.03)

    experiment = Fireflies(
        FirefliesConfig(num_agents=4, period=0.1, duration=0.3), watch=look, watch_interval=0.01
    )
    asyncio.run(experiment.run())
    assert seen == sorted(set(seen))
    assert 1 <= len(seen) <= 11


@pytest.mark.parametrize("limit", [None, 2])
@pytest.mark.parametrize("period", [1e-8, 1e-4])
def test_periods_that_no_machine_can_keep_up_with_still_end_in_time(
    period: float, limit: int | None
) -> None:
    config = FirefliesConfig(
        num_agents=9, period=period, nudge=period / 10, duration=0.2, limit=limit
    )
    summary = asyncio.run(Fireflies(config).run())
    assert summary.duration == pytest.approx(0.2)
    assert summary.elapsed < 10.0
    assert summary.missed > 0


def test_one_that_is_ended_before_its_start_has_lasted_no_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("observatory.experiments.fireflies.lead", lambda agents: 1000.0)

    async def main() -> None:
        experiment = Fireflies(FirefliesConfig(num_agents=4, duration=30.0))
        running = asyncio.ensure_future(experiment.run())
        while experiment.recorder is None:  # noqa: ASYNC110
            await asyncio.sleep(0)
        assert experiment.summary().duration == 0.0
        running.cancel()
        await asyncio.wait([running])
        assert experiment.summary().duration == 0.0
        assert experiment.summary().flashes == 0

    asyncio.run(main())
