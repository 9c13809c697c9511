"""What a browser is shown of fireflies, and what its settings do to them, on virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from time import thread_time
from typing import Any

import pytest

from cascade.testing import run_virtual
from observatory.experiments.calculated import Calculated
from observatory.experiments.config import FirefliesConfig
from observatory.experiments.fireflies import Fireflies
from observatory.experiments.fireflies_stage import FirefliesStage
from observatory.experiments.recorder import Recorder

CONFIG = FirefliesConfig(num_agents=100, period=5.0, nudge=0.2, duration=200.0, limit=40, seed=0)


def on_stage(
    story: Callable[[Fireflies, FirefliesStage], Any], config: FirefliesConfig = CONFIG
) -> None:
    """Let a story happen beside an experiment, which ends with it."""
    told = []

    async def view(experiment: Fireflies) -> None:
        await story(experiment, FirefliesStage(experiment))
        told.append(True)

    run_virtual(Fireflies(config, view=view).run())
    assert told


def test_before_the_beginning_there_is_nothing_to_be_seen() -> None:
    with pytest.raises(RuntimeError, match="hasn't begun"):
        FirefliesStage(Fireflies(CONFIG))


def test_a_picture_has_a_byte_for_each_agent() -> None:
    async def story(experiment: Fireflies, stage: FirefliesStage) -> None:
        loop = asyncio.get_running_loop()
        assert stage.picture(loop.time()) == bytes(100)
        await asyncio.sleep(20)
        now = loop.time()
        picture = stage.picture(now)
        assert len(picture) == stage.width * stage.height == 100
        assert experiment.recorder is not None
        for agent, level in enumerate(picture):
            age = (now - experiment.recorder.latest[agent]) / (0.3 * CONFIG.period)
            assert level == round(255 * max(0.0, 1 - age))
        assert max(picture) > 0
        assert len(stage.palette) == 3 * 256

    on_stage(story)


def test_a_status_says_how_it_goes_and_what_is_set() -> None:
    async def story(experiment: Fireflies, stage: FirefliesStage) -> None:
        await asyncio.sleep(30)
        status = stage.status(asyncio.get_running_loop().time())
        assert status.time == 30.0
        assert 0 <= status.course <= 1
        assert status.values["time"] == "30 s"
        assert status.values["slots"] == "40 of 40"
        assert status.settings == {"limit": 40.0, "nudge": 0.2, "pause": False}
        past = stage.past()
        assert [time for time, _ in past] == [5.0, 10.0, 15.0, 20.0, 25.0, 30.0][: len(past)]
        assert len(past) >= 5

    on_stage(story)


def test_a_lower_limit_holds_when_those_at_work_have_ended() -> None:
    async def story(experiment: Fireflies, stage: FirefliesStage) -> None:
        await asyncio.sleep(20)
        effect = stage.set("limit", 10)
        assert effect.startswith("slots: 40 → 10; 40 in use, 60 wait; 30 too many")
        await asyncio.sleep(10)
        status = stage.status(asyncio.get_running_loop().time())
        assert status.values["slots"] == "10 of 10"
        assert status.settings["limit"] == 10
        assert stage.set("limit", 50).startswith("slots: 10 → 50; ")
        experiment.manager.set_capacity({"cpu_slot": None})
        status = stage.status(asyncio.get_running_loop().time())
        assert status.values["slots"].endswith(" of ∞")
        assert "limit" not in status.settings
        assert stage.set("limit", 50).startswith("slots: ∞ → 50; ")
        await asyncio.sleep(10)
        assert experiment.moment(asyncio.get_running_loop().time()).active == 50

    on_stage(story)


def test_a_pause_lets_nothing_begin_until_it_is_lifted() -> None:
    async def story(experiment: Fireflies, stage: FirefliesStage) -> None:
        loop = asyncio.get_running_loop()
        await asyncio.sleep(20)
        assert stage.set("pause", True).startswith("paused")
        assert stage.paused
        await asyncio.sleep(6)  # more than a period
        paused = experiment.moment(loop.time())
        assert paused.active == 0
        await asyncio.sleep(20)
        assert experiment.moment(loop.time()).flashes == paused.flashes
        assert stage.set("pause", False) == "goes on"
        assert stage.set("pause", False) == "it wasn't paused"
        await asyncio.sleep(6)
        assert experiment.moment(loop.time()).flashes > paused.flashes
        assert not stage.status(loop.time()).settings["pause"]

    on_stage(story)


def test_without_a_limit_there_is_none_to_set_and_a_pause_holds_all_the_same() -> None:
    async def story(experiment: Fireflies, stage: FirefliesStage) -> None:
        loop = asyncio.get_running_loop()
        assert [control.name for control in stage.controls] == ["nudge", "pause"]
        await asyncio.sleep(20)
        stage.set("pause", True)
        await asyncio.sleep(6)
        flashes = experiment.moment(loop.time()).flashes
        await asyncio.sleep(20)
        assert experiment.moment(loop.time()).flashes == flashes

    on_stage(story, FirefliesConfig(num_agents=25, seed=0))


def test_the_nudge_is_that_of_all_agents() -> None:
    async def story(experiment: Fireflies, stage: FirefliesStage) -> None:
        assert stage.set("nudge", 0.5) == "nudge: 0.2 → 0.5 s, from the next step of each agent on"
        assert experiment.nudge.seconds == 0.5

    on_stage(story)


def test_ten_thousand_agents_on_a_page_take_a_fifth_of_a_core_at_most() -> None:
    # What a second of a page takes, without sending it; `make prove` measures the whole.
    config = FirefliesConfig(num_agents=10_000, seed=0)
    experiment = Fireflies(config)
    due = [float(agent % 50) / 10 for agent in range(config.num_agents)]
    experiment.recorder = Recorder(due, config.period, 0.0, config.duration)
    stage = FirefliesStage(experiment)
    for agent in range(config.num_agents):
        experiment.recorder.flashed(agent, 1.0, 1.0, 0)
    began = thread_time()
    for number in range(30):
        now = 1.0 + number / 30
        assert len(stage.picture(now)) == config.num_agents
        if number % 8 == 0:
            stage.status(now)
    assert thread_time() - began < 0.2


def test_a_calculation_is_shown_and_has_no_settings() -> None:
    async def view(experiment: Fireflies) -> None:
        stage = FirefliesStage(experiment)
        loop = asyncio.get_running_loop()
        brightest = 0
        for _ in range(12):  # more than a period
            await asyncio.sleep(0.5)
            brightest = max(brightest, *stage.picture(loop.time()))
        assert brightest > 128
        assert not stage.controls
        assert stage.status(loop.time()).settings == {}

    run_virtual(Calculated(FirefliesConfig(num_agents=25, seed=0, duration=30.0), view=view).run())
