"""The command `observatory replay`: a record of the fireflies, once more.

``python -m observatory.experiments.run_replay run.arrow --speed 4``
"""

from __future__ import annotations

from observatory.experiments.command import take_ctrl_c

if __name__ == "__main__":
    take_ctrl_c()  # before the imports below, which take a while

import math
import os
import sys
from typing import TYPE_CHECKING, Annotated

from observatory.experiments import console, options
from observatory.experiments.opening import open_record
from observatory.experiments.report import print_moment
from observatory.visualization.terminal import can_show

# isort: split
import typer  # after the console, which says what is missing

if TYPE_CHECKING:
    from observatory.records.reader import Record

__all__ = ["app", "main"]

_console = console.Console("replay")

app = console.application()
"""The command line as a typer application."""


@app.command(
    help="Show a record: in a terminal as a picture, elsewhere as a line for each of its seconds."
)
def replay(
    file: Annotated[str, typer.Argument(metavar="FILE", help="What --record has written.")],
    speed: Annotated[
        float,
        options.number_option(
            "--speed", metavar="X", help="How many of its seconds go by in a second, at first."
        ),
    ] = 1.0,
) -> None:
    """Show a record."""
    if not 0 < speed < math.inf:
        _console.refuse(f"--speed must be finite and above 0, got {speed!r}")
    record = open_record(_console, file)
    if not can_show(sys.stdout, os.environ):
        _print_lines(record)
        return
    from observatory.experiments.replay_view import ReplayView

    exit_code = console.run(ReplayView(record, speed).run(), virtual=False)
    if exit_code:
        raise typer.Exit(exit_code)


def _print_lines(record: Record) -> None:
    """Print a line for each second of a record; if it is shorter than one, for its end."""
    from observatory.experiments.replay_view import moment
    from observatory.records.playback import Playback

    playback = Playback(record)
    for second in range(1, math.floor(record.end) + 1):
        playback.seek(second)
        print_moment(moment(playback))
    if record.end < 1:
        playback.seek(record.end)
        print_moment(moment(playback))


def main() -> None:
    """Run the command `observatory replay`; see `Console.main` for its exit codes."""
    _console.main(app)


if __name__ == "__main__":
    main()
