"""The command `bottleneck`: agents that think, queue for a few slots, and work.

``python -m observatory.experiments.run_bottleneck --agents 500 --slots 20``
"""

from __future__ import annotations

import os
import signal
import sys

if __name__ == "__main__":
    # Ctrl-C while the imports below are under way ends the program like any other Ctrl-C. At once:
    # an exception could get lost in what is being imported.
    signal.signal(signal.SIGINT, lambda *_: os._exit(130))

from functools import partial

from observatory.experiments import console
from observatory.experiments.bottleneck import Bottleneck, BottleneckConfig, BottleneckSummary
from observatory.experiments.bottleneck_view import BottleneckView
from observatory.experiments.report import present
from observatory.visualization.terminal import can_show

# isort: split
import typer  # after the console, which says what is missing

__all__ = ["app", "main"]

_console = console.Console("bottleneck")

app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)
"""The command line as a typer application."""


@app.command(help="Agents that think, queue for a few slots, and work.")
def bottleneck(
    agents: int = typer.Option(
        500, "--agents", parser=console.whole, metavar="N", help="How many agents there are."
    ),
    slots: int = typer.Option(
        20, "--slots", parser=console.whole, metavar="N", help="How many may work at once."
    ),
    think: float = typer.Option(
        2.0, "--think", parser=console.number, metavar="S", help="Seconds of thinking, on average."
    ),
    work: float = typer.Option(
        0.1, "--work", parser=console.number, metavar="S", help="Seconds of work, on average."
    ),
    duration: float = typer.Option(
        3000.0, "--duration", parser=console.number, metavar="S", help="Seconds it lasts."
    ),
    visualize: bool | None = typer.Option(
        None,
        "--visualize/--no-visualize",
        help="Show it, if stdout is a terminal that can (default).",
    ),
    still: str | None = typer.Option(
        None, "--still", metavar="FILE", help="Draw what is seen at the end, as SVG."
    ),
    cast: str | None = typer.Option(
        None, "--cast", metavar="FILE", help="Record what is seen, as asciicast v2."
    ),
    seed: int | None = typer.Option(
        None, "--seed", parser=console.whole, metavar="N", help="Where the times come from."
    ),
    time: str = typer.Option("real", "--time", help="The clock: real or virtual."),
    summary: str | None = typer.Option(
        None,
        "--summary",
        metavar="FILE",
        help="Write the summary as JSON; -: as the last line of stdout.",
    ),
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
        if time not in ("real", "virtual"):
            raise ValueError(f"time must be real or virtual, got {time!r}")
    except ValueError as error:
        _console.refuse(f"--{error}")
    _console.check_files(
        {"--summary": None if summary == "-" else summary, "--still": still, "--cast": cast}
    )
    terminal = visualize is not False and can_show(sys.stdout, os.environ)
    if terminal or still is not None or cast is not None:
        view = BottleneckView(config, terminal=terminal, still=still, cast=cast)
        experiment = Bottleneck(config, view.run, view.grid.states)
    else:
        experiment = Bottleneck(config)
    exit_code = console.run(experiment.run(), virtual=time == "virtual")
    if experiment.rounds is not None:
        result = experiment.summary()
        present(result.as_dict(), partial(_print_summary, result), summary)
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
    for name, text in rows:
        print(f"{name:>9}  {text}")


def main() -> None:
    """Run the command `bottleneck`; see `Console.main` for its exit codes."""
    _console.main(app)


if __name__ == "__main__":
    main()
