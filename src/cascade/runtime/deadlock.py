"""Deadlocks: tasks that hold what they wait for, by way of the runs that they have started.

Requests never deadlock on each other, as nothing is held while waiting. But a task may hold a slot
and wait in a run of its own whose tasks need that slot. A new waiter can close such a circle, so it
is looked for when one comes from inside of a task that holds something; and a lowered limit or a
rule can, so it is looked for when these change.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cascade.runtime.explanations import waiters

if TYPE_CHECKING:
    from cascade.runtime.grant_queue import GrantQueue
    from cascade.runtime.lanes import Resource
    from cascade.runtime.ticket import Request, Ticket


Held = dict["Resource", int]
Under = dict["Ticket", list["Ticket"]]


def may_deadlock(queue: GrantQueue, request: Request) -> bool:
    """Whether so much is held by tasks that wait themselves that the request might never go."""
    if queue.has_charged:  # what these hold was changed while they waited
        return True
    for resource, units in request.pairs:
        limit = resource.limit
        if resource.meter is None and limit and limit - resource.blocked < units:
            return True
    return False


def find_deadlock(queue: GrantQueue, new: Ticket) -> str | None:
    """Return the circle that a new waiter closes, in words; None if it closes none."""
    stuck, under, held = _stuck(queue)
    return _in_words(new, stuck, under, held) if new in stuck else None


def find_any_deadlock(queue: GrantQueue) -> tuple[Ticket, str] | None:
    """Return the latest waiter that is part of a circle, and the circle; None if there is none."""
    stuck, under, held = _stuck(queue)
    inside = [waiter for below in under.values() for waiter in below if waiter in stuck]
    if not inside:
        return None
    latest = max(inside, key=lambda waiter: waiter.since)
    return latest, _in_words(latest, stuck, under, held)


def _stuck(queue: GrantQueue) -> tuple[dict[Ticket, None], Under, Held]:
    """Return the waiters that can never go, whom each waiting holder waits for, and what it holds.

    A holder is stuck if its task waits in a run or an acquire of which a waiter is stuck. A waiter
    is stuck if there wouldn't be enough for it even if all holders that aren't stuck gave back
    what they hold. Whoever a person (a pause) or time (a rate, a time-out) can help isn't stuck.
    """
    under: Under = {}
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
    held: Held = {}
    while under:
        held = {}
        for ticket, below in under.items():
            if any(waiter in stuck for waiter in below):
                for resource, units in ticket.request.pairs:
                    held[resource] = held.get(resource, 0) + units
        free = [waiter for waiter in stuck if not _lacking(waiter, held)]
        if not free:
            return stuck, under, held
        for waiter in free:
            del stuck[waiter]
    return {}, {}, {}


def _lacking(waiter: Ticket, held: Held) -> list[Resource]:
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
    under: Under,
    held: Held,
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
