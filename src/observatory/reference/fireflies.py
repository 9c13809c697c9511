"""The fireflies as a calculation: no agents, no event loop, no channels.

It exists to check the agents: for the same arguments it gives the same flashes, in the same
order, at the same times to the last bit. It shares nothing with them but the torus.

The model. ``due[i]`` is the time at which the phase of agent ``i`` reaches the period, so that
``phase(t) = period - (due[i] - t)``. An agent that is due flashes, and is due again one period
later. Its neighbours hear the flash: one whose phase is at least ``refractory_period`` (with a
tolerance of 1e-9 s) is due ``nudge`` earlier from then on, and flashes at once if that time has
come; for one below, the flash is lost. An agent flashes at most once in an instant.

Simultaneous events are served first come, first served, the first by agent number. In an instant
there is a queue of agents to wake: at first all that are due, ordered by when their due time was
set; behind them everybody whom a flash of this instant reaches and who wasn't waiting already.
A woken agent takes all the flashes that have reached it, flashes if it is due, and sets its due
time anew.
"""

from __future__ import annotations

import math
import random
from collections import deque
from collections.abc import Sequence
from heapq import heapify, heappop, heappush
from typing import NamedTuple

from observatory.flashes import Flash
from observatory.networking.topology import moore_neighbors, most_square

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


def simulate(
    num_agents: int,
    period: float,
    nudge: float,
    duration: float,
    seed: int,
    refractory_period: float | None = None,
) -> Simulation:
    """Run a world whose initial phases are drawn from a seed.

    The agents live on the most square torus of ``num_agents`` cells and hear their Moore
    neighbours. The phases are ``random.Random(seed).uniform(0, period)``, in agent order; as that
    generator ignores the sign of a seed, so does the world.

    Args:
        num_agents: How many agents there are, at least 1.
        period: How long an agent that hears nothing takes from flash to flash, in seconds.
        nudge: How much earlier a heard flash makes the next one, in seconds; 0 is no coupling.
        duration: How long the world is observed, in seconds.
        seed: Any whole number.
        refractory_period: How long after its flash an agent hears nothing, in seconds, above 0
            and at most ``period``. The default is ``0.2 * period``.

    Raises:
        TypeError: An argument isn't a number, or not a whole one where it must be (a bool never
            is).
        ValueError: An argument is outside its range or not finite.
    """
    if isinstance(num_agents, bool) or not isinstance(num_agents, int):
        raise TypeError(f"num_agents must be a whole number of at least 1, got {num_agents!r}")
    if num_agents < 1:
        raise ValueError(f"num_agents must be at least 1, got {num_agents!r}")
    if isinstance(seed, bool) or not isinstance(seed, int):
        raise TypeError(f"seed must be a whole number, got {seed!r}")
    period = _positive("period", period)
    draw = random.Random(seed)
    phases = [draw.uniform(0, period) for _ in range(num_agents)]
    return simulate_from(phases, period, nudge, duration, refractory_period)


def simulate_from(
    initial_phases: Sequence[float],
    period: float,
    nudge: float,
    duration: float,
    refractory_period: float | None = None,
) -> Simulation:
    """Run a world that starts with the given phases; see :func:`simulate` for the rest.

    Args:
        initial_phases: The phase of each agent at time 0, in seconds, from 0 to ``period``.
        period: As for :func:`simulate`.
        nudge: As for :func:`simulate`.
        duration: As for :func:`simulate`.
        refractory_period: As for :func:`simulate`.

    Raises:
        TypeError: An argument isn't a number.
        ValueError: An argument is outside its range or not finite, or there is no phase at all.
    """
    period = _positive("period", period)
    nudge = _finite("nudge", nudge)
    if nudge < 0:
        raise ValueError(f"nudge must be at least 0 seconds, got {nudge!r}")
    duration = _positive("duration", duration)
    if refractory_period is None:
        refractory_period = 0.2 * period
    refractory_period = _finite("refractory_period", refractory_period)
    if not 0 < refractory_period <= period:
        raise ValueError(
            f"refractory_period must be above 0 and at most the period, {period!r} seconds, "
            f"got {refractory_period!r}"
        )
    if not initial_phases:
        raise ValueError("initial_phases must hold one phase for each agent, got none")
    for agent, phase in enumerate(initial_phases):
        if not 0 <= _finite(f"initial_phases[{agent}]", phase) <= period:
            raise ValueError(
                f"initial_phases[{agent}] must be from 0 to the period, {period!r} seconds, "
                f"got {phase!r}"
            )

    world = _World(initial_phases, period, nudge, refractory_period)
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
        period: float,
        nudge: float,
        refractory_period: float,
    ) -> None:
        agents = range(len(initial_phases))
        width, height = most_square(len(initial_phases))
        self.flashes: list[Flash] = []
        self._period = period
        self._nudge = nudge
        self._threshold = refractory_period - TOLERANCE
        self._neighbors = [moore_neighbors(agent, width, height) for agent in agents]
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
        for _ in range(self._heard[agent]):
            # Whoever waits for its turn was listening when it joined and hasn't flashed since,
            # so every flash that has reached it counts.
            due -= self._nudge
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
            if not waiting[neighbor]:
                if self._period - (due[neighbor] - now) < self._threshold:
                    continue
                # A refractory time below the tolerance alone wouldn't keep two agents from
                # kicking each other for ever within one instant.
                if self._last_flash[neighbor] == now:
                    continue
                waiting[neighbor] = True
                queue.append(neighbor)
            heard[neighbor] += 1


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


def _positive(name: str, value: float) -> float:
    number = _finite(name, value)
    if number <= 0:
        raise ValueError(f"{name} must be above 0 seconds, got {value!r}")
    return number
