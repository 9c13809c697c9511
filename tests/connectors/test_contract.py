"""What every connector does, within a process and over a broker: the same tests for both."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from tests.connectors.mosquitto import PASSWORD, USER, Broker, until

from cascade.connectors.local import LocalBroker, LocalBusConnector
from cascade.connectors.mqtt import MqttConnector
from cascade.errors import ConnectorError
from cascade.ports import Connector

Make = Callable[[], Connector]


@pytest.fixture(params=["local", "mqtt"])
def make(request: pytest.FixtureRequest) -> Make:
    """Makes connectors to one broker."""
    if request.param == "local":
        local = LocalBroker()
        return lambda: LocalBusConnector(local)
    pytest.importorskip("aiomqtt")
    broker: Broker = request.getfixturevalue("broker")
    return lambda: MqttConnector("localhost", broker.port, username=USER, password=PASSWORD)


class Listener:
    def __init__(self) -> None:
        self.messages: list[tuple[str, Any]] = []

    async def __call__(self, topic: str, payload: Any) -> None:
        self.messages.append((topic, payload))

    async def until(self, *messages: tuple[str, Any]) -> None:
        """Wait for these messages, and for no others after them."""
        await until(lambda: len(self.messages) >= len(messages))
        assert self.messages == [*messages]


def test_who_subscribes_hears_what_matches_once_and_in_order(make: Make) -> None:
    async def main() -> None:
        one, two = make(), make()
        await one.connect()
        await two.connect()
        exact, level, deep, other = Listener(), Listener(), Listener(), Listener()
        await two.subscribe("c/a/b", exact)
        await two.subscribe("c/+/b", level)
        await one.subscribe("c/#", deep)
        await one.subscribe("d/#", other)
        for number, topic in enumerate(["c/a/b", "c/x/b", "c", "c/a/b"]):
            await one.publish(topic, {"n": number}, qos=1)
        await one.publish("d", ["the", "end"], qos=1)
        await other.until(("d", ["the", "end"]))
        await exact.until(("c/a/b", {"n": 0}), ("c/a/b", {"n": 3}))
        await level.until(("c/a/b", {"n": 0}), ("c/x/b", {"n": 1}), ("c/a/b", {"n": 3}))
        assert [message["n"] for _, message in deep.messages] == [0, 1, 2, 3]
        await one.disconnect()
        await two.disconnect()

    asyncio.run(main())


def test_topics_with_a_dollar_are_matched_by_no_wildcard_at_the_front(make: Make) -> None:
    async def main() -> None:
        connector, everything, own = make(), Listener(), Listener()
        await connector.connect()
        await connector.subscribe("+/dollar", everything)
        await connector.subscribe("$own/dollar", own)
        await connector.publish("$own/dollar", 1, qos=1)
        await connector.publish("own/dollar", 2, qos=1)
        await everything.until(("own/dollar", 2))
        await own.until(("$own/dollar", 1))
        await connector.disconnect()

    asyncio.run(main())


@pytest.mark.parametrize("payload", [0, False, [], {}, 1.5, b"\xff", {"a": [None, "ä"]}])
def test_what_is_retained_has_been_heard_soon_after_subscribing(make: Make, payload: Any) -> None:
    async def main() -> None:
        connector, other = make(), make()
        await connector.connect()
        await other.connect()
        first, second, third, late = Listener(), Listener(), Listener(), Listener()
        await connector.publish("kept/a", "before", qos=1, retain=True)
        await connector.publish("kept/a", payload, qos=1, retain=True)
        await other.subscribe("kept/#", first)
        await asyncio.sleep(0)
        assert first.messages == [("kept/a", payload)]
        await other.subscribe("kept/#", second)
        await other.subscribe("kept/+", third)
        await asyncio.sleep(0)
        assert first.messages == second.messages == third.messages == [("kept/a", payload)]
        await other.publish("kept/a", ["passing", "by"], qos=1)
        await other.publish("kept/a", b"", qos=1, retain=True)
        await first.until(("kept/a", payload), ("kept/a", ["passing", "by"]), ("kept/a", b""))
        await connector.subscribe("kept/#", late)
        await other.subscribe("kept/#", late)
        await asyncio.sleep(0)
        assert late.messages == []
        await connector.disconnect()
        await other.disconnect()

    asyncio.run(main())


def test_no_callback_begins_after_unsubscribe(make: Make) -> None:
    async def main() -> None:
        connector, gone, stays, other = make(), Listener(), Listener(), Listener()
        await connector.connect()
        handle = await connector.subscribe("u/a", gone)
        same = await connector.subscribe("u/a", stays)
        await connector.subscribe("u/b", other)
        handle.unsubscribe()
        await handle.unsubscribe()
        await connector.publish("u/a", 1, qos=1)
        await stays.until(("u/a", 1))
        same.unsubscribe()
        await connector.publish("u/a", 2, qos=1)
        await connector.publish("u/b", 3, qos=1)
        await other.until(("u/b", 3))
        assert gone.messages == []
        await stays.until(("u/a", 1))
        again = Listener()
        await connector.subscribe("u/a", again)
        await connector.publish("u/a", 4, qos=1)
        await again.until(("u/a", 4))
        await connector.disconnect()

    asyncio.run(main())


def test_the_connection_counts_its_users(make: Make) -> None:
    async def main() -> None:
        connector, listener = make(), Listener()
        with pytest.raises(ConnectorError, match=r"publish\('a'\).*connect\(\) first"):
            await connector.publish("a", 1)
        await connector.disconnect()
        await connector.connect()
        await connector.connect()
        await connector.subscribe("users", listener)
        await connector.disconnect()
        await connector.publish("users", 1, qos=1)
        await listener.until(("users", 1))
        await connector.disconnect()
        with pytest.raises(ConnectorError, match=r"subscribe\('users'\).*connect\(\) first"):
            await connector.subscribe("users", listener)
        await connector.connect()
        later = Listener()
        await connector.subscribe("users/later", later)
        await connector.publish("users", 2, qos=1)
        await connector.publish("users/later", 3, qos=1)
        await later.until(("users/later", 3))
        await listener.until(("users", 1))
        await connector.disconnect()

    asyncio.run(main())


def test_the_last_disconnect_cancels_running_callbacks_and_waits_for_them(make: Make) -> None:
    async def main() -> None:
        connector = make()
        happened: list[str] = []

        async def slow(topic: str, payload: Any) -> None:
            happened.append("begun")
            try:
                await asyncio.get_running_loop().create_future()
            finally:
                await asyncio.sleep(0)
                happened.append("cancelled")

        await connector.connect()
        await connector.subscribe("slow", slow)
        handle = await connector.subscribe("slow", slow)
        only = await connector.subscribe("+", slow)
        await connector.publish("slow", 1, qos=1)
        await until(lambda: happened == ["begun"] * 3)
        # What has begun runs on; here, until the connector is left.
        handle.unsubscribe()
        only.unsubscribe()
        await connector.disconnect()
        assert happened == ["begun"] * 3 + ["cancelled"] * 3
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(main())


def test_a_callback_may_publish_subscribe_and_disconnect(make: Make) -> None:
    async def main() -> None:
        connector, listener = make(), Listener()
        ended: list[int] = []

        async def leave(topic: str, payload: int) -> None:
            await connector.subscribe("callback/answer", listener)
            await connector.publish("callback/answer", payload + 1, qos=1)
            await listener.until(("callback/answer", 2))
            await connector.disconnect()
            ended.append(payload)

        await connector.connect()
        await connector.subscribe("callback", leave)
        await connector.publish("callback", 1, qos=1)
        await until(lambda: ended == [1])
        with pytest.raises(ConnectorError):
            await connector.publish("callback", 1)
        await until(lambda: asyncio.all_tasks() == {asyncio.current_task()})

    asyncio.run(main())


def test_a_failing_callback_is_called_again(make: Make, caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        connector = make()
        seen: list[int] = []

        async def fail(topic: str, payload: int) -> None:
            seen.append(payload)
            raise LookupError(f"no {payload}")

        await connector.connect()
        await connector.subscribe("fails", fail)
        await connector.publish("fails", 1, qos=1)
        await connector.publish("fails", 2, qos=1)
        await until(lambda: seen == [1, 2])
        await connector.disconnect()

    asyncio.run(main())
    (record,) = caplog.records
    assert "<function test_a_failing_callback" in record.getMessage()
    assert "LookupError: no 1" in caplog.text
