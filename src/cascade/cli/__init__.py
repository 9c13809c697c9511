"""The command `cascade`: runs, plans and draws the workflows of a file."""

from __future__ import annotations

import errno
import importlib.util
import os
import sys

from cascade.errors import MissingExtraError
from cascade.standard_streams import open_closed_streams

NEEDED = ("typer", "rich")
"""The packages that the extra `cli` brings."""


def main() -> None:
    """Run the command with the arguments of the process, and end the process.

    Without the packages of the extra it says so in one line, and ends with code 2.
    """
    open_closed_streams()
    try:
        require()
    except MissingExtraError as error:
        print(f"error: {error}", file=sys.stderr)
        raise SystemExit(2) from None
    try:
        if _answered(sys.argv[1:]):
            return
        from cascade.cli.command import app

        app(prog_name="cascade")
    except KeyboardInterrupt:  # before there is a command that could tell of it
        raise SystemExit(130) from None
    except OSError as error:
        if error.errno != errno.EPIPE:  # whoever reads has gone away
            # Without the name of a file it is of what was printed, such as a help text.
            what = error if error.filename else f"the output can't be written: {error.strerror}"
            print(f"error: {what}", file=sys.stderr)
        # What is still buffered has nowhere to go, and mustn't fail once more at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(1) from None


def _answered(words: list[str]) -> bool:
    """Answer a command that steers if it is plain; whether it was. It doesn't wait for typer."""
    from cascade.cli.declared import plainly_read
    from cascade.cli.steering import COMMANDS

    for command in COMMANDS:
        if words[:1] == [command.name]:
            values = plainly_read(command, words[1:])
            if values is None:
                return False
            try:
                command.function(**values)
            finally:
                sys.stdout.flush()
            return True
    return False


def require() -> None:
    """Check that what the command needs is installed.

    Raises:
        MissingExtraError: naming the package that is missing, and the extra.
    """
    for package in NEEDED:
        if importlib.util.find_spec(package) is None:
            raise MissingExtraError("the command cascade", package, "cli")
