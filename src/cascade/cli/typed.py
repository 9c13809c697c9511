"""Commands that are declared as values, for typer."""

from __future__ import annotations

from collections.abc import Callable
from inspect import Parameter as Place
from inspect import Signature
from typing import Annotated, Any

import typer

from cascade.cli.declared import Argument, Command, Option, Parameter
from cascade.cli.usage import whole


def typed(command: Command) -> Callable[..., None]:
    """Return a function whose signature says to typer what a command is called with."""

    def call(**values: Any) -> None:
        command.function(**values)

    places = [_place(each) for each in command.parameters]
    call.__name__, call.__doc__ = command.name, command.function.__doc__
    call.__signature__ = Signature(places)  # type: ignore[attr-defined]
    call.__annotations__ = {place.name: place.annotation for place in places}
    return call


def _place(parameter: Parameter) -> Place:
    kind: Any
    default: Any
    if isinstance(parameter, Argument):
        how = typer.Argument(metavar=parameter.metavar, help=parameter.help)
        default = Place.empty if parameter.needed else parameter.default
        kind = str | None if default is None else str
    elif isinstance(parameter, Option):
        default = parameter.default
        kind = str | None if default is None else int
        how = typer.Option(
            *parameter.flags,
            metavar=parameter.metavar,
            help=parameter.help,
            parser=None if default is None else whole(least=1),
        )
    else:
        how, kind, default = typer.Option(parameter.flag, help=parameter.help), bool, False
    return Place(
        parameter.name, Place.KEYWORD_ONLY, default=default, annotation=Annotated[kind, how]
    )
