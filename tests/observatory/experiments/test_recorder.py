"""The recorder: what the agents tell it, and what it makes of that."""

from __future__ import annotations

import asyncio
import cmath
import json
import math
import random
from pathlib import Path

import pytest

import cascade as cs
from cascade.testing import run_virtual
from observatory.agents.kuramoto import firefly_agent
from observatory.experiments.recorder import Recorder
from observatory.flashes import Flash, flash_digest
from observatory.monitors.aggregator import MetricsAggregator
from observatory.networking.direct_channel import DirectChannel


def recorder(count: int = 3, *, end: float = 100.0, keep: bool = True) -> Recorder:
    return Recorder([4.0] * count, period=4.0, start=0.0, end=end, keep_flashes=keep)


def test_it_counts_steps_and_flashes_and_lost_cycles() -> None:
    recorded = recorder()
    for agent in (0, 0, 2):
        recorded.stepped(agent, 4.0)
    recorded.flashed(0, 4.0, 4.0, 0)
    recorded.flashed(2, 4.0, 13.0, 2)
    assert recorded.steps == [2, 0, 1]
    assert (recorded.count, recorded.missed) == (2, 2)
    assert recorded.flashes == [Flash(0, 4.0), Flash(2, 4.0)]


def test_times_of_flashes_count_from_the_start() -> None:
    recorded = Recorder([1028.0], period=4.0, start=1024.0, end=2000.0, keep_flashes=True)
    recorded.flashed(0, 1028.5, 1028.5, 0)
    assert recorded.flashes == [(0, 4.5)]
    assert recorded.digest == flash_digest([(0, 4.5)])


def test_flashes_are_kept_only_if_asked_for() -> None:
    recorded = recorder(keep=False)
    recorded.flashed(0, 4.0, 4.0, 0)
    assert (recorded.flashes, recorded.count) == ([], 1)


def test_what_is_due_at_the_end_or_later_doesnt_count() -> None:
    recorded = recorder(end=8.0)
    recorded.flashed(0, math.nextafter(8.0, 0), 8.0, 0)
    before = recorded.digest
    recorded.flashed(1, 8.0, 8.0, 0)
    recorded.flashed(2, 9.0, 20.0, 2)
    assert (recorded.count, recorded.missed, recorded.digest) == (1, 0, before)
    assert len(recorded.lateness) == 1


def test_the_digest_stands_for_agents_times_and_order() -> None:
    def digest(*flashes: tuple[int, float]) -> str:
        recorded = recorder()
        for agent, time in flashes:
            recorded.flashed(agent, time, time, 0)
        return recorded.digest

    assert digest((0, 1.0), (1, 2.0)) == flash_digest([(0, 1.0), (1, 2.0)])
    assert digest() == flash_digest([])
    different = {digest((0, 1.0), (1, 1.0)), digest((1, 1.0), (0, 1.0)), digest((0, 1.0))}
    assert len(different) == 3
    assert digest((0, 1.0)) == digest((0, 1.0 + 1e-11)) != digest((0, 1.0 + 1e-9))


def test_lateness_by_nearest_rank() -> None:
    recorded = recorder()
    assert recorded.lateness_summary() == {"p50": None, "p99": None, "max": None}
    draw = random.Random(2)
    values: list[float] = []
    for count in range(1, 1201):
        values.append(draw.uniform(0.0, 1.0))
        recorded.flashed(0, 0.0, values[-1], 0)
        if count in (1, 2, 3, 99, 100, 101) or not count % 100:
            ordered = sorted(values)
            assert recorded.lateness_summary() == {
                "p50": ordered[(50 * count + 99) // 100 - 1],
                "p99": ordered[(99 * count + 99) // 100 - 1],
                "max": ordered[-1],
            }


def test_r_agrees_with_the_plain_sum_over_the_phases() -> None:
    draw = random.Random(1)
    due = [draw.uniform(10.0, 14.0) for _ in range(50)]
    recorded = Recorder(list(due), period=4.0, start=0.0, end=100.0)
    for now in (10.0, 9.0):
        turns = [(4.0 - (time - now)) / 4.0 for time in due]
        plain = abs(sum(cmath.exp(2j * math.pi * turn) for turn in turns)) / 50
        assert recorded.order_parameter(now) == pytest.approx(plain, abs=1e-12)


def test_r_follows_steps_and_flashes() -> None:
    recorded = recorder(2)
    assert recorded.order_parameter(1.0) == pytest.approx(1.0)
    recorded.stepped(1, 3.0)  # a quarter of a turn ahead
    assert recorded.order_parameter(1.0) == pytest.approx(math.sqrt(0.5))
    recorded.flashed(0, 2.0, 2.0, 0)  # now half a turn ahead of where it was
    assert recorded.order_parameter(2.0) == pytest.approx(math.sqrt(0.5))
    recorded.flashed(1, 2.0, 2.0, 0)
    assert recorded.order_parameter(3.0) == pytest.approx(1.0)


def test_after_lost_cycles_the_phase_counts_from_when_the_flash_was_sent() -> None:
    recorded = recorder(2)
    recorded.flashed(0, 4.0, 10.0, 1)
    recorded.flashed(1, 9.0, 9.0, 0)
    assert recorded.order_parameter(10.0) == pytest.approx(math.sqrt(0.5))


def test_the_phase_of_who_is_overdue_stays_at_the_period() -> None:
    recorded = recorder(2)
    recorded.stepped(1, 10.0)
    # 0 was due at 4 and stands there; 1 is half a turn behind at 8, on its own way.
    assert recorded.order_parameter(8.0) == pytest.approx(0.0, abs=1e-12)
    assert recorded.order_parameter(9.0) == pytest.approx(math.sqrt(0.5))
    assert recorded.order_parameter(10.0) == pytest.approx(1.0)


def test_r_is_never_above_1() -> None:
    for count in range(1, 120):
        recorded = recorder(count)
        assert max(recorded.order_parameter(moment / 7) for moment in range(28)) <= 1.0


def test_alight_is_the_share_whose_flash_is_still_seen() -> None:
    recorded = recorder(4)
    assert recorded.alight(0.0, 100.0) == 0.0
    recorded.flashed(0, 4.0, 4.0, 0)
    recorded.flashed(1, 5.0, 5.0, 0)
    assert recorded.alight(5.0, 1.0) == 0.5
    assert recorded.alight(5.5, 1.0) == 0.25
    assert recorded.alight(6.5, 1.0) == 0.0


def test_a_nudge_is_known_while_the_agent_waits_for_its_next_slot() -> None:
    async def scenario() -> list[float]:
        recorded = recorder(1)
        slots = cs.ResourceManager(capacity={"cpu_slot": 1})
        inbox = DirectChannel(owner_id=0)
        workflow = firefly_agent(0, 0.0, 4.0, 0.5, [], inbox, None, probe=recorded)
        engine = cs.Engine(resource_manager=slots)
        running = asyncio.ensure_future(
            engine.run(workflow.with_constraints(cpu_slot=1), use_vm=True)
        )
        await asyncio.sleep(1.0)
        inbox.send_nowait({"agent_id": 1, "phase": 4.0, "time": 1.0})
        async with slots.hold({"cpu_slot": 1}):
            await asyncio.sleep(1.0)
            due = list(recorded.due)
        running.cancel()
        await asyncio.wait([running])
        return due

    assert run_virtual(scenario()) == [3.5]


def test_lateness_is_logged_flash_by_flash(tmp_path: Path) -> None:
    file = tmp_path / "log.jsonl"

    async def scenario() -> None:
        with MetricsAggregator(file) as log:
            recorded = Recorder([4.0], period=4.0, start=0.0, end=8.0, log=log)
            recorded.flashed(0, 4.0, 4.5, 0)
            recorded.flashed(0, 5.0, 5.0, 0)
            recorded.flashed(0, 9.0, 12.0, 0)

    run_virtual(scenario())
    (line,) = map(json.loads, file.read_text().splitlines())
    assert (line["key"], line["count"], line["max"]) == ("lateness_s", 2, 0.5)
