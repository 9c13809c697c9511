"""The model of Mirollo and Strogatz as a calculation: oscillators whose state is concave.

R. E. Mirollo and S. H. Strogatz, "Synchronization of pulse-coupled biological oscillators", SIAM J.
Appl. Math. 50 (1990) 1645. The phase φ of an oscillator goes from 0 to 1 in a period, and its
state is x = f(φ) = ln(1 + (e^b - 1)·φ)/b, which also goes from 0 to 1 and bends the more the larger
the dissipation b is. When a state reaches 1 the oscillator fires and starts again at 0, and the
states of all who hear it are lifted by ε, to 1 at most; whoever gets there fires in that instant.
Where everybody hears everybody, they prove, almost all initial phases end in one common flash.

Here an oscillator that fires because it was lifted sends its pulse in the same instant, and one
that has fired in an instant isn't lifted again in it. The order within an instant is that of
`observatory.reference.fireflies`, and so is everything but what a flash does.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from observatory.networking.topology import Topology, neighborhoods
from observatory.reference.world import (
    PulseResponse,
    Simulation,
    check_not_negative,
    check_phases,
    check_positive,
    check_share,
    drawn,
    observe,
)


def simulate_states(
    num_agents: int,
    period: float,
    nudge: float,
    duration: float,
    seed: int,
    dissipation: float = 3.0,
    refractory_period: float = 0.0,
    *,
    topology: Topology = "complete",
) -> Simulation:
    """Run a world whose initial phases are drawn from a seed, as `fireflies.simulate` does.

    Args:
        num_agents: How many there are, at least 1.
        period: How long one that hears nothing takes from flash to flash, in seconds.
        nudge: How much a flash lifts a state, as seconds of a period: ε is ``nudge / period``.
        duration: How long the world is observed, in seconds.
        seed: Any whole number.
        dissipation: b, above 0 and at most 100.
        refractory_period: How long after its flash one hears nothing, in seconds; 0 to ``period``.
        topology: Who hears whom; see `observatory.networking.topology`.

    Raises:
        TypeError: An argument isn't a number, or not a whole one where it must be.
        ValueError: An argument is outside its range or not finite.
    """
    return simulate_states_from(
        drawn(num_agents, period, seed),
        period,
        nudge,
        duration,
        dissipation,
        refractory_period,
        topology=topology,
    )


def simulate_states_from(
    initial_phases: Sequence[float],
    period: float,
    nudge: float,
    duration: float,
    dissipation: float = 3.0,
    refractory_period: float = 0.0,
    *,
    topology: Topology = "complete",
) -> Simulation:
    """Run a world that starts with the given phases, in seconds; see `simulate_states`.

    Raises:
        TypeError: An argument isn't a number.
        ValueError: An argument is outside its range or not finite, or there is no phase at all.
    """
    check_phases(initial_phases, check_positive("period", period))
    response = concave_response(period, nudge, dissipation, refractory_period)
    duration = check_positive("duration", duration)
    neighbors = neighborhoods(topology, len(initial_phases))
    return observe(initial_phases, response, neighbors, duration)


def concave_response(
    period: float, nudge: float, dissipation: float, refractory_period: float = 0.0
) -> PulseResponse:
    """Return what a pulse does to a phase.

    As f⁻¹(f(φ) + ε) = e^(bε)·φ + (e^(bε) - 1)/(e^b - 1), it advances the phase by
    (e^(bε) - 1)·(φ + 1/(e^b - 1)).

    Raises:
        TypeError: An argument isn't a number.
        ValueError: An argument is outside its range or not finite.
    """
    period = check_positive("period", period)
    nudge = check_not_negative("nudge", nudge)
    if not check_positive("dissipation", dissipation, "") <= 100:
        raise ValueError(f"dissipation must be above 0 and at most 100, got {dissipation!r}")
    if refractory_period != 0 or isinstance(refractory_period, bool):
        refractory_period = check_share("refractory_period", refractory_period, period)
    slope = math.expm1(dissipation * min(1.0, nudge / period))
    constant = slope * (period / math.expm1(dissipation))
    return PulseResponse(period, refractory_period, slope, constant)
