"""Terminal: the real one, written to without ever waiting for it, and put back as it was."""

from __future__ import annotations

import asyncio
import os
import select
import termios
from collections.abc import Mapping
from contextlib import suppress
from time import monotonic, sleep
from typing import Any, TextIO

_ENTER = b"\x1b[?1049h\x1b[?25l\x1b[?7l\x1b[2J"
"""Another screen, no cursor, no wrapping at the end of a line."""
_LEAVE = b"\x1b[m\x1b[?7h\x1b[?25h\x1b[?1049l"
_PATIENCE = 1.0
"""Seconds that a terminal that takes nothing is waited for when it is put back."""
_ARRIVING = 0.01
"""Seconds that what was written last gets to arrive, while no Ctrl-C can drop it."""
_CANCEL = b"\x18"
"""Ends an escape sequence that was cut off."""


_taken_over: set[Terminal] = set()
"""Those that are to be put back before the program may end."""


def put_back_all() -> None:
    """Put back all terminals that are taken over; for a program that ends where it stands."""
    for terminal in list(_taken_over):
        terminal.leave()


class TerminalClosedError(Exception):
    """The terminal has gone away."""


class Terminal:
    """A terminal as a screen that takes bytes when it can.

    It is opened anew by its name, so that its being non-blocking concerns nobody else.

    Args:
        descriptor: of the terminal, such as that of stdout.

    Raises:
        OSError: it isn't a terminal, or can't be opened.
    """

    def __init__(self, descriptor: int) -> None:
        flags = os.O_RDWR | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
        self._descriptor = os.open(os.ttyname(descriptor), flags)
        self._before: list[Any] | None = None
        self._rest = b""
        self._loop: asyncio.AbstractEventLoop | None = None

    def enter(self) -> None:
        """Take the terminal over: another screen, keys one by one and unseen.

        Raises:
            TerminalClosedError: it has gone away.
        """
        try:
            self._before = termios.tcgetattr(self._descriptor)
            attributes = termios.tcgetattr(self._descriptor)
            attributes[3] &= ~(termios.ECHO | termios.ICANON)
            # Otherwise Ctrl-C drops what is under way to the screen, such as the end of it all.
            attributes[3] |= termios.NOFLSH
            attributes[6][termios.VMIN], attributes[6][termios.VTIME] = 1, 0
            termios.tcsetattr(self._descriptor, termios.TCSANOW, attributes)
        except termios.error as error:
            raise TerminalClosedError from error
        _taken_over.add(self)
        self._rest = _ENTER
        self.flush()

    def leave(self) -> None:
        """Put everything back; what it hasn't taken yet is dropped. Again, it does nothing.

        A terminal that takes nothing is waited for a second at most. Where a signal interrupts
        this, it can be done again.
        """
        before = self._before
        if before is None:
            return
        self._stop_waiting()
        cut_off, self._rest = bool(self._rest), b""
        try:
            if cut_off:
                # Nobody is to wait until the rest of a picture has been read that is about to go.
                termios.tcflush(self._descriptor, termios.TCOFLUSH)
            rest = _CANCEL + _LEAVE if cut_off else _LEAVE
            give_up = monotonic() + _PATIENCE
            while rest and monotonic() < give_up:
                try:
                    rest = rest[os.write(self._descriptor, rest) :]
                except BlockingIOError:
                    select.select([], [self._descriptor], [], 0.05)
            sleep(_ARRIVING)
            termios.tcsetattr(self._descriptor, termios.TCSANOW, before)
        except (OSError, termios.error):
            pass  # it has gone away: there is nothing to put back
        self._before = None
        _taken_over.discard(self)

    def close(self) -> None:
        """Put everything back and let go of the terminal."""
        self.leave()
        os.close(self._descriptor)

    @property
    def busy(self) -> bool:
        """Whether it hasn't yet taken all of what was written."""
        return bool(self._rest)

    def size(self) -> tuple[int, int]:
        """Return columns and rows.

        Raises:
            TerminalClosedError: it has gone away.
        """
        try:
            size = os.get_terminal_size(self._descriptor)
        except OSError as error:
            raise TerminalClosedError from error
        return size.columns or 80, size.lines or 24

    def keys(self) -> bytes:
        """Return what was typed since the last call.

        Raises:
            TerminalClosedError: it has gone away.
        """
        try:
            typed = os.read(self._descriptor, 1024)
        except BlockingIOError:
            return b""
        except OSError as error:
            raise TerminalClosedError from error
        if not typed:
            raise TerminalClosedError
        return typed

    def write(self, data: bytes) -> None:
        """Write as much as the terminal takes now, and the rest when it takes more.

        Only while it isn't `busy`.

        Raises:
            TerminalClosedError: it has gone away.
        """
        assert not self._rest
        self._rest = data
        self.flush()
        loop = asyncio.get_running_loop()
        # On virtual time the next frame tries again: that loop watches no files.
        if self._rest and not getattr(loop, "virtual", False):
            self._loop = loop
            loop.add_writer(self._descriptor, self._continue)

    def flush(self) -> None:
        """Write as much of the rest as the terminal takes now.

        Raises:
            TerminalClosedError: it has gone away.
        """
        try:
            while self._rest:
                self._rest = self._rest[os.write(self._descriptor, self._rest) :]
        except BlockingIOError:
            return
        except OSError as error:
            self._rest = b""
            raise TerminalClosedError from error

    def _continue(self) -> None:
        with suppress(TerminalClosedError):  # the next frame finds it out
            self.flush()
        if not self._rest:
            self._stop_waiting()

    def _stop_waiting(self) -> None:
        loop, self._loop = self._loop, None
        if loop is not None and not loop.is_closed():
            loop.remove_writer(self._descriptor)


def can_show(stream: TextIO | None, environment: Mapping[str, str]) -> bool:
    """Whether a stream goes to a terminal that can show a view: in front, with a movable cursor.

    Args:
        stream: such as ``sys.stdout``, which is None when it was closed before the start.
        environment: such as ``os.environ``; tells the kind of terminal.
    """
    if stream is None or not stream.isatty() or environment.get("TERM", "") in ("", "dumb"):
        return False
    if "utf" not in stream.encoding.lower():
        return False
    try:
        os.ttyname(stream.fileno())  # a terminal without a name can't be opened
    except OSError:
        return False
    try:
        return os.tcgetpgrp(stream.fileno()) == os.getpgrp()
    except OSError:
        return True  # it isn't the one that starts and stops this program
