"""WebView: an experiment in a browser on the same machine, and the option that asks for it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

from cascade.errors import MissingExtraError
from observatory.experiments.console import Console
from observatory.experiments.fireflies import Fireflies, View
from observatory.experiments.fireflies_stage import FirefliesStage
from observatory.experiments.options import whole
from observatory.experiments.until_first import until_first
from observatory.visualization.palette import PaletteFunction, Palettes

# isort: split
import typer  # after the console, which says what is missing
from typer.core import TyperCommand

if TYPE_CHECKING:
    from observatory.web.theatre import Theatre

ANY_PORT = "0"
"""What `--web` means when nothing is said with it."""

Web = Annotated[
    int | None,
    typer.Option(
        "--web",
        parser=whole,
        metavar="[PORT]",
        help="Show it in a browser on this machine; without PORT, at one that is free.",
    ),
]
"""Where the page is, if there is to be one."""


class WebCommand(TyperCommand):
    """A command whose option `--web` may stand without a value."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put the value in, where there is none."""
        completed: list[str] = []
        for place, argument in enumerate(args):
            completed.append(argument)
            if argument == "--web" and args[place + 1 : place + 2] in ([], _option(args, place)):
                completed.append(ANY_PORT)
        return super().parse_args(ctx, completed)


def _option(args: list[str], place: int) -> list[str]:
    """Return what stands behind a place if it is an option."""
    return [each for each in args[place + 1 : place + 2] if each.startswith("--")]


class WebView:
    """A page on which an experiment is shown; `run` is what `Fireflies` takes.

    Args:
        theatre: serves the page.
        palette_func: from brightness to colour.
    """

    def __init__(self, theatre: Theatre, palette_func: PaletteFunction = Palettes.firefly) -> None:
        self.theatre = theatre
        """What serves the page."""
        self._palette_func = palette_func

    @property
    def url(self) -> str:
        """The address of the page, with its token."""
        return self.theatre.url

    async def run(self, experiment: Fireflies) -> None:
        """Show the experiment until cancelled."""
        loop = asyncio.get_running_loop()
        stage = FirefliesStage(experiment, self._palette_func)
        await until_first([loop.create_task(part) for part in self.theatre.parts(stage)])


def open_page(
    console: Console, port: int | None, palette_func: PaletteFunction, *, virtual: bool
) -> WebView | None:
    """Return the page that `--web` asks for, at its port; None if it doesn't.

    Raises:
        typer.Exit: there can be none; the user was told why.
    """
    if port is None:
        return None
    if virtual:
        console.refuse("--web must be with --time real: nobody can watch virtual time go by")
    try:
        from observatory.web.theatre import Theatre

        theatre = Theatre(port)
    except MissingExtraError as error:
        console.refuse(str(error))
    except ValueError as error:
        console.refuse(f"--web {error}")
    except OSError as error:
        console.refuse(f"--web must be a port that is free, got {port}: {error.strerror}")
    return WebView(theatre, palette_func)


def together(views: Sequence[View]) -> View | None:
    """Return a view that is all of some, until the first of them ends; None if there are none."""
    if len(views) < 2:
        return views[0] if views else None

    async def run(experiment: Fireflies) -> None:
        loop = asyncio.get_running_loop()
        await until_first([loop.create_task(view(experiment)) for view in views])

    return run
