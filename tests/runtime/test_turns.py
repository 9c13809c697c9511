"""Turns: a machine that never suspends lets the others run."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import Callable
from statistics import median
from time import perf_counter
from typing import Any

import pytest

import cascade as cs
from cascade.runtime.turns import SLICE, LoopTurn, turn_of
from cascade.testing import run_virtual, virtual_loop


@cs.task(mode="inline")
def spin(until: float) -> Any:
    return cs.TailCall(until) if perf_counter() < until else None


@cs.task
async def spin_async(until: float) -> Any:
    return cs.TailCall(until) if perf_counter() < until else None


@cs.task(mode="inline")
def work_hard(until: float) -> Any:
    """A step of 2 ms."""
    end = perf_counter() + 0.002
    while perf_counter() < end:
        pass
    return cs.TailCall(until) if end < until else None


async def gaps_beside(*machines: Any, use_vm: bool = True) -> list[float]:
    """Return how long another coroutine had to wait for each of its turns, in seconds."""
    gaps: list[float] = []
    running = True

    async def tick() -> None:
        before = perf_counter()
        while running:
            await asyncio.sleep(0)
            now = perf_counter()
            gaps.append(now - before)
            before = now

    ticker = asyncio.create_task(tick())
    await asyncio.gather(*[cs.Engine().run(machine, use_vm=use_vm) for machine in machines])
    running = False
    await ticker
    return gaps


@pytest.mark.parametrize("task", [spin, spin_async])
@pytest.mark.parametrize("use_vm", [True, False])
def test_others_get_in_every_few_milliseconds(task: cs.Task[Any], use_vm: bool) -> None:
    gaps = asyncio.run(gaps_beside(task(perf_counter() + 0.2), use_vm=use_vm))
    assert len(gaps) > 5
    assert median(gaps) < 4 * SLICE


def test_machines_share_the_time_of_one_turn() -> None:
    until = perf_counter() + 0.3
    gaps = asyncio.run(gaps_beside(*[spin(until) for _ in range(20)]))
    assert median(gaps) < 4 * SLICE


def test_others_get_in_every_few_milliseconds_also_between_long_steps() -> None:
    gaps = asyncio.run(gaps_beside(work_hard(perf_counter() + 0.3)))
    assert median(gaps) < 4 * SLICE


@cs.task(mode="inline")
def half_a_millisecond(_before: Any = None) -> None:
    end = perf_counter() + 0.0005
    while perf_counter() < end:
        pass


@pytest.mark.parametrize("policies", [False, True])
def test_others_get_in_between_the_nodes_of_an_inline_graph(policies: bool) -> None:
    last = half_a_millisecond()
    for _ in range(400):
        last = half_a_millisecond(last)
    if policies:
        last = last.named("last")
    gaps = asyncio.run(gaps_beside(last, use_vm=False))
    assert len(gaps) > 5
    assert median(gaps) < 4 * SLICE


def virtual_ticks(steps: int, machines: int = 1, use_vm: bool = True) -> list[list[int]]:
    """Return, for each turn of another coroutine, how many steps each machine had made."""
    made = [0] * machines
    seen: list[list[int]] = []

    @cs.task(mode="inline")
    def count(machine: int) -> Any:
        made[machine] += 1
        return cs.TailCall() if made[machine] < steps else None

    async def main() -> None:
        async def tick() -> None:
            while min(made) < steps:
                seen.append(made.copy())
                await asyncio.sleep(0)

        ticker = asyncio.create_task(tick())
        runs = [cs.Engine().run(count(number), use_vm=use_vm) for number in range(machines)]
        await asyncio.gather(*runs)
        await ticker

    run_virtual(main())
    return seen


def test_on_virtual_time_a_machine_yields_after_256_steps() -> None:
    assert virtual_ticks(1025) == [[0], [256], [512], [768], [1024]]


def test_on_virtual_time_the_order_is_always_the_same() -> None:
    first = virtual_ticks(2000, machines=3)
    assert first == virtual_ticks(2000, machines=3)
    assert len(first) >= 7


def test_on_virtual_time_a_node_of_a_graph_yields_too() -> None:
    assert len(virtual_ticks(2000, use_vm=False)) >= 7


def test_a_machine_that_suspends_is_not_made_to_yield() -> None:
    async def turns(steps: int) -> int:
        passed = 0
        done = False

        async def tick() -> None:
            nonlocal passed
            while not done:
                passed += 1
                await asyncio.sleep(0)

        @cs.task
        async def suspend(left: int) -> Any:
            await asyncio.sleep(0)
            return cs.TailCall(left - 1) if left else None

        ticker = asyncio.create_task(tick())
        await cs.Engine().run(suspend(steps), use_vm=True)
        done = True
        await ticker
        return passed

    assert run_virtual(turns(1000)) <= 1005


@pytest.mark.parametrize("make_loop", [asyncio.new_event_loop, virtual_loop])
def test_each_loop_has_one_turn_which_goes_with_it(
    make_loop: Callable[[], asyncio.AbstractEventLoop],
) -> None:
    loop, other = make_loop(), make_loop()
    turn = turn_of(loop)
    assert turn_of(loop) is turn
    assert turn_of(other) is not turn
    loop.close()
    other.close()
    gone = weakref.ref(loop)
    del loop
    gc.collect()
    assert gone() is None


def test_a_mark_is_one_callback_however_many_machines_make_it() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        turn = LoopTurn(loop)
        numbers = {turn.mark(loop) for _ in range(100)}
        assert numbers == {turn.number}
        await asyncio.sleep(0)
        assert turn.number == numbers.pop() + 1
        assert turn.mark(loop) == turn.number

    run_virtual(main())
