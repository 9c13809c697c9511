"""The worlds of the observatory agree with calculations and with theory, at full size.

``python -m prove.worlds agents`` (or ``states``, ``mean-field``, ``hour``, ``large``, ``million``)
ends with 1 where that doesn't hold.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from time import process_time

from cascade.testing import run_virtual
from observatory.experiments.calculated import Calculated
from observatory.experiments.config import FirefliesConfig
from observatory.experiments.fireflies import Fireflies
from observatory.flashes import flash_digest
from observatory.reference.fireflies import simulate
from observatory.reference.kuramoto import integrate, stationary_order_parameter
from observatory.reference.mirollo_strogatz import simulate_states

COUPLINGS = (0.0, 0.25, 0.5, 0.8, 1.2, 1.5, 2.0, 2.5, 3.0, 3.5, 4.0)
"""For a critical coupling of 1: nearer than 0.2 to it, a finite world takes too long to settle."""
HALF_WIDTH = 0.5


def agents(seeds: int = 20, count: int = 400, periods: int = 100) -> bool:
    """Whether agents on virtual time and the calculation agree in every flash."""
    same = True
    for seed in range(seeds):
        config = FirefliesConfig(count, 5.0, 0.2, periods * 5.0, seed=seed)
        experiment = Fireflies(config, keep_flashes=True)
        summary = run_virtual(experiment.run())
        assert experiment.recorder is not None
        expected = simulate(count, 5.0, 0.2, periods * 5.0, seed).flashes
        agree = experiment.recorder.flashes == expected
        same = same and agree
        print(f"seed {seed:2}: {summary.flashes:,} flashes, {'same' if agree else 'OTHERS'}")
    return same


def states(seeds: int = 50, count: int = 100, periods: int = 40) -> bool:
    """Whether all worlds of Mirollo and Strogatz in which all hear each other end in one flash."""
    worlds = [
        simulate_states(count, 1.0, 0.001, periods, seed).order_parameter for seed in range(seeds)
    ]
    first = sorted(order[0] for order in worlds)
    lowest = min(order[-1] for order in worlds)
    print(f"R after one period: {first[0]:.3f} to {first[-1]:.3f}; the lowest in the end: {lowest}")
    return lowest > 0.999


def mean_field(count: int = 10_000, duration: float = 150.0, tolerance: float = 0.03) -> bool:
    """Whether R of Kuramoto's mean field is that of theory, for three seeds."""
    worst = 0.0
    for coupling in COUPLINGS:
        expected = stationary_order_parameter(coupling, HALF_WIDTH)
        found = [
            integrate(count, coupling, duration, seed, HALF_WIDTH).mean_after(2 * duration / 3)
            for seed in range(3)
        ]
        worst = max(worst, *(abs(order - expected) for order in found))
        shown = ", ".join(f"{order:.4f}" for order in found)
        print(f"K = {coupling:4}: R = {shown}; theory {expected:.4f}", flush=True)
    print(f"the largest distance is {worst:.4f}")
    return worst <= tolerance


def hour(most: float = 60.0) -> bool:
    """Whether an hour of 900 agents takes less than a minute of a processor on virtual time."""
    began = process_time()  # not the time on the wall: other programs are no matter here
    summary = run_virtual(Fireflies(FirefliesConfig(duration=3600.0, seed=7)).run())
    took = process_time() - began
    print(f"{summary.flashes:,} flashes of {summary.agents} agents in {took:.1f} s")
    return took < most


def large(count: int = 40_000, periods: int = 8) -> bool:
    """Whether the calculation for large worlds gives the flashes of the plain one."""
    config = FirefliesConfig(count, 5.0, 0.2, periods * 5.0, seed=7)
    summary = run_virtual(Calculated(config).run())
    expected = simulate(count, 5.0, 0.2, periods * 5.0, seed=7).flashes
    print(f"{summary.flashes:,} and {len(expected):,} flashes")
    return summary.digest == flash_digest(expected)


def million(count: int = 1_000_000, periods: int = 20, most: float = 60.0) -> bool:
    """Whether a million oscillators take less than a minute of a processor, made and compiled."""
    began = process_time()
    config = FirefliesConfig(count, 5.0, 0.2, periods * 5.0, seed=7)
    summary = run_virtual(Calculated(config).run())
    took = process_time() - began
    print(f"{summary.flashes:,} flashes of {summary.agents:,} oscillators in {took:.1f} s")
    # Each flashes once a period, or sooner for having heard others.
    return took < most and summary.flashes >= count * (periods - 1)


PROOFS: dict[str, Callable[[], bool]] = {
    "agents": agents,
    "states": states,
    "mean-field": mean_field,
    "hour": hour,
    "large": large,
    "million": million,
}


if __name__ == "__main__":
    parser = argparse.ArgumentParser("python -m prove.worlds")
    parser.add_argument("proof", choices=PROOFS)
    sys.exit(not PROOFS[parser.parse_args().proof]())
