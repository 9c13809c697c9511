"""Graphs: running them with each kind of task, and declaring and building them.

The layered graph has 100 layers; each node has three inputs from the layer before its own. What is
timed as a run is that of a plan that is there already, as the floor's graph is; declaring and
building have rows of their own.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from graphlib import TopologicalSorter
from typing import Any

import cascade as cs
from benchmarks import peers
from benchmarks.harness import Peer, Row, Sample, Work, measure
from cascade.graph.build import build

LAYERS = 100
CHAIN = 5_000
THREADS = min(32, (os.cpu_count() or 1) + 4)
"""What both kinds of thread pool use by default."""

Fn = Callable[..., Any]


def mix(one: int, two: int, three: int) -> int:
    """Do as little as a node can do with three inputs."""
    return one ^ two ^ three


async def mix_async(one: int, two: int, three: int) -> int:
    """Do the same in a coroutine that never suspends."""
    return one ^ two ^ three


async def mix_suspending(one: int, two: int, three: int) -> int:
    """Do the same in a coroutine that suspends once."""
    await asyncio.sleep(0)
    return one ^ two ^ three


def increment(value: int) -> int:
    """Do as little as a node of a chain can do."""
    return value + 1


async def increment_async(value: int) -> int:
    """Do the same in a coroutine."""
    return value + 1


inline_mix = cs.task(mode="inline")(mix)
thread_mix = cs.task(mix)
async_mix = cs.task(mix_async)
suspending_mix = cs.task(mix_suspending)
inline_increment = cs.task(mode="inline")(increment)
async_increment = cs.task(increment_async)


def sources(place: int, width: int) -> tuple[int, int, int]:
    """Return the places in the layer before from which a node takes its inputs."""
    return place, (place + 1) % width, (place + 7) % width


def declare(task: cs.Task[int], width: int) -> list[cs.LazyResult[int]]:
    """Declare the layered graph; return its last layer."""
    layer = [task(place, 1, 2) for place in range(width)]
    for _ in range(LAYERS - 1):
        layer = [
            task(layer[one], layer[two], layer[three])
            for one, two, three in (sources(place, width) for place in range(width))
        ]
    return layer


def declare_chain(task: cs.Task[int]) -> cs.LazyResult[int]:
    """Declare a chain of increments; return its end."""
    lazy = task(0)
    for _ in range(CHAIN - 1):
        lazy = task(lazy)
    return lazy


def needs_of(width: int) -> list[tuple[int, ...]]:
    """Return the layered graph as plain numbers: for each node those that it needs."""
    needs: list[tuple[int, ...]] = [()] * width
    for layer in range(LAYERS - 1):
        for place in range(width):
            needs.append(tuple(layer * width + other for other in sources(place, width)))
    return needs


def chain_needs() -> list[tuple[int, ...]]:
    """Return the chain as plain numbers."""
    return [(number - 1,) if number else () for number in range(CHAIN)]


# The floors


def run_sorted(graph: dict[int, tuple[int, ...]], fn: Fn, first: Fn, last: int) -> list[int]:
    """Sort a graph with `graphlib` and make one call for each node.

    Args:
        graph: for each node those that it needs.
        fn: is called with the values of those.
        first: is called with the number of a node that needs none.
        last: how many values at the end are wanted.
    """
    values: dict[int, int] = {}
    for node in TopologicalSorter(graph).static_order():
        needs = graph[node]
        values[node] = fn(*[values[other] for other in needs]) if needs else first(node)
    return [values[node] for node in range(len(graph) - last, len(graph))]


async def run_as_tasks(needs: Sequence[tuple[int, ...]], fn: Fn, first: Fn, last: int) -> list[int]:
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
        values[node] = await (fn(*[values[other] for other in wanted]) if wanted else first(node))
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

    for node, wanted in enumerate(needs):
        if not wanted:
            start(node)
    await done
    return values[-last:]


def run_in_pool(needs: Sequence[tuple[int, ...]], width: int) -> list[int]:
    """Hand layer after layer to a pool of threads."""
    with ThreadPoolExecutor(THREADS) as pool:
        values = list(pool.map(mix, range(width), [1] * width, [2] * width))
        for start in range(width, len(needs), width):
            wanted = needs[start : start + width]
            base = start - width
            inputs = [[values[node[way] - base] for node in wanted] for way in range(3)]
            values = list(pool.map(mix, *inputs))
    return values


# The benchmarks


def runner_of(target: Any) -> Callable[[], Any]:
    """Return what runs a planned target on a fresh engine."""
    plan = cs.Engine().plan(target)
    return lambda: cs.Engine().run(plan)


def listed(run: Callable[[], Any]) -> Callable[[], Any]:
    """Return what runs a target of one value, and puts that into a list as the floors do."""

    async def do() -> list[Any]:
        return [await run()]

    return do


def inline(quick: bool) -> Iterable[Row]:
    """Run plain calls, beside `graphlib`; and look whether the cost of a node grows."""
    ratios = []
    for width, rounds in ((10, 31), (100, 11), (1000, 3 if quick else 5)):
        needs = needs_of(width)
        graph = dict(enumerate(needs))
        others: list[Peer] = []
        if width == 10 and not quick and peers.available("hamilton", "sf-hamilton"):
            others = [peers.hamilton_graph(needs)]
        target = declare(inline_mix, width)

        def floor(graph: dict[int, tuple[int, ...]] = graph, width: int = width) -> list[int]:
            return run_sorted(graph, mix, lambda node: mix(node, 1, 2), width)

        row = measure(
            Work(
                f"layered graph of inline tasks, {len(graph):,} nodes: run",
                len(graph),
                floor,
                runner_of(target),
                budget=0.5,
                rounds=rounds,
                peers=others,
            ),
            quick,
        )
        ratios.append(row.ratio)
        yield row
        if width == 100:
            yield measure(
                Work(
                    "the same, built as well",
                    len(graph),
                    floor,
                    lambda target=target: cs.Engine().run(target),  # type: ignore[misc]
                    rounds=rounds,
                ),
                quick,
            )
    yield measure(
        Work(
            f"the same, {len(graph):,} nodes, collector on",
            len(graph),
            floor,
            runner_of(target),
            rounds=rounds,
            collector=True,
        ),
        quick,
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
        large / small > (3.0 if quick else 1.5),
    )


def coroutines(quick: bool) -> Iterable[Row]:
    """Run coroutines, beside a task of asyncio for each."""
    needs = needs_of(100)
    kinds: tuple[tuple[str, cs.Task[int], Fn, float], ...] = (
        ("that don't suspend", async_mix, mix_async, 0.9),
        ("that suspend once", suspending_mix, mix_suspending, 1.2),
    )
    for name, task, fn, budget in kinds:
        target = declare(task, 100)
        others: list[Peer] = []
        if not quick and task is async_mix and peers.available("dask", "dask"):
            others = [peers.dask_graph(needs_of(10), mix, "sync")]
        for loop_name, loop in loops(quick):
            yield measure(
                Work(
                    f"layered graph of coroutines {name}{loop_name}",
                    len(needs),
                    lambda fn=fn: run_as_tasks(  # type: ignore[misc]
                        needs, fn, lambda node: fn(node, 1, 2), 100
                    ),
                    runner_of(target),
                    None if loop_name else budget,
                    7 if quick else 11,
                    peers=() if loop_name else others,
                    loop=loop,
                ),
                quick,
            )


def loops(quick: bool) -> list[tuple[str, Any]]:
    """Return the event loops to measure on, by what is added to the name of the row."""
    found: list[tuple[str, Any]] = [("", None)]
    if not quick and peers.available("uvloop", "uvloop"):
        found.append((", on uvloop", peers.load("uvloop").new_event_loop))
    return found


def threads(quick: bool) -> Iterable[Row]:
    """Run calls in threads, beside a pool that is given layer after layer."""
    needs = needs_of(100)
    target = declare(thread_mix, 100)
    others: list[Peer] = []
    if not quick and peers.available("dask", "dask"):
        others = [peers.dask_graph(needs_of(10), mix, "threads")]
    yield measure(
        Work(
            f"layered graph of thread tasks, {THREADS} threads",
            len(needs),
            lambda: run_in_pool(needs, 100),
            runner_of(target),
            budget=0.75,
            rounds=7 if quick else 15,
            peers=others,
        ),
        quick,
    )


def chains(quick: bool) -> Iterable[Row]:
    """Run one call after the other, each with the value of the one before."""
    needs = chain_needs()
    graph = dict(enumerate(needs))
    yield measure(
        Work(
            f"chain of {CHAIN:,} inline tasks",
            CHAIN,
            lambda: run_sorted(graph, increment, increment_of_zero, 1),
            listed(runner_of(declare_chain(inline_increment))),
            0.5,
            11,
        ),
        quick,
    )
    others: list[Peer] = []
    if not quick and peers.available("pydantic_graph", "pydantic-graph"):
        others.append(peers.pydantic_graph_chain(200))
    if not quick and peers.available("langgraph", "langgraph"):
        others.append(peers.langgraph_chain(200))
    yield measure(
        Work(
            f"chain of {CHAIN:,} coroutines",
            CHAIN,
            lambda: run_as_tasks(needs, increment_async, lambda _: increment_async(0), 1),
            listed(runner_of(declare_chain(async_increment))),
            0.8,
            11,
            peers=others,
        ),
        quick,
    )


def increment_of_zero(_: int) -> int:
    """Begin a chain."""
    return increment(0)


def networkx_graph(width: int, nested: bool) -> Any:
    """Make the layered graph as a networkx DiGraph, the inputs of each node kept with it."""
    graph = peers.load("networkx").DiGraph()
    for number, wanted in enumerate(needs_of(width)):
        graph.add_node(number, inputs={"values": list(wanted)} if nested else wanted)
        for other in wanted:
            graph.add_edge(other, number)
    return graph


@cs.task(mode="inline")
def mix_nested(inputs: dict[str, list[int]]) -> int:
    """Do the same with inputs in nested containers."""
    one, two, three = inputs["values"]
    return one ^ two ^ three


def declare_nested(width: int) -> list[cs.LazyResult[int]]:
    """Declare the layered graph with inputs in nested containers; return its last layer."""
    layer: list[Any] = [mix_nested({"values": [place, 1, 2]}) for place in range(width)]
    for _ in range(LAYERS - 1):
        layer = [
            mix_nested({"values": [layer[other] for other in sources(place, width)]})
            for place in range(width)
        ]
    return layer


def declaring(quick: bool) -> Iterable[Row]:
    """Declare and build, beside a DiGraph of networkx of the same."""
    if not peers.available("networkx", "networkx"):
        return
    others: list[Peer] = []
    if not quick and peers.available("dask", "dask"):
        others = [Peer("dask", 1_000, lambda: peers.dask_graph(needs_of(10), mix, "sync"))]
    rounds = 7 if quick else 15
    works: tuple[tuple[str, bool, Callable[[], object], float], ...] = (
        ("", False, lambda: build(declare(inline_mix, 100)), 1.0),
        (", inputs in nested containers", True, lambda: build(declare_nested(100)), 1.5),
    )
    for name, nested, make, budget in works:

        def floor(nested: bool = nested) -> None:
            networkx_graph(100, nested)

        def ours(make: Callable[[], object] = make) -> None:
            make()

        yield measure(
            Work(
                f"declaring and building that graph{name}",
                LAYERS * 100,
                floor,
                ours,
                budget,
                rounds,
                peers=() if nested else others,
            ),
            quick,
        )
