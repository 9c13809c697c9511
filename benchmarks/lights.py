"""Lights out of step, and nothing else: what the terminal view shows when it is measured alone.

``python -m benchmarks.lights seen|unseen AGENTS SECONDS`` shows them in the terminal of stdout, or
only lights them, and says on stderr, in JSON, what that took. It is a program because the view
needs a terminal of its own, with somebody else at the other end.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable

import numpy as np

from benchmarks.fireflies import processor_time
from benchmarks.harness import collector
from observatory.experiments.config import FirefliesConfig
from observatory.ticks import Ticks
from observatory.visualization.grid import GridView
from observatory.visualization.palette import Palettes
from observatory.visualization.raw_app import FRAMES_PER_SECOND, RawTerminalApp
from observatory.visualization.status import StatusBar


class Lights:
    """As many lights as there are agents, each lit once a period at a time of its own."""

    def __init__(self, agents: int, now: float) -> None:
        config = FirefliesConfig(num_agents=agents)
        width, height = config.shape
        decay = 1 / (config.decay_duty_cycle * config.period)
        self.grid = GridView(width, height, Palettes.firefly, decay)
        self._period = config.period
        self._lit_at = np.frombuffer(self.grid.matrix.lit_at)
        # As if it had always been so: the load is the same from the first frame on.
        phases = np.random.default_rng(config.seed).uniform(0, config.period, agents)
        self._lit_at[:] = now - phases
        self._due = self._lit_at + config.period

    def light(self, now: float) -> None:
        """Light those whose time has come."""
        whose = np.flatnonzero(self._due <= now)
        self._lit_at[whose] = self._due[whose]
        self._due[whose] += self._period


async def unseen(agents: int, seconds: float) -> int:
    """Keep lights going for a time; return how many turns the timer has made."""
    now = asyncio.get_running_loop().time()
    return await _keep(Lights(agents, now), now, seconds)


async def seen(agents: int, seconds: float) -> int:
    """Show lights in the terminal for a time; return how many frames were sent."""
    now = asyncio.get_running_loop().time()
    lights = Lights(agents, now)
    app = RawTerminalApp(lights.grid, StatusBar({"agents": f"{agents:,}"}))
    view = asyncio.create_task(app.run())
    await _keep(lights, now, seconds)
    app.stop()
    await view
    return app.frames


async def _keep(lights: Lights, start: float, seconds: float) -> int:
    ticks = Ticks(start, 1.0 / FRAMES_PER_SECOND)
    turns, now = 0, start
    while now < start + seconds:
        lights.light(now)
        turns += 1
        now = await ticks.next()
    return turns


def main(name: str, agents: str, seconds: str) -> None:
    """Do it, and say how much processor time it took, in seconds, and how often it was done."""
    work: Callable[[int, float], Awaitable[int]] = {"seen": seen, "unseen": unseen}[name]
    frames = 0

    async def run() -> None:
        nonlocal frames
        frames = await work(int(agents), float(seconds))

    with collector(on=False):
        used = processor_time(run)
    print(json.dumps({"processor": used, "frames": frames}), file=sys.stderr)


if __name__ == "__main__":
    main(*sys.argv[1:])
