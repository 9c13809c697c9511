"""Opening a record for a command: what can't be shown is refused in one line."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from cascade.errors import MissingExtraError
from observatory.experiments.console import Console
from observatory.extras import require

if TYPE_CHECKING:
    from observatory.records.reader import Record


def check_installed(console: Console, *packages: str) -> None:
    """Refuse to go on without packages, in one line that names the extra that brings them.

    Raises:
        typer.Exit: one of them isn't installed.
    """
    try:
        require(console.program, *packages)
    except MissingExtraError as error:
        console.refuse(str(error))


def open_record(console: Console, filename: str) -> Record:
    """Return the record in a file; say so if it breaks off.

    Raises:
        typer.Exit: there is none, or nothing in it.
    """
    check_installed(console, "pyarrow")
    from observatory.records.format import RecordError
    from observatory.records.reader import read_record

    try:
        record = read_record(filename)
    except RecordError as error:
        console.refuse(f"{filename} {error}")
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        console.refuse(f"FILE must be a record that can be read, got {filename!r}: {reason}")
    if record.empty:
        console.refuse(f"{filename} holds nothing but a header: its run ended before it had begun")
    if not record.complete:
        print(
            f"{console.program}: {filename} breaks off after {record.end:.1f} s "
            "(or is still being written); it is shown as far as it goes",
            file=sys.stderr,
        )
    return record
