"""The terminal view: what it costs by itself, and what it does to the agents that it shows.

What is measured runs in a process of its own, in a terminal whose other end is read here, so that
reading costs the measured process nothing. By itself the view shows lights that are out of step;
its floor are the same lights with the same timer, unseen. In the experiment it shows 900 fireflies
that hear each other in vain; its floor is the same command with ``--no-visualize``. The floor of
bytes is what it would take to draw all anew in each frame.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import termios
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple, TypeVar

from benchmarks.harness import Row, Sample
from benchmarks.lights import Lights
from observatory.visualization.colours import ColourDepth
from observatory.visualization.layout import Layout
from observatory.visualization.raw_app import FRAMES_PER_SECOND
from observatory.visualization.screen import Screen
from observatory.visualization.status import StatusBar

TIMES_UNSEEN = 1.5
"""How many times the lateness without the view is accepted with it."""
FIREFLIES = 900
"""How many agents the experiment has."""
RATE = 100.0
"""Kilobytes per second that may be sent of so many, lights or fireflies."""


Run = TypeVar("Run")
Figure = Callable[[Run], float]
"""One of the figures of what a run took."""


class Size(NamedTuple):
    """The size of a window, in characters."""

    columns: int
    rows: int

    def __str__(self) -> str:
        return f"{self.columns} × {self.rows}"


SMALL, LARGE = Size(80, 24), Size(200, 60)


@dataclass(frozen=True, slots=True)
class Case:
    """A number of lights in a window, and what is accepted of it."""

    agents: int
    """How many lights there are."""
    size: Size
    """The size of the window."""
    core: float | None = None
    """Per cent of a core that may be used, all in all; None: it is only reported."""
    rate: float | None = None
    """Kilobytes per second that may be sent; None: it is only reported."""
    in_short: bool = False
    """Whether it belongs to the short form."""


CASES = (
    Case(FIREFLIES, SMALL, core=5.0, rate=RATE, in_short=True),
    Case(FIREFLIES, LARGE, core=5.0, rate=RATE),
    Case(10_000, SMALL, core=20.0),
    Case(10_000, LARGE, core=20.0, in_short=True),
    Case(100_000, LARGE),
)


@dataclass(frozen=True, slots=True)
class Shown:
    """What came of a program in a terminal."""

    received: int
    """How many bytes it has written to the terminal."""
    processor: float
    """Processor time of the whole process, in seconds."""
    errors: str
    """What it said on stderr."""


def run_in_terminal(command: Sequence[str], size: Size) -> Shown:
    """Run a program in a terminal of that size with 24-bit colour, and read what it writes.

    Raises:
        RuntimeError: its exit code isn't 0.
    """
    variables = {**os.environ, "TERM": "xterm-256color", "COLORTERM": "truecolor"}
    variables.pop("NO_COLOR", None)
    reader, terminal = os.openpty()
    try:
        termios.tcsetwinsize(terminal, (size.rows, size.columns))
        process = subprocess.Popen(
            command,
            stdin=terminal,
            stdout=terminal,
            stderr=subprocess.PIPE,
            cwd=Path(__file__).parent.parent,
            env=variables,
            start_new_session=True,
            text=True,
        )
    finally:
        os.close(terminal)
    try:
        received = _drain(reader)
        assert process.stderr is not None
        with process.stderr:
            errors = process.stderr.read()
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    finally:
        os.close(reader)
        if process.returncode is None:
            process.kill()
            process.wait()
    if process.returncode:
        raise RuntimeError(f"{' '.join(command)} ended with {process.returncode}: {errors}")
    return Shown(received, used.ru_utime + used.ru_stime, errors)


def _drain(reader: int) -> int:
    """Read until nobody has the terminal open any more; return how many bytes it was."""
    received = 0
    while True:
        try:
            data = os.read(reader, 1 << 16)
        except OSError:  # that is how Linux tells the end
            return received
        if not data:
            return received
        received += len(data)


# --- the view alone ---------------------------------------------------------------------------


class Lit(NamedTuple):
    """What one run of the lights took."""

    core: float
    """Processor time, in per cent of a core."""
    rate: float
    """Kilobytes per second."""
    frames: float
    """Frames, or turns of the timer, per second."""


def lit(how: str, agents: int, seconds: float, size: Size) -> Lit:
    """Run the lights for a time, ``"seen"`` or ``"unseen"``."""
    module = [sys.executable, "-m", "benchmarks.lights"]
    shown = run_in_terminal([*module, how, str(agents), str(seconds)], size)
    told = json.loads(shown.errors)
    return Lit(
        100 * told["processor"] / seconds, shown.received / 1e3 / seconds, told["frames"] / seconds
    )


def anew(agents: int, size: Size) -> float:
    """Return the kilobytes per second of drawing all anew in each frame."""
    grid = Lights(agents, 0.0).grid
    layout = Layout.of(*size, grid.width, grid.height, StatusBar.HEIGHT + 1)
    data = Screen(ColourDepth.TRUE).frame(layout, grid.colours(0.0, layout.factor), [])
    return len(data) * FRAMES_PER_SECOND / 1e3


def alone(case: Case, seconds: float, rounds: int) -> Iterable[Row]:
    """Run the lights of a case seen and unseen in turn."""
    floors: list[Lit] = []
    ours: list[Lit] = []
    for _ in range(rounds):
        floors.append(lit("unseen", case.agents, seconds, case.size))
        ours.append(lit("seen", case.agents, seconds, case.size))
    name = f"{case.agents:,} lights, {case.size}"

    def row(what: str, unit: str, figure: Figure[Lit]) -> Row:
        return _compared(f"{name}, {what}", case.agents, unit, floors, ours, figure)

    core = row("processor", "% of a core", lambda one: one.core)
    yield core if case.core is None else _limited(core, f"≤ {case.core:g} %", case.core)
    yield _sent(name, case.agents, case.size, [one.rate for one in ours], case.rate)
    yield row("frames", "per s", lambda one: one.frames)


# --- the view in the experiment ---------------------------------------------------------------


class Lived(NamedTuple):
    """What one run of the experiment took, and how punctual it was."""

    p50: float
    """Half of the flashes were at most so late, in milliseconds."""
    p99: float
    """99 of 100 flashes were at most so late, in milliseconds."""
    core: float
    """Processor time of the process from its start, in per cent of a core."""
    rate: float
    """Kilobytes per second."""


def lived(how: str, seconds: float) -> Lived:
    """Run the experiment for a time, with ``"--visualize"`` or ``"--no-visualize"``."""
    with tempfile.TemporaryDirectory() as directory:
        summary = Path(directory) / "summary.json"
        options = {
            "--agents": f"{FIREFLIES}",
            "--nudge": "0",
            "--seed": "0",
            "--duration": f"{seconds}",
            "--summary": f"{summary}",
        }
        module = [sys.executable, "-m", "observatory.experiments.run_fireflies", how]
        shown = run_in_terminal(
            [*module, *(word for pair in options.items() for word in pair)], SMALL
        )
        late = json.loads(summary.read_text(encoding="utf-8"))["lateness_s"]
    core, rate = 100 * shown.processor / seconds, shown.received / 1e3 / seconds
    return Lived(late["p50"] * 1e3, late["p99"] * 1e3, core, rate)


def in_experiment(seconds: float, rounds: int) -> Iterable[Row]:
    """Run the experiment with and without the view in turn."""
    floors: list[Lived] = []
    ours: list[Lived] = []
    for _ in range(rounds):
        floors.append(lived("--no-visualize", seconds))
        ours.append(lived("--visualize", seconds))
    name = f"{FIREFLIES} fireflies, {SMALL}"

    def row(what: str, unit: str, figure: Figure[Lived]) -> Row:
        return _compared(f"{name}, {what}", FIREFLIES, unit, floors, ours, figure)

    p50 = row("late: p50", "ms", lambda one: one.p50)
    p99 = row("late: p99", "ms", lambda one: one.p99)
    for late in (p50, p99):
        yield _limited(late, f"≤ {TIMES_UNSEEN:g} ×", TIMES_UNSEEN * late.floor.best)
    yield row("processor", "% of a core", lambda one: one.core)
    yield _sent(name, FIREFLIES, SMALL, [one.rate for one in ours], RATE)


# --- rows -------------------------------------------------------------------------------------


def _compared(
    name: str,
    items: int,
    unit: str,
    floors: Sequence[Run],
    ours: Sequence[Run],
    figure: Figure[Run],
) -> Row:
    floor, cascade = (Sample.of([figure(one) for one in side]) for side in (floors, ours))
    return Row(name, items, unit, floor, cascade, cascade.best / floor.best)


def _sent(name: str, agents: int, size: Size, rates: list[float], limit: float | None) -> Row:
    row = _compared(f"{name}, bytes", agents, "kB/s", [anew(agents, size)], rates, float)
    return row if limit is None else _limited(row, f"≤ {limit:g} kB/s", limit)


def _limited(row: Row, budget: str, limit: float) -> Row:
    return replace(row, budget=budget, exceeded=row.cascade.best > limit)


def view(quick: bool) -> Iterable[Row]:
    """Measure the view alone, and then in the experiment, which the short form has no time for."""
    if quick:
        for case in CASES:
            if case.in_short:
                yield from alone(case, seconds=3.0, rounds=1)
        return
    for case in CASES:
        yield from alone(case, seconds=5.0, rounds=3)
    # Long enough that the flashes of the very start, which are late, aren't one in a hundred.
    yield from in_experiment(seconds=20.0, rounds=3)
