"""BottleneckView: what the bottleneck looks like: who thinks, who waits, who works."""

from __future__ import annotations

import asyncio
import os
from functools import partial

from observatory.experiments.bottleneck import Bottleneck, BottleneckConfig, Rounds
from observatory.experiments.recent import Recent
from observatory.experiments.showing import Showing
from observatory.percentiles import percentiles
from observatory.ticks import Ticks
from observatory.visualization.grid import StateView
from observatory.visualization.palette import gradient
from observatory.visualization.raw_app import RawTerminalApp
from observatory.visualization.status import Course, StatusBar

STATUS_INTERVAL = 0.25
"""Seconds of the loop's clock from one status to the next."""
SPAN = 5.0
"""Seconds over which rounds and waits are counted for the status."""

# Dark, amber and green; what lies between stands for blocks of agents in a small window.
_palette = gradient((0, "#1b2338"), (0.5, "#c8832b"), (1, "#86e08f"))


class BottleneckView:
    """The view of one experiment; `run` is what `Bottleneck` takes.

    Args:
        config: the settings of the experiment.
        terminal: show it in the terminal of stdout.
        still: a file for a drawing (SVG) of what is seen at the end.
        cast: a file for a recording (asciicast v2).
    """

    def __init__(
        self,
        config: BottleneckConfig,
        *,
        terminal: bool = False,
        still: str | os.PathLike[str] | None = None,
        cast: str | os.PathLike[str] | None = None,
    ) -> None:
        self.grid = StateView(*config.shape, _palette, "mean")
        """The agents: 0 stands for one that thinks, 0.5 for one that waits, 1 for one at work."""
        self.status = StatusBar({"time": "0 s", "agents": f"{config.agents:,}"})
        """What is said below the grid."""
        self.status.course = self._course = Course("use")
        self.app = RawTerminalApp(self.grid, self.status)
        """The view itself."""
        self._config = config
        self._showing = Showing(terminal, still, cast)
        self._recent = Recent(SPAN, 2)

    async def run(self, experiment: Bottleneck) -> None:
        """Show the experiment until `q` is pressed in the terminal, or until cancelled.

        The keys ``+`` and ``-`` change how many slots there are by a tenth, ``p`` closes the
        doors and opens them again.

        Raises:
            OSError: a file can't be written, or stdout isn't a terminal.
        """
        step = max(1, self._config.slots // 10)
        self.app.keys = {
            "+": ("more", lambda: experiment.change_slots(step)),
            "-": ("fewer", lambda: experiment.change_slots(-step)),
            "p": ("pause", experiment.pause),
        }
        title = f"{self._config.agents} agents, {self._config.slots} slots"
        await self._showing.run(self.app, title, partial(self._keep_status, experiment))

    async def _keep_status(self, experiment: Bottleneck) -> None:
        loop = asyncio.get_running_loop()
        start = loop.time()
        ticks = Ticks(start, STATUS_INTERVAL)
        while True:
            now = await ticks.next()
            assert experiment.rounds is not None
            self._show(experiment.rounds, experiment.paused, now - start)

    def _show(self, rounds: Rounds, paused: bool, time: float) -> None:
        self._recent.note(time, sum(rounds.ended), len(rounds.waits))
        ended, _ = self._recent.per_second()
        _, waits_before = self._recent.before
        waits = rounds.waits[waits_before:]
        if rounds.slots:
            self._course.add(time, rounds.working / rounds.slots)
        self.status.update(
            {
                "time": f"{time:.0f} s",
                "agents": f"{self._config.agents:,}",
                "waiting": rounds.waiting,
                "working": f"{rounds.working} of {rounds.slots}" + (", paused" if paused else ""),
                "rounds/s": f"{ended:.0f}",
                "wait p99": f"{percentiles(waits, 99)[0]:.2f} s" if waits else "–",
            }
        )
