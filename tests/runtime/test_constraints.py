"""Live rules: they reach what waits and what runs, in graphs and in machines, and end as told."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Coroutine
from typing import Any

import pytest
from tests.runtime.queueing import check_idle

import cascade as cs
from cascade.connectors.local import LocalBroker, LocalBusConnector
from cascade.errors import ResourceError
from cascade.runtime.events import (
    ConstraintApplied,
    ConstraintEvent,
    ConstraintRejected,
    ConstraintRemoved,
    TaskStarted,
)
from cascade.testing import EventRecorder, run_virtual, virtual_loop

Rule = cs.GlobalConstraint


class World:
    """Tasks that say when they run, and how many do."""

    def __init__(self) -> None:
        self.active: Counter[str] = Counter()
        self.most: Counter[str] = Counter()
        self.begun: list[tuple[float, str]] = []

    async def work(self, name: str, seconds: float = 1.0) -> None:
        self.begun.append((now(), name))
        self.active[name] += 1
        self.most[name] = max(self.most[name], self.active[name])
        try:
            await asyncio.sleep(seconds)
        finally:
            self.active[name] -= 1


def now() -> float:
    return asyncio.get_running_loop().time()


@cs.task
async def plain(world: World, name: str = "plain", seconds: float = 1.0) -> None:
    await world.work(name, seconds)


@cs.task(tags=["heavy"])
async def heavy(world: World) -> None:
    await world.work("heavy")


@cs.task
async def agent(world: World, steps: int) -> Any:
    await world.work("agent")
    return cs.TailCall(steps=steps - 1) if steps > 1 else None


def start(coroutine: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
    return asyncio.get_running_loop().create_task(coroutine)


def used(engine: cs.Engine, rule: str) -> float:
    return engine.resource_manager.statistics().resources[f"rule:{rule}"].used


def idle(engine: cs.Engine) -> None:
    check_idle(engine.resource_manager)
    assert not list(engine.resource_manager.runs)


# --- in a graph -------------------------------------------------------------------------------


def test_a_concurrency_rule_holds_for_tasks_that_know_nothing_of_it() -> None:
    async def main() -> None:
        engine, world = cs.Engine(), World()
        engine.constraint_manager.update(Rule("r", "task:plain", "concurrency", {"limit": 3}))
        await engine.run([plain(world) for _ in range(10)])
        assert world.most["plain"] == 3
        assert now() == 4
        idle(engine)

    run_virtual(main())


def test_a_rule_that_comes_later_charges_what_runs_and_starts_nobody_beside_it() -> None:
    async def main() -> None:
        engine, world = cs.Engine(), World()
        first = start(engine.run([plain(world, seconds=10.0) for _ in range(5)]))
        await asyncio.sleep(1)
        engine.constraint_manager.update(Rule("r", "global", "concurrency", {"limit": 2}))
        assert used(engine, "r") == 5
        second = start(engine.run([plain(world, "second") for _ in range(3)]))
        await asyncio.sleep(8.5)
        assert (world.active["plain"], world.active["second"]) == (5, 0)
        await first
        await second
        assert world.most["second"] == 2
        assert now() == 12
        idle(engine)

    run_virtual(main())


def test_it_charges_tasks_that_hold_something_as_well_and_gives_back_when_it_goes() -> None:
    async def main() -> None:
        engine, world = cs.Engine(system_resources={"slot": 9}), World()
        run = start(
            engine.run([plain(world, seconds=10.0).with_constraints(slot=1) for _ in range(4)])
        )
        await asyncio.sleep(1)
        engine.constraint_manager.update(Rule("r", "global", "concurrency", {"limit": 2}))
        assert used(engine, "r") == 4
        assert engine.constraint_manager.remove("r")
        assert "rule:r" not in engine.resource_manager.statistics().resources
        assert engine.resource_manager.statistics().resources["slot"].used == 4
        await run
        idle(engine)

    run_virtual(main())


def test_a_rule_reaches_tasks_that_queue_already_and_they_keep_their_arrival() -> None:
    async def main() -> None:
        engine, world = cs.Engine(system_resources={"slot": 1}), World()
        run = start(engine.run([plain(world, str(n)).with_constraints(slot=1) for n in range(4)]))
        await asyncio.sleep(0.5)
        engine.constraint_manager.update(Rule("p", "global", "pause"))
        await asyncio.sleep(5)
        assert [name for _, name in world.begun] == ["0"]
        waiting = engine.resource_manager.explain()
        assert len(waiting) == 3
        assert all("rule:p" in waiter.blocked_on for waiter in waiting)
        engine.constraint_manager.remove("p")
        await run
        assert [name for _, name in world.begun] == ["0", "1", "2", "3"]
        idle(engine)

    run_virtual(main())


def test_a_rate_rule_spaces_the_starts() -> None:
    async def main() -> None:
        engine, world = cs.Engine(), World()
        rules = engine.constraint_manager
        rules.update(Rule("r", "global", "rate_limit", {"rate": "10/m"}))
        run = start(engine.run([plain(world) for _ in range(5)]))
        await asyncio.sleep(15)
        rules.update(Rule("r", "global", "rate_limit", {"rate": "20/m"}))
        await run
        # Half of the token for 18 s was there at 15 s; the other half takes half of 3 s.
        assert [time for time, _ in world.begun] == pytest.approx([0, 6, 12, 16.5, 19.5], abs=1e-6)
        idle(engine)

    run_virtual(main())


@pytest.mark.parametrize("mode", ["thread", "inline"])
def test_plain_functions_obey_as_well(mode: Any) -> None:
    times: list[float] = []

    async def main() -> None:
        loop = asyncio.get_running_loop()

        @cs.task(mode=mode)
        def note(number: int) -> int:
            times.append(loop.time())
            return number

        engine = cs.Engine()
        engine.constraint_manager.update(Rule("r", "task:note", "rate_limit", {"rate": "1/s"}))
        assert await engine.run([note(n) for n in range(4)]) == [0, 1, 2, 3]
        idle(engine)

    run_virtual(main())
    assert times == pytest.approx([0, 1, 2, 3], abs=0.01)


def test_a_pause_stops_a_long_chain_of_inline_tasks_in_the_midst() -> None:
    @cs.task(mode="inline")
    def add(value: int) -> int:
        return value + 1

    async def main() -> None:
        engine = cs.Engine()
        chain: Any = add(0)
        for _ in range(4999):
            chain = add(chain)
        run = start(engine.run(chain))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        engine.constraint_manager.update(Rule("p", "task:add", "pause", expires_in=60))
        assert await run == 5000
        assert now() == 60
        idle(engine)

    run_virtual(main())


def test_a_rule_is_for_those_in_its_scope_only() -> None:
    async def main() -> None:
        manager, world = cs.ResourceManager(), World()
        left = cs.Engine(resource_manager=manager, name="left")
        right = cs.Engine(resource_manager=manager, name="right")
        left.constraint_manager.update(Rule("tag", "tag:heavy", "concurrency", {"limit": 1}))
        left.constraint_manager.update(Rule("name", "task:call*", "concurrency", {"limit": 2}))
        left.constraint_manager.update(Rule("engine", "engine:right", "concurrency", {"limit": 4}))
        assert right.constraint_manager.active() == left.constraint_manager.active()
        await asyncio.gather(
            left.run(
                [
                    *[heavy(world) for _ in range(3)],
                    *[plain(world, "called").named(f"call {n}") for n in range(4)],
                    *[plain(world) for _ in range(7)],
                ]
            ),
            right.run([plain(world, "right") for _ in range(6)]),
        )
        assert world.most == {"heavy": 1, "called": 2, "plain": 7, "right": 4}
        check_idle(manager)

    run_virtual(main())


# --- in machines ------------------------------------------------------------------------------


def test_agents_follow_a_changing_rule_within_a_step() -> None:
    async def main() -> None:
        manager, world = cs.ResourceManager(), World()
        engines = [cs.Engine(resource_manager=manager) for _ in range(100)]
        runs = [start(engine.run(agent(world, 12), use_vm=True)) for engine in engines]
        rules = engines[0].constraint_manager
        await asyncio.sleep(0.5)
        assert world.active["agent"] == 100
        for limit in (50, 10):
            rules.update(Rule("r", "task:agent", "concurrency", {"limit": limit}))
            await asyncio.sleep(1.0)
            assert world.active["agent"] == limit
        rules.remove("r")
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert world.active["agent"] == 100
        await asyncio.gather(*runs)
        check_idle(manager)

    run_virtual(main())


def test_a_pause_with_an_expiry_ends_by_itself_for_machines_too() -> None:
    async def main() -> None:
        engine, world = cs.Engine(), World()
        recorder = EventRecorder(engine.bus)
        run = start(engine.run(agent(world, 3), use_vm=True))
        await asyncio.sleep(0.5)
        engine.constraint_manager.update(Rule("p", "global", "pause", expires_in=10))
        await run
        assert [time for time, _ in world.begun] == [0, 10.5, 11.5]
        (removed,) = recorder.of(ConstraintRemoved)
        assert (removed.time, removed.expired, removed.constraint.id) == (10.5, True, "p")
        idle(engine)

    run_virtual(main())


def test_a_machine_that_goes_on_as_another_task_obeys_the_rules_for_that_one() -> None:
    async def main() -> None:
        world = World()

        @cs.task
        async def start() -> Any:
            return cs.TailCall(world, to=heavy)

        engine = cs.Engine()
        engine.constraint_manager.update(Rule("p", "tag:heavy", "pause", expires_in=5))
        await engine.run(start(), use_vm=True)
        assert world.begun == [(5, "heavy")]
        idle(engine)

    run_virtual(main())


# --- the rules themselves ---------------------------------------------------------------------


def test_the_last_rule_of_an_id_counts() -> None:
    async def main() -> None:
        engine, world = cs.Engine(), World()
        rules = engine.constraint_manager
        rules.update(Rule("r", "global", "pause"))
        rules.update(Rule("r", "global", "concurrency", {"limit": 2}))
        assert [rule.type for rule in rules.active()] == ["concurrency"]
        await engine.run([plain(world) for _ in range(4)])
        assert (world.most["plain"], now()) == (2, 2)
        assert rules.remove("r")
        assert not rules.remove("r")
        assert rules.active() == []
        idle(engine)

    run_virtual(main())


def test_several_rules_and_a_declared_limit_hold_at_once() -> None:
    async def main() -> None:
        engine, world = cs.Engine(system_resources={"slot": 5}), World()
        engine.constraint_manager.update(Rule("few", "global", "concurrency", {"limit": 3}))
        engine.constraint_manager.update(Rule("slow", "global", "rate_limit", {"rate": "2/s"}))
        await engine.run([plain(world, seconds=3.0).with_constraints(slot=1) for _ in range(6)])
        times = [time for time, _ in world.begun]
        assert times == pytest.approx([0, 0.5, 1, 3, 3.5, 4], abs=1e-6)
        idle(engine)

    run_virtual(main())


def test_an_expiry_that_was_set_before_any_loop_counts_from_the_first_run() -> None:
    engine, world = cs.Engine(), World()
    engine.constraint_manager.update(Rule("p", "global", "pause", expires_in=7))
    run_virtual(engine.run(plain(world)))
    assert world.begun == [(7, "plain")]
    idle(engine)


def test_what_is_no_rule_is_refused() -> None:
    rules = cs.Engine().constraint_manager
    with pytest.raises(TypeError, match="constraint must be a GlobalConstraint, got 'pause'"):
        rules.update("pause")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="id of a constraint must be a string, got None"):
        rules.remove(None)  # type: ignore[arg-type]


def test_the_names_of_rules_are_not_for_limits() -> None:
    with pytest.raises(ValueError, match="names that begin with 'rule:' are those of live rules"):
        cs.ResourceManager({"rule:r": 1})


def test_rules_are_steered_on_the_loop_that_uses_them() -> None:
    async def main() -> None:
        engine, world = cs.Engine(system_resources={"slot": 1}), World()
        run = start(engine.run(plain(world).with_constraints(slot=1)))
        await asyncio.sleep(0.5)
        with pytest.raises(ResourceError, match="running event loop"):
            await asyncio.to_thread(engine.constraint_manager.update, Rule("p", "global", "pause"))
        assert engine.constraint_manager.active() == []
        await run

    run_virtual(main())


def test_the_events_of_rules_reach_every_engine_that_shares_them() -> None:
    async def main() -> None:
        manager, world = cs.ResourceManager(), World()
        one, other = (cs.Engine(resource_manager=manager) for _ in range(2))
        recorder = EventRecorder(other.bus)
        run = start(other.run(plain(world)))
        await asyncio.sleep(0.5)
        rule = Rule("p", "global", "pause")
        one.constraint_manager.update(rule)
        one.constraint_manager.remove("p")
        events = recorder.of(ConstraintEvent)
        assert [type(event) for event in events] == [ConstraintApplied, ConstraintRemoved]
        assert [(event.run_id, event.time) for event in events] == [("", 0.5)] * 2
        await run

    run_virtual(main())


# --- over a connector -------------------------------------------------------------------------

TOPIC = "cascade/constraints/"
PAUSE = {"scope": "global", "type": "pause", "params": {}}


@pytest.mark.parametrize("empty", ["", b"", None, {}], ids=repr)
def test_a_message_is_obeyed_and_an_empty_one_takes_it_back(empty: Any) -> None:
    async def main() -> None:
        connector, world = LocalBusConnector(LocalBroker()), World()
        engine = cs.Engine(connector=connector)
        await connector.connect()
        run = start(engine.run(agent(world, 3), use_vm=True))
        await asyncio.sleep(0.5)
        await connector.publish(f"{TOPIC}p", PAUSE, retain=True)
        await asyncio.sleep(4)
        assert [rule.id for rule in engine.constraint_manager.active()] == ["p"]
        await connector.publish(f"{TOPIC}p", empty, retain=True)
        await run
        assert [time for time, _ in world.begun] == [0, 4.5, 5.5]
        await connector.disconnect()
        idle(engine)

    run_virtual(main())


def test_a_retained_rule_reaches_an_engine_that_starts_later() -> None:
    async def main() -> None:
        broker, world = LocalBroker(), World()
        broker.publish(f"{TOPIC}p", PAUSE | {"expires_in": 5}, retain=True)
        engine = cs.Engine(connector=LocalBusConnector(broker))
        await engine.run(agent(world, 2), use_vm=True)
        assert [time for time, _ in world.begun] == [5, 6]
        # It has ended by itself, and reaches nobody who comes after that.
        begun = now()
        await cs.Engine(connector=LocalBusConnector(broker)).run(agent(world, 1), use_vm=True)
        assert now() == begun + 1

    run_virtual(main())


def test_json_is_understood() -> None:
    async def main() -> None:
        broker = LocalBroker()
        engine = cs.Engine(connector=LocalBusConnector(broker))
        broker.publish(f"{TOPIC}p", b'{"scope": "tag:x", "type": "pause"}', retain=True)
        await engine.run(plain(World()))
        assert engine.constraint_manager.active() == [Rule("p", "tag:x", "pause")]

    run_virtual(main())


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (PAUSE | {"type": "halt"}, "type must be one of"),
        (PAUSE | {"scope": "nobody"}, "scope must be one of"),
        (PAUSE | {"params": {"limit": 3}}, "a pause takes no parameters"),
        (PAUSE | {"since": 3}, "a constraint takes"),
        (17, "a constraint must be a mapping"),
        (b"{not json", "Expecting property name"),
        (b"null", "a constraint must be a mapping"),
        (b"\xff", "can't decode byte"),
        (b"[" * 100_000, "recursion depth"),
    ],
)
def test_a_bad_message_is_answered_and_changes_nothing(payload: object, reason: str) -> None:
    async def main() -> None:
        connector, world = LocalBusConnector(LocalBroker()), World()
        engine = cs.Engine(connector=connector)
        engine.constraint_manager.update(Rule("p", "tag:x", "pause"))
        recorder = EventRecorder(engine.bus)
        answers: list[Any] = []

        async def hear(topic: str, answer: Any) -> None:
            answers.append((topic, answer))

        await connector.connect()
        await connector.subscribe(f"{TOPIC}+/rejected", hear)
        run = start(engine.run(agent(world, 2), use_vm=True))
        await asyncio.sleep(0.5)
        await connector.publish(f"{TOPIC}p", payload)
        await run
        (rejected,) = recorder.of(ConstraintRejected)
        assert rejected.constraint_id == "p"
        assert reason in rejected.reason
        assert answers == [
            (f"{TOPIC}p/rejected", {"id": "p", "reason": rejected.reason}),
        ]
        assert engine.constraint_manager.active() == [Rule("p", "tag:x", "pause")]
        assert len(recorder.of(TaskStarted)) == 1
        await connector.disconnect()

    run_virtual(main())


def test_engines_that_share_a_manager_and_a_connector_attach_once() -> None:
    async def main() -> None:
        class Counting(LocalBusConnector):
            subscribed = 0

            async def subscribe(self, topic: str, callback: Any) -> Any:
                Counting.subscribed += 1
                return await super().subscribe(topic, callback)

        connector, manager, world = Counting(LocalBroker()), cs.ResourceManager(), World()
        engines = [cs.Engine(connector=connector, resource_manager=manager) for _ in range(50)]
        await asyncio.gather(*[engine.run(agent(world, 2), use_vm=True) for engine in engines])
        assert Counting.subscribed == 1
        assert manager.attached == {}

    run_virtual(main())


def test_a_rule_with_an_expiry_made_before_the_run_ends_by_itself_on_uvloop() -> None:
    uvloop = pytest.importorskip("uvloop")

    @cs.task
    async def quick() -> None:
        await asyncio.sleep(0)

    async def main() -> None:
        engine = cs.Engine()
        engine.constraint_manager.update(Rule("p", "global", "pause", {}, expires_in=0.01))
        # The second run begins while the timer of the first one is set.
        await asyncio.gather(engine.run(quick()), engine.run(quick()))
        assert engine.constraint_manager.active() == []

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(asyncio.wait_for(main(), 10))


@pytest.mark.parametrize("broken", ["connect", "subscribe", "unsubscribe", "disconnect"])
def test_whatever_of_a_connector_fails_the_rest_of_it_is_left(broken: str) -> None:
    """Users are counted right: the next run connects, hears the rules and leaves again."""

    async def main() -> None:
        told: list[str] = []
        failing = {broken}

        def happens(what: str) -> None:
            told.append(what)
            if what in failing:
                raise OSError(f"{what} failed")

        class Handle:
            async def unsubscribe(self) -> None:
                happens("unsubscribe")

        class Fragile:
            async def connect(self) -> None:
                happens("connect")

            async def disconnect(self) -> None:
                happens("disconnect")

            async def publish(
                self, topic: str, payload: Any, qos: int = 0, retain: bool = False
            ) -> None:
                raise AssertionError("nothing is published")

            async def subscribe(self, topic: str, callback: Any) -> Handle:
                happens("subscribe")
                return Handle()

        engine = cs.Engine(connector=Fragile())
        manager = engine.resource_manager
        with pytest.raises(OSError, match=f"{broken} failed"):
            await engine.run(agent(World(), 1), use_vm=True)
        assert told[0] == "connect"
        assert ("disconnect" in told) == (broken != "connect")
        assert manager.attached == {}
        failing.clear()
        told.clear()
        await engine.run(agent(World(), 1), use_vm=True)
        assert told == ["connect", "subscribe", "unsubscribe", "disconnect"]
        assert manager.attached == {}
        idle(engine)

    run_virtual(main())


def test_a_run_whose_loop_was_closed_under_it_does_not_keep_the_next_from_the_rules() -> None:
    class Connector(LocalBusConnector):
        subscribed = 0

        async def subscribe(self, topic: str, callback: Any) -> Any:
            Connector.subscribed += 1
            return await super().subscribe(topic, callback)

    manager = cs.ResourceManager()
    connector = Connector(LocalBroker())

    async def begin() -> asyncio.Task[Any]:
        engine = cs.Engine(connector=connector, resource_manager=manager)
        task = start(engine.run(agent(World(), 9), use_vm=True))
        await asyncio.sleep(0.5)
        return task

    loop = virtual_loop()
    task = loop.run_until_complete(begin())
    assert Connector.subscribed == 1
    loop.close()
    task.get_coro().close()

    async def again() -> None:
        await cs.Engine(connector=connector, resource_manager=manager).run(agent(World(), 1))
        assert Connector.subscribed == 2

    run_virtual(again())
