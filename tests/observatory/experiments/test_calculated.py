"""An experiment that is calculated, beside the same one with agents."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cascade.connectors.local import LocalBusConnector
from cascade.testing import run_virtual
from observatory.experiments.calculated import APART, BEHIND, BulkRecorder, Calculated
from observatory.experiments.config import FirefliesConfig
from observatory.experiments.fireflies import Fireflies, Moment
from observatory.experiments.view import FirefliesView
from observatory.flashes import flash_digest
from observatory.monitors.aggregator import MetricsAggregator


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"duration": 33.3, "seed": 3},
        {"duration": 0.3},
        {"num_agents": 7, "topology": "ring", "model": "mirollo-strogatz"},
        {"topology": "complete", "model": "mirollo-strogatz", "nudge": 0.01, "dissipation": 1.0},
    ],
)
def test_it_comes_to_the_same_as_agents_do(settings: dict[str, Any]) -> None:
    config = FirefliesConfig(**({"num_agents": 49, "duration": 60.0, "seed": 1} | settings))
    by_agents = run_virtual(Fireflies(config).run()).as_dict()
    calculated = run_virtual(Calculated(config).run()).as_dict()
    for own in ("elapsed", "steps"):
        by_agents.pop(own)
        calculated.pop(own)
    assert calculated.pop("order_parameter") == pytest.approx(
        by_agents.pop("order_parameter"), abs=1e-9
    )
    assert calculated == by_agents


def test_it_looks_the_same_on_the_way() -> None:
    config = FirefliesConfig(num_agents=25, period=1.0, nudge=0.1, duration=10.0, seed=5)
    by_agents: list[Moment] = []
    calculated: list[Moment] = []
    run_virtual(Fireflies(config, watch=by_agents.append, watch_interval=0.7).run())
    run_virtual(Calculated(config, watch=calculated.append, watch_interval=0.7).run())
    assert len(calculated) == 14
    for one, other in zip(by_agents, calculated, strict=True):
        assert (one.time, one.flashes, one.alight) == (other.time, other.flashes, other.alight)
        assert one.order_parameter == pytest.approx(other.order_parameter, abs=1e-9)
        assert one.lateness_p99 == other.lateness_p99


def test_flashes_are_kept_if_that_is_wanted() -> None:
    experiment = Calculated(FirefliesConfig(num_agents=9, duration=20.0), keep_flashes=True)
    summary = run_virtual(experiment.run())
    assert experiment.recorder is not None
    assert len(experiment.recorder.flashes) == summary.flashes > 0
    assert flash_digest(experiment.recorder.flashes) == summary.digest


def test_the_log_has_the_order_parameter(tmp_path: Path) -> None:
    with MetricsAggregator(tmp_path / "log") as log:
        run_virtual(Calculated(FirefliesConfig(num_agents=9, duration=20.0), log=log).run())
    assert "order_parameter" in (tmp_path / "log").read_text()


def test_it_can_be_shown(tmp_path: Path) -> None:
    config = FirefliesConfig(num_agents=25, period=1.0, nudge=0.2, duration=30.0, seed=2)
    drawings = []
    for kind in (Fireflies, Calculated):
        still = tmp_path / kind.__name__
        view = FirefliesView(config, still=still)
        run_virtual(kind(config, view=view.run).run())
        drawings.append(still.read_text())
    assert "<svg" in drawings[1]
    assert "R" in drawings[1]


def test_on_real_time_the_world_is_the_same() -> None:
    config = FirefliesConfig(num_agents=25, period=0.05, nudge=0.01, duration=0.4, seed=2)
    real = asyncio.run(Calculated(config).run())
    assert real.time == "real"
    assert real.elapsed >= 0.35
    assert real.digest == run_virtual(Calculated(config).run()).digest


def test_cancelled_it_tells_how_far_it_came() -> None:
    config = FirefliesConfig(num_agents=25, period=1.0, nudge=0.1, duration=30.0, seed=5)

    async def scenario() -> Calculated:
        experiment = Calculated(config)
        running = asyncio.create_task(experiment.run())
        await asyncio.sleep(12.25)
        running.cancel()
        await asyncio.wait([running])
        assert running.cancelled()
        assert asyncio.all_tasks() == {asyncio.current_task()}
        return experiment

    summary = run_virtual(scenario()).summary()
    assert summary.duration == 12.25
    shorter = FirefliesConfig(num_agents=25, period=1.0, nudge=0.1, duration=12.25, seed=5)
    assert summary.digest == run_virtual(Calculated(shorter).run()).digest


def test_it_has_no_slots() -> None:
    with pytest.raises(ValueError, match="limit must be left out with --engine reference, got 3"):
        Calculated(FirefliesConfig(limit=3))


def test_what_it_would_only_ignore_is_refused() -> None:
    with pytest.raises(ValueError, match="strict must be left out with --engine reference: its"):
        Calculated(FirefliesConfig(), strict=0.02)
    with pytest.raises(ValueError, match="connector must be left out with --engine reference: nob"):
        Calculated(FirefliesConfig(), connector=LocalBusConnector())
    assert Calculated(FirefliesConfig(), connector=None, strict=None).config == FirefliesConfig()


def test_the_mean_field_of_kuramoto_gathers() -> None:
    def last(coupling: float) -> float:
        config = FirefliesConfig(
            num_agents=500,
            duration=60.0,
            topology="complete",
            model="kuramoto",
            coupling=coupling,
        )
        order = run_virtual(Calculated(config).run()).order_parameter["last"]
        assert order is not None
        return order

    assert last(0.0) < 0.2
    assert last(4.0) == pytest.approx(0.866, abs=0.06)


def test_a_small_mean_field_has_flashes_and_one_seed_is_one_world() -> None:
    config = FirefliesConfig(num_agents=50, topology="complete", model="kuramoto", duration=50.0)
    one, again = run_virtual(Calculated(config).run()), run_virtual(Calculated(config).run())
    assert one.digest == again.digest
    assert 7 <= one.pulses <= 13
    other = FirefliesConfig(50, topology="complete", model="kuramoto", duration=50.0, seed=1)
    assert run_virtual(Calculated(other).run()).digest != one.digest


def test_flashes_told_in_great_numbers_are_hashed_in_their_order() -> None:
    recorder = BulkRecorder([0.0] * 9, period=5.0, start=0.0, end=np.inf)
    flashes: list[tuple[int, float]] = []
    for number, count in enumerate((3, APART, 5, APART + 1, *[APART] * (BEHIND + 3), 1)):
        agents = np.arange(count) % 9
        times = np.linspace(number, number + 0.9, count)
        recorder.flashed_together(agents, times)
        flashes += zip(agents.tolist(), times.tolist(), strict=True)
    assert recorder.count == len(flashes)
    assert recorder.digest == flash_digest(flashes)
