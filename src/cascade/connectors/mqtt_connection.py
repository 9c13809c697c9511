"""A single connection to an MQTT broker: opening it, serving it, and closing what is left of it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
from collections.abc import Callable
from typing import Any

from cascade.connectors.mqtt_client import Address, Client
from cascade.connectors.mqtt_session import Filter, Letter, Session
from cascade.connectors.mqtt_words import words_for
from cascade.errors import ConnectorError

_log = logging.getLogger("cascade.connectors.mqtt")


FAREWELL = 2.0
"""How many seconds are given to what still waits to be sent when the last user leaves."""
GRACE = 0.5
"""How many seconds a broker has for retained messages that come after their turn."""
ECHO_PATIENCE = 3.0
"""How many seconds a message to oneself may take."""
AT_ONCE = 20
"""How many messages may be on their way to the broker without being confirmed."""
ECHO_NUMBER = 1
"""The subscription identifier of what a connection tells itself."""


class Connection:
    """A connection that was opened, until it is lost or closed.

    Args:
        client: the client of aiomqtt, which is connected.
        session: whose messages go over it.
    """

    def __init__(self, client: Client, session: Session) -> None:
        self._client = client
        self._session = session
        self._subscribed: dict[str, int] = {}
        self._news = session.news
        self._leaving = False
        # Whether the broker hands back what is sent to oneself, what was sent, and whether it came.
        self._echoes = True
        self._echo = b""
        self._heard = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None
        client.deliver = self._deliver
        self._sending: set[asyncio.Task[None]] = set()
        self._news.set()

    async def run(self) -> None:
        """Serve until the connection breaks, which is raised, or until this is cancelled.

        Raises:
            Exception: what aiomqtt says of the connection.
        """
        watching = asyncio.ensure_future(self._client.lost())
        telling = asyncio.ensure_future(self._tell())
        both = {watching, telling}
        try:
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            self._leaving = True
            self._news.set()
            await asyncio.wait(both, timeout=FAREWELL, return_when=asyncio.FIRST_COMPLETED)
            raise
        finally:
            if self._timer is not None:
                self._timer.cancel()
            for task in (*both, *self._sending):
                task.cancel()
            await asyncio.gather(*both, return_exceptions=True)
        for task in (watching, telling):
            if not task.cancelled():
                task.result()

    async def close(self, lost: bool) -> None:
        """Say goodbye, unless the connection is lost, and leave nothing behind."""
        if not lost:
            with contextlib.suppress(self._client.error):
                topics = [*self._subscribed, self._session.echo]
                await self._client.aiomqtt.unsubscribe(topics, timeout=FAREWELL)
        await self._client.leave()

    async def send(self, topic: str, payload: bytes, retain: bool) -> bool:
        """Send a message that nobody confirms; whether it could be sent."""
        sending = asyncio.ensure_future(
            self._client.aiomqtt.publish(topic, payload, qos=0, retain=retain)
        )
        # aiomqtt would wait on when the connection is lost: `run` cancels it then.
        self._sending.add(sending)
        try:
            await asyncio.wait({sending})
        except asyncio.CancelledError:
            sending.cancel()
            raise
        finally:
            self._sending.discard(sending)
        if sending.cancelled():
            return False
        error = sending.exception()
        if error is not None and not isinstance(error, self._client.error):
            raise error
        return error is None

    async def _tell(self) -> None:
        """Tell the broker what it is to know: who listens, and what there is to send."""
        outbox = self._session.outbox
        while True:
            await self._news.wait()
            self._news.clear()
            await self._subscribe()
            while letters := outbox.first(AT_ONCE):
                await _all(self._send(letter) for letter in letters)
                if self._news.is_set():
                    await self._subscribe()
            if self._leaving and not len(outbox):
                return

    async def _send(self, letter: Letter) -> None:
        letter.attempts += 1
        await self._client.aiomqtt.publish(
            letter.topic, letter.payload, qos=letter.qos, retain=letter.retain
        )
        self._session.outbox.confirmed(letter)

    async def _subscribe(self) -> None:
        """Make the broker's subscriptions those that are wanted."""
        wanted, there = self._session.filters, self._subscribed
        missing = [shared for shared in wanted.values() if there.get(shared.topic) != shared.number]
        for begin in range(0, len(missing), AT_ONCE):
            await _all(self._subscribe_to(shared) for shared in missing[begin : begin + AT_ONCE])
        if missing:
            await self._hear_all(missing)
        if gone := [topic for topic in there if topic not in wanted]:
            await self._client.aiomqtt.unsubscribe(gone)
            for topic in gone:
                del there[topic]

    async def _subscribe_to(self, shared: Filter) -> None:
        shared.ask_anew()
        refusal = await self._client.subscribe(shared.topic, shared.number)
        self._subscribed[shared.topic] = shared.number
        if refusal is not None and shared.settled.is_set():
            _log.error("the broker refuses the subscription to %r: %s", shared.topic, refusal)
        shared.refusal = refusal

    async def _hear_all(self, asked: list[Filter]) -> None:
        """Wait for what the broker keeps: a message to oneself comes after it.

        Whoever has subscribed may rely on having heard it. And what it didn't repeat after an
        outage isn't kept any more.
        """
        if await self._hear_echo():
            if any(shared.is_asking for shared in asked):
                loop = asyncio.get_running_loop()
                self._timer = loop.call_later(GRACE, _each, asked, Filter.forget_unseen)
        else:
            _each(asked, Filter.stop_asking)
        for shared in asked:
            shared.settled.set()

    async def _hear_echo(self) -> bool:
        """Send a message to oneself; whether it came."""
        if not self._echoes:
            return False
        topic = self._session.echo
        if not self._echo:
            self._echoes = await self._client.subscribe(topic, ECHO_NUMBER) is None
        if self._echoes:
            self._echo = secrets.token_bytes(8)
            self._heard.clear()
            await self._client.aiomqtt.publish(topic, self._echo, qos=1)
            try:
                await asyncio.wait_for(self._heard.wait(), ECHO_PATIENCE)
            except TimeoutError:
                self._echoes = False
        if not self._echoes:
            _log.warning(
                "the broker doesn't hand back what is published on %r: rules that are kept may be "
                "heard late, and rules that were removed during an outage may stay",
                topic,
            )
        return self._echoes

    def _deliver(self, numbers: list[int], topic: str, payload: bytes, retain: bool) -> None:
        large = self._session.is_too_large(topic, payload)
        for number in numbers:
            shared = self._session.numbered.get(number)
            if shared is not None and large:
                shared.pass_over(topic)
            elif shared is not None:
                shared.receive(topic, payload, retain)
            elif number == ECHO_NUMBER and payload == self._echo:
                self._heard.set()


async def open_connection(address: Address, session: Session, returning: bool) -> Connection:
    """Open a connection; whoever cancels this waits until the attempt has ended.

    Args:
        address: where to.
        session: whose messages go over it.
        returning: whether it takes the place of one that was lost.

    Raises:
        ConnectorError: it can't be opened; the error says why.
        MissingExtraError: aiomqtt isn't installed.
    """
    client = Client(address, returning, session.log)
    # It listens before there is anything to hear: a broker that knows us begins at once.
    connection = Connection(client, session)
    try:
        await client.enter()
        return connection
    except Exception as error:
        await client.leave()
        raise ConnectorError(words_for(error, address)) from error
    except BaseException:
        await client.leave()
        raise


def _each(filters: list[Filter], tell: Callable[[Filter], None]) -> None:
    for shared in filters:
        tell(shared)


async def _all(doing: Any) -> None:
    """Do several things at once; all have ended when the first error is raised."""
    for result in await asyncio.gather(*doing, return_exceptions=True):
        if isinstance(result, BaseException):
            raise result
