"""Casts: recordings that can be played, and are the same whenever the run is."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.observatory.visualization.emulator import Terminal
from tests.observatory.visualization.test_screen import check

from cascade.testing import run_virtual
from observatory.visualization.cast import Cast
from observatory.visualization.colours import ColourDepth
from observatory.visualization.grid import LEVELS, GridView
from observatory.visualization.layout import Layout
from observatory.visualization.palette import Palettes
from observatory.visualization.raw_app import FRAMES_PER_SECOND, RawTerminalApp
from observatory.visualization.status import StatusBar

WIDTH, HEIGHT, DECAY = 6, 5, 2.0
LAYOUT = Layout.natural(WIDTH, HEIGHT, StatusBar.HEIGHT)
START = 40.0
"""What the loop's clock shows when a recording begins."""


def an_app(palette: Any = Palettes.firefly) -> RawTerminalApp:
    return RawTerminalApp(GridView(WIDTH, HEIGHT, palette, DECAY), StatusBar({"lit": 0}))


def flash_at(number: int) -> tuple[int, float]:
    """An agent, and when it is lit, in seconds since the start."""
    return number * 7 % (WIDTH * HEIGHT), 0.051 + number * 0.1


async def light(app: RawTerminalApp, count: int = 30) -> None:
    """Light agents one after the other."""
    loop = asyncio.get_running_loop()
    start = loop.time()
    for number in range(count):
        agent, time = flash_at(number)
        await asyncio.sleep(start + time - loop.time())
        app.grid_view.light(agent, start + time)
        app.status_bar.update({"lit": number + 1})


def record(where: Path, app: RawTerminalApp, play: Callable[[RawTerminalApp], Any] = light) -> None:
    """Record what is played, on virtual time."""

    async def main() -> None:
        cast = Cast(where, app, "A title: “ü”")
        run = asyncio.create_task(cast.run())
        try:
            await play(app)
        finally:
            run.cancel()
            await asyncio.wait([run])
            cast.close()
        with pytest.raises(asyncio.CancelledError):
            run.result()

    run_virtual(main(), start=START)


def events_of(where: Path) -> tuple[dict[str, Any], list[tuple[float, str, str]]]:
    header, *events = [json.loads(line) for line in where.read_text("utf-8").splitlines()]
    return header, [(time, kind, data) for time, kind, data in events]


def test_its_first_line_is_the_header(tmp_path: Path) -> None:
    record(tmp_path / "cast", an_app())
    header, _ = events_of(tmp_path / "cast")
    assert header == {
        "version": 2,
        "width": LAYOUT.columns,
        "height": LAYOUT.rows,
        "title": "A title: “ü”",
        "env": {"TERM": "xterm-256color"},
    }


def test_its_events_are_output_at_times_that_go_up_from_0(tmp_path: Path) -> None:
    record(tmp_path / "cast", an_app())
    _, events = events_of(tmp_path / "cast")
    times = [time for time, _, _ in events]
    assert times[0] == 0.0
    assert times == sorted(times)
    assert {kind for _, kind, _ in events} == {"o"}
    frames = [time * FRAMES_PER_SECOND for time in times]
    assert frames == pytest.approx([round(frame) for frame in frames], abs=1e-4)
    assert all(data for _, _, data in events)


def test_each_of_its_frames_is_the_picture_of_its_time(tmp_path: Path) -> None:
    record(tmp_path / "cast", an_app())
    _, events = events_of(tmp_path / "cast")
    shown = {round(time * FRAMES_PER_SECOND): data for time, _, data in events[1:-1]}
    terminal = Terminal(LAYOUT.columns, LAYOUT.rows)
    terminal.feed(events[0][2].encode())
    assert (terminal.wraps, terminal.cursor) == (False, False)
    changed = 0
    for frame in range(3 * FRAMES_PER_SECOND - 1):
        written = terminal.written
        terminal.feed(shown.get(frame, "").encode())
        changed += terminal.written > written
        now = frame / FRAMES_PER_SECOND
        lit = [flash_at(number) for number in range(30) if flash_at(number)[1] <= now]
        brightness = np.zeros((HEIGHT, WIDTH))
        for agent, time in lit:
            brightness[agent // WIDTH, agent % WIDTH] = max(0.0, 1.0 - DECAY * (now - time))
        levels = np.rint(brightness * (LEVELS - 1)) / (LEVELS - 1)
        lines = StatusBar({"lit": len(lit)}).lines(LAYOUT.columns)
        check(terminal, LAYOUT, Palettes.firefly(levels), lines, ColourDepth.TRUE)
    assert changed > 60
    terminal.feed(events[-1][2].replace("\r\n", "").encode())
    assert (terminal.wraps, terminal.cursor) == (True, True)


def test_a_picture_that_stays_the_same_takes_no_room(tmp_path: Path) -> None:
    async def wait(app: RawTerminalApp) -> None:
        await asyncio.sleep(60)

    record(tmp_path / "cast", an_app(), wait)
    _, events = events_of(tmp_path / "cast")
    assert len(events) == 3  # beginning, picture, end
    assert events[-1][0] == pytest.approx(60, abs=1 / FRAMES_PER_SECOND)


def test_broken_off_at_any_time_its_lines_are_whole(tmp_path: Path) -> None:
    where = tmp_path / "cast"
    sizes = set()

    async def play(app: RawTerminalApp) -> None:
        playing = asyncio.create_task(light(app, 90))
        while not playing.done():
            await asyncio.sleep(0.1)
            written = where.read_text("utf-8")
            sizes.add(len(written))
            assert written == "" or written.endswith("\n")
            for line in written.splitlines():
                json.loads(line)

    record(where, an_app(), play)
    assert len(sizes) > 3


def test_ended_by_what_a_palette_raises_it_can_be_played(tmp_path: Path) -> None:
    frames = 0

    def failing(brightness: Any) -> Any:
        nonlocal frames
        frames += 1
        if frames > 5:
            raise ZeroDivisionError("no colours left")
        return Palettes.grey(brightness)

    async def main() -> None:
        cast = Cast(tmp_path / "cast", an_app(failing), "title")
        with pytest.raises(ZeroDivisionError, match="no colours left"):
            await cast.run()
        cast.close()

    run_virtual(main())
    _, events = events_of(tmp_path / "cast")
    assert events[-1][0] == pytest.approx(5 / FRAMES_PER_SECOND, abs=1e-6)
    assert events[-1][2].startswith("\x1b[m")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the system has no full disk to offer")
def test_a_full_disk_is_told() -> None:
    async def main() -> None:
        cast = Cast("/dev/full", an_app(), "title")
        run = asyncio.create_task(cast.run())
        await asyncio.sleep(0.1)
        run.cancel()
        await asyncio.wait([run])
        cast.close()

    with pytest.raises(OSError, match="No space left"):
        run_virtual(main())
