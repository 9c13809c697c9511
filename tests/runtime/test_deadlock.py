"""Who waits for what it holds itself is told so at once, with the circle in words."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tests.runtime.queueing import check_idle, turn

import cascade as cs
from cascade.errors import AcquireTimeoutError, DeadlockError, ResourceError
from cascade.runtime.engine import Engine
from cascade.runtime.resource_manager import ResourceManager
from cascade.spec.constraint import GlobalConstraint
from cascade.testing import run_virtual


@cs.task
async def child(seconds: float = 0) -> str:
    await asyncio.sleep(seconds)
    return "done"


def run(engine: Engine, target: Any, use_vm: bool = False) -> Any:
    """Run on virtual time; nothing may be left of it."""
    try:
        return run_virtual(engine.run(target, use_vm=use_vm))
    finally:
        check_idle(engine.resource_manager)


@pytest.mark.parametrize("use_vm", [False, True])
def test_a_child_that_needs_the_slot_of_its_parent(use_vm: bool) -> None:
    engine = Engine(system_resources={"slot": 1})

    @cs.task
    async def parent() -> float:
        began = asyncio.get_running_loop().time()
        with pytest.raises(DeadlockError) as caught:
            await engine.run(child().with_constraints(slot=1))
        assert isinstance(caught.value, ResourceError)
        assert str(caught.value) == (
            "deadlock: 'child' waits for 'slot', held by 'parent'; 'parent' waits for 'child'"
        )
        return asyncio.get_running_loop().time() - began

    assert run(engine, parent().with_constraints(slot=1), use_vm) == 0


def test_uncaught_it_fails_the_run_with_the_circle() -> None:
    engine = Engine(system_resources={"slot": 1})

    @cs.task
    async def parent() -> str:
        return await engine.run(child().with_constraints(slot=1))

    with pytest.raises(DeadlockError, match="'child' waits for 'slot', held by 'parent'"):
        run(engine, parent().with_constraints(slot=1))


def test_a_grandchild_that_needs_what_two_above_hold() -> None:
    engine = Engine(system_resources={"slot": 2, "other": 1})

    @cs.task
    async def middle() -> str:
        return await engine.run(child().with_constraints(slot=1))

    @cs.task
    async def parent() -> str:
        return await engine.run(middle().with_constraints(slot=1))

    with pytest.raises(DeadlockError) as caught:
        run(engine, parent().with_constraints(slot=1))
    for words in ("'child' waits for 'slot'", "held by 'middle' and 'parent'"):
        assert words in str(caught.value)


def test_two_parents_and_two_slots() -> None:
    engine = Engine(system_resources={"slot": 2})
    outcomes: list[str] = []

    @cs.task
    async def parent(name: str, pause: float) -> None:
        await asyncio.sleep(pause)
        try:
            await engine.run(child().named(f"child of {name}").with_constraints(slot=1))
            outcomes.append(f"{name} went on")
        except DeadlockError as error:
            assert asyncio.get_running_loop().time() == 2
            outcomes.append(str(error))

    parents = [
        parent(name, pause).named(name).with_constraints(slot=1)
        for name, pause in (("p", 1), ("q", 2))
    ]
    run(engine, parents)
    circle, other = outcomes
    assert "'child of q' waits for 'slot', held by 'p' and 'q'" in circle
    assert "'p' waits for 'child of p'" in circle
    assert other == "p went on", "once the other has given up, it could"


def test_a_circle_over_two_resources() -> None:
    engine = Engine(system_resources={"a": 1, "b": 1})
    outcomes: list[str] = []

    @cs.task
    async def parent(wants: str) -> None:
        await asyncio.sleep(1)
        try:
            await engine.run(child().with_constraints(**{wants: 1}))
            outcomes.append("went on")
        except DeadlockError as error:
            outcomes.append(str(error))

    run(
        engine,
        [
            parent("b").named("holder of a").with_constraints(a=1),
            parent("a").named("holder of b").with_constraints(b=1),
        ],
    )
    assert outcomes[1] == "went on"
    assert "'holder of a' waits for 'child'" in outcomes[0]
    assert "waits for 'b', held by 'holder of b'" in outcomes[0]


def test_an_acquire_in_the_task_of_the_holder() -> None:
    manager = ResourceManager({"slot": 1})
    engine = Engine(resource_manager=manager)

    @cs.task
    async def greedy() -> None:
        with pytest.raises(DeadlockError, match="'again' waits for 'slot', held by 'greedy'"):
            await manager.acquire({"slot": 1}, owner="again")
        with pytest.raises(DeadlockError):
            async with manager.hold({"slot": 0.5}):
                pass
        assert manager.statistics().waiting == 0

    run(engine, greedy().with_constraints(slot=1))


def test_a_part_of_a_map_that_needs_what_its_caller_holds() -> None:
    engine = Engine(system_resources={"slot": 1})

    @cs.task
    async def parent() -> Any:
        return await engine.run([child().with_constraints(slot=1) for _ in range(3)])

    with pytest.raises(DeadlockError):
        run(engine, parent().with_constraints(slot=1))


class TestNoDeadlock:
    def test_is_seen_where_the_holder_goes_on_and_does_not_wait_for_it(self) -> None:
        engine = Engine(system_resources={"slot": 1})
        spawned: list[asyncio.Task[Any]] = []

        @cs.task
        async def parent() -> None:
            lazy = child().with_constraints(slot=1)
            spawned.append(asyncio.create_task(engine.run(lazy)))
            await asyncio.sleep(5)

        async def main() -> None:
            await engine.run(parent().with_constraints(slot=1))
            assert await spawned[0] == "done"

        run_virtual(main())
        check_idle(engine.resource_manager)

    def test_is_seen_where_another_holder_will_release(self) -> None:
        engine = Engine(system_resources={"slot": 2})

        @cs.task
        async def parent() -> str:
            return await engine.run(child().with_constraints(slot=1))

        targets = [parent().with_constraints(slot=1), child(5).with_constraints(slot=1)]
        assert run(engine, targets) == ["done", "done"]

    def test_is_seen_where_a_holder_from_outside_will_release(self) -> None:
        manager = ResourceManager({"slot": 2})
        engine = Engine(resource_manager=manager)

        @cs.task
        async def parent() -> str:
            return await engine.run(child().with_constraints(slot=1))

        async def main() -> Any:
            held = await manager.acquire({"slot": 1})
            asyncio.get_running_loop().call_later(3, held.release)
            return await engine.run(parent().with_constraints(slot=1))

        assert run_virtual(main()) == "done"
        check_idle(manager)

    def test_is_seen_where_the_child_needs_less_than_is_left(self) -> None:
        engine = Engine(system_resources={"slot": 1})

        @cs.task
        async def parent() -> Any:
            return await engine.run([child(1).with_constraints(slot=0.25) for _ in range(9)])

        assert run(engine, parent().with_constraints(slot=0.5)) == ["done"] * 9

    def test_is_told_of_who_gives_up_by_itself(self) -> None:
        manager = ResourceManager({"slot": 1})
        engine = Engine(resource_manager=manager)

        @cs.task
        async def greedy() -> None:
            with pytest.raises(AcquireTimeoutError):
                await manager.acquire({"slot": 1}, timeout=3)
            assert asyncio.get_running_loop().time() == 3

        run(engine, greedy().with_constraints(slot=1))

    @pytest.mark.parametrize("closed", ["gate", "capacity"])
    def test_is_told_of_while_a_person_can_help(self, closed: str) -> None:
        manager = ResourceManager({"slot": 1, "pause": 1})
        engine = Engine(resource_manager=manager)

        @cs.task
        async def parent() -> str:
            if closed == "gate":
                manager.set_gate("g", open=False)
            else:
                manager.set_capacity({"pause": 0})
            asyncio.get_running_loop().call_later(3, manager.set_capacity, {"slot": 2, "pause": 1})
            asyncio.get_running_loop().call_later(4, manager.set_gate, "g", True)
            return await engine.run(child().with_constraints(slot=1, g=1, pause=1))

        manager.set_gate("g", open=True)
        assert run(engine, parent().with_constraints(slot=1)) == "done"

    def test_is_told_of_for_a_rate_or_a_budget_that_the_parent_has_paid(self) -> None:
        manager = ResourceManager()
        manager.set_rate("r", per_second=1)
        engine = Engine(resource_manager=manager)

        @cs.task
        async def parent() -> str:
            return await engine.run(child().with_constraints(r=1))

        assert run(engine, parent().with_constraints(r=1)) == "done"

    def test_is_left_after_one_was_told(self) -> None:
        engine = Engine(system_resources={"slot": 1})
        manager = engine.resource_manager

        @cs.task
        async def parent() -> None:
            for _ in range(3):
                with pytest.raises(DeadlockError):
                    await engine.run(child().with_constraints(slot=1))
                assert manager._resources["slot"].blocked == 0
            manager.set_capacity({"slot": 2})
            assert await engine.run(child().with_constraints(slot=1)) == "done"

        run(engine, parent().with_constraints(slot=1))
        assert manager._resources["slot"].blocked == 0

    def test_is_there_in_a_block_that_has_given_back(self) -> None:
        engine = Engine(system_resources={"slot": 1})

        @cs.task
        async def parent() -> Any:
            async with cs.released():
                value = await engine.run(child(2).with_constraints(slot=1))
            await turn()
            return value

        assert run(engine, parent().with_constraints(slot=1)) == "done"


def test_those_that_gave_back_count_again_once_they_have_it_again() -> None:
    engine = Engine(system_resources={"slot": 1})

    @cs.task
    async def parent() -> None:
        async with cs.released():
            await asyncio.sleep(1)
        with pytest.raises(DeadlockError):
            await engine.run(child().with_constraints(slot=1))

    run(engine, parent().with_constraints(slot=1))


def test_a_rule_that_charges_a_parent_with_what_its_next_child_needs() -> None:
    engine = Engine(system_resources={"slot": 1})
    rule = GlobalConstraint("one", "global", "concurrency", {"limit": 1})

    @cs.task
    async def parent() -> None:
        asyncio.get_running_loop().call_later(1, engine.constraint_manager.update, rule)
        with pytest.raises(DeadlockError, match="'rule:one', held by 'parent'"):
            await engine.run(child().after(child(2)))

    run(engine, parent().with_constraints(slot=1))


def test_a_rule_that_charges_a_parent_with_what_its_child_waits_for() -> None:
    engine = Engine(system_resources={"slot": 1, "desk": 1})
    rule = GlobalConstraint("one", "global", "concurrency", {"limit": 1})

    @cs.task
    async def parent() -> None:
        with pytest.raises(DeadlockError, match="'child' waits for 'rule:one', held by 'parent'"):
            await engine.run(child().with_constraints(desk=1))

    async def main() -> None:
        async with engine.resource_manager.hold({"desk": 1}):
            work = asyncio.create_task(engine.run(parent().with_constraints(slot=1)))
            await asyncio.sleep(1)
            engine.constraint_manager.update(rule)
            await work

    run_virtual(main())


def test_a_lowered_limit_that_leaves_a_child_nothing_but_what_its_parent_holds() -> None:
    engine = Engine(system_resources={"slot": 2})

    @cs.task
    async def parent() -> None:
        with pytest.raises(DeadlockError, match="'child' waits for 'slot', held by 'parent'"):
            await engine.run(child().with_constraints(slot=1))

    async def main() -> None:
        manager = engine.resource_manager
        async with manager.hold({"slot": 1}, owner="other"):
            work = asyncio.create_task(engine.run(parent().with_constraints(slot=1)))
            await asyncio.sleep(1)
            manager.set_capacity({"slot": 1})
            await work

    run_virtual(main())
