"""ConwayView: what Life looks like, with cells that are wrong in a colour of their own."""

from __future__ import annotations

import asyncio
import os
from functools import partial

from observatory.experiments.conway import Conway
from observatory.experiments.conway_config import ConwayConfig
from observatory.experiments.generations import ALIVE, WRONGLY_DEAD
from observatory.experiments.recent import Recent
from observatory.experiments.showing import Showing
from observatory.ticks import Ticks
from observatory.visualization.grid import StateView
from observatory.visualization.palette import gradient
from observatory.visualization.raw_app import RawTerminalApp
from observatory.visualization.status import StatusBar

STATUS_INTERVAL = 0.25
"""Seconds of the loop's clock from one status to the next."""
SPAN = 5.0
"""Seconds over which generations are counted for the status."""

# Night, a pale green, and two reds: a cell that should live and doesn't, one that lives but
# shouldn't.
_palette = gradient((0, "#131a26"), (ALIVE, "#9fe0b0"), (WRONGLY_DEAD, "#a3162e"), (1, "#ff4d5e"))


class ConwayView:
    """The view of one experiment; `run` is what `Conway` takes.

    Args:
        config: the settings of the experiment.
        terminal: show it in the terminal of stdout.
        still: a file for a drawing (SVG) of what is seen at the end.
        cast: a file for a recording (asciicast v2).
    """

    def __init__(
        self,
        config: ConwayConfig,
        *,
        terminal: bool = False,
        still: str | os.PathLike[str] | None = None,
        cast: str | os.PathLike[str] | None = None,
    ) -> None:
        self.grid = StateView(config.width, config.height, _palette)
        """The cells, as numbers that `Generations` writes."""
        self.status = StatusBar()
        """What is said below the grid."""
        self.app = RawTerminalApp(self.grid, self.status)
        """The view itself."""
        self._config = config
        self._showing = Showing(terminal, still, cast)
        self._recent = Recent(SPAN, 1)

    async def run(self, experiment: Conway) -> None:
        """Show the experiment until `q` is pressed in the terminal, or until cancelled.

        Raises:
            OSError: a file can't be written, or stdout isn't a terminal.
        """
        title = f"Life, {self._config.width}×{self._config.height}"
        await self._showing.run(self.app, title, partial(self._keep_status, experiment))

    async def _keep_status(self, experiment: Conway) -> None:
        loop = asyncio.get_running_loop()
        start = loop.time()
        ticks = Ticks(start, STATUS_INTERVAL)
        self._show(experiment, start, 0.0)
        try:
            while True:
                now = await ticks.next()
                self._show(experiment, now, now - start)
        finally:
            # The last generation is in the picture, and is to be in the text as well.
            now = loop.time()
            self._show(experiment, now, now - start)

    def _show(self, experiment: Conway, now: float, time: float) -> None:
        made, config = experiment.generations, self._config
        assert made is not None
        self._recent.note(time, made.whole)
        (rate,) = self._recent.per_second()
        behind = made.behind if made.whole == config.generations else made.behind_at(now)
        drift = f"{made.apart} apart"
        if config.interval:
            drift += f", {behind} behind"
        self.status.update(
            {
                "generation": f"{made.whole} of {config.generations}",
                "alive": f"{made.alive:,} of {config.cells:,}",
                "errors": made.errors,
                "drift": drift,
                "generations/s": f"{rate:.1f}",
            }
        )
