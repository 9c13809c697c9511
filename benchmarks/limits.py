"""Limits: queueing for slots, beside `asyncio.Semaphore`."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterable
from typing import Any

import cascade as cs
from benchmarks import peers
from benchmarks.harness import Peer, Row, Work, measure


async def contend_semaphore(waiters: int, slots: int, resources: int) -> None:
    """Let many coroutines take turns with semaphores, taken one after the other."""
    semaphores = [asyncio.Semaphore(slots) for _ in range(resources)]

    async def work() -> None:
        for semaphore in semaphores:
            await semaphore.acquire()
        await asyncio.sleep(0)
        for semaphore in semaphores:
            semaphore.release()

    await asyncio.gather(*[work() for _ in range(waiters)])


async def contend_manager(
    waiters: int, slots: int, resources: int, *, priorities: bool = False
) -> None:
    """Let them take turns with a resource manager, all resources in one request.

    Args:
        waiters: how many there are.
        slots: how many may hold each resource at once.
        resources: how many resources each of them wants.
        priorities: give each of them a priority of its own, in no order.
    """
    amounts = {f"slot_{number}": 1 for number in range(resources)}
    manager = cs.ResourceManager(capacity=dict.fromkeys(amounts, slots))

    async def work(priority: int) -> None:
        ticket = await manager.acquire(amounts, priority=priority)
        await asyncio.sleep(0)
        ticket.release()

    levels = list(range(waiters)) if priorities else [0] * waiters
    random.Random(1).shuffle(levels)
    await asyncio.gather(*[work(level) for level in levels])


def contention(quick: bool) -> Iterable[Row]:
    """Contend for ten slots, with few waiters and with many."""
    works = [
        *[(1_000, 1, False, 15), (10_000, 1, False, 7), (50_000, 1, False, 3 if quick else 5)],
        *[(10_000, 2, False, 7), (10_000, 1, True, 7)],
    ]
    for waiters, resources, priorities, rounds in works:
        of_both = " of two kinds" if resources == 2 else ""
        of_both += ", each with a priority" if priorities else ""
        yield measure(
            Work(
                f"{waiters:,} contend for 10 slots{of_both}",
                waiters,
                lambda waiters=waiters, resources=resources: contend_semaphore(  # type: ignore[misc]
                    waiters, 10, resources
                ),
                lambda waiters=waiters, resources=resources, own=priorities: contend_manager(  # type: ignore[misc]
                    waiters, 10, resources, priorities=own
                ),
                2.5 if priorities else 2.2 if resources == 2 else 1.7,
                rounds,
            ),
            quick,
        )
    yield _uncontended(20_000 if quick else 100_000, quick)


def _uncontended(count: int, quick: bool) -> Row:
    async def semaphore() -> None:
        slots = asyncio.Semaphore(10)
        for _ in range(count):
            await slots.acquire()
            slots.release()

    async def manager() -> None:
        manager = cs.ResourceManager(capacity={"slot": 10})
        amounts = {"slot": 1}
        for _ in range(count):
            ticket = await manager.acquire(amounts)
            ticket.release()

    work = Work("acquire and release, nobody else", count, semaphore, manager, 4.0, 7)
    return measure(work, quick)


ENGINES = 1_000
STEPS = 10
SLOTS = 100
TASKS = 10_000
NAP = 0.001
"""How long each task or step holds its slot, in seconds."""


async def nap_with_semaphore(workers: int, times: int) -> None:
    """Let coroutines take turns: each nap holds one of the slots."""
    slots = asyncio.Semaphore(SLOTS)

    async def work() -> None:
        for _ in range(times):
            async with slots:
                await asyncio.sleep(NAP)

    await asyncio.gather(*[work() for _ in range(workers)])


@cs.task
async def nap() -> None:
    """Hold a slot for a while."""
    await asyncio.sleep(NAP)


@cs.task
async def napping(left: int) -> Any:
    """One of several steps, each of which holds a slot for a while."""
    await asyncio.sleep(NAP)
    return cs.TailCall(left - 1) if left > 1 else None


async def nap_with_engines() -> None:
    """Let engines take turns that share one manager."""
    manager = cs.ResourceManager(capacity={"slot": SLOTS})
    await asyncio.gather(
        *[
            cs.Engine(resource_manager=manager).run(
                napping(STEPS).with_constraints(slot=1), use_vm=True
            )
            for _ in range(ENGINES)
        ]
    )


def slots(quick: bool) -> Iterable[Row]:
    """Share 100 slots among the tasks of one graph, and among a thousand engines."""
    rounds = 5 if quick else 9
    plan = cs.Engine().plan([nap().with_constraints(slot=1) for _ in range(TASKS)])

    async def one_graph() -> None:
        await cs.Engine(system_resources={"slot": SLOTS}).run(plan)

    others: list[Peer] = []
    if not quick and peers.available("anyio", "anyio"):
        others.append(peers.anyio_slots(TASKS, SLOTS, NAP))
    if not quick and peers.available("aiometer", "aiometer"):
        others.append(peers.aiometer_slots(TASKS, SLOTS, NAP))
    yield measure(
        Work(
            f"{TASKS:,} tasks of one graph, {SLOTS} slots, 1 ms each",
            TASKS,
            lambda: nap_with_semaphore(TASKS, 1),
            one_graph,
            1.5,
            rounds,
            peers=others,
        ),
        quick,
    )
    yield measure(
        Work(
            f"{ENGINES:,} engines × {STEPS} steps, {SLOTS} slots, 1 ms each",
            ENGINES * STEPS,
            lambda: nap_with_semaphore(ENGINES, STEPS),
            nap_with_engines,
            1.3,
            rounds,
        ),
        quick,
    )
