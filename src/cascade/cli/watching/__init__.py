"""``cascade watch``: a live table of what runs in a program that can be steered."""

from __future__ import annotations

import importlib.util
import os
from typing import Annotated

import typer

from cascade.cli.orders import NOBODY, WrongUse, seconds_said, told
from cascade.control.client import Client, find
from cascade.control.server import OFTEN, SELDOM
from cascade.errors import ControlError, MissingExtraError


def watch(
    program: Annotated[
        str | None,
        typer.Argument(metavar="[PROGRAM]", help="Which program; by default all, one at a time."),
    ] = None,
    every: Annotated[
        str,
        typer.Option("--every", metavar="SECONDS", help="From one look to the next, 0.1 to 60."),
    ] = "1.0",
) -> None:
    """Watch what runs, live, and steer it with keys."""
    with told():
        seconds = _between(every)
        if importlib.util.find_spec("textual") is None:
            raise WrongUse(str(MissingExtraError("cascade watch", "textual", "watch")))
        if not has_terminal():
            raise WrongUse("cascade watch needs a terminal; for scripts there is cascade ps --json")
        names = find() if program is None else [program]
        if not names:
            raise ControlError(NOBODY)
        if program is not None:
            Client(program).close()  # says that there is no such program
        from cascade.cli.watching.app import WatchApp
        from cascade.cli.watching.source import Programs

        app = WatchApp(Programs(program), names, seconds)
        app.run()
    raise typer.Exit(app.return_code or 0)


def _between(text: str) -> float:
    """Return the seconds from one look to the next."""
    seconds = seconds_said("--every", text)
    if not OFTEN <= seconds <= SELDOM:
        raise WrongUse(f"--every must be from {OFTEN:g} to {SELDOM:g} seconds, got {text!r}")
    return seconds


def has_terminal() -> bool:
    """Whether there is somebody who sees what is drawn, and can press keys."""
    is_one = all(os.isatty(descriptor) for descriptor in (0, 1, 2))
    return is_one and os.environ.get("TERM") not in ("dumb", "unknown")
