"""The options that only the command `fireflies` has; see `observatory.experiments.options`."""

from __future__ import annotations

from typing import Annotated

from observatory.experiments.options import file_option, number_option, seconds_option, whole_option
from observatory.visualization.palette import PALETTE_NAMES

# isort: split
import typer  # after the options, which say what is missing

Limit = Annotated[
    int | None,
    whole_option("--limit", "--concurrency-limit", help="How many may be in a step at once."),
]
LimitHolds = Annotated[
    str,
    typer.Option(
        "--limit-holds",
        help="step: a slot is held for a whole step; awake: it is given back while an agent waits.",
    ),
]
Period = Annotated[float, seconds_option("--period", help="Seconds from flash to flash.")]
Nudge = Annotated[
    float, seconds_option("--nudge", help="Seconds a heard flash advances the phase.")
]
Topology = Annotated[
    str | None,
    typer.Option(
        "--topology",
        help="Who hears whom: torus, ring or complete. Default: torus, and complete for kuramoto.",
    ),
]
Model = Annotated[
    str,
    typer.Option(
        "--model",
        help="What a flash does. fixed: it advances the phase by the nudge; "
        "mirollo-strogatz: it lifts a concave state by nudge/period; kuramoto: nothing, "
        "phases are pulled by their mean.",
    ),
]
Dissipation = Annotated[
    float | None,
    number_option("--dissipation", metavar="B", help="How concave that state is. Default: 3."),
]
Coupling = Annotated[
    float | None,
    number_option(
        "--coupling",
        metavar="K",
        help="How strong that pull is, in radians per second. Default: 2.",
    ),
]
HalfWidth = Annotated[
    float | None,
    number_option(
        "--half-width",
        metavar="G",
        help="Half the width of the frequencies in it, in radians per second. Default: 0.5.",
    ),
]
Engine = Annotated[
    str,
    typer.Option(
        "--engine", help="agents, or reference: the calculation that they are compared with."
    ),
]
Duration = Annotated[float, seconds_option("--duration", help="Seconds the experiment lasts.")]
Visualize = Annotated[
    bool | None,
    typer.Option(
        "--visualize/--no-visualize",
        help="Show it: in a terminal as a picture, elsewhere as lines. "
        "Default: when stdout is a terminal.",
    ),
]
Palette = Annotated[str, typer.Option("--palette", help=f"Its colours: {PALETTE_NAMES}.")]
Record = Annotated[
    str | None,
    file_option(
        "--record", help="Keep every flash and the metrics, to replay and to plot (Arrow)."
    ),
]
Strict = Annotated[
    float | None,
    number_option(
        "--strict",
        metavar="MS",
        help="End with exit code 3 when lateness p99 passes so many milliseconds of real time.",
    ),
]
Seed = Annotated[int | None, whole_option("--seed", help="Where the phases come from.")]
Control = Annotated[
    bool, typer.Option("--control", help="Let `cascade ps`, `limit` and others reach it.")
]
ControlName = Annotated[
    str | None,
    typer.Option("--control-name", metavar="NAME", help="What it is called there."),
]
Log = Annotated[
    str | None,
    file_option("--log", help="Write metrics as JSON lines."),
]
