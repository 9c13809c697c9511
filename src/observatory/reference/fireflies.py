"""The fireflies as a calculation: no agents, no event loop, no channels.

It exists to check the agents: for the same arguments it gives the same flashes, in the same
order, at the same times to the last bit. It shares nothing with them but the topology.

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

from collections.abc import Sequence

from observatory.networking.topology import Topology, neighborhoods
from observatory.reference.world import (
    TOLERANCE,
    PulseResponse,
    Simulation,
    check_not_negative,
    check_phases,
    check_positive,
    check_share,
    drawn,
    observe,
)

__all__ = ["TOLERANCE", "Simulation", "simulate", "simulate_from"]


def simulate(
    num_agents: int,
    period: float,
    nudge: float,
    duration: float,
    seed: int,
    refractory_period: float | None = None,
    *,
    topology: Topology = "torus",
) -> Simulation:
    """Run a world whose initial phases are drawn from a seed.

    By default the agents live on the most square torus of ``num_agents`` cells and hear their Moore
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
        topology: Who hears whom; see `observatory.networking.topology`.

    Raises:
        TypeError: An argument isn't a number, or not a whole one where it must be (a bool never
            is).
        ValueError: An argument is outside its range or not finite.
    """
    phases = drawn(num_agents, period, seed)
    return simulate_from(phases, period, nudge, duration, refractory_period, topology=topology)


def simulate_from(
    initial_phases: Sequence[float],
    period: float,
    nudge: float,
    duration: float,
    refractory_period: float | None = None,
    *,
    topology: Topology = "torus",
) -> Simulation:
    """Run a world that starts with the given phases; see :func:`simulate` for the rest.

    Args:
        initial_phases: The phase of each agent at time 0, in seconds, from 0 to ``period``.
        period: As for :func:`simulate`.
        nudge: As for :func:`simulate`.
        duration: As for :func:`simulate`.
        refractory_period: As for :func:`simulate`.
        topology: As for :func:`simulate`.

    Raises:
        TypeError: An argument isn't a number.
        ValueError: An argument is outside its range or not finite, or there is no phase at all.
    """
    period = check_positive("period", period)
    nudge = check_not_negative("nudge", nudge)
    duration = check_positive("duration", duration)
    if refractory_period is None:
        refractory_period = 0.2 * period
    refractory_period = check_share("refractory_period", refractory_period, period)
    check_phases(initial_phases, period)
    neighbors = neighborhoods(topology, len(initial_phases))
    response = PulseResponse(period, refractory_period, 0.0, nudge)
    return observe(initial_phases, response, neighbors, duration)
