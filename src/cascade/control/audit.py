"""Audit: who has asked for what, when, with which effect, and how it is taken back."""

from __future__ import annotations

import json
import pwd
from collections import deque
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cascade.control import log_file

KEPT = 1000
"""How many entries a program remembers."""


@dataclass(frozen=True, slots=True)
class Who:
    """Somebody who steers."""

    user: str
    """The name of the user."""
    process: int | None
    """The number of the process, if it is known."""
    way: str
    """How the command came: "socket" or "program"."""
    via: str | None = None
    """What is said to have asked for it, such as "cascade ui". Nobody has checked that: it is the
    user who is known."""

    def __str__(self) -> str:
        return f"{self.user} ({self.way}{'' if self.via is None else f', via {self.via}'})"


def user_name(uid: int) -> str:
    """Return the name of a user, or the number where there is none."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the trail."""

    when: str
    """The time by the calendar, UTC, ISO 8601."""
    program: str
    """Which program was told."""
    who: Who
    """Who has told it."""
    command: str
    """What was asked for, as one would type it."""
    effect: str
    """What came of it; that of one that was refused begins with "refused: "."""
    undo: str | None
    """The command that takes it back, if there is one."""

    def as_dict(self) -> dict[str, Any]:
        """Return it as plain data."""
        return asdict(self)


class Trail:
    """The entries of one program: the latest ones, and a file to which each is added.

    Args:
        program: the name of the program.
        file: where entries are added as lines of JSON, if anywhere; see `cascade.control.log_file`.
    """

    def __init__(self, program: str, file: Path | None) -> None:
        self.program = program
        """The name of the program."""
        self.entries: deque[Entry] = deque(maxlen=KEPT)
        """The latest entries, oldest first."""
        self._file = file

    def add(self, who: Who, command: str, effect: str, undo: str | None = None) -> Entry:
        """Add an entry.

        Raises:
            OSError: the file can't be written.
        """
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        entry = Entry(now, self.program, who, command, effect, undo)
        self.entries.append(entry)
        if self._file is not None:
            line = json.dumps(entry.as_dict(), ensure_ascii=False) + "\n"
            log_file.append(self._file, line)
        return entry


def read_trail(file: Path) -> Iterator[dict[str, Any]]:
    """Return the entries of a file and of the one before, oldest first.

    Lines that are none are passed over.
    """
    for line in log_file.read(file):
        try:
            entry = json.loads(line)
        except ValueError:
            continue  # cut off by a crash
        if isinstance(entry, dict) and {"when", "program", "command", "effect"} <= entry.keys():
            yield entry
