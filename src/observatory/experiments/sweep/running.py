"""Running a sweep: what is missing, as a graph of Cascade, each run in a process."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cascade as cs
from cascade.spec.checks import check_whole
from observatory.experiments.sweep.measure import is_complete, measure_into
from observatory.experiments.sweep.plan import Run
from observatory.experiments.sweep.progress import Progress
from observatory.experiments.sweep.store import read_run

JOB = "job"
"""The resource of which each run takes one."""


@dataclass(frozen=True, slots=True)
class Failure:
    """A run that has failed."""

    run: Run
    """Which one."""
    error: Exception
    """What it has raised."""

    def __str__(self) -> str:
        lines = str(self.error).strip().splitlines() or [""]
        return f"{type(self.error).__name__}: {lines[0]}"


def finished(directory: Path, runs: Sequence[Run]) -> list[dict[str, Any] | None]:
    """Return the results of runs, in their order; None for those that aren't there.

    Raises:
        OSError: a file is there and can't be read.
    """
    return [read_run(directory, run, is_complete) for run in runs]


async def run_all(
    runs: Sequence[Run], directory: Path, jobs: int, progress: Progress
) -> list[Failure]:
    """Run what is to be run, so many at once, and return those that failed.

    What a run has found is in the directory as soon as it has ended. Cancelled, the processes
    end with those that they were running.

    Args:
        runs: what is to be run.
        directory: the directory of the sweep, opened.
        jobs: how many run at once at most.
        progress: is told how far it is.

    Raises:
        TypeError, ValueError: `jobs` isn't a whole number ≥ 1.
    """
    check_whole("jobs", jobs, 1)
    if not runs:
        return []
    manager, bus = cs.ResourceManager({JOB: jobs}), cs.MessageBus()
    executor = cs.LocalExecutor(processes=jobs)
    sweep = measure_into.map(run=list(runs), directory=cs.constant(directory))
    sweep = sweep.with_constraints(**{JOB: 1}).collecting_errors()
    try:
        with progress.following(bus):
            outcomes: list[Any] = await cs.arun(
                sweep, resource_manager=manager, executor=executor, bus=bus
            )
    finally:
        await executor.aclose()
    return [
        Failure(run, outcome)
        for run, outcome in zip(runs, outcomes, strict=True)
        if isinstance(outcome, Exception)
    ]
