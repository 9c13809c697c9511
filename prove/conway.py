"""Life on a torus of agents, longer than there is time for in a test: exact, and in step.

``python -m prove.conway virtual`` makes 500 generations of 64×64 cells, ``real`` a minute of 32×32,
five generations a second. Ends with 1 if a step is wrong, or, on virtual time, if there is any
drift; in real time that depends on what else the machine has to do, and is only printed.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from typing import Literal

from cascade.testing import run_virtual
from observatory.experiments.conway import Conway, ConwaySummary
from observatory.experiments.conway_config import ConwayConfig
from observatory.experiments.run_conway import print_summary

Clock = Literal["virtual", "real"]
WORLDS: dict[Clock, ConwayConfig] = {
    "virtual": ConwayConfig(width=64, height=64, generations=500, seed=1),
    "real": ConwayConfig(width=32, height=32, generations=300, seed=1),
}


def is_exact(summary: ConwaySummary) -> bool:
    """Whether all generations were made, each as it should be."""
    made = summary.generations
    return (
        made["whole"] == made["wanted"]
        and summary.steps == summary.width * summary.height * made["wanted"]
        and summary.step_errors == 0
    )


def is_in_step(summary: ConwaySummary) -> bool:
    """Whether there was no drift at all."""
    return summary.drift == {"apart": 0, "behind": 0}


def main(clock: Clock) -> int:
    """Make the world of a clock; return the exit code."""
    experiment = Conway(WORLDS[clock])
    run = experiment.run()
    summary = run_virtual(run) if clock == "virtual" else asyncio.run(run)
    print_summary(summary)
    return not (is_exact(summary) and (clock == "real" or is_in_step(summary)))


if __name__ == "__main__":
    parser = argparse.ArgumentParser("python -m prove.conway")
    parser.add_argument("clock", choices=WORLDS)
    sys.exit(main(parser.parse_args().clock))
