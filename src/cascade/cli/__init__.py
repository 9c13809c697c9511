"""The command `cascade`: runs, plans and draws the workflows of a file."""

from __future__ import annotations

import importlib.util
import sys

from cascade.errors import MissingExtraError

NEEDED = ("typer", "rich")
"""The packages that the extra `cli` brings."""


def main() -> None:
    """Run the command with the arguments of the process, and end the process.

    Without the packages of the extra it says so in one line, and ends with code 2.
    """
    try:
        require()
    except MissingExtraError as error:
        print(f"error: {error}", file=sys.stderr)
        raise SystemExit(2) from None
    try:
        from cascade.cli.command import app

        app(prog_name="cascade")
    except KeyboardInterrupt:  # before there is a command that could tell of it
        raise SystemExit(130) from None


def require() -> None:
    """Check that what the command needs is installed.

    Raises:
        MissingExtraError: naming the package that is missing, and the extra.
    """
    for package in NEEDED:
        if importlib.util.find_spec(package) is None:
            raise MissingExtraError("the command cascade", package, "cli")
