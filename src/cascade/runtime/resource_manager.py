"""ResourceManager: the one queue for everything that waits for a limit.

A request names amounts of several resources and is granted all or nothing, at one instant;
nothing is held while waiting, so requests never deadlock on each other.

The rule. Tickets that want the same set of resources form a *lane*, in the order of arrival, and
only the first of a lane is looked at. It stands at a resource that stops it and claims its amount
there. A ticket may go if at every resource it wants, what is free covers the claims standing there
ahead of it plus its own amount. When the resource it stands at has enough for it but another one
stops it, it was passed over, and moves there; after `PASS_OVERS` of that it *reserves*: it stands
at all its resources. With equal holding times of at most H, the first waiter overall is granted
within (PASS_OVERS + 1)·H.
"""

from __future__ import annotations

import asyncio
import difflib
import warnings
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from types import MappingProxyType, TracebackType
from typing import Any

from cascade.errors import AcquireTimeoutError, InfeasibleRequestError, ResourceError
from cascade.runtime.lanes import Capacity, Lane
from cascade.runtime.ticket import HELD, RELEASED, WAITING, WITHDRAWN, Request, Ticket
from cascade.runtime.timers import call_at
from cascade.spec.amounts import MOST, UNITS, check_amount, from_units, to_units
from cascade.spec.checks import check_duration, check_name, shown

PASS_OVERS = 2
"""How often a first waiter is passed over before it reserves at all its resources."""


@dataclass(frozen=True, slots=True)
class ResourceStatistics:
    """The state of one resource at one instant."""

    capacity: float | None
    """What there is at most; None without a limit."""
    used: float
    """What is taken. Above the capacity only while a lowered limit drains."""
    waiting: int
    """How many tickets wait that want some of it."""
    peak: float
    """The most that was ever used."""


@dataclass(frozen=True, slots=True)
class Statistics:
    """The state of a resource manager at one instant."""

    resources: Mapping[str, ResourceStatistics]
    """The resources that have a capacity or were ever asked for."""
    holding: int
    """How many tickets are held."""
    waiting: int
    """How many tickets wait."""


class ResourceManager:
    """Hands out amounts of resources: exactly, in order of arrival, all or nothing.

    One manager can be injected into any number of engines of one event loop, so that one limit
    holds for all of them. Idle, it belongs to no loop. It may be steered while work runs.

    Args:
        capacity: how much there is of each resource, such as ``{"cpu_slot": 100}``; None as an
            amount means unlimited, 0 a pause.

    Raises:
        TypeError, ValueError: an amount isn't a finite number ≥ 0; it names the resource.
    """

    __slots__ = (
        "__weakref__",
        "_arrivals",
        "_aside",
        "_holding",
        "_lanes",
        "_loop",
        "_prepared",
        "_resources",
        "_waiting",
        "_warned",
        "looks",
    )

    def __init__(self, capacity: Mapping[str, float | None] | None = None) -> None:
        self._resources: dict[str, Capacity] = {}
        self._prepared: dict[tuple[str, int], Request] = {}
        self._lanes: dict[frozenset[str], Lane] = {}
        self._aside: dict[Ticket, None] = {}
        self._arrivals = 0
        self._holding = 0
        self._waiting = 0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._warned: set[str] = set()
        self.looks = 0
        """How many tickets standing in line were looked at so far: the work of the queue."""
        if capacity is not None:
            self.set_capacity(capacity)

    # Limits

    def set_capacity(self, capacity: Mapping[str, float | None]) -> None:
        """Set how much there is of the named resources; others stay as they are.

        It acts at once: raising grants whoever fits now, lowering lets the holders finish (usage
        drains), 0 pauses, None removes the limit.

        Raises:
            TypeError, ValueError: an amount isn't a finite number ≥ 0; nothing is changed then.
            ResourceError: the manager is in use by the loop of another thread.
        """
        _check_mapping("capacity", capacity)
        limits: dict[str, int | None] = {}
        for name, amount in capacity.items():
            check_name(name)
            if amount is None:
                limits[name] = None
            else:
                check_amount(name, amount)
                limits[name] = to_units(amount)
        self._check_steering()
        changed: dict[Lane, None] = {}
        touched = []
        for name, limit in limits.items():
            resource = self._resource(name)
            resource.known = True
            if resource.limit != limit:
                resource.limit = limit
                touched.append(resource)
                changed.update(resource.lanes)
        if not touched or not self._waiting:
            return
        for ticket in list(self._aside):
            if self._excess(ticket.request) is None:
                del self._aside[ticket]
                changed[self._into_lane(ticket)] = None
        dirty = dict.fromkeys(touched)
        for lane in changed:
            if lane.first is not None:
                self._leave_lines(lane.first, dirty)
                lane.first = None
            self._find_first(lane, dirty)
        self._settle(dirty)

    # Asking

    def prepare(self, amounts: Mapping[str, Any]) -> Request:
        """Check amounts and look their resources up, for asking many times.

        Raises:
            TypeError, ValueError: an amount isn't a finite number ≥ 0; it names the resource.
        """
        if type(amounts) is not dict:
            _check_mapping("amounts", amounts)
        elif len(amounts) == 1:
            # What most requests look like: one resource, a small whole number, asked for before.
            ((name, amount),) = amounts.items()
            if type(amount) is int and type(name) is str:
                prepared = self._prepared.get((name, amount))
                if prepared is not None:
                    return prepared
        pairs = []
        for name, amount in amounts.items():
            if type(amount) is int and 0 < amount <= MOST and type(name) is str and name:
                units = amount * UNITS  # what most requests look like
            else:
                check_name(name)
                check_amount(name, amount)
                units = to_units(amount)
            if units:
                pairs.append((self._resource(name), units))
        for resource, _ in pairs:
            if not resource.known:
                self._warn_unknown(resource.name)
        request = Request(tuple(pairs))
        if len(pairs) == 1 and pairs[0][0].known and type(amount) is int and amount <= _SMALL:
            self._prepared[pairs[0][0].name, amount] = request
        return request

    def take(self, request: Request, owner: str) -> Ticket | None:
        """Grant a prepared request at once if the rule allows, otherwise return None.

        Raises:
            ResourceError: the manager is in use by another loop, or there is no running loop.
        """
        loop = _running_loop()
        if loop is not self._loop:
            self._check_loop(loop)
        for resource, units in request.pairs:
            limit = resource.limit
            if limit is not None and resource.used + resource.claimed + units > limit:
                return None
        ticket = Ticket(self, request, owner)
        self._grant(ticket)
        return ticket

    async def wait(self, request: Request, owner: str, timeout: float | None = None) -> Ticket:
        """Queue for a prepared request that `take` didn't grant, and return its ticket.

        Raises:
            InfeasibleRequestError: an amount is above the capacity.
            AcquireTimeoutError: not granted within `timeout` seconds.
        """
        excess = self._excess(request)
        if excess is not None:
            resource, units = excess
            limit = resource.limit or 0
            raise InfeasibleRequestError(resource.name, from_units(units), from_units(limit))
        loop = self._loop  # `take` has just bound or checked it
        assert loop is not None
        ticket = Ticket(self, request, owner)
        ticket.future = future = loop.create_future()
        self._arrivals += 1
        ticket.key = self._arrivals
        ticket.passed = 0
        ticket.standing = []
        self._waiting += 1
        for resource, _ in request.pairs:
            resource.waiting += 1
        lane = self._into_lane(ticket)
        dirty: dict[Capacity, None] = {}
        if lane.first is None:
            self._find_first(lane, dirty)
            self._settle(dirty)
        timer = None
        try:
            if timeout is not None:
                timer = call_at(loop.time() + timeout, self._expire, ticket)
            await future
        except BaseException:
            self._leave_closed_loop()
            if ticket.state == HELD:
                ticket.release()
            elif ticket.state == WAITING:
                self._withdraw(ticket)
            raise
        finally:
            if timer is not None:
                timer.cancel()
            ticket.future = None
        if ticket.state == WITHDRAWN:
            raise AcquireTimeoutError(owner, request.amounts, timeout or 0.0)
        return ticket

    async def acquire(
        self,
        amounts: Mapping[str, Any],
        *,
        timeout: float | None = None,
        owner: str | None = None,
    ) -> Ticket:
        """Take amounts of resources, all at one instant, waiting in line until they are there.

        Args:
            amounts: what is wanted, by resource, such as ``{"gpu": 1, "memory_gb": 4}``.
            timeout: how long to wait at most, in seconds; None: as long as it takes.
            owner: who asks, in words, for explanations; the current task's name by default.

        Raises:
            InfeasibleRequestError: an amount is above the capacity (0 is a pause, and waits).
            AcquireTimeoutError: not granted in time.
            TypeError, ValueError: an amount or the timeout isn't a number that makes sense.
            ResourceError: the manager is in use by another loop.
        """
        if timeout is not None:
            timeout = check_duration("timeout", timeout)
        request = self.prepare(amounts)
        if owner is None:
            owner = _current_owner()
        ticket = self.take(request, owner)
        if ticket is None:
            ticket = await self.wait(request, owner, timeout)
        return ticket

    def try_acquire(self, amounts: Mapping[str, Any], *, owner: str | None = None) -> Ticket | None:
        """Take amounts of resources if that is possible at once without overtaking a waiter.

        Raises:
            TypeError, ValueError: an amount isn't a finite number ≥ 0; it names the resource.
            ResourceError: the manager is in use by another loop, or there is no running loop.
        """
        return self.take(self.prepare(amounts), _current_owner() if owner is None else owner)

    def hold(
        self,
        amounts: Mapping[str, Any],
        *,
        timeout: float | None = None,
        owner: str | None = None,
    ) -> AbstractAsyncContextManager[Ticket]:
        """Hold amounts of resources for an ``async with`` block; parameters as for `acquire`."""
        return _Hold(self, amounts, timeout, owner)

    def statistics(self) -> Statistics:
        """Return a frozen snapshot of all resources."""
        resources = {
            resource.name: ResourceStatistics(
                capacity=None if resource.limit is None else from_units(resource.limit),
                used=from_units(resource.used),
                waiting=resource.waiting,
                peak=from_units(resource.peak),
            )
            for resource in self._resources.values()
        }
        return Statistics(MappingProxyType(resources), self._holding, self._waiting)

    def lacking(self, request: Request) -> tuple[str, ...]:
        """Return the names of the resources that keep a request waiting now."""
        return tuple(
            [
                resource.name
                for resource, units in request.pairs
                if resource.limit is not None
                and resource.used + resource.claimed + units > resource.limit
            ]
        )

    # Granting and giving back

    def give_back(self, ticket: Ticket) -> None:
        """Take a held ticket back; tickets call this when they are released."""
        if self._loop is not None and _running_loop_or_none() is not self._loop:
            self._check_release()
            self._leave_closed_loop()
        ticket.state = RELEASED
        self._holding -= 1
        if len(ticket.request.pairs) == 1:
            resource, units = ticket.request.pairs[0]
            resource.used -= units
            if resource.line and not self._serve_line(resource):
                self._settle({resource: None})
            return
        dirty = None
        for resource, units in ticket.request.pairs:
            resource.used -= units
            if resource.line:
                if dirty is None:
                    dirty = {resource: None}
                else:
                    dirty[resource] = None
        if dirty is not None:
            self._settle(dirty)

    def _grant(self, ticket: Ticket) -> None:
        ticket.state = HELD
        self._holding += 1
        for resource, units in ticket.request.pairs:
            used = resource.used + units
            resource.used = used
            if used > resource.peak:
                resource.peak = used

    def _settle(self, dirty: dict[Capacity, None]) -> None:
        """Grant, move or set aside the waiters that changed lines let go, smallest key first."""
        while dirty:
            best = None
            for resource in tuple(dirty):
                ticket = self._ready_at(resource)
                if ticket is None:
                    del dirty[resource]
                elif best is None or ticket.key < best.key:
                    best = ticket
            if best is not None:
                self._advance(best, dirty)

    def _serve_line(self, resource: Capacity) -> bool:
        """Serve a line while its first wants nothing else; whether that settles the line.

        This is what `_settle` does, written out for the most common case: a release of one
        resource costs half of what it would cost there.
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
            lane, future = ticket.lane, ticket.future
            lane.pop()
            lane.first = None
            ticket.standing.clear()
            self._waiting -= 1
            resource.waiting -= 1
            if future is None or future.done():
                ticket.state = WITHDRAWN
            else:
                self._grant(ticket)
                future.set_result(None)
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

    def _ready_at(self, resource: Capacity) -> Ticket | None:
        """Return the first in a line for whom this resource has enough, behind earlier claims."""
        if not resource.line:
            return None
        limit = resource.limit
        free = _PLENTY if limit is None else limit - resource.used
        for _, ticket, units in resource.line:
            if free <= 0:
                return None
            self.looks += 1
            free -= units
            if free >= 0 and (len(ticket.standing) == 1 or self._stopping(ticket) is None):
                return ticket
        return None

    def _stopping(self, ticket: Ticket) -> Capacity | None:
        """Return what stops a ticket: a paused resource rather than another; None if nothing."""
        stopping = None
        key = ticket.key
        for resource, units in ticket.request.pairs:
            limit = resource.limit
            if limit is not None and (resource.used + resource.claimed_ahead(key) + units > limit):
                if limit == 0:
                    return resource
                if stopping is None:
                    stopping = resource
        return stopping

    def _advance(self, ticket: Ticket, dirty: dict[Capacity, None]) -> None:
        """Grant a ticket whose place has enough for it, or move it to where it is stopped."""
        lane = ticket.lane
        # Its place has enough, so only another resource could stop it.
        stopping = self._stopping(ticket) if len(ticket.request.pairs) > 1 else None
        self._leave_lines(ticket, dirty)
        if stopping is not None:
            ticket.passed += 1
            self._stand(ticket, stopping)
            return
        lane.pop()
        lane.first = None
        self._unqueue(ticket)
        future = ticket.future
        if future is None or future.done():
            # Cancelled, but its coroutine has not run yet: it must not be given anything.
            ticket.state = WITHDRAWN
        else:
            self._grant(ticket)
            future.set_result(None)
        self._find_first(lane, dirty)

    def _stand(self, ticket: Ticket, stopping: Capacity) -> None:
        reserves = ticket.passed >= PASS_OVERS and stopping.limit != 0
        for resource, units in ticket.request.pairs:
            if reserves or resource is stopping:
                resource.join(ticket, units)
                ticket.standing.append(resource)

    def _leave_lines(self, ticket: Ticket, dirty: dict[Capacity, None]) -> None:
        standing, ticket.standing = ticket.standing, []
        for resource in standing:
            resource.leave(ticket)
            if resource.line:
                dirty[resource] = None

    # Lanes

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

    def _find_first(self, lane: Lane, dirty: dict[Capacity, None]) -> None:
        """Let the next ticket of a lane stand where it is stopped, or remove an empty lane."""
        while (ticket := lane.head()) is not None:
            if self._excess(ticket.request) is None:
                break
            # A lowered limit made it impossible: it steps aside and blocks nobody.
            lane.pop()
            self._aside[ticket] = None
        if ticket is None:
            self._remove_lane(lane)
            return
        lane.first = ticket
        stopping = self._stopping(ticket)
        if stopping is None:
            # It may go; standing at a line that is looked at, it will, in the order of keys.
            stopping = lane.resources[0]
            dirty[stopping] = None
        self._stand(ticket, stopping)

    def _remove_lane(self, lane: Lane) -> None:
        del self._lanes[lane.names]
        for resource in lane.resources:
            del resource.lanes[lane]

    # Leaving

    def _withdraw(self, ticket: Ticket) -> None:
        """Take a waiting ticket out of the queue without a trace, and wake whom it blocked."""
        ticket.state = WITHDRAWN
        self._unqueue(ticket)
        if ticket in self._aside:
            del self._aside[ticket]
            return
        lane = ticket.lane
        lane.forget()
        if lane.first is ticket:
            dirty: dict[Capacity, None] = {}
            self._leave_lines(ticket, dirty)
            lane.first = None
            self._find_first(lane, dirty)
            self._settle(dirty)

    def _unqueue(self, ticket: Ticket) -> None:
        self._waiting -= 1
        for resource, _ in ticket.request.pairs:
            resource.waiting -= 1

    def _expire(self, ticket: Ticket) -> None:
        future = ticket.future
        if ticket.state == WAITING and future is not None and not future.done():
            self._withdraw(ticket)
            future.set_result(None)

    # Checks

    def _resource(self, name: str) -> Capacity:
        resource = self._resources.get(name)
        if resource is None:
            resource = self._resources[name] = Capacity(name)
        return resource

    def _excess(self, request: Request) -> tuple[Capacity, int] | None:
        """Return what of a request is above a limit, so that it could never be granted."""
        for resource, units in request.pairs:
            if resource.limit and units > resource.limit:
                return resource, units
        return None

    def _warn_unknown(self, name: str) -> None:
        if name in self._warned:
            return
        known = [resource.name for resource in self._resources.values() if resource.known]
        if not known:
            return
        self._warned.add(name)
        near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
        hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(sorted(known))}"
        warnings.warn(
            f"the resource {name!r} has no capacity, so it is unlimited; {hint}",
            RuntimeWarning,
            stacklevel=4,
        )

    def _check_loop(self, loop: asyncio.AbstractEventLoop) -> None:
        """Bind to the running loop, unless another one uses the manager."""
        if loop is self._loop:
            return
        bound = self._loop
        if bound is not None and (self._holding or self._waiting):
            if not bound.is_closed():
                raise ResourceError(
                    "this ResourceManager is in use by another event loop: "
                    f"{self._holding} tickets are held there and {self._waiting} wait. "
                    "Use one manager per loop, or wait until it is idle"
                )
            self._leave_closed_loop()
        self._loop = loop

    def _check_steering(self) -> None:
        """Refuse to change limits under the loop that uses the manager, from outside of it."""
        self._leave_closed_loop()
        bound = self._loop
        if bound is None or not (self._holding or self._waiting):
            return
        running = _running_loop_or_none()
        if running is not None:
            self._check_loop(running)
        elif bound.is_running():
            _running_loop()  # says what to do instead

    def _leave_closed_loop(self) -> None:
        """Once its loop is closed, drop what waited there, as nobody can be woken any more."""
        if self._loop is None or not self._loop.is_closed():
            return
        self._loop = None
        waiters = [*self._aside]
        for lane in list(self._lanes.values()):
            while (ticket := lane.head()) is not None:
                lane.pop()
                waiters.append(ticket)
        for resource in self._resources.values():
            resource.line.clear()
            resource.lanes.clear()
            resource.claimed = resource.waiting = 0
        for ticket in waiters:
            ticket.state = WITHDRAWN
        self._lanes.clear()
        self._aside.clear()
        self._waiting = 0

    def _check_release(self) -> None:
        """Refuse a release from outside of the running loop; a loop that has ended is fine."""
        assert self._loop is not None
        if self._loop.is_running():
            raise ResourceError(
                "a ticket must be released on the event loop it was taken on; from a thread, "
                "use loop.call_soon_threadsafe(ticket.release)"
            )


_PLENTY = 1 << 120
"""More units than anybody asks for."""
_SMALL = 64
"""Requests for one resource are kept prepared up to this amount."""


class _Hold:
    """The context manager of `ResourceManager.hold`."""

    __slots__ = ("_amounts", "_entered", "_manager", "_owner", "_ticket", "_timeout")

    def __init__(
        self,
        manager: ResourceManager,
        amounts: Mapping[str, Any],
        timeout: float | None,
        owner: str | None,
    ) -> None:
        self._manager = manager
        self._amounts = amounts
        self._timeout = timeout
        self._owner = owner
        self._ticket: Ticket | None = None
        self._entered = False

    async def __aenter__(self) -> Ticket:
        if self._entered:
            raise ResourceError("this hold is entered already; call hold() once for each block")
        timeout = None if self._timeout is None else check_duration("timeout", self._timeout)
        manager, owner = self._manager, self._owner or _current_owner()
        request = manager.prepare(self._amounts)
        self._entered = True
        try:
            ticket = manager.take(request, owner)
            if ticket is None:
                ticket = await manager.wait(request, owner, timeout)
        except BaseException:
            self._entered = False
            raise
        self._ticket = ticket
        return ticket

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        ticket, self._ticket = self._ticket, None
        self._entered = False
        if ticket is not None and ticket.state == HELD:
            ticket.release()


def _running_loop() -> asyncio.AbstractEventLoop:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        raise ResourceError(
            "resources are taken and steered on the running event loop, and none runs here; "
            "from a thread, use loop.call_soon_threadsafe or asyncio.run_coroutine_threadsafe"
        ) from None


def _running_loop_or_none() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


def _current_owner() -> str:
    try:
        task = asyncio.current_task()
    except RuntimeError:
        task = None
    return "somebody" if task is None else task.get_name()


def _check_mapping(argument: str, value: object) -> None:
    if not isinstance(value, Mapping):
        raise TypeError(f"{argument} must map resource names to amounts, got {shown(value)}")
