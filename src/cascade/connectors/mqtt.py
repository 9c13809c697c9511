"""MqttConnector: engines that obey rules over MQTT, by aiomqtt: ``pip install cascade-py[mqtt]``.

The topics are those of `cascade.connectors.local`; what differs is told at `MqttConnector`.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import ssl
from random import Random
from typing import Any

from cascade.connectors.local import Callback, check_callback
from cascade.connectors.mqtt_client import Address, to_its_end
from cascade.connectors.mqtt_connection import Connection, open_connection
from cascade.connectors.mqtt_pauses import Pauses
from cascade.connectors.mqtt_payload import LONGEST, encode
from cascade.connectors.mqtt_session import Letter, MqttSubscription, Session
from cascade.connectors.mqtt_words import reason_of
from cascade.connectors.topic_tree import filter_levels, topic_levels
from cascade.errors import ConnectorError, MissingExtraError, VirtualTimeError
from cascade.spec.checks import check_name, check_whole, shown

__all__ = ["MqttConnector", "MqttSubscription"]

_log = logging.getLogger("cascade.connectors.mqtt")

RULES = "cascade/constraints/"
"""What the topics of rules begin with: these are always confirmed by the broker."""
LONGEST_TOPIC = 65_535
"""How many bytes a topic of MQTT may have."""
ROOM = 16 * 1024 * 1024
"""How many bytes a packet may have more than a message; what is too large by less is told here."""


class MqttConnector:
    """Joins engines to an MQTT broker, which has to speak MQTT 5.

    An engine obeys what is published on ``cascade/constraints/<id>``, as over a
    `LocalBusConnector`. When the connection breaks, engines go on by the rules that they have got.
    It is opened anew, with pauses that grow; then everything is subscribed to again, and what
    was published, replaced and removed meanwhile is made up for: what the broker keeps is what
    counts. Each outage is logged once (``cascade.connectors.mqtt``).

    Payloads are JSON: a message that is JSON in UTF-8 is handed over as what it stands for, any
    other as bytes. Each callback gets an object of its own. Messages arrive at least once, except
    those that were published with QoS 0, which may be lost.

    Several users may share a connector on one event loop; it needs real time.

    Args:
        host: the broker's name or address.
        port: its port; None: 1883, or 8883 with TLS.
        username: a login; None: without one.
        password: its password.
        tls: whether the connection is encrypted, and the broker's certificate checked against
            those that the system trusts. An `ssl.SSLContext` says more: another authority, or a
            certificate of one's own.
        client_id: what the broker knows this client by; no other may use it. None: a random one.
        keepalive: after how many seconds of silence the connection is looked at; a broker that
            has vanished is noticed after at most twice that.
        reconnect_after: how many seconds the first pause lasts. Each further one doubles, and is
            shortened by up to a half at random, lest all clients come back at once.
        reconnect_at_most: how many seconds a pause lasts at most.
        queue_size: how many undelivered messages each subscription keeps, and how many that have
            QoS 1 or 2 may wait to be sent. Beyond that the oldest is dropped and counted.
        largest_message: how many bytes a message may have that a subscription gets, 4 MiB by
            default. A larger one is dropped before anybody looks into it, counted, and told in the
            log, once a second at most. The broker is asked to send nothing that is larger by more
            than 16 MiB; one that does so nevertheless loses the connection.
        random: where the pauses get their randomness from; None: a generator of its own.

    Raises:
        TypeError, ValueError: an argument isn't valid; the error names it.
    """

    def __init__(
        self,
        host: str = "localhost",
        port: int | None = None,
        *,
        username: str | None = None,
        password: str | None = None,
        tls: bool | ssl.SSLContext = False,
        client_id: str | None = None,
        keepalive: int = 30,
        reconnect_after: float = 1.0,
        reconnect_at_most: float = 60.0,
        queue_size: int = 1000,
        largest_message: int = 4 * 1024 * 1024,
        random: Random | None = None,
    ) -> None:
        check_name(host, "host")
        if not isinstance(tls, (bool, ssl.SSLContext)):
            raise TypeError(f"tls must be True, False or an ssl.SSLContext, got {shown(tls)}")
        if port is None:
            port = 8883 if tls else 1883
        if check_whole("port", port, 1) > 65_535:
            raise ValueError(f"port must be at most 65535, got {shown(port)}")
        for name, text in (("username", username), ("client_id", client_id)):
            if text is not None:
                check_name(text, name)
        if password is not None:
            if not isinstance(password, str):
                raise TypeError(f"password must be a string, got one of {type(password).__name__}")
            if username is None:
                raise ValueError("password needs a username")
        if check_whole("keepalive", keepalive, 1) > 65_535:
            raise ValueError(f"keepalive must be at most 65535 seconds, got {shown(keepalive)}")
        check_whole("queue_size", queue_size, 1)
        if check_whole("largest_message", largest_message, 1) > LONGEST:
            raise ValueError(
                f"largest_message must be at most {LONGEST} bytes, got {shown(largest_message)}"
            )
        self._pauses = Pauses(reconnect_after, reconnect_at_most, random)
        self._queue_size = queue_size
        self._largest_message = largest_message
        self._address = Address(
            host=host,
            port=port,
            username=username,
            password=password,
            tls=ssl.create_default_context() if tls is True else tls or None,
            client_id=f"cascade-{secrets.token_hex(8)}" if client_id is None else client_id,
            keepalive=keepalive,
            largest_packet=min(largest_message + ROOM, LONGEST),
        )
        self._users = 0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._session: Session | None = None
        self._connection: Connection | None = None
        self._keeper: asyncio.Task[None] | None = None
        self._opened: asyncio.Future[None] | None = None
        self._dropped = 0

    @property
    def connected(self) -> bool:
        """Whether there is a connection to the broker at this moment."""
        return self._connection is not None

    @property
    def dropped(self) -> int:
        """How many messages were dropped: too large, from full queues, or without a connection."""
        return self._dropped + (0 if self._session is None else self._session.dropped)

    async def connect(self) -> None:
        """Open the connection, or join the users of the one that is there.

        Cancelling it ends the attempt, which may take some seconds.

        Raises:
            ConnectorError: the broker can't be reached, or doesn't want us; the error says why.
                Once there was a connection, further users are welcome during an outage, too. Or
                the connector is in use by another event loop.
            MissingExtraError: aiomqtt isn't installed.
            VirtualTimeError: the time of the loop isn't real.
        """
        loop = asyncio.get_running_loop()
        if getattr(loop, "virtual", False):
            raise VirtualTimeError(
                "an MqttConnector can't be used on virtual time, because its broker answers in "
                "real time: use a LocalBusConnector in tests"
            )
        self._bind(loop)
        self._users += 1
        try:
            if self._keeper is None or self._keeper.done():
                self._begin()
            keeper, opened = self._keeper, self._opened
            assert keeper is not None
            assert opened is not None
            await asyncio.wait({keeper, opened}, return_when=asyncio.FIRST_COMPLETED)
            if not opened.done():
                keeper.result()
        except BaseException:
            await self.disconnect()
            raise

    async def disconnect(self) -> None:
        """Undo one `connect()`; when not connected, do nothing.

        The last one to leave ends all subscriptions made here, cancels the callbacks that are
        running and waits for them. What waits to be sent has two more seconds for that.
        """
        if self._loop is not asyncio.get_running_loop() or not self._users:
            return
        self._users -= 1
        if self._users:
            return
        keeper, session = self._keeper, self._session
        assert keeper is not None
        assert session is not None
        keeper.cancel()
        self._session = None
        try:
            await session.end()
        finally:
            await to_its_end(keeper)
            self._dropped += session.dropped + len(session.outbox)

    async def publish(self, topic: str, payload: Any, qos: int = 0, retain: bool = False) -> None:
        """Send `payload` to everybody whose subscription matches `topic`.

        With QoS 1 or 2 this waits until the broker has confirmed it; cancelling doesn't take it
        back. During an outage such a message waits in a queue, and this returns at once; one of
        QoS 0 is dropped and counted. Rules, and all else below ``cascade/constraints/``, have at
        least QoS 1.

        Args:
            topic: where to; no wildcards.
            payload: bytes and text go as they are, None as an empty message, the rest as JSON.
            qos: 0, at most once; 1, at least once; 2, once, but after an outage at least once.
            retain: let the broker keep it for later subscriptions, in place of what the topic
                kept before. An empty payload clears the topic.

        Raises:
            TypeError: `topic` isn't a string, or `payload` can't be expressed in JSON.
            ValueError: `topic`, `payload` or `qos` isn't valid; the error says why.
            ConnectorError: not connected.
        """
        session = self._in_use("publish", topic)
        topic_levels(topic)
        _check_length(topic)
        if qos not in (0, 1, 2):
            raise ValueError(f"qos must be 0, 1 or 2, got {qos!r}")
        encoded = encode(payload)
        if topic.startswith(RULES):
            qos = max(qos, 1)
        connection = self._connection
        if qos:
            letter = Letter(topic, encoded, int(qos), bool(retain))
            session.outbox.put(letter)
            session.news.set()
            if connection is not None:
                await letter.settled.wait()
        elif connection is None or not await connection.send(topic, encoded, bool(retain)):
            session.lost += 1

    async def subscribe(self, topic: str, callback: Callback) -> MqttSubscription:
        """Call `callback(topic, payload)` for every message whose topic matches the filter.

        What the broker keeps comes first. One call ends before the next begins. During an outage
        this returns at once, and messages come when there is a connection again.

        Args:
            topic: the filter, which may contain wildcards.
            callback: an async function.

        Returns:
            A handle: `unsubscribe()` ends it, `dropped` counts what its full queue has lost.

        Raises:
            TypeError: `topic` isn't a string, or `callback` isn't callable.
            ValueError: `topic` isn't a filter, or one that brokers share out (``$share/``).
            ConnectorError: not connected, or the broker doesn't allow it.
        """
        session = self._in_use("subscribe", topic)
        filter_levels(topic)
        _check_length(topic)
        if topic.startswith("$share/"):
            raise ValueError(f"topic must not be one of a shared subscription, got {topic!r}")
        check_callback(callback)
        shared, subscription = await session.join(topic, callback)
        try:
            if self._connection is not None:
                await shared.settled.wait()
        except BaseException:
            subscription.unsubscribe()
            raise
        if shared.refusal is not None:
            subscription.unsubscribe()
            raise ConnectorError(
                f"the broker refuses the subscription to {topic!r}: {shared.refusal}"
            )
        return subscription

    def _in_use(self, call: str, topic: object) -> Session:
        if not self._users or self._session is None or self._opened is None:
            raise ConnectorError(f"{call}({topic!r}) needs a connection: await connect() first")
        if self._loop is not asyncio.get_running_loop():
            raise ConnectorError("this connector is in use by another event loop")
        if not self._opened.done():
            raise ConnectorError(f"{call}({topic!r}) needs a connection: connect() hasn't ended")
        return self._session

    def _bind(self, loop: asyncio.AbstractEventLoop) -> None:
        bound, self._loop = self._loop, loop
        if bound is None or bound is loop or not self._users:
            return
        if not bound.is_closed():
            self._loop = bound
            raise ConnectorError(
                "this connector is in use by another event loop; use an MqttConnector for each loop"
            )
        # Its users have ended with their loop.
        self._users, self._session, self._connection, self._keeper = 0, None, None, None

    def _begin(self) -> None:
        previous = self._keeper
        self._session = Session(self._queue_size, self._largest_message)
        self._opened = asyncio.get_running_loop().create_future()
        self._keeper = asyncio.create_task(
            self._keep(self._session, self._opened, previous),
            name=f"connection to the MQTT broker at {self._address}",
        )
        self._keeper.add_done_callback(_report)

    async def _keep(
        self, session: Session, opened: asyncio.Future[None], previous: asyncio.Task[None] | None
    ) -> None:
        """Keep a connection, until this is cancelled; raise if there never was one."""
        if previous is not None:
            await asyncio.wait({previous})
        loop, lost_at = asyncio.get_running_loop(), 0.0
        self._pauses.restart()
        while True:
            lasted = 0.0
            try:
                connection = await open_connection(self._address, session, opened.done())
            except ConnectorError as error:
                if not opened.done():
                    raise
                _log.debug("%s", error)
            else:
                began = loop.time()
                if opened.done():
                    _log.info("%s is back after %.1f s", self._address, began - lost_at)
                else:
                    opened.set_result(None)
                reason = await self._serve(connection, session)
                lost_at = loop.time()
                lasted = lost_at - began
                _log.warning(
                    "the connection to the broker at %s is lost (%s); trying until it is back",
                    self._address,
                    reason,
                )
            await asyncio.sleep(self._pauses.next(lasted))

    async def _serve(self, connection: Connection, session: Session) -> str:
        """Use a connection until it is lost; why it was."""
        self._connection, lost = connection, True
        try:
            await connection.run()
        except asyncio.CancelledError:
            lost = False
            raise
        except Exception as error:
            # Whatever the library makes of it, the connection is gone.
            _log.debug("the connection broke", exc_info=True)
            return reason_of(error)
        finally:
            if self._connection is connection:
                self._connection = None
            session.connection_lost()
            await connection.close(lost)
        return "closed"


def _report(keeper: asyncio.Task[None]) -> None:
    """Look at what a keeper ended with; what `connect` doesn't raise must be seen elsewhere."""
    error = None if keeper.cancelled() else keeper.exception()
    if error is not None and not isinstance(error, (ConnectorError, MissingExtraError)):
        _log.error("the connection isn't kept any more", exc_info=error)


def _check_length(topic: str) -> None:
    try:
        length = len(topic.encode())
    except UnicodeEncodeError as error:
        raise ValueError(f"topic must be text that UTF-8 can express, got {topic!r}") from error
    if length > LONGEST_TOPIC:
        raise ValueError(f"topic must have at most {LONGEST_TOPIC} bytes, got {length}")
