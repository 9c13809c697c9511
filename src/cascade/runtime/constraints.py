"""ConstraintManager: steering what runs, from code or over a connector."""

from __future__ import annotations

import asyncio
import inspect
import json
from typing import TYPE_CHECKING, Any

from cascade.runtime.events import ConstraintApplied, ConstraintRejected, ConstraintRemoved
from cascade.spec.checks import check_name, shown
from cascade.spec.constraint import GlobalConstraint

if TYPE_CHECKING:
    from cascade.ports import Connector, Subscription
    from cascade.runtime.engine import Engine
    from cascade.runtime.events import Event
    from cascade.runtime.resource_manager import ResourceManager

TOPIC = "cascade/constraints/"
"""Where rules are told of, each under its id."""
REJECTED = "/rejected"
"""What is added to a rule's topic for the answer to one that isn't valid."""


class ConstraintManager:
    """The live rules of an engine's resource manager, shared by all engines of that manager.

    Args:
        engine: whose rules they are, and whose bus is told of them.
    """

    __slots__ = ("_engine",)

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    @property
    def manager(self) -> ResourceManager:
        """Whose rules they are."""
        return self._engine.resource_manager

    def update(self, constraint: GlobalConstraint) -> None:
        """Let a rule hold from now on; one of the same id is replaced.

        It reaches what waits already, and what runs: more may run than a new rule allows, until
        they end; nobody starts beside them.

        Raises:
            TypeError: it isn't a `GlobalConstraint`.
            ResourceError: the manager is in use by another loop.
        """
        if not isinstance(constraint, GlobalConstraint):
            raise TypeError(f"constraint must be a GlobalConstraint, got {shown(constraint)}")
        rules = self.manager.make_rules()
        rules.on_expired = self._expired
        rules.update(constraint)
        self._tell(ConstraintApplied("", self.manager.now(), constraint))

    def remove(self, id: str) -> bool:
        """Let a rule hold no longer; whether there was one of that id.

        Raises:
            TypeError, ValueError: `id` isn't a string with something in it.
            ResourceError: the manager is in use by another loop.
        """
        check_name(id, "id of a constraint")
        rules = self.manager.rules
        removed = None if rules is None else rules.remove(id)
        if removed is None:
            return False
        self._tell(ConstraintRemoved("", self.manager.now(), removed, expired=False))
        return True

    def active(self) -> list[GlobalConstraint]:
        """Return the rules that hold now, in the order in which they came."""
        rules = self.manager.rules
        return [] if rules is None else rules.active()

    async def attach(self, connector: Connector) -> None:
        """Obey the rules that are told of on ``cascade/constraints/<id>``, until `detach`.

        Retained ones count as well. For each manager and connector this happens once; further
        calls are counted. The connector must be connected.

        Raises:
            ConnectorError: it isn't.
        """
        attached, loop = self.manager.attached, asyncio.get_running_loop()
        entry = attached.get(connector)
        if entry is None or entry.loop is not loop:
            # One of another loop has ended with it: the manager is used by one loop at a time.
            entry = attached[connector] = Attachment(self, connector, loop)
            # A connector may also want to look after what runs, and to steer it.
            oversee = getattr(connector, "oversee", None)
            if oversee is not None:
                oversee(self)
        try:
            await entry.join()
        except BaseException:
            await self._leave(connector, entry)
            raise

    async def detach(self, connector: Connector) -> None:
        """Take back one `attach`; the last one ends the subscription. Rules stay."""
        entry = self.manager.attached.get(connector)
        if entry is not None:
            await self._leave(connector, entry)

    async def _leave(self, connector: Connector, entry: Attachment) -> None:
        attached = self.manager.attached
        if entry.is_last() and attached.get(connector) is entry:
            del attached[connector]  # whoever comes from here on subscribes anew
            self._overlooked_by(connector)
        await entry.leave()

    def abandon(self, connector: Connector) -> None:
        """Take back one `attach` where nothing can be awaited any more, as its loop is closed."""
        entry = self.manager.attached.get(connector)
        if entry is not None and entry.loop.is_closed():
            del self.manager.attached[connector]
            self._overlooked_by(connector)

    def _overlooked_by(self, connector: Connector) -> None:
        overlook = getattr(connector, "overlook", None)
        if overlook is not None:
            overlook(self)

    def reject(self, id: str, reason: str) -> None:
        """Tell that a message was no valid rule."""
        self._tell(ConstraintRejected("", self.manager.now(), id, reason))

    def _expired(self, constraint: GlobalConstraint) -> None:
        self._tell(ConstraintRemoved("", self.manager.now(), constraint, expired=True))
        for entry in self.manager.attached.values():
            entry.forget(constraint.id)

    def _tell(self, event: Event) -> None:
        """Publish an event on the buses of this engine and of all that are running."""
        buses = {id(run.engine.bus_in_use): run.engine.bus_in_use for run in self.manager.running()}
        buses[id(self._engine.bus_in_use)] = self._engine.bus_in_use
        for bus in buses.values():
            if bus is not None and bus.hot:
                bus.publish(event)


class Attachment:
    """A subscription to the rules that a connector tells of."""

    def __init__(
        self,
        constraints: ConstraintManager,
        connector: Connector,
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        self.loop = loop
        """The loop that it was made on."""
        self._constraints = constraints
        self._connector = connector
        self._users = 0
        self._subscription: Subscription | None = None
        self._subscribing: asyncio.Task[Subscription] | None = None
        self._answers: set[asyncio.Task[None]] = set()

    async def join(self) -> None:
        """Count one more user; the first one subscribes."""
        self._users += 1
        if self._subscription is None:
            if self._subscribing is None:
                self._subscribing = asyncio.ensure_future(
                    _subscribe(self._connector, self._receive)
                )
            self._subscription = await asyncio.shield(self._subscribing)

    def is_last(self) -> bool:
        """Whether no more than one user is left."""
        return self._users <= 1

    async def leave(self) -> None:
        """Count one user less; the last one unsubscribes."""
        self._users -= 1
        if self._users:
            return
        subscription, self._subscription = self._subscription, None
        subscribing, self._subscribing = self._subscribing, None
        if subscription is None and subscribing is not None:
            subscribing.cancel()
        if subscription is not None:
            ending = subscription.unsubscribe()
            if inspect.isawaitable(ending):
                await ending

    async def _receive(self, topic: str, payload: Any) -> None:
        id = topic.removeprefix(TOPIC)
        constraints = self._constraints
        try:
            if payload is None or payload in ("", b"", {}):
                constraints.remove(id)
            else:
                if isinstance(payload, (bytes, str)):
                    payload = json.loads(payload)
                constraints.update(GlobalConstraint.from_payload(id, payload))
        except (TypeError, ValueError, RecursionError) as error:
            reason = str(error)
            constraints.reject(id, reason)
            answer = {"id": id, "reason": reason}
            await self._connector.publish(f"{topic}{REJECTED}", answer)

    def forget(self, id: str) -> None:
        """Let a rule that has ended by itself reach nobody who subscribes later."""
        answer = asyncio.ensure_future(self._connector.publish(TOPIC + id, "", retain=True))
        self._answers.add(answer)
        answer.add_done_callback(self._answers.discard)


async def _subscribe(connector: Connector, receive: Any) -> Subscription:
    return await connector.subscribe(f"{TOPIC}+", receive)
