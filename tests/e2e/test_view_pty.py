"""The view and what takes its bytes: somebody, nobody, a closed terminal, a file, a pipe."""

from __future__ import annotations

import itertools
import json
import re
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("termios", reason="needs a terminal as POSIX has it")

from tests.e2e.terminals import FIREFLIES, LIMIT_S, Pty, environment, wait_until

from observatory.experiments.fireflies import lead

RUN = ["--agents", "100", "--period", "0.5", "--seed", "1"]
ENTER, LEAVE = "\x1b[?1049h\x1b[?25l\x1b[?7l", "\x1b[m\x1b[?7h\x1b[?25h\x1b[?1049l"
"""How the view takes the screen over and gives it back."""


def pty(
    directory: Path,
    *arguments: str | Path,
    owned: bool = True,
    variables: Mapping[str, str] | None = None,
) -> Pty:
    """Start the program in a bare terminal of 80 × 24; its stderr goes to a file there."""
    directory.mkdir(exist_ok=True)
    command = [*FIREFLIES, *RUN, *map(str, arguments)]
    return Pty(command, directory / "stderr", owned=owned, variables=variables)


def is_shown(terminal: Pty) -> bool:
    """Whether the view has come up, and the experiment is under way."""
    return re.search(r" R [01]\.\d{3} .* lateness p99", terminal.words, re.DOTALL) is not None


def read_until_shown(terminal: Pty, words: str = "") -> None:
    """Read until the view is up, and has shown some words."""
    terminal.read_until(lambda: is_shown(terminal) and words in terminal.words)


def wait_for_log(log: Path, key: str) -> None:
    """Wait until a log has lines for a key."""
    wait_until(lambda: log.exists() and bool(values(log, key)), lambda: log.exists())


def read_json(file: Path) -> dict[str, Any]:
    read = json.loads(file.read_text(encoding="utf-8"))
    assert isinstance(read, dict)
    return read


def values(log: Path, key: str) -> list[dict[str, Any]]:
    """Return the lines of a log for one key."""
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    return [line for line in lines if line["key"] == key]


def memory_kb(process: int) -> int:
    """Return how much of the machine's memory a process has."""
    found = re.search(r"^VmRSS:\s*(\d+) kB$", Path(f"/proc/{process}/status").read_text(), re.M)
    assert found is not None
    return int(found[1])


# --- nobody reads -----------------------------------------------------------------------------


@pytest.mark.skipif(sys.platform != "linux", reason="reads the size of a process in /proc")
def test_a_terminal_that_nobody_reads_holds_up_nothing(tmp_path: Path) -> None:
    unread, plain, log = tmp_path / "unread", tmp_path / "plain", tmp_path / "log"
    run = [*RUN, "--agents", "900", "--duration", "4"]
    without = subprocess.Popen(
        [*FIREFLIES, *run, "--no-visualize", "--summary", plain],
        stdout=subprocess.DEVNULL,
        env=environment(),
    )
    terminal = Pty(
        [*FIREFLIES, *run, "--summary", str(unread), "--log", str(log)],
        tmp_path / "stderr",
        size=(200, 60),
        variables={"COLORTERM": "truecolor"},
    )
    with without, terminal:
        samples: list[int] = []

        def is_over() -> bool:
            # The first lines of the log are there after a second, when all is warm.
            if log.exists() and log.read_text():
                samples.append(memory_kb(terminal.process.pid))
            return unread.exists() and unread.read_text().endswith("\n")

        wait_until(is_over, lambda: (terminal.process.poll(), log.exists() and log.read_text()))
        assert terminal.read_to_the_end() == 0
        assert without.wait(LIMIT_S) == 0
    assert (tmp_path / "stderr").read_text() == ""
    assert len(samples) > 20
    assert max(samples) - samples[0] < 6_000

    shown, hidden = read_json(unread), read_json(plain)
    assert shown["duration"] == hidden["duration"] == 4.0
    assert shown["flashes"] == pytest.approx(hidden["flashes"], rel=0.15)
    assert shown["missed"] <= shown["flashes"] * 0.05
    # No more was drawn than what fitted into the terminal; all the rest is counted as dropped.
    assert sum(line["count"] for line in values(log, "view.frame_bytes")) <= 10
    dropped = max(line["max"] for line in values(log, "view.dropped"))
    assert 30 <= dropped <= (4 + lead(900)) * 30  # agents start after a short lead


def test_a_terminal_that_is_read_again_shows_the_present(tmp_path: Path) -> None:
    log = tmp_path / "log"
    command = [*FIREFLIES, *RUN, "--agents=900", "--duration=30", f"--log={log}"]
    # A large window in 24-bit colour: a picture is more than fits into what isn't read.
    colours = {"COLORTERM": "truecolor"}
    with Pty(command, tmp_path / "stderr", size=(200, 60), variables=colours) as terminal:
        wait_for_log(log, "order_parameter")  # it takes a second, in which nobody reads
        read_until_shown(terminal, "dropped)")
        terminal.press(b"q")
        assert terminal.read_to_the_end() == 0
    assert terminal.text.count(ENTER) == terminal.text.count(LEAVE) == 1
    assert max(line["max"] for line in values(log, "view.dropped")) >= 10


# --- the terminal goes away -------------------------------------------------------------------


def test_when_the_terminal_is_closed_the_program_ends_and_its_files_are_written(
    tmp_path: Path,
) -> None:
    with ExitStack() as stack:
        terminals: dict[Path, Pty] = {}
        for owned, read in itertools.product((True, False), repeat=2):
            place = (
                tmp_path / f"{'with' if owned else 'without'} SIGHUP, {'' if read else 'un'}read"
            )
            files = [f"--{name}={place / name}" for name in ("summary", "log", "still", "cast")]
            terminal = pty(place, "--duration", "60", *files, owned=owned)
            terminals[place] = stack.enter_context(terminal)
        for place, terminal in terminals.items():
            if place.name.endswith(" read"):
                read_until_shown(terminal)
            wait_for_log(place / "log", "lateness_s")
            terminal.hang_up()
        for place, terminal in terminals.items():
            code = terminal.process.wait(LIMIT_S)
            # Whichever comes first, the signal or what is read from the terminal.
            assert code in ((129, 1) if place.name.startswith("with ") else (1,)), place.name
            assert (place / "stderr").read_text() == "", place.name
            written = read_json(place / "summary")
            assert written["agents"] == 100
            assert 0 < written["duration"] < 60
            assert (place / "log").read_text().endswith("\n")
            assert values(place / "log", "lateness_s")
            assert_is_drawing(place / "still")
            assert_is_recording(place / "cast")


# --- no terminal, or one that can't -----------------------------------------------------------


def assert_plain(printed: str, *, bars: bool) -> None:
    """Assert that nothing but lines was printed: those with a bar, if any, and the summary."""
    assert "\x1b" not in printed
    lines = printed.splitlines()
    assert [line for line in lines if not line.strip()] == []
    assert any(re.match(r" +1 s  R [01]\.\d{3} [█·]{40}  alight", line) for line in lines) == bars
    assert "   agents  100 on a torus of 10×10" in lines
    assert lines[-1].startswith("  dropped  ")


def test_a_pipe_gets_plain_lines() -> None:
    with ExitStack() as stack:
        running = {
            option: stack.enter_context(
                subprocess.Popen(
                    [*FIREFLIES, *RUN, "--duration", "1.5", *option.split()],
                    env=environment(COLORTERM="truecolor"),
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                    encoding="utf-8",
                )
            )
            for option in ("", "--visualize", "--no-visualize")
        }
        for option, process in running.items():
            try:
                out, err = process.communicate(timeout=LIMIT_S)
            finally:
                process.kill()
            assert (process.returncode, err) == (0, ""), option
            assert_plain(out, bars=option == "--visualize")


def test_a_terminal_that_cant_move_its_cursor_gets_plain_lines(tmp_path: Path) -> None:
    cases = {
        "dumb": ("dumb", "--duration=1.5"),
        "dumb, asked for": ("dumb", "--duration=1.5 --visualize"),
        "without a name": ("", "--duration=1.5"),
        "not wanted": ("xterm-256color", "--duration=1.5 --no-visualize"),
    }
    with ExitStack() as stack:
        terminals = {
            case: stack.enter_context(
                pty(tmp_path / case, *options.split(), variables={"TERM": term})
            )
            for case, (term, options) in cases.items()
        }
        for case, terminal in terminals.items():
            assert terminal.read_to_the_end() == 0, case
            assert_plain(terminal.text, bars=case != "not wanted")
            assert (tmp_path / case / "stderr").read_text() == ""


# --- colours ----------------------------------------------------------------------------------


def test_the_view_uses_the_colours_that_there_are(tmp_path: Path) -> None:
    selections: dict[str, tuple[dict[str, str], str]] = {
        "24 bits": ({"COLORTERM": "truecolor"}, r"0|[34]8;2;\d+;\d+;\d+"),
        "256": ({"TERM": "xterm-256color"}, r"0|[34]8;5;\d+"),
        "16": ({"TERM": "xterm"}, r"0|[349]\d|10[0-7]"),
        "unwanted": ({"NO_COLOR": "1", "COLORTERM": "truecolor"}, "0?"),
        "none": ({"TERM": "vt100"}, "0?"),
    }
    with ExitStack() as stack:
        terminals = {
            case: stack.enter_context(pty(tmp_path / case, "--duration", "60", variables=variables))
            for case, (variables, _) in selections.items()
        }
        for case, terminal in terminals.items():
            read_until_shown(terminal, "time 1 s")
            terminal.press(b"q")
            assert terminal.read_to_the_end() == 0
            used = set(re.findall(r"\x1b\[([\d;]*)m", terminal.text))
            selection = selections[case][1]
            whole = re.compile(f"({selection})(;({selection}))*")
            assert {parameters for parameters in used if not whole.fullmatch(parameters)} <= {""}
            assert (len(used) > 4) == (case not in ("unwanted", "none")), case
            # Without colours too it is a view, with lights, that gives the screen back.
            assert any(f"H{block * 4}" in terminal.words for block in "▀▄█ "), case
            assert terminal.text.count(ENTER) == terminal.text.count(LEAVE) == 1
            assert terminal.text.index(LEAVE) < terminal.text.index("on a torus of 10×10")
            assert "\x1b" not in terminal.text.partition(LEAVE)[2]


def test_with_256_colours_too_the_first_picture_holds_up_nobody(tmp_path: Path) -> None:
    summary = tmp_path / "summary"
    options = ["--nudge=0", "--duration=1.2", f"--summary={summary}"]
    with pty(tmp_path, *options, variables={"TERM": "xterm-256color"}) as terminal:
        assert terminal.read_to_the_end() == 0
    assert read_json(summary)["lateness_s"]["p99"] < 0.2


# --- files ------------------------------------------------------------------------------------


def assert_is_drawing(file: Path) -> None:
    """Assert that a file is an SVG document with a dot for each of 100 agents, and the status."""
    document = ElementTree.parse(file).getroot()
    namespace = "{http://www.w3.org/2000/svg}"
    assert document.tag == f"{namespace}svg"
    dots = [path.get("d", "") for path in document.iter(f"{namespace}path") if path.get("stroke")]
    assert len(re.findall(r"M\d+ \d+h0", "".join(dots))) == 100
    texts = [text.text or "" for text in document.iter(f"{namespace}text")]
    assert any(text.startswith("R ") for text in texts)
    assert "agents" in texts
    assert "100" in texts


def assert_is_recording(file: Path) -> list[tuple[float, str]]:
    """Assert that a file is an asciicast of whole lines; return its events."""
    text = file.read_text(encoding="utf-8")
    assert text.endswith("\n")
    header, *events = [json.loads(line) for line in text.splitlines()]
    assert header["version"] == 2
    assert header["width"] >= 62
    assert header["height"] >= 20
    assert all(len(event) == 3 and event[1] == "o" for event in events)
    times = [event[0] for event in events]
    assert times == sorted(times)
    assert times[0] >= 0
    assert "\x1b[?25l" in events[0][2]
    assert "\x1b[?25h" in events[-1][2]
    assert any("agents" in event[2] for event in events)
    assert any("▀" in event[2] or "48;2;" in event[2] for event in events)
    return [(event[0], event[2]) for event in events]


def test_a_run_that_is_ended_leaves_a_drawing_and_a_recording(tmp_path: Path) -> None:
    with ExitStack() as stack:
        terminals: dict[str, Pty] = {}
        for key in ("q", "Ctrl-C"):
            files = [f"--{name}={tmp_path / key / name}" for name in ("summary", "still", "cast")]
            terminals[key] = stack.enter_context(pty(tmp_path / key, "--duration=60", *files))
        for key, terminal in terminals.items():
            read_until_shown(terminal, "time 2 s")
            terminal.press(b"q" if key == "q" else b"\x03")
            assert terminal.read_to_the_end() == (0 if key == "q" else 130)
            assert (tmp_path / key / "stderr").read_text() == ""
            assert_is_drawing(tmp_path / key / "still")
            events = assert_is_recording(tmp_path / key / "cast")
            assert len(events) > 10
            lasted = read_json(tmp_path / key / "summary")["duration"]
            assert events[-1][0] == pytest.approx(lasted, abs=1.0)


def test_what_cant_be_done_is_refused_before_anything_begins(tmp_path: Path) -> None:
    file = "must be a file that can be written"
    missing, directory = tmp_path / "missing" / "file", tmp_path
    refusals = {
        f"--still={missing}": ("--still", file, str(missing)),
        f"--cast={directory}": ("--cast", file, str(directory)),
        "--palette=nope": ("--palette", "must be one of", "'nope'", "firefly ember ice grey"),
    }
    with ExitStack() as stack:
        terminals = [
            stack.enter_context(pty(tmp_path / str(number), option))
            for number, option in enumerate(refusals)
        ]
        for number, (option, *parts) in enumerate(refusals.values()):
            terminal = terminals[number]
            assert terminal.read_to_the_end() == 2
            assert terminal.text == ""
            (said,) = (tmp_path / str(number) / "stderr").read_text().splitlines()
            assert said.startswith(f"fireflies: {option} {parts[0]}")
            for words in parts[1:]:
                assert all(word in said for word in words.split())
