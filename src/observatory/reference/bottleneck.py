"""The bottleneck as a formula: agents that think, and share a few slots to work in.

The machine-repair model M/M/c//N: L. Kleinrock, Queueing Systems I (1975), section 3.8.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from cascade.spec.checks import check_finite, check_whole


@dataclass(frozen=True, slots=True)
class Expected:
    """What a bottleneck does on average, in the long run."""

    utilisation: float
    """The share of the slots that are in use."""
    waiting: float
    """How many agents wait."""
    waiting_time: float
    """How long an agent waits for a slot, in seconds."""
    throughput: float
    """How many rounds end in a second."""


def expected(agents: int, slots: int, think: float, work: float) -> Expected:
    """Return the averages of the steady state.

    With n agents at the slots, new ones come at a rate of (agents - n) / think and leave at one of
    min(n, slots) / work; the probabilities of n follow from the balance of the two.

    Args:
        agents: how many there are.
        slots: how many may work at once.
        think: seconds from the end of work to the next request, on average.
        work: seconds of work, on average.

    Raises:
        TypeError, ValueError: an argument is no number or out of its range; the error names it.
    """
    check_whole("agents", agents, 1)
    check_whole("slots", slots, 1)
    for name, value in (("think", think), ("work", work)):
        if check_finite(name, value) <= 0:
            raise ValueError(f"{name} must be above 0 seconds, got {value!r}")
    # In logarithms, as the weights of a thousand agents don't fit into a float.
    logs = [0.0]
    for n in range(1, agents + 1):
        arriving, leaving = (agents - n + 1) / think, min(n, slots) / work
        logs.append(logs[-1] + math.log(arriving / leaving))
    most = max(logs)
    weights = [math.exp(log - most) for log in logs]
    total = math.fsum(weights)
    chances = [weight / total for weight in weights]
    busy = math.fsum(chance * min(n, slots) for n, chance in enumerate(chances))
    waiting = math.fsum(chance * max(0, n - slots) for n, chance in enumerate(chances))
    throughput = busy / work
    return Expected(busy / slots, waiting, waiting / throughput, throughput)
