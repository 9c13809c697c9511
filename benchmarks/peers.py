"""The peers: what each of them needs to do the same work, as its own documentation shows it.

They come with the extra `peers`; one that isn't installed is left out, and a line says so.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable, Sequence
from functools import partial
from itertools import pairwise
from typing import Any

from benchmarks.harness import Peer

missing: dict[str, None] = {}
"""The distributions that weren't found."""


def available(module: str, distribution: str) -> bool:
    """Whether a peer is installed; otherwise it is noted as missing."""
    if importlib.util.find_spec(module) is not None:
        return True
    missing[distribution] = None
    return False


def load(module: str) -> Any:
    """Import a module of which the types may not be known here."""
    return importlib.import_module(module)


def dask_graph(needs: Sequence[tuple[int, ...]], fn: Callable[..., int], scheduler: str) -> Peer:
    """Return dask.delayed on a graph given as numbers, with one of its schedulers."""
    dask = load("dask")
    call = dask.delayed(fn, pure=False)
    nodes: list[Any] = []
    for number, wanted in enumerate(needs):
        nodes.append(call(*([nodes[other] for other in wanted] or (number, 1, 2))))
    last = nodes[-10:]
    return Peer(
        f"dask ({scheduler})",
        len(needs),
        lambda: list(dask.compute(*last, scheduler=scheduler, optimize_graph=False)),
    )


def hamilton_graph(needs: Sequence[tuple[int, ...]]) -> Peer:
    """Return a driver of Hamilton on a graph given as numbers: a function for each node."""
    ad_hoc_utils, driver = load("hamilton.ad_hoc_utils"), load("hamilton.driver")
    lines = []
    for number, wanted in enumerate(needs):
        parameters = ", ".join(f"n{other}: int" for other in wanted)
        value = " ^ ".join(f"n{other}" for other in wanted) or f"{number} ^ 1 ^ 2"
        lines.append(f"def n{number}({parameters}) -> int:\n    return {value}\n")
    functions: dict[str, Any] = {}
    exec("\n".join(lines), functions)
    del functions["__builtins__"]
    module = ad_hoc_utils.create_temporary_module(*functions.values(), module_name="layered")
    ready = driver.Builder().with_modules(module).build()
    final = [f"n{number}" for number in range(len(needs) - 10, len(needs))]
    return Peer("Hamilton", len(needs), lambda: ready.execute(final))


def langgraph_chain(length: int) -> Peer:
    """Return a state graph of LangGraph: one async node after the other."""
    langgraph = load("langgraph.graph")

    async def step(state: dict[str, int]) -> dict[str, int]:
        return {"value": state["value"] + 1}

    state = load("typing").TypedDict("State", {"value": int})
    graph = langgraph.StateGraph(state)
    for number in range(length):
        graph.add_node(f"n{number}", step)
        graph.add_edge(f"n{number - 1}" if number else langgraph.START, f"n{number}")
    graph.add_edge(f"n{length - 1}", langgraph.END)
    compiled = graph.compile()
    options = {"recursion_limit": length + 10}
    return Peer("LangGraph", length, lambda: compiled.ainvoke({"value": 0}, options))


def simpy_steps(count: int) -> Peer:
    """Return a process of SimPy that is resumed again and again without time passing."""
    simpy = load("simpy")

    def run() -> int:
        environment = simpy.Environment()
        total = 0

        def steps() -> Any:
            nonlocal total
            for left in range(count, 0, -1):
                total += left
                yield environment.timeout(0)

        environment.process(steps())
        environment.run()
        return total

    return Peer("SimPy", count, run)


def anyio_slots(count: int, slots: int, seconds: float) -> Peer:
    """Return tasks of an anyio task group that share a capacity limiter."""
    anyio = load("anyio")

    async def run() -> None:
        limiter = anyio.CapacityLimiter(slots)

        async def one() -> None:
            async with limiter:
                await anyio.sleep(seconds)

        async with anyio.create_task_group() as group:
            for _ in range(count):
                group.start_soon(one)

    return Peer("anyio", count, run)


def aiometer_slots(count: int, slots: int, seconds: float) -> Peer:
    """Return aiometer's way of running so many at a time."""
    aiometer, anyio = load("aiometer"), load("anyio")

    async def run() -> None:
        await aiometer.run_all(
            [partial(anyio.sleep, seconds) for _ in range(count)], max_at_once=slots
        )

    return Peer("aiometer", count, run)


def pydantic_graph_chain(length: int) -> Peer:
    """Return a graph of pydantic-graph: one async step after the other."""
    builder = load("pydantic_graph").GraphBuilder(
        input_type=int, output_type=int, auto_instrument=False
    )

    async def increment(ctx: Any) -> int:
        return int(ctx.inputs) + 1

    steps = [builder.step(increment, node_id=f"n{number}") for number in range(length)]
    ways = [builder.edge_from(builder.start_node).to(steps[0])]
    ways += [builder.edge_from(one).to(other) for one, other in pairwise(steps)]
    builder.add(*ways, builder.edge_from(steps[-1]).to(builder.end_node))
    graph = builder.build()
    return Peer("pydantic-graph", length, lambda: graph.run(inputs=0))
