"""What a limit on the fireflies does to their synchrony: measured, and drawn for the docs.

``python -m benchmarks.limit_and_synchrony DIR`` runs a sweep in DIR, and the same fireflies once
more with flashes that take a while to send; it prints a table, and draws
``docs/figures/limit_and_synchrony.svg``. Started again, it measures only what is missing in DIR.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, median
from typing import Any

import cascade as cs
from cascade.connectors.local import LocalBroker, LocalBusConnector
from observatory.experiments.config import FirefliesConfig
from observatory.experiments.sweep.axes import Axis
from observatory.experiments.sweep.figure import STYLE
from observatory.experiments.sweep.measure import measure
from observatory.experiments.sweep.plan import Sweep
from observatory.experiments.sweep.progress import Progress
from observatory.experiments.sweep.running import finished, run_all
from observatory.experiments.sweep.store import opened

FIGURE = Path(__file__).parents[1] / "docs" / "figures" / "limit_and_synchrony.svg"
AGENTS, PERIOD, DURATION = 100, 5.0, 300.0
FLASH_S = 0.05
"""How long it takes to send a flash, in seconds, in the third of the cases."""
LIMITS = (1, 2, 5, 10, 20, 30, 50, 80, 100)
SWEEP = Sweep(
    (Axis("limit-holds", ("step", "awake")), Axis("limit", LIMITS)),
    {"agents": AGENTS, "period": PERIOD, "duration": DURATION},
    replications=5,
)
MEASURED = ("order", "order_seen", "utilisation", "queue", "lateness_p99_s", "missed")

Results = Mapping[str, Any]


class SlowBus(LocalBusConnector):
    """A bus to which it takes a while to send something. Whoever sends waits for it."""

    async def publish(self, topic: str, payload: Any, qos: int = 0, retain: bool = False) -> None:
        """Send something, after a while."""
        await asyncio.sleep(FLASH_S)
        await super().publish(topic, payload, qos, retain)


@cs.task(mode="process")
def measure_slowly(config: FirefliesConfig) -> Results:
    """Measure a run in which an agent is awake for `FLASH_S` seconds for each flash."""
    return measure(config, SlowBus(LocalBroker(queue_size=10 * AGENTS)))


@dataclass(frozen=True, slots=True)
class Case:
    """One way to hold slots, over all limits."""

    title: str
    found: dict[str, list[list[float]]]
    """By metric, for each limit what each seed gave."""

    def of(self, metric: str, what: Callable[[list[float]], float]) -> list[float]:
        """Return a mean, a median and the like of a metric for each limit."""
        return [what(values) for values in self.found[metric]]


def case(title: str, runs: Sequence[tuple[int, Results]]) -> Case:
    """Put the runs of one limit together."""
    return Case(
        title,
        {
            metric: [[one[metric] for at, one in runs if at == limit] for limit in LIMITS]
            for metric in MEASURED
        },
    )


async def measured(directory: Path) -> list[Case]:
    """Return the three cases; what is there already isn't run again."""
    runs = SWEEP.runs()
    with opened(directory, SWEEP):
        found = finished(directory, runs)
        missing = [run for run, one in zip(runs, found, strict=True) if one is None]
        failed = await run_all(missing, directory, 2, Progress(len(runs), len(runs) - len(missing)))
        if failed:
            raise failed[0].error
        results = finished(directory, runs)
    by_mode: dict[str, list[tuple[int, Results]]] = {"step": [], "awake": []}
    for run, one in zip(runs, results, strict=True):
        assert one is not None
        assert run.config.limit is not None
        by_mode[run.config.limit_holds].append((run.config.limit, one))
    awake = [run.config for run in runs if run.config.limit_holds == "awake"]
    slow = measure_slowly.map(config=awake).with_constraints(job=1)
    slowly = await cs.arun(
        slow, system_resources={"job": 2}, executor=(executor := cs.LocalExecutor(processes=2))
    )
    await executor.aclose()
    return [
        case("step", by_mode["step"]),
        case("awake", by_mode["awake"]),
        case(
            f"awake, and a flash takes {FLASH_S:g} s",
            [(config.limit or 0, one) for config, one in zip(awake, slowly, strict=True)],
        ),
    ]


def spread(limit: int) -> float:
    """Return R as seen if all want to flash at once, and so many can at a time.

    They then flash evenly over x periods, and R is that of an arc: sin(πx) / πx.
    """
    x = AGENTS * FLASH_S / limit / PERIOD
    return abs(math.sin(math.pi * x) / (math.pi * x))


def table(cases: Sequence[Case]) -> str:
    """Return what was measured as a table in Markdown."""
    heads = ["slots held", "limit", "R", "R as seen", "lowest", "use", "queue", "late", "missed"]
    lines = [f"| {' | '.join(heads)} |", "|---|" + "--:|" * (len(heads) - 1)]
    for one in cases:
        columns = [
            [f"{value:.3f}" for value in one.of("order", median)],
            [f"{value:.3f}" for value in one.of("order_seen", median)],
            [f"{value:.3f}" for value in one.of("order_seen", min)],
            [f"{value:.0%}" for value in one.of("utilisation", fmean)],
            [f"{value:.1f}" for value in one.of("queue", fmean)],
            [f"{value:.2f} s" for value in one.of("lateness_p99_s", fmean)],
            [f"{value:.0f}" for value in one.of("missed", fmean)],
        ]
        for limit, *numbers in zip(LIMITS, *columns, strict=True):
            lines.append(f"| {one.title} | {limit} | {' | '.join(numbers)} |")
    return "\n".join(lines)


def draw(cases: Sequence[Case]) -> None:
    """Draw the cases side by side."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(10, 5.5), layout="constrained")
        grid = figure.subplots(2, len(cases), sharex=True, sharey="row")
        for (above, below), one in zip(grid.T, cases, strict=True):
            for metric, form, label in (
                ("order", "o-", "R by due times"),
                ("order_seen", "s-", "R as seen"),
            ):
                above.plot(LIMITS, one.of(metric, median), form, label=label, markersize=4)
                low, high = one.of(metric, min), one.of(metric, max)
                above.fill_between(LIMITS, low, high, alpha=0.15)
            use = one.of("utilisation", fmean)
            above.plot(LIMITS, use, "^:", label="slots in use", markersize=4)
            queue = [value / AGENTS for value in one.of("queue", fmean)]
            below.plot(LIMITS, queue, "o-", label="queue / agents", markersize=4)
            late = [value / PERIOD for value in one.of("lateness_p99_s", fmean)]
            below.plot(LIMITS, late, "s-", label="lateness p99 / period", markersize=4)
            if one is cases[-1]:
                expected = [*map(spread, LIMITS)]
                above.plot(LIMITS, expected, "k--", label="sin(πx) / πx", linewidth=1)
            above.set_title(one.title)
            above.set_xscale("log")
            below.set_xlabel(f"limit (of {AGENTS} agents)")
        handles, labels = grid[0, -1].get_legend_handles_labels()
        grid[0, 1].legend(handles, labels, loc=(0.25, 0.15), fontsize=7)  # where nothing is drawn
        grid[1, -1].legend(fontsize=7)
        text = io.StringIO()
        figure.savefig(text, format="svg", metadata={"Date": None})
    FIGURE.parent.mkdir(exist_ok=True)
    FIGURE.write_text(text.getvalue(), encoding="utf-8")


def main() -> None:
    """Measure, print and draw."""
    parser = argparse.ArgumentParser("python -m benchmarks.limit_and_synchrony")
    parser.add_argument("directory", metavar="DIR", type=Path, help="where the runs are kept")
    cases = asyncio.run(measured(parser.parse_args().directory))
    print(table(cases))
    draw(cases)


if __name__ == "__main__":
    main()
