"""Census: which tasks of a manager run and which wait, as far as somebody cares."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cascade.runtime.rules import Asker
from cascade.runtime.ticket import HELD, WAITING, Ticket

if TYPE_CHECKING:
    from cascade.runtime.resource_manager import ResourceManager
    from cascade.runtime.run import Run


@dataclass(frozen=True, slots=True)
class Census:
    """How many tasks run and how many wait."""

    running: int = 0
    """Those under way, with all that they need."""
    waiting: int = 0
    """Those that wait for resources, or for a rule."""

    def __add__(self, other: Census) -> Census:
        return Census(self.running + other.running, self.waiting + other.waiting)

    @property
    def all(self) -> int:
        """Both together."""
        return self.running + self.waiting

    def __str__(self) -> str:
        verb = "tasks match" if self.all != 1 else "task matches"
        goes = "go on" if self.running != 1 else "goes on"
        return f"{self.all} {verb}; {self.running} running {goes}, {self.waiting} wait"


def take(manager: ResourceManager, counts: Callable[[Asker], bool]) -> Census:
    """Count the tasks of a manager that a function is true for."""
    waiting = {
        (asker.run, asker.node)
        for _, asker in askers(manager, WAITING)
        if asker.node >= 0 and counts(asker)
    }
    running = sum(
        1
        for run in manager.running()
        for node in run.running()
        if (run, node) not in waiting and counts(run.asker(node))
    )
    return Census(running, len(waiting))


def askers(manager: ResourceManager, state: int) -> Iterator[tuple[Ticket, Asker]]:
    """Return the tickets of tasks in a state, and whose they are."""
    for ticket in manager.tickets():
        if ticket.state == state and isinstance(ticket.asker, Asker):
            yield ticket, ticket.asker


def holders(manager: ResourceManager) -> dict[str, dict[str, float]]:
    """Return who holds how much of each resource: by resource, then by owner."""
    found: dict[str, dict[str, float]] = {}
    for ticket in manager.tickets():
        if ticket.state == HELD:
            for name, amount in ticket.amounts.items():
                of_name = found.setdefault(name, {})
                of_name[ticket.owner] = of_name.get(ticket.owner, 0.0) + amount
    return found


def runs_waiting(manager: ResourceManager) -> dict[Run, int]:
    """Return how many tasks of each run wait."""
    found: dict[Run, int] = {}
    for _, asker in askers(manager, WAITING):
        found[asker.run] = found.get(asker.run, 0) + 1
    return found
