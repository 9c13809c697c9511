"""What is asked for from outside is done, and what came of it is said in numbers that are true."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any
from weakref import ref

import pytest
from tests.control.worlds import ME, World, agent

import cascade as cs
from cascade.control import census, snapshot
from cascade.control.audit import Trail, Who, read_trail
from cascade.control.messages import RefusedError, request_of
from cascade.runtime.constraints import ConstraintManager
from cascade.runtime.events import RunFinished, TaskFinished
from cascade.testing import run_virtual


def in_a_world(agents: int, slots: int | None, story: Any) -> Any:
    """Let a story happen in a world that has come to rest after 10.5 seconds."""

    async def main() -> Any:
        world = World(agents, slots)
        await asyncio.sleep(10.5)
        try:
            return await story(world)
        finally:
            await world.end()

    return run_virtual(main())


def test_it_tells_who_is_there() -> None:
    async def story(world: World) -> None:
        found = world.ask("ps")
        assert (found["name"], found["engines"], found["runs"]) == ("world", 6, 6)
        assert found["tasks"]["running"] == 2
        assert found["tasks"]["waiting"] == 4
        assert found["seconds"] == 10.5

    in_a_world(6, 2, story)


def test_the_children_of_a_map_are_tasks_of_its_run() -> None:
    async def story(world: World) -> None:
        @cs.task
        async def long(number: int) -> None:
            await asyncio.sleep(1000)

        @cs.task
        async def after(done: list[None]) -> None:
            pass

        world.manager.set_capacity({"slot": 3})
        flow = after(long.map(number=range(5)).with_constraints(slot=1))
        engine = cs.Engine(resource_manager=world.manager, name="mapping")
        run = asyncio.create_task(engine.run(flow))
        await asyncio.sleep(1)
        found = world.ask("look")
        assert (found["runs"], len(found["run_list"])) == (2, 2)
        of_map = found["run_list"][1]
        assert of_map["tasks"] == {
            "waiting": 2,
            "running": 3,
            "pending": 1,
            "ended": 0,
            "skipped": 0,
        }
        assert {"name": "long", "running": 3, "waiting": 2} in found["task_list"]
        answer = world.ask("rule", scope="task:long", type="concurrency", params={"limit": 1})
        assert answer["effect"] == "5 tasks match; 3 running go on, 2 wait"
        answer = world.ask("cancel", run="mapping")
        assert answer["effect"] == "1 run cancelled: 3 running and 2 waiting tasks end"
        with pytest.raises(cs.errors.RunCancelledError):
            await run

    in_a_world(1, None, story)


def test_one_that_was_granted_this_moment_counts_as_running() -> None:
    async def story(world: World) -> None:
        world.ask("rule", scope="global", type="pause", params={})
        await asyncio.sleep(5)
        world.ask("lift", type="pause")
        tasks = world.ask("ps")["tasks"]
        assert (tasks["running"], tasks["waiting"], tasks["pending"]) == (2, 4, 0)
        answer = world.ask("rule", scope="engine:nobody", type="pause", params={})
        answer = world.ask("rule", scope="global", type="concurrency", params={"limit": 2})
        assert answer["effect"] == "6 tasks match; 2 running go on, 4 wait"

    in_a_world(6, 2, story)


class TestLimits:
    def test_a_lower_one_says_how_many_are_too_many(self) -> None:
        async def story(world: World) -> None:
            answer = world.ask("limit", resource="slot", amount=1)
            assert answer["effect"] == (
                "slot: 4 → 1; 4 in use, 2 wait; 3 too many go on until they end"
            )
            assert answer["undo"] == "cascade limit slot=4 --program world"
            await asyncio.sleep(2)
            assert world.manager.statistics().resources["slot"].used == 1

        in_a_world(6, 4, story)

    def test_one_for_a_time_goes_back_and_says_so(self) -> None:
        async def story(world: World) -> None:
            world.ask("limit", resource="slot", amount=1, **{"for": 30})
            await asyncio.sleep(29)
            assert world.manager.statistics().resources["slot"].capacity == 1
            await asyncio.sleep(2)
            assert world.manager.statistics().resources["slot"].capacity == 4
            first, last = world.ask("log")["entries"]
            assert first["command"] == "limit slot=1 --for 30"
            assert "its time is up" in last["effect"]

        in_a_world(6, 4, story)

    def test_one_that_is_set_again_meanwhile_stays(self) -> None:
        async def story(world: World) -> None:
            world.ask("limit", resource="slot", amount=1, **{"for": 30})
            world.ask("limit", resource="slot", amount=2)
            await asyncio.sleep(60)
            assert world.manager.statistics().resources["slot"].capacity == 2

        in_a_world(6, 4, story)

    def test_one_for_a_time_on_top_of_another_goes_back_to_what_was_before_both(self) -> None:
        async def story(world: World) -> None:
            world.ask("limit", resource="slot", amount=1, **{"for": 30})
            await asyncio.sleep(10)
            answer = world.ask("limit", resource="slot", amount=2, **{"for": 30})
            assert answer["undo"] == "cascade limit slot=1 --for 20s --program world"
            await asyncio.sleep(29)
            assert world.manager.statistics().resources["slot"].capacity == 2
            await asyncio.sleep(2)
            assert world.manager.statistics().resources["slot"].capacity == 4

        in_a_world(6, 4, story)

    def test_one_for_a_time_goes_back_when_nobody_looks_after_it_any_more(self) -> None:
        async def story(world: World) -> None:
            world.ask("limit", resource="slot", amount=1, **{"for": 30})
            world.desk.close()
            await asyncio.sleep(31)
            assert world.manager.statistics().resources["slot"].capacity == 4

        in_a_world(6, 4, story)

    def test_what_the_program_sets_meanwhile_stays(self) -> None:
        async def story(world: World) -> None:
            world.ask("limit", resource="slot", amount=1, **{"for": 30})
            world.manager.set_capacity({"slot": 3})
            await asyncio.sleep(31)
            assert world.manager.statistics().resources["slot"].capacity == 3
            assert world.ask("log")["entries"][-1]["effect"] == (
                "slot: its time is up, the program has changed it meanwhile, and it stays at 3"
            )

        in_a_world(6, 4, story)

    def test_one_of_managers_that_differ_names_both_and_each_gets_its_own_back(self) -> None:
        async def story(world: World) -> None:
            other = cs.ResourceManager({"slot": 1234567.5})
            world.desk.oversee(ConstraintManager(cs.Engine(resource_manager=other)))
            answer = world.ask("limit", resource="slot", amount=2, **{"for": 5})
            assert answer["effect"].startswith("slot: 4 and 1234567.5 → 2; ")
            assert answer["effect"].endswith("(in 2 managers)")
            assert answer["undo"] is None
            await asyncio.sleep(6)
            assert other.statistics().resources["slot"].capacity == 1234567.5
            assert world.manager.statistics().resources["slot"].capacity == 4

        in_a_world(6, 4, story)

    def test_where_one_manager_is_in_use_elsewhere_none_is_changed(self) -> None:
        async def story(world: World) -> None:
            other = cs.ResourceManager({"slot": 8})
            elsewhere = asyncio.new_event_loop()
            acquire = other.acquire({"slot": 1})
            held = await asyncio.to_thread(elsewhere.run_until_complete, acquire)
            world.desk.oversee(ConstraintManager(cs.Engine(resource_manager=other)))
            rule: dict[str, Any] = {"scope": "global", "type": "pause", "params": {}}
            for command, said in [("limit", {"resource": "slot", "amount": 1}), ("rule", rule)]:
                with pytest.raises(RefusedError, match="in use by another event loop"):
                    world.ask(command, **said)
            assert world.manager.statistics().resources["slot"].capacity == 4
            assert world.ask("rules")["rules"] == []
            elsewhere.close()
            held.release()

        in_a_world(6, 4, story)

    def test_a_name_is_quoted_where_it_would_be_typed(self) -> None:
        async def story(world: World) -> None:
            world.manager.set_capacity({"a; b": 1_234_567})
            answer = world.ask("limit", resource="a; b", amount=1)
            assert answer["undo"] == "cascade limit 'a; b'=1234567 --program world"

        in_a_world(1, 4, story)

    def test_a_rate_that_was_a_number_is_told_as_it_can_be_typed(self) -> None:
        async def story(world: World) -> None:
            rule: dict[str, Any] = {"scope": "global", "type": "rate_limit"}
            world.ask("rule", **rule, params={"rate": 0.5})
            answer = world.ask("rule", **rule, params={"rate": "9/s"}, **{"for": 12_345_678.5})
            assert answer["undo"] == "cascade rate global 30/m --program world"
            first, second = world.ask("log")["entries"]
            assert first["command"] == "rate global 30/m"
            assert second["command"] == "rate global 9/s --for 12345678.5"

        in_a_world(1, 4, story)

    @pytest.mark.parametrize(
        ("said", "problem"),
        [
            ({"resource": "slto", "amount": 1}, "there is no resource slto; did you mean slot"),
            ({"resource": "slot", "amount": -1}, "must be a finite number ≥ 0"),
            ({"resource": "rule:x", "amount": 1}, "there is no resource rule:x"),
        ],
    )
    def test_one_that_cannot_be_changes_nothing(self, said: dict[str, Any], problem: str) -> None:
        async def story(world: World) -> None:
            with pytest.raises(RefusedError, match=problem):
                world.ask("limit", **said)
            assert world.manager.statistics().resources["slot"].capacity == 4
            (entry,) = world.ask("log")["entries"]
            assert entry["effect"].startswith("refused: ")

        in_a_world(6, 4, story)

    def test_a_rate_is_set_and_goes_back(self) -> None:
        async def story(world: World) -> None:
            world.manager.set_rate("api", 10.0)
            answer = world.ask("rate", resource="api", rate="30/m", **{"for": 5})
            assert answer["effect"] == "api: 10/s → 30/m; 0 wait; for 5s"
            assert answer["undo"] == "cascade rate api 10/s --program world"
            assert world.manager.statistics().resources["api"].per_second == 0.5
            with pytest.raises(RefusedError, match="api is a rate, not a capacity"):
                world.ask("limit", resource="api", amount=1)
            await asyncio.sleep(6)
            assert world.manager.statistics().resources["api"].per_second == 10
            world.manager.set_rate("api", 10.0, 4)
            answer = world.ask("rate", resource="api", rate="1/s", burst=2)
            assert answer["undo"] == "cascade rate api 10/s --burst 4 --program world"
            answer = world.ask("rate", resource="api", rate=None)
            assert answer["undo"] == "cascade rate api 1/s --burst 2 --program world"

        in_a_world(1, 1, story)


class TestRules:
    def test_each_scope_has_a_rule_of_its_own(self) -> None:
        async def story(world: World) -> None:
            scopes = ["task:a/b", "task:a_b", "task:a+b", "task:a%2Fb"]
            for scope in scopes:
                world.ask("rule", scope=scope, type="pause", params={})
            assert [rule["scope"] for rule in world.ask("rules")["rules"]] == scopes

        in_a_world(1, 1, story)

    def test_a_pause_says_whom_it_stops(self) -> None:
        async def story(world: World) -> None:
            said = {"scope": "task:agent", "type": "pause", "params": {}}
            answer = world.ask("rule", **said)
            assert answer["effect"] == "6 tasks match; 2 running go on, 4 wait"
            await asyncio.sleep(5)
            assert world.manager.statistics().holding == 0
            answer = world.ask("lift", type="pause")
            assert answer["effect"] == "lifted pause-task:agent; of 6 that waited, 2 go on"
            assert answer["undo"] == "cascade pause task:agent --program world"
            await asyncio.sleep(5)
            assert world.manager.statistics().holding == 2

        in_a_world(6, 2, story)

    def test_one_for_a_single_engine_leaves_the_others_alone(self) -> None:
        async def story(world: World) -> None:
            answer = world.ask("rule", scope="engine:engine-3", type="pause", params={})
            assert answer["effect"] == "1 task matches; 1 running goes on, 0 wait"

        in_a_world(6, None, story)

    def test_one_for_a_time_ends_by_itself(self) -> None:
        async def story(world: World) -> None:
            world.ask("rule", scope="tag:living", type="pause", params={}, **{"for": 20})
            await asyncio.sleep(5)
            (rule,) = world.ask("rules")["rules"]
            assert (rule["type"], rule["left"]) == ("pause", 15)
            await asyncio.sleep(16)
            assert world.ask("rules")["rules"] == []
            assert world.manager.statistics().waiting == 0

        in_a_world(3, None, story)

    def test_those_that_stand_hold_for_managers_that_come_later(self) -> None:
        async def story(world: World) -> None:
            world.ask("rule", scope="global", type="concurrency", params={"limit": 1})
            world.ask("rule", scope="global", type="pause", params={}, **{"for": 10})
            await asyncio.sleep(4)
            later = cs.Engine()
            world.desk.oversee(ConstraintManager(later))
            first, second = later.constraint_manager.active()
            assert (first.type, first.expires_in) == ("concurrency", None)
            assert (second.type, second.expires_in) == ("pause", 6)

        in_a_world(1, None, story)

    def test_what_takes_one_back_leaves_the_one_before_as_it_was(self) -> None:
        async def story(world: World) -> None:
            said = {"scope": "task:agent", "type": "concurrency"}
            world.ask("rule", **said, params={"limit": 10}, **{"for": 100})
            await asyncio.sleep(40)
            answer = world.ask("rule", **said, params={"limit": 3})
            assert answer["undo"] == "cascade limit task:agent=10 --for 1m --program world"
            answer = world.ask("lift", type="concurrency")
            assert answer["undo"] == "cascade limit task:agent=3 --program world"

        in_a_world(1, None, story)

    def test_of_those_of_the_program_it_is_told_how_long_they_hold(self) -> None:
        async def story(world: World) -> None:
            rule = cs.GlobalConstraint("own", "global", "pause", {}, 30)
            world.constraints.update(rule)
            await asyncio.sleep(10)
            (listed,) = world.ask("rules")["rules"]
            assert (listed["id"], listed["left"]) == ("own", 20)
            undo = "cascade pause global --for 20s --program world"
            assert world.ask("lift", rule="own")["undo"] == undo

        in_a_world(1, None, story)

    def test_there_are_not_more_than_can_be_compared(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("cascade.control.rule_book.MOST_RULES", 2)

        async def story(world: World) -> None:
            for number in range(2):
                said = {"scope": f"task:{number}", "type": "pause", "params": {}}
                world.ask("rule", **said, **{"for": 5})
            with pytest.raises(RefusedError, match="2 rules were set already"):
                world.ask("rule", scope="task:2", type="pause", params={})
            await asyncio.sleep(6)
            world.ask("rule", scope="task:2", type="pause", params={})

        in_a_world(1, None, story)

    def test_whatever_is_refused_is_logged_in_a_short_line_without_control_characters(self) -> None:
        async def story(world: World) -> None:
            for bad in ("x" * 60_000, "\x1b[31m", ["\x1b"], {"a": 1}, 1e300, True):
                with pytest.raises(RefusedError):
                    world.ask("rule", scope="global", type="concurrency", params={"limit": bad})
            for entry in world.ask("log")["entries"]:
                assert len(entry["command"]) <= 500
                assert len(entry["effect"]) <= 500
                assert entry["command"].isprintable()

        in_a_world(1, None, story)

    @pytest.mark.parametrize(
        ("said", "problem"),
        [
            ({"scope": "tusk:x", "type": "pause", "params": {}}, "scope must be one of"),
            ({"scope": "global", "type": "stop", "params": {}}, "type must be one of"),
            ({"scope": "global", "type": "concurrency", "params": {}}, "needs 'limit'"),
        ],
    )
    def test_one_that_is_none_is_refused(self, said: dict[str, Any], problem: str) -> None:
        async def story(world: World) -> None:
            with pytest.raises(RefusedError, match=problem):
                world.ask("rule", **said)
            with pytest.raises(RefusedError, match="no rule holds; there is none at all"):
                world.ask("lift")

        in_a_world(1, None, story)


class TestExplaining:
    def test_a_waiter_is_told_what_it_waits_for_and_who_has_it(self) -> None:
        async def story(world: World) -> None:
            waiting = next(iter(world.manager.explain())).owner
            (sentence,) = world.ask("explain", what=waiting)["sentences"]
            assert sentence.startswith(f"{waiting} wants slot=1 and waits for slot, held by")
            assert "it has waited" in sentence
            assert len(world.ask("explain")["sentences"]) == 4

        in_a_world(6, 2, story)

    def test_of_many_the_first_are_told_and_the_others_counted(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(snapshot, "MOST", 10)

        async def story(world: World) -> None:
            everybody = [str(each) for each in world.manager.explain()]
            found = world.ask("explain")
            assert [each.partition(";")[0] for each in found["sentences"]] == everybody[:10]
            assert found["left_out"] == len(everybody) - 10 == 28
            assert world.ask("explain", what="agent")["left_out"] == 28

        in_a_world(40, 2, story)

    def test_of_what_runs_it_is_said_that_it_runs(self) -> None:
        async def story(world: World) -> None:
            (sentence,) = world.ask("explain", what="engine-1")["sentences"]
            assert sentence == "engine-1/agent (run-2) is running"
            with pytest.raises(RefusedError, match="is called nobody"):
                world.ask("explain", what="nobody")

        in_a_world(3, None, story)


class TestCancelling:
    def test_a_run_ends_and_whoever_awaits_it_goes_on(self) -> None:
        async def story(world: World) -> None:
            told: list[RunFinished] = []
            answer = world.ask("cancel", run="run-2")
            assert answer["effect"] == "1 run cancelled: 1 running and 0 waiting tasks end"
            await asyncio.sleep(0)
            await asyncio.sleep(1)
            (error,) = world.ended
            assert str(error) == "run-2 was cancelled: by tester (program)"
            assert world.ask("ps")["runs"] == 2
            assert not told

        in_a_world(3, None, story)

    def test_it_is_told_as_cancelled_and_its_slots_are_back(self) -> None:
        async def story(world: World) -> list[str]:
            engine = cs.Engine(resource_manager=world.manager, name="watched")
            told: list[Any] = []
            engine.bus.subscribe(RunFinished, told.append)
            engine.bus.subscribe(TaskFinished, told.append)

            @cs.task
            async def long() -> None:
                await asyncio.sleep(1000)

            run = asyncio.create_task(engine.run(long().with_constraints(slot=1)))
            await asyncio.sleep(1)
            world.ask("cancel", run="watched")
            with pytest.raises(cs.errors.RunCancelledError):
                await run
            assert run.cancelling() == 0
            assert world.manager.statistics().holding == 1
            return [event.status for event in told]

        assert in_a_world(1, 2, story) == ["cancelled", "cancelled"]

    def test_a_cancellation_of_ones_own_stays_one(self) -> None:
        async def story(world: World) -> None:
            world.ask("cancel", run="run-1")
            world.lives[0].cancel()
            await asyncio.wait([world.lives[0]])
            assert world.lives[0].cancelled()

        in_a_world(1, None, story)

    def test_one_that_swallows_it_can_be_cancelled_again(self) -> None:
        async def story(world: World) -> None:
            swallowed: list[None] = []

            @cs.task
            async def stubborn() -> None:
                while True:
                    try:
                        await asyncio.sleep(1000)
                    except asyncio.CancelledError:
                        swallowed.append(None)
                        if len(swallowed) == 2:
                            raise

            engine = cs.Engine(resource_manager=world.manager, name="stubborn")
            run = asyncio.create_task(engine.run(stubborn(), use_vm=True))
            await asyncio.sleep(1)
            for times in (1, 2):
                answer = world.ask("cancel", run="stubborn")
                assert answer["effect"] == "1 run cancelled: 1 running and 0 waiting tasks end"
                await asyncio.sleep(1)
                assert len(swallowed) == times
            with pytest.raises(cs.errors.RunCancelledError):
                await run
            assert run.cancelling() == 0

        in_a_world(1, None, story)

    def test_one_in_the_midst_of_giving_its_slot_back_for_a_while(self) -> None:
        async def story(world: World) -> None:
            @cs.task
            async def thinking() -> None:
                async with cs.released():
                    await asyncio.sleep(1000)

            engine = cs.Engine(resource_manager=world.manager, name="thinking")
            work = thinking().with_constraints(slot=1)
            run = asyncio.create_task(engine.run(work, use_vm=True))
            await asyncio.sleep(3)
            answer = world.ask("cancel", run="thinking")
            assert answer["effect"] == "1 run cancelled: 1 running and 0 waiting tasks end"
            with pytest.raises(cs.errors.RunCancelledError):
                await run
            assert run.cancelling() == 0
            assert world.ask("ps")["runs"] == 1

        in_a_world(1, 1, story)

    def test_one_within_a_task_of_another_is_an_error_of_that_task(self) -> None:
        async def story(world: World) -> None:
            inside = cs.Engine(resource_manager=world.manager, name="inside")

            @cs.task
            async def outer() -> str:
                try:
                    await inside.run(agent(1), use_vm=True)
                except cs.errors.RunCancelledError as error:
                    return str(error)
                return "not cancelled"

            outside = cs.Engine(resource_manager=world.manager, name="outside")
            run = asyncio.create_task(outside.run(outer()))
            await asyncio.sleep(1)
            world.ask("cancel", run="inside")
            assert (await run).endswith("was cancelled: by tester (program)")
            again = asyncio.create_task(outside.run(outer()))
            await asyncio.sleep(1)
            answer = world.ask("cancel", run="all")
            assert answer["effect"] == "3 runs cancelled: 3 running and 0 waiting tasks end"
            with pytest.raises(cs.errors.RunCancelledError):
                await again
            assert again.cancelling() == 0

        in_a_world(1, None, story)

    @pytest.mark.parametrize("turns", range(6))
    def test_in_the_instant_in_which_it_ends_there_is_one_outcome(self, turns: int) -> None:
        async def story(world: World) -> None:
            @cs.task
            async def short() -> str:
                await asyncio.sleep(1)
                return "done"

            outcomes: set[str] = set()
            loop = asyncio.get_running_loop()

            def cancel(turns: int) -> None:
                if turns:
                    loop.call_soon(cancel, turns - 1)
                    return
                try:
                    world.ask("cancel", run="short")
                except RefusedError:
                    outcomes.add("refused")

            engine = cs.Engine(resource_manager=world.manager, name="short")
            run = asyncio.create_task(engine.run(short()))
            loop.call_later(1, cancel, turns)
            try:
                outcomes.add(await run)
            except cs.errors.RunCancelledError:
                outcomes.add("cancelled")
            await asyncio.sleep(1)
            assert run.cancelling() == 0
            assert outcomes in ({"cancelled"}, {"done", "refused"})

        in_a_world(1, None, story)

    def test_of_many_the_cost_is_a_sum_and_no_product(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async def story(world: World) -> None:
            takes: list[Any] = []
            right = census.take

            def take(*said: Any) -> census.Census:
                takes.append(said)
                return right(*said)

            monkeypatch.setattr(census, "take", take)
            answer = world.ask("cancel", run="all")
            assert answer["effect"] == "60 runs cancelled: 60 running and 0 waiting tasks end"
            assert len(takes) == 1

        in_a_world(60, None, story)

    def test_of_what_is_not_there_nothing_is_cancelled(self) -> None:
        async def story(world: World) -> None:
            with pytest.raises(RefusedError, match="there is no run run-9; did you mean run-1"):
                world.ask("cancel", run="run-9")

        in_a_world(1, None, story)


class TestLooking:
    def test_everything_is_there_and_in_bounds(self) -> None:
        async def story(world: World) -> None:
            found = world.ask("look")
            assert len(found["run_list"]) == 100
            assert len(found["waiting"]) == 100
            assert found["tasks"] == {
                "waiting": 140,
                "running": 10,
                "pending": 0,
                "ended": 0,
                "skipped": 0,
            }
            (resource,) = found["resources"]
            assert (resource["used"], resource["waiting"]) == (10, 140)
            assert len(resource["holders"]) == 10
            assert found["task_list"] == [{"name": "agent", "running": 10, "waiting": 140}]
            assert found["throughput"] is None

        in_a_world(150, 10, story)

    def test_what_gets_done_is_counted_while_somebody_watches(self) -> None:
        async def story(world: World) -> None:
            assert all(not run.engine.bus.hot for run in world.manager.running())
            world.desk.watch_begins()
            world.ask("look")
            await asyncio.sleep(10)
            assert world.ask("look")["throughput"] == {"tasks": 0.0, "steps": 3.0}
            world.desk.watch_ends()
            assert all(not run.engine.bus.hot for run in world.manager.running())

        in_a_world(3, None, story)

    def test_of_engines_that_come_and_go_nothing_stays_while_somebody_watches(self) -> None:
        async def story(world: World) -> None:
            @cs.task
            def short() -> None:
                pass

            world.desk.watch_begins()
            shared = cs.MessageBus()
            buses = []
            for _ in range(3):
                engine = cs.Engine(resource_manager=world.manager)
                await engine.run(short())
                sharing = cs.Engine(resource_manager=world.manager, bus=shared)
                await asyncio.gather(sharing.run(short()), sharing.run(short()))
                buses.append(ref(engine.bus))
                del engine
            assert [bus() for bus in buses] == [None] * 3
            assert not shared.hot
            await asyncio.sleep(1)
            throughput = world.ask("look")["throughput"]
            assert throughput is not None
            gauge = world.desk._gauge
            assert gauge is not None
            assert gauge.tasks == 9
            world.desk.watch_ends()

        in_a_world(1, None, story)

    def test_an_error_without_words_has_no_part_in_the_run(self) -> None:
        class Wordless(Exception):
            def __str__(self) -> str:
                raise ZeroDivisionError

        async def story(world: World) -> None:
            @cs.task
            def broken() -> None:
                raise Wordless

            with pytest.raises(Wordless):
                await cs.Engine(resource_manager=world.manager).run(broken())
            (error,) = world.ask("look")["errors"]
            assert error["error"] == "Wordless, whose words raise ZeroDivisionError"

        in_a_world(1, None, story)

    def test_one_who_looks_on_and_fails_has_no_part_in_the_run(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async def story(world: World) -> None:
            def fails(*_: Any) -> None:
                raise ZeroDivisionError

            told: list[Any] = []
            loop = asyncio.get_running_loop()
            loop.set_exception_handler(lambda loop, context: told.append(context["exception"]))
            monkeypatch.setattr(world.desk, "run_begins", fails)
            monkeypatch.setattr(world.desk, "run_ended", fails)

            @cs.task
            def fine() -> int:
                return 3

            assert await cs.Engine(resource_manager=world.manager).run(fine()) == 3
            assert [type(each) for each in told] == [ZeroDivisionError] * 2
            assert world.manager.oversight is not None
            assert len(world.manager.oversight._places) == 1

        in_a_world(1, None, story)

    def test_the_latest_errors_are_kept(self) -> None:
        async def story(world: World) -> None:
            @cs.task
            def broken() -> None:
                raise ValueError("no good")

            with pytest.raises(ValueError, match="no good"):
                await cs.Engine(resource_manager=world.manager).run(broken())
            (error,) = world.ask("look")["errors"]
            assert error["error"] == "ValueError: no good"
            assert error["notes"] == ["in task 'broken' (node 1 of 1)"]

        in_a_world(1, None, story)


class TestTheLog:
    def test_what_cannot_be_written_is_told_and_done_nevertheless(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        async def story(world: World) -> None:
            (tmp_path / "log.jsonl").symlink_to(tmp_path / "elsewhere")
            world.desk.trail = Trail("world", tmp_path / "log.jsonl")
            for amount in (1, 2):
                answer = world.ask("limit", resource="slot", amount=amount)
                assert " (the log can't be written: " in answer["effect"]
            with pytest.raises(RefusedError, match="there is no resource"):
                world.ask("limit", resource="slto", amount=1)
            assert world.manager.statistics().resources["slot"].capacity == 2
            assert len(world.ask("log")["entries"]) == 3
            assert not (tmp_path / "elsewhere").exists()

        in_a_world(1, 4, story)
        assert caplog.text.count("can't be written") == 1

    def test_what_a_command_came_by_is_a_note_beside_who_is_known(self) -> None:
        async def story(world: World) -> None:
            world.ask("limit", resource="slot", amount=3)
            request = {"do": "limit", "resource": "slot", "via": "cascade ui"}
            world.desk.answer(request_of({**request, "amount": 2}), ME)
            with pytest.raises(RefusedError, match="resource"):
                world.desk.answer(request_of({**request, "resource": "slto", "amount": 2}), ME)
            plain, noted, refused = (entry["who"] for entry in world.ask("log")["entries"])
            assert plain["via"] is None
            assert noted == refused == {**plain, "via": "cascade ui"}
            assert str(Who(**plain)) == "tester (program)"
            assert str(Who(**noted)) == "tester (program, via cascade ui)"

        in_a_world(1, 4, story)

    def test_a_line_is_one_whatever_is_in_it(self, tmp_path: Path) -> None:
        file = tmp_path / "log.jsonl"
        Trail("a", file).add(ME, "limit x\u2028y=1", "one\ntwo \ud800")
        with file.open("a") as log:
            log.write('{"when": "cut\n')
        Trail("b", file).add(ME, "limit x=2", "three")
        first, second = read_trail(file)
        assert first["command"] == "limit x\u2028y=1"
        assert second["program"] == "b"


def test_what_is_not_overseen_costs_nothing() -> None:
    async def story(world: World) -> None:
        world.desk.close()
        assert world.manager.oversight is None

    in_a_world(1, None, story)


class TestManyWhoLook:
    """What is seen doesn't depend on who else looks, and stays small."""

    def test_two_who_watch_see_the_same_rates(self) -> None:
        async def story(world: World) -> None:
            world.desk.watch_begins()
            world.desk.watch_begins()
            rates = []
            for _ in range(40):
                rates.append([world.desk.look()["throughput"] for _ in range(2)])
                await asyncio.sleep(0.25)
            assert all(first == second for first, second in rates)
            # Ten agents with five slots, a second for each step; the clock is never exact.
            assert [round(both[0]["steps"]) for both in rates[-20:]] == [5] * 20
            world.desk.watch_ends()
            world.desk.watch_ends()
            assert world.desk.look()["throughput"] is None

        in_a_world(10, 5, story)

    def test_of_many_managers_it_tells_no_more_than_of_one(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(snapshot, "MOST", 10)

        async def story(world: World) -> None:
            worlds = [World(4, 1) for _ in range(4)]
            for each in worlds:
                world.desk.oversee(each.constraints)
            await asyncio.sleep(5)
            found = world.ask("look")
            assert (found["runs"], len(found["run_list"])) == (22, 10)
            assert (found["tasks"]["waiting"], len(found["waiting"])) == (16, 10)
            for each in worlds:
                await each.end()

        in_a_world(6, 2, story)

    def test_why_the_first_wait_is_told_without_looking_at_all_others(self) -> None:
        async def story(world: World) -> None:
            everybody = world.manager.explain()
            assert len(everybody) == 40
            assert world.manager.explain(3) == everybody[:3]
            assert world.manager.explain(1000) == everybody
            with pytest.raises(ValueError, match="most must be"):
                world.manager.explain(0)

        in_a_world(60, 20, story)


def test_what_was_done_is_told_even_if_it_cannot_be_written_down(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def story(world: World) -> None:
        world.desk.trail = Trail("world", tmp_path / "nowhere" / "log.jsonl")
        effect = world.ask("limit", resource="slot", amount=3)["effect"]
        assert effect.endswith(" (the log can't be written: No such file or directory)")
        assert world.manager.statistics().resources["slot"].capacity == 3
        with pytest.raises(RefusedError, match="there is no resource"):
            world.ask("limit", resource="nothing", amount=3)
        assert [entry["command"] for entry in world.ask("log")["entries"]] == [
            "limit slot=3",
            "limit nothing=3",
        ]

    in_a_world(6, 4, story)
    assert "the log can't be written" in caplog.text
