"""Where programs that can be steered are found: one socket each, in a directory of their user."""

from __future__ import annotations

import errno
import os
import re
import socket
import stat
import sys
import tempfile
from pathlib import Path

from cascade.errors import ControlError
from cascade.spec.checks import shown

DIRECTORY_VARIABLE = "CASCADE_CONTROL_DIR"
"""The environment variable that says where the sockets are."""
SUFFIX = ".sock"
LOG = "log.jsonl"
"""The file in the directory to which every command and its effect is added; when it is full, it
becomes `log.1.jsonl`."""
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_LONGEST_PATH = 100
"""Bytes of a path to a socket that every system takes."""


def directory() -> Path:
    """Return where the sockets of this user are; it may not exist yet."""
    named = os.environ.get(DIRECTORY_VARIABLE)
    if named:
        return Path(named)
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    if runtime and _is_own_directory(runtime):
        return Path(runtime) / "cascade"
    return Path(tempfile.gettempdir()) / f"cascade-{os.geteuid()}"


def _is_own_directory(path: str) -> bool:
    # With `su` the variable may still be that of another user, who could put anything there.
    try:
        found = os.stat(path)
    except OSError:
        return False
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid()


def private_directory() -> Path:
    """Make that directory, with mode 0700, and return it.

    Raises:
        ControlError: there is something else of that name, or others could enter it.
    """
    place = directory()
    try:
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise ControlError(f"the control directory {place} can't be made: {error}") from error
    check_private(place)
    return place


def checked_directory() -> Path:
    """Return where the sockets of this user are, and check it if it exists.

    Raises:
        ControlError: it is open to others.
    """
    place = directory()
    if os.path.lexists(place):
        check_private(place)
    return place


def check_private(place: Path) -> None:
    """Check that nobody else could put something into a directory, or reach what is in it.

    Raises:
        ControlError: somebody could; or it isn't a directory.
    """
    try:
        found = place.lstat()
    except OSError as error:
        raise ControlError(f"the control directory {place} can't be used: {error}") from error
    if not stat.S_ISDIR(found.st_mode):
        raise ControlError(f"the control directory {place} is something else than a directory")
    if found.st_uid != os.geteuid():
        raise ControlError(f"the control directory {place} belongs to another user")
    if found.st_mode & 0o077:
        raise ControlError(
            f"the control directory {place} is open to others: its mode must be 0700, "
            f"it is {stat.S_IMODE(found.st_mode):04o}"
        )


def check_program_name(name: object) -> str:
    """Return the name of a program if it is one.

    Raises:
        TypeError, ValueError: it isn't.
    """
    if not isinstance(name, str):
        raise TypeError(f"name must be a string, got {shown(name)}")
    if not _NAME.fullmatch(name):
        raise ValueError(
            "name must be of up to 64 letters, digits, dots, dashes and underscores, and begin "
            f"with a letter or digit, got {shown(name)}"
        )
    return name


def name_of_this_program() -> str:
    """Return a name for this program: that of its script, and the number of its process."""
    script = Path(sys.argv[0] or "python").stem if sys.argv else "python"
    if script in ("__main__", "-c", "-m", ""):
        script = "python"
    cleaned = re.sub(r"[^A-Za-z0-9._-]+", "-", script).strip("-._") or "python"
    return f"{cleaned[:48]}-{os.getpid()}"


def socket_path(place: Path, name: str) -> Path:
    """Return the path of the socket of a program.

    Raises:
        ControlError: it is longer than a socket's path may be.
    """
    path = place / f"{name}{SUFFIX}"
    if len(os.fsencode(path)) > _LONGEST_PATH:
        raise ControlError(
            f"the path of the control socket, {path}, is longer than {_LONGEST_PATH} bytes: "
            f"name a shorter directory with {DIRECTORY_VARIABLE}"
        )
    return path


def is_alive(path: Path) -> bool:
    """Whether somebody listens on a socket."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1.0)
        try:
            probe.connect(str(path))
        except OSError as error:
            # A full backlog, or one who is slow: somebody is there.
            return error.errno not in (errno.ENOENT, errno.ECONNREFUSED, errno.ENOTSOCK)
    return True
