"""The command `bottleneck`: agents that think, queue for a few slots, and work.

``python -m observatory.experiments.run_bottleneck --agents 500 --slots 20``
"""

from __future__ import annotations

from observatory.experiments.command import take_ctrl_c

if __name__ == "__main__":
    take_ctrl_c()  # before the imports below, which take a while

from typing import Annotated

from observatory.experiments import console, options
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
    agents: options.Agents = 500,
    slots: Annotated[int, options.whole_option("--slots", help="How many may work at once.")] = 20,
    think: Annotated[
        float, options.seconds_option("--think", help="Seconds of thinking, on average.")
    ] = 2.0,
    work: Annotated[
        float, options.seconds_option("--work", help="Seconds of work, on average.")
    ] = 0.1,
    duration: Annotated[
        float, options.seconds_option("--duration", help="Seconds it lasts.")
    ] = 3000.0,
    visualize: options.Visualize = None,
    still: options.Still = None,
    cast: options.Cast = None,
    seed: Annotated[
        int | None, options.whole_option("--seed", help="Where the times come from.")
    ] = None,
    time: options.Clock = "real",
    summary: options.Summary = None,
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
        options.check_clock(time)
    except ValueError as error:
        _console.refuse(f"--{error}")
    _console.check_files(options.files_to_write(summary, still, cast))
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
