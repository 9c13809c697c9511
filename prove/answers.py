"""How soon two programs of 500 agents each answer somebody outside: ``python -m prove.answers``.

Over the socket, and as the command `cascade`, which is a process of its own for each answer. It
ends with 1 if the median over the socket is 100 ms or more, or that of the command half a second.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from tests.control.worlds import program, until

from cascade.control import Client, find

AGENTS, SLOTS = 500, 100
OVER_SOCKET, AS_COMMAND = 0.1, 0.5
"""Seconds, at most."""
PAUSE = {"scope": "engine:nobody", "type": "pause", "params": {}}


def median_of(ask: Callable[[], object], times: int) -> float:
    """Return the median of the seconds that something takes."""
    seconds = []
    for _ in range(times):
        began = time.perf_counter()
        ask()
        seconds.append(time.perf_counter() - began)
    return statistics.median(seconds)


def by_socket() -> None:
    """Pause nobody in one program, and wait for its answer."""
    with Client("one") as client:
        client.ask("rule", **PAUSE)


def by_command() -> None:
    """Do the same with the command."""
    words = [sys.executable, "-m", "cascade.cli", "pause", "engine:nobody", "--program", "one"]
    subprocess.run(words, check=True, capture_output=True)


def is_whole(name: str) -> bool:
    """Whether all agents of a program live."""
    with Client(name) as client:
        return bool(client.ask("ps")["runs"] == AGENTS)


def main() -> int:
    """Measure both, print them, and return the exit code."""
    with tempfile.TemporaryDirectory() as directory:
        place = Path(directory) / "control"
        os.environ["CASCADE_CONTROL_DIR"] = str(place)
        with program(place, "one", AGENTS, SLOTS), program(place, "two", AGENTS, SLOTS):
            until(lambda: find() == ["one", "two"])
            for name in ("one", "two"):
                until(partial(is_whole, name))
            socket, command = median_of(by_socket, 101), median_of(by_command, 21)
    print(f"medians: {socket * 1e3:.1f} ms an answer over the socket, {command:.2f} s as a command")
    return not (socket < OVER_SOCKET and command < AS_COMMAND)


if __name__ == "__main__":
    sys.exit(main())
