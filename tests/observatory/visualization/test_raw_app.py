"""RawTerminalApp in a terminal of its own: what it shows, obeys, drops and leaves behind.

The whole program in tmux and in terminals that misbehave is in ``tests/e2e``.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import termios
import threading
from collections.abc import Iterator
from pathlib import Path
from time import monotonic
from typing import Any

import numpy as np
import pytest
from tests.observatory.visualization.emulator import Terminal
from tests.observatory.visualization.pseudo_terminal import ENTER, LEAVE, LIMIT_S, Pty
from tests.observatory.visualization.test_screen import check

from cascade.testing import run_virtual
from observatory.monitors.aggregator import MetricsAggregator
from observatory.visualization.colours import ColourDepth
from observatory.visualization.grid import GridView
from observatory.visualization.layout import Layout
from observatory.visualization.palette import Palettes
from observatory.visualization.raw_app import RawTerminalApp
from observatory.visualization.status import Line, StatusBar, cut

TRUE = ColourDepth.TRUE


@pytest.fixture
def pty(monkeypatch: pytest.MonkeyPatch) -> Iterator[Pty]:
    pty = Pty(monkeypatch)
    yield pty
    pty.close()


def an_app(palette: Any = Palettes.firefly, width: int = 20, height: int = 10) -> RawTerminalApp:
    return RawTerminalApp(GridView(width, height, palette, 1.0), StatusBar({"agents": 200}))


KEYS = " q quit   space freeze   ? help"


def check_shown(output: bytes, app: RawTerminalApp, columns: int, rows: int) -> None:
    """What a terminal makes of all that was sent since it has this size is the picture."""
    terminal = Terminal(columns, rows)
    terminal.feed(output)
    layout = Layout.of(columns, rows, app.grid_view.width, app.grid_view.height, 4)
    colours, lines = app.picture(layout, 0.0)
    keys: Line = ((" " * layout.status_left + KEYS, "dim"),)
    check(terminal, layout, colours, [*lines, cut(keys, columns)], TRUE)


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
    pty.read_until(LEAVE)
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
        pty.hang_up()
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
    pty.check_restored()


def checked(brightness: Any) -> Any:
    """A palette whose picture is the same at any time, with two colours in most characters."""
    return np.where(np.indices(brightness.shape).sum(axis=0) % 3 == 0, 17, 231)


@pytest.mark.parametrize("size", [(80, 24), (20, 9), (7, 5), (3, 2), (1, 1), (200, 60)])
def test_what_a_terminal_makes_of_it_is_the_picture(pty: Pty, size: tuple[int, int]) -> None:
    app = an_app(checked)

    async def main() -> None:
        pty.resize(*size)
        run = asyncio.create_task(app.run())
        await pty.until(lambda: app.frames >= 2)
        app.stop()
        await asyncio.wait_for(run, LIMIT_S)

    pty.run(main())
    pty.check_restored()
    check_shown(pty.output.removesuffix(LEAVE), app, *size)
    assert len(pty.output) == len(ENTER + b"\x1b[2J") + app.sent + len(LEAVE)


def test_in_a_window_of_another_size_the_picture_is_whole(pty: Pty) -> None:
    app = an_app(checked)
    pieces = []

    async def main() -> None:
        run = asyncio.create_task(app.run())
        await pty.until(lambda: app.frames >= 1)
        for size in [(20, 9), (100, 40), (9, 3)]:
            pty.read(0.05)
            pty.output = b""
            pty.resize(*size)
            frames = app.frames
            await pty.until(lambda frames=frames: app.frames > frames + 1)  # type: ignore[misc]
            pieces.append((size, pty.read(0.05)))
        app.stop()
        await asyncio.wait_for(run, LIMIT_S)

    pty.run(main())
    for size, output in pieces:
        assert output.count(b"\x1b[2J") == 1
        check_shown(output, app, *size)


def test_when_the_reader_comes_back_the_picture_is_whole(pty: Pty) -> None:
    pty.resize(200, 60)
    blinking = True
    turn = 0

    def palette(brightness: Any) -> Any:
        """Much that is different in each frame, and at the left a mark that stays."""
        nonlocal turn
        turn += blinking
        rows, columns = np.indices(brightness.shape)
        colours = np.where((rows + columns) % 3 == turn % 3, 17, 231)
        colours[:, :2] = np.where(rows[:, :2] < 2 * turn, 46, 21)
        return colours

    app = an_app(palette, 200, 100)

    async def main() -> None:
        nonlocal blinking
        run = asyncio.create_task(app.run())
        loop = asyncio.get_running_loop()
        give_up = loop.time() + LIMIT_S
        while app.dropped < 5:  # nobody reads
            assert loop.time() < give_up
            await asyncio.sleep(0.01)
        dropped, frames = app.dropped, app.frames
        await pty.until(lambda: app.frames > frames)
        blinking = False
        frames = app.frames
        await pty.until(lambda: app.frames > frames + 2)
        assert app.dropped - dropped < 5
        pty.type(b"q")
        await asyncio.wait_for(run, LIMIT_S)

    pty.run(main())
    pty.check_restored()
    assert len(pty.output) == len(ENTER + b"\x1b[2J") + app.sent + len(LEAVE)
    check_shown(pty.output.removesuffix(LEAVE), app, 200, 60)


def test_on_virtual_time_too_frames_that_nobody_reads_are_dropped(pty: Pty) -> None:
    pty.resize(200, 60)
    turn = 0

    def palette(brightness: Any) -> Any:
        nonlocal turn
        turn += 1
        return np.where(np.indices(brightness.shape).sum(axis=0) % 3 == turn % 3, 17, 231)

    app = an_app(palette, 200, 100)

    async def main() -> None:
        run = asyncio.create_task(app.run())
        give_up = monotonic() + LIMIT_S
        while app.dropped < 3:
            assert monotonic() < give_up
            await asyncio.sleep(10)
        frames = app.frames
        while app.frames < frames + 3:  # somebody reads again
            assert monotonic() < give_up
            pty.read()
            await asyncio.sleep(1)
        while app.dropped < 6:
            assert monotonic() < give_up
            await asyncio.sleep(10)
        run.cancel()
        began = monotonic()
        with pytest.raises(asyncio.CancelledError):
            await run
        assert monotonic() - began < 2.0

    pty.run(main(), run_virtual)
    pty.check_restored()


def test_it_draws_thirty_frames_a_second_at_most(pty: Pty) -> None:
    app = an_app()

    async def main() -> None:
        loop = asyncio.get_running_loop()
        began = loop.time()
        run = asyncio.create_task(app.run())
        await pty.until(lambda: app.frames >= 6)
        assert app.frames <= (loop.time() - began) * 30 + 1
        app.stop()
        await asyncio.wait_for(run, LIMIT_S)

    pty.run(main())


def test_a_picture_that_stays_the_same_is_sent_once(pty: Pty) -> None:
    app = an_app(checked)

    async def main() -> None:
        run = asyncio.create_task(app.run())
        await pty.until(lambda: app.frames >= 1)
        sent = app.sent
        await pty.until(lambda: app.frames >= 4)
        assert app.sent == sent > 0
        app.stop()
        await asyncio.wait_for(run, LIMIT_S)

    pty.run(main())


def test_frozen_the_grid_stays_as_it_is_and_the_status_goes_on(pty: Pty) -> None:
    app = an_app(Palettes.grey)

    async def main() -> None:
        run = asyncio.create_task(app.run())
        pty.type(b" ")
        await pty.until(lambda: b"frozen" in pty.output)
        pty.read(0.05)
        pty.output = b""
        app.grid_view.light(0, asyncio.get_running_loop().time())
        app.status_bar.update({"agents": "many of them"})
        await pty.until(lambda: b"many of them" in pty.output)
        assert pty.read(0.05).count(b"H") == 1  # the line of the status, and nothing of the grid
        pty.output = b""
        pty.type(b" ")
        await pty.until(lambda: b"? help\x1b" in pty.output)
        assert b"frozen" not in pty.read(0.05)
        app.grid_view.light(0, asyncio.get_running_loop().time())
        await pty.until(lambda: b"48;2;255;255;255" in pty.output)
        app.stop()
        await asyncio.wait_for(run, LIMIT_S)

    pty.run(main())


def test_an_experiment_has_keys_of_its_own(pty: Pty) -> None:
    app = an_app()
    pressed = []
    app.keys["+"] = ("more", lambda: pressed.append("more"))
    app.keys["-"] = ("less", lambda: pressed.append("less"))

    async def main() -> None:
        run = asyncio.create_task(app.run())
        await pty.until(lambda: b"+ more   - less   q quit   space freeze" in pty.output)
        pty.type(b"+x-+Q+")
        await asyncio.wait_for(run, LIMIT_S)

    pty.run(main())
    assert pressed[:3] == ["more", "less", "more"]


def test_keys_without_a_word_arent_listed_and_keys_of_the_view_can_be_taken(pty: Pty) -> None:
    app = an_app()
    app.help = (" nothing helps",)
    pressed = []
    app.keys[" "] = ("pause", lambda: pressed.append("pause"))
    app.keys["0"] = ("", lambda: pressed.append("0"))

    async def main() -> None:
        run = asyncio.create_task(app.run())
        await pty.until(lambda: b" space pause   q quit   ? help" in pty.output)
        pty.type(b" 0?")
        await pty.until(lambda: b"nothing helps" in pty.output)
        pty.type(b"q")
        await asyncio.wait_for(run, LIMIT_S)

    pty.run(main())
    assert pressed == ["pause", "0"]
    assert b"frozen" not in pty.output


def test_stopped_with_ctrl_z_the_terminal_is_whole_and_afterwards_drawn_anew(
    pty: Pty, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = an_app(checked)
    stops: list[tuple[int, bool]] = []

    def kill(process: int, number: int) -> None:
        assert process == os.getpid()
        pty.read_until(LEAVE)
        stops.append((number, termios.tcgetattr(pty.screen) == pty.before))
        pty.output = b""

    async def main() -> None:
        run = asyncio.create_task(app.run())
        await pty.until(lambda: app.frames >= 1)
        monkeypatch.setattr(os, "kill", kill)
        signal.raise_signal(signal.SIGTSTP)
        await pty.until(lambda: len(stops) == 1)
        frames = app.frames
        await pty.until(lambda: app.frames > frames + 1)
        app.stop()
        await asyncio.wait_for(run, LIMIT_S)

    before = signal.getsignal(signal.SIGTSTP)
    pty.run(main())
    assert stops == [(signal.SIGSTOP, True)]
    assert signal.getsignal(signal.SIGTSTP) == before
    pty.check_restored()
    check_shown(pty.output.removesuffix(LEAVE), app, 80, 24)


def test_outside_of_the_main_thread_it_is_shown_as_well(pty: Pty) -> None:
    app = an_app(checked)

    async def main() -> None:
        run = asyncio.create_task(app.run())
        await pty.until(lambda: app.frames >= 2)
        app.stop()
        await asyncio.wait_for(run, LIMIT_S)

    thread = threading.Thread(target=lambda: pty.run(main()))
    thread.start()
    thread.join(LIMIT_S)
    assert not thread.is_alive()
    pty.check_restored()
    check_shown(pty.output.removesuffix(LEAVE), app, 80, 24)


def test_a_frame_is_logged_with_its_size(pty: Pty, tmp_path: Path) -> None:
    where = tmp_path / "log"

    async def main() -> RawTerminalApp:
        with MetricsAggregator(where) as log:
            app = RawTerminalApp(GridView(3, 3, checked, 1.0), StatusBar(), log)
            run = asyncio.create_task(app.run())
            await pty.until(lambda: app.frames >= 3)
            app.stop()
            await asyncio.wait_for(run, LIMIT_S)
        return app

    app = pty.run(main())
    logged = {line["key"]: line for line in map(json.loads, where.read_text().splitlines())}
    sizes = logged["view.frame_bytes"]
    assert sizes["count"] == app.frames
    assert sizes["mean"] * sizes["count"] == pytest.approx(app.sent)
    assert logged["view.dropped"]["max"] == 0


def test_what_is_no_terminal_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    with open(os.devnull, "w", encoding="utf-8") as nowhere:
        monkeypatch.setattr(sys, "stdout", nowhere)
        run = an_app().run()
        with pytest.raises(OSError):  # noqa: PT011 - its text is the system's
            asyncio.run(run)


def test_the_picture_is_that_of_its_layout() -> None:
    app = an_app(Palettes.grey)
    app.grid_view.light(3, 7.0)
    for columns, rows in [(200, 60), (80, 24), (7, 9)]:
        layout = Layout.of(columns, rows, 20, 10, 4)
        colours, lines = app.picture(layout, 7.5)
        assert (colours == app.grid_view.colours(7.5, layout.factor)).all()
        assert len(lines) == StatusBar.HEIGHT
        said = "".join(text for text, _ in lines[0])
        assert said.startswith(" " * layout.status_left)
        assert said[layout.status_left :].startswith(" agents"[: columns - layout.status_left])


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
