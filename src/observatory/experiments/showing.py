"""Showing: a view in the terminal, as a recording and as a still, for as long as it is wanted."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from observatory.experiments.until_first import until_first
from observatory.visualization.cast import Cast
from observatory.visualization.layout import Layout
from observatory.visualization.raw_app import RawTerminalApp
from observatory.visualization.status import StatusBar
from observatory.visualization.still import still
from observatory.writing import naming


@dataclass(frozen=True, slots=True)
class Showing:
    """Where a view is shown."""

    terminal: bool = False
    """In the terminal of stdout."""
    still: str | os.PathLike[str] | None = None
    """A file for a drawing (SVG) of what is seen at the end."""
    cast: str | os.PathLike[str] | None = None
    """A file for a recording (asciicast v2)."""

    def __bool__(self) -> bool:
        return self.terminal or self.still is not None or self.cast is not None

    async def run(
        self, app: RawTerminalApp, title: str, keep_status: Callable[[], Coroutine[Any, Any, None]]
    ) -> None:
        """Show a view until `q` is pressed in the terminal, or until cancelled.

        Args:
            app: the view.
            title: what the recording is called.
            keep_status: keeps the status bar up to date, without end.

        Raises:
            OSError: a file can't be written, or stdout isn't a terminal.
            TypeError, ValueError: the palette returned something that isn't colours.
            Exception: whatever the palette itself raises.
        """
        loop = asyncio.get_running_loop()
        cast = None if self.cast is None else Cast(self.cast, app, title)
        try:
            parts = [loop.create_task(keep_status(), name="status")]
            if cast is not None:
                parts.append(loop.create_task(cast.run(), name="cast"))
            if self.terminal:
                parts.append(loop.create_task(app.run(), name="terminal"))
            await until_first(parts)
        except Exception:
            raise
        except BaseException:
            self._draw_still(app, loop.time())
            raise
        else:
            self._draw_still(app, loop.time())
        finally:
            if cast is not None:
                cast.close()

    def _draw_still(self, app: RawTerminalApp, now: float) -> None:
        if self.still is None:
            return
        grid = app.grid_view
        layout = Layout.natural(grid.width, grid.height, StatusBar.HEIGHT)
        with naming(self.still):
            Path(self.still).write_text(still(layout, *app.picture(layout, now)), encoding="utf-8")


NOWHERE = Showing()
"""A view that nobody sees."""
