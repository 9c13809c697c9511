"""Measuring: one work, done by Cascade, by its floor and by peers, in turn, in the same process.

The floor of a work is the same work written by hand, as the row says. A peer is another library
that does it, at a size that it can stand. All sides run under the same rules: a full collection
before each measurement and no collector during it, unless the work asks for the collector. They
take turns, and who begins changes with every round, so that a machine that gets slower or faster
does so for all.
"""

from __future__ import annotations

import asyncio
import gc
import inspect
import statistics
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from time import perf_counter
from typing import Any

ATTEMPTS = 3
"""How often a benchmark is run before a budget counts as exceeded."""
TOLERANCE = 2.0
"""How many times its budget a ratio may be in the short form, which runs on noisy machines too."""


@dataclass(frozen=True, slots=True)
class Peer:
    """Another library that does the same work."""

    name: str
    """What it is called."""
    items: int
    """How many items it does, which may be fewer; times are given for one of them."""
    do: Callable[[], Any]
    """Does the work. May return a coroutine."""
    rounds: int = 3
    """In how many of the rounds it takes part."""


@dataclass(frozen=True, slots=True)
class Work:
    """Something that is done in two ways and timed."""

    name: str
    """What it is, as the table says it."""
    items: int
    """How many items it consists of; times are given for one of them."""
    floor: Callable[[], Any]
    """Does it without Cascade. May return a coroutine, which is run and timed as well."""
    cascade: Callable[[], Any]
    """Does it with Cascade, in the same form. What it returns must equal the floor's result."""
    budget: float | None = None
    """The largest ratio to the floor that is accepted; None: it is only reported."""
    rounds: int = 5
    """How often each side is measured."""
    collector: bool = False
    """Whether the cyclic collector stays on during the measurements."""
    peers: Sequence[Peer] = ()
    """Who else does it."""
    loop: Callable[[], asyncio.AbstractEventLoop] | None = None
    """Makes the event loop; None: that of asyncio."""


@dataclass(frozen=True, slots=True)
class Sample:
    """What several measurements of one thing have in common."""

    median: float
    """The middle one."""
    best: float
    """The smallest."""
    spread: float
    """The largest minus the smallest, as a share of the median."""

    @classmethod
    def of(cls, values: Sequence[float]) -> Sample:
        """Sum up at least one measurement."""
        median = statistics.median(values)
        spread = (max(values) - min(values)) / median if median else 0.0
        return cls(median, min(values), spread)


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table."""

    name: str
    """What was measured."""
    items: int
    """How many items of it there were."""
    unit: str
    """What the two samples count, for one item."""
    floor: Sample
    """The floor's measurements."""
    cascade: Sample
    """Cascade's measurements."""
    ratio: float
    """Cascade's figure as a multiple of the floor's."""
    budget: str = ""
    """What is accepted, in words; empty if the row is only reported."""
    exceeded: bool = False
    """Whether it is more than that."""
    peers: tuple[tuple[str, int, Sample, float], ...] = ()
    """Of each peer its name, its number of items, its measurements, and their ratio to the
    floor's."""


Benchmark = Callable[[bool], Iterable[Row]]
"""Measures a few related works; the argument says whether the short form is wanted."""


def measure(work: Work, quick: bool = False) -> Row:
    """Time all sides of a work and compare their medians, in microseconds for an item.

    Args:
        work: what is done.
        quick: the short form: no peers, and twice the budget is accepted.

    Raises:
        RuntimeError: the two sides don't come to the same result.
    """
    floors: list[float] = []
    ours: list[float] = []
    peers: Sequence[Peer] = () if quick else work.peers
    others: dict[str, list[float]] = {peer.name: [] for peer in peers}
    with asyncio.Runner(loop_factory=work.loop) as runner:
        for turn in range(work.rounds):
            sides = [(work.floor, floors), (work.cascade, ours)]
            results = []
            for do, seconds in sides if turn % 2 == 0 else reversed(sides):
                results.append(_timed(runner, do, seconds, work.collector))
            if results[0] != results[1]:
                raise RuntimeError(
                    f"{work.name}: the two sides differ, {results[0]!r} and {results[1]!r}"
                )
            del results
            for peer in peers:
                if turn < peer.rounds:
                    _timed(runner, peer.do, others[peer.name], work.collector)
    scale = 1e6 / work.items
    floor = Sample.of([seconds * scale for seconds in floors])
    cascade = Sample.of([seconds * scale for seconds in ours])
    ratio = cascade.median / floor.median
    found = []
    for peer in peers:
        if others[peer.name]:
            sample = Sample.of([seconds * 1e6 / peer.items for seconds in others[peer.name]])
            found.append((peer.name, peer.items, sample, sample.median / floor.median))
    budget, exceeded = "", False
    if work.budget is not None:
        accepted = work.budget * TOLERANCE if quick else work.budget
        budget = f"≤ {work.budget:g} ×"
        exceeded = ratio > accepted
    return Row(work.name, work.items, "µs", floor, cascade, ratio, budget, exceeded, tuple(found))


def settle(benchmark: Benchmark, quick: bool, attempts: int = ATTEMPTS) -> list[tuple[Row, int]]:
    """Run a benchmark, again if a budget was exceeded, and return rows and attempts needed.

    A row is taken from the first attempt in which it kept its budget, or else from the last one.
    """
    settled: dict[str, tuple[Row, int]] = {}
    for attempt in range(1, attempts + 1):
        for row in benchmark(quick):
            known = settled.get(row.name)
            if known is None or known[0].exceeded:
                settled[row.name] = row, attempt
        if not any(row.exceeded for row, _ in settled.values()):
            break
    return list(settled.values())


@contextmanager
def collector(on: bool) -> Iterator[None]:
    """Collect everything, then switch the collector on or off; put it back afterwards."""
    was_on = gc.isenabled()
    gc.collect()
    if on:
        gc.enable()
    else:
        gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
        else:
            gc.disable()


def _timed(
    runner: asyncio.Runner, do: Callable[[], Any], seconds: list[float], collect: bool
) -> Any:
    with collector(collect):
        began = perf_counter()
        result = do()
        if inspect.iscoroutine(result):
            result = runner.run(result)
        seconds.append(perf_counter() - began)
    return result
