"""The client of aiomqtt as it is needed here: it hears everything, and leaves nothing behind."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import ssl
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from cascade.errors import MissingExtraError
from cascade.quiet import QuietLog

if TYPE_CHECKING:
    import aiomqtt

PATIENCE = 10.0
"""How many seconds an answer of the broker may take."""
SESSION_SECONDS = 3600
"""For how long the broker is asked to keep what it couldn't deliver."""

# What aiomqtt and paho say of a connection is said by the connector, once and in words.
_library_log = logging.getLogger("cascade.connectors.mqtt.library")
_library_log.setLevel(logging.CRITICAL)


@dataclass(frozen=True, slots=True, eq=False)
class Address:
    """Where the broker is, and who wants to know."""

    host: str
    """Its name or address."""
    port: int
    """Its port."""
    username: str | None
    """The login; None: without one."""
    password: str | None
    """The password of the login."""
    tls: ssl.SSLContext | None
    """How the connection is encrypted; None: not at all."""
    client_id: str
    """What the broker knows this client by."""
    keepalive: int
    """After how many silent seconds the two make sure of each other."""
    largest_packet: int
    """How many bytes a packet from it may have; it is told so."""

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


class Client:
    """A client of aiomqtt that can be left at any moment, and leaves nothing behind.

    Args:
        address: where to connect to.
        returning: whether the broker may still have something for us from before.
        log: where it is told that the broker sends packets that are too large.

    Raises:
        MissingExtraError: aiomqtt isn't installed.
    """

    def __init__(self, address: Address, returning: bool, log: QuietLog) -> None:
        library = _aiomqtt()
        self.error: type[Exception] = library.MqttError
        """What aiomqtt raises."""
        self.deliver: Callable[[list[int], str, bytes, bool], None] = _to_nobody
        """Called with the identifiers of the filters that a message is for, and the message."""
        self._handshakes = None if address.tls is None else _Handshakes(address.tls)
        context: Any = self._handshakes
        inbox: Any = partial(_Inbox, self)
        self.aiomqtt: aiomqtt.Client = library.Client(
            address.host,
            address.port,
            username=address.username,
            password=address.password,
            identifier=address.client_id,
            protocol=library.ProtocolVersion.V5,
            keepalive=address.keepalive,
            clean_start=not returning,
            timeout=PATIENCE,
            properties=_properties(
                "CONNECT",
                SessionExpiryInterval=SESSION_SECONDS,
                MaximumPacketSize=address.largest_packet,
            ),
            tls_context=context,
            logger=_library_log,
            # Confirmations are small, and others wait for them.
            socket_options=[(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)],
            queue_type=inbox,
        )
        """The client itself."""
        self.aiomqtt.pending_calls_threshold = sys.maxsize  # it would warn of many
        self._entering: asyncio.Task[Any] | None = None
        self._loop = asyncio.get_running_loop()
        self._closed: asyncio.Future[None] = self._loop.create_future()
        self._log = log
        self._largest = address.largest_packet
        self._look_after_socket()

    async def enter(self) -> None:
        """Connect."""
        end = self.aiomqtt._disconnected
        entering = self._entering = asyncio.ensure_future(self.aiomqtt.__aenter__())
        await asyncio.wait({entering, self._closed}, return_when=asyncio.FIRST_COMPLETED)
        if not entering.done():
            # A refusal comes just before the end.
            await asyncio.wait({entering}, timeout=0.1)
        if not entering.done():
            raise ConnectionResetError("the connection was closed before any answer")
        entering.result()
        if self._closed.done():
            # aiomqtt forgets an end that comes together with the broker's answer.
            _look_at(end)
            raise ConnectionAbortedError("it was closed as soon as it was accepted")

    async def lost(self) -> None:
        """Wait until the connection breaks, and raise why."""
        async for _ in self.aiomqtt.messages:  # they go to `deliver`; nothing comes here
            pass

    async def subscribe(self, topic: str, number: int) -> str | None:
        """Subscribe under an identifier; what the broker has against it, if anything."""
        (code,) = await self.aiomqtt.subscribe(
            topic,
            options=_delivery(),
            properties=_properties("SUBSCRIBE", SubscriptionIdentifier=number),
        )
        return str(code) if getattr(code, "value", code) >= 128 else None

    async def leave(self) -> None:
        """Disconnect, in order if that can be; cancelling this doesn't keep it from its end."""
        leaving = asyncio.ensure_future(self._leave())
        await to_its_end(leaving)
        leaving.result()

    async def _leave(self) -> None:
        entering = self._entering
        if entering is None:
            return
        if not self._closed.done():
            # The thread that is connecting can't be stopped.
            await asyncio.wait({entering})
        entering.cancel()
        await asyncio.wait({entering})
        if not entering.cancelled() and entering.exception() is None:
            with contextlib.suppress(self.error):
                await self.aiomqtt.__aexit__(None, None, None)
        self._hang_up()
        if self._handshakes is not None:
            self._handshakes.close()
        _look_at(self.aiomqtt._disconnected)
        misc = self.aiomqtt._misc_task
        if misc is not None:
            await asyncio.wait({misc})

    # aiomqtt leaves the connection of an attempt that timed out open, doesn't notice one that is
    # closed before it was accepted, and may watch a file descriptor that has just been closed, or
    # even belongs to somebody else by then. And paho collects whatever a broker sends, up to
    # 256 MiB at a time. Here its client of paho is asked directly.

    def _look_after_socket(self) -> None:
        paho: Any = self.aiomqtt._client
        close = paho.on_socket_close

        def closed(*what: Any) -> None:
            if close is not None:
                close(*what)
            self._loop.call_soon_threadsafe(self._note_end)

        def wants_to_write(client: Any, data: Any, sock: Any) -> None:
            self._loop.call_soon_threadsafe(self._watch, sock)

        receive = paho._sock_recv

        def receive_bounded(size: int) -> bytes:
            # It is asked for all that a packet still has, before any of it is there.
            if size > self._largest:
                self._log.warn(
                    f"the broker sends a packet of {size} bytes, though it was told that "
                    f"{self._largest} are the most: the connection is given up"
                )
                raise ConnectionAbortedError("a packet was too large")
            return bytes(receive(size))

        paho._sock_recv = receive_bounded
        paho.on_socket_close = closed
        paho.on_socket_register_write = wants_to_write

    def _note_end(self) -> None:
        if not self._closed.done():
            self._closed.set_result(None)

    def _watch(self, sock: Any) -> None:
        live = self.aiomqtt._client.socket()
        if live is not None and live is sock:
            self._loop.add_writer(live.fileno(), self._write)

    def _write(self) -> None:
        try:
            self.aiomqtt._client.loop_write()
        except Exception as error:
            if not self.aiomqtt._disconnected.done():
                self.aiomqtt._disconnected.set_exception(error)

    def _hang_up(self) -> None:
        self.aiomqtt._client._sock_close()


class _Inbox(asyncio.Queue[Any]):
    """Hands messages over as they come: none that was confirmed is lost with the connection."""

    def __init__(self, client: Client, maxsize: int = 0) -> None:
        super().__init__(maxsize)
        self._client = client

    def put_nowait(self, item: aiomqtt.Message) -> None:
        numbers = getattr(item.properties, "SubscriptionIdentifier", [])
        self._client.deliver(numbers, item.topic.value, bytes(item.payload), bool(item.retain))


class _Handshakes:
    """A TLS context to the eyes of paho, which leaves sockets open whose handshake failed."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self.check_hostname = context.check_hostname
        self._context = context
        self._sockets: list[ssl.SSLSocket] = []

    def wrap_socket(self, *args: Any, **options: Any) -> ssl.SSLSocket:
        """Make a socket that speaks TLS."""
        wrapped = self._context.wrap_socket(*args, **options)
        self._sockets.append(wrapped)
        return wrapped

    def close(self) -> None:
        """Close what was made."""
        for wrapped in self._sockets:
            wrapped.close()


def _to_nobody(numbers: list[int], topic: str, payload: bytes, retain: bool) -> None:
    """Nobody listens yet."""


def _look_at(end: asyncio.Future[Any]) -> None:
    """See how a connection has ended, or asyncio complains that nobody has."""
    if end.done() and not end.cancelled():
        end.exception()


def _aiomqtt() -> Any:
    try:
        import aiomqtt
    except ImportError as error:
        raise MissingExtraError("cascade.connectors.mqtt", "aiomqtt", "mqtt") from error
    return aiomqtt


def _properties(packet: str, **values: int) -> Any:
    from paho.mqtt.packettypes import PacketTypes
    from paho.mqtt.properties import Properties

    properties = Properties(getattr(PacketTypes, packet))  # type: ignore[no-untyped-call]
    for name, value in values.items():
        setattr(properties, name, value)
    return properties


def _delivery() -> Any:
    from paho.mqtt.subscribeoptions import SubscribeOptions

    return SubscribeOptions(qos=1, retainAsPublished=True)


async def to_its_end(task: asyncio.Future[Any]) -> None:
    """Wait for a task even if this is cancelled, which is raised after that; not its result."""
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.wait({task})
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None:
        raise cancelled
