"""The command `sweep`: the fireflies at many settings, each run in a process.

``python -m observatory.experiments.run_sweep --vary nudge=0.05:0.5:10 --jobs 4 --out DIR``
"""

from __future__ import annotations

from observatory.experiments.command import take_ctrl_c

if __name__ == "__main__":
    take_ctrl_c()  # before the imports below, which take a while

import os
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

from cascade.errors import MissingExtraError
from cascade.spec.checks import check_whole, shown
from observatory.experiments import console, options
from observatory.experiments.sweep import figure
from observatory.experiments.sweep.axes import read_axis, read_fixed
from observatory.experiments.sweep.plan import Run, Sweep
from observatory.experiments.sweep.progress import Progress
from observatory.experiments.sweep.running import Failure, finished, run_all
from observatory.experiments.sweep.settings import Value
from observatory.experiments.sweep.store import OUTCOMES, StoreError, opened
from observatory.experiments.sweep.table import estimates, printed, rows_of, write_tables

# isort: split
import typer  # after the console, which says what is missing

__all__ = ["app", "main"]

MOST_FAILURES_TOLD = 5
"""How many failed runs are told one by one."""
_console = console.Console("sweep")

app = console.application()
"""The command line as a typer application."""


@app.command(
    help="The fireflies on virtual time at many settings, each run in a process. Started again "
    "with the same --out, it runs what is missing."
)
def sweep(
    out: Annotated[
        str, typer.Option("--out", metavar="DIR", help="The directory for all that comes out.")
    ],
    vary: Annotated[
        list[str] | None,
        typer.Option(
            "--vary",
            metavar="NAME=VALUES",
            help="Vary a setting of the fireflies: a,b,c or START:STOP:COUNT (both included). "
            "May be given several times; all combinations are run.",
        ),
    ] = None,
    fixed: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="Give another setting one value."),
    ] = None,
    replications: Annotated[
        int, options.whole_option("--replications", help="How often each point is run.")
    ] = 1,
    seed: Annotated[
        int, options.whole_option("--seed", help="Where the seeds of the replications come from.")
    ] = 0,
    jobs: Annotated[
        int | None,
        options.whole_option(
            "--jobs", help="How many runs at once. Default: as many as there are processors."
        ),
    ] = None,
    extend: Annotated[
        bool,
        typer.Option("--extend", help="Take a directory that holds another sweep, and its runs."),
    ] = False,
    picture: Annotated[
        bool, typer.Option("--figure/--no-figure", help="Draw a picture at the end.")
    ] = True,
) -> None:
    """Run the sweep from the command line."""
    try:
        jobs = check_whole("--jobs", os.cpu_count() or 1 if jobs is None else jobs, 1)
        check_whole("--replications", replications, 1)
        check_whole("--seed", seed, 0)
        if picture:
            figure.check_can_draw()
    except ValueError as error:
        _console.refuse(str(error))
    except MissingExtraError as error:
        _console.refuse(f"{error}; or use --no-figure")
    if not out:
        _console.refuse("--out must be a directory that can be written, got ''")
    plan, runs = _planned(vary or [], fixed or [], replications, seed)
    directory = Path(out)
    with ExitStack() as stack:
        try:
            stack.enter_context(opened(directory, plan, extend=extend))
        except StoreError as error:
            _console.refuse(f"--out {shown(out)}: {error}")
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else error
            _console.refuse(
                f"--out must be a directory that can be written, got {shown(out)}: {reason}"
            )
        exit_code = _run(plan, runs, directory, jobs, picture)
    if exit_code:
        raise typer.Exit(exit_code)


def _planned(
    vary: list[str], fixed: list[str], replications: int, seed: int
) -> tuple[Sweep, list[Run]]:
    """Return the sweep that the options say and its runs, or refuse them."""
    axes, values = [], dict[str, Value]()
    for text in vary:
        try:
            axes.append(read_axis(text))
        except ValueError as error:
            _console.refuse(f"--vary {shown(text)}: {error}")
    for text in fixed:
        try:
            name, value = read_fixed(text)
            if name in values:
                raise ValueError(f"{name} is set twice")
        except ValueError as error:
            _console.refuse(f"--set {shown(text)}: {error}")
        values[name] = value
    try:
        plan = Sweep(tuple(axes), values, replications, seed)
        return plan, plan.runs()
    except (TypeError, ValueError) as error:
        _console.refuse(str(error))


def _run(plan: Sweep, runs: list[Run], directory: Path, jobs: int, picture: bool) -> int:
    """Run what is missing, write and print what came out, and return the exit code."""
    missing = [
        run for run, found in zip(runs, finished(directory, runs), strict=True) if found is None
    ]
    if missing:
        # What is about an earlier state of the directory would be taken for this one.
        for name in OUTCOMES:
            (directory / name).unlink(missing_ok=True)
    failures: list[Failure] = []
    progress = Progress(len(runs), len(runs) - len(missing))

    async def work() -> None:
        failures.extend(await run_all(missing, directory, jobs, progress))

    exit_code = console.run(work(), virtual=False)
    if exit_code:
        print(
            f"sweep: {progress.done:,} of {len(runs):,} runs are done and kept in {directory}; "
            "the same command runs the others",
            file=sys.stderr,
        )
        return exit_code
    rows = rows_of(runs, finished(directory, runs))
    write_tables(directory, plan, rows)
    print(printed(plan, rows), end="")
    if picture:
        print(figure.draw(directory, plan, estimates(plan, rows, "order")))
    _tell(plan, failures, directory)
    return 1 if len(rows) < len(runs) else 0


def _tell(plan: Sweep, failures: list[Failure], directory: Path) -> None:
    for failure in failures[:MOST_FAILURES_TOLD]:
        where = f"{plan.describe(failure.run.point)} replication {failure.run.replication}".strip()
        print(f"sweep: {where} failed: {failure}", file=sys.stderr)
    if failures:
        print(
            f"sweep: {len(failures):,} runs failed and aren't in the tables in {directory}; "
            "the same command tries them again",
            file=sys.stderr,
        )


def main() -> None:
    """Run the command `sweep`; see `Console.main` for its exit codes.

    Exit code 1 also when a run has failed.
    """
    _console.main(app)


if __name__ == "__main__":
    main()
