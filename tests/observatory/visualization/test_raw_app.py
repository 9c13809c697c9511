"""RawTerminalApp in a terminal of its own: what it shows, obeys, drops and leaves behind.

The whole program in tmux and in terminals that misbehave is in ``tests/e2e``.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import select
import struct
import sys
import termios
from collections.abc import Callable, Coroutine, Iterator
from typing import Any, TypeVar

import numpy as np
import pytest

from cascade.testing import run_virtual
from observatory.monitors.aggregator import MetricsAggregator
from observatory.visualization.grid import GridView
from observatory.visualization.palette import Palettes
from observatory.visualization.raw_app import RawTerminalApp
from observatory.visualization.status import StatusBar
from observatory.visualization.terminal import can_show

ENTER, LEAVE = b"\x1b[?1049h\x1b[?25l\x1b[?7l", b"\x1b[m\x1b[?7h\x1b[?25h\x1b[?1049l"
LIMIT_S = 10.0

T = TypeVar("T")


class Pty:
    """A terminal, and somebody who types and reads."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.keyboard, self.screen = os.openpty()
        self.output = b""
        self.resize(80, 24)
        self.before = termios.tcgetattr(self.screen)
        self.stdout = os.fdopen(os.dup(self.screen), "w", encoding="utf-8")
        monkeypatch.setenv("TERM", "xterm-256color")
        monkeypatch.setenv("COLORTERM", "truecolor")
        monkeypatch.delenv("NO_COLOR", raising=False)

    def run(self, main: Coroutine[Any, Any, T], how: Callable[..., T] = asyncio.run) -> T:
        """Run something whose stdout is this terminal."""
        ours = sys.stdout
        sys.stdout = self.stdout
        try:
            return how(main)
        finally:
            sys.stdout = ours

    def resize(self, columns: int, rows: int) -> None:
        fcntl.ioctl(self.screen, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def type(self, keys: bytes) -> None:
        os.write(self.keyboard, keys)

    def read(self) -> bytes:
        while select.select([self.keyboard], [], [], 0)[0]:
            self.output += os.read(self.keyboard, 65536)
        return self.output

    async def until(self, condition: Callable[[], bool]) -> None:
        """Read, and let the view run, until a condition holds."""
        loop = asyncio.get_running_loop()
        give_up = loop.time() + LIMIT_S
        while not condition():
            assert loop.time() < give_up, self.output[-500:]
            self.read()
            await asyncio.sleep(0.01)

    def check_restored(self) -> None:
        self.read()
        assert self.output.count(ENTER) == self.output.count(LEAVE) == 1
        assert self.output.endswith(LEAVE)
        assert termios.tcgetattr(self.screen) == self.before

    def close(self) -> None:
        self.stdout.close()
        for descriptor in (self.keyboard, self.screen):
            if descriptor >= 0:
                os.close(descriptor)


@pytest.fixture
def pty(monkeypatch: pytest.MonkeyPatch) -> Iterator[Pty]:
    pty = Pty(monkeypatch)
    yield pty
    pty.close()


def an_app(palette: Any = Palettes.firefly, width: int = 20, height: int = 10) -> RawTerminalApp:
    return RawTerminalApp(GridView(width, height, palette, 1.0), StatusBar({"agents": 200}))


def test_it_shows_the_grid_and_the_status_until_q(pty: Pty) -> None:
    async def main() -> None:
        app = an_app()
        run = asyncio.create_task(app.run())
        await pty.until(lambda: app.frames >= 3)
        assert "agents" in pty.output.decode()
        assert "▀" not in pty.output.decode()  # nothing is lit, and squares are whole characters
        app.grid_view.light(0, asyncio.get_running_loop().time())
        await pty.until(lambda: b"48;2;255;251;209" in pty.output)
        pty.type(b"q")
        await asyncio.wait_for(run, LIMIT_S)
        assert app.sent > 0
        assert app.dropped == 0

    pty.run(main())
    pty.check_restored()


def test_its_keys(pty: Pty) -> None:
    async def main() -> None:
        app = an_app()
        run = asyncio.create_task(app.run())
        pty.type(b" ")
        await pty.until(lambda: b"frozen" in pty.output)
        pty.output = b""
        pty.type(b" ?")
        await pty.until(lambda: b"freezes the picture" in pty.output)
        assert b"frozen" not in pty.output
        pty.type(b"?")
        await pty.until(lambda: b"agents" in pty.output)
        pty.output = b""
        pty.type(b"\x0c")
        await pty.until(lambda: b"\x1b[2J" in pty.output and b"agents" in pty.output)
        pty.type(b"xyz\x1b[A\xff")
        app.stop()
        await asyncio.wait_for(run, LIMIT_S)

    pty.run(main())


def test_it_follows_the_size_of_the_window(pty: Pty) -> None:
    async def main() -> None:
        app = an_app()
        run = asyncio.create_task(app.run())
        await pty.until(lambda: app.frames >= 1)
        pty.read()
        pty.output = b""
        pty.resize(10, 5)
        await pty.until(lambda: b"\x1b[2J" in pty.output and b"agents" in pty.output)
        assert b"\x1b[6;" not in pty.output.partition(b"\x1b[2J")[2]
        app.stop()
        await asyncio.wait_for(run, LIMIT_S)

    pty.run(main())


def test_frames_that_nobody_reads_are_dropped_and_the_view_goes_on(pty: Pty, tmp_path: Any) -> None:
    def blinking(brightness: Any) -> Any:
        blinking.turn = not blinking.turn  # type: ignore[attr-defined]
        return np.where(np.indices(brightness.shape).sum(axis=0) % 2 == blinking.turn, 17, 231)  # type: ignore[attr-defined]

    blinking.turn = False  # type: ignore[attr-defined]

    async def main() -> RawTerminalApp:
        pty.resize(200, 60)
        with MetricsAggregator(tmp_path / "log") as log:
            app = RawTerminalApp(GridView(200, 100, blinking, 1.0), StatusBar(), log)
            run = asyncio.create_task(app.run())
            loop = asyncio.get_running_loop()
            give_up = loop.time() + LIMIT_S
            while app.dropped < 5:
                assert loop.time() < give_up
                await asyncio.sleep(0.01)
            frames = app.frames
            await pty.until(lambda: app.frames > frames)
            while app.dropped < 10:  # and again nobody reads
                assert loop.time() < give_up
                await asyncio.sleep(0.01)
            began = loop.time()
            run.cancel()
            with pytest.raises(asyncio.CancelledError):
                await run
            assert loop.time() - began < 2.0
        return app

    app = pty.run(main())
    pty.read()
    assert pty.output.endswith(LEAVE)
    assert termios.tcgetattr(pty.screen) == pty.before
    assert '"view.dropped"' in (tmp_path / "log").read_text()
    assert app.dropped >= 10


def test_what_a_palette_raises_is_raised_and_the_terminal_is_whole(pty: Pty) -> None:
    def failing(brightness: Any) -> Any:
        raise ZeroDivisionError("no colours left")

    async def main() -> None:
        with pytest.raises(ZeroDivisionError, match="no colours left"):
            await an_app(failing).run()

    pty.run(main())
    pty.check_restored()


def test_cancelled_it_leaves_a_whole_terminal(pty: Pty) -> None:
    async def main() -> None:
        app = an_app()
        run = asyncio.create_task(app.run())
        await pty.until(lambda: app.frames >= 1)
        run.cancel()
        with pytest.raises(asyncio.CancelledError):
            await run

    pty.run(main())
    pty.check_restored()


def test_a_closed_terminal_ends_it(pty: Pty) -> None:
    async def main() -> None:
        app = an_app()
        run = asyncio.create_task(app.run())
        await pty.until(lambda: app.frames >= 1)
        os.close(pty.keyboard)
        pty.keyboard = -1
        await asyncio.wait_for(run, LIMIT_S)

    pty.run(main())


def test_stopped_before_it_begins_it_ends_at_once(pty: Pty) -> None:
    app = an_app()
    app.stop()
    pty.run(app.run())
    pty.check_restored()


def test_on_virtual_time_it_draws_by_real_time(pty: Pty) -> None:
    async def main() -> None:
        app = an_app()
        run = asyncio.create_task(app.run())
        await asyncio.sleep(600)
        assert 1 <= app.frames < 600  # ten minutes would be 18,000 frames
        app.stop()
        await run

    pty.run(main(), run_virtual)
    pty.read()
    assert pty.output.endswith(LEAVE)


def test_which_terminals_can_show_it(pty: Pty) -> None:
    assert can_show(pty.stdout, {"TERM": "xterm"})
    assert not can_show(pty.stdout, {"TERM": "dumb"})
    assert not can_show(pty.stdout, {})
    assert not can_show(None, {"TERM": "xterm"})
    with open(os.devnull, "w", encoding="utf-8") as nowhere:
        assert not can_show(nowhere, {"TERM": "xterm"})
    with os.fdopen(os.dup(pty.screen), "w", encoding="latin-1") as without_blocks:
        assert not can_show(without_blocks, {"TERM": "xterm"})


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((3, StatusBar()), "grid_view must be a GridView, got 3"),
        ((GridView(1, 1, Palettes.grey, 1.0), None), "status_bar must be a StatusBar, got None"),
        ((GridView(1, 1, Palettes.grey, 1.0), StatusBar(), "log"), "aggregator must be a Metrics"),
    ],
)
def test_bad_arguments(arguments: Any, message: str) -> None:
    with pytest.raises(TypeError, match=message):
        RawTerminalApp(*arguments)
