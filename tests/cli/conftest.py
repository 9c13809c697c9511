"""What holds for the tests of the command."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def interrupts_as_before() -> Iterator[None]:
    """Ctrl-C does what it did, also after a task that left the event loop by SystemExit."""
    handler = signal.getsignal(signal.SIGINT)
    yield
    assert signal.getsignal(signal.SIGINT) is handler


@pytest.fixture(autouse=True)
def modules_as_before() -> Iterator[None]:
    """Files that the command loads are forgotten after each test."""
    path, modules = list(sys.path), set(sys.modules)
    yield
    sys.path[:] = path
    for name in set(sys.modules) - modules:
        if name.replace(" ", ".").partition(".")[0] in ("flow", "parts"):
            del sys.modules[name]
