"""Fireflies: the experiment itself. Every agent has an engine; one manager holds the limit."""

from __future__ import annotations

import asyncio
import gc
import os
import random
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import AbstractContextManager, AsyncExitStack, contextmanager, nullcontext
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from time import monotonic
from typing import TYPE_CHECKING, Any

import cascade as cs
from cascade.connectors.local import LocalBroker, LocalBusConnector
from cascade.ports import Connector
from cascade.runtime.timers import wait_until
from observatory.agents.kuramoto import firefly_agent
from observatory.agents.nudge import Nudge
from observatory.experiments.config import FirefliesConfig
from observatory.experiments.recorder import Recorder, Summary
from observatory.experiments.strict import until_too_late
from observatory.experiments.until_first import until_first
from observatory.monitors.aggregator import MetricsAggregator
from observatory.networking.direct_channel import DirectChannel
from observatory.networking.topology import neighborhoods
from observatory.order import local_order
from observatory.ticks import Ticks

if TYPE_CHECKING:
    from observatory.records.writer import RecordWriter

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
    local_order: float | None = None
    """The mean over all agents of the order parameter of each and those around it in the picture
    (see `observatory.order.local_order`); None where nobody asked."""


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
        self._check_config(config)
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
        self._record = record
        self._strict = strict
        self._control = control
        self._draw = draw
        self._channels: list[DirectChannel] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        self._start = self._now = 0.0
        self._used_samples: list[float] = []
        self._began = self._ended = 0.0
        self._virtual = False

    def _check_config(self, config: FirefliesConfig) -> None:
        """Raise if settings are for something else than agents."""
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
            with self._open_record() as record, _collector_off():
                await self._run_connected(record)
        return self.summary()

    async def _obey(self, connector: Connector, stack: AsyncExitStack) -> None:
        """Obey the rules that come over a connector, until the end of a block."""
        rules = cs.Engine(resource_manager=self.manager).constraint_manager
        await connector.connect()
        stack.push_async_callback(connector.disconnect)
        await rules.attach(connector)
        stack.push_async_callback(rules.detach, connector)

    def _open_record(self) -> AbstractContextManager[RecordWriter | None]:
        if self._record is None:
            return nullcontext()
        # Only now, as it takes a while, and not everybody has it.
        from observatory.records.writer import RecordWriter

        return RecordWriter(self._record)

    def _begin_record(self, record: RecordWriter) -> None:
        from observatory.records.format import Header

        config = self.config
        width, height = config.shape
        record.begin(
            Header(
                agents=config.num_agents,
                width=width,
                height=height,
                period=config.period,
                duration=config.duration,
                seed=config.seed,
                clock="virtual" if self._virtual else "real",
                start=self._start,
                started=None if self._virtual else datetime.now(UTC).isoformat(timespec="seconds"),
                settings=asdict(config),
            )
        )

    async def _run_connected(self, record: RecordWriter | None) -> None:
        config = self.config
        self._loop = loop = asyncio.get_running_loop()
        self._virtual = getattr(loop, "virtual", False)
        self._began = monotonic()
        self._start = start = loop.time() + (0.0 if self._virtual else lead(config.num_agents))
        draw = self._draw or random.Random(config.seed).uniform
        phases = [draw(0, config.period) for _ in range(config.num_agents)]
        due = [start + (config.period - phase) for phase in phases]
        if record is not None:
            self._begin_record(record)
        self.recorder = self._make_recorder(due, record)
        whole = False
        try:
            end = loop.create_task(wait_until(start + config.duration), name="end")
            others = [loop.create_task(self._sample(self.recorder, record), name="sampler")]
            if self._watch is not None:
                others.append(loop.create_task(self._show(), name="watcher"))
            if self._view is not None:
                others.append(loop.create_task(self._view(self), name="view"))
            if self._log is not None:
                others.append(loop.create_task(self._log.run(), name="log"))
            if self._strict is not None and not self._virtual:
                watching = until_too_late(start, self._strict, self._lateness)
                others.append(loop.create_task(watching, name="strict"))
            others += map(loop.create_task, self._lives(phases, due, self.recorder))
            await until_first([*others, end])
            whole = not end.cancelled()
        finally:
            # A timer may go off a little early, and a whole run is to be as long as it was to be.
            over = start + config.duration
            self._now = over if whole else max(start, min(loop.time(), over))
            self._ended = monotonic()
            self._loop = None

    def _make_recorder(self, due: list[float], record: RecordWriter | None) -> Recorder:
        config, start = self.config, self._start
        end = start + config.duration
        return Recorder(due, config.period, start, end, self._log, self._keep_flashes, record)

    def _lives(
        self, phases: list[float], due: list[float], recorder: Recorder
    ) -> Iterator[Coroutine[Any, Any, Any]]:
        """Make the agents: the life of each."""
        config = self.config
        hearers = neighborhoods(config.topology, config.num_agents)
        # Each neighbour flashes at most twice while an agent is deaf.
        room = max(100, 2 * len(hearers[0]))
        self._channels = [
            DirectChannel(owner_id=agent, capacity=room) for agent in range(config.num_agents)
        ]
        everybody = tuple(self._channels) if config.topology == "complete" else None
        for agent, others in enumerate(hearers):
            neighbors = everybody or [self._channels[other] for other in others]
            yield self._live(agent, phases[agent], due[agent], neighbors, recorder)

    def _live(
        self,
        agent: int,
        phase: float,
        due: float,
        neighbors: Sequence[DirectChannel],
        recorder: Recorder,
    ) -> Coroutine[Any, Any, Any]:
        """Return the life of one agent: in an engine of its own, under the limit of all."""
        config = self.config
        workflow = firefly_agent(
            agent_id=agent,
            initial_phase=phase,
            period=config.period,
            nudge=self.nudge,
            neighbors=neighbors,
            my_channel=self._channels[agent],
            connector=self._connector,
            refractory_period=config.deaf_for,
            due=due,
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

    async def _sample(self, recorder: Recorder, record: RecordWriter | None) -> None:
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
            if record is not None:
                self._keep(self.moment(now), record)
            if ticks.count // SAMPLES_PER_PERIOD > periods:
                periods = ticks.count // SAMPLES_PER_PERIOD
                self._advance(now)
                order = recorder.order_parameter(now)
                recorder.order_parameters.append(order)
                if self._log is not None:
                    self._log.record_nowait("order_parameter", order)

    def _keep(self, moment: Moment, record: RecordWriter) -> None:
        record.sample(
            moment.time,
            order_parameter=moment.order_parameter,
            local_order=moment.local_order,
            flashes=moment.flashes,
            active=moment.active,
            waiting=moment.waiting,
            lateness_p99=moment.lateness_p99,
        )

    async def _show(self) -> None:
        assert self._watch is not None
        ticks = Ticks(self._start, self._watch_interval)
        while True:
            self._watch(self.moment(await ticks.next()))

    def _advance(self, now: float) -> None:
        """Bring the recorder up to a time: agents do that by themselves."""

    def moment(self, now: float) -> Moment:
        """Return what can be seen at a time.

        Args:
            now: the time, in seconds on the loop's clock: the present or the recent past.

        Raises:
            RuntimeError: the experiment hasn't begun.
        """
        recorder, config = self._begun(), self.config
        self._advance(now)
        active = waiting = None
        if config.limit is not None:
            slots = self.manager.statistics().resources[SLOT]
            active, waiting = int(slots.used), slots.waiting
        width, height = config.shape
        return Moment(
            time=max(0.0, now - self._start),
            order_parameter=recorder.order_parameter(now),
            alight=recorder.alight(now, config.decay_duty_cycle * config.period),
            flashes=recorder.count,
            active=active,
            waiting=waiting,
            lateness_p99=self._lateness(),
            local_order=float(local_order(recorder.turns(now).reshape(height, width)).mean()),
        )

    def _lateness(self) -> float | None:
        """Return p99 of the lateness of the latest flashes, in seconds."""
        return self._begun().recent_lateness(min(self.config.num_agents, RECENT_FLASHES))

    @property
    def begun(self) -> bool:
        """Whether there is something to tell of."""
        return self.recorder is not None

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
        self._advance(now)
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
            topology=config.topology,
            model=config.model,
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
