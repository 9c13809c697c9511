"""A million tasks while somebody watches who doesn't read: ``python -m prove.stopped``.

The same run with a watcher that reads, and with one that has stopped, in turn. It ends with 1 if
the stopped one makes the run slower than 1.1 times, if memory grows by more than 20 MiB, or if
nothing is counted as dropped.
"""

from __future__ import annotations

import asyncio
import os
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cascade as cs
from cascade.control import Client, LocalControl
from prove.million import bytes_of, do_nothing

TASKS = 1_000_000
ROUNDS = 2
SLOWER = 1.1
GROWTH = 20.0
NAME = "million"


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run went."""

    seconds: float
    grown: float
    """By how many MiB the process has grown."""
    dropped: int


@dataclass(frozen=True, slots=True)
class Verdict:
    """What came of runs with one who reads and with one who has stopped."""

    what: str
    """What is dropped."""
    ratio: float
    """How many times as long the fastest run took with one who has stopped."""
    grown: float
    """By how many MiB a process has grown beside one who has stopped, at most."""
    dropped: int
    """How many were dropped in a run with one who has stopped, at least."""

    @property
    def holds(self) -> bool:
        """Whether that is good enough."""
        return self.ratio <= SLOWER and self.grown <= GROWTH and self.dropped > 0

    def __str__(self) -> str:
        return (
            f"{self.ratio:.3f} times as long, {self.grown:.1f} MiB more, "
            f"{self.dropped} {self.what} dropped at least"
        )


def in_turn(run: Callable[[str], Outcome], what: str, rounds: int = ROUNDS) -> Verdict:
    """Run with one that "reads" and with one that has "stopped", in turn, and compare."""
    outcomes = [(run("reads"), run("stopped")) for _ in range(rounds)]
    fastest = [min(outcome.seconds for outcome in kind) for kind in zip(*outcomes, strict=True)]
    stopped = [outcome for _, outcome in outcomes]
    return Verdict(
        what,
        fastest[1] / fastest[0],
        max(outcome.grown for outcome in stopped),
        min(outcome.dropped for outcome in stopped),
    )


def run_with(watcher: str, tasks: int = TASKS) -> Outcome:
    """Run tasks while a watcher "reads", or has "stopped"."""
    return asyncio.run(_run_with(watcher, tasks))


async def _run_with(watcher: str, tasks: int) -> Outcome:
    control = LocalControl(NAME)
    await control.connect()
    engine = cs.Engine(connector=control)
    ended = threading.Event()
    thread = threading.Thread(target=_read if watcher == "reads" else _stop, args=(ended,))
    thread.start()
    try:
        while not (control.desk.watchers if watcher == "reads" else control.desk.dropped):  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        before = bytes_of("VmHWM")
        began = time.perf_counter()
        await engine.run(do_nothing.map(n=range(tasks)).windowed(1000))
        seconds = time.perf_counter() - began
        return Outcome(seconds, (bytes_of("VmHWM") - before) / 2**20, control.desk.dropped)
    finally:
        ended.set()
        await asyncio.to_thread(thread.join)
        await control.disconnect()


def _read(ended: threading.Event) -> None:
    with Client(NAME) as client:
        for _ in client.watch(0.1):
            if ended.is_set():
                return


def _stop(ended: threading.Event) -> None:
    """Ask for more snapshots than fit anywhere, and read none of them."""
    path = Path(os.environ["CASCADE_CONTROL_DIR"]) / f"{NAME}.sock"
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as end:
        end.connect(str(path))
        end.sendall(b'{"do":"watch","every":0.1}\n' * 5000)
        ended.wait()


def main() -> int:
    """Run both in turn, print the figures, and return the exit code."""
    with tempfile.TemporaryDirectory() as directory:
        os.environ["CASCADE_CONTROL_DIR"] = str(Path(directory) / "control")
        run_with("reads", 1000)  # what is imported and made once
        verdict = in_turn(run_with, "snapshots")
    print(verdict)
    return not verdict.holds


if __name__ == "__main__":
    sys.exit(main())
