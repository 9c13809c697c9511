"""Strictness: a run on real time that is too late to be worth anything ends with an error."""

from __future__ import annotations

from collections.abc import Callable

from observatory.ticks import Ticks

EXIT_CODE = 3
"""The exit code of a command that was too late."""


class TooLateError(Exception):
    """Flashes were later than they were allowed to be.

    Args:
        lateness: what 99 % of the latest flashes weren't later than, in seconds.
        limit: how late they were allowed to be, in seconds.
        time: when that was seen, in seconds since the start.
    """

    def __init__(self, lateness: float, limit: float, time: float) -> None:
        super().__init__(
            f"lateness p99 was {lateness * 1000:,.1f} ms after {time:.0f} s, "
            f"and must be at most {limit * 1000:g} ms"
        )
        self.lateness = lateness
        """What 99 % of the latest flashes weren't later than, in seconds."""
        self.limit = limit
        """How late they were allowed to be, in seconds."""
        self.time = time
        """When that was seen, in seconds since the start."""


async def until_too_late(start: float, limit: float, lateness: Callable[[], float | None]) -> None:
    """Look at the lateness once a second.

    Args:
        start: when the experiment starts, in seconds on the loop's clock.
        limit: how large it may be, in seconds.
        lateness: returns it in seconds; None while there is none.

    Raises:
        TooLateError: it is larger.
    """
    ticks = Ticks(start, 1.0)
    while True:
        now = await ticks.next()
        late = lateness()
        if late is not None and late > limit:
            raise TooLateError(late, limit, now - start)
