"""The command `bottleneck`: agents that think, queue for a few slots, and work.

``python -m observatory.experiments.run_bottleneck --agents 500 --slots 20``
"""

from __future__ import annotations

import os
import signal

if __name__ == "__main__":
    # Ctrl-C while the imports below are under way ends the program like any other Ctrl-C. At once:
    # an exception could get lost in what is being imported.
    signal.signal(signal.SIGINT, lambda *_: os._exit(130))

from typing import Annotated

from observatory.experiments import console
from observatory.experiments.bottleneck import Bottleneck, BottleneckConfig, BottleneckSummary
from observatory.experiments.bottleneck_view import BottleneckView
from observatory.experiments.conducting import conduct, showing
from observatory.experiments.report import print_rows

# isort: split
import typer  # after the console, which says what is missing

__all__ = ["app", "main"]

_console = console.Console("bottleneck")

app = console.application()
"""The command line as a typer application."""


@app.command(help="Agents that think, queue for a few slots, and work.")
def bottleneck(
    agents: Annotated[
        int, console.whole_option("--agents", help="How many agents there are.")
    ] = 500,
    slots: Annotated[int, console.whole_option("--slots", help="How many may work at once.")] = 20,
    think: Annotated[
        float, console.seconds_option("--think", help="Seconds of thinking, on average.")
    ] = 2.0,
    work: Annotated[
        float, console.seconds_option("--work", help="Seconds of work, on average.")
    ] = 0.1,
    duration: Annotated[
        float, console.seconds_option("--duration", help="Seconds it lasts.")
    ] = 3000.0,
    visualize: console.Visualize = None,
    still: console.Still = None,
    cast: console.Cast = None,
    seed: Annotated[
        int | None, console.whole_option("--seed", help="Where the times come from.")
    ] = None,
    time: console.Clock = "real",
    summary: console.Summary = None,
) -> None:
    """Run the experiment from the command line."""
    try:
        config = BottleneckConfig(
            agents=agents,
            slots=slots,
            think=think,
            work=work,
            duration=duration,
            seed=console.some_seed() if seed is None else seed,
        )
        console.check_clock(time)
    except ValueError as error:
        _console.refuse(f"--{error}")
    _console.check_files(
        {"--summary": None if summary == "-" else summary, "--still": still, "--cast": cast}
    )
    if shown := showing(visualize, still, cast):
        view = BottleneckView(config, shown)
        experiment = Bottleneck(config, view.run, view.grid.states)
    else:
        experiment = Bottleneck(config)
    exit_code = conduct(experiment, _print_summary, summary, virtual=time == "virtual")
    if exit_code:
        raise typer.Exit(exit_code)


def _print_summary(summary: BottleneckSummary) -> None:
    def seconds(value: float | None) -> str:
        return "–" if value is None else f"{value:.3f} s"

    waits, rounds = summary.waiting_s, summary.rounds
    rows = [
        (
            "agents",
            f"{summary.agents}, thinking {summary.think:g} s and working {summary.work:g} s",
        ),
        ("slots", f"{summary.slots}; in use {summary.active['mean']:.1f} on average"),
        ("clock", f"{summary.duration:.1f} s of {summary.time} time in {summary.elapsed:.1f} s"),
        ("seed", str(summary.seed)),
        (
            "rounds",
            f"{rounds['total']}, {rounds['min_per_agent']} to {rounds['max_per_agent']} an agent",
        ),
        (
            "waiting",
            f"mean {seconds(waits['mean'])}, p50 {seconds(waits['p50'])}, "
            f"p99 {seconds(waits['p99'])}, max {seconds(waits['max'])}",
        ),
        ("fairness", "–" if summary.fairness is None else f"{summary.fairness:.4f} (Jain)"),
        ("overtaken", f"{summary.overtakings} times"),
    ]
    if summary.utilisation is not None:
        rows.insert(2, ("use", f"{summary.utilisation:.1%} of the slots"))
    if summary.expected is not None:
        rows.append(
            (
                "theory",
                f"{summary.expected['utilisation']:.1%} of the slots, "
                f"mean wait {seconds(summary.expected['waiting_s'])}",
            )
        )
    print_rows(rows)


def main() -> None:
    """Run the command `bottleneck`; see `Console.main` for its exit codes."""
    _console.main(app)


if __name__ == "__main__":
    main()
