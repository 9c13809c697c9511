"""What outlives a single connection to an MQTT broker: who listens, and what waits to be sent."""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import Awaitable
from typing import Any
from weakref import WeakSet

from cascade.connectors.local import Callback, LocalBroker, LocalBusConnector, LocalSubscription
from cascade.connectors.mqtt_payload import decode
from cascade.quiet import QuietLog
from cascade.spec.checks import shown

_log = logging.getLogger("cascade.connectors.mqtt")

ECHO = "cascade/returned/"
"""What the topics begin with by which connections learn that they are up to date again."""
ATTEMPTS = 5
"""With how many connections in a row a message may be lost before it is held to be the reason."""


class Letter:
    """A message that the broker is to confirm."""

    __slots__ = ("attempts", "payload", "qos", "retain", "settled", "topic")

    def __init__(self, topic: str, payload: bytes, qos: int, retain: bool) -> None:
        self.topic, self.payload, self.qos, self.retain = topic, payload, qos, retain
        self.attempts = 0
        """How often it was sent."""
        self.settled = asyncio.Event()
        """Set when it is confirmed, dropped, or back in the queue because the connection broke."""


class Outbox:
    """Letters in the order in which they came, until the broker has confirmed them.

    Args:
        size: how many there may be; beyond that the oldest is dropped and counted.
    """

    __slots__ = ("_letters", "_size", "dropped")

    def __init__(self, size: int) -> None:
        self.dropped = 0
        """How many were dropped."""
        self._size = size
        self._letters: dict[Letter, None] = {}

    def __len__(self) -> int:
        return len(self._letters)

    def put(self, letter: Letter) -> None:
        """Let a letter wait."""
        if len(self._letters) >= self._size:
            self._drop(next(iter(self._letters)))
        self._letters[letter] = None

    def first(self, count: int) -> list[Letter]:
        """The oldest ones."""
        return [letter for letter, _ in zip(self._letters, range(count), strict=False)]

    def confirmed(self, letter: Letter) -> None:
        """Forget a letter that has arrived."""
        self._letters.pop(letter, None)
        letter.settled.set()

    def connection_lost(self) -> None:
        """Let nobody wait for a confirmation; drop what seems to break every connection."""
        for letter in list(self._letters):
            letter.settled.set()
            if letter.attempts >= ATTEMPTS:
                _log.error(
                    "a message of %d bytes on %r is dropped: the connection broke each of the "
                    "%d times that it was sent",
                    len(letter.payload),
                    letter.topic,
                    letter.attempts,
                )
                self._drop(letter)

    def _drop(self, letter: Letter) -> None:
        del self._letters[letter]
        letter.settled.set()
        self.dropped += 1


class Filter:
    """A filter that the broker is subscribed to, once for all who want it here.

    Args:
        number: the subscription identifier, by which the broker says which filters a message is
            for.
        topic: the filter.
        queue_size: how many undelivered messages each subscription keeps.
    """

    __slots__ = (
        "__weakref__",
        "_retained",
        "_unseen",
        "broker",
        "bus",
        "number",
        "refusal",
        "settled",
        "topic",
        "users",
    )

    def __init__(self, number: int, topic: str, queue_size: int) -> None:
        self.number = number
        """The identifier."""
        self.topic = topic
        """The filter."""
        self.users = 0
        """How many subscriptions there are."""
        self.broker = LocalBroker(queue_size)
        """Where the subscriptions of this process are, and what is retained for later ones."""
        self.bus = LocalBusConnector(self.broker)
        """Ends the subscriptions, and the callbacks that are running."""
        self.settled = asyncio.Event()
        """Set when the broker has answered, or will only be asked after an outage."""
        self.refusal: str | None = None
        """Why the broker doesn't want it."""
        # What the broker keeps as far as is known; and which of that it hasn't repeated yet,
        # since it was asked anew.
        self._retained: dict[str, bytes] = {}
        self._unseen: set[str] = set()

    @property
    def is_asking(self) -> bool:
        """Whether something that was kept hasn't been repeated yet."""
        return bool(self._unseen)

    def ask_anew(self) -> None:
        """The broker is about to repeat what it keeps."""
        self._unseen = set(self._retained)

    def receive(self, topic: str, payload: bytes, retain: bool) -> None:
        """Hand a message to the subscriptions, unless it only repeats what they have got."""
        if retain:
            repeated = topic in self._unseen and self._retained.get(topic) == payload
            self._unseen.discard(topic)
            if repeated:
                return
            if payload:
                self._retained[topic] = payload
            else:
                self._retained.pop(topic, None)
        self.broker.publish(topic, payload, retain=retain)

    def pass_over(self, topic: str) -> None:
        """Leave everything as it is, though the broker keeps something else there by now."""
        self._unseen.discard(topic)

    def forget_unseen(self) -> None:
        """What the broker didn't repeat was removed meanwhile: tell the subscriptions."""
        for topic in sorted(self._unseen):
            self.receive(topic, b"", retain=True)

    def stop_asking(self) -> None:
        """It isn't known what the broker has repeated."""
        self._unseen.clear()


class MqttSubscription:
    """A callback's place among those of a filter, until `unsubscribe()`."""

    __slots__ = ("_handle", "_session", "_shared")

    def __init__(self, session: Session, shared: Filter, handle: LocalSubscription) -> None:
        self._session: Session | None = session
        self._shared = shared
        self._handle = handle

    @property
    def topic(self) -> str:
        """The filter that it was made with."""
        return self._handle.topic

    @property
    def dropped(self) -> int:
        """How many messages its full queue has dropped."""
        return self._handle.dropped

    def unsubscribe(self) -> Awaitable[None]:
        """End the subscription: no further callback begins, one that has begun runs to its end.

        It acts at once; the result may be awaited or not. Calling it again does nothing. The last
        one of a filter ends the broker's subscription, soon after.
        """
        session, self._session = self._session, None
        if session is not None:
            session.leave(self._shared)
        return self._handle.unsubscribe()


class Session:
    """What the users of a connector share, from the first `connect` to the last `disconnect`.

    Args:
        queue_size: how many messages each subscription keeps, and how many may wait to be sent.
        largest: how many bytes a message may have that is handed to a subscription.
    """

    FIRST_NUMBER = 2
    """The first identifier of a filter; those below are the connection's own."""

    def __init__(self, queue_size: int, largest: int) -> None:
        self.outbox = Outbox(queue_size)
        """What waits to be sent."""
        self.filters: dict[str, Filter] = {}
        """What the broker is to be subscribed to."""
        self.numbered: dict[int, Filter] = {}
        """The same, by their identifiers."""
        self.lost = 0
        """How many messages were dropped as there was no connection."""
        self.log = QuietLog(time.monotonic, _log.name)
        """Where it is told that a broker sends too much."""
        self.news = asyncio.Event()
        """Set when there is something to tell the broker."""
        self.echo = f"{ECHO}{secrets.token_hex(8)}"
        """Where a connection talks to itself."""
        self._queue_size = queue_size
        self._largest = largest
        self._too_large = 0
        self._next_number = Session.FIRST_NUMBER
        self._dropped_by_ended = 0
        # Also those that nobody wants any more, while a callback of theirs is still running.
        self._alive: WeakSet[Filter] = WeakSet()

    @property
    def dropped(self) -> int:
        """How many messages were dropped, for whatever reason."""
        listening = sum(shared.broker.dropped for shared in self.filters.values())
        received = self._dropped_by_ended + listening + self._too_large
        return received + self.outbox.dropped + self.lost

    def is_too_large(self, topic: str, payload: bytes) -> bool:
        """Whether a message that came is to be dropped; then it is counted, and told in the log."""
        if len(payload) <= self._largest:
            return False
        self._too_large += 1
        self.log.warn(
            f"a message of {len(payload)} bytes on {shown(topic)} is dropped: "
            f"{self._largest} are the most (largest_message)"
        )
        return True

    async def join(self, topic: str, callback: Callback) -> tuple[Filter, MqttSubscription]:
        """Let a callback hear of a filter; the broker isn't told of it yet."""
        shared = self.filters.get(topic)
        if shared is None:
            shared = Filter(self._next_number, topic, self._queue_size)
            await shared.bus.connect()
        handle = await shared.bus.subscribe(topic, _Decoding(callback, shared))
        if not shared.users:
            self._next_number += 1
            self.filters[topic] = self.numbered[shared.number] = shared
            self._alive.add(shared)
            self.news.set()
        shared.users += 1
        return shared, MqttSubscription(self, shared, handle)

    def leave(self, shared: Filter) -> None:
        """Count one subscription of a filter less; with the last one the filter is gone."""
        shared.users -= 1
        if not shared.users and self.numbered.pop(shared.number, None) is not None:
            del self.filters[shared.topic]
            self._dropped_by_ended += shared.broker.dropped
            self.news.set()

    def connection_lost(self) -> None:
        """Let nobody wait for the broker's answers."""
        self.outbox.connection_lost()
        for shared in self.filters.values():
            shared.settled.set()

    async def end(self) -> None:
        """End all subscriptions, cancel their callbacks and wait for them."""
        self.connection_lost()
        cancelled: asyncio.CancelledError | None = None
        for shared in sorted(self._alive, key=lambda shared: shared.number):
            try:
                await shared.bus.disconnect()
            except asyncio.CancelledError as error:
                cancelled = error  # The others must be told as well.
        if cancelled is not None:
            raise cancelled


class _Decoding:
    """A callback that gets what the bytes stand for, an object of its own each time."""

    __slots__ = ("_callback", "_shared")

    def __init__(self, callback: Callback, shared: Filter) -> None:
        self._callback = callback
        # Keeps the filter alive as long as the callback is running.
        self._shared = shared

    def __repr__(self) -> str:
        return repr(self._callback)

    async def __call__(self, topic: str, payload: Any) -> None:
        await self._callback(topic, decode(payload))
