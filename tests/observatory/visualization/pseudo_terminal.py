"""A real terminal for the tests of the view, with somebody who types and reads at its other end."""

from __future__ import annotations

import asyncio
import fcntl
import os
import select
import struct
import sys
import termios
from collections.abc import Callable, Coroutine
from contextlib import suppress
from time import monotonic
from typing import Any, TypeVar

import pytest

ENTER, LEAVE = b"\x1b[?1049h\x1b[?25l\x1b[?7l", b"\x1b[m\x1b[?7h\x1b[?25h\x1b[?1049l"
LIMIT_S = 10.0
"""How long anything that is waited for may take, in seconds."""

T = TypeVar("T")


class Pty:
    """A terminal, and somebody who types and reads."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.keyboard, self.screen = os.openpty()
        self.output = b""
        self.resize(80, 24)
        self.before = termios.tcgetattr(self.screen)
        self.stdout = os.fdopen(os.dup(self.screen), "w", encoding="utf-8")
        monkeypatch.setenv("TERM", "xterm-256color")
        monkeypatch.setenv("COLORTERM", "truecolor")
        monkeypatch.delenv("NO_COLOR", raising=False)

    def run(self, main: Coroutine[Any, Any, T], how: Callable[..., T] = asyncio.run) -> T:
        """Run something whose stdout is this terminal."""
        ours = sys.stdout
        sys.stdout = self.stdout
        try:
            return how(main)
        finally:
            sys.stdout = ours

    def resize(self, columns: int, rows: int) -> None:
        fcntl.ioctl(self.screen, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def type(self, keys: bytes) -> None:
        os.write(self.keyboard, keys)

    def read(self, patience: float = 0.0) -> bytes:
        """Read what there is, and go on until nothing has come for a while."""
        while select.select([self.keyboard], [], [], patience)[0]:
            self.output += os.read(self.keyboard, 65536)
        return self.output

    def read_until(self, ending: bytes) -> bytes:
        """Read until what was read ends like this."""
        give_up = monotonic() + LIMIT_S
        while not self.read(0.01).endswith(ending):
            assert monotonic() < give_up, self.output[-500:]
        return self.output

    def hang_up(self) -> None:
        """Close the terminal, as closing its window does."""
        os.close(self.keyboard)
        self.keyboard = -1

    async def until(self, condition: Callable[[], bool]) -> None:
        """Read, and let the view run, until a condition holds."""
        loop = asyncio.get_running_loop()
        give_up = loop.time() + LIMIT_S
        while not condition():
            assert loop.time() < give_up, self.output[-500:]
            self.read()
            await asyncio.sleep(0.01)

    def check_restored(self) -> None:
        self.read_until(LEAVE)
        assert self.output.count(ENTER) == self.output.count(LEAVE) == 1
        assert termios.tcgetattr(self.screen) == self.before

    def close(self) -> None:
        with suppress(OSError):
            self.stdout.close()
        for descriptor in (self.keyboard, self.screen):
            if descriptor >= 0:
                os.close(descriptor)
