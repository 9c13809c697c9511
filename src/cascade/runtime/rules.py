"""Rules: live constraints as requirements on the one queue. Nothing else decides.

A ``pause`` is a gate, a ``concurrency`` a capacity, a ``rate_limit`` a rate, each a resource of the
manager that every task in the rule's scope wants beside what it declares. A rule that comes or
changes amends what waits, in place, and charges what runs.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from cascade.runtime.lanes import PAID, Kind, Resource
from cascade.runtime.ticket import HELD, Request, Ticket
from cascade.spec.amounts import UNITS, to_units

if TYPE_CHECKING:
    from collections.abc import Callable

    from cascade.runtime.resource_manager import ResourceManager
    from cascade.runtime.run import Run
    from cascade.spec.constraint import GlobalConstraint

PREFIX = "rule:"
"""What the names of the resources of rules begin with."""
_KINDS: dict[str, Kind] = {"pause": "gate", "concurrency": "capacity", "rate_limit": "rate"}

Pairs = tuple[tuple[Resource, int], ...]


class Asker:
    """A task that asks for resources: who it is, for explanations and for rules."""

    __slots__ = ("engine", "label", "names", "node", "priority", "run", "tags")

    def __init__(
        self,
        label: str,
        names: tuple[str, ...],
        tags: tuple[str, ...],
        engine: str | None,
        run: Run,
        node: int,
        priority: int = 0,
    ) -> None:
        self.label = label
        """Who it is, in words."""
        self.names = names
        """The names of the task and of the call."""
        self.tags = tags
        """The tags of the task."""
        self.engine = engine
        """The name of the engine."""
        self.run = run
        self.node = node
        self.priority = priority
        """Who has a higher one is ahead."""

    def __str__(self) -> str:
        return self.label


class _Rule:
    __slots__ = ("constraint", "expires_at", "loop", "resource", "timer")

    def __init__(self, constraint: GlobalConstraint, resource: Resource) -> None:
        self.constraint = constraint
        self.resource = resource
        self.timer: asyncio.TimerHandle | None = None
        self.loop: asyncio.AbstractEventLoop | None = None
        """The loop of the timer."""
        self.expires_at: float | None = None


class Rules:
    """The live rules of a manager.

    Args:
        manager: whose tickets they amend.
    """

    def __init__(self, manager: ResourceManager) -> None:
        self.version = 0
        """Changes with every rule that comes, changes or goes."""
        self.on_expired: Callable[[GlobalConstraint], None] | None = None
        """Called when a rule has ended by itself."""
        self._manager = manager
        self._rules: dict[str, _Rule] = {}
        self._matching: dict[tuple[tuple[str, ...], tuple[str, ...], str | None], Pairs] = {}

    def active(self) -> list[GlobalConstraint]:
        """Return the rules that hold now, in the order in which they came."""
        return [rule.constraint for rule in self._rules.values()]

    def left(self, id: str, now: float) -> float | None:
        """Return for how many seconds a rule still holds; None: without end, or it is unknown."""
        rule = self._rules.get(id)
        if rule is None or rule.expires_at is None:
            return None if rule is None else rule.constraint.expires_in
        return max(0.0, rule.expires_at - now)

    def update(self, constraint: GlobalConstraint) -> None:
        """Let a rule hold from now on, in place of any other of its id.

        Raises:
            ResourceError: the manager is in use by another loop.
        """
        manager = self._manager
        manager.check_steering()
        old = self._rules.get(constraint.id)
        if old is not None and old.constraint.type == constraint.type:
            rule = old
            same_scope = old.constraint.scope == constraint.scope
            rule.constraint = constraint
            self._set_limit(rule)
        else:
            same_scope = False
            if old is not None:
                self._drop(old)
            resource = Resource(PREFIX + constraint.id)
            resource.is_rule = True
            resource.kind = _KINDS[constraint.type]
            rule = self._rules[constraint.id] = _Rule(constraint, resource)
            manager.add_resource(resource)
            self._set_limit(rule)
        self._set_timer(rule)
        if not same_scope:
            self._changed()

    def remove(self, id: str) -> GlobalConstraint | None:
        """Let a rule hold no longer, and return it; None if there is none of that id.

        Raises:
            ResourceError: the manager is in use by another loop.
        """
        self._manager.check_steering()
        rule = self._rules.get(id)
        if rule is None:
            return None
        self._drop(rule)
        return rule.constraint

    def _drop(self, rule: _Rule) -> None:
        del self._rules[rule.constraint.id]
        if rule.timer is not None:
            rule.timer.cancel()
            rule.timer = rule.loop = None
        self._changed()
        self._manager.remove_resource(rule.resource)

    def _set_limit(self, rule: _Rule) -> None:
        constraint, resource = rule.constraint, rule.resource
        if constraint.type == "pause":
            resource.limit = 0
        elif constraint.type == "concurrency":
            resource.limit = constraint.params["limit"] * UNITS
        else:
            burst = to_units(constraint.params["burst"])
            resource.set_rate(constraint.per_second, burst, self._manager.now())
        self._manager.limits_changed([resource])

    # Expiry

    def _set_timer(self, rule: _Rule) -> None:
        if rule.timer is not None:
            rule.timer.cancel()
        rule.timer = rule.loop = rule.expires_at = None
        if rule.constraint.expires_in is not None:
            try:
                loop = asyncio.get_running_loop()
            except RuntimeError:
                return  # it begins with the first run
            rule.expires_at = loop.time() + rule.constraint.expires_in
            self._arm(rule, loop)

    def _arm(self, rule: _Rule, loop: asyncio.AbstractEventLoop) -> None:
        assert rule.expires_at is not None
        rule.loop = loop
        rule.timer = loop.call_at(rule.expires_at, self._expire, rule)

    def run_begins(self, loop: asyncio.AbstractEventLoop) -> None:
        """Set the timers of rules that were made before, or on a loop that has ended."""
        for rule in self._rules.values():
            seconds = rule.constraint.expires_in
            if seconds is None or (rule.timer is not None and rule.loop is loop):
                continue
            now = loop.time()
            if rule.expires_at is None or rule.expires_at > now + seconds:
                rule.expires_at = now + seconds
            self._arm(rule, loop)

    def _expire(self, rule: _Rule) -> None:
        rule.timer = rule.loop = None
        if self._rules.get(rule.constraint.id) is rule:
            self._drop(rule)
            if self.on_expired is not None:
                self.on_expired(rule.constraint)

    # Whom they are for

    def matching(self, asker: Asker) -> Pairs:
        """Return what a task wants because of the rules."""
        key = (asker.names, asker.tags, asker.engine)
        pairs = self._matching.get(key)
        if pairs is None:
            pairs = self._matching[key] = tuple(
                [
                    (rule.resource, UNITS)
                    for rule in self._rules.values()
                    if rule.constraint.matches(*key)
                ]
            )
        return pairs

    def request_for(self, declared: Request | None, asker: Asker) -> Request | None:
        """Return what a task wants: what it declares, and what the rules add; None for nothing."""
        pairs = self.matching(asker)
        if not pairs:
            return declared
        return Request(pairs if declared is None else declared.pairs + pairs)

    def _changed(self) -> None:
        """Amend what waits, and charge what runs."""
        self.version += 1
        self._matching.clear()
        manager = self._manager
        amended: list[tuple[Ticket, Request]] = []
        known: set[tuple[Run, int]] = set()
        for ticket in manager.tickets():
            asker = ticket.asker
            if not isinstance(asker, Asker):
                continue
            known.add((asker.run, asker.node))
            if getattr(ticket, "suspended", False):
                continue
            pairs = ticket.request.pairs
            declared = tuple([pair for pair in pairs if not pair[0].is_rule])
            wanted = declared + self.matching(asker)
            if getattr(ticket, "resuming", False):
                wanted = tuple([pair for pair in wanted if pair[0].kind not in PAID])
            if ticket.state == HELD and asker.run.is_charged(asker.node, ticket):
                wanted = self._charges(asker)
            if wanted != pairs:
                amended.append((ticket, Request(wanted)))
        manager.amend(amended)
        for run in manager.running():
            for node in run.running():
                if (run, node) not in known:
                    asker = run.asker(node)
                    charges = self._charges(asker)
                    if charges:
                        run.charge(node, manager.charge(Request(charges), asker))
        manager.break_deadlocks()

    def _charges(self, asker: Asker) -> Pairs:
        """Return what a running task that asked for nothing is charged with: its place."""
        return tuple([pair for pair in self.matching(asker) if pair[0].kind == "capacity"])
