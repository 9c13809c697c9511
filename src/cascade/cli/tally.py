"""Tally: how many tasks of a run have ended, run, and wait for what."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from cascade.graph.model import Graph
from cascade.runtime.bus import MessageBus
from cascade.runtime.events import (
    TaskBlocked,
    TaskEvent,
    TaskFinished,
    TaskSkipped,
    TaskStarted,
    TaskUnblocked,
)


class Tally:
    """Counts what the events of a run tell. Each event costs a few look-ups, however many tasks.

    Args:
        bus: the bus of the run, before it begins.
        graph: what is run.
    """

    def __init__(self, bus: MessageBus, graph: Graph) -> None:
        self.total = sum(lazy.is_call for lazy in graph.nodes)
        """How many calls there are, without the children of maps."""
        self.ended: Counter[str] = Counter()
        """How many calls have "succeeded", "failed", were "cancelled" or "skipped"."""
        self.children = 0
        """How many children of maps have ended."""
        self.running: set[str] = set()
        """The ids of those that run; a map doesn't count while its children do the work."""
        self.waiting_for: Counter[str] = Counter()
        """How many wait for each resource."""
        self.changed: Callable[[], None] | None = None
        """Called after each event, if somebody wants it."""
        self._blocked: dict[str, tuple[tuple[str, ...], bool]] = {}
        bus.subscribe(TaskEvent, self._receive)

    @property
    def waiting(self) -> int:
        """How many wait for resources."""
        return len(self._blocked)

    @property
    def is_over(self) -> bool:
        """Whether nothing is left to do, or the run is failing."""
        return self.ended["failed"] > 0 or self.ended.total() >= self.total

    def summary(self, elapsed: float) -> str:
        """Return the figures at the end of a run, as a line.

        Args:
            elapsed: how long it took, in seconds.
        """
        parts = [f"{count:,} {status}" for status, count in self.ended.items() if count]
        never = self.total - self.ended.total()
        if never > 0:
            parts.append(f"{never:,} not started")
        children = f" (and {self.children:,} mapped)" if self.children else ""
        said = ", ".join(parts) or "nothing to do"
        tasks = "1 task" if self.total == 1 else f"{self.total:,} tasks"
        return f"{tasks}{children}: {said}, in {elapsed:.1f} s"

    def _receive(self, event: TaskEvent) -> None:
        identity = event.task_id
        if isinstance(event, TaskStarted):
            self.running.add(identity)
            if identity.endswith("]"):
                self.running.discard(identity[: identity.rindex("[")])
        elif isinstance(event, TaskFinished):
            self.running.discard(identity)
            self._unblock(identity)
            self._end(identity, event.status)
        elif isinstance(event, TaskSkipped):
            self._unblock(identity)
            self._end(identity, "cancelled" if event.reason == "Cancelled" else "skipped")
        elif isinstance(event, TaskBlocked):
            self._unblock(identity)
            # One that has started before waits for its next step, or its next attempt.
            self._blocked[identity] = (event.blocked_on, identity in self.running)
            self.running.discard(identity)
            self.waiting_for.update(event.blocked_on)
        elif isinstance(event, TaskUnblocked) and self._unblock(identity):
            self.running.add(identity)
        if self.changed is not None:
            self.changed()

    def _end(self, identity: str, status: str) -> None:
        if identity.endswith("]"):
            self.children += 1
        else:
            self.ended[status] += 1

    def _unblock(self, identity: str) -> bool:
        """Forget that a task waits; whether it had been running."""
        names, had_run = self._blocked.pop(identity, ((), False))
        for name in names:
            self.waiting_for[name] -= 1
            if not self.waiting_for[name]:
                del self.waiting_for[name]
        return had_run
