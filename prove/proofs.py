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
    Proof(
        "a sweep of 60 runs that is killed and started again runs only what is missing",
        (
            *("-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", "killed"),
            "tests/observatory/experiments/test_run_sweep.py",
        ),
        {"CASCADE_SWEEP_RUNS": "60"},
    ),
    Proof("a million mapped inline children in 20 MiB", ("-m", "prove.million", "inline")),
    Proof("a million mapped async children in 20 MiB", ("-m", "prove.million", "async")),
    Proof(
        "two million steps of Life on virtual time: no error, no drift",
        ("-m", "prove.conway", "virtual"),
    ),
    Proof(
        "10,000 messages to the control socket that are none: no effect",
        (
            *("-m", "pytest", "-q", "-p", "no:cacheprovider", "--timeout=1800"),
            *("tests/control/test_server.py", "-k", "whatever_is_sent"),
        ),
        {"CASCADE_MESSAGES": "10000"},
    ),
    Proof(
        "10,000 messages to a page's socket that are none: no effect, hardly a line in the log",
        (
            *("-m", "pytest", "-q", "-p", "no:cacheprovider", "--timeout=1800"),
            *("-o", "faulthandler_timeout=0"),
            *("tests/web/test_theatre.py", "-k", "whatever_is_sent"),
        ),
        {"CASCADE_MESSAGES": "10000"},
    ),
    Proof("10,000 fireflies on a page: 25 pictures a second, little work", ("-m", "prove.browser")),
    Proof("a minute of Life in real time: no error", ("-m", "prove.conway", "real")),
)
