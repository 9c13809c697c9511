"""GrantQueue: the one rule by which everything that waits for a limit is granted.

A request names amounts of several resources and is granted all or nothing, at one instant;
nothing is held while waiting, so requests never deadlock on each other.

The rule. Tickets that want the same set of resources form a *lane*, in the order of their keys
(priority, then arrival), and only the first of a lane is looked at. It stands at a resource that
stops it and claims its amount there. A ticket may go if at every resource it wants, what is free
covers the claims standing there ahead of it plus its own amount.

When the resource it stands at has enough for it but another one stops it, it was passed over, and
moves there. After `PASS_OVERS` of that it *reserves*: it stands at all its rates and budgets while
one of them stops it, and once they suffice at its capacities too, so that nobody holds idle slots
for a token that comes tomorrow. Where only a person can help (a closed gate, a pause, a spent
budget) it stands there alone and claims nothing elsewhere. Who wants more than there will be steps
aside, blocks nobody, and comes back to its place when the limit allows.

With equal priorities, capacities only, and holding times of at most H, the first waiter overall is
granted within (PASS_OVERS + 1)·H.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, cast

from cascade.errors import InfeasibleRequestError
from cascade.runtime.lanes import RANKS, Lane, Resource
from cascade.runtime.meters import Budget, Rate
from cascade.runtime.ticket import HELD, WITHDRAWN, Request, Ticket
from cascade.spec.amounts import from_units

if TYPE_CHECKING:
    from cascade.runtime.resource_manager import ResourceManager
    from cascade.runtime.rules import Asker

PASS_OVERS = 2
"""How often a first waiter is passed over before it reserves at all its resources."""

Lines = dict[Resource, None]
"""Resources whose lines have to be looked at."""


class GrantQueue:
    """Who holds what, who waits where, and who goes next. No user code runs inside."""

    __slots__ = (
        "_held",
        "_lanes",
        "_loop",
        "_resources",
        "_spent",
        "_unarmed",
        "_waiting",
        "has_charged",
        "has_meters",
        "looks",
    )

    def __init__(self) -> None:
        self._resources: dict[str, Resource] = {}
        self._lanes: dict[frozenset[str], Lane] = {}
        self._held: dict[Ticket, None] = {}
        self._waiting = 0
        self._loop: asyncio.AbstractEventLoop | None = None
        # What is to be looked at before an operation ends: meters of which was taken, and rates
        # whose lines have changed.
        self._spent: Lines = {}
        self._unarmed: Lines = {}
        self.has_meters = False
        """Whether there has ever been a rate or a budget."""
        self.has_charged = False
        """Whether a rule has ever changed what somebody holds."""
        self.looks = 0
        """How many tickets standing in line were looked at so far: the work of the queue."""

    def _now(self) -> float:
        return 0.0 if self._loop is None else self._loop.time()

    # Granting and giving back

    def _take_back(self, request: Request) -> None:
        """Take back what was granted, and serve whom that lets go."""
        pairs = request.pairs
        if len(pairs) == 1:
            resource, units = pairs[0]
            resource.used -= units
            if resource.line and resource.meter is None and not self._serve_line(resource):
                self._settle({resource: None})
            return
        dirty = None
        for resource, units in pairs:
            resource.used -= units
            if resource.line and resource.meter is None:
                if dirty is None:
                    dirty = {resource: None}
                else:
                    dirty[resource] = None
        if dirty is not None:
            self._settle(dirty)

    def _grant(self, ticket: Ticket) -> None:
        ticket.state = HELD
        self._held[ticket] = None
        for resource, units in ticket.request.pairs:
            used = resource.used + units
            resource.used = used
            if used > resource.peak:
                resource.peak = used
            if resource.meter is not None:
                self._spend(resource, units)

    def _spend(self, resource: Resource, units: int) -> None:
        """Take units of a rate or a budget, and note that this may stop others."""
        meter = resource.meter
        if meter is None or resource.limit is None:
            return
        meter.spend(units, self._now())
        if resource.lanes or resource.aside:
            self._spent[resource] = None
            if type(meter) is Rate:
                self._unarmed[resource] = None

    def _settle(self, dirty: Lines) -> None:
        """Grant, move or set aside the waiters that changed lines let go, smallest key first."""
        while dirty or self._spent:
            if self._spent:
                self._look_at_spent(dirty)
            best = None
            for resource in tuple(dirty):
                ticket = self._ready_at(resource)
                if ticket is None:
                    del dirty[resource]
                elif best is None or ticket.key < best.key:
                    best = ticket
            if best is not None:
                self._advance(best, dirty)
        if self._unarmed:
            self._arm_timers()

    def _serve_line(self, resource: Resource) -> bool:
        """Serve a line while its first wants nothing else; whether that settles the line.

        This is what `_settle` does, written out for the most common case: a release of one
        capacity costs half of what it would cost there.
        """
        line, limit = resource.line, resource.limit
        while line:
            _, ticket, units = line[0]
            if limit is not None:
                free = limit - resource.used
                if free > 0:
                    self.looks += 1
                if free < units:
                    return True
            if ticket.request.names is not resource.alone:
                return False
            lane = ticket.lane
            lane.pop()
            lane.first = None
            ticket.standing.clear()
            self._serve(ticket)
            successor = lane.head()
            if successor is None:
                resource.claimed -= units
                del line[0]
                self._remove_lane(lane)
                continue
            wanted = successor.request.pairs[0][1]
            if (limit and wanted > limit) or (len(line) > 1 and line[1][0] < successor.key):
                resource.claimed -= units
                del line[0]
                self._find_first(lane, {})
            else:
                lane.first = successor
                successor.standing.append(resource)
                resource.claimed += wanted - units
                line[0] = (successor.key, successor, wanted)
        return True

    def _serve(self, ticket: Ticket) -> None:
        """Grant a ticket that has left its place, unless nobody is there to take it any more."""
        future = ticket.future
        self._unqueue(ticket)
        if future is None or future.done():
            # Cancelled, but its coroutine has not run yet: it must not be given anything.
            ticket.state = WITHDRAWN
            return
        waited = self._now() - ticket.since
        for resource, _ in ticket.request.pairs:
            resource.granted += 1
            resource.waited += waited
            if waited > resource.waited_most:
                resource.waited_most = waited
        self._grant(ticket)
        future.set_result(None)

    def _ready_at(self, resource: Resource) -> Ticket | None:
        """Return the first in a line for whom this resource has enough, behind earlier claims."""
        line = resource.line
        if not line:
            return None
        total, metered = 0, resource.meter is not None
        # What is free now, unless a meter has to be asked.
        free = 0 if metered or resource.limit is None else resource.limit - resource.used
        now = self._now() if metered else 0.0
        bounded = not metered and resource.limit is not None
        if free <= 0 if bounded else not resource.allows(1, now):
            return None
        for _, ticket, units in line:
            self.looks += 1
            total += units
            if total > free if bounded else not resource.allows(total, now):
                # Who is behind needs at least as much, and a little more.
                return None
            standing = ticket.standing
            if len(standing) == 1 or self._wanted_places(ticket) != standing:
                return ticket
        return None

    def _stopping(self, ticket: Ticket) -> Resource | None:
        """Return what stops a ticket, the slowest if there are several; None if nothing does."""
        stopping, lowest = None, 4
        key = ticket.key
        for resource, units in ticket.request.pairs:
            limit = resource.limit
            if limit is None:
                continue
            wanted = resource.claimed_ahead(key) + units if resource.line else units
            if resource.meter is None:
                if resource.used + wanted <= limit:
                    continue
            elif resource.allows(wanted, self._now()):
                continue
            rank = -1 if resource.is_closed() else RANKS[resource.kind]
            if rank < lowest:
                stopping, lowest = resource, rank
        return stopping

    def _wanted_places(self, ticket: Ticket) -> list[Resource]:
        """Return where a ticket is to stand as things are; nowhere if it may go."""
        stopping = self._stopping(ticket)
        return [] if stopping is None else self._places(ticket, stopping)

    def _places(self, ticket: Ticket, stopping: Resource) -> list[Resource]:
        """Return where a ticket is to stand, given what stops it."""
        if ticket.passed < PASS_OVERS or stopping.is_closed():
            return [stopping]
        only_slow = stopping.meter is not None
        return [
            resource
            for resource, _ in ticket.request.pairs
            if resource.limit is not None and (resource.meter is not None or not only_slow)
        ]

    def _advance(self, ticket: Ticket, dirty: Lines) -> None:
        """Grant a ticket whose place has enough for it, or move it to where it is stopped."""
        # Its place has enough, so only another resource could stop it.
        stopping = self._stopping(ticket) if len(ticket.request.pairs) > 1 else None
        self._leave_lines(ticket, dirty)
        if stopping is not None:
            ticket.passed += 1
            self._stand(ticket, self._places(ticket, stopping))
            return
        lane = ticket.lane
        lane.pop()
        lane.first = None
        self._serve(ticket)
        self._find_first(lane, dirty)

    def _stand(self, ticket: Ticket, places: list[Resource]) -> None:
        ticket.standing = places
        if len(places) == 1:
            (resource,) = places
            for other, units in ticket.request.pairs:
                if other is resource:
                    resource.join(ticket, units)
        else:
            at_capacities = any(resource.meter is None for resource in places)
            for resource, units in ticket.request.pairs:
                if resource in places:
                    resource.join(ticket, units)
                    if at_capacities and resource.meter is not None:
                        resource.reservers[ticket] = None
        if not self.has_meters:
            return
        for resource in places:
            if resource.meter is not None:
                if type(resource.meter) is Rate:
                    self._unarmed[resource] = None
                if resource.reservers:
                    self._spent[resource] = None  # it may stand ahead of them

    def _leave_lines(self, ticket: Ticket, dirty: Lines) -> None:
        standing, ticket.standing = ticket.standing, []
        for resource in standing:
            resource.leave(ticket)
            if resource.meter is not None:
                resource.reservers.pop(ticket, None)
                if type(resource.meter) is Rate:
                    self._unarmed[resource] = None
            if resource.line:
                dirty[resource] = None

    # Rates and budgets

    def _look_at_spent(self, dirty: Lines) -> None:
        """Let those give way whom the spending of a rate or a budget has stopped."""
        spent, self._spent = self._spent, {}
        for resource in spent:
            meter = resource.meter
            if type(meter) is Budget and not 0 < meter.remaining >= meter.most_wanted:
                if resource.aside and meter.remaining <= 0:
                    self._bring_back(resource, dirty)
                self._look_at_lanes(resource, meter, dirty)
            else:
                for ticket in list(resource.reservers):
                    self._stand_anew(ticket, dirty)

    def _look_at_lanes(self, resource: Resource, budget: Budget, dirty: Lines) -> None:
        budget.most_wanted = 0
        for lane in list(resource.lanes):
            first = lane.first
            if first is None:
                continue
            if self._excess(first.request) is not None:
                self._reconsider(lane, dirty)
            else:
                self._stand_anew(first, dirty)
                self._note_wanted(first)

    def _stand_anew(self, ticket: Ticket, dirty: Lines) -> None:
        """Let a first stand where it is to stand as things are."""
        places = self._wanted_places(ticket)
        if not places:
            dirty[ticket.standing[0]] = None
        elif places != ticket.standing:
            self._leave_lines(ticket, dirty)
            self._stand(ticket, places)

    def _note_wanted(self, ticket: Ticket) -> None:
        for resource, units in ticket.request.pairs:
            meter = resource.meter
            if type(meter) is Budget and units > meter.most_wanted:
                meter.most_wanted = units

    def _arm_timers(self) -> None:
        """Set the timer of each rate whose line has changed, for the first that it stops."""
        unarmed, self._unarmed = self._unarmed, {}
        loop, now = self._loop, self._now()
        for resource in unarmed:
            meter, total, due = resource.meter, 0, None
            if type(meter) is Rate and resource.limit is not None:
                for _, _, units in resource.line:
                    total += units
                    if not meter.allows(total, now):
                        due = meter.due(total)
                        break
            if resource.timer is not None:
                if resource.timer_due == due or resource.timer_due <= now:
                    # It stands for this, or is about to go off, for whom it has been set.
                    continue
                resource.timer.cancel()
                resource.timer = None
            # An infinite one means that those ahead have to go first.
            if due is not None and due < float("inf") and loop is not None:
                resource.timer = loop.call_at(due, self._on_due, resource, due)
                resource.timer_due = due

    def _on_due(self, resource: Resource, due: float) -> None:
        resource.timer = None
        meter = resource.meter
        if type(meter) is Rate:
            meter.reached = max(meter.reached, due)
            self._unarmed[resource] = None
            self._settle({resource: None})

    # Lanes

    def _enqueue(self, ticket: Ticket) -> None:
        """Let a new ticket wait, or grant it if the rule allows."""
        self._waiting += 1
        for resource, _ in ticket.request.pairs:
            resource.waiting += 1
        lane = self._into_lane(ticket)
        if lane.first is None or ticket.key < lane.first.key:
            dirty: Lines = {}
            self._reconsider(lane, dirty)
            self._settle(dirty)

    def _unqueue(self, ticket: Ticket) -> None:
        self._waiting -= 1
        for resource, _ in ticket.request.pairs:
            resource.waiting -= 1

    def _into_lane(self, ticket: Ticket) -> Lane:
        names = ticket.request.names
        lane = self._lanes.get(names)
        if lane is None:
            resources = tuple([resource for resource, _ in ticket.request.pairs])
            lane = self._lanes[names] = Lane(names, resources)
            for resource in resources:
                resource.lanes[lane] = None
        ticket.lane = lane
        lane.push(ticket)
        return lane

    def _reconsider(self, lane: Lane, dirty: Lines) -> None:
        """Find out anew who stands for a lane, and where."""
        if lane.first is not None:
            self._leave_lines(lane.first, dirty)
            lane.first = None
        self._find_first(lane, dirty)

    def _find_first(self, lane: Lane, dirty: Lines) -> None:
        """Let the next ticket of a lane stand where it is stopped, or remove an empty lane."""
        while (ticket := lane.head()) is not None:
            excess = self._excess(ticket.request)
            if excess is None:
                break
            lane.pop()
            self._set_aside(ticket, *excess)
        if ticket is None:
            self._remove_lane(lane)
            return
        lane.first = ticket
        if self.has_meters:
            self._note_wanted(ticket)
        places = self._wanted_places(ticket)
        if not places:
            # It may go; standing in a line that is looked at, it will, in the order of keys.
            if ticket.passed >= PASS_OVERS:
                places = [r for r, _ in ticket.request.pairs if r.limit is not None]
            places = places or [lane.resources[0]]
            dirty[places[0]] = None
        self._stand(ticket, places)

    def _remove_lane(self, lane: Lane) -> None:
        del self._lanes[lane.names]
        for resource in lane.resources:
            del resource.lanes[lane]

    # Aside: who wants more than there will be, as things are

    def _excess(self, request: Request) -> tuple[Resource, int] | None:
        """Return what of a request is above a limit, so that it could never be granted.

        If there is something that lets it fail, that is it.
        """
        excess = None
        for resource, units in request.pairs:
            if resource.limit and resource.is_below(units):
                if resource.fails():
                    return resource, units
                excess = excess or (resource, units)
        return excess

    def _set_aside(self, ticket: Ticket, resource: Resource, units: int) -> None:
        """Let a ticket wait where it blocks nobody; if its budget says so, fail it."""
        if resource.fails():
            self._unqueue(ticket)
            ticket.state = WITHDRAWN
            future = ticket.future
            if future is not None and not future.done():
                future.set_exception(infeasible(resource, units))
            return
        ticket.aside = resource
        resource.aside.add(ticket, units)

    def _return(self, resource: Resource, changed: dict[Lane, None]) -> None:
        """Let those back into their lanes whom a resource allows again."""
        while (least := resource.aside.least()) is not None:
            units, ticket = least
            if resource.is_below(units) and not resource.fails():
                return
            resource.aside.remove(ticket)
            ticket.aside = None
            excess = self._excess(ticket.request)
            if excess is None:
                changed[self._into_lane(ticket)] = None
            else:
                self._set_aside(ticket, *excess)

    def limits_changed(self, resources: list[Resource]) -> None:
        """Look at everybody whom changed limits concern."""
        if not self._waiting:
            return
        changed: dict[Lane, None] = {}
        for resource in resources:
            changed.update(resource.lanes)
            if resource.aside:
                self._return(resource, changed)
            if type(resource.meter) is Rate:
                self._unarmed[resource] = None
        dirty: Lines = dict.fromkeys(resources)
        for lane in changed:
            self._reconsider(lane, dirty)
        self._settle(dirty)

    def _budget_changed(self, resource: Resource, budget: Budget, before: int) -> None:
        """Look at those whom a settlement concerns, before which so much was left."""
        dirty: Lines = {}
        if budget.remaining < before:
            if resource.lanes or resource.aside:
                self._spent[resource] = None
        else:
            dirty[resource] = None
            self._bring_back(resource, dirty)
            if before <= 0 < budget.remaining:
                # Who has waited for more than this steps aside now.
                self._look_at_lanes(resource, budget, dirty)
        self._settle(dirty)

    def _bring_back(self, resource: Resource, dirty: Lines) -> None:
        """Let those stand in line again whom a resource allows again."""
        changed: dict[Lane, None] = {}
        self._return(resource, changed)
        for lane in changed:
            self._reconsider(lane, dirty)

    # Amending

    def charge(self, request: Request, asker: str | Asker) -> Ticket:
        """Count somebody in who runs already, whether or not there is room.

        Of rates and budgets nothing is taken.
        """
        ticket = Ticket(cast("ResourceManager", self), request, asker)
        ticket.state = HELD
        self._held[ticket] = None
        for resource, units in request.pairs:
            resource.used += units
            resource.peak = max(resource.peak, resource.used)
        return ticket

    def amend(self, changes: list[tuple[Ticket, Request]]) -> None:
        """Change what tickets have asked for, in place: those that wait keep their arrival.

        A ticket that is held gives back, or is charged with, what is different; of rates and
        budgets nothing is taken.
        """
        dirty: Lines = {}
        moving: dict[Ticket, Request] = {}
        for ticket, request in changes:
            if ticket.state == HELD:
                self.has_charged = True
                for resource, units in ticket.request.pairs:
                    resource.used -= units
                    if resource.line:
                        dirty[resource] = None
                for resource, units in request.pairs:
                    resource.used += units
                    resource.peak = max(resource.peak, resource.used)
                ticket.request = request
            else:
                moving[ticket] = request
        changed: dict[Lane, None] = {}
        for ticket in moving:
            if ticket.aside is not None:
                ticket.aside.aside.remove(ticket)
                ticket.aside = None
            else:
                changed[ticket.lane] = None
        for lane in changed:
            if lane.first in moving:
                self._leave_lines(lane.first, dirty)
                lane.first = None
            lane.remove(moving)
        for ticket, request in moving.items():
            for resource, _ in ticket.request.pairs:
                resource.waiting -= 1
            ticket.request = request
            for resource, _ in request.pairs:
                resource.waiting += 1
            if request.pairs:
                changed[self._into_lane(ticket)] = None
            else:
                self._serve(ticket)
        for lane in changed:
            self._reconsider(lane, dirty)
        self._settle(dirty)

    # Leaving

    def _withdraw(self, ticket: Ticket) -> None:
        """Take a waiting ticket out of the queue without a trace, and wake whom it blocked."""
        ticket.state = WITHDRAWN
        self._unqueue(ticket)
        self._leave_place(ticket)

    def _leave_place(self, ticket: Ticket) -> None:
        """Take a ticket out of its lane or from aside; the caller has made it no longer belong."""
        if ticket.aside is not None:
            ticket.aside.aside.remove(ticket)
            ticket.aside = None
            return
        lane = ticket.lane
        lane.forget()
        if lane.first is ticket:
            dirty: Lines = {}
            self._reconsider(lane, dirty)
            self._settle(dirty)


def infeasible(resource: Resource, units: int) -> InfeasibleRequestError:
    """Return the error for a request that can never be granted."""
    return InfeasibleRequestError(
        resource.name,
        from_units(units),
        from_units(resource.most()),
        {"rate": "burst", "budget": "remaining budget"}.get(resource.kind or "", "capacity"),
    )
