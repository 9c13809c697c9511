"""The command `fireflies`: pulse-coupled oscillators on a torus fall into step.

``python -m observatory.experiments.run_fireflies --limit 100``
"""

from __future__ import annotations

import os
import signal
import sys

if __name__ == "__main__":
    # Ctrl-C while the imports below are under way ends the program like any other Ctrl-C. At once:
    # an exception could get lost in what is being imported.
    signal.signal(signal.SIGINT, lambda *_: os._exit(130))

import asyncio
import io
import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, cast

from cascade import testing
from cascade.ports import Connector
from cascade.spec.checks import check_finite, check_whole, shown
from observatory.experiments.config import GRID_SIDE, NUM_AGENTS, PERIOD, FirefliesConfig
from observatory.experiments.fireflies import Fireflies, Moment
from observatory.experiments.recorder import Summary
from observatory.monitors.aggregator import MetricsAggregator
from observatory.networking.topology import moore_neighbors

# isort: split
import typer  # after the settings, which say what is missing

__all__ = [
    "GRID_SIDE",
    "NUM_AGENTS",
    "PERIOD",
    "app",
    "get_neighbors",
    "main",
    "run_experiment",
]

get_neighbors = moore_neighbors
"""The neighbours of an agent on the torus."""

BAR_WIDTH = 40
LINES_ON_VIRTUAL_TIME = 60


async def run_experiment(
    num_agents: int = NUM_AGENTS,
    period: float = PERIOD,
    nudge: float = 0.2,
    duration_seconds: float = 3000.0,
    visualize: bool = True,
    decay_duty_cycle: float = 0.3,
    concurrency_limit: int | None = None,
    seed: int | None = None,
    *,
    refractory_period: float | None = None,
    connector: Connector | None = None,
    log: str | Path | None = None,
) -> Summary:
    """Run the fireflies on the running loop (real or virtual time) and return the summary.

    Args:
        num_agents: how many agents there are; the torus is the most square one of that many.
        period: the time from flash to flash when nothing is heard, in seconds.
        nudge: how much a heard flash advances the phase, in seconds.
        duration_seconds: how long the experiment lasts, in seconds of the loop's clock.
        visualize: print a line a second with a bar for R.
        decay_duty_cycle: how long a flash is seen in these lines, as a share of the period.
        concurrency_limit: how many agents may be in a step at the same time; None: all.
        seed: where the initial phases come from; None draws one, which the summary tells.
        refractory_period: how long an agent is deaf after its flash, in seconds; None: a fifth of
            the period.
        connector: where flashes are told; by default a broker of the experiment's own.
        log: a file for JSON lines with lateness, order parameter and slots, each second.

    Raises:
        TypeError, ValueError: an argument is no number or out of its range; the error names it.
    """
    # The settings have shorter names, and an error is to speak of the argument that was given.
    if check_finite("duration_seconds", duration_seconds) <= 0:
        raise ValueError(f"duration_seconds must be above 0 seconds, got {duration_seconds!r}")
    if concurrency_limit is not None:
        check_whole("concurrency_limit", concurrency_limit, 1)
    config = FirefliesConfig(
        num_agents=num_agents,
        period=period,
        nudge=nudge,
        duration=duration_seconds,
        limit=concurrency_limit,
        seed=_some_seed() if seed is None else seed,
        refractory_period=refractory_period,
        decay_duty_cycle=decay_duty_cycle,
    )
    virtual = getattr(asyncio.get_running_loop(), "virtual", False)
    aggregator = None if log is None else MetricsAggregator(log)
    experiment = _experiment(config, visualize, virtual, aggregator, connector)
    if aggregator is None:
        return await experiment.run()
    with aggregator:
        return await experiment.run()


def _experiment(
    config: FirefliesConfig,
    visualize: bool,
    virtual: bool,
    log: MetricsAggregator | None,
    connector: Connector | None = None,
) -> Fireflies:
    interval = max(1.0, config.duration / LINES_ON_VIRTUAL_TIME) if virtual else 1.0
    return Fireflies(
        config,
        log=log,
        connector=connector,
        watch=_print_moment if visualize else None,
        watch_interval=interval,
    )


def _some_seed() -> int:
    return random.SystemRandom().randrange(2**32)


def _print_moment(moment: Moment) -> None:
    full = round(moment.order_parameter * BAR_WIDTH)
    bar = "█" * full + "·" * (BAR_WIDTH - full)
    line = f"{moment.time:7.0f} s  R {moment.order_parameter:.3f} {bar}"
    line += f"  alight {moment.alight:4.0%}  flashes {moment.flashes}"
    if moment.active is not None:
        line += f"  slots {moment.active}, waiting {moment.waiting}"
    print(line, flush=True)


def _print_summary(summary: Summary) -> None:
    def number(value: float | None, form: str = ".4f") -> str:
        return "–" if value is None else format(value, form)

    order, late, steps = summary.order_parameter, summary.lateness_s, summary.steps
    rows = [
        ("agents", f"{summary.agents} on a torus of {summary.width}×{summary.height}"),
        ("clock", f"{summary.duration:.1f} s of {summary.time} time in {summary.elapsed:.1f} s"),
        ("seed", str(summary.seed)),
        ("flashes", f"{summary.flashes}, {summary.pulses} for each agent, {summary.missed} missed"),
        (
            "order R",
            f"{number(order['first'])} after the first period, {number(order['last'])} at the end",
        ),
        (
            "steps",
            f"{steps['total']}, {steps['min_per_agent']} to {steps['max_per_agent']} an agent",
        ),
        ("lateness", f"p50 {number(late['p50'])} s, p99 {number(late['p99'])} s"),
        ("dropped", f"{summary.dropped} messages"),
    ]
    if summary.limit is not None:
        active = summary.active
        rows.insert(
            2,
            (
                "slots",
                f"{summary.limit}; in use {number(active['mean'], '.1f')} on average, "
                f"{number(active['max'], '.0f')} at most",
            ),
        )
    for name, text in rows:
        print(f"{name:>9}  {text}")


def _whole(text: Any) -> int:
    try:
        return int(text)
    except ValueError:
        raise typer.BadParameter(f"must be a whole number, got {shown(text)}") from None


def _number(text: Any) -> float:
    try:
        return float(text)
    except ValueError:
        raise typer.BadParameter(f"must be a number, got {shown(text)}") from None


app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)
"""The command line as a typer application."""


@app.command(help="Fireflies on a torus, each an agent with its own engine, fall into step.")
def fireflies(
    agents: int = typer.Option(
        NUM_AGENTS, "--agents", parser=_whole, metavar="N", help="How many agents there are."
    ),
    limit: int | None = typer.Option(
        None,
        "--limit",
        "--concurrency-limit",
        parser=_whole,
        metavar="N",
        help="How many may be in a step at once.",
    ),
    period: float = typer.Option(
        PERIOD, "--period", parser=_number, metavar="S", help="Seconds from flash to flash."
    ),
    nudge: float = typer.Option(
        0.2,
        "--nudge",
        parser=_number,
        metavar="S",
        help="Seconds a heard flash advances the phase.",
    ),
    duration: float = typer.Option(
        3000.0, "--duration", parser=_number, metavar="S", help="Seconds the experiment lasts."
    ),
    visualize: bool | None = typer.Option(
        None,
        "--visualize/--no-visualize",
        help="Print a line a second (default: when stdout is a terminal).",
    ),
    seed: int | None = typer.Option(
        None, "--seed", parser=_whole, metavar="N", help="Where the initial phases come from."
    ),
    time: str = typer.Option("real", "--time", help="The clock: real or virtual."),
    summary: str | None = typer.Option(
        None, "--summary", help="Write the summary as JSON; -: as the last line of stdout."
    ),
    log: str | None = typer.Option(None, "--log", help="Write metrics as JSON lines."),
) -> None:
    """Run the experiment from the command line."""
    try:
        config = FirefliesConfig(
            num_agents=agents,
            period=period,
            nudge=nudge,
            duration=duration,
            limit=limit,
            seed=_some_seed() if seed is None else seed,
        )
        if time not in ("real", "virtual"):
            raise ValueError(f"time must be real or virtual, got {time!r}")
    except ValueError as error:
        _refuse(f"--{str(error).removeprefix('num_')}")
    aggregator = None if log is None else MetricsAggregator(log)
    # Python gives None for a stdout that was closed before the start; print() knows that.
    on_terminal = sys.stdout is not None and sys.stdout.isatty()
    visible = on_terminal if visualize is None else visualize
    experiment = _experiment(config, visible, time == "virtual", aggregator)
    if summary is not None and summary != "-":
        try:
            os.close(os.open(summary, os.O_WRONLY | os.O_CREAT, 0o666))
        except (OSError, ValueError) as error:
            _refuse_file("--summary", summary, error)
    if aggregator is not None:
        assert log is not None
        try:
            aggregator.open()
        except (OSError, ValueError) as error:
            _refuse_file("--log", log, error)
    if (hint := config.shape_hint()) is not None:
        print(hint, file=sys.stderr)
    interrupted = False
    try:
        _run(experiment, cast(Literal["real", "virtual"], time))
    except KeyboardInterrupt:
        interrupted = True
    finally:
        if aggregator is not None:
            aggregator.close()
    if experiment.recorder is not None:
        result = experiment.summary()
        _print_summary(result)
        if summary is not None:
            _write_summary(result, summary)
    if interrupted:
        raise typer.Exit(130)


def _run(experiment: Fireflies, time: Literal["real", "virtual"]) -> None:
    factory: Callable[[], asyncio.AbstractEventLoop]
    if time == "virtual":
        factory = testing.virtual_loop
    else:
        try:
            import uvloop
        except ModuleNotFoundError:  # it isn't made for every platform
            factory = asyncio.new_event_loop
        else:
            factory = uvloop.new_event_loop
    if signal.getsignal(signal.SIGINT) is _end_at_once:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(experiment.run())


def _write_summary(summary: Summary, where: str) -> None:
    text = json.dumps(summary.as_dict())
    if where == "-":
        print(text, flush=True)
    else:
        Path(where).write_text(text + "\n", encoding="utf-8")


def _refuse(message: str) -> Any:
    print(f"fireflies: {message}", file=sys.stderr)
    raise typer.Exit(2)


def _refuse_file(option: str, name: str, error: OSError | ValueError) -> Any:
    reason = error.strerror if isinstance(error, OSError) else error
    _refuse(f"{option} must be a file that can be written, got {name!r}: {reason}")


def _end_at_once(*_: object) -> None:
    """Take Ctrl-C as long as nothing has begun and there is nothing to tidy up."""
    os._exit(130)


def main() -> None:
    """Run the command `fireflies`.

    One line and exit code 2 for a wrong option, exit code 130 after Ctrl-C, and exit code 1 when
    whoever reads the output has gone away.
    """
    try:
        signal.signal(signal.SIGINT, _end_at_once)
        if isinstance(sys.stdout, io.TextIOWrapper):
            sys.stdout.reconfigure(errors="replace")  # the bar, in an encoding that has no blocks
        outcome = app(standalone_mode=False)
        print(end="", flush=True)
    except (KeyboardInterrupt, typer.Abort):
        sys.exit(130)
    except BrokenPipeError:
        # What is still buffered has nowhere to go, and mustn't fail once more at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except Exception as error:
        # Typer's own errors know how to put themselves into one line; all others are bugs.
        one_line = getattr(error, "format_message", None)
        if one_line is None:
            raise
        print(f"fireflies: {one_line()}", file=sys.stderr)
        sys.exit(2)
    sys.exit(outcome if isinstance(outcome, int) else 0)


if __name__ == "__main__":
    main()
