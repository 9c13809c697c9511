"""Fireflies: the experiment itself. Every agent has an engine; one manager holds the limit."""

from __future__ import annotations

import asyncio
import os
import random
from array import array
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any

import cascade as cs
from cascade.connectors.local import LocalBroker, LocalBusConnector
from cascade.ports import Connector
from cascade.runtime.timers import wait_until
from observatory.agents.kuramoto import firefly_agent
from observatory.agents.nudge import Nudge
from observatory.experiments import recording
from observatory.experiments.collector import collector_off
from observatory.experiments.config import FirefliesConfig
from observatory.experiments.experiment import Experiment
from observatory.experiments.moment import Moment
from observatory.experiments.recorder import Recorder, Summary
from observatory.experiments.strict import until_too_late
from observatory.monitors.aggregator import MetricsAggregator
from observatory.networking.direct_channel import DirectChannel
from observatory.networking.topology import neighborhoods
from observatory.order import local_order
from observatory.ticks import Ticks

if TYPE_CHECKING:
    from observatory.records.writer import RecordWriter

__all__ = ["SLOT", "Fireflies", "Moment", "View", "lead"]

SAMPLES_PER_PERIOD = 10
"""How often the slots in use are sampled."""
RECENT_FLASHES = 10_000
"""Of how many flashes at most the lateness at a moment speaks."""
SLOT = "cpu_slot"
"""The resource that a limit is on."""


View = Callable[["Fireflies"], Coroutine[Any, Any, None]]
"""Shows an experiment that is under way; when it returns, the experiment ends."""


class Fireflies(Experiment[Summary]):
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
        record: a file for a record of the run (see `observatory.records`), if one is wanted.
        strict: end the run when on real time p99 of the lateness of the latest flashes is larger
            than so many seconds; it is looked at each second.
        control: by what the agents can be seen and steered from another terminal, such as a
            `cascade.control.LocalControl`. An agent that is cancelled is gone, the others go on.
        draw: gives each agent its initial phase, between two bounds, in agent order; by default
            ``random.Random(seed).uniform``.

    Raises:
        ValueError: agents don't know the model.
    """

    steerable = True
    """Whether what it is told while it runs has an effect: rules, a new limit, a new nudge."""

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
        record: str | os.PathLike[str] | None = None,
        strict: float | None = None,
        control: Connector | None = None,
        draw: Callable[[float, float], float] | None = None,
    ) -> None:
        self.check_config(config)
        super().__init__(view)
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
        self._keep_flashes = keep_flashes
        self._file = record
        self._record: RecordWriter | None = None
        self._strict = strict
        self._control = control
        self._draw = draw
        self._phases = array("d")
        self._channels: list[DirectChannel] = []
        self._used_samples: list[float] = []

    @staticmethod
    def check_config(config: FirefliesConfig) -> None:
        """Raise ValueError if settings are for something else than agents."""
        if config.model == "kuramoto":
            raise ValueError(
                "model must be fixed or mirollo-strogatz with agents (kuramoto needs "
                "--engine reference), got 'kuramoto'"
            )

    async def run(self) -> Summary:
        """Run the experiment to its end and return the summary.

        Cancelled, it stops all agents before it raises; `summary()` then tells how far it came.

        Raises:
            OSError: the record can't be written.
            MissingExtraError: a record is wanted, and pyarrow isn't installed.
            TooLateError: lateness has passed what `strict` allows.
            BaseException: what an agent raised, with a note that names it.
        """
        async with AsyncExitStack() as stack:
            for connector in (self._connector, self._control):
                if connector is not None:
                    await self._obey(connector, stack)
            # Both take a while, so both come before the start.
            with recording.opened(self._file) as self._record, collector_off():
                return await super().run()

    async def _obey(self, connector: Connector, stack: AsyncExitStack) -> None:
        """Obey the rules that come over a connector, until the end of a block."""
        rules = cs.Engine(resource_manager=self.manager).constraint_manager
        await connector.connect()
        stack.push_async_callback(connector.disconnect)
        await rules.attach(connector)
        stack.push_async_callback(rules.detach, connector)

    def _lead(self) -> float:
        return lead(self.config.num_agents)

    def _begin(self, loop: asyncio.AbstractEventLoop) -> None:
        config, start = self.config, self._start
        self._over = start + config.duration
        draw = self._draw or random.Random(config.seed).uniform
        self._phases.extend(draw(0, config.period) for _ in range(config.num_agents))
        if self._record is not None:
            recording.begin(self._record, config, start, self.clock)
        self.recorder = self._make_recorder([start + (config.period - p) for p in self._phases])

    def _make_recorder(self, due: Sequence[float]) -> Recorder:
        return Recorder(
            due,
            self.config.period,
            self._start,
            self._over,
            self._log,
            self._keep_flashes,
            self._record,
        )

    async def _end(self) -> None:
        await wait_until(self._over)

    def _companions(self) -> Iterator[tuple[str, Coroutine[Any, Any, Any]]]:
        yield "sampler", self._sample(self._begun())
        if self._watch is not None:
            yield "watcher", self._show(self._watch)
        yield from super()._companions()
        if self._log is not None:
            yield "log", self._log.run()
        if self._strict is not None and not self._virtual:
            yield "strict", until_too_late(self._start, self._strict, self._lateness)

    def _lives(self) -> Iterator[Coroutine[Any, Any, Any]]:
        config, recorder = self.config, self._begun()
        hearers = neighborhoods(config.topology, config.num_agents)
        # Each neighbour flashes at most twice while an agent is deaf.
        room = max(100, 2 * len(hearers[0]))
        self._channels = [
            DirectChannel(owner_id=agent, capacity=room) for agent in range(config.num_agents)
        ]
        everybody = tuple(self._channels) if config.topology == "complete" else None
        for agent, others in enumerate(hearers):
            neighbors = everybody or [self._channels[other] for other in others]
            yield self._live(agent, neighbors, recorder)

    def _live(
        self, agent: int, neighbors: Sequence[DirectChannel], recorder: Recorder
    ) -> Coroutine[Any, Any, Any]:
        """Return the life of one agent: in an engine of its own, under the limit of all."""
        config = self.config
        workflow = firefly_agent(
            agent_id=agent,
            initial_phase=self._phases[agent],
            period=config.period,
            nudge=self.nudge,
            neighbors=neighbors,
            my_channel=self._channels[agent],
            connector=self._connector,
            refractory_period=config.deaf_for,
            due=recorder.due[agent],
            probe=recorder,
            awake=config.limit_holds == "awake",
            dissipation=config.concavity,
        )
        if config.limit is not None:
            workflow = workflow.with_constraints(**{SLOT: 1})
        if self._control is None:
            return cs.Engine(resource_manager=self.manager).run(workflow, use_vm=True)
        engine = cs.Engine(resource_manager=self.manager, name=f"agent-{agent}")
        return self._cancellable(engine.run(workflow, use_vm=True))

    async def _cancellable(self, life: Coroutine[Any, Any, Any]) -> None:
        """Let an agent live; one that is cancelled from outside is gone, and nothing else ends."""
        try:
            await life
        except cs.errors.RunCancelledError:
            await asyncio.get_running_loop().create_future()  # until the experiment ends

    async def _sample(self, recorder: Recorder) -> None:
        """Sample the slots in use, and R at the end of every period; all of it for a record."""
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
            if self._record is not None:
                moment = self.moment(now)
                turns = recorder.turns(now).reshape(config.shape[::-1])
                recording.keep(self._record, moment, float(local_order(turns).mean()))
            if ticks.count // SAMPLES_PER_PERIOD > periods:
                periods = ticks.count // SAMPLES_PER_PERIOD
                self._pass_time(now)
                order = recorder.order_parameter(now)
                recorder.order_parameters.append(order)
                if self._log is not None:
                    self._log.record_nowait("order_parameter", order)

    async def _show(self, watch: Callable[[Moment], None]) -> None:
        ticks = Ticks(self._start, self._watch_interval)
        while True:
            watch(self.moment(await ticks.next()))

    def moment(self, now: float) -> Moment:
        """Return what can be seen at a time.

        Args:
            now: the time, in seconds on the loop's clock: the present or the recent past.

        Raises:
            RuntimeError: the experiment hasn't begun.
        """
        recorder, config = self._begun(), self.config
        self._pass_time(now)
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
            lateness_p99=self._lateness(),
        )

    def _lateness(self) -> float | None:
        """Return p99 of the lateness of the latest flashes, in seconds."""
        return self._begun().recent_lateness(min(self.config.num_agents, RECENT_FLASHES))

    def _begun(self) -> Recorder:
        if self.recorder is None:
            raise RuntimeError("the experiment hasn't begun: nothing is recorded yet")
        return self.recorder

    def _summary(self, duration: float, elapsed: float) -> Summary:
        recorder, config = self._begun(), self.config
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
            time=self.clock,
            duration=duration,
            elapsed=elapsed,
            flashes=recorder.count,
            missed=recorder.missed,
            pulses=recorder.count // config.num_agents,
            order_parameter={
                "first": orders[0] if orders else None,
                "last": recorder.order_parameter(self._now),
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
            topology=config.topology,
            model=config.model,
        )


def lead(agents: int) -> float:
    """Return how many seconds before the start agents are made, on real time.

    So that the first to flash aren't late because the last are still being made.
    """
    return 100e-6 * agents
