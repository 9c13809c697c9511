"""How costs grow: graphs of 1,000 to 1,000,000 nodes, worlds of 100 to 50,000 agents."""

from __future__ import annotations

from collections.abc import Iterable

from benchmarks import agents, million
from benchmarks.fireflies import bare, with_engines
from benchmarks.harness import Row, Sample, Work, measure
from observatory.experiments.config import FirefliesConfig

NODES = (1_000, 10_000, 100_000, 1_000_000)
AGENTS = (100, 1_000, 10_000, 50_000)
FEW = 1_000
"""Up to how many are measured in the short form."""
DURATION = 6.0
"""How long each world of fireflies runs, in seconds."""


def scaling(quick: bool) -> Iterable[Row]:
    """Measure the same works at several sizes."""
    yield from _nodes([size for size in NODES if size <= FEW or not quick])
    sizes = [size for size in AGENTS if size <= FEW or not quick]
    for size in sizes:
        yield from _life(size, quick)
    for size in sizes:
        yield from _punctuality(size)


def _nodes(sizes: Iterable[int]) -> Iterable[Row]:
    """Yield time and memory of a node; the floor is the smallest graph."""
    smallest: dict[str, Sample] = {}
    for size in sizes:
        found = [million.work_alone(size) for _ in range(3)]
        for name, unit in (("microseconds", "µs"), ("bytes", "bytes")):
            sample = Sample.of([one[name] for one in found])
            floor = smallest.setdefault(name, sample)
            yield Row(
                f"{size:,} nodes: declared, built and run, {unit} a node",
                size,
                unit,
                floor,
                sample,
                sample.median / floor.median,
            )


def _life(size: int, quick: bool) -> Iterable[Row]:
    """Yield time and memory of an agent that is made, waits, is woken and ends."""
    work = Work(
        f"an agent's life, {size:,} at once",
        size,
        lambda: agents.bare(agents.nothing, size),
        lambda: agents.with_engines(agents.nothing, size),
        rounds=5,
    )
    yield measure(work, quick)
    floor, ours = (agents.memory_of(world, size) for world in (agents.bare, agents.with_engines))
    yield _row(f"an agent's memory, {size:,} at once", size, "bytes", floor, ours)


def _punctuality(size: int) -> Iterable[Row]:
    """Yield how late fireflies are in real time, and what they cost."""
    config = FirefliesConfig(num_agents=size, duration=DURATION)
    floor, ours = bare(config), with_engines(config)
    name = f"{size:,} fireflies"
    yield _row(f"{name}, late: p99", ours.flashes, "ms", floor.p99, ours.p99)
    yield _row(f"{name}, processor", ours.flashes, "% of a core", floor.core, ours.core)


def _row(name: str, items: int, unit: str, floor: float, ours: float) -> Row:
    return Row(name, items, unit, Sample.of([floor]), Sample.of([ours]), ours / floor)
