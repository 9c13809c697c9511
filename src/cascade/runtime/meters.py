"""Meters: what a resource that doesn't come back on release has left, counted in whole units."""

from __future__ import annotations

import math
from typing import Literal

from cascade.spec.amounts import UNITS

OnEmpty = Literal["wait", "fail"]
"""What happens to who asks for more than is left: they wait, or get an error."""


class Rate:
    """A bucket of at most `burst` units that fills with time.

    It keeps an anchor, a time at which it was full, and a whole number of units that were spent
    since, so that no error piles up. It is the generic cell rate algorithm in its form as a leaky
    bucket (ITU-T I.371, annex A).

    Args:
        per_second: how much comes back in a second, as an amount.
        burst: how many units there are at most.
    """

    __slots__ = ("anchor", "burst", "latest", "per_second", "reached", "spent")

    def __init__(self, per_second: float, burst: int) -> None:
        self.per_second = per_second
        """What comes back in a second, as an amount."""
        self.burst = burst
        """Units there are at most."""
        self.anchor: float | None = None
        """When it was full, in seconds on the loop's clock; None while nothing was spent."""
        self.spent = 0
        """Units spent since then."""
        self.latest = -math.inf
        """When something was last taken, or the setting changed."""
        self.reached = -math.inf
        """The latest time a timer of this rate has stood for: some loops' timers go off early."""

    def due(self, units: int) -> float:
        """Return when so many units are there at once, in seconds; infinite if never."""
        if units > self.burst:
            return math.inf
        return self._come(units)

    def turn(self, units: int, now: float) -> float:
        """Return when so many units will have come, if they are taken as they come, in seconds."""
        if self._come(self.burst) <= max(now, self.reached):
            return now + max(0, units - self.burst) / (self.per_second * UNITS)
        return max(now, self._come(units))

    def _come(self, units: int) -> float:
        missing = self.spent + units - self.burst
        if missing <= 0:
            return -math.inf
        anchor = self.reached if self.anchor is None else self.anchor
        return anchor + missing / (self.per_second * UNITS)

    def allows(self, units: int, now: float) -> bool:
        """Whether so many units are there at a time."""
        return self.due(units) <= max(now, self.reached)

    def spend(self, units: int, now: float) -> None:
        """Take units out at a time."""
        now = max(now, self.reached)
        if self.anchor is None or self.due(self.burst) < now:
            self.anchor, self.spent = now, 0
        self.spent += units
        self.latest = now

    def level(self, now: float) -> int:
        """Return the units that are there at a time, up to what a float can tell."""
        if self.anchor is None:
            return self.burst
        gained = max(0.0, max(now, self.reached) - self.anchor) * self.per_second * UNITS
        return min(self.burst, self.burst - self.spent + math.floor(gained))

    def change(self, per_second: float, burst: int, now: float) -> None:
        """Go on with another speed and size from a time on, with the units that are there."""
        if self.anchor is not None:
            level = min(self.level(now), burst)
            self.anchor = self.latest = max(now, self.reached, self.anchor)
            self.spent = burst - level
        self.per_second, self.burst = per_second, burst

    def move_to(self, now: float) -> None:
        """Go on with another clock, which shows `now`.

        If that begins again, there is what there was when something was last taken.
        """
        if self.anchor is not None and now < self.latest:
            self.spent = self.burst - self.level(self.latest)
            self.anchor = self.latest = now
        self.reached = -math.inf


class Budget:
    """An amount that is spent and never comes back by itself.

    Args:
        remaining: the units that there are.
        on_empty: whether who asks for more than is left waits or fails.
    """

    __slots__ = ("most_wanted", "on_empty", "remaining")

    def __init__(self, remaining: int, on_empty: OnEmpty) -> None:
        self.remaining = remaining
        """Units that are left; negative if a settlement took more than there was."""
        self.on_empty: OnEmpty = on_empty
        """What happens to who asks for more."""
        self.most_wanted = 0
        """At least as many units as any first waiter wants: as long as more is left, spending
        some makes nobody's request hopeless."""

    def allows(self, units: int, now: float) -> bool:
        """Whether so many units are left."""
        return units <= self.remaining

    def spend(self, units: int, now: float) -> None:
        """Take units away; negative ones are put back."""
        self.remaining -= units
