"""Measuring: one run of a sweep on virtual time, as a task for a process."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import cascade as cs
from cascade import testing
from cascade.ports import Connector
from observatory.experiments.config import FirefliesConfig
from observatory.experiments.fireflies import SAMPLES_PER_PERIOD, SLOT, Fireflies
from observatory.experiments.sweep.plan import Run
from observatory.experiments.sweep.store import write_run
from observatory.ticks import Ticks

SYNCHRONY = 0.999
"""From this R on, a world counts as one that flashes as one."""

Result = int | float | str | None
"""One thing that was measured; None where there was nothing to measure."""

METRICS: dict[str, str] = {
    "order": "R at the end",
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
"""The numbers that are measured, and what they are. Those on slots are None without a limit."""


class Queue:
    """Looks at the queue for slots ten times a period, beside the experiment."""

    def __init__(self) -> None:
        self.samples: list[int] = []
        """How many agents waited each time."""

    async def watch(self, experiment: Fireflies) -> None:
        """Look at it until cancelled."""
        ticks = Ticks(
            asyncio.get_running_loop().time(), experiment.config.period, SAMPLES_PER_PERIOD
        )
        while True:
            await ticks.next()
            self.samples.append(experiment.manager.statistics().resources[SLOT].waiting)


def measure(config: FirefliesConfig, connector: Connector | None = None) -> dict[str, Result]:
    """Run the fireflies on virtual time, and return `METRICS` and the digest of the flashes.

    Args:
        config: the settings.
        connector: where flashes are told; by default a broker of the experiment's own.
    """
    limited, queue = config.limit is not None, Queue()
    experiment = Fireflies(
        config,
        connector=connector,
        view=queue.watch if limited else None,
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
        "steps": summary.steps["total"],
        "steps_fewest": summary.steps["min_per_agent"],
        "lateness_p50_s": summary.lateness_s["p50"],
        "lateness_p99_s": summary.lateness_s["p99"],
        "dropped": summary.dropped,
        "digest": summary.digest,
    }
    if config.limit is not None:
        slots, used = experiment.manager.statistics().resources[SLOT], summary.active["mean"]
        waits = slots.granted_after_waiting
        found |= {
            "utilisation": None if used is None else used / config.limit,
            "slots_most": summary.active["max"],
            "queue": sum(queue.samples) / len(queue.samples) if queue.samples else None,
            "waits": waits,
            "wait_s": slots.waiting_time / waits if waits else None,
            "wait_max_s": slots.longest_wait if waits else None,
        }
    return found


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
    write_run(directory, run, measure(run.config))


def is_complete(results: object) -> bool:
    """Whether something is what `measure` returns, as far as its names and types go."""
    if not isinstance(results, Mapping) or set(results) != {*METRICS, "digest"}:
        return False
    numbers: list[Any] = [results[name] for name in METRICS]
    return isinstance(results["digest"], str) and all(
        number is None or (isinstance(number, (int, float)) and not isinstance(number, bool))
        for number in numbers
    )
