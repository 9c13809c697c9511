"""Ctrl-C at the program in a terminal: at any moment it ends at once, in order and with 130.

Moments are counted from the program's first import. Before that, the Python interpreter itself is
starting, and what an interrupt does then is not up to the program.
"""

from __future__ import annotations

import json
import os
import random
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from tests.long_form import tries

pytest.importorskip("termios", reason="needs a terminal as POSIX has it")

LIMIT_S = 30.0
"""How long anything here may take at most, in seconds."""
IMPORTING, ENDED = "<importing>", "<ended>"
ENTER, LEAVE = "\x1b[?1049h\x1b[?25l\x1b[?7l", "\x1b[?7h\x1b[?25h\x1b[?1049l"
"""How the view takes the screen over and gives it back."""
SHORT_RUN = ["--agents", "100", "--period", "0.5", "--duration", "30", "--visualize"]

# The part of a shell: it makes the terminal its own, starts the program and outlives it, so that
# the attributes that the program leaves behind can be seen.
SHELL = f"""
import fcntl, json, signal, subprocess, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
signal.signal(signal.SIGINT, lambda *_: None)
before = termios.tcgetattr(0)
code = subprocess.call([sys.executable, "-c", *sys.argv[1:]])
print({ENDED!r} + json.dumps({{"code": code, "restored": termios.tcgetattr(0) == before}}))
"""

# What `python -m` does, and a word on the terminal as soon as the program's imports begin.
PROGRAM = f"""
import os, runpy, sys
class Herald:
    def find_spec(self, name, path=None, target=None):
        if name == "asyncio":
            sys.meta_path.remove(self)
            os.write(1, {IMPORTING.encode()!r})
sys.meta_path.insert(0, Herald())
runpy.run_module("observatory.experiments.run_fireflies", run_name="__main__", alter_sys=True)
"""


class Terminal:
    """A terminal of its own with the program in it, and somebody who presses Ctrl-C."""

    def __init__(self, arguments: Sequence[str], presses: Sequence[float]) -> None:
        self.output = ""
        self._presses = list(presses)
        self._importing_since: float | None = None
        self._keyboard, screen = os.openpty()
        self.shell = subprocess.Popen(
            [sys.executable, "-c", SHELL, PROGRAM, *arguments],
            stdin=screen,
            stdout=screen,
            stderr=screen,
            start_new_session=True,
        )
        os.close(screen)

    def look(self) -> None:
        """Read what is there, and press Ctrl-C if it is time to."""
        while select.select([self._keyboard], [], [], 0)[0]:
            try:
                read = os.read(self._keyboard, 65536)
            except OSError:  # Linux: nobody has the other side open any more
                break
            if not read:
                break
            self.output += read.decode(errors="replace")
        if self._importing_since is None and IMPORTING in self.output:
            self._importing_since = time.monotonic()
        if self._importing_since is not None and self._presses:
            passed = time.monotonic() - self._importing_since
            if passed >= self._presses[0]:
                self.press()
                del self._presses[0]

    def press(self) -> None:
        os.write(self._keyboard, b"\x03")

    def close(self) -> None:
        """Close the terminal; whatever still runs in it is killed."""
        if self.shell.poll() is None:
            os.killpg(self.shell.pid, signal.SIGKILL)
        self.shell.wait()
        os.close(self._keyboard)

    @property
    def ended(self) -> bool:
        return self.shell.poll() is not None

    @property
    def began(self) -> bool:
        """Whether the experiment is known to have begun: the view shows an order parameter."""
        return " R 0." in self.output or " R 1." in self.output

    def assert_ended_in_order(self) -> None:
        output, said, end = self.output.partition(ENDED)
        assert said, self.output
        assert json.loads(end) == {"code": 130, "restored": True}, self.output
        for sign in ("Traceback", "Exception", "Error", "Warning", "was never"):
            assert sign not in output
        assert ("on a torus of 10×10" in output) or not self.began
        if ENTER in output:
            assert output.count(ENTER) == output.count(LEAVE) == 1
            assert output.index(LEAVE) < output.index("on a torus of 10×10")
        with pytest.raises(ProcessLookupError):
            os.killpg(self.shell.pid, 0)


def watch(terminals: Sequence[Terminal], until: Callable[[Terminal], bool]) -> None:
    """Look at all terminals until the condition holds for each."""
    give_up = time.monotonic() + LIMIT_S
    while not all(until(terminal) for terminal in terminals):
        for terminal in terminals:
            terminal.look()
        assert time.monotonic() < give_up, [terminal.output for terminal in terminals]
        time.sleep(0.002)
    for terminal in terminals:
        terminal.look()


def press_at(*moments: Sequence[float]) -> list[Terminal]:
    """Run the program in one terminal for each sequence of moments, all at the same time."""
    terminals = [Terminal(SHORT_RUN, presses) for presses in moments]
    try:
        watch(terminals, lambda terminal: terminal.ended)
    finally:
        for terminal in terminals:
            terminal.close()
    for terminal in terminals:
        terminal.assert_ended_in_order()
    return terminals


CHANCE = random.Random(31)
GROUPS = tries(3, 5)
MOMENTS = sorted(CHANCE.uniform(0.0, 1.5) for _ in range(tries(12, 20)))


@pytest.mark.parametrize("group", range(GROUPS))
def test_at_any_moment_it_ends_in_order(group: int) -> None:
    press_at(*([moment] for moment in MOMENTS[group::GROUPS]))


def test_in_the_midst_of_the_run_it_prints_the_summary() -> None:
    terminal = Terminal([*SHORT_RUN, "--summary", "-"], [])
    try:
        watch([terminal], lambda terminal: terminal.began)
        terminal.press()
        watch([terminal], lambda terminal: terminal.ended)
    finally:
        terminal.close()
    terminal.assert_ended_in_order()
    last = terminal.output.partition(ENDED)[0].splitlines()[-1]
    summary = json.loads(last)
    assert 0.2 < summary["duration"] < 30.0
    assert summary["flashes"] > 0


# --- without a terminal -----------------------------------------------------------------------


def interrupted(arguments: Sequence[str]) -> tuple[int, str, str]:
    """Interrupt the program after its first line; return its exit code and what it printed."""
    with subprocess.Popen(
        [sys.executable, "-m", "observatory.experiments.run_fireflies", *SHORT_RUN, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    ) as running:
        assert running.stdout is not None
        try:
            readable, _, _ = select.select([running.stdout], [], [], LIMIT_S)
            assert readable, "not a line was printed"
            running.send_signal(signal.SIGINT)
            out, err = running.communicate(timeout=LIMIT_S)
        finally:
            running.kill()
    return running.returncode, out, err


@pytest.mark.parametrize(
    ("clock", "duration"),
    # A second of virtual time is over in a millisecond, and there is a line only every 50.
    [("real", "30"), ("virtual", "3000")],
)
def test_sigint_leaves_a_valid_summary_and_a_whole_log(
    clock: str, duration: str, tmp_path: Path
) -> None:
    summary_file, log_file = tmp_path / "summary.json", tmp_path / "log.jsonl"
    files = ["--summary", str(summary_file), "--log", str(log_file)]
    code, out, err = interrupted(["--limit", "60", "--time", clock, "--duration", duration, *files])
    assert (code, err.strip()) == (130, "")
    assert "on a torus of 10×10" in out
    summary: dict[str, Any] = json.loads(summary_file.read_text())
    assert (summary["agents"], summary["limit"], summary["time"]) == (100, 60, clock)
    assert 1.0 <= summary["duration"] < float(duration)
    assert summary["flashes"] > 0
    assert log_file.read_text().endswith("\n")
    lines = [json.loads(line) for line in log_file.read_text().splitlines()]
    late = sum(line["count"] for line in lines if line["key"] == "lateness_s")
    assert late == summary["flashes"]
