"""Agents: what one costs in time and memory while ten thousand of them live."""

from __future__ import annotations

import asyncio
import gc
import tracemalloc
from collections.abc import Callable, Coroutine, Iterable
from typing import Any

import cascade as cs
from benchmarks.harness import Row, Sample, Work, collector, measure
from observatory.networking.direct_channel import DirectChannel

AGENTS = 10_000
PATIENCE = 3600.0
"""How long an agent waits at most, in seconds: the timer is made, but never goes off."""

MEMORY = 3.2 * 1024
"""How many bytes an agent may occupy while it waits."""

Meanwhile = Callable[[], None]
"""Called when all agents wait."""
World = Callable[[Meanwhile, int], Coroutine[Any, Any, None]]
"""Lets so many agents live."""


async def bare(meanwhile: Meanwhile, count: int = AGENTS) -> None:
    """Let each agent be a task that waits with a future and a timer, then wake them all."""
    loop = asyncio.get_running_loop()
    inboxes: list[asyncio.Future[int]] = []

    async def live() -> None:
        inbox = loop.create_future()
        inboxes.append(inbox)
        timer = loop.call_later(PATIENCE, inbox.set_result, -1)
        try:
            await inbox
        finally:
            timer.cancel()

    tasks = [loop.create_task(live()) for _ in range(count)]
    await asyncio.sleep(0)
    assert len(inboxes) == count
    meanwhile()
    for message, inbox in enumerate(inboxes):
        inbox.set_result(message)
    await asyncio.gather(*tasks)


@cs.task
async def listen(channel: DirectChannel, awake: list[int]) -> Any:
    """Wait for one message; the second step ends the agent."""
    if awake:
        return None
    return cs.TailCall(awake=[await channel.recv(timeout=PATIENCE)])


async def with_engines(meanwhile: Meanwhile, count: int = AGENTS) -> None:
    """Let each agent be an engine that runs a machine waiting at its channel, then wake them."""
    loop = asyncio.get_running_loop()
    manager = cs.ResourceManager()
    channels: list[DirectChannel] = []

    async def live(number: int) -> None:
        channel = DirectChannel(owner_id=number)
        channels.append(channel)
        await cs.Engine(resource_manager=manager).run(listen(channel, []), use_vm=True)

    tasks = [loop.create_task(live(number)) for number in range(count)]
    await asyncio.sleep(0)
    assert len(channels) == count
    meanwhile()
    for message, channel in enumerate(channels):
        channel.send_nowait(message)
    await asyncio.gather(*tasks)


def memory_of(world: World, count: int = AGENTS) -> float:
    """Return how many bytes an agent occupies while it waits, with all that belongs to it."""
    used = 0

    def look() -> None:
        nonlocal used
        gc.collect()
        used = tracemalloc.get_traced_memory()[0]

    async def watched() -> None:
        await world(look, count)

    with collector(on=False):
        tracemalloc.start()
        try:
            asyncio.run(watched())
        finally:
            tracemalloc.stop()
    return used / count


def agents(quick: bool) -> Iterable[Row]:
    """Measure the whole life of an agent, and its memory while it waits."""
    yield measure(
        Work(
            f"an agent's life, {AGENTS:,} at once",
            AGENTS,
            lambda: bare(nothing),
            lambda: with_engines(nothing),
            3.0,
            5 if quick else 9,
        ),
        quick,
    )
    floor, ours = memory_of(bare), memory_of(with_engines)
    yield Row(
        "its memory while it waits",
        AGENTS,
        "bytes",
        Sample.of([floor]),
        Sample.of([ours]),
        ours / floor,
        f"≤ {MEMORY / 1024:g} KiB",
        ours > MEMORY * (2 if quick else 1),
    )


def nothing() -> None:
    """Do nothing while all agents wait."""
