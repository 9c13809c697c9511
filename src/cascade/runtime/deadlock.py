"""Deadlocks: tasks that hold what they wait for, by way of the runs that they have started.

Requests never deadlock on each other, as nothing is held while waiting. But a task may hold a slot
and wait in a run of its own whose tasks need that slot. Only a new waiter can close such a circle,
so it is looked for when one comes, and only if it comes from inside of a task that holds something.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cascade.runtime.explanations import waiters

if TYPE_CHECKING:
    from cascade.runtime.grant_queue import GrantQueue
    from cascade.runtime.lanes import Resource
    from cascade.runtime.ticket import Request, Ticket


def may_deadlock(request: Request) -> bool:
    """Whether so much is held by tasks that wait themselves that the request might never go."""
    return any(
        resource.meter is None and resource.limit and resource.limit - resource.blocked < units
        for resource, units in request.pairs
    )


def find_deadlock(queue: GrantQueue, new: Ticket) -> str | None:
    """Return the circle that a new waiter closes, in words; None if it closes none.

    A holder is stuck if its task waits in a run or an acquire of which a waiter is stuck. A waiter
    is stuck if there wouldn't be enough for it even if all holders that aren't stuck gave back
    what they hold. Whoever a person (a pause) or time (a rate, a time-out) can help isn't stuck.
    """
    under: dict[Ticket, list[Ticket]] = {}
    stuck: dict[Ticket, None] = {}
    for waiter in waiters(queue):
        if waiter.timed or any(resource.limit == 0 for resource, _ in waiter.request.pairs):
            continue
        stuck[waiter] = None
        attempt = waiter.attempt
        while attempt is not None:
            if attempt.ticket is not None and attempt.inside:
                under.setdefault(attempt.ticket, []).append(waiter)
            attempt = attempt.parent
    while new in stuck:
        holders = [ticket for ticket, below in under.items() if any(w in stuck for w in below)]
        held: dict[Resource, int] = {}
        for ticket in holders:
            for resource, units in ticket.request.pairs:
                held[resource] = held.get(resource, 0) + units
        free = [waiter for waiter in stuck if not _lacking(waiter, held)]
        if not free:
            return _in_words(new, stuck, under, held)
        for waiter in free:
            del stuck[waiter]
    return None


def _lacking(waiter: Ticket, held: dict[Resource, int]) -> list[Resource]:
    """Return of what there isn't enough for a waiter as long as that much is held."""
    return [
        resource
        for resource, units in waiter.request.pairs
        if resource.meter is None
        and resource.limit is not None
        and resource.limit - held.get(resource, 0) < units
    ]


def _in_words(
    new: Ticket,
    stuck: dict[Ticket, None],
    under: dict[Ticket, list[Ticket]],
    held: dict[Resource, int],
) -> str:
    sentences = []
    told: dict[Ticket, None] = {}
    asked = [new]
    for waiter in asked:
        for resource in _lacking(waiter, held):
            holders = [
                ticket
                for ticket in under
                if any(other is resource for other, _ in ticket.request.pairs)
            ]
            names = " and ".join(repr(ticket.owner) for ticket in holders)
            sentences.append(f"{waiter.owner!r} waits for {resource.name!r}, held by {names}")
            for ticket in holders:
                if ticket in told:
                    continue
                told[ticket] = None
                below = [w for w in under[ticket] if w in stuck]
                waits_for = " and ".join(repr(w.owner) for w in below)
                sentences.append(f"{ticket.owner!r} waits for {waits_for}")
                asked += [w for w in below if w not in asked]
    return "; ".join(dict.fromkeys(sentences))
