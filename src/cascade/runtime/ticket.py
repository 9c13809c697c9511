"""Ticket: one request to a resource manager, first as a waiter, then as a holder."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cascade.errors import ResourceError
from cascade.spec.amounts import from_units

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Mapping

    from cascade.runtime.attempts import Attempt
    from cascade.runtime.lanes import Lane, Resource
    from cascade.runtime.resource_manager import ResourceManager
    from cascade.runtime.rules import Asker

WAITING, HELD, RELEASED, WITHDRAWN = range(4)
_WORDS = ("waiting", "held", "released", "withdrawn")


class Request:
    """Amounts of resources, checked and looked up once; it can be made many times."""

    __slots__ = ("names", "pairs")

    def __init__(self, pairs: tuple[tuple[Resource, int], ...]) -> None:
        self.pairs = pairs
        """(resource, units) for each resource that is wanted."""
        if len(pairs) == 1:
            self.names = pairs[0][0].alone
        else:
            self.names = frozenset([resource.name for resource, _ in pairs])
        """The set of resources: requests with the same set wait in one lane."""

    @property
    def amounts(self) -> dict[str, float]:
        """What is asked for, by name."""
        return {resource.name: from_units(units) for resource, units in self.pairs}


class Ticket:
    """What was granted, and the way to give it back.

    It remembers exactly what was taken, and gives exactly that back, whatever happened to the
    limits meanwhile.
    """

    __slots__ = (
        "__weakref__",
        "aside",
        "asker",
        "attempt",
        "future",
        "key",
        "lane",
        "manager",
        "passed",
        "request",
        "resuming",
        "settled",
        "since",
        "standing",
        "state",
        "suspended",
        "timed",
    )

    # Filled in only for a ticket that has to wait: an uncontended one never needs them.
    aside: Resource | None
    attempt: Attempt | None
    future: asyncio.Future[None] | None
    key: int
    lane: Lane
    passed: int
    since: float
    standing: list[Resource]
    timed: bool
    # Filled in only when capacities are given back for a while: whether they are queued for
    # again, and whether they are given back now.
    resuming: bool
    suspended: bool
    # Filled in only when an estimate is corrected: the units that were spent really.
    settled: dict[Resource, int]

    def __init__(self, manager: ResourceManager, request: Request, asker: str | Asker) -> None:
        self.manager = manager
        self.request = request
        self.asker = asker
        """Who asked: a task, or in words."""
        self.state = WAITING

    @property
    def owner(self) -> str:
        """Who asked, in words."""
        return str(self.asker)

    @property
    def amounts(self) -> dict[str, float]:
        """What it is for, by resource."""
        return self.request.amounts

    def release(self) -> None:
        """Give back what was taken. Whoever fits now is granted at once.

        Raises:
            ResourceError: it was given back already, was never granted, or this is another
                thread than the manager's.
        """
        if self.state != HELD:
            raise ResourceError(
                f"{self!r} can't be released: it is {_WORDS[self.state]}"
                + (" already" if self.state == RELEASED else "")
            )
        self.manager.give_back(self)

    def settle(self, amounts: Mapping[str, float] | None = None, /, **spent: float) -> None:
        """Say what was really spent of budgets that were asked for by an estimate.

        The difference is put back, or taken; what is left may go below 0 by that. It may be said
        again, before or after the release: the last time counts.

        Args:
            amounts: what was spent, by name, for names that can't be keywords.
            **spent: what was spent, by name.

        Raises:
            TypeError: an amount isn't a number.
            ValueError: an amount isn't finite and ≥ 0, or a name is no budget of this ticket.
            ResourceError: the ticket was never granted, or this is another thread than the
                manager's.
        """
        if self.state not in (HELD, RELEASED):
            raise ResourceError(f"{self!r} can't be settled: it is {_WORDS[self.state]}")
        self.manager.settle(self, {**(amounts or {}), **spent})

    def __repr__(self) -> str:
        amounts = ", ".join(f"{name}={amount:g}" for name, amount in self.amounts.items())
        return f"<Ticket {amounts or 'nothing'} of {self.owner} ({_WORDS[self.state]})>"
