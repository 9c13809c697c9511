"""What the commands of the experiments have in common: errors, signals, the clock."""

from __future__ import annotations

import asyncio
import errno
import io
import os
import random
import stat
import sys
from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from typing import Any, NoReturn

from cascade import testing
from cascade.errors import ControlError
from cascade.standard_streams import open_closed_streams
from observatory.experiments.command import take_ctrl_c
from observatory.experiments.ending import EndedBySignal, until_signalled
from observatory.extras import require

require("observatory.experiments", "numpy", "typer")

import typer  # noqa: E402 - after the line that says what is missing

called_as: ContextVar[str | None] = ContextVar("observatory_called_as", default=None)
"""How the command is called that runs, if that is another name than its own."""


def some_seed() -> int:
    """Return a seed that nobody has chosen."""
    return random.SystemRandom().randrange(2**32)


def application(**options: Any) -> typer.Typer:
    """Return a command line without the ornaments of typer."""
    return typer.Typer(
        add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False, **options
    )


class Console:
    """What a command says to whoever has called it.

    Args:
        program: the name of the command, which stands before its errors.
    """

    def __init__(self, program: str) -> None:
        self._program = program

    @property
    def program(self) -> str:
        """The name of the command: the one that it is called by, or else its own."""
        return called_as.get() or self._program

    def refuse(self, message: str) -> NoReturn:
        """End the command with exit code 2 and one line.

        Raises:
            typer.Exit: always.
        """
        print(f"{self.program}: {message}", file=sys.stderr)
        raise typer.Exit(2)

    @contextmanager
    def refusing(self, option: str, name: str) -> Iterator[None]:
        """Refuse the file that an option names if it can't be opened in the block."""
        try:
            yield
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else error
            self.refuse(f"{option} must be a file that can be written, got {name!r}: {reason}")

    def check_files(self, files: Mapping[str, str | None]) -> None:
        """Refuse files that can't be written or are named twice, before anything runs.

        Args:
            files: names by option; None for an option that wasn't given.

        Raises:
            typer.Exit: one is refused; those that were made to see that are removed again.
        """
        options: dict[tuple[int, int], str] = {}
        made: list[str] = []
        try:
            for option, name in files.items():
                if name is None:
                    continue
                with self.refusing(option, name):
                    if not os.path.lexists(name):
                        made.append(name)
                    status = _opened(name)
                other = options.setdefault((status.st_dev, status.st_ino), option)
                # Two may well share what isn't kept, such as /dev/null.
                if other != option and stat.S_ISREG(status.st_mode):
                    self.refuse(f"{option} must be another file than {other}, got {name!r}")
        except typer.Exit:
            for name in made:
                with suppress(OSError):
                    os.unlink(name)
            raise

    def main(self, app: typer.Typer) -> NoReturn:
        """Run the command and end the program.

        One line and exit code 2 for a wrong option; exit code 130 after Ctrl-C, and in the same
        way 128 and its number after another signal; exit code 1 when something can't be written,
        whoever reads the output has gone away, or a program of the name that was given runs.
        """
        try:
            take_ctrl_c()
            open_closed_streams()
            if isinstance(sys.stdout, io.TextIOWrapper):
                # The bar, in an encoding that has no blocks.
                sys.stdout.reconfigure(errors="replace")
            outcome = app(standalone_mode=False)
            print(end="", flush=True)
        except (KeyboardInterrupt, typer.Abort):
            sys.exit(130)
        except ControlError as error:  # the name that was given is taken
            print(f"{self.program}: {error}", file=sys.stderr)
            sys.exit(1)
        except OSError as error:
            if error.errno not in (errno.EPIPE, errno.EIO):
                what = error.strerror or error
                if error.filename is not None:
                    what = f"{error.filename!r}: {what}"
                print(f"{self.program}: {what}", file=sys.stderr)
            if sys.stdout is not None:
                # What is still buffered has nowhere to go, and mustn't fail once more at exit.
                os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            sys.exit(1)
        except Exception as error:
            # Typer's own errors know how to put themselves into one line; all others are bugs.
            one_line = getattr(error, "format_message", None)
            if one_line is None:
                raise
            print(f"{self.program}: {one_line()}", file=sys.stderr)
            sys.exit(2)
        sys.exit(outcome if isinstance(outcome, int) else 0)


def run(work: Coroutine[Any, Any, Any], *, virtual: bool) -> int:
    """Run an experiment in real or on virtual time, and return the exit code.

    Ctrl-C and the other signals that end a program cancel it; that isn't an error.
    """
    factory: Callable[[], asyncio.AbstractEventLoop]
    if virtual:
        factory = testing.virtual_loop
    else:
        try:
            import uvloop
        except ModuleNotFoundError:  # it isn't made for every platform
            factory = asyncio.new_event_loop
        else:
            factory = uvloop.new_event_loop
    whole = until_signalled(work)
    try:
        with asyncio.Runner(loop_factory=factory) as runner:
            runner.run(whole)
    except KeyboardInterrupt:
        return 130
    except EndedBySignal as ended:
        return 128 + ended.number
    finally:
        # Ctrl-C may have come before they were begun; otherwise this does nothing.
        whole.close()
        work.close()
    return 0


def _opened(name: str) -> os.stat_result:
    """Open a file for writing, make it if it isn't there, and return what it is."""
    descriptor = os.open(name, os.O_WRONLY | os.O_CREAT, 0o666)
    try:
        return os.fstat(descriptor)
    finally:
        os.close(descriptor)
