"""`cascade watch` in a real terminal: tmux shows what is on the screen, and what is left on it."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("termios", reason="needs a terminal as POSIX has it")

from tests.control.worlds import program, until
from tests.e2e.terminals import PAST, PYTHON, Pane, Tmux

import cascade
from cascade.control import Client, find

if shutil.which("tmux") is None:
    pytest.skip("needs tmux, which isn't installed here", allow_module_level=True)

SOURCE = Path(cascade.__file__).parents[1]
COLOUR = re.compile(r"\x1b\[(?:[\d;]*;)?(?:3[0-8]|4[0-8]|9[0-7]|10[0-7])(?:;[\d;]*)?m")


@pytest.fixture
def one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The directory of the socket of a program of 12 agents that share 5 slots."""
    place = tmp_path / "control"
    monkeypatch.setenv("CASCADE_CONTROL_DIR", str(place))
    with program(place, "one", 12, 5):
        until(lambda: find() == ["one"] and asked()["runs"] == 12)
        yield place


def asked() -> dict[str, Any]:
    with Client("one") as client:
        found: dict[str, Any] = client.ask("ps")
        return found


def start(pane: Pane, place: Path, **variables: str) -> None:
    """Start the command; when it has ended, the shell tells how."""
    named = {"PYTHONPATH": str(SOURCE), "CASCADE_CONTROL_DIR": str(place), **variables}
    script = ["#!/bin/sh", "echo $$ > pid", f"exec {shlex.join(PYTHON)} -m cascade.cli watch $*"]
    script[1:1] = [f"export {name}={shlex.quote(value)}" for name, value in named.items()]
    (pane.directory / "watch").write_text("\n".join(script) + "\n")
    (pane.directory / "watch").chmod(0o755)
    pane.type_line("./watch --every 0.2; ./end $?")


def captured(pane: Pane) -> str:
    """Return what is on the screen, with the sequences that select colours."""
    return pane._tmux("capture-pane", "-p", "-e", "-t", pane._name)


def assert_left_whole(pane: Pane, code: int) -> None:
    pane.wait_for_end()
    assert pane.ended == f"{code}, restored"
    said = pane.text.splitlines()[len(PAST) :]
    assert said[0].startswith("ready> ./watch")
    assert "Traceback" not in pane.text
    pane.assert_whole()


def test_it_shows_a_program_follows_the_window_and_leaves_the_screen_as_it_was(
    tmux: Tmux, one: Path
) -> None:
    pane = tmux.pane(80, 24)
    start(pane, one)
    pane.wait_until(lambda text: "12 runs" in text and "5/5" in text and "waits for slot" in text)
    assert "q quit" in pane.text.rstrip().splitlines()[-1]
    assert COLOUR.search(captured(pane)) is None  # nothing is wrong, so nothing is red
    pane.press("p")
    pane.wait_until(lambda text: "pause-global" in text and "0 running  12 waiting" in text)
    assert asked()["tasks"] == {"running": 0, "waiting": 12, "pending": 0, "ended": 0, "skipped": 0}
    pane.resize(120, 40)
    pane.wait_until(lambda text: len(text.rstrip().splitlines()) == 40 and "run-9 " in text)
    pane.press("c", "y")
    pane.wait_until(lambda text: "1 run cancelled" in text and "ERRORS 1" in text)
    assert COLOUR.search(captured(pane)) is not None
    pane.resize(80, 24)
    pane.wait_until(lambda text: len(text.rstrip().splitlines()) == 24 and "q quit" in text)
    os.kill(int((pane.directory / "pid").read_text()), signal.SIGTERM)
    assert_left_whole(pane, 143)


def test_it_works_without_colour(tmux: Tmux, one: Path) -> None:
    pane = tmux.pane(80, 24)
    start(pane, one, NO_COLOR="1")
    pane.wait_until(lambda text: "12 runs" in text and "▸ run-1 one-0" in text)
    pane.press("c")
    pane.wait_until(lambda text: "Cancel run-1 of one?" in text)
    pane.press("y")
    pane.wait_until(lambda text: "1 run cancelled" in text and "ERRORS 1" in text)
    assert COLOUR.search(captured(pane)) is None
    pane.press("Tab", "l")
    pane.wait_until(lambda text: "slot=" in text and "Enter sets it" in text)
    assert COLOUR.search(captured(pane)) is None
    pane.press("C-c")
    assert_left_whole(pane, 0)
