"""Watched: one program as it is watched: the last picture, the course, and whether it is there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cascade.cli.watching.figures import duration
from cascade.cli.watching.panels import Course
from cascade.cli.watching.picture import Picture, picture_of

SLOW = 2.0
"""Seconds that a snapshot may be late before that is said."""


class Watched:
    """What is known of a program.

    Args:
        name: what it is called.
        every: seconds from one snapshot to the next.
        clock: returns seconds that only ever grow.
    """

    def __init__(self, name: str, every: float, clock: Callable[[], float]) -> None:
        self.name = name
        """What it is called."""
        self.picture: Picture | None = None
        """The last picture, also of one that has ended."""
        self.course = Course()
        """How its rates went."""
        self.is_there = False
        """Whether it is connected."""
        self._every = every
        self._clock = clock
        self._heard = clock()
        self._gone: str | None = None

    def begin(self) -> None:
        """It is tried to reach it, from now on."""
        self._heard = self._clock()

    def take(self, snapshot: dict[str, Any]) -> bool:
        """Take a snapshot; return whether it comes from another process than the last one."""
        before, self.picture = self.picture, picture_of(snapshot)
        is_new = before is not None and before.pid != self.picture.pid
        if is_new:
            self.course = Course()
        self.course.add(self.picture)
        self._heard, self._gone, self.is_there = self._clock(), None, True
        return is_new

    def lose(self, reason: str) -> bool:
        """It can't be heard any more; return whether that is news."""
        news, self.is_there = self.is_there or self._gone is None, False
        if news:
            self._gone = reason
        return news

    @property
    def said(self) -> str:
        """What has to be said of it; nothing if all is well."""
        if self._gone is not None:
            return "THE LAST PICTURE" if self.picture is not None else "NOT THERE"
        late = self._clock() - self._heard
        expected = self._every if self.picture is None else max(self._every, self.picture.every)
        if late > expected + SLOW:
            return f"NO ANSWER FOR {duration(round(late))}: BUSY"
        return "" if self.is_there else "connecting …"
