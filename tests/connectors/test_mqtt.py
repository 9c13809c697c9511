"""Rules over MQTT, with a real mosquitto that is killed and comes back. The time is real."""

from __future__ import annotations

import asyncio
import json
import logging
import random
import ssl
import sys
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from tests.connectors.mosquitto import (
    LIMITED,
    PASSWORD,
    USER,
    Broker,
    free_ports,
    operator,
    until,
)

import cascade as cs
from cascade.connectors import mqtt_client, mqtt_connection
from cascade.connectors.mqtt import MqttConnector
from cascade.errors import ConnectorError, MissingExtraError, VirtualTimeError
from cascade.ports import Connector
from cascade.runtime.events import ConstraintApplied, ConstraintRejected
from cascade.testing import EventRecorder, run_virtual

pytest.importorskip("aiomqtt")

LOG = "cascade.connectors.mqtt"


def rule(scope: str = "global", type: str = "pause", **params: Any) -> str:
    return json.dumps({"scope": scope, "type": type, "params": params})


def connector_to(broker: Broker, **options: Any) -> MqttConnector:
    settings: dict[str, Any] = {
        "port": broker.port,
        "username": USER,
        "password": PASSWORD,
        "reconnect_after": 0.05,
        "reconnect_at_most": 0.2,
        "random": random.Random(0),
    }
    return MqttConnector("localhost", **settings | options)


@asynccontextmanager
async def connected(broker: Broker, **options: Any) -> AsyncIterator[MqttConnector]:
    connector = connector_to(broker, **options)
    await connector.connect()
    try:
        yield connector
    finally:
        await connector.disconnect()


class Steps:
    """An agent's steps, one every few milliseconds."""

    def __init__(self) -> None:
        self.count = 0

    def agent(self, name: str = "agent") -> cs.LazyResult[Any]:
        @cs.task(name=name)
        async def step() -> Any:
            self.count += 1
            await asyncio.sleep(0.002)
            return cs.TailCall()

        return step()

    async def go_on(self) -> None:
        before = self.count
        await until(lambda: self.count > before + 2)

    async def stand_still(self) -> None:
        """Wait until no step has begun for a while in which many would have."""
        before = -1
        while before != self.count:
            before = self.count
            await asyncio.sleep(0.05)


def ids(engine: cs.Engine) -> list[str]:
    return [constraint.id for constraint in engine.constraint_manager.active()]


@asynccontextmanager
async def running(engine: cs.Engine, target: cs.LazyResult[Any]) -> AsyncIterator[None]:
    run = asyncio.ensure_future(engine.run(target, use_vm=True))
    try:
        yield
        assert not run.done(), run
    finally:
        run.cancel()
        await asyncio.gather(run, return_exceptions=True)


def is_up(connector: MqttConnector) -> bool:
    return connector.connected


def nothing_is_left() -> None:
    assert asyncio.all_tasks() == {asyncio.current_task()}


# --- rules -----------------------------------------------------------------------------------


def test_a_retained_rule_is_obeyed_by_an_engine_that_starts_later(broker: Broker) -> None:
    async def main() -> None:
        steps = Steps()
        async with operator(broker) as someone:
            await someone.set("early", rule(), qos=1)
            engine = cs.Engine(connector=connector_to(broker))
            async with running(engine, steps.agent()):
                await until(lambda: ids(engine) == ["early"])
                await asyncio.sleep(0.1)
                assert steps.count == 0
                await someone.remove("early")
                await steps.go_on()
        nothing_is_left()

    asyncio.run(main())


def test_rules_are_set_replaced_and_removed_while_work_runs(broker: Broker) -> None:
    async def main() -> None:
        steps, engine = Steps(), cs.Engine(connector=connector_to(broker))
        async with operator(broker) as someone, running(engine, steps.agent()):
            await steps.go_on()
            await someone.set("live", rule("task:agent"))
            await until(lambda: ids(engine) == ["live"])
            await steps.stand_still()
            await someone.set("live", rule("task:agent", "concurrency", limit=1))
            await steps.go_on()
            (constraint,) = engine.constraint_manager.active()
            assert constraint.type == "concurrency"
            await someone.set("live", rule("task:agent", "rate_limit", rate="1/h"))
            await steps.stand_still()
            await someone.remove("live", qos=1)
            await steps.go_on()
            assert ids(engine) == []
        nothing_is_left()

    asyncio.run(main())


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (rule()[:-1].encode(), "Expecting"),
        (b'{"scope": "global", "type": 3}', "type must be one of"),
        (b'{"scope": ["global"], "type": "pause"}', "scope must be a string"),
        (b'{"scope": "global", "type": "pause", "params": []}', "params must map"),
        (b'{"scope": "global", "type": "concurrency", "params": {"limit": NaN}}', "limit must be"),
        (b'{"scope": "global", "type": "pause", "since": 3}', "a constraint takes"),
        (b"17", "a constraint must be a mapping"),
        (b"null", "a constraint must be a mapping"),
        (b'""', "a constraint must be a mapping"),
        (b"\xff\xfe\x00", "can't decode"),
        (b"x" * 2**20, "Expecting value"),
        (b"[" * 2**20, "recursion depth"),
        (json.dumps(["y"] * 2**18).encode(), "a constraint must be a mapping"),
        (json.dumps({"scope": "z" * 2**20, "type": "pause"}).encode(), "scope must be one of"),
    ],
    ids=[
        *("cut", "type", "scope", "params", "nan", "unknown", "number", "null", "empty"),
        *("utf8", "mib-x", "mib-nested", "mib-json", "mib-scope"),
    ],
)
def test_what_is_no_rule_is_answered_in_words_and_changes_nothing(
    broker: Broker, payload: bytes, reason: str
) -> None:
    async def main() -> None:
        steps, engine = Steps(), cs.Engine(connector=connector_to(broker))
        recorder = EventRecorder(engine.bus)
        async with operator(broker) as someone, running(engine, steps.agent()):
            await someone.set("bad", rule("task:nobody"))
            await until(lambda: ids(engine) == ["bad"])
            before = engine.constraint_manager.active()
            await someone.hear("cascade/constraints/+/rejected")
            await someone.publish("cascade/constraints/bad", payload, qos=1)
            await until(lambda: someone.heard)
            (message,) = someone.heard
            assert message.topic.value == "cascade/constraints/bad/rejected"
            assert (message.qos, message.retain) == (1, False)
            answer = json.loads(message.payload)
            assert answer["id"] == "bad"
            assert reason in answer["reason"]
            assert len(answer["reason"]) < 600
            (event,) = recorder.of(ConstraintRejected)
            assert (event.constraint_id, event.reason) == ("bad", answer["reason"])
            assert engine.constraint_manager.active() == before
            await steps.go_on()

    asyncio.run(main())


def test_two_engines_share_a_connector(broker: Broker) -> None:
    async def main() -> None:
        connector, steps = connector_to(broker), [Steps(), Steps()]
        engines = [cs.Engine(connector=connector, name=name) for name in ("one", "two")]
        async with operator(broker) as someone, running(engines[0], steps[0].agent()):
            async with running(engines[1], steps[1].agent()):
                await asyncio.gather(*[each.go_on() for each in steps])
                await someone.set("shared", rule("engine:one"))
                await until(lambda: ids(engines[0]) == ids(engines[1]) == ["shared"])
                await steps[0].stand_still()
                await steps[1].go_on()
            # The other engine's connection isn't closed by the one that has ended.
            assert is_up(connector)
            await someone.remove("shared")
            await steps[0].go_on()
        assert not is_up(connector)
        nothing_is_left()

    asyncio.run(main())


def test_a_rule_that_ends_by_itself_is_taken_from_the_broker(broker: Broker) -> None:
    async def main() -> None:
        short = json.dumps({"scope": "global", "type": "pause", "expires_in": 0.1})
        async with operator(broker) as someone:
            await someone.hear("cascade/constraints/short")
            await someone.set("short", short, qos=1)

            @cs.task
            async def work() -> int:
                return 1

            # The engine leaves the moment the rule ends; what it has said goes out all the same.
            engine = cs.Engine(connector=connector_to(broker))
            assert await engine.run(work()) == 1
            await until(lambda: len(someone.heard) >= 2)
            assert [message.payload for message in someone.heard] == [short.encode(), b""]
            assert someone.heard[1].qos == 1

    asyncio.run(main())


# --- outages ---------------------------------------------------------------------------------


def test_a_killed_broker_holds_nobody_up_and_is_obeyed_again_when_it_is_back(
    broker: Broker, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        steps, connector = Steps(), connector_to(broker)
        engine = cs.Engine(connector=connector)
        recorder = EventRecorder(engine.bus)
        async with running(engine, steps.agent()):
            async with operator(broker) as someone:
                await someone.set("stays", rule("task:other"))
                await someone.set("changes", rule("task:other"))
                await someone.set("goes", rule("task:agent"))
                await until(lambda: len(ids(engine)) == 3)
                await steps.stand_still()
                someone._rules.clear()
                await until(lambda: broker.has_saved("stays", "changes", "goes"))
            broker.kill()
            await until(lambda: not connector.connected)
            await steps.stand_still()  # the rules that are known hold on
            assert len(ids(engine)) == 3
            engine.constraint_manager.remove("goes")
            await steps.go_on()
            await steps.go_on()

            # Others are there before the connector is, and change rules with QoS 0: such messages
            # aren't kept for those who are away.
            connector._pauses._pause = 0.2
            broker.start()
            async with operator(broker) as someone:
                await someone.set("goes", "")
                await someone.set("changes", rule("task:other", "concurrency", limit=3))
                await someone.set("new", rule("task:other"))
                await until(lambda: connector.connected)
                await until(lambda: sorted(ids(engine)) == ["changes", "new", "stays"])
                rules = {each.id: each for each in engine.constraint_manager.active()}
                assert rules["changes"].params == {"limit": 3}
                await someone.set("after", rule("task:agent"))
                await until(lambda: "after" in ids(engine))
                await steps.stand_still()
                await someone.set("stays", "")
                await until(lambda: "stays" not in ids(engine))
        # What hadn't changed wasn't told again.
        applied = [event.constraint.id for event in recorder.of(ConstraintApplied)]
        assert applied.count("stays") == 1
        nothing_is_left()

    with caplog.at_level(logging.INFO):
        asyncio.run(main())
    told = [record.getMessage() for record in caplog.records if record.name.startswith(LOG)]
    assert len(told) == 2, told
    assert "is lost (it broke)" in told[0]
    assert "is back after" in told[1]


def test_what_is_removed_while_nobody_tells_us_is_noticed_on_return(broker: Broker) -> None:
    """The broker forgets all, as one without a memory does when it is started again."""

    async def main() -> None:
        heard: list[Any] = []

        async def hear(topic: str, payload: Any) -> None:
            heard.append((topic, payload))

        async with connected(broker) as connector:
            await connector.subscribe("memory/#", hear)
            await connector.publish("memory/a", 1, retain=True, qos=1)
            await until(lambda: heard == [("memory/a", 1)])
            broker.kill()
            for kept in broker.directory.glob("mosquitto.db*"):
                kept.unlink()
            await until(lambda: not connector.connected)
            await connector.publish("memory/b", 2, qos=1, retain=True)
            broker.start()
            await until(lambda: len(heard) == 3)
            assert heard[1:] == [("memory/b", 2), ("memory/a", b"")]
            late: list[Any] = []

            async def hear_late(topic: str, payload: Any) -> None:
                late.append((topic, payload))

            await connector.subscribe("memory/#", hear_late)
            await until(lambda: late)
            assert late == [("memory/b", 2)]
            await connector.publish("memory/b", None, qos=1, retain=True)

    asyncio.run(main())


def test_rules_are_heard_where_messages_to_oneself_are_not_allowed(
    broker: Broker, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mqtt_connection, "ECHO_PATIENCE", 0.05)

    async def main() -> None:
        steps, engine = Steps(), cs.Engine(connector=connector_to(broker, username=LIMITED))
        async with operator(broker) as someone, running(engine, steps.agent()):
            await someone.set("limited", rule("task:agent"))
            await steps.stand_still()
            await someone.remove("limited")
            await steps.go_on()

    asyncio.run(main())
    (record,) = caplog.records
    assert "doesn't hand back what is published on 'cascade/returned/" in record.getMessage()


def test_during_an_outage_messages_wait_or_are_dropped_and_counted(broker: Broker) -> None:
    async def main() -> None:
        heard: list[Any] = []

        async def hear(topic: str, payload: Any) -> None:
            heard.append(payload)

        async with connected(broker, queue_size=3) as connector:
            await connector.subscribe("outage", hear)
            broker.kill()
            await until(lambda: not connector.connected)
            await connector.publish("outage", "lost", qos=0)
            assert connector.dropped == 1
            for number in range(5):
                await connector.publish("outage", number, qos=1)
            assert connector.dropped == 3
            late = await connector.subscribe("outage/late", hear)
            broker.start()
            await until(lambda: heard == [2, 3, 4])
            await connector.publish("outage/late", 5)
            await until(lambda: heard == [2, 3, 4, 5])
            await late.unsubscribe()
            broker.kill()
            await until(lambda: not connector.connected)
            await connector.publish("outage", 6, qos=1)
        # Nobody waits for a broker that is away, and what couldn't be sent is counted.
        assert connector.dropped == 4
        nothing_is_left()
        broker.start()

    asyncio.run(main())


def test_a_message_that_breaks_each_connection_is_given_up(
    broker: Broker, caplog: pytest.LogCaptureFixture
) -> None:
    """Mosquitto hangs up on a topic of more than 200 levels, and doesn't confirm it before."""

    async def main() -> None:
        heard: list[Any] = []
        async with connected(broker) as connector:
            await connector.subscribe("good", lambda topic, payload: _noted(heard, payload))
            await connector.publish("/" * 300, b"bad", qos=1)
            assert not is_up(connector)
            await until(lambda: connector.dropped == 1)
            await until(lambda: connector.connected)
            await connector.publish("good", 1, qos=1)
            await until(lambda: heard == [1])

    asyncio.run(main())
    assert "a message of 3 bytes on '////" in caplog.text
    assert "each of the 5 times that it was sent" in caplog.text


async def _noted(heard: list[Any], payload: Any) -> None:
    heard.append(payload)


# --- connecting ------------------------------------------------------------------------------


def test_it_is_a_connector() -> None:
    assert isinstance(MqttConnector(), Connector)


def test_tls_and_login(broker: Broker) -> None:
    async def main() -> None:
        trusted = ssl.create_default_context(cafile=str(broker.certificate))
        async with connected(broker, port=broker.tls_port, tls=trusted) as connector:
            heard: list[Any] = []
            await connector.subscribe("tls", lambda topic, payload: _noted(heard, payload))
            await connector.publish("tls", "x" * 100_000, qos=2)
            await until(lambda: heard)
            assert heard == [b"x" * 100_000]
        nothing_is_left()

    asyncio.run(main())


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"password": "wrong"}, r"doesn't let us in as 'engine': Not authorized"),
        ({"username": None, "password": None}, r"doesn't let us in without a login"),
        ({"port": "free"}, r"no broker listens at localhost:\d+: Connection refused"),
        ({"port": "tls", "tls": True}, r"the certificate of localhost:\d+ isn't trusted: self"),
        ({"port": "tls"}, r"hung up before it said anything; is that a port for TLS\?"),
        ({"tls": True}, r"is that a port without TLS\?|doesn't speak TLS"),
    ],
    ids=["password", "login", "port", "certificate", "plain", "tls"],
)
def test_a_first_connection_that_fails_says_why_and_leaves_nothing(
    broker: Broker, options: dict[str, Any], words: str
) -> None:
    ports = {"free": free_ports(1)[0], "tls": broker.tls_port}
    if "port" in options:
        options = options | {"port": ports[options["port"]]}

    async def main() -> None:
        connector = connector_to(broker, **options)
        with pytest.raises(ConnectorError, match=words):
            await connector.connect()
        nothing_is_left()
        assert not is_up(connector)
        with pytest.raises(ConnectorError, match=r"await connect\(\) first"):
            await connector.publish("a", 1)
        await connector.disconnect()
        engine = cs.Engine(connector=connector)
        with pytest.raises(ConnectorError, match=words):
            await engine.run(Steps().agent())
        nothing_is_left()

    asyncio.run(main())


def test_users_who_connect_at_once_share_an_attempt_and_its_failure(broker: Broker) -> None:
    async def main() -> None:
        connector = connector_to(broker, password="wrong")
        ends = await asyncio.gather(
            *[connector.connect() for _ in range(3)], return_exceptions=True
        )
        assert [type(end) for end in ends] == [ConnectorError] * 3
        nothing_is_left()
        good = connector_to(broker)
        users = [asyncio.ensure_future(good.connect()) for _ in range(3)]
        await asyncio.sleep(0)
        users[0].cancel()
        assert isinstance((await asyncio.gather(*users, return_exceptions=True))[1], type(None))
        assert is_up(good)
        await good.disconnect()
        assert is_up(good)
        await good.disconnect()
        assert not is_up(good)
        nothing_is_left()

    asyncio.run(main())


@pytest.mark.parametrize("turns", [0, 1, 2, 3, 5, 8, 13, 30])
def test_cancelling_at_any_moment_leaves_no_task(broker: Broker, turns: int) -> None:
    async def use(connector: MqttConnector) -> None:
        await connector.connect()
        try:
            await connector.subscribe("cancelled", lambda topic, payload: _noted([], payload))
            while True:
                await connector.publish("cancelled", 1, qos=1)
        finally:
            await connector.disconnect()

    async def main() -> None:
        connector = connector_to(broker)
        using = asyncio.ensure_future(use(connector))
        for _ in range(turns):
            await asyncio.sleep(0)
        if turns > 8:
            await until(lambda: connector.connected)
        using.cancel()
        await asyncio.wait({using})
        assert using.cancelled()
        nothing_is_left()
        await connector.connect()
        assert is_up(connector)
        await connector.disconnect()
        nothing_is_left()

    asyncio.run(main())


def test_disconnecting_waits_even_if_it_is_cancelled(broker: Broker) -> None:
    async def main() -> None:
        connector = connector_to(broker)
        await connector.connect()
        leaving = asyncio.ensure_future(connector.disconnect())
        for _ in range(3):
            await asyncio.sleep(0)
            leaving.cancel()
        await asyncio.wait({leaving})
        assert leaving.cancelled()
        nothing_is_left()

    asyncio.run(main())


def test_one_loop_after_another_and_never_two_at_once(broker: Broker) -> None:
    connector, errors = connector_to(broker), []

    async def elsewhere() -> None:
        for call in (connector.connect(), connector.publish("a", 1)):
            with pytest.raises(ConnectorError, match="in use by another event loop") as caught:
                await call
            errors.append(caught.value)
        await connector.disconnect()

    async def first() -> None:
        await connector.connect()
        thread = threading.Thread(target=lambda: asyncio.run(elsewhere()))
        thread.start()
        await asyncio.to_thread(thread.join)
        assert is_up(connector)  # and this loop ends without a word

    async def second() -> None:
        await connector.connect()
        assert is_up(connector)
        await connector.disconnect()
        nothing_is_left()

    asyncio.run(first())
    asyncio.run(second())
    assert len(errors) == 2


def test_a_subscription_that_the_broker_refuses_is_an_error(
    broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(self: object, topic: str, number: int) -> str:
        return "Not authorized"

    async def main() -> None:
        async with connected(broker) as connector:
            with monkeypatch.context() as patch:
                patch.setattr(mqtt_client.Client, "subscribe", refuse)
                with pytest.raises(ConnectorError, match=r"refuses .* to 'x/y': Not authorized"):
                    await connector.subscribe("x/y", lambda topic, payload: _noted([], payload))
            await connector.subscribe("x/y", lambda topic, payload: _noted([], payload))

    asyncio.run(main())


def test_rules_have_at_least_qos_1_and_others_what_they_ask_for(broker: Broker) -> None:
    async def main() -> None:
        async with operator(broker) as someone, connected(broker) as connector:
            await someone.hear("cascade/constraints/#")
            await someone.hear("other")
            for qos in (0, 1, 2):
                await connector.publish("cascade/constraints/nobody/x", qos, qos=qos)
                await connector.publish("other", qos, qos=qos)
            await until(lambda: len(someone.heard) == 6)
            got = {(message.topic.value, message.payload): message.qos for message in someone.heard}
            assert got == {
                ("cascade/constraints/nobody/x", b"0"): 1,
                ("cascade/constraints/nobody/x", b"1"): 1,
                ("cascade/constraints/nobody/x", b"2"): 2,
                ("other", b"0"): 0,
                ("other", b"1"): 1,
                ("other", b"2"): 2,
            }

    asyncio.run(main())


def test_many_messages_at_once_arrive_in_order(broker: Broker) -> None:
    async def main() -> None:
        heard: list[Any] = []
        async with connected(broker) as connector:
            await connector.subscribe("many", lambda topic, payload: _noted(heard, payload))
            await asyncio.gather(*[connector.publish("many", n, qos=1) for n in range(100)])
            await until(lambda: len(heard) >= 100)
            assert heard == list(range(100))
            assert connector.dropped == 0

    asyncio.run(main())


# --- what is refused at once -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({"host": ""}, ValueError, "host must not be empty"),
        ({"host": 3}, TypeError, "host must be a string, got 3"),
        ({"port": 0}, ValueError, "port must be a whole number ≥ 1, got 0"),
        ({"port": 70_000}, ValueError, "port must be at most 65535, got 70000"),
        ({"port": "1883"}, TypeError, "port must be a whole number"),
        ({"username": ""}, ValueError, "username must not be empty"),
        ({"password": "x"}, ValueError, "password needs a username"),
        ({"username": "u", "password": 17}, TypeError, "password must be a string, got one of int"),
        ({"tls": "yes"}, TypeError, "tls must be True, False or an ssl.SSLContext, got 'yes'"),
        ({"client_id": ""}, ValueError, "client_id must not be empty"),
        ({"keepalive": 0}, ValueError, "keepalive must be a whole number ≥ 1"),
        ({"keepalive": 100_000}, ValueError, "keepalive must be at most 65535 seconds"),
        ({"reconnect_after": 0}, ValueError, "reconnect_after must be above 0 seconds, got 0"),
        ({"reconnect_after": 90}, ValueError, "reconnect_at_most must be at least reconnect_after"),
        ({"reconnect_at_most": float("inf")}, ValueError, "reconnect_at_most must be a finite"),
        ({"queue_size": 0}, ValueError, "queue_size must be a whole number ≥ 1"),
        ({"largest_message": 0}, ValueError, "largest_message must be a whole number ≥ 1"),
        ({"largest_message": 2**28}, ValueError, "largest_message must be at most 268435455 bytes"),
        ({"random": random}, TypeError, "random must be a random.Random or None"),
    ],
)
def test_bad_arguments_are_refused_at_once(
    arguments: dict[str, Any], error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        MqttConnector(**arguments)


def test_bad_topics_payloads_and_callbacks_are_refused_at_once(broker: Broker) -> None:
    async def main() -> None:
        wrong: Any = None
        async with connected(broker) as connector:
            for topic in ("", "a/+", "#", "a\0", "\ud800", "x" * 70_000):
                with pytest.raises(ValueError, match="topic"):
                    await connector.publish(topic, 1)
            for topic in ("", "a#", "#/a", "\ud800", "$share/group/a"):
                with pytest.raises(ValueError, match="topic"):
                    await connector.subscribe(topic, wrong)
            with pytest.raises(TypeError, match="topic must be a string"):
                await connector.publish(wrong, 1)
            with pytest.raises(TypeError, match="callback must be an async function"):
                await connector.subscribe("a", wrong)
            with pytest.raises(ValueError, match="qos must be 0, 1 or 2, got 3"):
                await connector.publish("a", 1, qos=3)
            with pytest.raises(TypeError, match="payload must be bytes, text"):
                await connector.publish("a", object())

    asyncio.run(main())


def test_virtual_time_is_refused() -> None:
    async def main() -> None:
        with pytest.raises(VirtualTimeError, match="use a LocalBusConnector in tests"):
            await MqttConnector().connect()

    run_virtual(main())


def test_a_missing_library_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "aiomqtt", None)

    async def main() -> None:
        with pytest.raises(MissingExtraError, match=r"pip install 'cascade-py\[mqtt\]'"):
            await MqttConnector().connect()
        nothing_is_left()

    asyncio.run(main())
