"""Gauge: how much gets done, counted only while somebody watches."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING

from cascade.runtime.events import TaskFinished, TaskStepped

if TYPE_CHECKING:
    from cascade.runtime.bus import MessageBus
    from cascade.runtime.run import Run


WINDOW = 1.0
"""Seconds that a rate is for at least, once so many have passed."""


class Gauge:
    """Counts the tasks that end and the steps they make, on the buses of engines."""

    def __init__(self) -> None:
        self.tasks = 0
        """Tasks that have ended since the beginning."""
        self.steps = 0
        """Steps since the beginning."""
        self._marks: deque[tuple[float, int, int]] = deque()
        self._ends: dict[int, tuple[MessageBus, list[Callable[[], None]], set[int]]] = {}

    def listen(self, run: Run) -> None:
        """Count what the bus of a run tells from now on, until its last run here has ended."""
        bus = run.engine.bus
        if id(bus) not in self._ends:
            ends = [
                bus.subscribe(TaskFinished, self._ended),
                bus.subscribe(TaskStepped, self._stepped),
            ]
            self._ends[id(bus)] = bus, ends, set()
        self._ends[id(bus)][2].add(id(run))

    def run_ended(self, run: Run) -> None:
        """A run has ended."""
        identity = id(run.engine.bus_in_use)
        if identity in self._ends:
            _, ends, runs = self._ends[identity]
            runs.discard(id(run))
            if not runs:
                del self._ends[identity]
                for end in ends:
                    end()

    def rates(self, now: float) -> dict[str, float]:
        """Return how many tasks end and how many steps are made in a second, of late.

        That is over the last `WINDOW` or somewhat more, whoever else asks meanwhile.

        Args:
            now: the time, in seconds on the clock of the loop.
        """
        marks = self._marks
        while len(marks) > 1 and marks[1][0] <= now - WINDOW:
            marks.popleft()
        if not marks or now - marks[-1][0] >= WINDOW / 20:
            marks.append((now, self.tasks, self.steps))
        since, tasks, steps = marks[0]
        seconds = now - since
        if seconds <= 0:
            return {"tasks": 0.0, "steps": 0.0}
        return {"tasks": (self.tasks - tasks) / seconds, "steps": (self.steps - steps) / seconds}

    def close(self) -> None:
        """Listen no longer, so that no events are made any more."""
        for _, ends, _ in self._ends.values():
            for end in ends:
                end()
        self._ends.clear()

    def _ended(self, event: TaskFinished) -> None:
        self.tasks += 1

    def _stepped(self, event: TaskStepped) -> None:
        self.steps += 1
