"""Graphs: declaring them, building them, and running them with each kind of task.

The graph has 100 layers; each node has three inputs from the layer before its own.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from graphlib import TopologicalSorter
from typing import Any

import cascade as cs
from benchmarks.harness import Row, Sample, Work, measure
from cascade.graph.build import build

LAYERS = 100
THREADS = min(32, (os.cpu_count() or 1) + 4)
"""What both kinds of thread pool use by default."""

Layers = list[list[cs.LazyResult[int]]]


def mix(one: int, two: int, three: int) -> int:
    """Do as little as a node can do with three inputs."""
    return one ^ two ^ three


async def mix_async(one: int, two: int, three: int) -> int:
    """Do the same in a coroutine that never suspends."""
    return one ^ two ^ three


inline_mix = cs.task(mode="inline")(mix)
thread_mix = cs.task(mix)
async_mix = cs.task(mix_async)


def sources(place: int, width: int) -> tuple[int, int, int]:
    """Return the places in the layer before from which a node takes its inputs."""
    return place, (place + 1) % width, (place + 7) % width


def declare(task: cs.Task[int], width: int) -> list[cs.LazyResult[int]]:
    """Declare the graph; return its last layer."""
    layer = [task(place, 1, 2) for place in range(width)]
    for _ in range(LAYERS - 1):
        layer = [
            task(layer[one], layer[two], layer[three])
            for one, two, three in (sources(place, width) for place in range(width))
        ]
    return layer


def needs_of(width: int) -> list[tuple[int, ...]]:
    """Return the same graph as plain numbers: for each node those that it needs."""
    needs: list[tuple[int, ...]] = [()] * width
    for layer in range(LAYERS - 1):
        for place in range(width):
            needs.append(tuple(layer * width + other for other in sources(place, width)))
    return needs


def run_sorted(graph: dict[int, tuple[int, ...]], width: int) -> list[int]:
    """Sort the graph with `graphlib` and make one call for each node."""
    values: dict[int, int] = {}
    for node in TopologicalSorter(graph).static_order():
        needs = graph[node]
        values[node] = mix(*[values[other] for other in needs]) if needs else mix(node, 1, 2)
    return [values[node] for node in range(len(graph) - width, len(graph))]


async def run_as_tasks(needs: list[tuple[int, ...]], width: int) -> list[int]:
    """Count down inputs by hand; each node is a task of asyncio that starts with its last input."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[None] = loop.create_future()
    missing = [len(wanted) for wanted in needs]
    successors: list[list[int]] = [[] for _ in needs]
    for node, wanted in enumerate(needs):
        for other in wanted:
            successors[other].append(node)
    values = [0] * len(needs)
    running: set[asyncio.Task[None]] = set()
    left = len(needs)

    async def run(node: int) -> None:
        nonlocal left
        wanted = needs[node]
        values[node] = await (
            mix_async(*[values[other] for other in wanted]) if wanted else mix_async(node, 1, 2)
        )
        for other in successors[node]:
            missing[other] -= 1
            if not missing[other]:
                start(other)
        left -= 1
        if not left:
            done.set_result(None)

    def start(node: int) -> None:
        task = loop.create_task(run(node))
        running.add(task)
        task.add_done_callback(running.discard)

    for node in range(width):
        start(node)
    await done
    return values[-width:]


def run_in_pool(needs: list[tuple[int, ...]], width: int) -> list[int]:
    """Hand layer after layer to a pool of threads."""
    with ThreadPoolExecutor(THREADS) as pool:
        values = list(pool.map(mix, range(width), [1] * width, [2] * width))
        for start in range(width, len(needs), width):
            wanted = needs[start : start + width]
            base = start - width
            inputs = [[values[node[way] - base] for node in wanted] for way in range(3)]
            values = list(pool.map(mix, *inputs))
    return values


def runner_of(target: list[cs.LazyResult[int]]) -> Callable[[], Any]:
    """Return what runs a declared graph on a fresh engine."""
    return lambda: cs.Engine().run(target)


def inline(quick: bool) -> Iterable[Row]:
    """Run plain calls, beside `graphlib`; and look whether the cost of a node grows."""
    ratios = []
    for width, rounds in ((10, 31), (100, 11), (1000, 3 if quick else 5)):
        graph = dict(enumerate(needs_of(width)))
        target = declare(inline_mix, width)
        row = measure(
            Work(
                f"inline graph, {len(graph):,} nodes",
                len(graph),
                lambda graph=graph, width=width: run_sorted(graph, width),  # type: ignore[misc]
                runner_of(target),
                budget=2.0,
                rounds=rounds,
            )
        )
        ratios.append(row.ratio)
        yield row
    yield measure(
        Work(
            f"the same, {len(graph):,} nodes, collector on",
            len(graph),
            lambda: run_sorted(graph, width),
            runner_of(target),
            rounds=rounds,
            collector=True,
        )
    )
    small, large = ratios[0], ratios[-1]
    yield Row(
        "its ratio at 100,000 nodes by that at 1,000",
        len(graph),
        "ratio",
        Sample.of([small]),
        Sample.of([large]),
        large / small,
        "≤ 1.5 ×",
        large / small > 1.5,
    )


def coroutines(quick: bool) -> Iterable[Row]:
    """Run coroutines that never suspend, beside a task of asyncio for each."""
    needs = needs_of(100)
    target = declare(async_mix, 100)
    yield measure(
        Work(
            "async graph, 100 × 100, nothing suspends",
            len(needs),
            lambda: run_as_tasks(needs, 100),
            runner_of(target),
            budget=2.0,
            rounds=7 if quick else 15,
        )
    )


def threads(quick: bool) -> Iterable[Row]:
    """Run calls in threads, beside a pool that is given layer after layer."""
    needs = needs_of(100)
    target = declare(thread_mix, 100)
    yield measure(
        Work(
            f"thread graph, 100 × 100, {THREADS} threads",
            len(needs),
            lambda: run_in_pool(needs, 100),
            runner_of(target),
            budget=2.0,
            rounds=7 if quick else 15,
        )
    )


class Part:
    """The least that could stand for a declared call: a slotted object with a tuple."""

    __slots__ = ("inputs",)

    def __init__(self, one: Any, two: Any, three: Any) -> None:
        self.inputs = (one, two, three)


def declare_parts(width: int) -> list[Part]:
    """Make as many such objects as the graph has nodes, joined in the same way."""
    layer = [Part(place, 1, 2) for place in range(width)]
    for _ in range(LAYERS - 1):
        layer = [
            Part(layer[one], layer[two], layer[three])
            for one, two, three in (sources(place, width) for place in range(width))
        ]
    return layer


def declaring(quick: bool) -> Iterable[Row]:
    """Declare and build, beside making small objects.

    The budgets are twice what was measured when they were set.
    """
    width = 100
    target = declare(inline_mix, width)
    works: tuple[tuple[str, Callable[[], object], float, bool], ...] = (
        ("declaring", lambda: declare(inline_mix, width), 16.0, False),
        ("declaring, collector on", lambda: declare(inline_mix, width), 14.0, True),
        ("building", lambda: build(target), 10.0, False),
        ("declaring and building", lambda: build(declare(inline_mix, width)), 28.0, False),
    )

    def discarding(make: Callable[[], object]) -> Callable[[], None]:
        def do() -> None:
            make()

        return do

    for name, make, budget, collect in works:
        yield measure(
            Work(
                f"{name}, 100 × 100",
                LAYERS * width,
                discarding(lambda: declare_parts(width)),
                discarding(make),
                budget,
                rounds=11 if quick else 31,
                collector=collect,
            )
        )
