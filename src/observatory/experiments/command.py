"""The console commands: each takes Ctrl-C before it imports anything that takes a while."""

from __future__ import annotations

import os
import signal
from importlib import import_module


def fireflies() -> None:
    """Run `observatory.experiments.run_fireflies.main`."""
    _run("run_fireflies")


def bottleneck() -> None:
    """Run `observatory.experiments.run_bottleneck.main`."""
    _run("run_bottleneck")


def observatory() -> None:
    """Run `observatory.experiments.run_observatory.main`."""
    _run("run_observatory")


def take_ctrl_c() -> None:
    """Let Ctrl-C end the program like any other Ctrl-C, also while imports are under way.

    At once: an exception could get lost in what is being imported.
    """
    signal.signal(signal.SIGINT, end_at_once)


def end_at_once(*_: object) -> None:
    """Take Ctrl-C as long as nothing has begun and there is nothing to tidy up."""
    os._exit(130)


def _run(module: str) -> None:
    take_ctrl_c()
    import_module(f"observatory.experiments.{module}").main()
