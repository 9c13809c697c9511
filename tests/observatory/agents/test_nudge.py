"""What all agents are nudged by can change while they run, and changes nothing while it doesn't."""

from __future__ import annotations

import asyncio
import math
from itertools import pairwise

import pytest

from cascade.testing import run_virtual
from observatory.agents.nudge import Nudge
from observatory.experiments.config import FirefliesConfig
from observatory.experiments.fireflies import Fireflies
from observatory.experiments.recorder import Summary
from observatory.flashes import Flash, flash_digest
from observatory.reference.fireflies import simulate

CONFIG = FirefliesConfig(num_agents=49, period=5.0, nudge=0.2, duration=60.0, seed=3)


def test_while_nobody_changes_it_flashes_are_those_of_the_calculation() -> None:
    experiment = Fireflies(CONFIG, keep_flashes=True)
    run_virtual(experiment.run())
    assert experiment.recorder is not None
    config = CONFIG
    told = simulate(config.num_agents, config.period, config.nudge, config.duration, config.seed)
    assert experiment.recorder.digest == flash_digest(told.flashes)


def changed_after(seconds: float, nudge: float) -> tuple[Summary, list[Flash]]:
    async def change(experiment: Fireflies) -> None:
        await asyncio.sleep(seconds)
        experiment.nudge.seconds = nudge
        await asyncio.Event().wait()

    experiment = Fireflies(CONFIG, view=change, keep_flashes=True)
    summary = run_virtual(experiment.run())
    assert experiment.recorder is not None
    return summary, experiment.recorder.flashes


def test_a_change_counts_from_the_next_step_of_each_agent_on() -> None:
    plain, flashes = changed_after(8.0, CONFIG.nudge)
    changed, others = changed_after(8.0, 0.0)
    until_then = [flash for flash in flashes if flash.time < 8.0]
    assert [flash for flash in others if flash.time < 8.0] == until_then
    assert changed.digest != plain.digest
    # A step takes a period at most; from then on nobody hears anybody.
    alone: dict[int, list[float]] = {}
    for agent, time in others:
        if time >= 8.0 + CONFIG.period:
            alone.setdefault(agent, []).append(time)
    assert len(alone) == CONFIG.num_agents
    for times in alone.values():
        gaps = [later - earlier for earlier, later in pairwise(times)]
        assert gaps == pytest.approx([CONFIG.period] * len(gaps))


def test_a_change_is_as_deterministic_as_the_rest() -> None:
    assert changed_after(8.0, 0.7)[0].digest == changed_after(8.0, 0.7)[0].digest


@pytest.mark.parametrize(
    ("value", "error"), [(-0.1, ValueError), (math.nan, ValueError), ("1", TypeError)]
)
def test_it_must_be_a_number_of_seconds(value: object, error: type[Exception]) -> None:
    nudge = Nudge(0.2)
    with pytest.raises(error, match="nudge must be"):
        nudge.seconds = value  # type: ignore[assignment]
    assert nudge.seconds == 0.2
    with pytest.raises(error, match="nudge must be"):
        Nudge(value)  # type: ignore[arg-type]
