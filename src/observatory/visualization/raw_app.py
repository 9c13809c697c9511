"""RawTerminalApp: shows a grid and a status bar in a terminal, frame by frame, and obeys keys."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import monotonic
from typing import Any

from numpy.typing import NDArray

from observatory.monitors.aggregator import MetricsAggregator
from observatory.ticks import Ticks
from observatory.visualization.colours import colour_depth
from observatory.visualization.grid import GridView
from observatory.visualization.layout import Layout
from observatory.visualization.screen import Screen
from observatory.visualization.status import Line, StatusBar, cut
from observatory.visualization.terminal import Terminal, TerminalClosedError

FRAMES_PER_SECOND = 30
"""How often the picture is made anew, at most."""

_KEYS = (("q", "quit"), ("space", "freeze"), ("?", "help"))
HELP = (
    " q      ends the experiment; the summary is printed",
    " space  freezes the picture; the experiment goes on",
    " ?      shows or hides this   Ctrl-L draws everything anew",
)
"""What is said about the keys when nothing else is."""
_REDRAW = "\x0c"


class RawTerminalApp:
    """The view of an experiment in a terminal.

    It draws at most 30 frames a second, on the loop of the experiment. A frame is dropped, and
    counted, while the terminal hasn't taken the one before: a slow line never holds up anybody.
    On virtual time a frame is drawn when a thirtieth of a real second has passed.

    Args:
        grid_view: the agents.
        status_bar: what is said below them.
        aggregator: if it is given, it is told the size of each frame in bytes
            (``view.frame_bytes``), and how many were dropped so far (``view.dropped``).

    Raises:
        TypeError: an argument is something else.
    """

    def __init__(
        self,
        grid_view: GridView,
        status_bar: StatusBar,
        aggregator: MetricsAggregator | None = None,
    ) -> None:
        for argument, value, kind in (
            ("grid_view", grid_view, GridView),
            ("status_bar", status_bar, StatusBar),
        ):
            if not isinstance(value, kind):
                raise TypeError(f"{argument} must be a {kind.__name__}, got {value!r}")
        if aggregator is not None and not callable(getattr(aggregator, "record_nowait", None)):
            raise TypeError(f"aggregator must be a MetricsAggregator, got {aggregator!r}")
        self.grid_view = grid_view
        """The agents."""
        self.status_bar = status_bar
        """What is said below them."""
        self.frames = 0
        """How many frames were sent."""
        self.dropped = 0
        """How many frames were dropped because the terminal hadn't taken the one before."""
        self.sent = 0
        """How many bytes of frames were sent."""
        self.keys: dict[str, tuple[str, Callable[[], object]]] = {}
        """Further keys: what each does, in a word, and what is called when it is pressed. One
        without a word isn't listed; one that the view has, such as space, is taken from it."""
        self.help: tuple[str, ...] = HELP
        """Lines about the keys, as many as the status bar has."""
        self._aggregator = aggregator
        self._stopping = False
        self._frozen = False
        self._help = False

    def stop(self) -> None:
        """End `run()` with the next frame; if it hasn't begun, it ends at once."""
        self._stopping = True

    async def run(self) -> None:
        """Show the view in the terminal of stdout until `q`, `stop()`, or cancelled.

        It returns, too, when the terminal is closed. The terminal is put back as it was on every
        way out, and while the program is stopped with Ctrl-Z.

        Raises:
            OSError: stdout isn't a terminal.
            TypeError, ValueError: the palette returned something that isn't colours.
            Exception: whatever the palette itself raises.
        """
        loop = asyncio.get_running_loop()
        virtual = getattr(loop, "virtual", False)
        ticks = Ticks(loop.time(), 1.0 / FRAMES_PER_SECOND)
        drawn = 0.0
        terminal = Terminal(sys.stdout.fileno())
        try:
            terminal.enter()
            screen = Screen(colour_depth(os.environ))
            with _suspension() as asked_to_suspend:
                while not self._stopping:
                    if asked_to_suspend():
                        terminal.leave()
                        os.kill(os.getpid(), signal.SIGSTOP)
                        # From here it goes on, when it is to.
                        terminal.enter()
                        screen.forget()
                    self._obey(terminal.keys(), screen, loop.time())
                    # On virtual time nothing else does it.
                    terminal.flush()
                    now = monotonic()
                    if not virtual or now >= drawn + 1.0 / FRAMES_PER_SECOND:
                        drawn = now
                        self._draw(terminal, screen, loop.time())
                    await ticks.next()
        except TerminalClosedError:
            return
        finally:
            terminal.close()

    def picture(self, layout: Layout, now: float) -> tuple[NDArray[Any], list[Line]]:
        """Return the colours and the status of the view at a time, or of when it was frozen.

        Args:
            layout: the places of things.
            now: the time, in seconds on the loop's clock.
        """
        indent = layout.status_left
        lines = self.status_bar.lines(layout.columns - indent)
        if indent:
            lines = [((" " * indent, "plain"), *line) for line in lines]
        return self.grid_view.colours(now, layout.factor), lines

    def _obey(self, keys: bytes, screen: Screen, now: float) -> None:
        for key in keys.decode(errors="ignore"):
            if key in self.keys:
                self.keys[key][1]()
            elif key in "qQ":
                self._stopping = True
            elif key == " ":
                self._frozen = not self._frozen
                if self._frozen:
                    self.grid_view.freeze(now)
                else:
                    self.grid_view.thaw()
            elif key == "?":
                self._help = not self._help
            elif key == _REDRAW:
                screen.forget()

    def _draw(self, terminal: Terminal, screen: Screen, now: float) -> None:
        if terminal.busy:
            self.dropped += 1
            if self._aggregator is not None:
                self._aggregator.record_nowait("view.dropped", self.dropped)
            return
        columns, rows = terminal.size()
        grid = self.grid_view
        layout = Layout.of(columns, rows, grid.width, grid.height, StatusBar.HEIGHT + 1)
        colours, lines = self.picture(layout, now)
        own = {" ": "space"}
        words = [f"{own.get(key, key)} {word}" for key, (word, _) in self.keys.items() if word]
        taken = {own.get(key, key) for key in self.keys}
        words += [f"{key} {word}" for key, word in _KEYS if key not in taken]
        keys: Line = ((" " * layout.status_left, "plain"), (f" {'   '.join(words)}", "dim"))
        if self._frozen:
            keys = (*keys, ("   frozen", "accent"))
        if self._help:
            lines = [((" " * layout.status_left + text, "plain"),) for text in self.help]
        lines = [cut(line, columns) for line in (*lines, keys)]
        data = screen.frame(layout, colours, lines)
        if data:
            terminal.write(data)
        self.frames += 1
        self.sent += len(data)
        if self._aggregator is not None:
            self._aggregator.record_nowait("view.frame_bytes", len(data))
            self._aggregator.record_nowait("view.dropped", self.dropped)


@contextmanager
def _suspension() -> Iterator[Callable[[], bool]]:
    """Take Ctrl-Z, and give a function that tells, once, that it was pressed."""
    pressed = False

    def press(*_: object) -> None:
        nonlocal pressed
        pressed = True

    def taken() -> bool:
        nonlocal pressed
        was, pressed = pressed, False
        return was

    if threading.current_thread() is not threading.main_thread():
        yield taken  # only the main thread gets signals
        return
    before = signal.signal(signal.SIGTSTP, press)
    try:
        yield taken
    finally:
        signal.signal(signal.SIGTSTP, before)
