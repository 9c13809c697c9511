"""Measuring: one run of a sweep on virtual time, as a task for a process."""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np

import cascade as cs
from cascade import testing
from cascade.ports import Connector
from cascade.runtime.timers import wait_until
from observatory.experiments.calculated import ENGINES, Engine
from observatory.experiments.config import FirefliesConfig
from observatory.experiments.fireflies import SLOT, Fireflies
from observatory.experiments.sweep.plan import Run
from observatory.experiments.sweep.store import write_run

SYNCHRONY = 0.999
"""From this R on, a world counts as one that flashes as one."""

LOOKS_PER_PERIOD = 20
"""How often the slots are looked at."""

Result = int | float | str | None
"""One thing that was measured; None where there was nothing to measure."""

METRICS: dict[str, str] = {
    "order": "R at the end",
    "order_seen": "the same of the times at which the latest flashes were really sent",
    "order_first": "R after the first period",
    "order_max": "the largest R at the end of a period",
    "synchrony_s": "seconds to the end of the period from which on R stays at 0.999 or above",
    "flashes": "flashes in total",
    "missed": "cycles lost by agents that were kept from running",
    "flashes_fewest": "the fewest flashes of an agent",
    "steps": "steps that began",
    "steps_fewest": "the fewest steps of an agent",
    "utilisation": "the share of the slots that was in use",
    "slots_most": "the most slots that were in use at once",
    "queue": "agents that waited for a slot, on average",
    "waits": "how many agents got a slot after waiting",
    "wait_s": "how long these had waited, on average, in seconds",
    "wait_max_s": "how long the one that waited longest had waited, in seconds",
    "lateness_p50_s": "flash sent minus flash due, in seconds: the median",
    "lateness_p99_s": "the same: what 99 % of the flashes don't exceed",
    "dropped": "messages lost because an inbox was full",
}
"""The numbers that are measured, and what they are. Those on slots are None without a limit,
those on steps with the engine "reference", and order_seen in the model "kuramoto"."""


class Slots:
    """Looks at the slots and the queue for them, beside an experiment.

    At a random time in each part of a period: at regular times it would see a world that flashes as
    one always in the same state.
    """

    def __init__(self) -> None:
        self.used: list[float] = []
        """How many slots were in use each time."""
        self.waiting: list[int] = []
        """How many agents waited each time."""

    async def watch(self, experiment: Fireflies) -> None:
        """Look at them until cancelled."""
        config, start = experiment.config, asyncio.get_running_loop().time()
        draw = random.Random(f"slots:{config.seed}").random
        for part in itertools.count():
            await wait_until(start + (part + draw()) * config.period / LOOKS_PER_PERIOD)
            slots = experiment.manager.statistics().resources[SLOT]
            self.used.append(slots.used)
            self.waiting.append(slots.waiting)


def measure(
    config: FirefliesConfig, connector: Connector | None = None, *, engine: Engine = "agents"
) -> dict[str, Result]:
    """Run the fireflies on virtual time, and return `METRICS` and the digest of the flashes.

    Args:
        config: the settings.
        connector: where flashes are told; by default a broker of the experiment's own.
        engine: what runs them; a calculation tells nobody of flashes, and makes no steps.

    Raises:
        ValueError: the settings are for another engine.
    """
    limited, seen = config.limit is not None, Slots()
    experiment = ENGINES[engine](
        config,
        connector=connector,
        view=seen.watch if limited else None,
        keep_flashes=True,
    )
    summary = testing.run_virtual(experiment.run())
    recorder = experiment.recorder
    assert recorder is not None
    flashes = [0] * config.num_agents
    for agent, _ in recorder.flashes:
        flashes[agent] += 1
    found: dict[str, Result] = dict.fromkeys(METRICS)
    found |= {
        "order": summary.order_parameter["last"],
        "order_first": summary.order_parameter["first"],
        "order_max": summary.order_parameter["max"],
        "synchrony_s": synchrony(recorder.order_parameters, config.period),
        "flashes": summary.flashes,
        "missed": summary.missed,
        "flashes_fewest": min(flashes),
        "lateness_p50_s": summary.lateness_s["p50"],
        "lateness_p99_s": summary.lateness_s["p99"],
        "dropped": summary.dropped,
        "digest": summary.digest,
    }
    if config.model != "kuramoto":  # there each has a period of its own
        found["order_seen"] = order_seen(recorder.latest, config.period)
    if engine == "agents":
        found |= {
            "steps": summary.steps["total"],
            "steps_fewest": summary.steps["min_per_agent"],
        }
    if config.limit is not None:
        slots = experiment.manager.statistics().resources[SLOT]
        waits = slots.granted_after_waiting
        found |= {
            "utilisation": fmean(seen.used) / config.limit if seen.used else None,
            "slots_most": summary.active["max"],
            "queue": fmean(seen.waiting) if seen.waiting else None,
            "waits": waits,
            "wait_s": slots.waiting_time / waits if waits else None,
            "wait_max_s": slots.longest_wait if waits else None,
        }
    return found


def order_seen(sent: Sequence[float], period: float) -> float | None:
    """Return R as an onlooker would see it; None if nobody has flashed.

    R itself is that of the phases that agents have by their due times, and the phase of one that is
    overdue stands at the period. So those who all wait for a slot are all alike; what they do when
    they get it shows only here.

    Args:
        sent: when each agent's latest flash was sent, in seconds; -inf for one that has sent none.
        period: how long a period is, in seconds.
    """
    times = np.array(sent)
    times = times[np.isfinite(times)]
    if not times.size:
        return None
    return min(float(abs(np.exp(2j * np.pi * times / period).mean())), 1.0)


def synchrony(order: list[float], period: float) -> float | None:
    """Return when R had become `SYNCHRONY` or more for good, in seconds; None if it hadn't.

    Args:
        order: R at the end of each period.
        period: how long a period is, in seconds.
    """
    periods = len(order)
    while periods and order[periods - 1] >= SYNCHRONY:
        periods -= 1
    return None if periods == len(order) else (periods + 1) * period


@cs.task(mode="process", name="run")
def measure_into(run: Run, directory: Path) -> None:
    """Measure a run, and write what came out into the directory of its sweep.

    Raises:
        OSError: it can't be written.
        Exception: what the experiment raises.
    """
    write_run(directory, run, measure(run.config, engine=run.engine))


def is_complete(results: object) -> bool:
    """Whether something is what `measure` returns, as far as its names and types go."""
    if not isinstance(results, Mapping) or set(results) != {*METRICS, "digest"}:
        return False
    numbers: list[Any] = [results[name] for name in METRICS]
    return isinstance(results["digest"], str) and all(
        number is None or (isinstance(number, (int, float)) and not isinstance(number, bool))
        for number in numbers
    )
