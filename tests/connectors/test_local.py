"""The in-process broker: MQTT topic rules, bounded queues, and workers that come and go."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import logging
import threading
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest

from cascade.connectors.local import LocalBroker, LocalBusConnector, LocalSubscription
from cascade.errors import ConnectorError
from cascade.ports import Connector


@pytest.fixture(autouse=True)
def empty_default_broker() -> Iterator[None]:
    LocalBusConnector._reset_broker_state()
    yield
    LocalBusConnector._reset_broker_state()


class Listener:
    """A callback that keeps what it gets."""

    def __init__(self) -> None:
        self.messages: list[tuple[str, Any]] = []

    async def __call__(self, topic: str, payload: Any) -> None:
        self.messages.append((topic, payload))

    @property
    def topics(self) -> list[str]:
        return [topic for topic, _ in self.messages]

    @property
    def payloads(self) -> list[Any]:
        return [payload for _, payload in self.messages]


async def settle() -> None:
    """Let the workers empty their queues."""
    for _ in range(5):
        await asyncio.sleep(0)


@pytest.mark.parametrize("topic", ["", "a\0b", "a/+", "#", "a#"])
def test_a_bad_topic_is_refused(topic: str) -> None:
    async def scenario() -> None:
        with pytest.raises(ValueError, match="topic"):
            LocalBroker().publish(topic, 1)

    asyncio.run(scenario())


@pytest.mark.parametrize("topic", ["", "a\0b", "#/a", "a/#/b", "a#", "a+/b"])
def test_a_bad_filter_is_refused(topic: str) -> None:
    async def scenario() -> None:
        with pytest.raises(ValueError, match="topic"):
            LocalBroker().subscribe(topic, Listener())

    asyncio.run(scenario())


def test_other_bad_arguments_are_refused() -> None:
    async def scenario() -> None:
        connector = LocalBusConnector(LocalBroker())
        await connector.connect()
        wrong: Any = None
        with pytest.raises(TypeError, match="topic must be a string"):
            await connector.publish(wrong, 1)
        with pytest.raises(TypeError, match="callback"):
            await connector.subscribe("a", wrong)
        with pytest.raises(ValueError, match="qos must be 0, 1 or 2, got 3"):
            await connector.publish("a", 1, qos=3)

    asyncio.run(scenario())
    with pytest.raises(ValueError, match="queue_size must be a whole number ≥ 1, got 0"):
        LocalBroker(queue_size=0)
    wrong: Any = 1.5
    with pytest.raises(TypeError, match="queue_size"):
        LocalBroker(queue_size=wrong)
    with pytest.raises(TypeError, match="broker must be"):
        LocalBusConnector(wrong)


@pytest.mark.parametrize("empty", [None, "", b""])
def test_retained_messages_are_replaced_and_an_empty_one_clears(empty: Any) -> None:
    async def scenario() -> None:
        broker, live = LocalBroker(), Listener()
        broker.subscribe("rules/+", live)
        for topic, payload in [("rules/a", 1), ("rules/b", 2), ("rules/a", 3), ("rules/c", 4)]:
            broker.publish(topic, payload, retain=True)
        broker.publish("rules/b", "passing by")
        broker.publish("rules/c", empty, retain=True)
        late = Listener()
        broker.subscribe("rules/#", late)
        await settle()
        assert late.messages == [("rules/b", 2), ("rules/a", 3)]
        assert live.payloads == [1, 2, 3, 4, "passing by", empty]

    asyncio.run(scenario())


@pytest.mark.parametrize("payload", [0, False, [], {}])
def test_a_falsy_payload_that_says_something_is_retained(payload: Any) -> None:
    async def scenario() -> list[Any]:
        broker, late = LocalBroker(), Listener()
        broker.publish("a", payload, retain=True)
        broker.subscribe("a", late)
        await settle()
        return late.payloads

    (received,) = asyncio.run(scenario())
    assert received is payload


def test_publishing_runs_no_subscriber_inline_and_order_is_that_of_subscription() -> None:
    async def scenario() -> None:
        broker = LocalBroker()
        calls: list[tuple[str, int]] = []

        def named(name: str) -> Callable[[str, int], Awaitable[None]]:
            async def callback(topic: str, payload: int) -> None:
                calls.append((name, payload))

            return callback

        for name, topic_filter in [("first", "a/+"), ("second", "a/b"), ("third", "#")]:
            broker.subscribe(topic_filter, named(name))
        broker.publish("a/b", 1)
        broker.publish("a/b", 2)
        assert calls == []
        await settle()
        names = ["first", "second", "third"]
        assert calls == [(name, payload) for name in names for payload in (1, 2)]

    asyncio.run(scenario())


def test_a_full_queue_drops_its_oldest_message_and_counts_it() -> None:
    async def scenario() -> None:
        broker, listener, other = LocalBroker(queue_size=3), Listener(), Listener()
        handle = broker.subscribe("a", listener)
        quiet = broker.subscribe("b", other)
        for number in range(5):
            broker.publish("a", number)
        await settle()
        assert listener.payloads == [2, 3, 4]
        assert (handle.dropped, quiet.dropped, broker.dropped) == (2, 0, 2)

    asyncio.run(scenario())


def test_a_worker_lives_only_while_there_is_something_to_deliver() -> None:
    async def scenario() -> None:
        broker, listener = LocalBroker(), Listener()
        for _ in range(100):
            broker.subscribe("silent", listener)
        broker.subscribe("busy", listener)
        assert len(asyncio.all_tasks()) == 1
        broker.publish("busy", 1)
        assert len(asyncio.all_tasks()) == 2
        await settle()
        assert len(asyncio.all_tasks()) == 1
        broker.publish("busy", 2)
        await settle()
        assert listener.payloads == [1, 2]

    asyncio.run(scenario())


def test_a_failing_callback_is_logged_once_and_called_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def scenario() -> list[int]:
        broker, seen = LocalBroker(), []

        async def callback(topic: str, payload: int) -> None:
            seen.append(payload)
            if payload == 1:
                raise asyncio.CancelledError
            if payload < 4:
                raise LookupError(f"no {payload}")

        broker.subscribe("a", callback)
        for payload in (2, 1, 3, 4):
            broker.publish("a", payload)
        await settle()
        return seen

    with caplog.at_level(logging.ERROR):
        assert asyncio.run(scenario()) == [2, 1, 3, 4]
    assert len(caplog.records) == 1
    assert "LookupError: no 2" in caplog.text
    assert "Traceback" in caplog.text


def test_a_callback_that_publishes_to_itself_lets_others_run() -> None:
    async def scenario() -> None:
        broker, count = LocalBroker(), 0

        async def echo(topic: str, payload: Any) -> None:
            nonlocal count
            count += 1
            broker.publish("a", payload)

        handle = broker.subscribe("a", echo)
        broker.publish("a", 1)
        for _ in range(10):
            await asyncio.sleep(0)
        handle.unsubscribe()
        assert 5 <= count <= 10

    asyncio.run(scenario())


def test_no_callback_begins_after_unsubscribe() -> None:
    async def scenario() -> None:
        broker, listener = LocalBroker(), Listener()
        handles: list[LocalSubscription] = []

        async def once(topic: str, payload: Any) -> None:
            handles[0].unsubscribe()
            await asyncio.sleep(0)
            await listener(topic, payload)

        handles.append(broker.subscribe("a", once))
        silenced = broker.subscribe("a", Listener())
        broker.publish("a", 1)
        broker.publish("a", 2)
        silenced.unsubscribe()
        await silenced.unsubscribe()
        await settle()
        broker.publish("a", 3)
        await settle()
        assert listener.payloads == [1]
        assert len(asyncio.all_tasks()) == 1
        assert not broker._subscriptions

    asyncio.run(scenario())


def test_callbacks_see_the_context_of_the_subscriber() -> None:
    who = contextvars.ContextVar("who", default="nobody")

    async def scenario() -> list[str]:
        broker, seen = LocalBroker(), []

        async def callback(topic: str, payload: Any) -> None:
            seen.append(who.get())

        who.set("subscriber")
        broker.subscribe("a", callback)
        who.set("publisher")
        broker.publish("a", 1)
        await settle()
        return seen

    assert asyncio.run(scenario()) == ["subscriber"]


def test_payloads_are_the_same_object() -> None:
    async def scenario() -> None:
        broker, listener, payload = LocalBroker(), Listener(), {"a": [1]}
        broker.subscribe("a", listener)
        broker.publish("a", payload)
        await settle()
        assert listener.payloads[0] is payload

    asyncio.run(scenario())


def test_connectors_without_a_broker_share_the_default_one() -> None:
    async def scenario() -> None:
        one, two, apart = LocalBusConnector(), LocalBusConnector(), LocalBusConnector(LocalBroker())
        assert isinstance(one, Connector)
        listener = Listener()
        for connector in (one, two, apart):
            await connector.connect()
            await connector.subscribe("a", listener)
        await one.publish("a", "hello", retain=True)
        await settle()
        assert listener.payloads == ["hello", "hello"]
        LocalBusConnector._reset_broker_state()
        await one.publish("a", "nobody hears")
        await two.subscribe("#", listener)
        await settle()
        assert listener.payloads == ["hello", "hello"]

    asyncio.run(scenario())


def test_the_connection_counts_its_users() -> None:
    async def scenario() -> None:
        connector, listener = LocalBusConnector(LocalBroker()), Listener()
        with pytest.raises(ConnectorError, match=r"publish\('a'\).*connect\(\) first"):
            await connector.publish("a", 1)
        await connector.disconnect()
        await connector.connect()
        await connector.connect()
        await connector.subscribe("a", listener)
        states = [connector.connected]
        await connector.disconnect()
        states.append(connector.connected)
        await connector.publish("a", 1)
        await settle()
        await connector.disconnect()
        states.append(connector.connected)
        assert states == [True, True, False]
        with pytest.raises(ConnectorError, match=r"connect\(\) first"):
            await connector.subscribe("a", listener)
        await connector.connect()
        await connector.publish("a", 2)
        await settle()
        assert listener.payloads == [1]

    asyncio.run(scenario())


def test_the_last_disconnect_cancels_running_callbacks_and_waits_for_them() -> None:
    async def scenario() -> list[str]:
        broker = LocalBroker()
        connector, other = LocalBusConnector(broker), LocalBusConnector(broker)
        happened: list[str] = []

        async def slow(topic: str, payload: Any) -> None:
            try:
                await asyncio.get_running_loop().create_future()
            finally:
                await asyncio.sleep(0)
                happened.append(f"cancelled {payload}")

        listener = Listener()
        for each in (connector, other):
            await each.connect()
        await connector.subscribe("a", slow)
        handle = await connector.subscribe("a", slow)
        await other.subscribe("a", listener)
        await other.publish("a", 1)
        await settle()
        handle.unsubscribe()
        await connector.disconnect()
        assert happened == ["cancelled 1", "cancelled 1"]
        await other.publish("a", 2)
        await settle()
        assert listener.payloads == [1, 2]
        return happened

    assert len(asyncio.run(scenario())) == 2


def test_a_callback_may_disconnect() -> None:
    async def scenario() -> None:
        connector, ended = LocalBusConnector(LocalBroker()), []

        async def leave(topic: str, payload: Any) -> None:
            await connector.disconnect()
            ended.append(payload)

        await connector.connect()
        await connector.subscribe("a", leave)
        await connector.publish("a", 1)
        await settle()
        assert ended == [1]
        assert not connector.connected

    asyncio.run(scenario())


def test_one_loop_after_another() -> None:
    connector, listener = LocalBusConnector(), Listener()

    async def first() -> None:
        await connector.connect()
        await connector.subscribe("a", listener)
        # The run ends before this is delivered: its worker is cancelled before its first step.
        await connector.publish("a", 1)

    async def second() -> None:
        await connector.publish("a", 2)
        await settle()
        await connector.disconnect()

    asyncio.run(first())
    asyncio.run(second())
    assert listener.payloads == [1, 2]


def test_two_running_loops_at_once_are_refused_while_there_are_subscriptions() -> None:
    broker, outcomes = LocalBroker(), []

    async def publish_elsewhere() -> None:
        try:
            broker.publish("a", 1)
        except ConnectorError as error:
            outcomes.append(str(error))
        else:
            outcomes.append("published")

    async def scenario(subscribed: bool) -> None:
        broker.publish("a", 0)
        handle = broker.subscribe("a", Listener())
        if not subscribed:
            handle.unsubscribe()
        thread = threading.Thread(target=lambda: asyncio.run(publish_elsewhere()))
        thread.start()
        thread.join()
        handle.unsubscribe()

    asyncio.run(scenario(subscribed=True))
    asyncio.run(scenario(subscribed=False))
    assert "another event loop" in outcomes[0]
    assert outcomes[1] == "published"


def test_delivering_leaves_nothing_for_the_cyclic_collector() -> None:
    async def scenario() -> int:
        broker, listener = LocalBroker(), Listener()

        async def failing(topic: str, payload: Any) -> None:
            raise LookupError(payload)

        logging.disable(logging.CRITICAL)
        broker.subscribe("a/+", listener)
        broker.subscribe("a/#", failing)
        found = 0
        for _ in range(2):
            gc.collect()
            gc.disable()
            for number in range(200):
                broker.publish("a/b", number, retain=True)
                handle = broker.subscribe("a/b", listener)
                await settle()
                handle.unsubscribe()
                del handle
            found = gc.collect()
            gc.enable()
        logging.disable(logging.NOTSET)
        return found

    assert asyncio.run(scenario()) == 0
