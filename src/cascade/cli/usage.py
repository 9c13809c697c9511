"""Arguments that the command can't be called with: one line, and exit code 2."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from typing import Any, TypeVar

import typer
from typer.core import TyperGroup

from cascade.spec.checks import shown

E = TypeVar("E", bound=StrEnum)

WRONG_USE = 2
"""The exit code."""
USAGE_ERROR: Any = typer.BadParameter.__mro__[1]
"""What is raised about the arguments; it has no public name in typer."""


def whole(least: int) -> Callable[[Any], int]:
    """Return what reads the whole numbers, of at least so much, that an option gives."""

    def read(text: Any) -> int:
        try:
            number = int(text)
        except ValueError:
            number = least - 1
        if number < least:
            raise typer.BadParameter(f"must be a whole number ≥ {least}, got {shown(text)}")
        return number

    return read


def one_of(words: type[E]) -> Callable[[Any], E]:
    """Return what reads the words that an option takes."""

    def read(text: Any) -> E:
        try:
            return words(text)
        except ValueError:
            raise typer.BadParameter(
                f"must be one of {', '.join(words)}, got {shown(text)}"
            ) from None

    return read


class Commands(TyperGroup):
    """Commands that tell in one line what is wrong with their arguments."""

    def make_context(self, *args: Any, **kwargs: Any) -> Any:
        """Read the arguments before the name of the command."""
        with _told():
            return super().make_context(*args, **kwargs)

    def invoke(self, ctx: Any) -> Any:
        """Read the arguments behind it, and call it."""
        with _told():
            return super().invoke(ctx)


@contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except USAGE_ERROR as error:
        said = error.format_message()
        if error.ctx is not None and said == error.ctx.get_help():
            raise  # for the lack of any argument: it lists them
        text = f"error: {said[:1].lower()}{said[1:]}".rstrip(".")
        command = "cascade" if error.ctx is None else error.ctx.command_path
        if hasattr(error, "option_name") and command.endswith((" run", " plan")):
            text += "; options of the workflow itself come after --"
        typer.echo(f"{text} (see {command} --help)", err=True)
        raise typer.Exit(WRONG_USE) from None
