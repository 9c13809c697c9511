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

from benchmarks.harness import TOLERANCE as NOISE
from benchmarks.harness import Row, Sample, collector
from observatory.experiments.config import FirefliesConfig
from observatory.experiments.fireflies import Fireflies, lead
from observatory.flashes import Flash
from observatory.networking.topology import moore_neighbors

TOLERANCE = 1e-9
LATENESS = 2.0
"""How many times the bare agents' p99 is accepted."""
SLACK = 2.0
"""Milliseconds that the short form, with its one round, allows on top of that."""
PROCESSOR = 1.6
"""How many times the bare agents' processor time is accepted."""
PUNCTUAL = 100.0
"""Below how many milliseconds p99 has to stay, for the largest number of agents."""
LARGEST = 0.6
"""What share of the largest number of bare agents is accepted."""


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


def same(low: float, high: float) -> float:
    """Stand for a random number: the middle."""
    return (low + high) / 2


def _wake(inbox: asyncio.Future[bool], expired: bool) -> None:
    if not inbox.done():
        inbox.set_result(expired)


class BareWorld:
    """All agents, and what they did."""

    def __init__(self, config: FirefliesConfig, together: bool = False) -> None:
        self.config = config
        self.together = together
        self.flashes: list[Flash] = []
        self.lateness = array("d")
        self._start = self._end = 0.0

    async def run(self) -> None:
        """Let the agents live for the configured time."""
        config = self.config
        loop = asyncio.get_running_loop()
        virtual = getattr(loop, "virtual", False)
        self._start = start = loop.time() + (0.0 if virtual else lead(config.num_agents))
        self._end = start + config.duration
        draw = same if self.together else random.Random(config.seed).uniform
        agents = [
            BareFirefly(self, number, start + (config.period - draw(0, config.period)))
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
                await _end_after(self._end - loop.time(), tasks)
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


def bare(config: FirefliesConfig, together: bool = False) -> Outcome:
    """Run the hand-written agents; all with one phase, if they are to flash together."""
    world = BareWorld(config, together)
    used = processor_time(world.run)
    late = sorted(world.lateness)
    p50, p99 = (late[math.ceil(share * len(late)) - 1] for share in (0.5, 0.99))
    return _outcome(p50, p99, late[-1], used, config.duration, len(late))


def with_engines(config: FirefliesConfig, together: bool = False) -> Outcome:
    """Run the experiment as it is; all agents with one phase, if they are to flash together."""
    experiment = Fireflies(config, draw=same if together else None)
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
    """Run both worlds in turn: a small one once for 8 s each, or a large one twice for 20 s."""
    if quick:
        config = FirefliesConfig(duration=8.0)
    else:
        config = FirefliesConfig(num_agents=10_000, duration=20.0)
    floors: list[Outcome] = []
    ours: list[Outcome] = []
    for _ in range(1 if quick else 2):
        floors.append(bare(config))
        ours.append(with_engines(config))
    flashes = ours[0].flashes
    accepted, slack = (NOISE, SLACK) if quick else (1.0, 0.0)

    def row(name: str, unit: str, figure: Callable[[Outcome], float]) -> Row:
        floor, cascade = (Sample.of([figure(one) for one in side]) for side in (floors, ours))
        name = f"fireflies, {config.num_agents:,} for {config.duration:g} s, {name}"
        return Row(name, flashes, unit, floor, cascade, cascade.best / floor.best)

    yield row("late: p50", "ms", lambda outcome: outcome.p50)
    p99 = row("late: p99", "ms", lambda outcome: outcome.p99)
    limit = accepted * LATENESS * p99.floor.best + slack
    yield replace(p99, budget=f"≤ {LATENESS:g} ×", exceeded=p99.cascade.best > limit)
    yield row("late: max", "ms", lambda outcome: outcome.latest)
    core = row("processor", "% of a core", lambda outcome: outcome.core)
    exceeded = core.ratio > accepted * PROCESSOR
    yield replace(core, budget=f"≤ {PROCESSOR:g} ×", exceeded=exceeded)


def synchronous(quick: bool) -> Iterable[Row]:
    """Let all flash at once: how late the last one is. Only in the long form."""
    if quick:
        return
    config = FirefliesConfig(num_agents=10_000, duration=11.0, nudge=0.0)
    floor, ours = bare(config, together=True), with_engines(config, together=True)
    for name in ("p50", "p99", "latest"):
        bare_one, cascade = (Sample.of([getattr(one, name)]) for one in (floor, ours))
        yield Row(
            f"fireflies, {config.num_agents:,} that all flash at once, late: {name}",
            ours.flashes,
            "ms",
            bare_one,
            cascade,
            cascade.best / bare_one.best,
        )


def largest(quick: bool) -> Iterable[Row]:
    """Look for the largest world of which p99 stays below 100 ms. Only in the long form."""
    if quick:
        return

    def most(run: Callable[[FirefliesConfig], Outcome]) -> float:
        good, step = 10_000, 1.6
        for _ in range(7):
            tried = round(good * step / 100) * 100
            if run(FirefliesConfig(num_agents=tried, duration=6.0)).p99 < PUNCTUAL:
                good = tried
            else:
                step **= 0.5
        return good

    floor, ours = most(bare), most(with_engines)
    yield Row(
        "largest number of agents with p99 below 100 ms",
        round(ours),
        "agents",
        Sample.of([floor]),
        Sample.of([ours]),
        ours / floor,
        f"≥ {LARGEST:g} ×",
        ours / floor < LARGEST,
    )
