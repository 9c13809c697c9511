"""The view in real terminals: tmux shows what is on the screen, and what is left on it."""

from __future__ import annotations

import json
import math
import os
import random
import re
import shutil
import signal
import textwrap
import time
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

pytest.importorskip("termios", reason="needs a terminal as POSIX has it")

from tests.e2e.terminals import LIMIT_S, PAST, PYTHON, Cell, Pane, Screen, Tmux, wait_until
from tests.long_form import tries

from observatory.visualization.palette import Palettes

if shutil.which("tmux") is None:
    pytest.skip("needs tmux, which isn't installed here", allow_module_level=True)

NIGHT = "2;8;11;24"
"""The colour behind everything."""
COLOURS = {f"2;{r};{g};{b}" for r, g, b in Palettes.firefly(np.arange(16) / 15).tolist()}
"""The colours that a firefly can have."""
BLOCKS = " ▀▄█"
"""Which cells of a character are in its own colour: none, the upper, the lower, both."""
RUN = ["--agents", "900", "--period", "1", "--duration", "60", "--seed", "1"]
KEYS = " m view   q quit   space freeze   ? help"
STATUS = re.compile(
    r"R [01]\.\d{3} (?P<bar>[█▏▎▍▌▋▊▉·]{20})  [▁▂▃▄▅▆▇█]+"
    r" +view flashes +time (?P<time>\d+) s +agents 900 +pulses \d+ +flashes/s [\d,]+"
    r" +lateness p99 [\d.]+ m?s +frames/s \d+( \(\d+ dropped\))?"
)


class Box(NamedTuple):
    """A rectangle on the screen, in characters."""

    left: int
    top: int
    width: int
    height: int


def rows_of(screen: Screen) -> list[str]:
    return ["".join(cell.glyph for cell in row).rstrip() for row in screen]


def status_top(screen: Screen) -> int | None:
    """Return the row in which the status begins."""
    tops = [number for number, row in enumerate(rows_of(screen)) if row.lstrip().startswith("R ")]
    return tops[0] if tops else None


def is_light(cell: Cell) -> bool:
    return cell.paper != NIGHT or cell.glyph != " "


def grid_box(screen: Screen) -> Box | None:
    """Return the smallest rectangle that holds all that isn't night, above the status."""
    top = status_top(screen)
    lights = [
        (row, column)
        for row, cells in enumerate(screen[:top])
        for column, cell in enumerate(cells)
        if is_light(cell)
    ]
    if top is None or not lights:
        return None
    rows, columns = zip(*lights, strict=True)
    left, above = min(columns), min(rows)
    return Box(left, above, max(columns) - left + 1, max(rows) - above + 1)


def grid_of(screen: Screen, box: Box) -> list[list[str]]:
    """Return the colours in the grid: two rows of them in each row of characters."""
    grid: list[list[str]] = []
    for row in screen[box.top : box.top + box.height]:
        cells = row[box.left : box.left + box.width]
        grid.append([cell.ink if BLOCKS.index(cell.glyph) & 1 else cell.paper for cell in cells])
        grid.append([cell.ink if BLOCKS.index(cell.glyph) & 2 else cell.paper for cell in cells])
    return grid


def grid_of_still(file: Path) -> list[list[str]]:
    """Return the colours of the dots in a drawing."""
    lights: dict[tuple[int, int], str] = {}
    for path in ElementTree.parse(file).iter("{http://www.w3.org/2000/svg}path"):
        if (colour := path.get("stroke")) is not None:
            code = ";".join(str(channel) for channel in bytes.fromhex(colour.removeprefix("#")))
            for x, y in re.findall(r"M(\d+) (\d+)h0", path.get("d", "")):
                lights[int(y), int(x)] = f"2;{code}"
    ys, xs = (sorted(set(places)) for places in zip(*lights, strict=True))
    return [[lights[y, x] for x in xs] for y in ys]


def assert_shows(screen: Screen, columns: int, rows: int, box: Box) -> None:
    """Assert that the screen is a picture: the grid in its place, the status below, else night."""
    assert [len(row) for row in screen] == [columns] * rows
    assert grid_box(screen) == box
    colours = {colour for row in grid_of(screen, box) for colour in row}
    assert colours <= COLOURS | ({NIGHT} if box.height == 1 else set())
    assert colours & COLOURS
    top = status_top(screen)
    assert top is not None
    text = rows_of(screen)
    below = text[top : top + 4]
    assert len(below) == 4
    assert below[3].lstrip() == KEYS.strip()[: columns - 1].rstrip()
    assert all(not row for row in text[box.top + box.height : top])
    assert all(not row for row in text[top + 4 :])
    assert is_drawn(screen, columns, rows)
    assert all(cell.paper == NIGHT for row in screen[top:] for cell in row)


def is_drawn(screen: Screen, columns: int, rows: int) -> bool:
    """Whether there isn't a cell in the terminal's own colour."""
    sizes = [len(row) for row in screen]
    return sizes == [columns] * rows and all(cell.paper for row in screen for cell in row)


def seconds(screen: Screen) -> int:
    """Return the time that the status tells."""
    found = re.search(r"time (\d+) s", "\n".join(rows_of(screen)))
    return int(found[1]) if found is not None else -1


def wait_for_view(pane: Pane) -> None:
    """Wait until a status is shown in which everything is known."""
    pane.wait_until(lambda text: "frames/s" in text and "lateness p99 –" not in text)


def wait_for_grid(pane: Pane, box: Box) -> None:
    wait_until(lambda: grid_box(pane.screen()) == box, lambda: f"not {box}:\n{pane.text}")


def wait_for_time(pane: Pane, later_than: int) -> None:
    """Wait until the status tells a later time, in seconds."""
    wait_until(lambda: seconds(pane.screen()) > later_than, lambda: f"\n{pane.text}")


def wait_until_drawn(pane: Pane, columns: int, rows: int) -> None:
    wait_until(lambda: is_drawn(pane.screen(), columns, rows), lambda: f"\n{pane.text}")


def assert_left_whole(pane: Pane, code: int, *, summary: bool = True) -> None:
    """Assert that the program ended with a code, that it printed its summary, and no more."""
    pane.wait_for_end()
    assert pane.ended == f"{code}, restored"
    said = pane.text.splitlines()
    assert said[len(PAST)].startswith("ready> ./fireflies --agents")
    for sign in ("Traceback", "Error", "Exception", "Warning"):
        assert sign not in pane.text
    assert ("on a torus of 30×30" in pane.text) or not summary
    assert "frames/s" not in pane.text
    pane.assert_whole()
    # What it has drawn was on a screen of its own: nothing of it is to be scrolled back to.
    assert pane.tell("history_size") == ["0"]


# --- what is seen -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("columns", "rows", "box"),
    # 30 × 30 agents: two cells a character in the small one, a square of 2 × 2 each in the other.
    [(80, 24, Box(25, 2, 30, 15)), (200, 60, Box(70, 12, 60, 30))],
)
def test_the_view_shows_the_grid_and_the_status_and_leaves_the_screen_as_it_was(
    tmux: Tmux, columns: int, rows: int, box: Box
) -> None:
    pane = tmux.pane(columns, rows)
    pane.start(*RUN)
    wait_for_view(pane)
    screen = pane.screen()
    assert_shows(screen, columns, rows, box)
    assert len({colour for row in grid_of(screen, box) for colour in row}) > 2
    top = status_top(screen)
    assert top is not None
    status = " ".join(row.strip() for row in rows_of(screen)[top : top + 3])
    assert STATUS.fullmatch(status.strip()), status
    assert pane.tell("alternate_on", "cursor_flag", "wrap_flag") == ["1", "0", "0"]
    pane.press("q")
    assert_left_whole(pane, 0)


def test_the_view_follows_the_size_of_the_window(tmux: Tmux) -> None:
    pane = tmux.pane(80, 24)
    pane.start(*RUN)
    wait_for_grid(pane, Box(25, 2, 30, 15))
    for columns, rows, box in (
        (100, 40, Box(20, 2, 60, 30)),
        (60, 20, Box(15, 0, 30, 15)),
        (20, 6, Box(8, 0, 4, 2)),  # blocks of 8 × 8 agents
        (9, 5, Box(3, 0, 2, 1)),
        (200, 60, Box(70, 12, 60, 30)),
        (80, 24, Box(25, 2, 30, 15)),
    ):
        pane.resize(columns, rows)
        wait_for_grid(pane, box)
        assert_shows(pane.screen(), columns, rows, box)
    pane.press("q")
    assert_left_whole(pane, 0)


def test_a_window_too_small_for_anything_is_survived(tmux: Tmux) -> None:
    pane = tmux.pane(80, 24)
    pane.start(*RUN)
    wait_for_view(pane)
    for columns, rows in ((30, 4), (3, 2), (1, 1)):
        pane.resize(columns, rows)
        wait_until_drawn(pane, columns, rows)
    pane.resize(80, 24)
    wait_for_grid(pane, Box(25, 2, 30, 15))
    assert_shows(pane.screen(), 80, 24, Box(25, 2, 30, 15))
    pane.press("q")
    assert_left_whole(pane, 0)


@pytest.mark.parametrize(
    ("agents", "box"),
    [
        (100, Box(20, 0, 40, 20)),  # 10 × 10, a square of 4 × 4 cells each
        (10_000, Box(23, 1, 34, 17)),  # 100 × 100, in blocks of 3 × 3
        (101, Box(14, 9, 51, 1)),  # a ring, in blocks of 2
    ],
)
def test_worlds_of_every_size_fit_the_window(tmux: Tmux, agents: int, box: Box) -> None:
    pane = tmux.pane(80, 24)
    pane.start("--agents", str(agents), "--period", "5", "--duration", "60")
    pane.wait_until(lambda text: f"agents {agents:,}" in text)
    wait_for_grid(pane, box)
    assert_shows(pane.screen(), 80, 24, box)
    pane.press("q")
    pane.wait_for_end()
    assert pane.ended == "0, restored"
    pane.assert_whole()


# --- keys -------------------------------------------------------------------------------------


def test_space_freezes_the_picture_and_a_still_shows_just_that_picture(tmux: Tmux) -> None:
    box = Box(25, 2, 30, 15)
    pane = tmux.pane(80, 24)
    pane.start(*RUN, "--still", "still.svg")
    wait_for_view(pane)
    pane.press("Space")
    pane.wait_until(lambda text: f"{KEYS}   frozen" in text)
    before = pane.screen()
    time.sleep(0.5)
    after = pane.screen()
    assert grid_of(after, box) == grid_of(before, box)
    # The time goes on.
    wait_for_time(pane, seconds(before))
    assert grid_of(pane.screen(), box) == grid_of(before, box)

    pane.press("Space")
    pane.wait_until(lambda text: "frozen" not in text)
    wait_until(lambda: grid_of(pane.screen(), box) != grid_of(before, box), lambda: pane.text)

    # What was sent, difference by difference, has come to the picture that is to be seen.
    pane.press("Space")
    pane.wait_until(lambda text: "frozen" in text)
    frozen = grid_of(pane.screen(), box)
    pane.press("q")
    assert_left_whole(pane, 0)
    assert grid_of_still(pane.directory / "still.svg") == frozen


def test_question_mark_shows_what_the_keys_do(tmux: Tmux) -> None:
    pane = tmux.pane(80, 24)
    pane.start(*RUN)
    wait_for_view(pane)
    pane.press("?")
    pane.wait_until(lambda text: "ends the experiment" in text)
    shown = pane.text
    assert "freezes the picture" in shown
    assert "Ctrl-L" in shown
    assert KEYS in shown
    assert grid_box(pane.screen()) is None  # no status, below which the grid would be looked for
    pane.press("?")
    pane.wait_until(lambda text: " R " in text)
    assert_shows(pane.screen(), 80, 24, Box(25, 2, 30, 15))
    pane.press("C-l", "x", "Escape", "Up", "F5")  # one draws anew, the others do nothing
    wait_for_time(pane, 1)
    assert_shows(pane.screen(), 80, 24, Box(25, 2, 30, 15))
    pane.press("Q")
    assert_left_whole(pane, 0)


# --- every way out ----------------------------------------------------------------------------


def test_a_whole_run_and_every_key_and_signal_that_ends_it_leave_the_screen_as_it_was(
    tmux: Tmux,
) -> None:
    codes = {"the end": 0, "C-c": 130, "C-\\": 131, "TERM": 143, "HUP": 129}
    panes = {way: tmux.pane(80, 24) for way in codes}
    for way, pane in panes.items():
        pane.start(*RUN, "--summary", "S", *(["--duration", "2"] if way == "the end" else []))
    for way, pane in panes.items():
        if way != "the end":
            pane.wait_until(lambda text: " R " in text and "time 0 s" not in text)
            if way.startswith("C-"):
                pane.press(way)
            else:
                os.kill(pane.program, signal.Signals[f"SIG{way}"])
    for way, pane in panes.items():
        assert_left_whole(pane, codes[way])
        summary = json.loads((pane.directory / "S").read_text())
        assert summary["flashes"] > 0, way


CHANCE = random.Random(32)
MOMENTS = [CHANCE.uniform(0.0, 2.0) for _ in range(tries(10, 20))]
"""Seconds since the program's first import; before that, the interpreter itself is starting."""
AT_A_TIME = 5
"""So many terminals at once: with this, it takes somewhat over a second until there is a view."""


def test_ctrl_c_at_any_moment_leaves_the_screen_as_it_was(tmux: Tmux) -> None:
    waiting = list(MOMENTS)
    due: dict[Pane, float] = {}
    running: list[tuple[Pane, float]] = []

    def look() -> bool:
        if waiting and len(running) < AT_A_TIME:
            pane = tmux.pane(80, 24)
            pane.start(*RUN)
            running.append((pane, waiting.pop()))
        for pane, moment in list(running):
            if pane not in due:
                if pane.began:
                    due[pane] = time.monotonic() + moment
            elif time.monotonic() >= due[pane]:
                pane.press("C-c")
                due[pane] = math.inf
            elif due[pane] == math.inf and pane.ended is not None:
                assert_left_whole(pane, 130, summary=False)
                running.remove((pane, moment))
        return not waiting and not running

    limit = LIMIT_S * len(MOMENTS) / AT_A_TIME
    wait_until(look, lambda: [pane.text for pane, _ in running], limit)


def test_ctrl_z_gives_the_screen_back_and_fg_takes_it_again(tmux: Tmux) -> None:
    box = Box(25, 2, 30, 15)
    pane = tmux.pane(80, 24)
    pane.type_line(f"./fireflies {' '.join(RUN)}")
    wait_for_view(pane)
    for _ in range(2):
        pane.press("C-z")
        pane.wait_until(lambda text: "Stopped" in text)
        pane.wait_for_prompt()
        pane.type_line("./end stopped")
        pane.wait_until(lambda text: "ended with stopped, the terminal is restored" in text)
        pane.assert_whole()
        pane.type_line("clear; ./begin")
        pane.wait_until(lambda text: text.splitlines()[: len(PAST)] == PAST)
        pane.type_line("fg; ./end $?")
        wait_for_grid(pane, box)
        before = pane.screen()
        assert_shows(before, 80, 24, box)
        wait_for_time(pane, seconds(before))
    pane.press("q")
    pane.wait_for_end()
    assert pane.ended == "0, restored"
    assert "on a torus of 30×30" in pane.text
    pane.assert_whole()


BROKEN_PALETTE = """
    import asyncio
    from observatory.experiments.run_fireflies import run_experiment
    from observatory.visualization.palette import Palettes

    frames = 0

    def palette(brightness):
        global frames
        frames += 1
        if frames > 20:
            raise LookupError("the palette has run dry")
        return Palettes.firefly(brightness)

    asyncio.run(run_experiment(num_agents=900, period=1, seed=1, palette_func=palette))
"""


def test_an_error_in_a_palette_is_told_on_the_screen_that_was_there_before(tmux: Tmux) -> None:
    pane = tmux.pane(100, 60)
    (pane.directory / "broken.py").write_text(textwrap.dedent(BROKEN_PALETTE))
    pane.type_line(f"{' '.join(PYTHON)} broken.py; ./end $?")
    pane.wait_until(lambda text: " R " in text)
    pane.wait_for_end()
    assert pane.ended == "1, restored"
    said = pane.text
    assert said.count("Traceback") == 1
    assert "LookupError: the palette has run dry" in said
    assert "frames/s" not in said
    pane.assert_whole()
