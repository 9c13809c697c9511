"""A naive model of limits that is obviously right, and a manager that is checked against it.

The model keeps no meters: a rate is recomputed in fractions from all that ever happened to it, a
budget is the sum of its ledger, and the grant rule is spelt out from scratch.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction

from cascade.runtime import grant_queue
from cascade.runtime.lanes import Resource
from cascade.runtime.resource_manager import ResourceManager
from cascade.runtime.ticket import HELD, Request, Ticket
from cascade.spec.amounts import UNITS

Amounts = dict[str, int]
"""Whole numbers of resources, by name."""
Line = list[tuple[int, int, Ticket]]
"""Who stands at a resource: (key, amount, ticket), by key."""

KINDS = {"a": "capacity", "b": "capacity", "r": "rate", "s": "rate", "g": "gate"}
KINDS |= {"u": "budget", "v": "budget"}

AFTER_ALL = float("inf")
"""The place of a new request: behind everybody."""


@dataclass
class RateHistory:
    """Everything that ever happened to a rate, since it was last without a limit."""

    events: list[tuple[float, int, float, int]] = field(default_factory=list)
    """(time, spent, per second, burst): a spending, or with 0 spent a new setting."""
    known: tuple[tuple[float, int], Fraction] | None = None
    """The level that was computed last, and for which state."""

    def set(self, now: float, per_second: float, burst: int) -> None:
        self.events.append((now, 0, per_second, burst))

    def spend(self, now: float, amount: int) -> None:
        _, _, per_second, burst = self.events[-1]
        self.events.append((now, amount, per_second, burst))

    @property
    def per_second(self) -> Fraction:
        return Fraction(self.events[-1][2])

    @property
    def burst(self) -> int:
        return self.events[-1][3]

    def slip(self) -> Fraction:
        """How far off a real meter may be: a unit for each change of its setting, and one."""
        return Fraction(len([0 for _, spent, _, _ in self.events if not spent]) + 1, UNITS)

    def level(self, now: float) -> Fraction:
        """Return what is there; asked for again, it needn't be computed again."""
        state = (now, len(self.events))
        if self.known is None or self.known[0] != state:
            self.known = state, self.computed(now)
        return self.known[1]

    def computed(self, now: float) -> Fraction:
        """Return what is there, step by step from the beginning."""
        before, speed, size = 0.0, Fraction(0), 0
        level: Fraction | None = None  # full, as nothing was ever spent
        for time, spent, per_second, burst in self.events:
            if level is not None:
                level = min(Fraction(size), level + (Fraction(time) - Fraction(before)) * speed)
                level = min(level, Fraction(burst))
            if spent:
                level = (Fraction(burst) if level is None else level) - spent
            before, speed, size = time, Fraction(per_second), burst
        if level is None:
            return Fraction(size)
        return min(Fraction(size), level + (Fraction(now) - Fraction(before)) * speed)


class Model:
    """What there is of everything, who holds what, and the rule."""

    def __init__(self) -> None:
        self.capacities: dict[str, int | None] = {}
        self.open: dict[str, bool] = {}
        self.rates: dict[str, RateHistory | None] = {}
        self.ledgers: dict[str, list[int] | None] = {}
        self.fails: dict[str, bool] = {}
        self.live: dict[Ticket, Amounts] = {}

    def now(self) -> float:
        return asyncio.get_running_loop().time()

    def used(self, name: str) -> int:
        return sum(amounts.get(name, 0) for amounts in self.live.values())

    def left(self, name: str) -> int | None:
        """What is left of a budget."""
        ledger = self.ledgers.get(name)
        return None if ledger is None else sum(ledger)

    def level(self, name: str) -> Fraction:
        history = self.rates[name]
        assert history is not None
        return history.level(self.now())

    def is_limited(self, name: str) -> bool:
        if KINDS.get(name) == "gate":
            return not self.open.get(name, True)
        return any(
            limits.get(name) is not None for limits in (self.capacities, self.rates, self.ledgers)
        )

    def is_slow(self, name: str) -> bool:
        """Whether it is limited and doesn't come back on release."""
        return KINDS.get(name) in ("rate", "budget") and self.is_limited(name)

    def is_closed(self, name: str) -> bool:
        """Whether only a person can help."""
        left = self.left(name)
        return (
            self.capacities.get(name) == 0
            or not self.open.get(name, True)
            or (left is not None and left <= 0)
        )

    def enough(self, name: str, amount: int) -> bool | None:
        """Whether there is so much at once; None if that is too close to tell."""
        kind = KINDS.get(name)
        if kind == "gate":
            return self.open.get(name, True)
        if not self.is_limited(name):
            return True
        if kind == "budget":
            left = self.left(name)
            return left is None or amount <= left
        if kind == "rate":
            history = self.rates[name]
            assert history is not None
            spare = self.level(name) - amount
            return None if abs(spare) <= history.slip() else spare > 0
        limit = self.capacities[name]
        return limit is None or self.used(name) + amount <= limit

    def too_much(self, name: str, amount: int) -> bool:
        """Whether there will never be so much, as things are."""
        history, left, limit = self.rates.get(name), self.left(name), self.capacities.get(name)
        if history is not None:
            return amount > history.burst
        if left is not None:
            return amount > left and (left > 0 or self.fails[name])
        return bool(limit) and limit is not None and amount > limit

    def impossible(self, amounts: Mapping[str, int]) -> bool:
        return any(self.too_much(name, amount) for name, amount in amounts.items())

    def hopeless(self, amounts: Mapping[str, int]) -> bool:
        """Whether a new request is to fail at once, rather than to step aside."""
        return any(
            self.too_much(name, amount) and self.fails.get(name, True)
            for name, amount in amounts.items()
        )

    def grant(self, ticket: Ticket, amounts: Amounts) -> None:
        self.live[ticket] = dict(amounts)
        for name, amount in amounts.items():
            history, ledger = self.rates.get(name), self.ledgers.get(name)
            if history is not None:
                history.spend(self.now(), amount)
                assert self.level(name) >= -history.slip(), "a rate was over-granted"
            if ledger is not None:
                ledger.append(-amount)
                assert sum(ledger) >= 0, "a budget was spent beyond what was left"
            limit = self.capacities.get(name)
            assert limit is None or self.used(name) <= limit, "above the limit"
            assert self.open.get(name, True), "through a closed gate"


def amounts_of(request: Request) -> Amounts:
    return {resource.name: units // UNITS for resource, units in request.pairs}


def all_or_none(verdicts: Iterable[bool | None]) -> bool | None:
    """True if all are; False if one isn't; else it is too close to tell."""
    found = list(verdicts)
    return False if False in found else None if None in found else True


class WatchedManager(ResourceManager):
    """Tells the model of every grant, and checks the rule there."""

    __slots__ = ("model", "moves")

    def __init__(self, aging: float | None = None) -> None:
        super().__init__(aging=aging)
        self.model = Model()
        self.moves = 0

    # What stands where

    def in_lanes(self) -> list[Ticket]:
        """Everybody in a lane, by key; who was set aside isn't among them."""
        found = [ticket for lane in self._lanes.values() for ticket in lane.tickets()]
        return sorted(found, key=lambda ticket: ticket.key)

    def set_aside(self) -> list[Ticket]:
        return [ticket for r in self._resources.values() for ticket in r.aside.tickets()]

    def firsts(self) -> list[Ticket]:
        return [lane.first for lane in self._lanes.values() if lane.first is not None]

    def lines(self) -> dict[str, Line]:
        """Who stands at each resource, as the firsts themselves say."""
        lines: dict[str, Line] = {}
        for first in self.firsts():
            amounts = amounts_of(first.request)
            for resource in first.standing:
                name = resource.name
                lines.setdefault(name, []).append((first.key, amounts[name], first))
        for line in lines.values():
            line.sort(key=lambda entry: entry[0])
        return lines

    def stops(self, lines: dict[str, Line], amounts: Amounts, key: float) -> dict[str, bool | None]:
        """Return for each resource whether it has enough behind those who stand ahead."""
        return {
            name: self.model.enough(name, claims(lines.get(name, []), key) + amount)
            for name, amount in amounts.items()
        }

    # Checked at every grant

    def _grant(self, ticket: Ticket) -> None:
        model, amounts = self.model, amounts_of(ticket.request)
        if not amounts:
            # It takes nothing, so that it is in nobody's way.
            super()._grant(ticket)
            model.grant(ticket, amounts)
            return
        key, names = getattr(ticket, "key", AFTER_ALL), ticket.request.names
        for other in self.in_lanes():
            if other.key < key and not model.impossible(amounts_of(other.request)):
                assert not other.request.names <= names, "overtook its like"
        lines = self.lines()
        for first in self.firsts():
            if first.key < key:
                verdict = all_or_none(
                    self.stops(lines, amounts_of(first.request), first.key).values()
                )
                assert verdict is not True, "out of turn"
        assert all_or_none(self.stops(lines, amounts, key).values()) is not False, "overtook"
        super()._grant(ticket)
        model.grant(ticket, amounts)

    def give_back(self, ticket: Ticket) -> None:
        self.merge_resumed()
        del self.model.live[ticket]
        super().give_back(ticket)

    def _set_aside(self, ticket: Ticket, resource: Resource, units: int) -> None:
        assert self.model.too_much(resource.name, units // UNITS), "it might go some day"
        super()._set_aside(ticket, resource, units)

    def _stand(self, ticket: Ticket, places: list[Resource]) -> None:
        self.moves += 1
        assert self.moves < 100_000, "they go round in circles"
        super()._stand(ticket, places)

    def merge_resumed(self) -> None:
        """What was taken anew for a ticket that had given back goes over to that one."""
        live = self.model.live
        for other in [other for other in live if other.state != HELD]:
            (ticket,) = [t for t in live if t.state == HELD and t.asker == other.asker]
            live[ticket] |= live.pop(other)

    def suspend(self, ticket: Ticket) -> Request:
        held = self.model.live[ticket]
        for name in [name for name in held if KINDS[name] in ("capacity", "gate")]:
            del held[name]
        return super().suspend(ticket)

    # Checked between any two operations

    def check(self) -> None:
        """Everything that must hold between any two operations."""
        self.merge_resumed()
        lines = self.lines()
        queue = self.in_lanes()
        self._check_lanes(lines, queue)
        self._check_resources(lines, [*queue, *self.set_aside()])
        self._check_explanations(lines)

    def _check_lanes(self, lines: dict[str, Line], queue: list[Ticket]) -> None:
        model = self.model
        for names, lane in self._lanes.items():
            members = [ticket for ticket in queue if ticket.request.names == names]
            first = lane.first
            assert first is not None
            assert first is members[0]
            assert len(lane) == len(members)
            for member in members:
                amounts = amounts_of(member.request)
                verdicts = self.stops(lines, amounts, member.key)
                assert all_or_none(verdicts.values()) is not True, "it may go and waits"
                assert member is first or not member.standing
            self._check_places(first, self.stops(lines, amounts_of(first.request), first.key))
        for ticket in self.set_aside():
            assert model.impossible(amounts_of(ticket.request)), "aside, though it may go some day"

    def _check_places(self, first: Ticket, enough: dict[str, bool | None]) -> None:
        """It stands where the rule says."""
        model = self.model
        assert not model.impossible(amounts_of(first.request)), "it blocks others for nothing"
        standing = {resource.name for resource in first.standing}
        assert len(standing) == len(first.standing)
        closed = {name for name in enough if model.is_closed(name)}
        if closed:
            assert len(standing) == 1, "it claims something for what only a person can give it"
            assert standing <= closed
        elif first.passed < grant_queue.PASS_OVERS:
            assert len(standing) == 1
            assert not any(enough[name] for name in standing)
        else:
            slow = {name for name in enough if model.is_slow(name)}
            short = all_or_none(enough[name] for name in slow)
            if short is False:
                assert standing == slow, "idle slots are held for a token of tomorrow"
            elif short is True:
                assert standing == {name for name in enough if model.is_limited(name)}

    def _check_resources(self, lines: dict[str, Line], everybody: list[Ticket]) -> None:
        model = self.model
        statistics = self.statistics()
        assert (statistics.holding, statistics.waiting) == (len(model.live), len(everybody))
        assert len(self._held) == len(model.live)
        assert not self._spent
        assert not self._unarmed
        for name, resource in self._resources.items():
            line = lines.get(name, [])
            assert resource.used == model.used(name) * UNITS
            assert resource.used <= resource.peak
            assert resource.line == [(key, first, units * UNITS) for key, units, first in line]
            assert resource.claimed == sum(units for _, units, _ in line) * UNITS
            assert set(resource.lanes) == {
                lane for names, lane in self._lanes.items() if name in names
            }
            assert set(resource.reservers) <= {first for _, _, first in line}
            wanting = [ticket for ticket in everybody if name in ticket.request.names]
            assert resource.waiting == len(wanting)
            figures = statistics.resources[name]
            assert (figures.used, figures.waiting) == (model.used(name), len(wanting))
            assert figures.peak == resource.peak / UNITS
            self._check_timer(name, resource, line)
            if KINDS.get(name) == "budget":
                assert figures.capacity == model.left(name)

    def _check_timer(self, name: str, resource: Resource, line: Line) -> None:
        """There is one just where time can help, for the first whom the rate stops."""
        history, timer = self.model.rates.get(name), resource.timer
        if history is None:
            assert timer is None, "a timer without a rate"
            return
        total, due = 0, None
        for _, amount, _ in line:
            total += amount
            enough = self.model.enough(name, total)
            if enough is None:
                return  # too close to tell
            if not enough:
                if total <= history.burst:
                    due = self.model.now() + (total - self.model.level(name)) / history.per_second
                break
        if due is None:
            assert timer is None, "a timer for nobody"
        else:
            assert timer is not None, "nobody wakes who waits for the rate"
            assert not timer.cancelled()
            assert abs(timer.when() - due) < 1e-6

    def _check_explanations(self, lines: dict[str, Line]) -> None:
        """What is told of each waiter is true."""
        model = self.model
        everybody = sorted([*self.in_lanes(), *self.set_aside()], key=lambda ticket: ticket.key)
        explained = self.explain()
        assert [why.owner for why in explained] == [ticket.owner for ticket in everybody]
        ahead: Amounts = {}
        for why, ticket in zip(explained, everybody, strict=True):
            amounts = amounts_of(ticket.request)
            assert why.request == amounts
            assert why.since == ticket.since
            assert why.impossible == model.impossible(amounts)
            assert why.blocked_on, "it waits for something"
            assert str(why).startswith(f"{ticket.owner} wants ")
            if why.impossible:
                beyond = [name for name, amount in amounts.items() if model.too_much(name, amount)]
                assert list(why.blocked_on) == beyond
                continue
            verdicts = self.stops(lines, amounts, ticket.key)
            if None not in verdicts.values():
                blocked = [name for name, enough in verdicts.items() if not enough]
                alone = {name: model.enough(name, amounts[name]) for name in blocked}
                assert list(why.blocked_on) == blocked
                if None not in alone.values():
                    assert list(why.lacking) == [n for n, enough in alone.items() if not enough]
                assert set(why.behind) == {
                    other.owner
                    for name in blocked
                    for key, _, other in lines.get(name, [])
                    if key < ticket.key
                }
                assert set(why.holders) == {
                    holder.owner
                    for name in blocked
                    if model.capacities.get(name)
                    for holder, held in model.live.items()
                    if name in held
                }
                self._check_ready_at(why.ready_at, blocked, amounts, ahead)
            if not any(model.is_closed(name) for name in amounts):
                for name, amount in amounts.items():
                    ahead[name] = ahead.get(name, 0) + amount

    def _check_ready_at(
        self, told: float | None, blocked: list[str], amounts: Amounts, ahead: Amounts
    ) -> None:
        """It is when the rates have given so much to all who are ahead and to this one."""
        model, due = self.model, None
        for name in blocked:
            history = model.rates.get(name)
            if history is not None:
                missing = ahead.get(name, 0) + amounts[name] - model.level(name)
                ready = model.now() + max(Fraction(0), missing) / history.per_second
                due = ready if due is None else max(due, ready)
        if due is None:
            assert told is None
        else:
            assert told is not None
            assert abs(told - due) < 1e-6

    def check_drained(self) -> None:
        """Nothing is left of anybody."""
        self.check()
        assert not self.model.live
        assert not self._lanes
        assert not self.set_aside()
        assert (len(self._held), self._waiting) == (0, 0)
        for resource in self._resources.values():
            assert (resource.used, resource.claimed, resource.waiting) == (0, 0, 0)
            assert (resource.line, resource.lanes, resource.reservers) == ([], {}, {})
            assert resource.timer is None


def claims(line: Line, key: float) -> int:
    """What those claim who stand in a line ahead of a place."""
    return sum(amount for other, amount, _ in line if other < key)
