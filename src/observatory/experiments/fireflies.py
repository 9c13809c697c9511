"""Fireflies: the experiment itself. Every agent has an engine; one manager holds the limit."""

from __future__ import annotations

import asyncio
import gc
import random
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from time import monotonic
from typing import Any

import cascade as cs
from cascade.connectors.local import LocalBroker, LocalBusConnector
from cascade.ports import Connector
from cascade.runtime.timers import wait_until
from observatory.agents.kuramoto import firefly_agent
from observatory.agents.nudge import Nudge
from observatory.experiments.config import FirefliesConfig
from observatory.experiments.recorder import Recorder, Summary
from observatory.experiments.until_first import until_first
from observatory.monitors.aggregator import MetricsAggregator
from observatory.networking.direct_channel import DirectChannel
from observatory.networking.topology import moore_neighbors
from observatory.ticks import Ticks

SAMPLES_PER_PERIOD = 10
"""How often the slots in use are sampled."""
RECENT_FLASHES = 10_000
"""Of how many flashes at most the lateness at a moment speaks."""
SLOT = "cpu_slot"
"""The resource that a limit is on."""


@dataclass(frozen=True, slots=True)
class Moment:
    """What can be seen of a running experiment at one instant."""

    time: float
    """Seconds since the start, on the loop's clock."""
    order_parameter: float
    """R of the phases of all agents."""
    alight: float
    """The share of agents whose flash is still seen."""
    flashes: int
    """How many flashes there were so far."""
    active: int | None
    """Slots in use; None without a limit."""
    waiting: int | None
    """Agents that wait for a slot; None without a limit."""
    lateness_p99: float | None
    """Flash sent minus flash due, in seconds: what 99 % of the latest flashes don't exceed; of as
    many flashes as there are agents, but 10,000 at most. None while there were no flashes."""


View = Callable[["Fireflies"], Coroutine[Any, Any, None]]
"""Shows an experiment that is under way; when it returns, the experiment ends."""


class Fireflies:
    """One experiment, from its settings to its summary.

    Args:
        config: the settings.
        log: where lateness, order parameter and slots are logged, if anywhere; open already.
        connector: where flashes are told, and live rules (``cascade/constraints/<id>``) come from;
            by default a broker of the experiment's own.
        watch: is called with a `Moment` every `watch_interval` seconds of the loop's clock.
        watch_interval: seconds between two such calls.
        view: runs beside the agents; when it returns, the experiment ends in order.
        keep_flashes: keep every flash in `recorder.flashes`.
        draw: gives each agent its initial phase, between two bounds, in agent order; by default
            ``random.Random(seed).uniform``.
    """

    def __init__(
        self,
        config: FirefliesConfig,
        *,
        log: MetricsAggregator | None = None,
        connector: Connector | None = None,
        watch: Callable[[Moment], None] | None = None,
        watch_interval: float = 1.0,
        view: View | None = None,
        keep_flashes: bool = False,
        draw: Callable[[float, float], float] | None = None,
    ) -> None:
        self.config = config
        """The settings."""
        self.manager = cs.ResourceManager()
        """The one manager of all agents."""
        self.nudge = Nudge(config.nudge)
        """What all agents are nudged by; it may be changed while they run."""
        if config.limit is not None:
            self.manager.set_capacity({SLOT: config.limit})
        self.recorder: Recorder | None = None
        """What the agents have told; None before the start."""
        # At full synchrony everybody flashes at once: the queue of an observer must hold that.
        self._broker = LocalBroker(queue_size=max(1000, 4 * config.num_agents))
        self._connector = LocalBusConnector(self._broker) if connector is None else connector
        self._log = log
        self._watch = watch
        self._watch_interval = watch_interval
        self._view = view
        self._keep_flashes = keep_flashes
        self._draw = draw
        self._channels = [DirectChannel(owner_id=agent) for agent in range(config.num_agents)]
        self._loop: asyncio.AbstractEventLoop | None = None
        self._start = self._now = 0.0
        self._used_samples: list[float] = []
        self._began = self._ended = 0.0
        self._virtual = False

    async def run(self) -> Summary:
        """Run the experiment to its end and return the summary.

        Cancelled, it stops all agents before it raises; `summary()` then tells how far it came.

        Raises:
            BaseException: what an agent raised, with a note that names it.
        """
        await self._connector.connect()
        rules = cs.Engine(resource_manager=self.manager).constraint_manager
        try:
            await rules.attach(self._connector)
            try:
                await self._run_connected()
            finally:
                await rules.detach(self._connector)
        finally:
            await self._connector.disconnect()
        return self.summary()

    async def _run_connected(self) -> None:
        config = self.config
        self._loop = loop = asyncio.get_running_loop()
        self._virtual = getattr(loop, "virtual", False)
        self._began = monotonic()
        self._start = start = loop.time() + (0.0 if self._virtual else lead(config.num_agents))
        draw = self._draw or random.Random(config.seed).uniform
        phases = [draw(0, config.period) for _ in range(config.num_agents)]
        due = [start + (config.period - phase) for phase in phases]
        self.recorder = Recorder(
            list(due), config.period, start, start + config.duration, self._log, self._keep_flashes
        )
        whole = False
        try:
            with _collector_off():
                end = loop.create_task(wait_until(start + config.duration), name="end")
                others = [loop.create_task(self._sample(self.recorder), name="sampler")]
                if self._watch is not None:
                    others.append(loop.create_task(self._show(), name="watcher"))
                if self._view is not None:
                    others.append(loop.create_task(self._view(self), name="view"))
                if self._log is not None:
                    others.append(loop.create_task(self._log.run(), name="log"))
                others += [
                    loop.create_task(self._live(agent, phases[agent], due[agent], self.recorder))
                    for agent in range(config.num_agents)
                ]
                await until_first([*others, end])
            whole = not end.cancelled()
        finally:
            # A timer may go off a little early, and a whole run is to be as long as it was to be.
            over = start + config.duration
            self._now = over if whole else max(start, min(loop.time(), over))
            self._ended = monotonic()
            self._loop = None

    def _live(
        self, agent: int, phase: float, due: float, recorder: Recorder
    ) -> Coroutine[Any, Any, Any]:
        """Return the life of one agent: in an engine of its own, under the limit of all."""
        config = self.config
        width, height = config.shape
        workflow = firefly_agent(
            agent_id=agent,
            initial_phase=phase,
            period=config.period,
            nudge=self.nudge,
            neighbors=[self._channels[other] for other in moore_neighbors(agent, width, height)],
            my_channel=self._channels[agent],
            connector=self._connector,
            refractory_period=config.deaf_for,
            due=due,
            probe=recorder,
            awake=config.limit_holds == "awake",
        )
        if config.limit is not None:
            workflow = workflow.with_constraints(**{SLOT: 1})
        engine = cs.Engine(resource_manager=self.manager)
        return engine.run(workflow, use_vm=True)

    async def _sample(self, recorder: Recorder) -> None:
        """Sample the slots in use, and R at the end of every period."""
        config = self.config
        ticks = Ticks(self._start, config.period, SAMPLES_PER_PERIOD)
        periods = 0
        while True:
            now = await ticks.next()
            if config.limit is not None:
                slots = self.manager.statistics().resources[SLOT]
                self._used_samples.append(slots.used)
                if self._log is not None:
                    self._log.record_nowait("slots.used", slots.used)
                    self._log.record_nowait("slots.waiting", slots.waiting)
            if ticks.count // SAMPLES_PER_PERIOD > periods:
                periods = ticks.count // SAMPLES_PER_PERIOD
                order = recorder.order_parameter(now)
                recorder.order_parameters.append(order)
                if self._log is not None:
                    self._log.record_nowait("order_parameter", order)

    async def _show(self) -> None:
        assert self._watch is not None
        ticks = Ticks(self._start, self._watch_interval)
        while True:
            self._watch(self.moment(await ticks.next()))

    def moment(self, now: float) -> Moment:
        """Return what can be seen at a time.

        Args:
            now: the time, in seconds on the loop's clock: the present or the recent past.

        Raises:
            RuntimeError: the experiment hasn't begun.
        """
        recorder, config = self._begun(), self.config
        active = waiting = None
        if config.limit is not None:
            slots = self.manager.statistics().resources[SLOT]
            active, waiting = int(slots.used), slots.waiting
        return Moment(
            time=max(0.0, now - self._start),
            order_parameter=recorder.order_parameter(now),
            alight=recorder.alight(now, config.decay_duty_cycle * config.period),
            flashes=recorder.count,
            active=active,
            waiting=waiting,
            lateness_p99=recorder.recent_lateness(min(config.num_agents, RECENT_FLASHES)),
        )

    def _begun(self) -> Recorder:
        if self.recorder is None:
            raise RuntimeError("the experiment hasn't begun: nothing is recorded yet")
        return self.recorder

    def summary(self) -> Summary:
        """Return what came out so far.

        Raises:
            RuntimeError: the experiment hasn't begun.
        """
        recorder, config = self._begun(), self.config
        now, ended = self._now, self._ended
        if self._loop is not None:  # it is under way
            now = max(self._start, min(self._loop.time(), self._start + config.duration))
            ended = monotonic()
        width, height = config.shape
        orders = recorder.order_parameters
        active: dict[str, float | None] = {"max": None, "mean": None}
        if config.limit is not None:
            samples = self._used_samples
            active["max"] = int(self.manager.statistics().resources[SLOT].peak)
            active["mean"] = sum(samples) / len(samples) if samples else None
        return Summary(
            agents=config.num_agents,
            width=width,
            height=height,
            period=config.period,
            nudge=config.nudge,
            limit=config.limit,
            seed=config.seed,
            time="virtual" if self._virtual else "real",
            duration=now - self._start,
            elapsed=ended - self._began,
            flashes=recorder.count,
            missed=recorder.missed,
            pulses=recorder.count // config.num_agents,
            order_parameter={
                "first": orders[0] if orders else None,
                "last": recorder.order_parameter(now),
                "max": max(orders) if orders else None,
            },
            active=active,
            steps={
                "total": sum(recorder.steps),
                "min_per_agent": min(recorder.steps),
                "max_per_agent": max(recorder.steps),
            },
            lateness_s=recorder.lateness_summary(),
            dropped=sum(channel.dropped for channel in self._channels) + self._broker.dropped,
            digest=recorder.digest,
        )


def lead(agents: int) -> float:
    """Return how many seconds before the start agents are made, on real time.

    So that the first to flash aren't late because the last are still being made.
    """
    return 100e-6 * agents


@contextmanager
def _collector_off() -> Iterator[None]:
    """Freeze and disable the cyclic collector, and put it back as it was.

    Agents make no cycles, so it would never find anything, and its pauses are the main source of
    lateness.
    """
    enabled = gc.isenabled()
    # What somebody else has frozen must stay frozen, and can't be told from what is added.
    freezing = not gc.get_freeze_count()
    gc.collect()
    if freezing:
        gc.freeze()
    gc.disable()
    try:
        yield
    finally:
        if freezing:
            gc.unfreeze()
        if enabled:
            gc.enable()
