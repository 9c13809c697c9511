"""Experiment: the life that experiments have in common, from the start to the summary."""

from __future__ import annotations

import asyncio
import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine, Iterator
from time import monotonic
from typing import Any, Generic, TypeVar

from observatory.experiments.until_first import until_first

S = TypeVar("S")


class Experiment(ABC, Generic[S]):
    """One experiment. Who inherits from it says what there is to do, and what came out.

    Args:
        view: runs beside the agents; when it returns, the experiment ends in order.
    """

    def __init__(self, view: Callable[[Any], Coroutine[Any, Any, None]] | None = None) -> None:
        self.begun = False
        """Whether there is something to tell of."""
        self._view = view
        self._loop: asyncio.AbstractEventLoop | None = None
        self._start = 0.0
        """When it starts, in seconds on the loop's clock."""
        self._now = 0.0
        """Until when time has passed, as far as was taken note of, on that clock."""
        self._over = math.inf
        """When it is over at the latest, in seconds on the loop's clock."""
        self._began = self._ended = 0.0
        self._virtual = False

    @abstractmethod
    def _begin(self, loop: asyncio.AbstractEventLoop) -> None:
        """Make what the agents tell of themselves to; it starts at `_start`."""

    @abstractmethod
    async def _end(self) -> None:
        """Wait until it is over."""

    @abstractmethod
    def _lives(self) -> Iterator[Coroutine[Any, Any, Any]]:
        """Make the agents: the life of each."""

    @abstractmethod
    def _summary(self, duration: float, elapsed: float) -> S:
        """Return what came out so far.

        Args:
            duration: how long it has lasted on the loop's clock, in seconds.
            elapsed: how long that took in real time, in seconds.
        """

    def _companions(self) -> Iterator[tuple[str, Coroutine[Any, Any, Any]]]:
        """Make what runs beside the agents, in this order: the name and the work of each."""
        if self._view is not None:
            yield "view", self._view(self)

    def _lead(self) -> float:
        """Return how many seconds before the start agents are made, on real time."""
        return 0.0

    def _pass_time(self, now: float) -> None:
        """Take note that it is so late."""

    @property
    def clock(self) -> str:
        """The clock it runs on: "real" or "virtual"."""
        return "virtual" if self._virtual else "real"

    async def run(self) -> S:
        """Run the experiment to its end and return the summary.

        Cancelled, it stops all agents before it raises; `summary()` then tells how far it came.

        Raises:
            BaseException: what an agent raised, with a note that names it.
        """
        self._loop = loop = asyncio.get_running_loop()
        self._virtual = getattr(loop, "virtual", False)
        self._began = monotonic()
        self._start = self._now = loop.time() + (0.0 if self._virtual else self._lead())
        self._begin(loop)
        self.begun = True
        end = loop.create_task(self._end(), name="end")
        tasks: list[asyncio.Task[Any]] = [end]
        tasks += [loop.create_task(work, name=name) for name, work in self._companions()]
        tasks += map(loop.create_task, self._lives())

        def stop_the_clock() -> None:
            # A timer may go off a little early, and a whole run is to be as long as it was to be.
            whole = end.done() and self._over < math.inf
            self._now = self._over if whole else self._time(loop)
            self._pass_time(self._now)

        try:
            await until_first(tasks, stop_the_clock)
        finally:
            self._ended = monotonic()
            self._loop = None
        return self.summary()

    def summary(self) -> S:
        """Return what came out so far.

        Raises:
            RuntimeError: the experiment hasn't begun.
        """
        if not self.begun:
            raise RuntimeError("the experiment hasn't begun: nothing is recorded yet")
        ended = self._ended
        if self._loop is not None:  # it is under way
            self._now, ended = self._time(self._loop), monotonic()
            self._pass_time(self._now)
        return self._summary(self._now - self._start, ended - self._began)

    def _time(self, loop: asyncio.AbstractEventLoop) -> float:
        """Return what time it is: not before the start, and not after the end."""
        return max(self._start, min(loop.time(), self._over))
