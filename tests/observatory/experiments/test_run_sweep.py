"""The command `sweep`, with real processes: what it refuses, keeps, and takes up again."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from cascade.errors import MissingExtraError
from observatory.experiments import run_sweep
from observatory.experiments.sweep import figure
from observatory.experiments.sweep.axes import read_axis
from observatory.experiments.sweep.plan import Sweep
from observatory.experiments.sweep.store import run_file

PROGRAM = [sys.executable, "-m", "observatory.experiments.run_sweep"]
LIMIT_S = 60.0
"""Seconds after which a test gives up waiting."""
RUNS = int(os.environ.get("CASCADE_SWEEP_RUNS", "12"))
"""Runs of the sweep that is killed: a multiple of 6."""
TINY = ["--vary", "nudge=0.1:0.3:3", "--vary", "limit=3,none", "--set", "agents=9"]
TINY += ["--set", "duration=500", "--replications", str(RUNS // 6)]


@dataclass(frozen=True)
class Outcome:
    """How a command ended and what it has printed."""

    code: int
    out: str
    err: str


Command = Callable[..., Outcome]


@pytest.fixture
def sweep(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Command]:
    """The command, run in this process as the console would run it; its workers are real."""

    def command(*arguments: str | Path) -> Outcome:
        monkeypatch.setattr(sys, "argv", ["sweep", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            run_sweep.main()
        assert isinstance(ended.value.code, int)
        return Outcome(ended.value.code, *capsys.readouterr())

    before = signal.getsignal(signal.SIGINT)
    yield command
    signal.signal(signal.SIGINT, before)


def until(condition: Callable[[], object]) -> None:
    give_up = time.monotonic() + LIMIT_S
    while not condition():
        assert time.monotonic() < give_up, "it did not get there"
        time.sleep(0.005)


def contents(directory: Path) -> dict[str, bytes]:
    """The files of a directory."""
    return {
        str(file.relative_to(directory)): file.read_bytes()
        for file in directory.rglob("*")
        if file.is_file()
    }


def results(directory: Path) -> dict[Path, tuple[int, int]]:
    """The files of finished runs, and what changes when one is written anew."""
    found = {}
    for file in (directory / "runs").glob("*.json"):
        status = file.stat()
        found[file] = (status.st_ino, status.st_mtime_ns)
    return found


def children(pid: int) -> set[int]:
    """The processes that one has started."""
    found = set()
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = stat.read_text().rpartition(")")[2].split()[1]
        except OSError:
            continue
        if int(parent) == pid:
            found.add(int(stat.parent.name))
    return found


def is_there(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def start(directory: Path) -> subprocess.Popen[str]:
    """Start the tiny sweep in a process, and wait until some of its runs are finished."""
    command = [*PROGRAM, *TINY, "--jobs", "2", "--out", str(directory)]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    until(lambda: len(results(directory)) >= 2 or process.poll() is not None)
    return process


# --- broken off and taken up again ------------------------------------------------------------


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of the tiny sweep, run from beginning to end."""
    directory = tmp_path_factory.mktemp("unbroken")
    command = [*PROGRAM, *TINY, "--jobs", "2", "--out", str(directory)]
    run = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT_S, check=False)
    assert run.returncode == 0, run.stderr
    assert len(results(directory)) == RUNS
    return directory


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks at processes by /proc")
def test_killed_in_the_middle_and_started_again_it_runs_only_what_is_missing(
    tmp_path: Path, unbroken: Path, sweep: Command
) -> None:
    process = start(tmp_path)
    workers = children(process.pid)
    process.kill()
    process.communicate(timeout=LIMIT_S)
    assert process.returncode == -signal.SIGKILL
    until(lambda: not any(map(is_there, workers)))
    there = results(tmp_path)
    assert 2 <= len(there) < RUNS
    assert not (tmp_path / "table.csv").exists()

    outcome = sweep(*TINY, "--jobs", "1", "--out", tmp_path)
    assert outcome.code == 0
    lines = outcome.err.splitlines()
    assert lines[0] == f"{len(there)} of {RUNS} done · {RUNS - len(there)} left"
    assert lines[-1] == f"{RUNS} of {RUNS} done · 0 left"
    after = results(tmp_path)
    assert {file: after[file] for file in there} == there
    # With one job instead of two, in another order: not a byte is different.
    assert contents(tmp_path) == contents(unbroken)


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks at processes by /proc")
def test_ctrl_c_leaves_no_process_and_keeps_what_is_done(tmp_path: Path) -> None:
    process = start(tmp_path)
    workers = children(process.pid)
    assert workers
    os.killpg(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=LIMIT_S)
    assert process.returncode == 130
    assert not any(map(is_there, workers))
    assert out == ""
    done = len(results(tmp_path))
    assert 2 <= done < RUNS
    assert err.splitlines()[-1] == (
        f"sweep: {done} of {RUNS} runs are done and kept in {tmp_path}; "
        "the same command runs the others"
    )


def test_a_finished_sweep_is_only_told_again(unbroken: Path, sweep: Command) -> None:
    before, there = contents(unbroken), results(unbroken)
    outcome = sweep(*TINY, "--out", unbroken)
    assert (outcome.code, outcome.err) == (0, "")
    assert outcome.out.splitlines()[0].split()[:4] == ["nudge", "limit", "runs", "R"]
    assert outcome.out.splitlines()[-1] == "heatmap.svg shows R over nudge and limit"
    assert len(outcome.out.splitlines()) == 8
    assert (contents(unbroken), results(unbroken)) == (before, there)


def test_more_replications_take_over_what_is_there_with_extend(
    unbroken: Path, tmp_path: Path, sweep: Command
) -> None:
    (tmp_path / "runs").mkdir()
    for name, content in contents(unbroken).items():
        (tmp_path / name).write_bytes(content)
    there = results(tmp_path)
    more = [*TINY, "--replications", str(RUNS // 6 + 1), "--jobs", "2", "--out", str(tmp_path)]
    refused = sweep(*more)
    assert refused.code == 2
    assert refused.err == (
        f"sweep: --out '{tmp_path}': it holds another sweep (replications {RUNS // 6}, "
        f"not {RUNS // 6 + 1}); --extend goes on with the new one\n"
    )
    assert sweep(*more, "--extend", "--no-figure").code == 0
    after = results(tmp_path)
    assert len(after) == RUNS + 6
    assert {file: after[file] for file in there} == there
    # The picture was about fewer replications.
    assert not (tmp_path / "heatmap.svg").exists()


# --- what fails -------------------------------------------------------------------------------


def test_a_run_that_fails_is_told_at_the_end_and_tried_again(
    tmp_path: Path, sweep: Command
) -> None:
    small = ["--vary", "nudge=0.1,0.2", "--set", "agents=4", "--set", "duration=10"]
    small += ["--no-figure", "--jobs", "1", "--out", str(tmp_path)]
    plan = Sweep((read_axis("nudge=0.1,0.2"),), {"agents": 4, "duration": 10})
    in_the_way = run_file(tmp_path, plan.runs()[0])
    in_the_way.mkdir(parents=True)

    failed = sweep(*small)
    assert failed.code == 1
    told = failed.err.splitlines()
    assert told[-3] == "1 of 2 done · 1 failed · 0 left"
    assert told[-2].startswith("sweep: nudge=0.1 replication 0 failed: IsADirectoryError: ")
    assert told[-1] == (
        f"sweep: 1 runs failed and aren't in the tables in {tmp_path}; "
        "the same command tries them again"
    )
    assert [line.split()[:2] for line in failed.out.splitlines()[1:]] == [
        ["0.1", "0"],
        ["0.2", "1"],
    ]

    in_the_way.rmdir()
    again = sweep(*small)
    assert again.code == 0
    assert again.err.splitlines()[0] == "1 of 2 done · 1 left"
    assert len((tmp_path / "table.csv").read_text().splitlines()) == 3


def test_without_matplotlib_it_says_what_to_do_before_anything_runs(
    tmp_path: Path, sweep: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(feature: str, *packages: str) -> None:
        raise MissingExtraError(feature, packages[0], "plot")

    monkeypatch.setattr(figure, "require", missing)
    outcome = sweep("--vary", "nudge=1,2", "--out", tmp_path / "new")
    assert outcome.code == 2
    assert outcome.err.count("\n") == 1
    assert "cascade-py[plot]" in outcome.err
    assert outcome.err.endswith("or use --no-figure\n")
    assert not (tmp_path / "new").exists()


# --- what is refused --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["--vary", "nugde=1"],
            "--vary 'nugde=1': there is no setting 'nugde'; the nearest is nudge",
        ),
        (["--vary", "nudge=x"], "--vary 'nudge=x': nudge must be a number, got 'x'"),
        (
            ["--set", "agnets=1"],
            "--set 'agnets=1': there is no setting 'agnets'; the nearest is agents",
        ),
        (["--set", "limit=0"], "limit must be a whole number ≥ 1, got 0"),
        (["--vary", "limit=1,0"], "limit must be a whole number ≥ 1, got 0 (at limit=0)"),
        (["--set", "agents=9", "--set", "agents=9"], "--set 'agents=9': agents is set twice"),
        (["--vary", "nudge=1", "--vary", "nudge=2"], "nudge is varied twice"),
        (["--jobs", "0"], "--jobs must be a whole number ≥ 1, got 0"),
        (["--jobs", "x"], "Invalid value for '--jobs': must be a whole number, got 'x'"),
        (["--replications", "0"], "--replications must be a whole number ≥ 1, got 0"),
        (["--seed", "-1"], "--seed must be a whole number ≥ 0, got -1"),
    ],
)
def test_what_is_not_valid_is_refused_in_one_line_before_anything_is_made(
    arguments: list[str], message: str, tmp_path: Path, sweep: Command
) -> None:
    outcome = sweep(*arguments, "--out", tmp_path / "new")
    assert (outcome.code, outcome.out) == (2, "")
    assert outcome.err == f"sweep: {message}\n"
    assert not (tmp_path / "new").exists()


def test_a_directory_is_needed(sweep: Command, tmp_path: Path) -> None:
    assert sweep().err == "sweep: Missing option '--out'.\n"
    outcome = sweep("--out", "")
    assert outcome.code == 2
    assert outcome.err == "sweep: --out must be a directory that can be written, got ''\n"
    (tmp_path / "file").write_text("")
    outcome = sweep("--out", tmp_path / "file")
    assert outcome.code == 2
    assert outcome.err.startswith("sweep: --out must be a directory that can be written, got '")


def test_a_directory_of_something_else_is_refused(sweep: Command, tmp_path: Path) -> None:
    (tmp_path / "sweep.json").write_text(json.dumps([1]))
    outcome = sweep("--out", tmp_path)
    assert outcome.code == 2
    assert "it holds a sweep.json that describes no sweep" in outcome.err
