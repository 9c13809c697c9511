"""All kinds of limits under any mix of operations, against a model that is obviously right.

Operations are drawn at random and made one after the other, with or without letting the loop turn
in between, so that a cancel can meet a grant, a time-out, a due token or a changed limit.
"""

from __future__ import annotations

import asyncio
import itertools
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.long_form import tries
from tests.runtime.grant_model import KINDS, Amounts, RateHistory, WatchedManager, amounts_of
from tests.runtime.world import A_MOMENT, Operation, World, any_order, many

from cascade.errors import AcquireTimeoutError, InfeasibleRequestError
from cascade.runtime import grant_queue
from cascade.runtime.ticket import HELD, Request, Ticket
from cascade.spec.amounts import UNITS
from cascade.testing import run_virtual

CAPACITIES = (0, 1, 2, 3, 4, None)
SPEEDS = (0.25, 0.5, 1.0, 2.0, 10 / 60, None)
BURSTS = (1, 1, 2, 3)
BUDGETS = (0, 1, 2, 3, 5, 8, 20, None)
PRIORITIES = (0, 0, 0, 0, 0, 1, -1, 4)
STEPS = (0.25, 0.5, 1.0, 1.5, 2.0, 3.0, 4.25, 7.0)


def sets_of(names: str) -> list[tuple[str, ...]]:
    """All sets of one, two or three of these, and all of them."""
    found = [s for size in (1, 2, 3) for s in itertools.combinations(names, size)]
    return [*found, tuple(names)]


def amounts_from(number: int, sets: list[tuple[str, ...]]) -> Amounts:
    """A set of resources, with amounts of mostly 1, in either order."""
    number, which = divmod(number, len(sets))
    amounts = {}
    for name in sets[which]:
        number, amount = divmod(number, 4)
        amounts[name] = (1, 1, 2, 3)[amount]
    return dict(reversed(amounts.items())) if number % 2 else amounts


class Limited(World[WatchedManager]):
    """A manager with limits of all kinds, and the tasks that ask it."""

    def __init__(self, names: str, aging: float | None = None) -> None:
        super().__init__(WatchedManager(aging))
        self.model = self.manager.model
        self.names = names
        self.sets = sets_of(names)
        self.ended: list[Ticket] = []
        self.given: dict[int, Request] = {}
        self.resuming: dict[int, asyncio.Task[None]] = {}
        for name in names:
            {
                "capacity": lambda: self.set_capacity(name, 2),  # noqa: B023
                "rate": lambda: self.set_rate(name, 0.5, 1),  # noqa: B023
                "gate": lambda: self.set_gate(name, open=True),  # noqa: B023
                "budget": lambda: self.set_budget(name, 20, fails=name == "v"),  # noqa: B023
            }[KINDS[name]]()

    # Limits

    def set_capacity(self, name: str, limit: int | None) -> None:
        self.model.capacities[name] = limit
        self.manager.set_capacity({name: limit})

    def set_rate(self, name: str, per_second: float | None, burst: int) -> None:
        if per_second is None:
            self.model.rates[name] = None
        else:
            history = self.model.rates.get(name)
            if history is None:
                history = self.model.rates[name] = RateHistory()
            history.set(self.model.now(), per_second, burst)
        self.manager.set_rate(name, per_second, burst)

    def set_gate(self, name: str, *, open: bool) -> None:
        self.model.open[name] = open
        self.manager.set_gate(name, open)

    def set_budget(self, name: str, remaining: int | None, *, fails: bool) -> None:
        self.model.ledgers[name] = None if remaining is None else [remaining]
        self.model.fails[name] = fails and remaining is not None
        self.manager.set_budget(name, remaining, "fail" if fails else "wait")

    def change_a_limit(self, number: int, other: int) -> None:
        name = self.names[number % len(self.names)]
        number //= len(self.names)
        kind = KINDS[name]
        if kind == "capacity":
            self.set_capacity(name, CAPACITIES[other % len(CAPACITIES)])
        elif kind == "rate":
            speed = SPEEDS[other % len(SPEEDS)]
            self.set_rate(name, speed, BURSTS[number % len(BURSTS)])
        elif kind == "gate":
            self.set_gate(name, open=other % 2 == 0)
        else:
            fails = (name == "v") != (number % 8 == 0)
            self.set_budget(name, BUDGETS[other % len(BUDGETS)], fails=fails)

    def lift_all_limits(self) -> None:
        for name, kind in KINDS.items():
            if name not in self.names:
                continue
            if kind == "capacity":
                self.set_capacity(name, None)
            elif kind == "rate":
                self.set_rate(name, None, 1)
            elif kind == "gate":
                self.set_gate(name, open=True)
            else:
                self.set_budget(name, None, fails=False)

    # Asking

    def ask(self, amounts: Amounts, priority: int, timeout: float | None, *, hold: bool) -> None:
        self.start(lambda owner: self._ask(amounts, priority, timeout, owner, hold=hold))

    async def _ask(
        self, amounts: Amounts, priority: int, timeout: float | None, owner: str, *, hold: bool
    ) -> Ticket:
        manager, began = self.manager, self.model.now()
        hopeless = self.model.hopeless(amounts)
        try:
            if hold:
                held = manager.hold(amounts, priority=priority, timeout=timeout, owner=owner)
                ticket = await held.__aenter__()
            else:
                ticket = await manager.acquire(
                    amounts, priority=priority, timeout=timeout, owner=owner
                )
        except InfeasibleRequestError as refused:
            assert hopeless or KINDS[refused.resource] == "budget"  # noqa: PT017
            raise
        except AcquireTimeoutError:
            assert timeout is not None
            assert self.model.now() >= began + timeout
            raise
        assert not hopeless, "it was to fail at once"
        return ticket

    def cancel_resuming(self, choice: int) -> None:
        candidates = list(self.resuming.values())
        if candidates:
            candidates[choice % len(candidates)].cancel()

    # Holding

    def holders(self) -> list[int]:
        return [number for number in self.holding if number not in self.resuming]

    def release(self, choice: int) -> int | None:
        number = self.some_holder(choice)
        if number is not None:
            self.given.pop(number, None)
            self.ended.append(self.holding[number])
        return super().release(choice)

    def settle(self, choice: int, spent: int) -> None:
        """Correct what one has spent that has a budget, before or after its release."""
        candidates = [
            ticket
            for ticket in [*self.holding.values(), *self.ended]
            if any(KINDS[name] == "budget" for name in ticket.amounts if name in KINDS)
        ]
        if not candidates:
            return
        ticket = candidates[choice % len(candidates)]
        name = next(name for name in ticket.amounts if KINDS.get(name) == "budget")
        resource = self.manager._resources[name]
        before = getattr(ticket, "settled", {}).get(resource, dict(ticket.request.pairs)[resource])
        ledger = self.model.ledgers[name]
        if ledger is not None:
            ledger.append(before // UNITS - spent)
        ticket.settle({name: spent})

    def suspend(self, choice: int) -> None:
        number = self.some_holder(choice)
        if number is not None and number not in self.given:
            self.given[number] = self.manager.suspend(self.holding[number])

    def resume(self, choice: int) -> None:
        if self.given:
            number = list(self.given)[choice % len(self.given)]
            given = self.given.pop(number)
            if not self.model.hopeless(amounts_of(given)):
                self.resuming[number] = asyncio.create_task(
                    self.manager.resume(self.holding[number], given)
                )

    def amend(self, number: int, choice: int) -> None:
        """Let a third of the waiters, and of the holders, want one resource more, or less."""
        manager = self.manager
        name = self.names[choice % len(self.names)]
        if KINDS[name] == "budget":
            return  # rules know no budgets
        resource = manager._resources[name]
        suspended = {str(number) for number in [*self.given, *self.resuming]}
        changes = []
        for place, ticket in enumerate(manager.tickets()):
            if (place + number) % 3 or ticket.owner in suspended:
                continue
            pairs = tuple([pair for pair in ticket.request.pairs if pair[0] is not resource])
            if pairs == ticket.request.pairs:
                pairs = (*pairs, (resource, UNITS))
            request = Request(pairs)
            if ticket.state == HELD:
                self.model.live[ticket] = amounts_of(request)
            changes.append((ticket, request))
        manager.amend(changes)

    # Time

    def collect(self) -> None:
        super().collect()
        for number, resuming in list(self.resuming.items()):
            if resuming.done():
                del self.resuming[number]
                if not resuming.cancelled() and resuming.exception() is not None:
                    assert isinstance(resuming.exception(), InfeasibleRequestError)


operation = st.tuples(st.integers(0, 22), st.integers(0, 2**14 - 1), st.integers(0, 63))
operations = many(operation)


async def step(world: Limited, kind: int, number: int, other: int) -> None:
    """Do what was drawn."""
    if kind <= 6:
        hold, timeout = other % 7 == 0, None if other % 8 < 6 else float(other % 5)
        amounts = amounts_from(number, world.sets)
        world.ask(amounts, PRIORITIES[other // 8], timeout, hold=hold)
        if kind <= 4:
            await world.turn()
    elif kind == 7:
        world.try_for(amounts_from(number, world.sets))
    elif kind == 8:
        if other % 4:
            world.cancel(number)
        else:
            world.cancel_resuming(number)
    elif kind <= 12:
        world.release(number)
    elif kind <= 14:
        world.change_a_limit(number, other)
    elif kind == 15:
        await world.turn()
    elif kind <= 18:
        await world.pass_time(STEPS[other % 8])
    elif kind == 19:
        world.settle(number, other % 8)
    elif kind == 20:
        world.suspend(number)
    elif kind == 21:
        world.resume(number)
    else:
        world.amend(number, other)


async def run(world: Limited, drawn: list[Operation]) -> None:
    for kind, number, other in drawn:
        await step(world, kind, number, other)
        world.manager.check()
    await world.turn()
    if len(drawn) % 2:
        while world.cancel(0) is not None:
            world.manager.check()
    else:
        world.lift_all_limits()
        assert world.manager.statistics().waiting == 0, "nothing limits anybody any more"
    for task in world.resuming.values():
        task.cancel()
    await world.pass_time(A_MOMENT)
    assert not world.asking
    while world.release(0) is not None:
        world.manager.check()
    world.manager.check_drained()


def check(
    names: str,
    drawn: list[Operation],
    *,
    aging: float | None = None,
    pass_overs: int = grant_queue.PASS_OVERS,
) -> None:
    """Make these operations with limits of these names.

    With 0 `pass_overs` everybody reserves at once, which seldom happens otherwise.
    """

    async def main() -> None:
        await run(Limited(names, aging), drawn)

    with patch.object(grant_queue, "PASS_OVERS", pass_overs):
        run_virtual(main())


@any_order(tries(150, 600))
@given(operations)
def test_all_kinds_in_any_order_of_operations(drawn: list[Operation]) -> None:
    check("abrsguv", drawn)


@any_order(tries(125, 500))
@given(operations)
def test_a_few_of_several_kinds_where_everybody_is_in_the_way(drawn: list[Operation]) -> None:
    check("abru", drawn)


@any_order(tries(75, 300))
@given(operations)
def test_two_rates_and_a_capacity(drawn: list[Operation]) -> None:
    check("ars", drawn)


@any_order(tries(75, 300))
@given(operations)
def test_a_budget_that_fails_and_one_that_is_waited_for(drawn: list[Operation]) -> None:
    check("auv", drawn)


@any_order(tries(50, 200))
@given(operations)
def test_ageing_priorities(drawn: list[Operation]) -> None:
    check("abrg", drawn, aging=2.0)


@pytest.mark.parametrize("names", ["abru", "ars", "auv"])
@any_order(tries(50, 200))
@given(drawn=operations)
def test_those_who_reserve_at_once(names: str, drawn: list[Operation]) -> None:
    check(names, drawn, pass_overs=0)


@any_order(tries(25, 100))
@given(operations)
def test_those_who_reserve_when_passed_over_once(drawn: list[Operation]) -> None:
    check("abru", drawn, pass_overs=1)
