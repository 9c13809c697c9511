"""Audit: who has asked for what, when, with which effect, and how it is taken back."""

from __future__ import annotations

import json
import os
import pwd
from collections import deque
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

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
    """How the command came: "socket", "web", "mqtt" or "program"."""

    def __str__(self) -> str:
        return f"{self.user} ({self.way})"


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
        file: where entries are added as lines of JSON, if anywhere.
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
            _append(self._file, json.dumps(entry.as_dict(), ensure_ascii=False) + "\n")
        return entry


def _append(file: Path, line: str) -> None:
    # One write of a short line to the end of a file isn't mixed up with those of others.
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW
    descriptor = os.open(file, flags, 0o600)
    try:
        rest = line.encode("utf-8", "backslashreplace")
        while rest:
            rest = rest[os.write(descriptor, rest) :]
    finally:
        os.close(descriptor)


def read_trail(file: Path) -> Iterator[dict[str, Any]]:
    """Return the entries of a file, oldest first; lines that are none are passed over."""
    try:
        lines = file.read_text(encoding="utf-8", errors="replace").split("\n")
    except FileNotFoundError:
        return
    for line in lines:
        try:
            entry = json.loads(line)
        except ValueError:
            continue  # cut off by a crash
        if isinstance(entry, dict) and {"when", "program", "command", "effect"} <= entry.keys():
            yield entry
