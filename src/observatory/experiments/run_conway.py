"""The command `conway`: Life whose cells are agents, checked in each generation.

``python -m observatory.experiments.run_conway --width 64 --height 64``
"""

from __future__ import annotations

from observatory.experiments.command import take_ctrl_c

if __name__ == "__main__":
    take_ctrl_c()  # before the imports below, which take a while

from typing import Annotated

from observatory.experiments import console, options
from observatory.experiments.conducting import conduct, showing
from observatory.experiments.conway import Conway, ConwaySummary
from observatory.experiments.conway_config import DENSITY, PATTERN_NAMES, RANDOM, ConwayConfig
from observatory.experiments.conway_view import ConwayView
from observatory.experiments.report import print_rows

# isort: split
import typer  # after the console, which says what is missing

__all__ = ["app", "main"]

_console = console.Console("conway")

app = console.application()
"""The command line as a typer application."""


@app.command(help="Life whose cells are agents that only hear their neighbours, checked.")
def conway(
    width: Annotated[int, options.whole_option("--width", help="Cells in a row.")] = 48,
    height: Annotated[int, options.whole_option("--height", help="Rows of cells.")] = 40,
    generations: Annotated[
        int, options.whole_option("--generations", help="How many generations are made.")
    ] = 500,
    interval: Annotated[
        float,
        options.seconds_option(
            "--interval", help="Seconds from generation to generation; 0: as fast as it goes."
        ),
    ] = 0.2,
    limit: Annotated[
        int | None, options.whole_option("--limit", help="How many cells may be at work at once.")
    ] = None,
    pattern: Annotated[
        str, typer.Option("--pattern", help=f"What it begins with: {PATTERN_NAMES}.")
    ] = RANDOM,
    density: Annotated[
        float | None,
        options.number_option(
            "--density",
            metavar="P",
            help=f"The share of living cells in a random world, 0 to 1; default: {DENSITY}.",
        ),
    ] = None,
    seed: Annotated[
        int | None, options.whole_option("--seed", help="Where a random world comes from.")
    ] = None,
    visualize: options.Visualize = None,
    still: options.Still = None,
    cast: options.Cast = None,
    time: options.Clock = "real",
    summary: options.Summary = None,
) -> None:
    """Run the experiment from the command line; the exit code is 1 if a step was wrong."""
    try:
        config = ConwayConfig(
            width=width,
            height=height,
            generations=generations,
            interval=interval,
            limit=limit,
            pattern=pattern,
            density=DENSITY if density is None else density,
            seed=console.some_seed() if seed is None else seed,
        )
        options.check_clock(time)
    except ValueError as error:
        _console.refuse(f"--{error}")
    for option, value in (("--density", density), ("--seed", seed)):
        if value is not None and pattern != RANDOM:
            _console.refuse(f"{option} is for --pattern {RANDOM}, got --pattern {pattern}")
    _console.check_files(options.files_to_write(summary, still, cast))
    if shown := showing(visualize, still, cast):
        view = ConwayView(config, shown)
        experiment = Conway(config, view.run, view.grid.states)
    else:
        experiment = Conway(config)
    exit_code = conduct(experiment, print_summary, summary, virtual=time == "virtual")
    if experiment.generations is not None and experiment.generations.errors:
        exit_code = exit_code or 1
    if exit_code:
        raise typer.Exit(exit_code)


def print_summary(summary: ConwaySummary) -> None:
    """Print a summary as a table."""
    begin = summary.pattern
    if summary.seed is not None:
        begin += f", {summary.density:g} of the cells, seed {summary.seed}"
    whole, wanted = summary.generations["whole"], summary.generations["wanted"]
    errors = f"{summary.step_errors} in {summary.steps:,} steps"
    if summary.first_error is not None:
        errors += (
            f", the first in generation {summary.first_error['generation']}"
            f" at cell {summary.first_error['cell']}"
        )
    drift = f"{summary.drift['apart']} generations apart at most"
    if summary.interval:
        drift += f", {summary.drift['behind']} intervals behind at most"
    rows = [
        (
            "cells",
            f"{summary.width * summary.height} on a torus of {summary.width}×{summary.height}",
        ),
        ("begin", begin),
        ("clock", f"{summary.duration:.1f} s of {summary.time} time in {summary.elapsed:.1f} s"),
        ("made", f"{whole} of {wanted} generations"),
        ("alive", f"{summary.alive['first']} at first, {summary.alive['last']} at the end"),
        ("errors", errors),
        ("drift", drift),
    ]
    if summary.limit is not None:
        rows.insert(2, ("slots", f"{summary.limit}; in use {summary.active['max']} at most"))
    late = summary.lateness_s
    if late["p50"] is not None:
        rows.append(
            (
                "lateness",
                f"p50 {late['p50']:.4f} s, p99 {late['p99']:.4f} s, max {late['max']:.4f} s",
            )
        )
    print_rows(rows)


def main() -> None:
    """Run the command `conway`; see `Console.main` for its exit codes."""
    _console.main(app)


if __name__ == "__main__":
    main()
