"""An in-process broker with MQTT topic rules, and the connector that joins engines to it.

Messages are handed over as the very object that was published: neither side may change it.
"""

from __future__ import annotations

import asyncio
import contextvars
import inspect
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Generator
from typing import Any, NamedTuple
from weakref import WeakSet

from cascade.connectors.topic_tree import TopicTree, filter_levels, topic_levels
from cascade.errors import ConnectorError
from cascade.spec.checks import check_whole

__all__ = ["LocalBroker", "LocalBusConnector", "LocalSubscription"]

_log = logging.getLogger("cascade.connectors.local")

Callback = Callable[[str, Any], Awaitable[None]]
MATCHED = 1024
"""For how many topics a broker remembers who is told of them."""


class LocalBroker:
    """Hands messages to the subscriptions whose filter matches their topic.

    Filters follow MQTT: ``+`` stands for one level, a ``#`` at the end for any number of levels,
    none included, and neither stands for a first level that begins with ``$``. Publishing only
    queues: each subscription has its own bounded queue and calls its callback from a task of its
    own, which lives only while there is something to deliver. Several subscriptions that match
    are served in the order in which they were made.

    One event loop after another may use a broker; two that run at the same time may not.

    Args:
        queue_size: how many undelivered messages a subscription keeps; beyond that its oldest
            one is dropped and counted. It bounds what can be published at one instant, too:
            delivery begins only when the publisher lets the loop go on.

    Raises:
        TypeError: `queue_size` isn't a whole number.
        ValueError: `queue_size` is below 1.
    """

    __slots__ = (
        "__weakref__",
        "_loop",
        "_matched",
        "_queue_size",
        "_retained",
        "_serial",
        "_subscriptions",
        "dropped",
    )

    def __init__(self, queue_size: int = 1000) -> None:
        check_whole("queue_size", queue_size, 1)
        self.dropped = 0
        """How many messages all subscriptions together have dropped from full queues."""
        self._queue_size = queue_size
        self._serial = 0
        self._subscriptions: TopicTree[LocalSubscription] = TopicTree()
        self._retained: TopicTree[_Retained] = TopicTree()
        # Who is told of the topics that were published to, until a subscription comes or goes.
        self._matched: dict[str, list[LocalSubscription]] = {}
        self._loop: asyncio.AbstractEventLoop | None = None

    def publish(self, topic: str, payload: Any, retain: bool = False) -> None:
        """Queue `payload` for every subscription that matches; never waits, never calls them.

        Args:
            topic: where to; no wildcards.
            payload: any object, handed over as it is.
            retain: keep it for later subscriptions, in place of what the topic kept before.
                An empty payload (None, ``""``, ``b""``) is delivered and clears the topic.

        Raises:
            TypeError: `topic` isn't a string.
            ValueError: `topic` is empty or contains a wildcard or NUL.
            ConnectorError: another running loop has subscriptions on this broker.
        """
        if not retain and type(topic) is str:
            known = self._matched.get(topic)
            if known is not None:
                loop = self._bind()
                for subscription in known:
                    self._deliver(subscription, topic, payload, loop)
                return
        levels = topic_levels(topic)
        loop = self._bind()
        if retain:
            if payload is None or (isinstance(payload, (str, bytes)) and not payload):
                self._retained.remove(levels, 0)
            else:
                message = _Retained(self._next_serial(), topic, payload)
                self._retained.add(levels, 0, message)
        receivers = self._subscriptions.matched_by(levels)
        if len(receivers) > 1:
            receivers.sort(key=_by_serial)
        if len(self._matched) >= MATCHED:
            self._matched.clear()
        self._matched[topic] = receivers
        for subscription in receivers:
            self._deliver(subscription, topic, payload, loop)

    def subscribe(self, topic: str, callback: Callback) -> LocalSubscription:
        """Call `callback(topic, payload)` for every message whose topic matches the filter.

        What is retained comes first, in the order in which it was published. The callback runs
        with the context variables of the subscriber.

        Args:
            topic: the filter, which may contain wildcards.
            callback: an async function; one call ends before the next begins.

        Raises:
            TypeError: `topic` isn't a string, or `callback` isn't callable.
            ValueError: `topic` isn't a filter: empty, NUL, ``#`` before the end, or a wildcard
                that shares its level with something else.
            ConnectorError: another running loop has subscriptions on this broker.
        """
        levels = filter_levels(topic)
        check_callback(callback)
        loop = self._bind()
        subscription = LocalSubscription(self, self._next_serial(), topic, callback)
        self._subscriptions.add(levels, subscription.serial, subscription)
        self._matched.clear()
        for message in sorted(self._retained.matching(levels), key=_by_serial):
            self._deliver(subscription, message.topic, message.payload, loop)
        return subscription

    def reset(self) -> None:
        """End all subscriptions, forget what is retained, set the counters back."""
        for subscription in self._subscriptions.everything():
            subscription.unsubscribe()
        self._retained = TopicTree()
        self._loop = None
        self.dropped = 0

    def _deliver(
        self,
        subscription: LocalSubscription,
        topic: str,
        payload: Any,
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        if not subscription._offer(topic, payload, self._queue_size, loop):
            self.dropped += 1

    def _bind(self) -> asyncio.AbstractEventLoop:
        loop = asyncio.get_running_loop()
        bound = self._loop
        if bound is not loop:
            if bound is not None and bound.is_running() and self._subscriptions:
                raise ConnectorError(
                    "this broker has subscriptions of another event loop that is still running; "
                    "use a LocalBroker for each loop"
                )
            self._loop = loop
        return loop

    def _next_serial(self) -> int:
        self._serial += 1
        return self._serial

    def _remove(self, subscription: LocalSubscription) -> None:
        self._subscriptions.remove(subscription.topic.split("/"), subscription.serial)
        self._matched.clear()


class LocalSubscription:
    """A callback's place at a broker, until `unsubscribe()`."""

    __slots__ = (
        "__weakref__",
        "_broker",
        "_callback",
        "_context",
        "_failed",
        "_queue",
        "_worker",
        "dropped",
        "serial",
        "topic",
    )

    def __init__(self, broker: LocalBroker, serial: int, topic: str, callback: Callback) -> None:
        self.serial = serial
        """Its place in the order of subscriptions."""
        self.topic = topic
        """The filter that it was made with."""
        self.dropped = 0
        """How many messages its full queue has dropped."""
        self._broker: LocalBroker | None = broker
        self._callback = callback
        # Without it, callbacks would run in the context of whoever publishes first.
        self._context = contextvars.copy_context()
        self._queue: deque[tuple[str, Any]] | None = None
        self._worker: asyncio.Task[None] | None = None
        self._failed = False

    def unsubscribe(self) -> Awaitable[None]:
        """End the subscription: no further callback begins, one that has begun runs to its end.

        It acts at once; the result may be awaited or not. Calling it again does nothing.
        """
        broker, self._broker = self._broker, None
        if broker is not None:
            broker._remove(self)
            self._queue = None
        return _DONE

    def _offer(
        self, topic: str, payload: Any, queue_size: int, loop: asyncio.AbstractEventLoop
    ) -> bool:
        queue = self._queue
        if queue is None:
            queue = self._queue = deque()
        fits = len(queue) < queue_size
        if not fits:
            queue.popleft()
            self.dropped += 1
        queue.append((topic, payload))
        worker = self._worker
        # A worker that was cancelled before its first step, or whose loop is gone, won't come back.
        if worker is None or worker.done() or worker.get_loop() is not loop:
            self._worker = loop.create_task(
                self._drain(), name=f"subscription to {self.topic}", context=self._context
            )
        return fits

    async def _drain(self) -> None:
        me = asyncio.current_task()
        assert me is not None
        try:
            while self._queue:
                for _ in range(len(self._queue)):
                    if not self._queue:
                        return
                    topic, payload = self._queue.popleft()
                    try:
                        await self._callback(topic, payload)
                    except asyncio.CancelledError:
                        if me.cancelling():
                            raise
                        self._report(topic)
                    except Exception:
                        self._report(topic)
                # A callback that publishes to itself must not keep the loop for itself.
                await asyncio.sleep(0)
        finally:
            if self._worker is me:
                self._worker = None

    def _report(self, topic: str) -> None:
        if not self._failed:
            self._failed = True
            _log.exception(
                "callback %r of the subscription to %r failed on %r; "
                "its further failures are not reported",
                self._callback,
                self.topic,
                topic,
            )


class LocalBusConnector:
    """Joins engines, agents and monitors of one process to a `LocalBroker`.

    Args:
        broker: which one; without it the default broker, which is shared by all that name none.

    Raises:
        TypeError: `broker` isn't a `LocalBroker`.
    """

    __slots__ = ("__weakref__", "_broker", "_subscriptions", "_users")

    def __init__(self, broker: LocalBroker | None = None) -> None:
        if broker is not None and not isinstance(broker, LocalBroker):
            raise TypeError(f"broker must be a LocalBroker or None, got {broker!r}")
        self._broker = _default_broker() if broker is None else broker
        self._users = 0
        self._subscriptions: WeakSet[LocalSubscription] = WeakSet()

    @property
    def connected(self) -> bool:
        """Whether at least one user is connected."""
        return self._users > 0

    @classmethod
    def _reset_broker_state(cls) -> None:
        """Empty the default broker: no subscriptions, nothing retained."""
        _default_broker().reset()

    async def connect(self) -> None:
        """Open the connection, or join the users of the open one."""
        self._users += 1

    async def disconnect(self) -> None:
        """Undo one `connect()`; when not connected, do nothing.

        The last one to leave ends all subscriptions made here, cancels the callbacks that are
        running and waits for them.
        """
        if self._users:
            self._users -= 1
            if not self._users:
                await self._close()

    async def publish(self, topic: str, payload: Any, qos: int = 0, retain: bool = False) -> None:
        """Queue `payload` for every matching subscription; see `LocalBroker.publish`.

        Args:
            topic, payload, retain: as there.
            qos: 0, 1 or 2, all the same here: nothing is lost except from a full queue.

        Raises:
            ValueError: `qos` is none of these; and what `LocalBroker.publish` raises.
            ConnectorError: not connected.
        """
        self._check_connected("publish", topic)
        if qos not in (0, 1, 2):
            raise ValueError(f"qos must be 0, 1 or 2, got {qos!r}")
        self._broker.publish(topic, payload, retain)

    async def subscribe(self, topic: str, callback: Callback) -> LocalSubscription:
        """Call `callback` for every message that matches; see `LocalBroker.subscribe`.

        Returns:
            A handle: `unsubscribe()` ends it, `dropped` counts what its full queue has lost.

        Raises:
            ConnectorError: not connected; and what `LocalBroker.subscribe` raises.
        """
        self._check_connected("subscribe", topic)
        subscription = self._broker.subscribe(topic, callback)
        self._subscriptions.add(subscription)
        return subscription

    def _check_connected(self, call: str, topic: str) -> None:
        if not self._users:
            raise ConnectorError(f"{call}({topic!r}) needs a connection: await connect() first")

    async def _close(self) -> None:
        subscriptions, self._subscriptions = self._subscriptions, WeakSet()
        loop, me = asyncio.get_running_loop(), asyncio.current_task()
        workers = []
        for subscription in sorted(subscriptions, key=_by_serial):
            subscription.unsubscribe()
            worker = subscription._worker
            # A callback may be the one that disconnects: it can't wait for its own end.
            if worker is not None and worker is not me and worker.get_loop() is loop:
                worker.cancel()
                workers.append(worker)
        if workers:
            await asyncio.wait(workers)


class _Done:
    """What can be awaited, and has nothing to wait for."""

    __slots__ = ()

    def __await__(self) -> Generator[Any, None, None]:
        yield from ()


_DONE = _Done()


class _Retained(NamedTuple):
    serial: int
    topic: str
    payload: Any


def _by_serial(entry: LocalSubscription | _Retained) -> int:
    return entry.serial


def check_callback(callback: object) -> None:
    """Raise unless a callback is an async function, or may return an awaitable otherwise.

    Raises:
        TypeError: it is none.
    """
    if inspect.isfunction(callback):
        fits = inspect.iscoroutinefunction(callback) or callback.__name__ == "<lambda>"
    else:
        fits = callable(callback)
    if not fits:
        raise TypeError(f"callback must be an async function of (topic, payload), got {callback!r}")


_default: LocalBroker | None = None


def _default_broker() -> LocalBroker:
    global _default
    if _default is None:
        _default = LocalBroker()
    return _default
