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


def _run(module: str) -> None:
    signal.signal(signal.SIGINT, lambda *_: os._exit(130))
    import_module(f"observatory.experiments.{module}").main()
