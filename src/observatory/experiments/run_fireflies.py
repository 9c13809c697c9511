"""The command `fireflies`: pulse-coupled oscillators fall into step.

``python -m observatory.experiments.run_fireflies --limit 100``
"""

from __future__ import annotations

from observatory.experiments.command import take_ctrl_c

if __name__ == "__main__":
    take_ctrl_c()  # before the imports below, which take a while

import asyncio
import sys
import typing
from pathlib import Path
from typing import Literal

from cascade.errors import MissingExtraError
from cascade.ports import Connector
from cascade.spec.checks import check_whole
from observatory.experiments import console, fireflies_options, options
from observatory.experiments.assembling import assembled, steering
from observatory.experiments.calculated import ENGINES, Engine
from observatory.experiments.checks import check_positive
from observatory.experiments.conducting import conduct
from observatory.experiments.config import (
    GRID_SIDE,
    NUM_AGENTS,
    PERIOD,
    FirefliesConfig,
    Model,
    usual_topology,
)
from observatory.experiments.recorder import Summary
from observatory.experiments.report import print_summary
from observatory.experiments.strict import EXIT_CODE, TooLateError
from observatory.experiments.web_view import Web, WebCommand, open_page
from observatory.extras import require
from observatory.monitors.aggregator import MetricsAggregator
from observatory.networking.topology import Topology, moore_neighbors
from observatory.visualization.palette import PALETTE_NAMES, PALETTES, PaletteFunction, Palettes

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

_console = console.Console("fireflies")


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
    limit_holds: Literal["step", "awake"] = "step",
    refractory_period: float | None = None,
    connector: Connector | None = None,
    log: str | Path | None = None,
    palette_func: PaletteFunction = Palettes.firefly,
    still: str | Path | None = None,
    cast: str | Path | None = None,
    record: str | Path | None = None,
    strict: float | None = None,
    topology: Topology | None = None,
    model: Model = "fixed",
    dissipation: float | None = None,
    coupling: float | None = None,
    half_width: float | None = None,
    engine: Engine = "agents",
) -> Summary:
    """Run the fireflies on the running loop (real or virtual time) and return the summary.

    Args:
        num_agents: how many agents there are; the torus is the most square one of that many.
        period: the time from flash to flash when nothing is heard, in seconds.
        nudge: how much a heard flash advances the phase, in seconds.
        duration_seconds: how long the experiment lasts, in seconds of the loop's clock.
        visualize: show it, if stdout is a terminal that can; otherwise print a line a second
            with a bar for R. `q` in the terminal ends the experiment.
        decay_duty_cycle: how long a flash is seen, as a share of the period.
        concurrency_limit: how many agents may be in a step at the same time; None: all.
        seed: where the initial phases come from; None draws one, which the summary tells.
        limit_holds: "step": an agent holds its slot for a whole step, also while it waits for its
            time or a flash; "awake": it gives it back meanwhile.
        refractory_period: how long an agent is deaf after its flash, in seconds; None: a fifth of
            the period.
        connector: where flashes are told; by default a broker of the experiment's own.
        log: a file for JSON lines with lateness, order parameter and slots, each second.
        palette_func: from brightness to colour, for all that is shown; see `Palettes`.
        still: a file for a drawing of what is seen at the end, as SVG.
        cast: a file for a recording of what is seen, as asciicast v2.
        record: a file for a record of every flash and of the metrics; see `observatory.records`.
        strict: how late flashes may be, in seconds: on real time the run ends with an error when
            99 % of the latest ones aren't within that (see `Moment.lateness_p99`), looked at each
            second.
        topology: who hears whom: the eight around on the "torus", the two beside in a "ring", or
            in a "complete" graph everybody; None: the torus, or everybody in the model "kuramoto".
        model: what a flash does: "fixed" advances the phase by `nudge`, "mirollo-strogatz" lifts a
            concave state by ``nudge / period``; "kuramoto" (with the engine "reference") pulls
            phases to their mean.
        dissipation: how concave that state is, above 0 and at most 100; None: 3.
        coupling: K of the model "kuramoto", in radians per second; None: 2.
        half_width: of the frequencies in that model, in radians per second; None: 0.5.
        engine: "agents", or "reference" for the calculation that they are compared with, without
            a limit, without a connector and without `strict`.

    Raises:
        TooLateError: flashes were later than `strict` allows.
        MissingExtraError: a record is wanted, and pyarrow isn't installed.
        TypeError, ValueError: an argument is no number or out of its range; the error names it.
    """
    # The settings have shorter names, and an error is to speak of the argument that was given.
    check_positive("duration_seconds", duration_seconds)
    if concurrency_limit is not None:
        check_whole("concurrency_limit", concurrency_limit, 1)
    if strict is not None:
        check_positive("strict", strict)
    config = FirefliesConfig(
        num_agents=num_agents,
        period=period,
        nudge=nudge,
        duration=duration_seconds,
        limit=concurrency_limit,
        limit_holds=limit_holds,
        seed=console.some_seed() if seed is None else seed,
        refractory_period=refractory_period,
        decay_duty_cycle=decay_duty_cycle,
        topology=topology or usual_topology(model),
        model=model,
        dissipation=dissipation,
        coupling=coupling,
        half_width=half_width,
    )
    virtual = getattr(asyncio.get_running_loop(), "virtual", False)
    aggregator = None if log is None else MetricsAggregator(log)
    experiment = assembled(
        config,
        visualize,
        palette_func,
        {"still": still, "cast": cast},
        virtual,
        aggregator,
        connector,
        engine,
        record=record,
        strict=strict,
        control=steering(False, None, "virtual" if virtual else "real", engine),
    )
    if aggregator is None:
        return await experiment.run()
    with aggregator:
        return await experiment.run()


app = console.application()
"""The command line as a typer application."""


@app.command(cls=WebCommand, help="Fireflies, each an agent with its own engine, fall into step.")
def fireflies(
    agents: options.Agents = NUM_AGENTS,
    limit: fireflies_options.Limit = None,
    limit_holds: fireflies_options.LimitHolds = "step",
    period: fireflies_options.Period = PERIOD,
    nudge: fireflies_options.Nudge = 0.2,
    topology: fireflies_options.Topology = None,
    model: fireflies_options.Model = "fixed",
    dissipation: fireflies_options.Dissipation = None,
    coupling: fireflies_options.Coupling = None,
    half_width: fireflies_options.HalfWidth = None,
    engine: fireflies_options.Engine = "agents",
    duration: fireflies_options.Duration = 3000.0,
    visualize: fireflies_options.Visualize = None,
    palette: fireflies_options.Palette = "firefly",
    still: options.Still = None,
    cast: options.Cast = None,
    record: fireflies_options.Record = None,
    strict: fireflies_options.Strict = None,
    seed: fireflies_options.Seed = None,
    time: options.Clock = "real",
    control: fireflies_options.Control = False,
    control_name: fireflies_options.ControlName = None,
    summary: options.Summary = None,
    log: fireflies_options.Log = None,
    web: Web = None,
) -> None:
    """Run the experiment from the command line."""
    try:
        config = FirefliesConfig(
            num_agents=agents,
            period=period,
            nudge=nudge,
            duration=duration,
            limit=limit,
            limit_holds=typing.cast(Literal["step", "awake"], limit_holds),
            seed=console.some_seed() if seed is None else seed,
            topology=typing.cast(Topology, usual_topology(model) if topology is None else topology),
            model=typing.cast(Model, model),
            dissipation=dissipation,
            coupling=coupling,
            half_width=half_width,
        )
        options.check_clock(time)
        if strict is not None:
            check_positive("strict", strict, "milliseconds")
        if engine not in ENGINES:
            raise ValueError(f"engine must be agents or reference, got {engine!r}")
        if palette not in PALETTES:
            raise ValueError(f"palette must be one of {PALETTE_NAMES}, got {palette!r}")
    except ValueError as error:
        name, rest = str(error).removeprefix("num_").split(" ", 1)
        _console.refuse(f"--{name.replace('_', '-')} {rest}")
    aggregator = None if log is None else MetricsAggregator(log)
    # Python gives None for a stdout that was closed before the start; print() knows that.
    on_terminal = sys.stdout is not None and sys.stdout.isatty()
    visible = on_terminal and web is None if visualize is None else visualize
    page = open_page(_console, web, PALETTES[palette], virtual=time == "virtual")
    files: dict[str, str | Path | None] = {"still": still, "cast": cast}
    if record is not None:
        try:
            require("--record", "pyarrow")
        except MissingExtraError as error:
            _console.refuse(str(error))
    try:
        experiment = assembled(
            config,
            visible,
            PALETTES[palette],
            files,
            time == "virtual",
            aggregator,
            engine=typing.cast(Engine, engine),
            record=record,
            strict=None if strict is None else strict / 1000,
            control=steering(control, control_name, time, engine),
            page=page,
        )
    except ValueError as error:
        _console.refuse(f"--{error}")
    _console.check_files(
        options.files_to_write(summary, still, cast) | {"--record": record, "--log": log}
    )
    if aggregator is not None:
        assert log is not None
        with _console.refusing("--log", log):
            aggregator.open()
    if (hint := config.shape_hint()) is not None:
        print(hint, file=sys.stderr)
    if page is not None:
        print(f"open {page.url}", file=sys.stderr, flush=True)
    too_late: TooLateError | None = None
    try:
        exit_code = conduct(experiment, print_summary, summary, virtual=time == "virtual")
    except TooLateError as error:
        too_late, exit_code = error, EXIT_CODE
    finally:
        if aggregator is not None:
            aggregator.close()
    if too_late is not None:
        print(f"fireflies: {too_late} (--strict)", file=sys.stderr)
    if exit_code:
        raise typer.Exit(exit_code)


def main() -> None:
    """Run the command `fireflies`; see `Console.main` for its exit codes."""
    _console.main(app)


if __name__ == "__main__":
    main()
