"""Conway: Life whose cells are agents, each in an engine of its own, and each step checked."""

from __future__ import annotations

import asyncio
from array import array
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import asdict, dataclass
from typing import Any

import cascade as cs
from observatory.agents.cell import INBOX, Rule, cell_agent, life
from observatory.experiments.conway_config import RANDOM, ConwayConfig
from observatory.experiments.experiment import Experiment
from observatory.experiments.generations import Generations
from observatory.networking.direct_channel import DirectChannel
from observatory.networking.topology import moore_neighbors
from observatory.percentiles import percentiles

SLOT = "cpu_slot"
"""The resource that a limit is on."""
LEAD = 200e-6
"""Seconds of real time for each cell before generation 0: they take a while to start."""


@dataclass(frozen=True, slots=True)
class ConwaySummary:
    """What an experiment was and what came out of it."""

    width: int
    """Cells in a row."""
    height: int
    """Rows."""
    pattern: str
    """What the world began with."""
    density: float | None
    """With which probability a cell lived at first; None if the world wasn't a random one."""
    seed: int | None
    """Where the world came from; None if it wasn't a random one."""
    interval: float
    """Seconds from generation to generation; 0: as fast as it went."""
    limit: int | None
    """How many cells could be at work at the same time; None: all of them."""
    time: str
    """The clock it ran on: "real" or "virtual"."""
    duration: float
    """How long it lasted on that clock, from generation 0 on, in seconds."""
    elapsed: float
    """How long that took in real time, in seconds."""
    generations: dict[str, int]
    """How many were "wanted", and how many were made by all cells and checked: "whole"."""
    steps: int
    """How many states the cells have made; each took a message to each of its neighbours."""
    alive: dict[str, int]
    """Living cells in the "first" generation and in the "last" whole one."""
    step_errors: int
    """States that aren't those of the calculation, in all whole generations."""
    first_error: dict[str, int] | None
    """The "generation" and the "cell" of the first of them, if there is any."""
    drift: dict[str, int | None]
    """How far cells were "apart", in generations, and how far "behind" their times, in whole
    intervals (None without times): see `Generations`."""
    lateness_s: dict[str, float | None]
    """How long after its time a generation was whole, in seconds: nearest-rank percentiles and
    maximum; None without times."""
    active: dict[str, int | None]
    """Slots in use at most; None without a limit."""
    digest: str
    """SHA-256 of all whole generations, a function of the first world and their number."""

    def as_dict(self) -> dict[str, Any]:
        """Return the summary as plain data, ready for JSON."""
        return asdict(self)


View = Callable[["Conway"], Coroutine[Any, Any, None]]
"""Shows an experiment that is under way; when it returns, the experiment ends."""


def channel_of(cell: int) -> DirectChannel:
    """Return the inbox of a cell, one that loses nothing: a full one is an error."""
    return DirectChannel(owner_id=cell, capacity=INBOX, overflow="error")


class Conway(Experiment[ConwaySummary]):
    """One experiment, from its settings to its summary.

    Args:
        config: the settings.
        view: runs beside the agents; when it returns, the experiment ends in order.
        states: where the latest whole generation is kept, as numbers: see `Generations`.
        rule_of: gives each cell its rule; by default Conway's. Another one shows that errors are
            found.
        channel_of: gives each cell its inbox; another one may lose messages.
    """

    def __init__(
        self,
        config: ConwayConfig,
        view: View | None = None,
        states: array[float] | None = None,
        *,
        rule_of: Callable[[int], Rule] = lambda cell: life,
        channel_of: Callable[[int], DirectChannel] = channel_of,
    ) -> None:
        super().__init__(view)
        self.config = config
        """The settings."""
        self.manager = cs.ResourceManager()
        """The one manager of all agents."""
        if config.limit is not None:
            self.manager.set_capacity({SLOT: config.limit})
        self.generations: Generations | None = None
        """What the cells have made; None before the start."""
        self._first = config.first()
        self._channels = [channel_of(cell) for cell in range(config.cells)]
        self._rule_of = rule_of
        self._states = states
        self._all_ended = asyncio.Event()
        self._running = config.cells

    def _lead(self) -> float:
        return LEAD * self.config.cells

    def _begin(self, loop: asyncio.AbstractEventLoop) -> None:
        self.generations = Generations(
            self._first, self._start, self.config.interval, loop.time, self._states
        )

    async def _end(self) -> None:
        await self._all_ended.wait()

    def _lives(self) -> Iterator[Coroutine[Any, Any, Any]]:
        assert self.generations is not None
        for cell, alive in enumerate(self._first.ravel().tolist()):
            yield self._live(cell, alive, self.generations)

    async def _live(self, cell: int, alive: bool, generations: Generations) -> None:
        """Live the life of one cell, then wait until the last one has lived its own."""
        config = self.config
        workflow = cell_agent(
            agent_id=cell,
            alive=alive,
            generations=config.generations,
            neighbors=[
                self._channels[other]
                for other in moore_neighbors(cell, config.width, config.height)
            ],
            my_channel=self._channels[cell],
            start=self._start,
            interval=config.interval,
            rule=self._rule_of(cell),
            observer=generations,
            awake=config.limit is not None,
        )
        if config.limit is not None:
            workflow = workflow.with_constraints(**{SLOT: 1})
        await cs.Engine(resource_manager=self.manager).run(workflow, use_vm=True)
        self._running -= 1
        if not self._running:
            self._all_ended.set()
        await self._all_ended.wait()

    def _summary(self, duration: float, elapsed: float) -> ConwaySummary:
        made, config = self.generations, self.config
        assert made is not None
        drawn = config.pattern == RANDOM
        late: dict[str, float | None] = {"p50": None, "p99": None, "max": None}
        if made.lateness:
            late = dict(zip(late, percentiles(made.lateness, 50, 99, 100), strict=True))
        error = made.first_error
        active = None
        if config.limit is not None:
            active = int(self.manager.statistics().resources[SLOT].peak)
        return ConwaySummary(
            width=config.width,
            height=config.height,
            pattern=config.pattern,
            density=config.density if drawn else None,
            seed=config.seed if drawn else None,
            interval=config.interval,
            limit=config.limit,
            time=self.clock,
            duration=duration,
            elapsed=elapsed,
            generations={"wanted": config.generations, "whole": made.whole},
            steps=made.steps,
            alive={"first": int(self._first.sum()), "last": made.alive},
            step_errors=made.errors,
            first_error=None if error is None else {"generation": error[0], "cell": error[1]},
            drift={"apart": made.apart, "behind": made.behind if config.interval else None},
            lateness_s=late,
            active={"max": active},
            digest=made.digest(),
        )
