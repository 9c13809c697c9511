"""RunRecord: what became of the tasks of a run, written down as it happens."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Protocol

from cascade.graph.render import Outcome, State
from cascade.runtime.events import (
    Event,
    RunFinished,
    RunStarted,
    TaskFinished,
    TaskSkipped,
    TaskStarted,
)

if TYPE_CHECKING:
    from cascade.graph.model import Graph


class Bus(Protocol):
    """What a record listens to; a `MessageBus` is one."""

    def subscribe(
        self, event_type: type[Any], handler: Callable[[Any], None], /
    ) -> Callable[[], None]:
        """Call `handler` with each event; return what ends that."""


class RunRecord:
    """Writes down what becomes of the tasks of a run, for `cs.visualize(target, run=record)`.

    It follows one run at a time: the first that begins while it follows none, and not the runs
    that begin meanwhile on the same bus, such as those inside of tasks. The next run after that
    takes its place.

    Args:
        bus: the bus of the run, before the run begins.

    Raises:
        TypeError: `bus` has no `subscribe`.
    """

    def __init__(self, bus: Bus) -> None:
        if not callable(getattr(bus, "subscribe", None)):
            raise TypeError(f"bus must be a MessageBus, got {bus!r}")
        self.run_id: str | None = None
        """The run that is written down; None before the first one."""
        self.finished = False
        """Whether it has ended."""
        self._outcomes: dict[str, Outcome] = {}
        self._names: dict[str, str] = {}
        self._unsubscribe = bus.subscribe(Event, self._receive)

    @property
    def outcomes(self) -> Mapping[str, Outcome]:
        """What became of each task, by the id that events have; a view that grows as it runs."""
        return MappingProxyType(self._outcomes)

    def close(self) -> None:
        """Stop listening; what was written down stays. Calling it again does nothing."""
        self._unsubscribe()

    def outcomes_in(self, graph: Graph) -> dict[int, Outcome]:
        """Return what became of each node of a graph, by its number.

        Raises:
            ValueError: no run was written down, or it was the run of another graph.
        """
        if self.run_id is None:
            raise ValueError(
                "run holds no run: make the RunRecord before the run begins, with the bus that "
                "the run gets, as in cs.run(target, bus=bus)"
            )
        numbers = {graph.id_of(node): node for node in range(len(graph))}
        found: dict[int, Outcome] = {}
        for identity, outcome in self._outcomes.items():
            if identity.endswith("]"):
                continue  # a child of a map
            node = numbers.get(identity)
            if node is None or graph.nodes[node].name != self._names[identity]:
                raise ValueError(
                    f"run is the record of another workflow: {self._names[identity]!r} "
                    f"({identity}) isn't in the target"
                )
            found[node] = outcome
        return found

    def _receive(self, event: Event) -> None:
        if isinstance(event, RunStarted):
            if self.run_id is None or self.finished:
                self.run_id, self.finished = event.run_id, False
                self._outcomes.clear()
                self._names.clear()
        elif event.run_id != self.run_id:
            return
        elif isinstance(event, TaskStarted):
            self._note(event, Outcome(State.RUNNING))
        elif isinstance(event, TaskFinished):
            self._note(event, Outcome(State(event.status), event.duration))
        elif isinstance(event, TaskSkipped):
            was_late = event.reason == "Cancelled"
            self._note(event, Outcome(State.NEVER_STARTED if was_late else State.SKIPPED))
        elif isinstance(event, RunFinished):
            self.finished = True

    def _note(self, event: TaskStarted | TaskFinished | TaskSkipped, outcome: Outcome) -> None:
        self._outcomes[event.task_id] = outcome
        self._names[event.task_id] = event.task_name
