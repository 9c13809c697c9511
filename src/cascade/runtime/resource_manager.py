"""ResourceManager: the limits of a program, and the way to ask for what they limit.

Who is granted, and in which order, is decided in `grant_queue`.
"""

from __future__ import annotations

import asyncio
import difflib
import math
import warnings
from asyncio import _get_running_loop
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager, suppress
from fractions import Fraction
from threading import get_ident
from types import TracebackType
from typing import TYPE_CHECKING, Any
from weakref import ref

from cascade.errors import AcquireTimeoutError, DeadlockError, ResourceError
from cascade.runtime.attempts import current_attempt
from cascade.runtime.deadlock import find_any_deadlock, find_deadlock, may_deadlock
from cascade.runtime.explanations import Statistics, Waiting, explain, statistics, waiters
from cascade.runtime.grant_queue import PASS_OVERS, GrantQueue, infeasible
from cascade.runtime.lanes import METERED, PAID, Aside, Kind, Resource
from cascade.runtime.meters import Budget, OnEmpty, Rate
from cascade.runtime.oversight import Overseer, Oversight
from cascade.runtime.rules import PREFIX, Asker, Rules
from cascade.runtime.ticket import HELD, RELEASED, WAITING, WITHDRAWN, Request, Ticket
from cascade.runtime.timers import call_at
from cascade.spec.amounts import MOST, UNITS, check_amount, to_units
from cascade.spec.checks import (
    check_duration,
    check_finite,
    check_name,
    check_priority,
    check_whole,
    shown,
)

if TYPE_CHECKING:
    from cascade.ports import Connector
    from cascade.runtime.constraints import Attachment
    from cascade.runtime.run import Run

__all__ = ["PASS_OVERS", "ResourceManager"]


class ResourceManager(GrantQueue):
    """Hands out amounts of resources: exactly, in order, all or nothing.

    One manager can be injected into any number of engines of one event loop, so that one limit
    holds for all of them. Idle, it belongs to no loop. It may be steered while work runs.

    There are four kinds of resource, and a name has one of them: a capacity comes back on release,
    a rate with time, a gate only has to be open, and a budget never comes back by itself. A name
    without a limit is unlimited, and its usage is counted.

    Args:
        capacity: how much there is of each resource, such as ``{"cpu_slot": 100}``; None as an
            amount means unlimited, 0 a pause.
        aging: with priorities, seconds of waiting that are worth one level of priority, so that
            nobody waits for ever; None (the default) makes priorities strict.
        strict: refuse requests for names that were never given a limit.

    Raises:
        TypeError, ValueError: an amount isn't a finite number ≥ 0; it names the resource.
    """

    __slots__ = (
        "__weakref__",
        "_aging",
        "_arrivals",
        "_is_running",
        "_prepared",
        "_returned",
        "_strict",
        "_thread",
        "_warned",
        "attached",
        "oversight",
        "rules",
        "runs",
    )

    def __init__(
        self,
        capacity: Mapping[str, float | None] | None = None,
        *,
        aging: float | None = None,
        strict: bool = False,
    ) -> None:
        super().__init__()
        self._prepared: dict[tuple[Any, ...], Request] = {}
        self._arrivals = 0
        # Of the loop that it is bound to: whether it runs, and in which thread.
        self._is_running: Callable[[], bool] = _not_running
        self._thread: int | None = None
        self._aging = None
        if aging is not None:
            if check_finite("aging", aging) <= 0:
                raise ValueError(f"aging must be above 0 seconds per level, got {aging!r}")
            self._aging = Fraction(aging)
        self._strict = strict
        self._returned: list[Ticket] = []
        self._warned: set[str] = set()
        self.rules: Rules | None = None
        """The live rules, once there was one."""
        self.runs: dict[int, ref[Run]] = {}
        """The runs that are going on in engines with this manager, by identity. Weakly, so that
        one whose loop was closed under it can go."""
        self.attached: dict[Connector, Attachment] = {}
        """The connectors over which rules come."""
        self.oversight: Oversight | None = None
        """The runs that are looked after from outside, if they are."""
        if capacity is not None:
            self.set_capacity(capacity)

    # Limits

    def set_capacity(self, capacity: Mapping[str, float | None]) -> None:
        """Set how much there is of the named resources; others stay as they are.

        It acts at once: raising grants whoever fits now, lowering lets the holders finish (usage
        drains), 0 pauses, None removes the limit.

        Raises:
            TypeError: an amount isn't a number; nothing is changed then.
            ValueError: an amount isn't finite and ≥ 0, or a name is of another kind.
            ResourceError: the manager is in use by the loop of another thread.
        """
        _check_mapping("capacity", capacity)
        limits: dict[str, int | None] = {}
        for name, amount in capacity.items():
            self._check_kind(name, "capacity")
            if amount is None:
                limits[name] = None
            else:
                check_amount(name, amount)
                limits[name] = to_units(amount)
        self.check_steering()
        changed = []
        for name, limit in limits.items():
            resource = self._resource(name, "capacity")
            if resource.limit != limit:
                resource.limit = limit
                changed.append(resource)
        if changed:
            self.limits_changed(changed)
            self.break_deadlocks()

    def set_rate(self, name: str, per_second: float | None, burst: float = 1) -> None:
        """Set how much of a resource may be taken in a second.

        An amount is taken on grant and comes back with time. Changed, the rate goes on with what
        is there (at most the new burst); whoever waits is served at the new speed at once.

        Args:
            name: the resource.
            per_second: how much comes back in a second, such as ``10 / 60``; None: no limit.
            burst: how much may be taken at once after a pause, at least 1.

        Raises:
            TypeError: `per_second` or `burst` isn't a number.
            ValueError: `per_second` isn't finite and above 0, `burst` is below 1, or the name is
                of another kind.
            ResourceError: the manager is in use by the loop of another thread.
        """
        self._check_kind(name, "rate")
        if per_second is not None and check_finite(f"per_second of {name!r}", per_second) <= 0:
            raise ValueError(
                f"per_second of {name!r} must be above 0, got {per_second!r}; "
                "to let nothing through for a while, use a gate"
            )
        if check_finite(f"burst of {name!r}", burst) < 1:
            raise ValueError(f"burst of {name!r} must be at least 1, got {burst!r}")
        check_amount(name, burst)
        self.check_steering()
        resource, units = self._resource(name, "rate"), to_units(burst)
        if per_second is None:
            resource.lift()
        else:
            self.has_meters = True
            resource.set_rate(float(per_second), units, self._now())
        self.limits_changed([resource])

    def set_gate(self, name: str, open: bool) -> None:
        """Open or close a gate: as long as it is closed, nobody who wants it is granted.

        Raises:
            TypeError: `open` isn't a bool.
            ValueError: the name is of another kind.
            ResourceError: the manager is in use by the loop of another thread.
        """
        self._check_kind(name, "gate")
        if not isinstance(open, bool):
            raise TypeError(f"open of {name!r} must be True or False, got {open!r}")
        self.check_steering()
        resource = self._resource(name, "gate")
        limit = None if open else 0
        if resource.limit != limit:
            resource.limit = limit
            self.limits_changed([resource])

    def set_budget(self, name: str, remaining: float | None, on_empty: OnEmpty = "wait") -> None:
        """Set how much is left of something that is spent for good, such as money.

        An amount is spent on grant; `Ticket.settle` corrects an estimate afterwards.

        Args:
            name: the resource.
            remaining: how much is left from now on; None: no limit.
            on_empty: whether a request for more than is left waits until there is more, or fails
                with an `InfeasibleRequestError`.

        Raises:
            TypeError: `remaining` isn't a number.
            ValueError: `remaining` isn't finite and ≥ 0, `on_empty` is something else, or the name
                is of another kind.
            ResourceError: the manager is in use by the loop of another thread.
        """
        self._check_kind(name, "budget")
        if remaining is not None:
            check_amount(name, remaining)
        if on_empty not in ("wait", "fail"):
            raise ValueError(f"on_empty of {name!r} must be 'wait' or 'fail', got {on_empty!r}")
        self.check_steering()
        resource = self._resource(name, "budget")
        if remaining is None:
            resource.lift()
        elif isinstance(resource.meter, Budget):
            resource.meter.remaining, resource.meter.on_empty = to_units(remaining), on_empty
        else:
            self.has_meters = True
            resource.meter = Budget(to_units(remaining), on_empty)
            resource.limit = METERED
        self.limits_changed([resource])

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
            if type(amount) is int:
                prepared = self._prepared.get((name, amount))
                if prepared is not None:
                    return prepared
        else:
            for amount in amounts.values():
                if type(amount) is not int:
                    break
            else:
                prepared = self._prepared.get(tuple(amounts.items()))
                if prepared is not None:
                    return prepared
        pairs = []
        small = True
        for name, amount in amounts.items():
            if type(amount) is int and 0 < amount <= MOST and type(name) is str and name:
                units = amount * UNITS  # what most requests look like
                small = small and amount <= _SMALL
            else:
                check_name(name)
                check_amount(name, amount)
                units = to_units(amount)
                small = False
            if units:
                if self._strict:
                    self._check_known(name)
                pairs.append((self._resource(name), units))
        for resource, _ in pairs:
            if resource.kind is None:
                self._meet_unknown(resource.name)
                small = False
        request = Request(tuple(pairs))
        if small and pairs and len(self._prepared) < _KEPT:
            items = tuple(amounts.items())
            self._prepared[items[0] if len(items) == 1 else items] = request
        return request

    def take(self, request: Request, owner: str | Asker) -> Ticket | None:
        """Grant a prepared request at once if the rule allows, otherwise return None.

        Raises:
            ResourceError: the manager is in use by another loop, or there is no running loop.
        """
        # If the manager's loop runs in this thread, it is the running one; asking for that one
        # takes longer than all of the rest.
        if get_ident() != self._thread or not self._is_running():
            self._check_loop(_running_loop())
        for resource, units in request.pairs:
            limit = resource.limit
            if (
                limit is not None
                and resource.used + resource.claimed + units > limit
                and (resource.meter is None or not self._allows(resource, units))
            ):
                return None
        ticket = Ticket(self, request, owner)
        self._grant(ticket)
        if self._spent:
            self._settle({})
        return ticket

    async def wait(
        self,
        request: Request,
        owner: str | Asker,
        timeout: float | None = None,
        priority: int = 0,
        resuming: bool = False,
    ) -> Ticket:
        """Queue for a prepared request that `take` didn't grant, and return its ticket.

        Raises:
            InfeasibleRequestError: an amount is above the capacity or burst, or above what is left
                of a budget that fails.
            AcquireTimeoutError: not granted within `timeout` seconds.
            DeadlockError: it would wait for ever, as who holds it waits for this very request.
        """
        suspicious = self.has_charged
        for resource, units in request.pairs:
            limit = resource.limit
            # More than is left of a budget may be waited for.
            if (
                limit
                and units > limit
                and resource.is_below(units)
                and (resource.kind != "budget" or resource.fails())
            ):
                raise infeasible(resource, units)
            if resource.blocked:
                suspicious = True
        loop = self._loop  # `take` has just bound or checked it
        assert loop is not None
        ticket = Ticket(self, request, owner)
        ticket.future = future = loop.create_future()
        ticket.since = now = loop.time()
        ticket.key = self._next_key(priority, now)
        ticket.passed = 0
        ticket.standing = []
        ticket.aside = None
        ticket.timed = timeout is not None
        if resuming:
            ticket.resuming = True
        ticket.attempt = attempt = current_attempt.get()
        self._enqueue(ticket)
        # Who holds nothing stops nobody, wherever it waits.
        waits = attempt is not None and attempt.ticket is not None and attempt.waits(loop)
        timer = None
        try:
            if (
                (suspicious or waits)
                and attempt is not None
                and ticket.state == WAITING
                and may_deadlock(self, request)
            ):
                circle = find_deadlock(self, ticket)
                if circle is not None:
                    raise DeadlockError(f"deadlock: {circle}")
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
            if waits and attempt is not None:
                attempt.goes_on()
            ticket.future = ticket.attempt = None
            del future  # what it raises must not be reachable from its own traceback
        if ticket.state == WITHDRAWN:
            raise AcquireTimeoutError(str(owner), request.amounts, timeout or 0.0)
        return ticket

    async def acquire(
        self,
        amounts: Mapping[str, Any],
        *,
        priority: int = 0,
        timeout: float | None = None,
        owner: str | None = None,
    ) -> Ticket:
        """Take amounts of resources, all at one instant, waiting in line until they are there.

        Args:
            amounts: what is wanted, by resource, such as ``{"gpu": 1, "memory_gb": 4}``. Of a
                gate, any amount above 0 means that it has to be open.
            priority: a whole number; higher ones are ahead of lower ones.
            timeout: how long to wait at most, in seconds; None: as long as it takes.
            owner: who asks, in words, for explanations; the current task's name by default.

        Raises:
            InfeasibleRequestError: an amount is above the capacity or burst (a capacity of 0 is a
                pause, and waits), or above what is left of a budget that fails.
            AcquireTimeoutError: not granted in time.
            DeadlockError: it would wait for ever, as who holds it waits for this very request.
            TypeError, ValueError: an amount or the timeout isn't a number that makes sense.
            ResourceError: the manager is in use by another loop.
        """
        if timeout is not None:
            timeout = check_duration("timeout", timeout)
        if type(priority) is not int:
            priority = check_priority(priority)
        request = self.prepare(amounts)
        ticket = self.take(request, owner or "")
        if owner is None:
            # Now the manager is bound to the running loop.
            task = asyncio.current_task(self._loop)
            owner = "somebody" if task is None else task.get_name()
            del task  # it must not be in the traceback of what it raises
            if ticket is not None:
                ticket.asker = owner
        if ticket is None:
            ticket = await self.wait(request, owner, timeout, priority)
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
        priority: int = 0,
        timeout: float | None = None,
        owner: str | None = None,
    ) -> AbstractAsyncContextManager[Ticket]:
        """Hold amounts of resources for an ``async with`` block; parameters as for `acquire`."""
        return _Hold(self, amounts, priority, timeout, owner)

    def statistics(self) -> Statistics:
        """Return a frozen snapshot of all resources."""
        if self._returned and (self._loop is None or self._loop.is_closed()):
            self._take_returned()
        return statistics(self)

    def explain(self, most: int | None = None) -> list[Waiting]:
        """Return why each waiter waits, in the order in which they stand.

        Args:
            most: how many at most, the first ones; None: all.

        Raises:
            TypeError, ValueError: `most` isn't a whole number ≥ 1.
        """
        if most is not None:
            check_whole("most", most, 1)
        return explain(self, most)

    def lacking(self, request: Request) -> tuple[str, ...]:
        """Return the names of the resources that keep a new request waiting now."""
        return tuple(
            [
                resource.name
                for resource, units in request.pairs
                if not self._allows(resource, units)
            ]
        )

    def settle(self, ticket: Ticket, spent: Mapping[str, float]) -> None:
        """Correct what a ticket has spent of its budgets; see `Ticket.settle`."""
        _check_mapping("spent", spent)
        wanted = []
        taken = {resource.name: resource for resource, _ in ticket.request.pairs}
        for name, amount in spent.items():
            resource = taken.get(name)
            if resource is None or resource.kind != "budget":
                budgets = [other for other, r in taken.items() if r.kind == "budget"]
                raise ValueError(
                    f"{name!r} is no budget that {ticket!r} has asked for; "
                    + (f"it has asked for {', '.join(budgets)}" if budgets else "it has none")
                )
            check_amount(name, amount)
            wanted.append((resource, to_units(amount)))
        self.check_steering()
        before = dict(ticket.request.pairs) | getattr(ticket, "settled", {})
        ticket.settled = before | dict(wanted)
        for resource, units in wanted:
            meter = resource.meter
            if isinstance(meter, Budget) and units != before[resource]:
                left = meter.remaining
                meter.spend(units - before[resource], 0.0)
                self._budget_changed(resource, meter, left)

    def _allows(self, resource: Resource, units: int) -> bool:
        """Whether a resource has so many units for somebody behind all who stand there."""
        return resource.allows(resource.claimed + units, self._now())

    def _next_key(self, priority: int, now: float) -> int:
        """Return the place of a new waiter: smaller ones are ahead."""
        self._arrivals += 1
        if self._aging is None:
            return self._arrivals - priority * _LEVEL
        return math.floor((Fraction(now) - self._aging * priority) * UNITS) * _LEVEL + (
            self._arrivals
        )

    def give_back(self, ticket: Ticket) -> None:
        """Take a held ticket back; tickets call this when they are released."""
        if (get_ident() != self._thread or not self._is_running()) and self._loop is not None:
            self._check_release()
            self._leave_closed_loop()
        ticket.state = RELEASED
        del self._held[ticket]
        pairs = ticket.request.pairs
        if len(pairs) == 1:
            # What `_take_back` does, written out for what most tickets look like.
            resource, units = pairs[0]
            resource.used -= units
            if resource.line and resource.meter is None and not self._serve_line(resource):
                self._settle({resource: None})
        else:
            self._take_back(ticket.request)

    def give_back_later(self, ticket: Ticket) -> None:
        """Take a held ticket back from any thread, once the loop that uses the manager runs.

        If that loop has ended meanwhile, the next one does it as it begins to use the manager.
        """
        self._returned.append(ticket)
        loop = self._loop
        if loop is not None:
            # A closed loop calls nothing: the next one to use the manager looks by itself.
            with suppress(RuntimeError):
                loop.call_soon_threadsafe(self._take_returned)

    def _take_returned(self) -> None:
        while self._returned:
            ticket = self._returned.pop(0)
            if ticket.state == HELD:
                ticket.release()

    def _expire(self, ticket: Ticket) -> None:
        future = ticket.future
        if ticket.state == WAITING and future is not None and not future.done():
            self._withdraw(ticket)
            future.set_result(None)

    # For the engine: giving back for a while

    def suspend(self, ticket: Ticket) -> Request:
        """Take a held ticket's capacities back for a while; return what `resume` asks for."""
        given = ticket.request
        kept = tuple([pair for pair in given.pairs if pair[0].kind in PAID])
        if kept:
            given = Request(tuple([pair for pair in given.pairs if pair[0].kind not in PAID]))
        ticket.suspended = True
        ticket.request = Request(kept)
        self._take_back(given)
        return given

    async def resume(self, ticket: Ticket, given: Request) -> None:
        """Queue for what `suspend` has taken back, as rules are now, and add it to the ticket."""
        request, asker = self._wanted_again(ticket, given), ticket.asker
        again = self.take(request, asker)
        if again is None:
            priority = asker.priority if isinstance(asker, Asker) else 0
            again = await self.wait(request, asker, priority=priority, resuming=True)
            self._hand_over(again, ticket)
        else:
            self._hand_over(again, ticket)
            # Others that woke in this instant are to stand in line before it goes on.
            await asyncio.sleep(0)

    def resume_at_once(self, ticket: Ticket, given: Request) -> None:
        """Take what `suspend` has taken back if the rule allows, and add it to the ticket."""
        again = self.take(self._wanted_again(ticket, given), ticket.asker)
        if again is not None:
            self._hand_over(again, ticket)

    def _wanted_again(self, ticket: Ticket, given: Request) -> Request:
        pairs = tuple([pair for pair in given.pairs if not pair[0].is_rule])
        if self.rules is not None and isinstance(ticket.asker, Asker):
            rules = self.rules.matching(ticket.asker)
            pairs += tuple([pair for pair in rules if pair[0].meter is None])
        return Request(pairs)

    def _hand_over(self, again: Ticket, ticket: Ticket) -> None:
        """One ticket, one release: what was granted again goes over to the first."""
        del self._held[again]
        again.state = RELEASED
        ticket.request = Request(ticket.request.pairs + again.request.pairs)
        ticket.suspended = False

    def break_deadlocks(self) -> None:
        """Fail those who can't go on any more, as limits or rules are now."""
        if not self.has_charged and not any(r.blocked for r in self._resources.values()):
            return
        while (found := find_any_deadlock(self)) is not None:
            ticket, circle = found
            future = ticket.future
            self._withdraw(ticket)
            if future is not None and not future.done():
                future.set_exception(DeadlockError(f"deadlock: {circle}"))

    # Live rules

    def make_rules(self) -> Rules:
        """Return the live rules, which may be none yet."""
        if self.rules is None:
            self.rules = Rules(self)
        return self.rules

    def now(self) -> float:
        """Return what the clock shows of the loop that uses the manager, or else that runs."""
        loop = self._loop or _get_running_loop()
        return 0.0 if loop is None else loop.time()

    def running(self) -> list[Run]:
        """Return the runs that are going on in engines with this manager."""
        gone = [identity for identity, known in self.runs.items() if known() is None]
        for identity in gone:
            del self.runs[identity]
        return [run for known in self.runs.values() if (run := known()) is not None]

    def tickets(self) -> list[Ticket]:
        """Return all tickets that are held or wait."""
        return [*self._held, *waiters(self)]

    def oversee(self, overseer: Overseer) -> None:
        """Tell somebody outside of the program of the runs that begin from now on."""
        if self.oversight is None:
            self.oversight = Oversight()
        self.oversight.overseers.append(overseer)

    def overlook(self, overseer: Overseer) -> None:
        """Tell somebody no longer of what runs."""
        if self.oversight is not None:
            self.oversight.overseers.remove(overseer)
            if not self.oversight.overseers:
                self.oversight = None

    def add_resource(self, resource: Resource) -> None:
        """Make the resource of a rule known."""
        self._resources[resource.name] = resource
        self.has_meters = self.has_meters or resource.kind == "rate"

    def remove_resource(self, resource: Resource) -> None:
        """Forget the resource of a rule, which nobody wants any more."""
        if self._resources.get(resource.name) is resource:
            del self._resources[resource.name]

    # Checks

    def _resource(self, name: str, kind: Kind | None = None) -> Resource:
        resource = self._resources.get(name)
        if resource is None:
            resource = self._resources[name] = Resource(name)
        if kind is not None:
            resource.kind = kind
        return resource

    def _check_kind(self, name: str, kind: Kind) -> None:
        check_name(name)
        if name.startswith(PREFIX):
            raise ValueError(
                f"names that begin with {PREFIX!r} are those of live rules, got {name!r}"
            )
        resource = self._resources.get(name)
        if resource is not None and resource.kind not in (None, kind):
            raise ValueError(f"{name!r} is a {resource.kind} already, it can't be a {kind} too")

    def _check_known(self, name: str) -> None:
        """Refuse a name without a limit."""
        resource = self._resources.get(name)
        if resource is None or resource.kind is None:
            raise ValueError(
                f"the resource {name!r} has no limit, and this manager is strict; "
                f"{self._hint(name)}"
            )

    def _meet_unknown(self, name: str) -> None:
        """Warn about a name without a limit, once."""
        if name in self._warned or not any(r.kind for r in self._resources.values()):
            return
        self._warned.add(name)
        warnings.warn(
            f"the resource {name!r} has no limit, so it is unlimited; {self._hint(name)}",
            RuntimeWarning,
            stacklevel=4,
        )

    def _hint(self, name: str) -> str:
        known = [resource.name for resource in self._resources.values() if resource.kind]
        near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
        return f"did you mean {near[0]!r}?" if near else f"known: {', '.join(sorted(known))}"

    def _check_loop(self, loop: asyncio.AbstractEventLoop) -> None:
        """Bind to the running loop, unless another one uses the manager."""
        if loop is self._loop:
            return
        bound = self._loop
        if bound is not None and (self._held or self._waiting):
            if not bound.is_closed():
                raise ResourceError(
                    "this ResourceManager is in use by another event loop: "
                    f"{len(self._held)} tickets are held there and {self._waiting} wait. "
                    "Use one manager per loop, or wait until it is idle"
                )
            self._leave_closed_loop()
        self._loop = loop
        self._thread = get_ident()
        self._is_running = loop.is_running
        for resource in self._resources.values():
            if isinstance(resource.meter, Rate):
                resource.meter.move_to(loop.time())
        self._take_returned()

    def check_steering(self) -> None:
        """Refuse to change limits under the loop that uses the manager, from outside of it."""
        self._leave_closed_loop()
        bound = self._loop
        if bound is None or not (self._held or self._waiting):
            return
        running = _get_running_loop()
        if running is not None:
            self._check_loop(running)
        elif bound.is_running():
            _running_loop()  # says what to do instead

    def _leave_closed_loop(self) -> None:
        """Once its loop is closed, drop what waited there, as nobody can be woken any more."""
        if self._loop is None or not self._loop.is_closed():
            return
        self._loop = self._thread = None
        self._is_running = _not_running
        waiters = [ticket for lane in self._lanes.values() for ticket in lane.tickets()]
        for resource in self._resources.values():
            waiters += resource.aside.tickets()
            resource.aside = Aside()
            resource.line.clear()
            resource.lanes.clear()
            resource.reservers.clear()
            resource.claimed = resource.waiting = 0
            resource.timer = None
        for ticket in waiters:
            ticket.state = WITHDRAWN
        self._lanes.clear()
        self._spent.clear()
        self._unarmed.clear()
        self._waiting = 0

    def _check_release(self) -> None:
        """Refuse a release from outside of the running loop; a loop that has ended is fine."""
        assert self._loop is not None
        if self._loop.is_running():
            raise ResourceError(
                "a ticket must be released on the event loop it was taken on; from a thread, "
                "use loop.call_soon_threadsafe(ticket.release)"
            )


_LEVEL = 1 << 62
"""Arrivals between one level of priority and the next."""
_SMALL = 64
"""Requests for whole amounts are kept prepared up to this one."""
_KEPT = 1024
"""How many requests are kept prepared at most."""


class _Hold:
    """The context manager of `ResourceManager.hold`."""

    __slots__ = (
        "_amounts",
        "_entered",
        "_manager",
        "_owner",
        "_priority",
        "_ticket",
        "_timeout",
    )

    def __init__(
        self,
        manager: ResourceManager,
        amounts: Mapping[str, Any],
        priority: int,
        timeout: float | None,
        owner: str | None,
    ) -> None:
        self._manager = manager
        self._amounts = amounts
        self._priority = priority
        self._timeout = timeout
        self._owner = owner
        self._ticket: Ticket | None = None
        self._entered = False

    async def __aenter__(self) -> Ticket:
        if self._entered:
            raise ResourceError("this hold is entered already; call hold() once for each block")
        timeout = None if self._timeout is None else check_duration("timeout", self._timeout)
        if type(self._priority) is not int:
            self._priority = check_priority(self._priority)
        manager, owner = self._manager, self._owner or _current_owner()
        request = manager.prepare(self._amounts)
        self._entered = True
        try:
            ticket = manager.take(request, owner)
            if ticket is None:
                ticket = await manager.wait(request, owner, timeout, self._priority)
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


def _current_owner() -> str:
    loop = _get_running_loop()
    task = None if loop is None else asyncio.current_task(loop)
    return "somebody" if task is None else task.get_name()


def _not_running() -> bool:
    return False


def _check_mapping(argument: str, value: object) -> None:
    if not isinstance(value, Mapping):
        raise TypeError(f"{argument} must map resource names to amounts, got {shown(value)}")
