"""The command `observatory plot`: a record of the fireflies as a figure.

``python -m observatory.experiments.run_plot run.arrow --out run.svg``
"""

from __future__ import annotations

from observatory.experiments.command import take_ctrl_c

if __name__ == "__main__":
    take_ctrl_c()  # before the imports below, which take a while

import os
from pathlib import Path
from typing import Annotated

from observatory.experiments import console, options
from observatory.experiments.opening import check_installed, open_record

# isort: split
import typer  # after the console, which says what is missing

__all__ = ["app", "main"]

_console = console.Console("plot")

app = console.application()
"""The command line as a typer application."""


@app.command(help="Draw a record: order, flashes, phases, lateness, and slots.")
def plot(
    file: Annotated[str, typer.Argument(metavar="FILE", help="What --record has written.")],
    out: Annotated[
        str | None,
        options.file_option(
            "--out",
            help="Where to draw it, ending in .svg or .png. Default: the record's name and .svg.",
        ),
    ] = None,
) -> None:
    """Draw a record into a file."""
    check_installed(_console, "pyarrow", "matplotlib")
    from observatory.records.plot import check_ending, save

    target = f"{Path(file).with_suffix('')}.svg" if out is None else out
    try:
        check_ending(target)
    except ValueError as error:
        _console.refuse(f"--out {error}")
    record = open_record(_console, file)
    if os.path.exists(target) and os.path.samefile(file, target):
        _console.refuse(f"--out must be another file than the record, got {target!r}")
    _console.check_files({"--out": target})
    save(record, target)
    print(target)


def main() -> None:
    """Run the command `observatory plot`; see `Console.main` for its exit codes."""
    _console.main(app)


if __name__ == "__main__":
    main()
