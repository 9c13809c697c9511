"""The command `ui`: a page in the browser for all programs that can be steered."""

from __future__ import annotations

import asyncio
from typing import Annotated

from cascade.cli import require

require()

import typer  # noqa: E402 - after the line that says what is missing

from cascade.cli.usage import WRONG_USE, whole  # noqa: E402
from cascade.errors import MissingExtraError  # noqa: E402


def add_to(app: typer.Typer) -> None:
    """Add the command to an application."""
    app.command()(ui)


def ui(
    port: Annotated[
        int,
        typer.Option(
            "--port",
            parser=whole(least=0),
            metavar="N",
            help="Where; by default any port that is free.",
        ),
    ] = 0,
) -> None:
    """Show the programs that can be steered, and steer them, in a browser on this machine."""
    try:
        from cascade.web.ui import UserInterface

        interface = UserInterface(port)
    except MissingExtraError as error:
        raise _refused(str(error)) from None
    except ValueError as error:
        raise _refused(f"--{error}") from None
    except OSError as error:
        raise _refused(f"--port must be one that is free, got {port}: {error.strerror}") from None
    typer.echo(f"open {interface.url}", err=True)
    asyncio.run(interface.run())


def _refused(reason: str) -> typer.Exit:
    typer.echo(f"error: {reason}", err=True)
    return typer.Exit(WRONG_USE)
