"""The command `fireflies`: pulse-coupled oscillators fall into step.

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
import typing
from pathlib import Path
from typing import Annotated, Literal

from cascade.control import LocalControl, control_from_environment, is_switched_on
from cascade.errors import MissingExtraError
from cascade.ports import Connector
from cascade.spec.checks import check_whole
from observatory.experiments import console
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
from observatory.experiments.fireflies import Fireflies
from observatory.experiments.recorder import Summary
from observatory.experiments.report import print_moment, print_summary
from observatory.experiments.strict import EXIT_CODE, TooLateError
from observatory.experiments.view import FirefliesView
from observatory.experiments.web_view import Web, WebCommand, WebView, open_page, together
from observatory.extras import require
from observatory.monitors.aggregator import MetricsAggregator
from observatory.networking.topology import Topology, moore_neighbors
from observatory.visualization.palette import PaletteFunction, Palettes
from observatory.visualization.terminal import can_show

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

PALETTES: dict[str, PaletteFunction] = {
    "firefly": Palettes.firefly,
    "ember": Palettes.ember,
    "ice": Palettes.ice,
    "grey": Palettes.grey,
}
PALETTE_NAMES = ", ".join(PALETTES)
LINES_ON_VIRTUAL_TIME = 60
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
    experiment = _experiment(
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
        control=_control(False, None, "virtual" if virtual else "real", engine),
    )
    if aggregator is None:
        return await experiment.run()
    with aggregator:
        return await experiment.run()


def _experiment(
    config: FirefliesConfig,
    visible: bool,
    palette_func: PaletteFunction,
    files: dict[str, str | Path | None],
    virtual: bool,
    log: MetricsAggregator | None,
    connector: Connector | None = None,
    engine: Engine = "agents",
    *,
    record: str | Path | None = None,
    strict: float | None = None,
    control: Connector | None = None,
    page: WebView | None = None,
) -> Fireflies:
    terminal = visible and can_show(sys.stdout, os.environ)
    view = None
    if terminal or any(files.values()):
        view = FirefliesView(config, palette_func, terminal=terminal, log=log, **files)
    interval = max(1.0, config.duration / LINES_ON_VIRTUAL_TIME) if virtual else 1.0
    return ENGINES[engine](
        config,
        log=log,
        connector=connector,
        watch=print_moment if visible and not terminal else None,
        watch_interval=interval,
        view=together([each.run for each in (view, page) if each is not None]),
        record=record,
        strict=strict,
        control=control,
    )


def _control(wanted: bool, name: str | None, time: str, engine: str) -> LocalControl | None:
    """Return by what the agents can be steered, if that is wanted.

    Raises:
        ValueError: the name is none, or there are no agents, or no sockets on that clock.
    """
    steerable = ENGINES[engine].steerable
    if not wanted and name is None:
        # The switch in the environment is for agents on real time alone.
        wanted = is_switched_on() and time == "real" and steerable
        return control_from_environment() if wanted else None
    if not steerable:
        raise ValueError("control must be left out with --engine reference: it has no agents")
    if time == "virtual":
        raise ValueError("control needs --time real")
    try:
        return LocalControl(name)
    except ValueError as error:
        raise ValueError(f"control-{error}") from None


app = console.application()
"""The command line as a typer application."""


@app.command(cls=WebCommand, help="Fireflies, each an agent with its own engine, fall into step.")
def fireflies(
    agents: Annotated[
        int, console.whole_option("--agents", help="How many agents there are.")
    ] = NUM_AGENTS,
    limit: Annotated[
        int | None,
        console.whole_option(
            "--limit", "--concurrency-limit", help="How many may be in a step at once."
        ),
    ] = None,
    limit_holds: Annotated[
        str,
        typer.Option(
            "--limit-holds",
            help="step: a slot is held for a whole step; "
            "awake: it is given back while an agent waits.",
        ),
    ] = "step",
    period: Annotated[
        float, console.seconds_option("--period", help="Seconds from flash to flash.")
    ] = PERIOD,
    nudge: Annotated[
        float, console.seconds_option("--nudge", help="Seconds a heard flash advances the phase.")
    ] = 0.2,
    topology: Annotated[
        str | None,
        typer.Option(
            "--topology",
            help="Who hears whom: torus, ring or complete. "
            "Default: torus, and complete for kuramoto.",
        ),
    ] = None,
    model: Annotated[
        str,
        typer.Option(
            "--model",
            help="What a flash does. fixed: it advances the phase by the nudge; "
            "mirollo-strogatz: it lifts a concave state by nudge/period; kuramoto: nothing, "
            "phases are pulled by their mean.",
        ),
    ] = "fixed",
    dissipation: Annotated[
        float | None,
        typer.Option(
            "--dissipation",
            parser=console.number,
            metavar="B",
            help="How concave that state is. Default: 3.",
        ),
    ] = None,
    coupling: Annotated[
        float | None,
        typer.Option(
            "--coupling",
            parser=console.number,
            metavar="K",
            help="How strong that pull is, in radians per second. Default: 2.",
        ),
    ] = None,
    half_width: Annotated[
        float | None,
        typer.Option(
            "--half-width",
            parser=console.number,
            metavar="G",
            help="Half the width of the frequencies in it, in radians per second. Default: 0.5.",
        ),
    ] = None,
    engine: Annotated[
        str,
        typer.Option(
            "--engine",
            help="agents, or reference: the calculation that they are compared with.",
        ),
    ] = "agents",
    duration: Annotated[
        float, console.seconds_option("--duration", help="Seconds the experiment lasts.")
    ] = 3000.0,
    visualize: Annotated[
        bool | None,
        typer.Option(
            "--visualize/--no-visualize",
            help="Show it: in a terminal as a picture, elsewhere as lines. "
            "Default: when stdout is a terminal.",
        ),
    ] = None,
    palette: Annotated[
        str, typer.Option("--palette", help=f"Its colours: {PALETTE_NAMES}.")
    ] = "firefly",
    still: console.Still = None,
    cast: console.Cast = None,
    record: Annotated[
        str | None,
        typer.Option(
            "--record",
            metavar="FILE",
            help="Keep every flash and the metrics, to replay and to plot (Arrow).",
        ),
    ] = None,
    strict: Annotated[
        float | None,
        typer.Option(
            "--strict",
            parser=console.number,
            metavar="MS",
            help="End with exit code 3 when lateness p99 passes so many milliseconds of real time.",
        ),
    ] = None,
    seed: Annotated[
        int | None, console.whole_option("--seed", help="Where the phases come from.")
    ] = None,
    time: console.Clock = "real",
    control: Annotated[
        bool, typer.Option("--control", help="Let `cascade ps`, `limit` and others reach it.")
    ] = False,
    control_name: Annotated[
        str | None,
        typer.Option("--control-name", metavar="NAME", help="What it is called there."),
    ] = None,
    summary: console.Summary = None,
    log: Annotated[
        str | None,
        typer.Option("--log", metavar="FILE", help="Write metrics as JSON lines."),
    ] = None,
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
        console.check_clock(time)
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
        experiment = _experiment(
            config,
            visible,
            PALETTES[palette],
            files,
            time == "virtual",
            aggregator,
            engine=typing.cast(Engine, engine),
            record=record,
            strict=None if strict is None else strict / 1000,
            control=_control(control, control_name, time, engine),
            page=page,
        )
    except ValueError as error:
        _console.refuse(f"--{error}")
    _console.check_files(
        {
            "--summary": None if summary == "-" else summary,
            "--still": still,
            "--cast": cast,
            "--record": record,
            "--log": log,
        }
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
