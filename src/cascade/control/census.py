"""Census: which tasks of a manager run and which wait, as far as somebody cares."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cascade.runtime.rules import Asker
from cascade.runtime.run import ENDED, PENDING, SKIPPED, STARTED
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
    # One that was granted this very moment hasn't begun, but will whatever happens now.
    running = {
        (asker.run, asker.node)
        for _, asker in askers(manager, HELD)
        if asker.node >= 0 and _is_about_to_begin(asker) and counts(asker)
    }
    running.update(
        (run, node)
        for run in manager.running()
        for node in run.running()
        if (run, node) not in waiting and counts(run.asker(node))
    )
    return Census(len(running - waiting), len(waiting))


def _is_about_to_begin(asker: Asker) -> bool:
    return asker.run.states[asker.node] == PENDING


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


def states(manager: ResourceManager) -> dict[Run, dict[str, int]]:
    """Return how many tasks of each run are in each state, in the order in which runs began.

    The children of a map count as tasks of its run, and the map itself counts as none while it has
    children.
    """
    waiting: dict[tuple[Run, int], Asker] = {}
    for _, asker in askers(manager, WAITING):
        waiting[asker.run, asker.node] = asker
    moved: dict[
        Run, list[int]
    ] = {}  # how many wait that have begun; that haven't; that are about to
    for run, node in waiting:
        moved.setdefault(run, [0, 0, 0])[run.states[node] == PENDING] += 1
    for _, asker in askers(manager, HELD):
        if _is_about_to_begin(asker) and (asker.run, asker.node) not in waiting:
            moved.setdefault(asker.run, [0, 0, 0])[2] += 1
    running = sorted(manager.running(), key=lambda run: (run.serial, run.is_part))
    found: dict[Run, dict[str, int]] = {}
    whole: dict[str, int] | None = None
    serial = None
    for run in running:
        begun, fresh, granted = moved.get(run, (0, 0, 0))
        count = run.states.count
        own = {
            "waiting": begun + fresh,
            "running": count(STARTED) - begun + granted,
            "pending": count(PENDING) - fresh - granted,
            "ended": count(ENDED),
            "skipped": count(SKIPPED),
        }
        if run.is_part and whole is not None and run.serial == serial:
            for state, number in own.items():
                whole[state] += number
            whole["running"] -= 1
        else:
            found[run] = whole = own
            serial = run.serial
    return found
