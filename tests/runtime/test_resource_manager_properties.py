"""The queue under any mix of operations: exact, in order, without leaks or lost wake-ups.

Operations are drawn at random and made one after the other, with or without letting the loop turn
in between, so that a cancel can meet a grant, a time-out or a changed limit in one turn.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.long_form import tries
from tests.runtime.world import A_MOMENT, Operation, World, any_order, many

from cascade.runtime.lanes import Resource
from cascade.runtime.resource_manager import PASS_OVERS, ResourceManager
from cascade.runtime.ticket import Ticket
from cascade.spec.amounts import UNITS
from cascade.testing import run_virtual

LIMITS = (0, 1, 2, 3, 4, 6, 9, None)

operation = st.tuples(st.integers(0, 11), st.integers(0, 63), st.integers(0, 7))
operations = many(operation)


def waiters(manager: ResourceManager) -> list[Ticket]:
    """Everybody in a lane, by arrival; who was set aside isn't among them."""
    found = [ticket for lane in manager._lanes.values() for ticket in lane.tickets()]
    return sorted(found, key=lambda ticket: ticket.key)


def aside(manager: ResourceManager) -> list[Ticket]:
    """Everybody who wants more than there will be."""
    return [ticket for r in manager._resources.values() for ticket in r.aside.tickets()]


def impossible(ticket: Ticket) -> bool:
    return any(
        resource.limit and units > resource.limit for resource, units in ticket.request.pairs
    )


def ahead_in(resource: Resource, key: float) -> int:
    return sum(units for other, _, units in resource.line if other < key)


def allowed(ticket: Ticket) -> bool:
    """The grant rule, from scratch."""
    return all(
        resource.limit is None
        or resource.used + ahead_in(resource, ticket.key) + units <= resource.limit
        for resource, units in ticket.request.pairs
    )


class WatchedManager(ResourceManager):
    """Checks the rule at every grant, and knows the live tickets."""

    __slots__ = ("live",)

    def __init__(self) -> None:
        super().__init__()
        self.live: dict[Ticket, None] = {}

    def _grant(self, ticket: Ticket) -> None:
        key = getattr(ticket, "key", float("inf"))
        for other in waiters(self):
            if other.key < key and not impossible(other):
                assert not other.request.names <= ticket.request.names, "overtook its like"
        for lane in self._lanes.values():
            first = lane.first
            assert first is None or first.key > key or not allowed(first), "out of turn"
        super()._grant(ticket)
        for resource, _ in ticket.request.pairs:
            assert resource.limit is None or resource.used <= resource.limit, "above the limit"
        self.live[ticket] = None

    def give_back(self, ticket: Ticket) -> None:
        del self.live[ticket]
        super().give_back(ticket)


def check(manager: WatchedManager) -> None:
    """Everything that must hold between any two operations."""
    queue = waiters(manager)
    everybody = [*queue, *aside(manager)]
    for ticket in queue:
        assert ticket is manager._lanes[ticket.request.names].first or not allowed_past_lines(
            ticket
        )
    for names, lane in manager._lanes.items():
        members = [ticket for ticket in queue if ticket.request.names == names]
        first = lane.first
        assert first is members[0]
        assert len(lane) == len(members)
        assert not impossible(first), "it blocks others though it can never go"
        assert not allowed(first), "it may go and waits"
        paused = [resource for resource, _ in first.request.pairs if resource.limit == 0]
        if paused:
            assert len(first.standing) == 1
            assert first.standing[0] in paused
        else:
            assert any(not fits_at(resource, first) for resource in first.standing)
    for ticket in aside(manager):
        assert impossible(ticket)
    for resource in manager._resources.values():
        taken = [u for ticket in manager.live for r, u in ticket.request.pairs if r is resource]
        assert resource.used == sum(taken)
        assert resource.used <= resource.peak
        standing = [
            (first.key, first, units)
            for lane in manager._lanes.values()
            for first in [lane.first]
            if first is not None and resource in first.standing
            for other, units in first.request.pairs
            if other is resource
        ]
        assert resource.line == sorted(standing)
        assert resource.claimed == sum(units for _, _, units in standing)
        assert set(resource.lanes) == {
            lane for names, lane in manager._lanes.items() if resource.name in names
        }
        wanting = [ticket for ticket in everybody if resource.name in ticket.request.names]
        assert resource.waiting == len(wanting)
    statistics = manager.statistics()
    assert (statistics.holding, statistics.waiting) == (len(manager.live), len(everybody))
    for name, resource in manager._resources.items():
        figures = statistics.resources[name]
        assert figures.used == resource.used / UNITS
        assert figures.waiting == resource.waiting
        assert figures.peak == resource.peak / UNITS


def fits_at(resource: Resource, ticket: Ticket) -> bool:
    units = dict(ticket.request.pairs)[resource]
    claims = ahead_in(resource, ticket.key)
    return resource.limit is None or resource.used + claims + units <= resource.limit


def allowed_past_lines(ticket: Ticket) -> bool:
    """Whether it fits, and nobody stands ahead of it at anything it wants."""
    return allowed(ticket) and not any(
        other < ticket.key for resource, _ in ticket.request.pairs for other, _, _ in resource.line
    )


def check_drained(manager: WatchedManager) -> None:
    check(manager)
    assert not manager.live
    assert not manager._lanes
    assert not aside(manager)
    assert (len(manager._held), manager._waiting) == (0, 0)
    for resource in manager._resources.values():
        assert (resource.used, resource.claimed, resource.waiting) == (0, 0, 0)
        assert (resource.line, resource.lanes) == ([], {})


class Asking(World[WatchedManager]):
    """A manager that is watched, and the tasks that ask it."""

    def __init__(self) -> None:
        super().__init__(WatchedManager())

    def ask(self, amounts: dict[str, int], timeout: float | None) -> int:
        return self.start(lambda owner: self.manager.acquire(amounts, timeout=timeout, owner=owner))

    def owners(self) -> set[int]:
        return {int(ticket.owner) for ticket in self.manager.live}


def amounts_from(number: int) -> dict[str, int]:
    """Amounts of one, two or three resources; 0 to 3 of each, in either order."""
    amounts = {"a": number % 4, "b": number // 4 % 4, "c": number // 16 % 4}
    if number % 3 == 0:
        amounts = dict(reversed(amounts.items()))
    return {name: amount for name, amount in amounts.items() if amount} or {"a": 6}


@any_order(tries(150, 500))
@given(operations)
def test_several_resources_in_any_order_of_operations(drawn: list[Operation]) -> None:
    async def main() -> None:
        world = Asking()
        manager = world.manager
        manager.set_capacity({"a": 3, "b": 3, "c": 3})
        for kind, number, other in drawn:
            if kind <= 4:
                world.ask(amounts_from(number), None if other < 5 else float(other - 4))
                if kind <= 2:
                    await world.turn()
            elif kind == 5:
                world.try_for(amounts_from(number))
            elif kind == 6:
                world.cancel(number)
            elif kind <= 8:
                world.release(number)
            elif kind == 9:
                manager.set_capacity({"abc"[number % 3]: LIMITS[other]})
            elif kind == 10:
                await world.turn()
            else:
                await world.pass_time(other / 4)
            check(manager)
        await end(world, by_cancelling=len(drawn) % 2 == 0)

    run_virtual(main())


async def end(world: Asking, *, by_cancelling: bool) -> None:
    manager = world.manager
    await world.turn()
    if by_cancelling:
        while world.cancel(0) is not None:
            check(manager)
    else:
        manager.set_capacity({"a": None, "b": None, "c": None})
        assert manager.statistics().waiting == 0, "nothing limits anybody any more"
    await world.pass_time(A_MOMENT)
    assert not world.asking
    while world.release(0) is not None:
        check(manager)
    check_drained(manager)


@dataclass(eq=False)
class Entry:
    """One who asks, in the model of a queue for one resource."""

    number: int
    amount: int
    timeout: float | None = None
    state: str = "new"
    cancelled: bool = False
    deadline: float = float("inf")


class Fifo:
    """What a queue for one resource does, as a list that is served from the front."""

    def __init__(self, limit: int | None) -> None:
        self.limit = limit
        self.entries: dict[int, Entry] = {}
        self.line: list[Entry] = []
        self.ready: list[Entry] = []
        self.now = 0.0

    @property
    def used(self) -> int:
        return sum(entry.amount for entry in self.holders())

    def holders(self) -> list[Entry]:
        return [e for e in self.entries.values() if e.state in ("granted", "held")]

    def fits(self, entry: Entry) -> bool:
        return self.limit is None or self.used + entry.amount <= self.limit

    def impossible(self, entry: Entry) -> bool:
        return bool(self.limit) and self.limit is not None and entry.amount > self.limit

    def serve(self) -> None:
        for entry in [entry for entry in self.line if not self.impossible(entry)]:
            if not self.fits(entry):
                return
            self.line.remove(entry)
            if entry.cancelled:
                entry.state = "gone"
            else:
                entry.state = "granted"
                self.ready.append(entry)

    def enter(self, entry: Entry) -> bool:
        if self.fits(entry) and all(map(self.impossible, self.line)):
            entry.state = "held"
            return True
        return False

    def ask(self, entry: Entry) -> None:
        self.entries[entry.number] = entry
        self.ready.append(entry)

    def try_for(self, entry: Entry) -> None:
        self.entries[entry.number] = entry
        if not self.enter(entry):
            entry.state = "gone"

    def cancel(self, number: int) -> None:
        entry = self.entries[number]
        entry.cancelled = True
        if entry.state == "waiting":
            self.ready.append(entry)

    def release(self, number: int) -> None:
        self.entries[number].state = "gone"
        self.serve()

    def set_limit(self, limit: int | None) -> None:
        self.limit = limit
        self.serve()

    def turn(self) -> None:
        now_ready, self.ready = self.ready, []
        for entry in now_ready:
            self.step(entry)

    def step(self, entry: Entry) -> None:
        """Run the one who asks up to the next wait."""
        if entry.state == "new":
            if entry.cancelled or (not self.enter(entry) and self.impossible(entry)):
                entry.state = "gone"
            elif entry.state == "new":
                entry.state = "waiting"
                self.line.append(entry)
                if entry.timeout is not None:
                    entry.deadline = self.now + entry.timeout
        elif entry.cancelled:
            if entry.state == "waiting":
                self.line.remove(entry)
            entry.state = "gone"
            self.serve()
        elif entry.state == "granted":
            entry.state = "held"
        else:
            entry.state = "gone"

    def run_ready(self) -> None:
        while self.ready:
            self.turn()

    def pass_time(self, seconds: float) -> None:
        self.run_ready()
        end = self.now + seconds
        while True:
            due = min((e.deadline for e in self.line if not e.cancelled), default=float("inf"))
            if due > end:
                break
            self.now = due
            for entry in [e for e in self.line if e.deadline == due]:
                if entry in self.line:
                    self.line.remove(entry)
                    entry.state = "expired"
                    self.serve()
                    self.ready.append(entry)
            self.run_ready()
        self.now = end


@any_order(tries(150, 500))
@given(operations)
def test_one_resource_is_served_exactly_like_a_list(drawn: list[Operation]) -> None:
    async def main() -> None:
        world = Asking()
        manager = world.manager
        manager.set_capacity({"a": 3})
        model = Fifo(3)
        for kind, number, other in drawn:
            amount = 1 + number % 4
            if kind <= 4:
                timeout = None if other < 4 else float(other - 3)
                model.ask(Entry(world.ask({"a": amount}, timeout), amount, timeout))
                if kind <= 2:
                    await world.turn()
                    model.turn()
            elif kind == 5:
                model.try_for(Entry(world.try_for({"a": amount}), amount))
            elif kind == 6:
                cancelled = world.cancel(number)
                if cancelled is not None:
                    model.cancel(cancelled)
            elif kind <= 8:
                released = world.release(number)
                if released is not None:
                    model.release(released)
            elif kind == 9:
                manager.set_capacity({"a": LIMITS[other]})
                model.set_limit(LIMITS[other])
            elif kind == 10:
                await world.turn()
                model.turn()
            else:
                await world.pass_time(other / 4)
                model.pass_time(other / 4 + A_MOMENT)
            assert world.owners() == {entry.number for entry in model.holders()}
            assert {*world.holding} == {e.number for e in model.holders() if e.state == "held"}
            assert manager.statistics().waiting == len(model.line)

    run_virtual(main())


class TestBoundedOvertaking:
    """Equal holding times: the first waiter overall waits for a few of them at most."""

    HOLD = 1.0
    BOUND = (PASS_OVERS + 1) * HOLD

    async def longest_wait(
        self, capacity: dict[str, int], arrivals: Sequence[tuple[float, dict[str, int]]]
    ) -> float:
        """Return the longest wait of anybody since everybody before it has been granted."""
        loop = asyncio.get_running_loop()
        manager = ResourceManager(capacity)
        asked: list[float] = []
        granted: dict[int, float] = {}

        async def work(amounts: dict[str, int]) -> None:
            number = len(asked)
            asked.append(loop.time())
            async with manager.hold(amounts):
                granted[number] = loop.time()
                await asyncio.sleep(self.HOLD)

        async with asyncio.TaskGroup() as group:
            for at, amounts in sorted(arrivals, key=lambda arrival: arrival[0]):
                await asyncio.sleep(at - loop.time())
                group.create_task(work(amounts))
        longest = 0.0
        all_before = 0.0
        for number, arrival in enumerate(asked):
            longest = max(longest, granted[number] - max(all_before, arrival))
            all_before = max(all_before, granted[number])
        return longest

    def test_a_request_for_all_among_a_stream_of_ones(self) -> None:
        ones = [(tick / 16, {"a": 1}) for tick in range(1, 640)]
        wait = run_virtual(self.longest_wait({"a": 10}, [*ones, (5.03, {"a": 10})]))
        assert 0 < wait <= self.BOUND

    @pytest.mark.parametrize("offset", [0.25, 0.5, 0.75])
    def test_a_request_for_two_among_streams_that_never_leave_both_free(
        self, offset: float
    ) -> None:
        async def main() -> float:
            loop = asyncio.get_running_loop()
            manager = ResourceManager({"a": 1, "b": 1})

            async def stream(name: str, start: float) -> None:
                await asyncio.sleep(start)
                while True:
                    async with manager.hold({name: 1}):
                        await asyncio.sleep(self.HOLD)

            streams = [
                asyncio.create_task(stream(name, start))
                for name, start in (("a", 0.0), ("a", 0.0), ("b", offset), ("b", offset))
            ]
            await asyncio.sleep(5.1)
            arrival = loop.time()
            async with asyncio.timeout(100), manager.hold({"a": 1, "b": 1}):
                wait = loop.time() - arrival
            for task in streams:
                task.cancel()
            await asyncio.wait(streams)
            return wait

        # Two of the streams were in line before it, for at most one holding time.
        assert 0 < run_virtual(main()) <= self.BOUND + self.HOLD

    @any_order(tries(30, 100))
    @given(st.integers(0, 2**32))
    def test_random_streams(self, seed: int) -> None:
        draw = random.Random(seed)
        capacity = {name: draw.randint(1, 4) for name in "abc"}
        arrivals = []
        for _ in range(60):
            names = draw.sample("abc", draw.choice([1, 1, 2, 3]))
            amounts = {name: draw.randint(1, capacity[name]) for name in names}
            arrivals.append((draw.randint(0, 160) / 16, amounts))
        assert run_virtual(self.longest_wait(capacity, arrivals)) <= self.BOUND
