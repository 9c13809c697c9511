"""The options that commands of the experiments share, and how their numbers are read."""

from __future__ import annotations

from typing import Annotated, Any

from cascade.spec.checks import shown
from observatory.extras import require

require("observatory.experiments", "typer")

import typer  # noqa: E402 - after the line that says what is missing


def whole(text: Any) -> int:
    """Return the whole number that an option gives.

    Raises:
        typer.BadParameter: it gives none.
    """
    try:
        return int(text)
    except ValueError:
        raise typer.BadParameter(f"must be a whole number, got {shown(text)}") from None


def number(text: Any) -> float:
    """Return the number that an option gives.

    Raises:
        typer.BadParameter: it gives none.
    """
    try:
        return float(text)
    except ValueError:
        raise typer.BadParameter(f"must be a number, got {shown(text)}") from None


def whole_option(*names: str, help: str) -> Any:
    """Return an option that takes a whole number."""
    return typer.Option(*names, parser=whole, metavar="N", help=help)


def number_option(*names: str, metavar: str, help: str) -> Any:
    """Return an option that takes a number."""
    return typer.Option(*names, parser=number, metavar=metavar, help=help)


def seconds_option(*names: str, help: str) -> Any:
    """Return an option that takes a number of seconds."""
    return number_option(*names, metavar="S", help=help)


def file_option(*names: str, help: str) -> Any:
    """Return an option that takes the name of a file."""
    return typer.Option(*names, metavar="FILE", help=help)


Agents = Annotated[int, whole_option("--agents", help="How many agents there are.")]
"""How many agents an experiment has."""
Visualize = Annotated[
    bool | None,
    typer.Option(
        "--visualize/--no-visualize",
        help="Show it, if stdout is a terminal that can (default).",
    ),
]
"""Whether an experiment is shown in the terminal."""
Still = Annotated[
    str | None,
    file_option("--still", help="Draw what is seen at the end, as SVG."),
]
"""A file for a drawing, if one is wanted."""
Cast = Annotated[
    str | None,
    file_option("--cast", help="Record what is seen, as asciicast v2."),
]
"""A file for a recording, if one is wanted."""
Clock = Annotated[str, typer.Option("--time", help="The clock: real or virtual.")]
"""Which time the experiment runs on; see `check_clock`."""
Summary = Annotated[
    str | None,
    file_option("--summary", help="Write the summary as JSON; -: as the last line of stdout."),
]
"""Where the summary is written as JSON, if anywhere."""


def check_clock(time: str) -> None:
    """Check what the option `Clock` gives.

    Raises:
        ValueError: there is no such clock.
    """
    if time not in ("real", "virtual"):
        raise ValueError(f"time must be real or virtual, got {time!r}")


def files_to_write(
    summary: str | None, still: str | None, cast: str | None
) -> dict[str, str | None]:
    """Return the files that `Summary`, `Still` and `Cast` give, by the options' names."""
    return {"--summary": None if summary == "-" else summary, "--still": still, "--cast": cast}
