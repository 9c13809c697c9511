"""A log that several programs write at the same time, of two files at most.

A line that would make the file larger than `LARGEST_FILE` begins a new one; the full one stays as
the older one, in the place of the one before. No writer ever waits for another one, who may have
been stopped.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

LARGEST_FILE = 1024 * 1024
"""Bytes of each of the two files, at most."""


def older(file: Path) -> Path:
    """Return where what was written before is: log.1.jsonl for log.jsonl."""
    return file.with_name(f"{file.stem}.1{file.suffix}")


def append(file: Path, line: str) -> None:
    """Add a line, which has its end.

    Raises:
        OSError: it can't be written.
    """
    data = line.encode("utf-8", "backslashreplace")
    # What two others have put aside while this one wrote is gone: then it is written again.
    while not _appended(file, data):
        pass


def _appended(file: Path, data: bytes) -> bool:
    """Add a line; whether it is in one of the files after that."""
    descriptor = _opened(file)
    try:
        size = os.fstat(descriptor).st_size
        if size and size + len(data) > LARGEST_FILE and _put_aside(file, descriptor):
            os.close(descriptor)
            descriptor = _opened(file)
        # One write of a short line to the end of a file isn't mixed up with those of others.
        rest = data
        while rest:
            rest = rest[os.write(descriptor, rest) :]
        return _is_at(file, descriptor) or _is_at(older(file), descriptor)
    finally:
        os.close(descriptor)


def _opened(file: Path) -> int:
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW
    return os.open(file, flags, 0o600)


def _put_aside(file: Path, descriptor: int) -> bool:
    """Make a full file the older one; False if somebody else is about to do so."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    # Whoever has the lock is the only one who could move it.
    if _is_at(file, descriptor):
        os.replace(file, older(file))
    return True


def _is_at(file: Path, descriptor: int) -> bool:
    """Whether an open file is the one of a name."""
    try:
        found = os.lstat(file)
    except FileNotFoundError:
        return False
    return os.path.samestat(found, os.fstat(descriptor))


def read(file: Path) -> Iterator[str]:
    """Return the lines of both files, the oldest first.

    Raises:
        OSError: they can't be read.
    """
    lines = None
    while lines is None:
        lines = _lines(file)
    yield from lines


def _lines(file: Path) -> list[str] | None:
    """Return all lines; None if one was put aside meanwhile."""
    before = older(file)
    try:
        with before.open(encoding="utf-8", errors="replace", newline="\n") as text:
            lines = text.read().split("\n") + _lines_of(file)
            return lines if _is_at(before, text.fileno()) else None
    except FileNotFoundError:
        lines = _lines_of(file)
        return None if before.exists() else lines


def _lines_of(file: Path) -> list[str]:
    try:
        return file.read_text(encoding="utf-8", errors="replace").split("\n")
    except FileNotFoundError:
        return []
