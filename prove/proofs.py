"""Proofs that run the product as it is, at a size for which `make test` has no time."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[1]


@dataclass(frozen=True, slots=True)
class Proof:
    """A command that ends with 0."""

    sense: str
    """What it proves."""
    arguments: tuple[str, ...]
    """What Python is called with."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """Variables that it needs besides."""

    def holds(self) -> bool:
        """Run it, with its output shown; whether it ended with 0."""
        run = subprocess.run(
            [sys.executable, *self.arguments],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT / "src"), **self.environment},
            check=False,
        )
        return run.returncode == 0


PROOFS = (
    Proof(
        "2,000 random graphs agree with a plain evaluation and leave nothing",
        (
            *("-m", "pytest", "-q", "-p", "no:cacheprovider", "--timeout=1800"),
            *("-o", "faulthandler_timeout=0", "tests/e2e/test_random_graphs.py"),
        ),
        {"CASCADE_EXAMPLES": "2000"},
    ),
    Proof("a million mapped inline children in 20 MiB", ("-m", "prove.million", "inline")),
    Proof("a million mapped async children in 20 MiB", ("-m", "prove.million", "async")),
    Proof(
        "agents flash as the calculation says, 20 worlds of 400", ("-m", "prove.worlds", "agents")
    ),
    Proof("50 worlds of concave states end in one flash", ("-m", "prove.worlds", "states")),
    Proof("a mean field gathers as theory says", ("-m", "prove.worlds", "mean-field")),
    Proof("an hour of 900 agents in a minute of a processor", ("-m", "prove.worlds", "hour")),
    Proof("40,000 fireflies as arrays flash as one by one", ("-m", "prove.worlds", "large")),
)
