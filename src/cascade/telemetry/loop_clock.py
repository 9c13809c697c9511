"""LoopClock: times on an event loop's clock as nanoseconds since 1970, which spans want."""

from __future__ import annotations

import asyncio
import time


class LoopClock:
    """Moves all times of a loop by the same amount, so that durations stay exactly as they are.

    While nothing is open it is set anew, so that a process that runs for months follows the
    corrections of the system's clock. On virtual time it stays: there an hour may pass at once, and
    what comes after it stands after it.
    """

    __slots__ = ("_offset", "open")

    def __init__(self) -> None:
        self._offset: int | None = None
        self.open = 0
        """How many runs on the loop are under way."""

    def begin(self, loop: asyncio.AbstractEventLoop) -> None:
        """A run begins on the loop, which must be the one of this clock."""
        if self._offset is None or (not self.open and not getattr(loop, "virtual", False)):
            self._offset = time.time_ns() - nanoseconds(loop.time())
        self.open += 1

    def __call__(self, seconds: float) -> int:
        """Return a time of the loop, in seconds, as nanoseconds since 1970."""
        assert self._offset is not None
        return self._offset + nanoseconds(seconds)


def nanoseconds(seconds: float) -> int:
    """Return seconds as whole nanoseconds."""
    return round(seconds * 1e9)
