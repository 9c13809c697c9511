"""Replay and plot, as commands: on a record made elsewhere, and on what is none."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest
from tests.e2e.terminals import Pty

from cascade.testing import run_virtual
from observatory.experiments import run_plot, run_replay
from observatory.experiments.config import FirefliesConfig
from observatory.experiments.fireflies import Fireflies
from observatory.records.reader import read_record
from observatory.records.writer import RecordWriter

SMALL = FirefliesConfig(num_agents=36, period=2.0, nudge=0.1, duration=20.0, seed=3, limit=12)
REPLAY = [sys.executable, "-W", "error", "-m", "observatory.experiments.run_replay"]
ELSEWHERE = {"LC_ALL": "C"} | {
    name: os.environ[name] for name in ("PYTHONPATH",) if name in os.environ
}
"""Another locale than the record was made with."""

Command = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("made here") / "record"
    run_virtual(Fireflies(SMALL, record=path).run())
    return path


@pytest.fixture
def moved(made: Path, tmp_path: Path) -> Path:
    """A record that was made in another place."""
    path = tmp_path / "elsewhere – ü" / "other name.arrow"
    path.parent.mkdir()
    shutil.copy(made, path)
    return path


@pytest.fixture
def command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Command]:
    def run(module: ModuleType, *arguments: str | Path) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["program", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            module.main()
        assert isinstance(ended.value.code, int)
        return ended.value.code, *capsys.readouterr()

    before = signal.getsignal(signal.SIGINT)
    yield run
    signal.signal(signal.SIGINT, before)


def test_without_a_terminal_each_second_is_a_line(command: Command, moved: Path) -> None:
    code, out, err = command(run_replay, moved)
    assert (code, err) == (0, "")
    lines = out.splitlines()
    record = read_record(moved)
    assert len(lines) == int(record.end) >= 19
    for second, line in enumerate(lines, 1):
        order = record.samples["order_parameter"][record.samples["time"] <= second][-1]
        assert line.startswith(f"{second:7} s  R {order:.3f} ")
        flashes = int((record.sent <= second).sum())
        assert line.endswith(f"  flashes {flashes}  slots 12, waiting 24")


def test_in_a_terminal_elsewhere_it_shows_the_run(moved: Path) -> None:
    terminal = Pty(
        [*REPLAY, str(moved), "--speed", "8"],
        moved.parent / "stderr",
        size=(101, 31),
        variables=ELSEWHERE,
    )
    with terminal:
        terminal.read_until(lambda: re.search(r"time 1\d\.\d of ", terminal.words) is not None)
        for keys, shown in (
            (b"0", r"time 0\.\d of "),
            (b" ", r"speed 8×, paused"),
            (b"5", r"time (9|10)\.\d of "),
            (b"m", r"view phase"),
            (b"m", r"view local order"),
            (b"-", r"speed 4×, paused"),
            (b"?", r"space  pauses"),
        ):
            seen = len(terminal.words)
            terminal.press(keys)
            terminal.read_until(
                lambda shown=shown, seen=seen: (  # type: ignore[misc]
                    re.search(shown, terminal.words[seen - 300 if seen > 300 else 0 :]) is not None
                )
            )
        assert "slots 12" in terminal.words
        terminal.press(b"q")
        assert terminal.read_to_the_end() == 0
    assert (moved.parent / "stderr").read_text() == ""


def test_where_stdout_is_a_pipe_it_is_free_of_codes_in_any_locale(moved: Path) -> None:
    answer = subprocess.run(
        [*REPLAY, str(moved)],
        capture_output=True,
        timeout=60,
        check=True,
        env={
            **os.environ,
            "LC_ALL": "en_US.ISO-8859-1",
            "PYTHONUTF8": "0",
            "PYTHONIOENCODING": "ascii",
        },
    )
    assert answer.stderr == b""
    assert b"\x1b" not in answer.stdout
    assert len(answer.stdout.splitlines()) >= 19


def test_plot_writes_beside_the_record_or_where_it_is_told_to(
    command: Command, moved: Path, tmp_path: Path
) -> None:
    code, out, err = command(run_plot, moved)
    drawing = moved.with_suffix(".svg")
    assert (code, out, err) == (0, f"{drawing}\n", "")
    assert "<svg" in drawing.read_text(encoding="utf-8")
    code, out, err = command(run_plot, moved, "--out", tmp_path / "plot.png")
    assert (code, out, err) == (0, f"{tmp_path / 'plot.png'}\n", "")
    assert (tmp_path / "plot.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("module", [run_replay, run_plot])
def test_what_is_no_record_is_refused_in_one_line(
    command: Command, module: ModuleType, tmp_path: Path, made: Path
) -> None:
    with RecordWriter(tmp_path / "begun") as kept:
        kept.begin(read_record(made).header)
    begun = (tmp_path / "begun").read_bytes()
    for name, content, why in (
        ("missing", None, "No such file or directory"),
        ("empty", b"", "is empty"),
        ("foreign", b"\x89PNG" + bytes(range(256)), "is no record"),
        ("half a header", begun[:500], "breaks off in its header"),
        ("only a header", begun, "holds nothing but a header"),
    ):
        path = tmp_path / name
        if content is not None:
            path.write_bytes(content)
        code, out, err = command(module, path)
        assert (code, out) == (2, "")
        (line,) = err.splitlines()
        assert line.startswith(f"{module.__name__.rpartition('run_')[2]}: ")
        assert str(path) in line
        assert why in line
    assert "Is a directory" in command(module, tmp_path)[2]
    assert command(module)[0] == 2


@pytest.mark.parametrize("module", [run_replay, run_plot])
def test_one_that_breaks_off_is_shown_as_far_as_it_goes(
    command: Command, module: ModuleType, moved: Path
) -> None:
    record = read_record(moved)
    half = len(record.times) // 2
    with RecordWriter(moved) as kept:
        kept.begin(record.header)
        kept.flashes(record.agents[:half], record.times[:half])
        kept._flush()
        kept.flashes(record.agents[half:], record.times[half:])
    moved.write_bytes(moved.read_bytes()[:-20])
    code, out, err = command(module, moved)
    assert code == 0
    assert out
    (line,) = err.splitlines()
    goes = max(record.times[:half])
    assert f"{moved} breaks off after {goes:.1f} s" in line


@pytest.mark.parametrize(
    ("module", "option", "value"),
    [
        *[(run_replay, "--speed", speed) for speed in ("0", "-1", "nan", "inf", "fast")],
        *[(run_plot, "--out", name) for name in ("plot.pdf", "plot", "", "missing/plot.svg")],
    ],
)
def test_bad_options_are_refused_in_one_line(
    command: Command, made: Path, module: ModuleType, option: str, value: str
) -> None:
    code, out, err = command(module, made, f"{option}={value}")
    assert (code, out) == (2, "")
    (line,) = err.splitlines()
    assert option in line
    assert value in line


def test_a_plot_never_takes_the_place_of_its_record(command: Command, moved: Path) -> None:
    record = moved.rename(moved.with_suffix(".svg"))
    before = record.read_bytes()
    code, _, err = command(run_plot, record)
    assert code == 2
    assert "--out must be another file than the record" in err
    assert record.read_bytes() == before


@pytest.mark.parametrize(
    ("module", "package", "extra"),
    [
        (run_replay, "pyarrow", "record"),
        (run_plot, "pyarrow", "record"),
        (run_plot, "matplotlib", "plot"),
    ],
)
def test_what_isnt_installed_is_named_with_its_extra(
    command: Command,
    made: Path,
    monkeypatch: pytest.MonkeyPatch,
    module: ModuleType,
    package: str,
    extra: str,
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    code, _, err = command(module, made)
    assert code == 2
    assert f"needs {package!r}" in err
    assert f"cascade-py[{extra}]" in err
