"""Casts: the view as a recording in the format asciicast v2.

Reference: docs.asciinema.org/manual/asciicast/v2.
"""

from __future__ import annotations

import asyncio
import json
import os
from typing import IO

from observatory.ticks import Ticks
from observatory.visualization.colours import ColourDepth
from observatory.visualization.layout import Layout
from observatory.visualization.raw_app import FRAMES_PER_SECOND, RawTerminalApp
from observatory.visualization.screen import Screen
from observatory.visualization.status import StatusBar
from observatory.writing import naming

_ENTER = "\x1b[?25l\x1b[?7l\x1b[2J"
_LEAVE = "\x1b[m\x1b[?7h\x1b[?25h\r\n"


class Cast:
    """Records what a view shows, 30 frames a second, in 24-bit colour.

    The window is as large as the grid needs, whatever the terminal's size is, and no frame is
    dropped: on virtual time the same run gives the same file, byte for byte. Lines of the file
    are whole ones, so that a recording that was broken off can be played.

    Args:
        filename: the file; what it held before is lost.
        app: the view; it need not be shown anywhere.
        title: the recording's title.

    Raises:
        OSError: the file can't be written.
    """

    def __init__(self, filename: str | os.PathLike[str], app: RawTerminalApp, title: str) -> None:
        self._app = app
        grid = app.grid_view
        self._layout = Layout.natural(grid.width, grid.height, StatusBar.HEIGHT)
        self._title = title
        self._file: IO[str] = open(filename, "w", encoding="utf-8")  # noqa: SIM115 - close()

    async def run(self) -> None:
        """Record until cancelled.

        Raises:
            OSError: the file can't be written.
            TypeError, ValueError: the palette returned something that isn't colours.
        """
        loop = asyncio.get_running_loop()
        start, time = loop.time(), 0.0
        ticks = Ticks(start, 1.0 / FRAMES_PER_SECOND)
        screen = Screen(ColourDepth.TRUE)
        layout = self._layout
        header = {
            "version": 2,
            "width": layout.columns,
            "height": layout.rows,
            "title": self._title,
            "env": {"TERM": "xterm-256color"},
        }
        self._write(header)
        self._write([0.0, "o", _ENTER])
        try:
            while True:
                data = screen.frame(layout, *self._app.picture(layout, start + time))
                if data:
                    self._write([round(time, 6), "o", data.decode()])
                time = await ticks.next() - start
        finally:
            self._write([round(time, 6), "o", _LEAVE])

    def close(self) -> None:
        """Close the file. Again, it does nothing."""
        with naming(self._file.name):
            self._file.close()

    def _write(self, value: object) -> None:
        with naming(self._file.name):
            self._file.write(json.dumps(value, ensure_ascii=False) + "\n")
