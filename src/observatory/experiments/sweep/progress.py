"""Progress: how many runs of a sweep are done, run and are left, and how long that will take."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import monotonic
from typing import TextIO

from rich.console import Console
from rich.live import Live
from rich.text import Text

import cascade as cs
from cascade.runtime.events import TaskEvent, TaskFinished, TaskStarted

PICTURE_S = 0.2
"""Seconds from one picture on a terminal to the next."""
LINE_S = 5.0
"""Seconds from one line elsewhere to the next."""


class Progress:
    """Tells on a terminal how far a sweep is, and elsewhere by a line now and then.

    Args:
        total: how many runs the sweep has.
        there: how many of them were finished before.
        stream: where it is told; stderr by default. None of the program (closed): nowhere.
        clock: returns seconds; `time.monotonic` by default.
    """

    def __init__(
        self,
        total: int,
        there: int,
        stream: TextIO | None = None,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self.total = total
        """How many runs there are."""
        self.done = there
        """How many of them are finished."""
        self.failed = 0
        """How many have failed."""
        self.running = 0
        """How many run now."""
        self._there = there
        self._clock = clock
        self._began = clock()
        self._stream: TextIO | None = sys.stderr if stream is None else stream
        self._live: Live | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._told = ""

    @property
    def left(self) -> int:
        """How many haven't begun."""
        return self.total - self.done - self.failed - self.running

    @contextmanager
    def following(self, bus: cs.MessageBus) -> Iterator[None]:
        """Follow the runs of a map, in the block; there must be a running loop."""
        unsubscribe = bus.subscribe(TaskEvent, self.receive)
        self._began = self._clock()
        if self._stream is not None and self._stream.isatty():
            console = Console(file=self._stream)
            self._live = Live(console=console, auto_refresh=False, transient=True)
            self._live.start()
        self._tell()
        try:
            yield
        finally:
            unsubscribe()
            if self._timer is not None:
                self._timer.cancel()
            if self._live is not None:
                self._live.stop()
            self.running = 0
            self._say()

    def receive(self, event: TaskEvent) -> None:
        """Take note of a child of the map that begins or ends."""
        if not event.task_id.endswith("]"):
            return
        if isinstance(event, TaskStarted):
            self.running += 1
        elif isinstance(event, TaskFinished):
            self.running -= 1
            self.done += event.status == "succeeded"
            self.failed += event.status == "failed"

    def line(self) -> str:
        """Return how far it is."""
        parts = [f"{self.done:,} of {self.total:,} done"]
        if self.failed:
            parts.append(f"{self.failed:,} failed")
        if self.running:
            parts.append(f"{self.running:,} running")
        parts.append(f"{self.left:,} left")
        if (seconds := self.remaining()) is not None:
            parts.append(f"ETA {clock_time(seconds)}")
        return " · ".join(parts)

    def remaining(self) -> float | None:
        """Return how long it will take, in seconds, if it goes on as it went.

        None while no run has ended, and when all have.
        """
        ended = self.done + self.failed - self._there
        todo = self.left + self.running
        if not ended or not todo:
            return None
        return (self._clock() - self._began) / ended * todo

    def _tell(self) -> None:
        if self._live is not None:
            self._live.update(Text(self.line(), no_wrap=True, overflow="ellipsis"), refresh=True)
        else:
            self._say()
        pause = LINE_S if self._live is None else PICTURE_S
        self._timer = asyncio.get_running_loop().call_later(pause, self._tell)

    def _say(self) -> None:
        line = self.line()
        if self._stream is not None and line != self._told:
            print(line, file=self._stream, flush=True)
            self._told = line


def clock_time(seconds: float) -> str:
    """Return a time as on a clock: minutes and seconds, from an hour on with hours."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
