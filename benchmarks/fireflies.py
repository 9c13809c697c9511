"""Fireflies in real time: how late flashes are, beside the same protocol in bare asyncio.

The bare agents keep to the model of `observatory.agents.kuramoto` with the least that can do it: a
task, and for each wait one future and one timer. Both worlds have the same seed, the same loop,
and the cyclic collector frozen and off.
"""

from __future__ import annotations

import asyncio
import gc
import math
import random
from array import array
from collections.abc import Callable, Coroutine, Iterable
from dataclasses import dataclass, replace
from time import process_time
from typing import Any

from benchmarks.harness import Row, Sample, collector
from observatory.experiments.config import FirefliesConfig
from observatory.experiments.fireflies import Fireflies, lead
from observatory.flashes import Flash
from observatory.networking.topology import moore_neighbors

TOLERANCE = 1e-9
TIMES_BARE = 3.0
"""How many times the bare agents' p99 is accepted."""
SLACK = 2.0
"""Milliseconds that the short form, with its one round, allows on top of that."""
CORE_SHARE = 50.0
"""Per cent of a core that the agents may use."""


class BareFirefly:
    """One agent without Cascade."""

    __slots__ = ("due", "heard", "inbox", "neighbors", "number", "world")

    def __init__(self, world: BareWorld, number: int, due: float) -> None:
        self.world = world
        self.number = number
        self.due = due
        self.heard: list[float] = []
        self.inbox: asyncio.Future[bool] | None = None
        self.neighbors: list[BareFirefly] = []

    async def live(self) -> None:
        """Wait for a flash or for its own time, act on it, and so on."""
        loop = asyncio.get_running_loop()
        nudge = self.world.config.nudge
        while True:
            self.inbox = inbox = loop.create_future()
            timer = loop.call_at(self.due, _wake, inbox, True)
            expired = await inbox
            timer.cancel()
            self.inbox = None
            if expired:
                self.flash(self.due)
            heard, self.heard = self.heard, []
            for time in heard:
                if self.due <= time:
                    self.flash(self.due)
                if self.hears(time):
                    self.due -= nudge
                    if self.due <= time:
                        self.flash(time)

    def hears(self, time: float) -> bool:
        """Whether a flash of that time falls outside the refractory period."""
        config = self.world.config
        return config.period - (self.due - time) >= config.deaf_for - TOLERANCE

    def flash(self, time: float) -> None:
        """Send the flash that was due at `time`."""
        self.world.flashed(self.number, time)
        self.due = time + self.world.config.period
        for other in self.neighbors:
            if other.hears(time):
                other.heard.append(time)
                if other.inbox is not None:
                    _wake(other.inbox, False)


async def _end_after(duration: float, tasks: list[asyncio.Task[None]]) -> None:
    """Cancel the tasks after a time, in seconds; raise what one of them has raised by itself."""
    await asyncio.sleep(duration)
    for task in tasks:
        task.cancel()
    for outcome in await asyncio.gather(*tasks, return_exceptions=True):
        if isinstance(outcome, Exception):
            raise outcome


def _wake(inbox: asyncio.Future[bool], expired: bool) -> None:
    if not inbox.done():
        inbox.set_result(expired)


class BareWorld:
    """All agents, and what they did."""

    def __init__(self, config: FirefliesConfig) -> None:
        self.config = config
        self.flashes: list[Flash] = []
        self.lateness = array("d")
        self._start = self._end = 0.0

    async def run(self) -> None:
        """Let the agents live for the configured time."""
        config = self.config
        loop = asyncio.get_running_loop()
        self._start = start = loop.time() + lead(config.num_agents)
        self._end = start + config.duration
        draw = random.Random(config.seed)
        agents = [
            BareFirefly(self, number, start + (config.period - draw.uniform(0, config.period)))
            for number in range(config.num_agents)
        ]
        width, height = config.shape
        for agent in agents:
            around = moore_neighbors(agent.number, width, height)
            agent.neighbors = [agents[other] for other in around]
        with collector(on=False):
            gc.freeze()
            try:
                tasks = [loop.create_task(agent.live()) for agent in agents]
                await _end_after(config.duration, tasks)
            finally:
                gc.unfreeze()

    def flashed(self, number: int, time: float) -> None:
        """Note a flash that is sent now."""
        if time < self._end:
            self.lateness.append(asyncio.get_running_loop().time() - time)
            self.flashes.append(Flash(number, time - self._start))


@dataclass(frozen=True, slots=True)
class Outcome:
    """How punctual one world was."""

    p50: float
    """Half of the flashes were at most so late, in milliseconds."""
    p99: float
    """99 of 100 flashes were at most so late, in milliseconds."""
    latest: float
    """How late the latest flash was, in milliseconds."""
    core: float
    """Processor time used, in per cent of one core."""
    flashes: int
    """How many flashes there were."""


def bare(config: FirefliesConfig) -> Outcome:
    """Run the hand-written agents."""
    world = BareWorld(config)
    used = processor_time(world.run)
    late = sorted(world.lateness)
    p50, p99 = (late[math.ceil(share * len(late)) - 1] for share in (0.5, 0.99))
    return _outcome(p50, p99, late[-1], used, config.duration, len(late))


def with_engines(config: FirefliesConfig) -> Outcome:
    """Run the experiment as it is."""
    experiment = Fireflies(config)
    used = processor_time(experiment.run)
    summary = experiment.summary()
    p50, p99, latest = (summary.lateness_s[name] or 0.0 for name in ("p50", "p99", "max"))
    return _outcome(p50, p99, latest, used, config.duration, summary.flashes)


def _outcome(
    p50: float, p99: float, latest: float, used: float, duration: float, flashes: int
) -> Outcome:
    return Outcome(p50 * 1e3, p99 * 1e3, latest * 1e3, 100 * used / duration, flashes)


def processor_time(run: Callable[[], Coroutine[Any, Any, Any]]) -> float:
    """Run a coroutine function on uvloop, if there is one; return the processor time in seconds."""
    factory: Callable[[], asyncio.AbstractEventLoop] = asyncio.new_event_loop
    try:
        import uvloop
    except ModuleNotFoundError:  # it isn't made for every platform
        pass
    else:
        factory = uvloop.new_event_loop
    with asyncio.Runner(loop_factory=factory) as runner:
        began = process_time()
        runner.run(run())
        return process_time() - began


def compare(quick: bool) -> Iterable[Row]:
    """Run both worlds in turn: once for 8 s each, or three times for 60 s each."""
    config = FirefliesConfig(duration=8.0 if quick else 60.0)
    floors: list[Outcome] = []
    ours: list[Outcome] = []
    for _ in range(1 if quick else 3):
        floors.append(bare(config))
        ours.append(with_engines(config))
    flashes = ours[0].flashes
    slack = SLACK if quick else 0.0

    def row(name: str, unit: str, figure: Callable[[Outcome], float]) -> Row:
        floor, cascade = (Sample.of([figure(one) for one in side]) for side in (floors, ours))
        name = f"fireflies, {config.num_agents} for {config.duration:g} s, {name}"
        return Row(name, flashes, unit, floor, cascade, cascade.best / floor.best)

    yield row("late: p50", "ms", lambda outcome: outcome.p50)
    p99 = row("late: p99", "ms", lambda outcome: outcome.p99)
    words = f"≤ {TIMES_BARE:g} ×" + (f" + {slack:g} ms" if slack else "")
    yield _limited(p99, words, TIMES_BARE * p99.floor.best + slack)
    yield row("late: max", "ms", lambda outcome: outcome.latest)
    core = row("processor", "% of a core", lambda outcome: outcome.core)
    yield _limited(core, f"≤ {CORE_SHARE:g} %", CORE_SHARE)


def _limited(row: Row, budget: str, limit: float) -> Row:
    return replace(row, budget=budget, exceeded=row.cascade.best > limit)
