"""Ticks: regular times that don't drift."""

from __future__ import annotations

import asyncio
import math

from cascade.runtime.timers import wait_until


class Ticks:
    """The ends of the parts of an interval, counted from a start on the running loop's clock.

    Args:
        start: where counting begins, in seconds on the loop's clock.
        interval: how long an interval is, in seconds.
        parts: into how many equal parts it is divided.
    """

    def __init__(self, start: float, interval: float, parts: int = 1) -> None:
        self.count = 0
        """The number of the latest tick; the first is 1."""
        self._start = start
        self._interval = interval
        self._parts = parts

    async def next(self) -> float:
        """Wait for the next tick and return its time, in seconds.

        Ticks that the loop was kept from are left out, and others get to run in any case.
        """
        loop = asyncio.get_running_loop()
        passed = math.floor((loop.time() - self._start) / self._interval * self._parts)
        self.count = max(self.count, passed) + 1
        when = self._start + self.count * self._interval / self._parts
        if when <= loop.time():
            await asyncio.sleep(0)
        await wait_until(when)
        return when
