"""Bottleneck: many agents, a few slots to work in, and what the queue between them does."""

from __future__ import annotations

import asyncio
import random
from array import array
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

import cascade as cs
from cascade.runtime.timers import wait_until
from observatory.agents.customer import DOORS, SLOT, State, customer_agent
from observatory.experiments.checks import check_positive, check_seed, set_limit, set_whole
from observatory.experiments.experiment import Experiment
from observatory.networking.topology import most_square
from observatory.percentiles import percentiles
from observatory.reference.bottleneck import expected

MOST_AGENTS = 1_000_000
"""Agents at most."""


@dataclass(frozen=True, slots=True)
class BottleneckConfig:
    """What a bottleneck experiment is run with.

    Raises:
        TypeError, ValueError: a setting is no number or out of its range; the error names it.
    """

    agents: int = 500
    """How many agents there are."""
    slots: int = 20
    """How many may work at once."""
    think: float = 2.0
    """How long an agent thinks on average, in seconds."""
    work: float = 0.1
    """How long it works on average, in seconds."""
    duration: float = 3000.0
    """How long the experiment lasts, in seconds."""
    seed: int = 0
    """Where the times come from."""

    def __post_init__(self) -> None:
        set_whole(self, "agents", 1)
        if self.agents > MOST_AGENTS:
            raise ValueError(f"agents must be at most {MOST_AGENTS}, got {self.agents}")
        set_limit(self, "slots")
        for name in ("think", "work", "duration"):
            check_positive(name, getattr(self, name))
        check_seed(self.seed)

    @property
    def shape(self) -> tuple[int, int]:
        """Width and height of the picture: the most square one of exactly so many agents."""
        return most_square(self.agents)


@dataclass(frozen=True, slots=True)
class BottleneckSummary:
    """What an experiment was and what came out of it."""

    agents: int
    """How many agents there were."""
    slots: int
    """How many could work at once, at the beginning."""
    think: float
    """How long they thought on average, in seconds."""
    work: float
    """How long they worked on average, in seconds."""
    seed: int
    """Where the times came from."""
    time: str
    """The clock it ran on: "real" or "virtual"."""
    duration: float
    """How long it lasted on that clock, in seconds."""
    elapsed: float
    """How long that took in real time, in seconds."""
    rounds: dict[str, int]
    """Rounds that ended: in total, of the agent with the fewest, of the one with the most."""
    active: dict[str, float]
    """Slots in use at most and on average."""
    utilisation: float | None
    """The share of the slots that was in use; None if there never was one."""
    waiting_s: dict[str, float | None]
    """How long agents waited for a slot, in seconds: mean, nearest-rank percentiles, maximum."""
    fairness: float | None
    """Jain's index of the rounds per agent: 1 if all have made equally many, 1 / agents if one
    has made them all (R. Jain, D. Chiu, W. Hawe, DEC-TR-301, 1984); None before the first."""
    overtakings: int
    """How often somebody was granted a slot before one who had waited longer."""
    expected: dict[str, float] | None
    """What queueing theory says of the utilisation and of the mean waiting time in the long run;
    None if the slots were changed meanwhile."""

    def as_dict(self) -> dict[str, Any]:
        """Return the summary as plain data, ready for JSON."""
        return asdict(self)


class Rounds:
    """Is told what the agents do, and keeps what the summary and the picture need.

    Args:
        agents: how many there are.
        slots: how many may work at once.
        start: when it begins, in seconds on the loop's clock.
        states: where the state of each agent is kept, as a number: see `VALUES`.
    """

    VALUES: dict[State, float] = {"idle": 0.0, "waiting": 0.5, "working": 1.0}  # noqa: RUF012

    def __init__(self, agents: int, slots: int, start: float, states: array[float]) -> None:
        self.ended = [0] * agents
        """How many rounds each agent has ended."""
        self.waits = array("d")
        """How long each wait was that has ended, in seconds."""
        self.overtakings = 0
        """How often somebody was granted before one who had waited longer."""
        self.working = 0
        """How many work now."""
        self.most_working = 0
        """How many worked at most."""
        self.busy = 0.0
        """Slots in use, summed over time, in seconds."""
        self.offered = 0.0
        """Slots that there were, summed over time, in seconds."""
        self.slots = slots
        """How many may work at once now."""
        self._states = states
        self._since: dict[int, float] = {}
        self._last = start

    @property
    def waiting(self) -> int:
        """How many wait now."""
        return len(self._since)

    def enters(self, agent_id: int, state: State, time: float) -> None:
        """An agent is in a state from a time on."""
        self.pass_time(time)
        if state == "waiting":
            self._since[agent_id] = time
        elif state == "working":
            for other in self._since:
                if other == agent_id:
                    break
                self.overtakings += 1
            self.waits.append(time - self._since.pop(agent_id))
            self.working += 1
            self.most_working = max(self.most_working, self.working)
        elif self._states[agent_id] == self.VALUES["working"]:
            self.working -= 1
            self.ended[agent_id] += 1
        self._states[agent_id] = self.VALUES[state]

    def change(self, slots: int, time: float) -> None:
        """There are so many slots from a time on."""
        self.pass_time(time)
        self.slots = slots

    def pass_time(self, time: float) -> None:
        """Count the slots up to a time."""
        passed, self._last = time - self._last, time
        self.busy += self.working * passed
        self.offered += self.slots * passed

    def waiting_summary(self) -> dict[str, float | None]:
        """Return mean, percentiles (nearest rank) and maximum of the waits; None without any."""
        if not self.waits:
            return {"mean": None, "p50": None, "p99": None, "max": None}
        mean = float(np.frombuffer(self.waits).mean())
        p50, p99, longest = percentiles(self.waits, 50, 99, 100)
        return {"mean": mean, "p50": p50, "p99": p99, "max": longest}

    def fairness(self) -> float | None:
        """Return Jain's index of the rounds per agent; None before the first has ended."""
        total = sum(self.ended)
        if not total:
            return None
        return total**2 / (len(self.ended) * sum([rounds**2 for rounds in self.ended]))


View = Callable[["Bottleneck"], Coroutine[Any, Any, None]]
"""Shows an experiment that is under way; when it returns, the experiment ends."""


class Bottleneck(Experiment[BottleneckSummary]):
    """One experiment, from its settings to its summary.

    Args:
        config: the settings.
        view: runs beside the agents; when it returns, the experiment ends in order.
        states: where the state of each agent is kept, as a number: see `Rounds`.
    """

    def __init__(
        self,
        config: BottleneckConfig,
        view: View | None = None,
        states: array[float] | None = None,
    ) -> None:
        super().__init__(view)
        self.config = config
        """The settings."""
        self.manager = cs.ResourceManager({SLOT: config.slots})
        """The one manager of all agents."""
        self.manager.set_gate(DOORS, open=True)
        self.rounds: Rounds | None = None
        """What the agents have told; None before the start."""
        self.paused = False
        """Whether the doors are closed."""
        self._states = array("d", [0.0]) * config.agents if states is None else states
        self._changed = False

    def _begin(self, loop: asyncio.AbstractEventLoop) -> None:
        config = self.config
        self._over = self._start + config.duration
        self.rounds = Rounds(config.agents, config.slots, self._start, self._states)

    async def _end(self) -> None:
        await wait_until(self._over)

    def _lives(self) -> Iterator[Coroutine[Any, Any, Any]]:
        assert self.rounds is not None
        return (self._live(agent, self.rounds) for agent in range(self.config.agents))

    async def _live(self, agent: int, rounds: Rounds) -> None:
        config = self.config
        workflow = customer_agent(
            agent_id=agent,
            manager=self.manager,
            think=config.think,
            work=config.work,
            draw=random.Random(f"{config.seed}:{agent}"),
            observer=rounds,
        )
        await cs.Engine().run(workflow, use_vm=True)

    def change_slots(self, by: int) -> None:
        """Offer so many slots more, or fewer; never less than none. Who works goes on."""
        assert self.rounds is not None
        slots = max(0, self.rounds.slots + by)
        self._changed = True
        self.rounds.change(slots, asyncio.get_running_loop().time())
        self.manager.set_capacity({SLOT: slots})

    def pause(self) -> None:
        """Close the doors, or open them again. Who works goes on."""
        self.paused = not self.paused
        self._changed = True
        self.manager.set_gate(DOORS, open=not self.paused)

    def _pass_time(self, now: float) -> None:
        assert self.rounds is not None
        self.rounds.pass_time(now)

    def _summary(self, duration: float, elapsed: float) -> BottleneckSummary:
        rounds, config = self.rounds, self.config
        assert rounds is not None
        theory = None
        if not self._changed:
            answer = expected(config.agents, config.slots, config.think, config.work)
            theory = {"utilisation": answer.utilisation, "waiting_s": answer.waiting_time}
        return BottleneckSummary(
            agents=config.agents,
            slots=config.slots,
            think=config.think,
            work=config.work,
            seed=config.seed,
            time=self.clock,
            duration=duration,
            elapsed=elapsed,
            rounds={
                "total": sum(rounds.ended),
                "min_per_agent": min(rounds.ended),
                "max_per_agent": max(rounds.ended),
            },
            active={
                "max": rounds.most_working,
                "mean": rounds.busy / duration if duration else 0.0,
            },
            utilisation=rounds.busy / rounds.offered if rounds.offered else None,
            waiting_s=rounds.waiting_summary(),
            fairness=rounds.fairness(),
            overtakings=rounds.overtakings,
            expected=theory,
        )
