"""What can be seen of a resource manager: its figures, and why each waiter waits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

from cascade.runtime.lanes import Kind, Resource
from cascade.runtime.meters import Budget, Rate
from cascade.spec.amounts import from_units

if TYPE_CHECKING:
    from cascade.runtime.grant_queue import GrantQueue
    from cascade.runtime.ticket import Ticket


@dataclass(frozen=True, slots=True)
class ResourceStatistics:
    """The state of one resource at one instant."""

    kind: Kind | None
    """What it is; None if it was never given a limit."""
    capacity: float | None
    """What there is at most: of a capacity its amount, of a rate its burst, of a budget what
    remains (below 0 if a settlement took more than there was), of a closed gate 0; None without
    a limit."""
    used: float
    """What the held tickets have taken. Above the capacity only while a lowered limit drains."""
    available: float | None
    """What is left to be taken now; None without a limit."""
    waiting: int
    """How many tickets wait that want some of it."""
    peak: float
    """The most that was ever used."""
    granted_after_waiting: int
    """How many tickets were granted that had to wait."""
    waiting_time: float
    """How long these had waited altogether, in seconds."""
    longest_wait: float
    """How long the one that waited longest had waited, in seconds."""
    oldest_waiter: float | None
    """For how long the oldest of those that wait now has been waiting, in seconds; None if
    nobody waits."""
    per_second: float | None
    """How much of a rate comes back in a second; None for all others."""


@dataclass(frozen=True, slots=True)
class Statistics:
    """The state of a resource manager at one instant."""

    resources: Mapping[str, ResourceStatistics]
    """The resources that have a limit or were ever asked for."""
    holding: int
    """How many tickets are held."""
    waiting: int
    """How many tickets wait."""


@dataclass(frozen=True, slots=True)
class ResourceFigures:
    """What can be told of a resource without looking at who waits; as in `ResourceStatistics`."""

    name: str
    """Its name."""
    kind: Kind | None
    """What it is; None if it was never given a limit."""
    capacity: float | None
    """What there is at most; None without a limit."""
    used: float
    """What is taken."""
    available: float | None
    """What is left; None without a limit."""
    waiting: int
    """How many tickets wait that want some of it."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """Why somebody waits; as text, a sentence."""

    owner: str
    """Who waits."""
    request: Mapping[str, float]
    """What is asked for, by resource."""
    blocked_on: tuple[str, ...]
    """The resources of which there isn't enough, counting those who stand ahead there."""
    lacking: tuple[str, ...]
    """Those of them of which there isn't enough even if nobody stood ahead."""
    behind: tuple[str, ...]
    """Who stands ahead at these resources."""
    holders: tuple[str, ...]
    """Who holds some of these resources."""
    since: float
    """When it began to wait, in seconds on the loop's clock."""
    ready_at: float | None
    """When its turn comes as far as rates are concerned, in seconds on the loop's clock; None if
    no rate stops it."""
    impossible: bool
    """Whether it asks for more than there will be, as limits are: it waits for them to change."""

    def __str__(self) -> str:
        wanted = ", ".join(f"{name}={amount:g}" for name, amount in self.request.items())
        text = f"{self.owner} wants {wanted} and waits for {' and '.join(self.blocked_on)}"
        if self.impossible:
            return f"{text}, of which there isn't so much"
        if self.holders:
            text += f", held by {_some(self.holders)}"
        if self.behind:
            text += f", behind {_some(self.behind)}"
        if self.ready_at is not None:
            text += f", until {self.ready_at:g} s"
        return text


def _some(names: tuple[str, ...]) -> str:
    shown = ", ".join(names[:5])
    return shown if len(names) <= 5 else f"{shown} and {len(names) - 5} more"


def statistics(queue: GrantQueue) -> Statistics:
    """Return the figures of a queue at this instant."""
    now = queue._now()
    oldest: dict[Resource, float] = {}
    for ticket in waiters(queue):
        for resource, _ in ticket.request.pairs:
            oldest[resource] = min(oldest.get(resource, ticket.since), ticket.since)
    resources = {
        resource.name: ResourceStatistics(
            kind=resource.kind,
            capacity=_amount(_most(resource)),
            used=from_units(resource.used),
            available=_amount(_available(resource, now)),
            waiting=resource.waiting,
            peak=from_units(resource.peak),
            granted_after_waiting=resource.granted,
            waiting_time=resource.waited,
            longest_wait=resource.waited_most,
            oldest_waiter=now - oldest[resource] if resource in oldest else None,
            per_second=resource.meter.per_second if isinstance(resource.meter, Rate) else None,
        )
        for resource in queue._resources.values()
    }
    return Statistics(MappingProxyType(resources), len(queue._held), queue._waiting)


def figures(queue: GrantQueue) -> list[ResourceFigures]:
    """Return the figures of resources; from any thread, while tasks are granted what they want.

    Each resource is as it was at some instant of this call, but not all at the same one.
    """
    loop = queue._loop  # another thread may let it go in the midst of `_now`
    now = 0.0 if loop is None else loop.time()
    return [
        ResourceFigures(
            name=resource.name,
            kind=resource.kind,
            capacity=_amount(_most(resource)),
            used=from_units(resource.used),
            available=_amount(_available(resource, now)),
            waiting=resource.waiting,
        )
        for resource in list(queue._resources.values())  # one step, as far as threads can see
    ]


def _most(resource: Resource) -> int | None:
    meter = resource.meter
    if type(meter) is Rate:
        return meter.burst
    return meter.remaining if type(meter) is Budget else resource.limit


def _available(resource: Resource, now: float) -> int | None:
    meter = resource.meter
    if type(meter) is Rate:
        return max(0, meter.level(now))
    if type(meter) is Budget:
        return max(0, meter.remaining)
    return None if resource.limit is None else max(0, resource.limit - resource.used)


def _amount(units: int | None) -> float | None:
    return None if units is None else from_units(units)


def explain(queue: GrantQueue, most: int | None = None) -> list[Waiting]:
    """Return why each waiter of a queue waits, in the order in which they stand.

    Args:
        queue: the queue.
        most: how many at most, the first ones; None: all.
    """
    now = queue._now()
    holders: dict[Resource, dict[str, None]] = {}
    for ticket in queue._held:
        for resource, _ in ticket.request.pairs:
            holders.setdefault(resource, {})[ticket.owner] = None
    wanted_ahead: dict[Resource, int] = {}
    found = []
    for ticket in sorted(waiters(queue), key=lambda waiter: waiter.key)[:most]:
        pairs = ticket.request.pairs
        impossible = any(resource.limit and resource.is_below(units) for resource, units in pairs)
        found.append(_why(ticket, impossible, now, holders, wanted_ahead))
        if not impossible and not any(resource.is_closed() for resource, _ in pairs):
            for resource, units in pairs:
                wanted_ahead[resource] = wanted_ahead.get(resource, 0) + units
    return found


def _why(
    ticket: Ticket,
    impossible: bool,
    now: float,
    holders: dict[Resource, dict[str, None]],
    wanted_ahead: dict[Resource, int],
) -> Waiting:
    blocked_on: list[str] = []
    lacking: list[str] = []
    behind: dict[str, None] = {}
    holding: dict[str, None] = {}
    ready_at: float | None = None
    for resource, units in ticket.request.pairs:
        if impossible:
            enough = not (resource.limit and resource.is_below(units))
        else:
            enough = resource.allows(resource.claimed_ahead(ticket.key) + units, now)
        if enough:
            continue
        blocked_on.append(resource.name)
        if not resource.allows(units, now):
            lacking.append(resource.name)
        if impossible:
            continue
        behind.update((other.owner, None) for key, other, _ in resource.line if key < ticket.key)
        meter = resource.meter
        if meter is None and resource.limit:
            holding.update(holders.get(resource, {}))
        elif type(meter) is Rate:
            due = meter.turn(wanted_ahead.get(resource, 0) + units, now)
            ready_at = due if ready_at is None else max(due, ready_at)
    return Waiting(
        owner=ticket.owner,
        request=MappingProxyType(ticket.amounts),
        blocked_on=tuple(blocked_on),
        lacking=tuple(lacking),
        behind=tuple(behind),
        holders=tuple(holding),
        since=ticket.since,
        ready_at=ready_at,
        impossible=impossible,
    )


def waiters(queue: GrantQueue) -> list[Ticket]:
    """Return everybody who waits, in no order."""
    found = [ticket for lane in queue._lanes.values() for ticket in lane.tickets()]
    for resource in queue._resources.values():
        if resource.aside:
            found += resource.aside.tickets()
    return found
