"""A broker may send what it likes: what is too large is dropped before anybody looks into it."""

from __future__ import annotations

import asyncio
import random
import resource
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from tests.connectors.mosquitto import PASSWORD, USER, Broker, until

from cascade.connectors import mqtt, mqtt_session
from cascade.connectors.mqtt import MqttConnector
from cascade.connectors.mqtt_payload import decode
from cascade.connectors.mqtt_session import Session
from cascade.errors import ConnectorError

pytest.importorskip("aiomqtt")

LOG = "cascade.connectors.mqtt"
LARGEST = 1000
MANY = 50


def test_what_is_too_large_is_counted_and_told_once_a_second_and_never_parsed(
    broker: Broker, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    parsed: list[int] = []

    def decode_and_tell(payload: bytes) -> Any:
        parsed.append(len(payload))
        return decode(payload)

    monkeypatch.setattr(mqtt_session, "decode", decode_and_tell)
    heard: list[Any] = []

    async def hear(topic: str, payload: Any) -> None:
        heard.append(payload)

    async def main() -> None:
        connector = MqttConnector(
            "localhost", broker.port, username=USER, password=PASSWORD, largest_message=LARGEST
        )
        await connector.connect()
        await connector.subscribe("size/#", hear)
        await connector.publish("size/at", b"x" * LARGEST, qos=1)
        for _ in range(MANY):
            await connector.publish("size/at", b"x" * (LARGEST + 1), qos=1)
        await connector.publish("size/at", b"end", qos=1)
        await until(lambda: b"end" in heard)
        assert connector.dropped == MANY
        await connector.disconnect()
        assert connector.dropped == MANY

    began = asyncio.run(_timed(main()))
    assert sorted(map(len, heard)) == [3, LARGEST]
    assert max(parsed) == LARGEST
    told = [record.getMessage() for record in caplog.records if record.name == LOG]
    assert 1 <= len(told) <= 1 + began
    assert told[0] == (
        f"a message of {LARGEST + 1} bytes on 'size/at' is dropped: "
        f"{LARGEST} are the most (largest_message)"
    )


async def _timed(work: Any) -> float:
    """Do something, and return how many seconds it took."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    await work
    return loop.time() - began


def test_a_rule_stays_where_something_too_large_is_kept_in_its_place() -> None:
    """It is no rule, and so it changes nothing, like any other nonsense: also after an outage."""
    heard: list[Any] = []

    async def hear(topic: str, payload: Any) -> None:
        heard.append(payload)

    async def main() -> None:
        session = Session(10, LARGEST)
        shared, subscription = await session.join("rule", hear)
        shared.receive("rule", b"1", retain=True)
        shared.ask_anew()
        assert session.is_too_large("rule", b"x" * (LARGEST + 1))
        shared.pass_over("rule")
        assert not shared.is_asking
        shared.forget_unseen()
        await asyncio.sleep(0)
        await subscription.unsubscribe()
        await session.end()

    asyncio.run(main())
    assert heard == [1]


class Flood:
    """A broker that lets everybody in and then sends them a packet of 200 MB."""

    SIZE = 200 * 10**6
    # A message with QoS 0, and the length of the rest: 7 bits in each byte, the lowest first.
    HEAD = b"\x30" + bytes([SIZE & 127 | 128, SIZE >> 7 & 127 | 128, SIZE >> 14 & 127 | 128])
    HEAD += bytes([SIZE >> 21])

    def __init__(self, pause: float) -> None:
        self.greetings: list[bytes] = []
        self.most = 0
        """How many bytes were sent over one connection, at most."""
        self.serving: set[asyncio.Task[None]] = set()
        self._pause = pause

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        serving = asyncio.current_task()
        assert serving is not None
        self.serving.add(serving)
        sent = 0
        try:
            self.greetings.append(await reader.read(1000))
            welcome = b"\x20\x03\x00\x00\x00"  # with no properties
            if self._pause:
                writer.write(welcome)
                await asyncio.sleep(self._pause)
                writer.write(self.HEAD)
            else:
                writer.write(welcome + self.HEAD)
            while sent < self.SIZE:
                writer.write(bytes(100_000))
                await writer.drain()
                sent += 100_000
        except ConnectionError:
            self.most = max(self.most, sent)
        finally:
            writer.transport.abort()  # whoever listens doesn't want the rest

    async def end(self) -> None:
        """Let all connections end."""
        for serving in self.serving:
            serving.cancel()
        await asyncio.gather(*self.serving, return_exceptions=True)
        await asyncio.sleep(0)  # what was aborted is closed a turn later


@asynccontextmanager
async def flooded(flood: Flood) -> AsyncIterator[MqttConnector]:
    server = await asyncio.start_server(flood.serve, "127.0.0.1")
    try:
        yield MqttConnector(
            "127.0.0.1",
            server.sockets[0].getsockname()[1],
            largest_message=LARGEST,
            reconnect_after=0.02,
            reconnect_at_most=0.1,
            random=random.Random(0),
        )
    finally:
        server.close()
        await flood.end()
        await server.wait_closed()


def test_a_packet_that_is_larger_than_the_broker_was_told_is_not_read(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mqtt, "ROOM", 500)
    flood = Flood(pause=0.1)

    async def main() -> None:
        async with flooded(flood) as connector:
            before = _most_memory()
            await connector.connect()
            await until(lambda: len(flood.greetings) >= 3)
            await connector.disconnect()
            assert _most_memory() - before < 50 * 2**20

    asyncio.run(main())
    assert 0 < flood.most < flood.SIZE / 2
    # Property 39 of MQTT 5: the most that the client wants to get.
    assert b"\x27" + (LARGEST + 500).to_bytes(4, "big") in flood.greetings[0]
    told = [each.getMessage() for each in caplog.records if "200000000 bytes" in each.getMessage()]
    assert told[0].endswith(
        f"though it was told that {LARGEST + 500} are the most: the connection is given up"
    )


def test_one_that_comes_with_the_welcome_is_noticed_as_well() -> None:
    async def main() -> None:
        flood = Flood(pause=0.0)
        async with flooded(flood) as connector:
            with pytest.raises(ConnectorError, match="it was closed as soon as it was accepted"):
                await connector.connect()
            assert not connector.connected

    asyncio.run(main())


def _most_memory() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
