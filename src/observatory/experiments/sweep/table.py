"""Tables: what came out of a sweep, run by run and point by point."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from observatory.experiments.sweep.measure import METRICS
from observatory.experiments.sweep.plan import Point, Run, Sweep
from observatory.experiments.sweep.settings import said
from observatory.experiments.sweep.store import SUMMARY, TABLE, write_text
from observatory.student import interval

SHOWN = {"order": "R", "utilisation": "use", "queue": "queue", "wait_s": "wait s"}
"""The metrics that are printed, and what stands above them."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """What the replications of a point say of one metric."""

    runs: int
    """How many runs have it."""
    mean: float | None
    """Their mean; None if there are none."""
    deviation: float | None = None
    """Their standard deviation; None for fewer than two."""
    low: float | None = None
    """The lower bound of the 95 % confidence interval of the mean; None for fewer than two."""
    high: float | None = None
    """The upper one."""


@dataclass(frozen=True, slots=True)
class Row:
    """A finished run and what came out of it."""

    run: Run
    """The run."""
    results: dict[str, Any]
    """What `measure` has returned."""


def rows_of(runs: Sequence[Run], results: Sequence[dict[str, Any] | None]) -> list[Row]:
    """Return the runs that are finished with their results, in the order of the sweep."""
    return [Row(run, found) for run, found in zip(runs, results, strict=True) if found is not None]


def estimates(sweep: Sweep, rows: Iterable[Row], metric: str) -> dict[Point, Estimate]:
    """Return what is known of a metric at each point of a sweep, in its order."""
    values: dict[Point, list[float]] = {point: [] for point in sweep.points()}
    for row in rows:
        if row.results[metric] is not None:
            values[row.run.point].append(row.results[metric])
    return {point: _estimate(found) for point, found in values.items()}


def _estimate(values: list[float]) -> Estimate:
    if not values:
        return Estimate(0, None)
    found = interval(values)
    return Estimate(len(values), fmean(values), *(found or ()))


def write_tables(directory: Path, sweep: Sweep, rows: Sequence[Row]) -> None:
    """Write `TABLE` and `SUMMARY`. They tell only what depends on the settings, and no times.

    Raises:
        OSError: they can't be written.
    """
    names = [*sweep.names, "replication", "seed", *METRICS, "digest"]
    lines: list[list[object]] = [
        [
            *map(said, row.run.point),
            row.run.replication,
            row.run.config.seed,
            *[row.results[name] for name in [*METRICS, "digest"]],
        ]
        for row in rows
    ]
    write_text(directory / TABLE, _csv([names, *lines]))
    names = [*sweep.names, "metric", "runs", "mean", "sd", "ci_low", "ci_high"]
    by_metric = {metric: estimates(sweep, rows, metric) for metric in METRICS}
    lines = [
        [*map(said, point), metric, one.runs, one.mean, one.deviation, one.low, one.high]
        for point in sweep.points()
        for metric, one in ((metric, found[point]) for metric, found in by_metric.items())
    ]
    write_text(directory / SUMMARY, _csv([names, *lines]))


def _csv(lines: Iterable[Iterable[object]]) -> str:
    """Return lines as CSV; None is an empty place."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(lines)
    return text.getvalue()


def printed(sweep: Sweep, rows: Sequence[Row]) -> str:
    """Return a table with a line for each point: means, and of R also how sure that is."""
    metrics = {metric: estimates(sweep, rows, metric) for metric in SHOWN}
    shown = {
        metric: found
        for metric, found in metrics.items()
        if metric == "order" or any(one.runs for one in found.values())
    }
    lines = [[*sweep.names, "runs", "R", "sd", "95 % interval", *[SHOWN[m] for m in [*shown][1:]]]]
    for point in sweep.points():
        order = shown["order"][point]
        sure = "–" if order.low is None else f"{order.low:.3f} to {order.high:.3f}"
        lines.append(
            [
                *map(said, point),
                str(order.runs),
                _number(order.mean),
                _number(order.deviation),
                sure,
                *[_number(shown[metric][point].mean) for metric in [*shown][1:]],
            ]
        )
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "".join(
        "  ".join([text.rjust(width) for text, width in zip(line, widths, strict=True)]) + "\n"
        for line in lines
    )


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"
