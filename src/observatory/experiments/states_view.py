"""StatesView: what experiments look like whose agents are cells, each in a state."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from functools import partial
from typing import Any, Generic, TypeVar

from observatory.experiments.showing import Showing
from observatory.ticks import Ticks
from observatory.visualization.grid import StateView
from observatory.visualization.raw_app import RawTerminalApp
from observatory.visualization.status import StatusBar

STATUS_INTERVAL = 0.25
"""Seconds of the loop's clock from one status to the next."""
SPAN = 5.0
"""Seconds over which it is counted for the status what happens in a second."""

E = TypeVar("E")


class StatesView(ABC, Generic[E]):
    """The view of one experiment; `run` is what the experiment takes.

    Args:
        grid: the agents.
        title: what a recording is called.
        showing: where they are shown.
    """

    def __init__(self, grid: StateView, title: str, showing: Showing) -> None:
        self.grid = grid
        """The agents, as numbers that the experiment writes."""
        self.status = StatusBar()
        """What is said below the grid."""
        self.app = RawTerminalApp(self.grid, self.status)
        """The view itself."""
        self._title = title
        self._showing = showing

    @abstractmethod
    def _told(self, experiment: E, now: float, time: float) -> dict[str, Any]:
        """Return what is said below the grid.

        Args:
            experiment: what is shown; it has begun.
            now: the time, in seconds on the loop's clock.
            time: seconds since the beginning of the view.
        """

    async def run(self, experiment: E) -> None:
        """Show the experiment until `q` is pressed in the terminal, or until cancelled.

        Raises:
            OSError: a file can't be written, or stdout isn't a terminal.
        """
        await self._showing.run(self.app, self._title, partial(self._keep_status, experiment))

    async def _keep_status(self, experiment: E) -> None:
        loop = asyncio.get_running_loop()
        start = loop.time()
        ticks = Ticks(start, STATUS_INTERVAL)
        now = start
        try:
            while True:
                self.status.update(self._told(experiment, now, now - start))
                now = await ticks.next()
        finally:
            # What has happened last is in the picture, and is to be in the text as well.
            now = loop.time()
            self.status.update(self._told(experiment, now, now - start))
