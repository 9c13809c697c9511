"""Scale: deep, wide and layered graphs, endless machines, and nothing for the collector to find."""

from __future__ import annotations

import asyncio
import gc
import tracemalloc
from collections.abc import Awaitable, Callable, Iterator
from time import process_time
from typing import Any

import pytest
from tests.long_form import tries

import cascade as cs
from cascade.testing import run_virtual


@cs.task(mode="inline")
def add(*numbers: int) -> int:
    return sum(numbers)


@cs.task
async def add_async(*numbers: int) -> int:
    return sum(numbers)


@cs.task
async def add_later(*numbers: int) -> int:
    await asyncio.sleep(0)
    return sum(numbers)


@cs.task
def add_in_thread(*numbers: int) -> int:
    return sum(numbers)


# Graphs


def chain(task: cs.Task[int], length: int) -> Any:
    value: Any = 0
    for _ in range(length):
        value = task(value, 1)
    return value


def test_a_chain_of_100_000_inline_tasks() -> None:
    assert asyncio.run(cs.Engine().run(chain(add, 100_000))) == 100_000


def test_a_long_chain_of_inline_tasks_with_a_policy() -> None:
    length = tries(20_000, 100_000)
    target = add(chain(add, length)).after(add())
    assert asyncio.run(cs.Engine().run(target)) == length


@pytest.mark.parametrize("task", [add_async, add_later])
def test_a_long_chain_of_async_tasks(task: cs.Task[int]) -> None:
    length = tries(5_000, 20_000)
    assert asyncio.run(cs.Engine().run(chain(task, length))) == length


def test_a_skip_goes_down_a_chain_of_20_000() -> None:
    value: Any = add(1).run_if(False)
    for _ in range(20_000):
        value = add(value)
    with pytest.raises(cs.errors.SkippedError, match="condition is false"):
        asyncio.run(cs.Engine().run(value))


def test_a_wide_fan_out_of_inline_tasks() -> None:
    width = tries(20_000, 100_000)
    one = add(1)
    target = add(*[add(one, number) for number in range(width)])
    assert asyncio.run(cs.Engine().run(target)) == sum(range(width + 1))


@pytest.mark.parametrize("task", [add, add_async, add_in_thread])
def test_100_layers_of_100(task: cs.Task[int]) -> None:
    layer: list[Any] = [task(1) for _ in range(100)]
    for _ in range(99):
        layer = [task(layer[place - 1], layer[place]) for place in range(100)]
    assert asyncio.run(cs.Engine().run(layer)) == [2**99] * 100


@pytest.mark.parametrize("plain", [True, False])
def test_the_cost_of_a_node_does_not_grow_with_the_graph(plain: bool) -> None:
    def seconds_per_node(count: int) -> float:
        layer: list[Any] = [add(1) for _ in range(20)]
        for _ in range(count // 20 - 1):
            layer = [add(layer[place - 1], 1) for place in range(20)]
        target = add(*layer) if plain else add(*layer).after(layer[0])
        began = process_time()
        asyncio.run(cs.Engine().run(target))
        return (process_time() - began) / count

    gc.disable()
    try:
        small = min(seconds_per_node(500) for _ in range(5))
        large = min(seconds_per_node(16_000) for _ in range(2))
    finally:
        gc.enable()
    assert large < 4 * small


# Machines


@pytest.mark.parametrize("way", ["machine", "node"])
def test_any_number_of_steps_takes_constant_memory(way: str) -> None:
    steps = tries(50_000, 500_000)
    traced: list[int] = []

    @cs.task(mode="inline")
    def step(count: int = 0) -> Any:
        if count in (steps // 5, steps):
            gc.collect()
            traced.append(tracemalloc.get_traced_memory()[0])
        return cs.TailCall(count + 1) if count < steps else count

    tracemalloc.start()
    try:
        assert asyncio.run(cs.Engine().run(step(), use_vm=way == "machine")) == steps
    finally:
        tracemalloc.stop()
    assert traced[1] - traced[0] < 2 * steps  # bytes: not even a pointer for each


# Nothing for the cyclic collector


async def garbage_of(work: Callable[[], Awaitable[Any]]) -> int:
    """Return how many objects of `work` only the cyclic collector would free."""
    await work()
    gc.collect()
    gc.disable()
    try:
        await work()
        return gc.collect()
    finally:
        gc.enable()


async def garbage_of_agents(step: Any, limit: int | None = None) -> int:
    """Run 100 agents for 100 steps to warm up, and for 10,000 more while nothing is collected."""
    manager = cs.ResourceManager({"slot": limit} if limit else None)
    checkpoints: dict[int, asyncio.Event] = {100: asyncio.Event(), 200: asyncio.Event()}
    there = dict.fromkeys(checkpoints, 0)

    async def reached(count: int) -> None:
        if count in checkpoints:
            there[count] += 1
            if there[count] == 100:
                checkpoints[count].set()

    async def agent() -> Any:
        call = step(reached)
        engine = cs.Engine(resource_manager=manager)
        return await engine.run(call.with_constraints(slot=1) if limit else call, use_vm=True)

    agents = [asyncio.create_task(agent()) for _ in range(100)]
    await checkpoints[100].wait()
    gc.collect()
    gc.disable()
    try:
        await checkpoints[200].wait()
        found = gc.collect()
    finally:
        gc.enable()
    await asyncio.gather(*agents)
    return found


@pytest.mark.parametrize("limit", [None, 10])
@pytest.mark.parametrize("seconds", [0.0, 1.0])
def test_10_000_steps_of_100_agents_leave_no_cycles(limit: int | None, seconds: float) -> None:
    @cs.task
    async def step(reached: Any, count: int = 0) -> Any:
        await asyncio.sleep(seconds)
        await reached(count)
        return cs.TailCall(count=count + 1) if count < 210 else None

    assert run_virtual(garbage_of_agents(step, limit)) == 0


def test_inline_agents_leave_no_cycles() -> None:
    @cs.task(mode="inline")
    def step(count: int) -> Any:
        return cs.TailCall(count - 1) if count else None

    async def work() -> None:
        runs = [cs.Engine().run(step(100), use_vm=True) for _ in range(100)]
        await asyncio.gather(*runs)

    assert asyncio.run(garbage_of(work)) == 0


@pytest.mark.parametrize("task", [add, add_async, add_later, add_in_thread])
@pytest.mark.parametrize("policies", [False, True])
def test_running_a_graph_leaves_no_cycles(task: cs.Task[int], policies: bool) -> None:
    first = [task(number) for number in range(20)]
    second = [task(*first[number:]) for number in range(20)]
    if policies:
        second = [call.with_constraints(slot=1).after(first[0]) for call in second]
    target = task(*second)
    engine = cs.Engine(system_resources={"slot": 3})

    async def work() -> None:
        for _ in range(5):
            await engine.run(target)

    async def main() -> int:
        await engine.run(target)
        return await garbage_of(work)

    assert asyncio.run(main()) == 0


def test_declaring_calls_leaves_no_cycles() -> None:
    def declare() -> None:
        values = [add(number) for number in range(10)]
        add(*values, values[0]).named("total").with_constraints(slot=values[1]).after(*values)

    declare()
    gc.collect()
    gc.disable()
    try:
        declare()
        assert gc.collect() == 0
    finally:
        gc.enable()


def test_a_run_with_resources_leaves_no_cycles() -> None:
    @cs.resource
    def tool() -> Iterator[int]:
        yield 1

    @cs.task
    async def use(tool: int = cs.inject("tool")) -> int:
        return tool

    engine = cs.Engine()
    engine.register(tool)
    target = use()

    async def work() -> None:
        assert await engine.run(target) == 1

    assert asyncio.run(garbage_of(work)) == 0


@pytest.mark.parametrize("mode", ["inline", "async", "thread"])
def test_a_failing_run_leaves_no_cycles(mode: str) -> None:
    def broken(_value: int) -> None:
        raise LookupError

    async def broken_async(_value: int) -> None:
        raise LookupError

    task: cs.Task[None]
    task = cs.task(broken_async) if mode == "async" else cs.task(mode=mode)(broken)  # type: ignore[call-overload]
    target = [task(add(1)), add_later(1)]
    engine = cs.Engine()

    async def work() -> None:
        try:
            await engine.run(target)
        except LookupError:
            return
        pytest.fail("it must fail")

    assert asyncio.run(garbage_of(work)) == 0
