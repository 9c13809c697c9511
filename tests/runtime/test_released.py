"""released(): a task that merely waits gives its slots back, and queues for them again."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from tests.runtime.queueing import check_idle

import cascade as cs
from cascade.errors import ResourceError
from cascade.runtime.engine import Engine
from cascade.runtime.resource_manager import ResourceManager
from cascade.spec.constraint import GlobalConstraint
from cascade.testing import run_virtual

both_ways = pytest.mark.parametrize("use_vm", [False, True], ids=["graph", "machine"])


def now() -> float:
    return asyncio.get_running_loop().time()


def run(engine: Engine, target: Any, use_vm: bool = False) -> Any:
    """Run on virtual time; nothing may be left of it."""
    try:
        return run_virtual(engine.run(target, use_vm=use_vm))
    finally:
        check_idle(engine.resource_manager)


def slots(engine: Engine) -> float:
    return engine.resource_manager.statistics().resources["slot"].used


@both_ways
def test_others_have_the_slot_in_the_block(use_vm: bool) -> None:
    engine = Engine(system_resources={"slot": 1})

    @cs.task
    async def waiter() -> list[float]:
        seen = [slots(engine)]
        async with cs.released():
            seen.append(slots(engine))
            await asyncio.sleep(10)
        return [*seen, slots(engine)]

    assert run(engine, waiter().with_constraints(slot=1), use_vm) == [1, 0, 1]


def test_a_hundred_wait_for_an_answer_at_once_though_two_may_work() -> None:
    engine = Engine(system_resources={"slot": 2})

    @cs.task
    async def ask() -> None:
        await asyncio.sleep(0.5)
        async with cs.released():
            await asyncio.sleep(1000)
        await asyncio.sleep(0.5)

    async def main() -> float:
        await engine.run([ask().with_constraints(slot=1) for _ in range(100)])
        return now()

    assert run_virtual(main()) == 1025.5, "50 rounds of half a second, and the last one's answer"
    check_idle(engine.resource_manager)


def test_it_queues_again_behind_those_who_wait() -> None:
    engine = Engine(system_resources={"slot": 1})
    order: list[str] = []

    @cs.task
    async def first() -> None:
        async with cs.released():
            await asyncio.sleep(1)
        order.append(f"first again at {now():g}")

    @cs.task
    async def other(name: str) -> None:
        order.append(f"{name} at {now():g}")
        await asyncio.sleep(5)

    run(
        engine,
        [
            first().with_constraints(slot=1),
            other("second").with_constraints(slot=1),
            other("third").with_constraints(slot=1),
        ],
    )
    assert order == ["second at 0", "third at 5", "first again at 10"]


@both_ways
def test_an_exception_in_the_block_goes_on_when_the_slot_is_there_again(use_vm: bool) -> None:
    manager = ResourceManager({"slot": 1})
    engine = Engine(resource_manager=manager)

    @cs.task
    async def waiter() -> float:
        async def in_a_block() -> None:
            async with cs.released():
                held = await manager.acquire({"slot": 1})
                asyncio.get_running_loop().call_later(3, held.release)
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            await in_a_block()
        assert slots(engine) == 1
        return now()

    assert run(engine, waiter().with_constraints(slot=1), use_vm) == 3


@both_ways
def test_a_time_out_inside_of_the_block(use_vm: bool) -> None:
    engine = Engine(system_resources={"slot": 1})

    @cs.task
    async def waiter() -> tuple[float, float]:
        async with cs.released():
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(2):
                    await asyncio.sleep(10)
        return now(), slots(engine)

    assert run(engine, waiter().with_constraints(slot=1), use_vm) == (2, 1)


@both_ways
def test_a_time_out_around_the_block_is_the_task_s_own_and_it_takes_its_slot(use_vm: bool) -> None:
    engine = Engine(system_resources={"slot": 1})

    @cs.task
    async def waiter() -> tuple[float, float]:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(2), cs.released():
                await asyncio.sleep(10)
        return now(), slots(engine)

    assert run(engine, waiter().with_constraints(slot=1), use_vm) == (2, 1)


def test_after_a_time_out_around_the_block_it_queues_again() -> None:
    engine = Engine(system_resources={"slot": 1})
    manager = engine.resource_manager

    async def in_a_block() -> None:
        async with asyncio.timeout(2), cs.released():
            held = await manager.acquire({"slot": 1})
            asyncio.get_running_loop().call_later(5, held.release)
            await asyncio.sleep(10)

    @cs.task
    async def waiter() -> tuple[float, float]:
        with pytest.raises(TimeoutError):
            await in_a_block()
        return now(), slots(engine)

    assert run(engine, waiter().with_constraints(slot=1)) == (5, 1)


@both_ways
@pytest.mark.parametrize("pause", [True, False], ids=["paused", "taken"])
def test_a_run_cancelled_meanwhile_ends_at_once_and_leaves_nothing(
    use_vm: bool, pause: bool
) -> None:
    engine = Engine(system_resources={"slot": 1})
    ends: list[float] = []

    @cs.task
    async def waiter() -> None:
        try:
            async with cs.released():
                await asyncio.sleep(1000)
        finally:
            ends.append(slots(engine))

    async def main() -> float:
        manager = engine.resource_manager
        running = asyncio.create_task(engine.run(waiter().with_constraints(slot=1), use_vm=use_vm))
        await asyncio.sleep(1)
        held = None
        if pause:
            manager.set_capacity({"slot": 0})
        else:
            held = await manager.acquire({"slot": 1})
        await asyncio.sleep(1)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        if held is not None:
            held.release()
        return now()

    assert run_virtual(main()) == 2
    assert ends == [0 if pause else 1], "it didn't take a slot again"
    check_idle(engine.resource_manager)


@both_ways
def test_cancelled_while_it_queues_again_it_ends_at_once(use_vm: bool) -> None:
    engine = Engine(system_resources={"slot": 1})

    @cs.task
    async def waiter() -> None:
        async with cs.released():
            engine.resource_manager.set_capacity({"slot": 0})
            await asyncio.sleep(1)

    async def main() -> float:
        running = asyncio.create_task(engine.run(waiter().with_constraints(slot=1), use_vm=use_vm))
        await asyncio.sleep(5)
        assert engine.resource_manager.statistics().waiting == 1
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        return now()

    assert run_virtual(main()) == 5
    check_idle(engine.resource_manager)


def test_a_sibling_s_failure_ends_it_at_once() -> None:
    engine = Engine(system_resources={"slot": 2})

    @cs.task
    async def waiter() -> None:
        async with cs.released():
            await asyncio.sleep(1000)

    @cs.task
    async def fails() -> None:
        await asyncio.sleep(1)
        engine.resource_manager.set_capacity({"slot": 0})
        raise ZeroDivisionError

    async def main() -> float:
        with pytest.raises(ZeroDivisionError):
            await engine.run([waiter().with_constraints(slot=1), fails().with_constraints(slot=1)])
        return now()

    assert run_virtual(main()) == 1
    check_idle(engine.resource_manager)


@pytest.mark.parametrize("kind", ["rate", "budget"])
def test_what_was_paid_is_not_paid_twice(kind: str) -> None:
    manager = ResourceManager({"slot": 1})
    if kind == "rate":
        manager.set_rate("paid", per_second=1e-9, burst=5)
    else:
        manager.set_budget("paid", 5)
    engine = Engine(resource_manager=manager)

    @cs.task
    async def waiter() -> None:
        for _ in range(3):
            async with cs.released():
                assert slots(engine) == 0
                assert manager.statistics().resources["paid"].used == 2
                await asyncio.sleep(1)
            assert slots(engine) == 1
        assert manager.statistics().resources["paid"].available == pytest.approx(3)

    run(engine, waiter().with_constraints(slot=1, paid=2))


def test_what_was_paid_is_not_paid_twice_though_the_limit_went_and_came_back() -> None:
    manager = ResourceManager({"slot": 1})
    manager.set_budget("paid", 5)
    engine = Engine(resource_manager=manager)

    @cs.task
    async def waiter() -> None:
        manager.set_budget("paid", None)
        async with cs.released():
            manager.set_budget("paid", 5)
            await asyncio.sleep(1)
        assert manager.statistics().resources["paid"].available == 5

    run(engine, waiter().with_constraints(slot=1, paid=2))


@both_ways
def test_blocks_in_blocks_give_back_once_and_take_once(use_vm: bool) -> None:
    engine = Engine(system_resources={"slot": 2})

    @cs.task
    async def waiter() -> list[float]:
        seen = []
        async with cs.released():
            async with cs.released():
                seen.append(slots(engine))
            seen.append(slots(engine))
        return [*seen, slots(engine)]

    assert run(engine, waiter().with_constraints(slot=2), use_vm) == [0, 0, 2]


@both_ways
def test_each_step_of_an_agent_can_give_back(use_vm: bool) -> None:
    engine = Engine(system_resources={"slot": 1})

    @cs.task
    async def agent(step: int) -> Any:
        assert slots(engine) == 1
        async with cs.released():
            await asyncio.sleep(1)
        return step if step == 5 else cs.TailCall(step + 1)

    assert run(engine, agent(0).with_constraints(slot=1), use_vm) == 5


def test_outside_of_a_task_it_is_refused() -> None:
    async def main() -> None:
        with pytest.raises(ResourceError, match="no task is running"):
            async with cs.released():
                pass

    run_virtual(main())


def test_in_a_thread_task_it_is_refused() -> None:
    engine = Engine(system_resources={"slot": 1})

    @cs.task
    def in_a_thread() -> None:
        async def block() -> None:
            async with cs.released():
                pass

        with pytest.raises(ResourceError):
            asyncio.run(block())

    async def main() -> None:
        await engine.run(in_a_thread().with_constraints(slot=1))

    asyncio.run(main())
    check_idle(engine.resource_manager)


@both_ways
def test_in_a_task_that_holds_nothing_it_does_nothing(use_vm: bool) -> None:
    engine = Engine(system_resources={"slot": 1})

    @cs.task
    async def free() -> float:
        async with cs.released():
            await asyncio.sleep(1)
        return now()

    assert run(engine, free(), use_vm) == 1


def concurrency(limit: int) -> GlobalConstraint:
    return GlobalConstraint("c", "global", "concurrency", {"limit": limit})


class TestRules:
    """Rules that come, change and go while a task has given back hold for it when it goes on."""

    @both_ways
    @pytest.mark.parametrize(
        "change",
        [
            lambda rules: rules.update(concurrency(1)),
            lambda rules: rules.update(concurrency(2)) or rules.update(concurrency(1)),
            lambda rules: rules.update(concurrency(1)) or rules.remove("c"),
        ],
        ids=["comes", "changes", "goes"],
    )
    def test_nothing_is_counted_twice_or_lost(
        self, use_vm: bool, change: Callable[[Any], object]
    ) -> None:
        engine = Engine(system_resources={"slot": 1})

        @cs.task
        async def waiter() -> float:
            async with cs.released():
                change(engine.constraint_manager)
                assert engine.resource_manager.statistics().waiting == 0
                await asyncio.sleep(1)
            assert slots(engine) == 1
            figures = engine.resource_manager.statistics().resources
            if "rule:c" in figures:
                assert figures["rule:c"].used == 1
            return now()

        assert run(engine, waiter().with_constraints(slot=1), use_vm) == 1

    @both_ways
    def test_a_pause_that_comes_keeps_it_until_it_ends(self, use_vm: bool) -> None:
        engine = Engine(system_resources={"slot": 1})

        @cs.task
        async def waiter() -> float:
            async with cs.released():
                engine.constraint_manager.update(
                    GlobalConstraint("p", "global", "pause", expires_in=7)
                )
                await asyncio.sleep(1)
            return now()

        assert run(engine, waiter().with_constraints(slot=1), use_vm) == 7

    def test_a_rate_that_holds_already_is_not_paid_twice(self) -> None:
        engine = Engine(system_resources={"slot": 1})
        engine.constraint_manager.update(
            GlobalConstraint("r", "global", "rate_limit", {"rate": "1/h"})
        )

        @cs.task
        async def waiter() -> float:
            async with cs.released():
                await asyncio.sleep(1)
            return now()

        assert run(engine, waiter().with_constraints(slot=1)) == 1

    def test_a_rate_is_not_paid_twice_though_another_rule_comes_while_it_queues(self) -> None:
        engine = Engine(system_resources={"slot": 1})
        manager = engine.resource_manager
        rules = engine.constraint_manager
        rules.update(GlobalConstraint("r", "global", "rate_limit", {"rate": "1/h"}))

        @cs.task
        async def waiter() -> float:
            loop = asyncio.get_running_loop()
            async with cs.released():
                held = await manager.acquire({"slot": 1})
                loop.call_later(1, rules.update, concurrency(5))
                loop.call_later(2, held.release)
            return now()

        assert run(engine, waiter().with_constraints(slot=1)) == 2
