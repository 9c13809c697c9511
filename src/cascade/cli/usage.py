"""Arguments that the command can't be called with: one line, and exit code 2."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import typer
from typer.core import TyperGroup

WRONG_USE = 2
"""The exit code."""
USAGE_ERROR: Any = typer.BadParameter.__mro__[1]
"""What is raised about the arguments; it has no public name in typer."""


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
