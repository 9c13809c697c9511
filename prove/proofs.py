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


def tests_with_a_long_form() -> tuple[str, ...]:
    """Return the files of tests that try more in their long form (see `tests/long_form.py`)."""
    files = sorted((ROOT / "tests").rglob("test_*.py"))
    marked = [file for file in files if "from tests.long_form import" in file.read_text("utf-8")]
    return tuple(file.relative_to(ROOT).as_posix() for file in marked)


LONG_RUN = (
    *("-m", "pytest", "-q", "-p", "no:cacheprovider", "--timeout=1800"),
    *("-o", "faulthandler_timeout=0"),
)
"""What runs tests that may take their time."""

PROOFS = (
    Proof(
        "the tests with a long form pass in it",
        (*LONG_RUN, *tests_with_a_long_form()),
        {"CASCADE_LONG": "1"},
    ),
    Proof(
        "2,000 random graphs, and 250 with processes, agree with a plain evaluation",
        (
            *LONG_RUN,
            "tests/e2e/test_random_graphs.py",
            "tests/e2e/test_random_process_graphs.py",
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
    Proof("an answer comes within 100 ms over the socket", ("-m", "prove.answers")),
    Proof(
        "a watcher that has stopped holds a million tasks up in nothing", ("-m", "prove.stopped")
    ),
    Proof(
        "a page of cascade ui that has stopped holds a million tasks up in nothing",
        ("-m", "prove.stopped_page", "ui"),
    ),
    Proof(
        "a page of an experiment that has stopped holds a million tasks up in nothing",
        ("-m", "prove.stopped_page", "stage"),
    ),
    Proof(
        "10,000 messages to the control socket that are none: no effect",
        (*LONG_RUN, "tests/control/test_server.py", "-k", "whatever_is_sent"),
        {"CASCADE_MESSAGES": "10000"},
    ),
    Proof(
        "10,000 messages to a page's socket that are none: no effect, hardly a line in the log",
        (*LONG_RUN, "tests/web/test_theatre.py", "-k", "whatever_is_sent"),
        {"CASCADE_MESSAGES": "10000"},
    ),
    Proof("10,000 fireflies on a page: 25 pictures a second, little work", ("-m", "prove.browser")),
    Proof("a minute of Life in real time: no error", ("-m", "prove.conway", "real")),
    Proof(
        "a million traced events with a collector that has stopped: no slower, memory flat",
        ("-m", "prove.telemetry"),
    ),
    Proof(
        "agents flash as the calculation says, 20 worlds of 400", ("-m", "prove.worlds", "agents")
    ),
    Proof("50 worlds of concave states end in one flash", ("-m", "prove.worlds", "states")),
    Proof("a mean field gathers as theory says", ("-m", "prove.worlds", "mean-field")),
    Proof("an hour of 900 agents in a minute of a processor", ("-m", "prove.worlds", "hour")),
    Proof("40,000 fireflies as machine code flash as one by one", ("-m", "prove.worlds", "large")),
    Proof("a million oscillators in a minute of a processor", ("-m", "prove.worlds", "million")),
)
