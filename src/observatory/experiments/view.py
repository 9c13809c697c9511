"""FirefliesView: what an experiment looks like, in the terminal, as a recording and as a still."""

from __future__ import annotations

import asyncio
import os
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from observatory.experiments.config import FirefliesConfig
from observatory.experiments.fireflies import Fireflies
from observatory.experiments.moment import Moment
from observatory.experiments.recent import Recent
from observatory.experiments.recorder import Recorder
from observatory.experiments.showing import Showing
from observatory.experiments.slots import shown, slots_there_are
from observatory.monitors.aggregator import MetricsAggregator
from observatory.ticks import Ticks
from observatory.visualization.grid import GridView
from observatory.visualization.palette import PaletteFunction, Palettes
from observatory.visualization.phases import FLASHES, aspect_name, phase_aspects
from observatory.visualization.raw_app import RawTerminalApp
from observatory.visualization.status import Course, StatusBar

STATUS_INTERVAL = 0.25
"""Seconds of the loop's clock from one status to the next."""
HELP = (
    " q  ends the experiment; the summary is printed   Ctrl-L  draws everything anew",
    " space  freezes the picture; the experiment goes on   ?  shows or hides this",
    " m  shows flashes; phases; the order of each agent and those around it",
)


class FirefliesView:
    """The view of one experiment; `run` is what `Fireflies` takes.

    Args:
        config: the settings of the experiment.
        palette_func: from brightness to colour.
        terminal: show it in the terminal of stdout.
        still: a file for a drawing (SVG) of what is seen at the end.
        cast: a file for a recording (asciicast v2).
        log: where the sizes of frames are logged, if anywhere; open already.
    """

    def __init__(
        self,
        config: FirefliesConfig,
        palette_func: PaletteFunction = Palettes.firefly,
        *,
        terminal: bool = False,
        still: str | os.PathLike[str] | None = None,
        cast: str | os.PathLike[str] | None = None,
        log: MetricsAggregator | None = None,
    ) -> None:
        width, height = config.shape
        grid = GridView(width, height, palette_func, 1 / (config.decay_duty_cycle * config.period))
        seen = {"view": FLASHES} if terminal else {}
        self.status = StatusBar({**seen, "time": "0 s", "agents": f"{config.num_agents:,}"})
        """What is said below the grid."""
        self.status.course = self._course = Course("R")
        self.app = RawTerminalApp(grid, self.status, log)
        """The view itself."""
        self.app.keys["m"] = ("view", self._switch)
        self.app.help = HELP
        self._config = config
        self._showing = Showing(terminal, still, cast)
        # Over a period, as the flashes of a world in step come all at once; but at least a second.
        self._recent = Recent(max(1.0, config.period), 2)

    async def run(self, experiment: Fireflies) -> None:
        """Show the experiment until `q` is pressed in the terminal, or until cancelled.

        Raises:
            OSError: a file can't be written, or stdout isn't a terminal.
            TypeError, ValueError: the palette returned something that isn't colours.
            Exception: whatever the palette itself raises.
        """
        assert experiment.recorder is not None
        grid = self.app.grid_view
        grid.matrix.follow(experiment.recorder.latest)
        width, height = self._config.shape
        grid.aspects = phase_aspects(partial(_turns, experiment.recorder, (height, width)))
        title = f"{width}×{height} fireflies"
        await self._showing.run(self.app, title, partial(self._keep_status, experiment))

    def _switch(self) -> None:
        """Show something else of the agents."""
        self.app.grid_view.switch()
        self.status.update({"view": aspect_name(self.app.grid_view)})

    async def _keep_status(self, experiment: Fireflies) -> None:
        """Bring the status up to date, at regular times."""
        loop = asyncio.get_running_loop()
        virtual = getattr(loop, "virtual", False)
        ticks = Ticks(loop.time(), STATUS_INTERVAL)
        while True:
            moment = experiment.moment(await ticks.next())
            # Whoever steers it may have set another limit than that of the settings.
            limit = None if moment.active is None else slots_there_are(experiment.manager)
            self._show(moment, limit, virtual)

    def _show(self, moment: Moment, limit: float | None, virtual: bool) -> None:
        """Put a moment into the status bar."""
        config = self._config
        self._course.add(moment.time, moment.order_parameter)
        self._recent.note(moment.time, moment.flashes, self.app.frames)
        flashes, frames = self._recent.per_second()
        late = moment.lateness_p99
        values: dict[str, Any] = {
            "time": f"{moment.time:.0f} s",
            "agents": f"{config.num_agents:,}",
            "pulses": moment.flashes // config.num_agents,
            "flashes/s": f"{flashes:,.0f}",
            "lateness p99": "–" if late is None else _duration(late),
        }
        if moment.active is not None:
            values["slots"] = f"{moment.active} of {shown(limit)}"
            values["waiting"] = moment.waiting
        if self._showing.terminal and not virtual:
            dropped = f" ({self.app.dropped} dropped)" if self.app.dropped else ""
            values["frames/s"] = f"{frames:.0f}{dropped}"
        self.status.update(values)


def _turns(recorder: Recorder, shape: tuple[int, int], now: float) -> NDArray[np.float64]:
    return recorder.turns(now).reshape(shape)


def _duration(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds >= 1.0 else f"{seconds * 1000:.1f} ms"
