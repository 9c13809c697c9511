"""A world of pulse-coupled oscillators as a calculation: what all models of a flash have in common.

``due[i]`` is the time at which the phase of agent ``i`` reaches the period, so that
``phase(t) = period - (due[i] - t)``; the order of simultaneous events is told in
`observatory.reference.fireflies`.
"""

from __future__ import annotations

import math
import random
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from heapq import heapify, heappop, heappush
from typing import NamedTuple

from observatory.flashes import Flash

TOLERANCE = 1e-9
"""How far below ``refractory_period`` a phase still counts as having reached it, in seconds."""


class Simulation(NamedTuple):
    """What a simulated world did."""

    flashes: list[Flash]
    """All flashes with ``0 <= time < duration``, in the order in which they happened."""
    order_parameter: list[float]
    """R at the times ``period``, ``2 * period``, … up to ``duration``: 1 is one common phase.

    It is taken before the flashes of that instant.
    """


@dataclass(frozen=True, slots=True)
class PulseResponse:
    """What a flash does to whoever hears it: it advances a phase by a straight line of the phase.

    By ``slope * phase + constant`` seconds.
    """

    period: float
    """The time from flash to flash when nothing is heard, in seconds."""
    refractory_period: float
    """How long after its flash an agent hears nothing, in seconds."""
    slope: float
    """How much more a flash advances a phase that is a second later."""
    constant: float
    """How much a flash advances the phase 0, in seconds."""


def observe(
    initial_phases: Sequence[float],
    response: PulseResponse,
    neighbors: Sequence[Sequence[int]],
    duration: float,
) -> Simulation:
    """Run a world and say what it did.

    Args:
        initial_phases: The phase of each agent at time 0, in seconds.
        response: What a flash does.
        neighbors: Who hears each agent; the agent itself may be among them, and doesn't.
        duration: How long the world is observed, in seconds.
    """
    period = response.period
    world = _World(initial_phases, response, neighbors)
    order_parameter: list[float] = []
    while (now := world.next_time()) < duration:
        while (sample_time := (len(order_parameter) + 1) * period) <= now:
            order_parameter.append(world.order_parameter(sample_time))
        world.run_instant(now)
    while (sample_time := (len(order_parameter) + 1) * period) <= duration:
        order_parameter.append(world.order_parameter(sample_time))
    return Simulation(world.flashes, order_parameter)


class _World:
    """The state of all agents between two instants."""

    def __init__(
        self,
        initial_phases: Sequence[float],
        response: PulseResponse,
        neighbors: Sequence[Sequence[int]],
    ) -> None:
        agents = range(len(initial_phases))
        self.flashes: list[Flash] = []
        self._period = period = response.period
        self._threshold = response.refractory_period - TOLERANCE
        self._slope, self._constant = response.slope, response.constant
        self._neighbors = neighbors
        self._due = [0.0 + (period - phase) for phase in initial_phases]
        # An entry of the agenda is stale unless its serial number is the agent's latest one:
        # the due time alone wouldn't tell, as a nudge may be too small to change it.
        self._serial = list(agents)
        self._next_serial = len(initial_phases)
        self._agenda = [(self._due[agent], agent, agent) for agent in agents]
        heapify(self._agenda)
        self._last_flash = [-math.inf] * len(initial_phases)
        self._heard = [0] * len(initial_phases)
        self._waiting = [False] * len(initial_phases)

    def next_time(self) -> float:
        """Return a time, in seconds, before which nobody is due; a stale one does no harm."""
        return self._agenda[0][0]

    def order_parameter(self, now: float) -> float:
        """Return ``|mean(exp(2πi · phase / period))|`` over all agents at the time ``now``."""
        period = self._period
        angles = [math.tau * (period - (due - now)) / period for due in self._due]
        # Exact sums don't depend on the order of the agents.
        return math.hypot(
            math.fsum(map(math.cos, angles)) / len(angles),
            math.fsum(map(math.sin, angles)) / len(angles),
        )

    def run_instant(self, now: float) -> None:
        """Wake everybody who is due at ``now``, and whom their flashes reach."""
        queue: deque[int] = deque()
        agenda, serial = self._agenda, self._serial
        while agenda and agenda[0][0] == now:
            _, entry_serial, agent = heappop(agenda)
            if entry_serial == serial[agent]:
                queue.append(agent)
                self._waiting[agent] = True
        while queue:
            self._wake(queue.popleft(), now, queue)

    def _wake(self, agent: int, now: float, queue: deque[int]) -> None:
        self._waiting[agent] = False
        due = self._due[agent]
        # Whoever waits for its turn was listening when it joined and hasn't flashed since, so every
        # flash that has reached it counts, unless it had flashed in this instant before it joined.
        if self._last_flash[agent] != now:
            for _ in range(self._heard[agent]):
                due -= self._slope * (self._period - (due - now)) + self._constant
        self._heard[agent] = 0
        if due <= now:
            self.flashes.append(Flash(agent, now))
            self._last_flash[agent] = now
            self._spread(agent, now, queue)
            due = now + self._period
        self._due[agent] = due
        self._serial[agent] = self._next_serial
        heappush(self._agenda, (due, self._next_serial, agent))
        self._next_serial += 1

    def _spread(self, agent: int, now: float, queue: deque[int]) -> None:
        due, waiting, heard = self._due, self._waiting, self._heard
        for neighbor in self._neighbors[agent]:
            if neighbor == agent:
                continue
            if not waiting[neighbor]:
                if self._period - (due[neighbor] - now) < self._threshold:
                    continue
                waiting[neighbor] = True
                queue.append(neighbor)
            heard[neighbor] += 1


def drawn(num_agents: int, period: float, seed: int) -> list[float]:
    """Return the initial phases that a seed stands for, in seconds.

    Raises:
        TypeError, ValueError: An argument is no number or out of its range; the error names it.
    """
    if isinstance(num_agents, bool) or not isinstance(num_agents, int):
        raise TypeError(f"num_agents must be a whole number of at least 1, got {num_agents!r}")
    if num_agents < 1:
        raise ValueError(f"num_agents must be at least 1, got {num_agents!r}")
    if isinstance(seed, bool) or not isinstance(seed, int):
        raise TypeError(f"seed must be a whole number, got {seed!r}")
    period = check_positive("period", period)
    draw = random.Random(seed)
    return [draw.uniform(0, period) for _ in range(num_agents)]


def check_phases(initial_phases: Sequence[float], period: float) -> None:
    """Raise unless there are phases, all of them from 0 to the period."""
    if not initial_phases:
        raise ValueError("initial_phases must hold one phase for each agent, got none")
    for agent, phase in enumerate(initial_phases):
        if not 0 <= _finite(f"initial_phases[{agent}]", phase) <= period:
            raise ValueError(
                f"initial_phases[{agent}] must be from 0 to the period, {period!r} seconds, "
                f"got {phase!r}"
            )


def check_share(name: str, value: float, period: float) -> float:
    """Return a number of seconds above 0 and at most the period."""
    number = _finite(name, value)
    if not 0 < number <= period:
        raise ValueError(
            f"{name} must be above 0 and at most the period, {period!r} seconds, got {value!r}"
        )
    return number


def check_not_negative(name: str, value: float) -> float:
    """Return a number of seconds that is at least 0."""
    number = _finite(name, value)
    if number < 0:
        raise ValueError(f"{name} must be at least 0 seconds, got {value!r}")
    return number


def check_positive(name: str, value: float, unit: str = " seconds") -> float:
    """Return a number above 0, in seconds unless another unit is given."""
    number = _finite(name, value)
    if number <= 0:
        raise ValueError(f"{name} must be above 0{unit}, got {value!r}")
    return number


def _finite(name: str, value: float) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{name} must be a number of seconds, got {value!r}")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise ValueError(f"{name} must be a finite number of seconds, got {value!r}")
    return number
