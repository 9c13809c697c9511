"""Programs are steered from a third one: each command does what it says, and says what it did."""

from __future__ import annotations

import json
import os
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from tests.cli.workflows import write
from tests.control.worlds import LIMIT, program, until
from typer.testing import CliRunner, Result

from cascade.cli.command import app
from cascade.control import Client, find
from cascade.control.audit import user_name

AGENTS = 500


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    directory = tmp_path_factory.mktemp("steered") / "control"
    before = os.environ.get("CASCADE_CONTROL_DIR")
    os.environ["CASCADE_CONTROL_DIR"] = str(directory)
    yield directory
    if before is None:
        del os.environ["CASCADE_CONTROL_DIR"]
    else:
        os.environ["CASCADE_CONTROL_DIR"] = before


@pytest.fixture(scope="module")
def programs(place: Path) -> Iterator[None]:
    """Two programs of many agents each."""
    with program(place, "one", AGENTS, 100), program(place, "two", AGENTS, 100):
        until(lambda: find() == ["one", "two"])
        for name in ("one", "two"):
            until(partial(is_whole, name))
        yield


def is_whole(name: str) -> bool:
    runs: int = asked(name, "ps")["runs"]
    return runs == AGENTS


def asked(name: str, command: str, **said: Any) -> dict[str, Any]:
    with Client(name) as client:
        return client.ask(command, **said)


def cascade(*arguments: str) -> Result:
    """Call the command, in this process: a new one takes a second for its imports."""
    return CliRunner().invoke(app, arguments)


def said(*arguments: str) -> str:
    """What a command that is obeyed prints."""
    done = cascade(*arguments)
    assert done.exit_code == 0, done.stderr
    return done.stdout.strip()


def steps_per_second(name: str) -> float:
    with Client(name) as client:
        shots = client.watch(0.5)  # longer than a step of 0.4 s, as all make theirs at once
        next(shots)
        steps: float = next(shots)["throughput"]["steps"]
        return steps


def test_one_is_paused_and_the_other_goes_on(programs: None) -> None:
    effect = said("pause", "--program", "one")
    assert effect.startswith(f"one: {AGENTS} tasks match; ")
    until(lambda: asked("one", "ps")["tasks"]["running"] == 0)
    assert steps_per_second("one") == 0
    assert steps_per_second("two") > 0
    assert said("resume", "--program", "one").startswith("one: lifted pause-global; of 500 that")
    until(lambda: steps_per_second("one") > 0)


def test_a_limit_is_set_for_a_time(programs: None) -> None:
    effect = said("limit", "slot=7", "--for", "1s", "--program", "two")
    assert effect.startswith("two: slot: 100 → 7; ")
    assert effect.endswith("; for 1s")
    until(lambda: asked("two", "look")["resources"][0]["used"] <= 7)
    until(lambda: asked("two", "look")["resources"][0]["capacity"] == 100)


def test_a_waiting_task_is_explained_and_a_run_cancelled(programs: None) -> None:
    def is_explained() -> bool:
        waiting = asked("two", "look")["waiting"][50]["owner"]
        # On a busy machine it may have its slot by now.
        words = f"two: {waiting} wants slot=1 and waits for slot, held by"
        return words in said("explain", "--program", "two")

    until(is_explained)
    effect = said("cancel", "run-3", "--program", "one")
    assert effect.startswith("one: 1 run cancelled: ")
    until(lambda: asked("one", "ps")["runs"] == AGENTS - 1)
    refused = cascade("cancel", "run-3", "--program", "one")
    assert refused.exit_code == 1
    assert "there is no run run-3" in refused.stderr


def test_tasks_are_limited_and_slowed_by_rules(programs: None) -> None:
    assert said("limit", "task:agent=3", "-p", "two").startswith("two: 500 tasks match; ")
    assert said("rate", "tag:none", "10/m", "-p", "two").startswith("two: 0 tasks match; ")
    listed = said("rules")
    assert "concurrency-task:agent" in listed
    assert "rate=10/m" in listed
    assert said("limit", "task:agent=none", "-p", "two").startswith("two: lifted concurrency-task:")
    assert said("rate", "tag:none", "none", "-p", "two").startswith("two: lifted rate_limit-tag:")
    assert cascade("rules").stderr == "no rules hold\n"


def test_everything_is_in_the_log(programs: None) -> None:
    said("pause", "engine:nobody", "-p", "one")
    said("resume", "engine:nobody", "-p", "one")
    log = json.loads(said("rules", "--log", "--json", "-p", "one"))
    pause, resume = log[-2:]
    assert pause["command"] == "pause engine:nobody"
    assert pause["effect"] == "0 tasks match; 0 running go on, 0 wait"
    assert pause["undo"] == "cascade resume --rule pause-engine:nobody --program one"
    assert pause["who"]["way"] == "socket"
    assert resume["command"] == "resume engine:nobody"
    with Client("one", via="a test") as client:
        client.ask("rule", scope="engine:nobody", type="pause", params={})
        client.ask("lift", type="pause")
    user = user_name(os.geteuid())
    assert f"{user} (socket, via a test): resume" in said("rules", "--log", "--last", "1")
    shown = said("rules", "--log", "--last", "4")
    assert f"{user} (socket): resume engine:nobody" in shown
    assert "undo: cascade pause engine:nobody --program one" in shown


def test_an_answer_comes_at_once(programs: None) -> None:
    times = []
    for turn in range(21):
        before = time.perf_counter()
        asked(
            "one",
            "rule" if turn % 2 else "ps",
            **({"scope": "engine:nobody", "type": "pause", "params": {}} if turn % 2 else {}),
        )
        times.append(time.perf_counter() - before)
    asked("one", "lift", type="pause")
    assert statistics.median(times) < 0.1


def test_they_are_listed(programs: None) -> None:
    heading, one, two = said("ps").splitlines()
    assert heading.split()[:4] == ["PROGRAM", "PID", "SINCE", "ENGINES"]
    assert (one.split()[0], two.split()[0]) == ("one", "two")
    found = json.loads(said("ps", "--json"))
    assert [each["name"] for each in found] == ["one", "two"]


def test_one_that_does_not_answer_hides_none_of_the_others(
    programs: None, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cascade.cli.steering.Client", partial(Client, patience=1.5))
    with program(place, "stopped", 1, 1) as process:
        process.send_signal(signal.SIGSTOP)
        for command in ("ps", "rules"):
            done = cascade(command)
            assert done.exit_code == 1
            told = "error: stopped doesn't answer within 1.5 s: its loop is busy"
            assert told in done.stderr.splitlines()
        assert [line.split()[0] for line in cascade("ps").stdout.splitlines()[1:]] == ["one", "two"]
        process.send_signal(signal.SIGCONT)


@pytest.mark.parametrize(
    ("arguments", "code", "problem"),
    [
        (["pause"], 2, "2 programs run: one, two. Name one with --program, or say --all"),
        (["limit", "slot"], 2, "WHAT=AMOUNT is needed"),
        (["limit", "slot=many", "-p", "one"], 2, "AMOUNT must be a number or none, got 'many'"),
        (["limit", "slot=1", "--for", "soon", "-p", "one"], 2, "--for must be a duration such as"),
        (["limit", "slot=inf", "-p", "one"], 2, "AMOUNT must be a number or none, got 'inf'"),
        (["rate", "slot", "1/s", "--burst", "nan", "-p", "one"], 2, "--burst must be a number"),
        (["pause", "task:\udcff*", "-p", "one"], 1, r"of whole characters, got '\udcff'"),
        (["limit", "slto=1", "-p", "one"], 1, "one: refused: there is no resource slto"),
        (["limit", "task:x=1.5", "-p", "one"], 2, "AMOUNT must be a whole number"),
        (["limit", "task:x=none", "-p", "one"], 1, "no rule holds with scope task:x and type conc"),
        (["rate", "tag:x", "none", "--for", "1s", "-p", "one"], 2, "none takes no --for"),
        (["pause", "tusk:x", "-p", "one"], 1, "scope must be one of"),
        (["rate", "tag:x", "1/s", "--burst", "nan"], 2, "--burst must be a number, got 'nan'"),
        (["rate", "slot", "1/s", "--burst", "many"], 2, "--burst must be a number, got 'many'"),
        (["rules", "--log", "--last", "0"], 2, "must be a whole number ≥ 1, got '0'"),
        (["ui", "--port", "http"], 2, "must be a whole number ≥ 0, got 'http'"),
        (["ps", "--nonsense"], 2, "no such option"),
        (["pause", "-p", "three"], 1, "no program with the name 'three' can be reached"),
    ],
)
def test_what_cannot_be_done_is_said_in_a_line(
    programs: None, arguments: list[str], code: int, problem: str
) -> None:
    done = cascade(*arguments)
    assert done.exit_code == code
    assert problem in done.stderr
    assert "Traceback" not in done.stderr


def test_a_name_that_is_taken_is_refused_before_anything_runs(
    programs: None, tmp_path: Path
) -> None:
    file = write(tmp_path, "value = cs.task(mode='inline')(lambda: 1)()")
    done = cascade("run", "--control-name", "one", str(file))
    assert (done.exit_code, done.stdout) == (2, "")
    problem = "--control-name must be one that no running program has, got 'one'"
    assert done.stderr == f"error: {problem}\n"


def test_without_programs_it_says_how_to_have_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CASCADE_CONTROL_DIR", str(tmp_path / "nothing"))
    assert "CASCADE_CONTROL=1" in cascade("ps").stderr
    assert cascade("pause").exit_code == 1


def test_a_run_of_the_command_can_be_cancelled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CASCADE_CONTROL_DIR", str(tmp_path / "control"))
    (tmp_path / "flow.py").write_text(
        "import asyncio, cascade as cs\n"
        "@cs.task\n"
        "async def nap(): await asyncio.sleep(60)\n"
        "flow = nap()\n"
    )
    command = [
        sys.executable,
        "-m",
        "cascade.cli",
        "run",
        "flow.py:flow",
        "--control-name",
        "napper",
    ]
    process = subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True)
    try:
        until(lambda: find() == ["napper"])
        until(lambda: asked("napper", "ps")["tasks"]["running"] == 1)
        said("cancel", "all")
        _, told = process.communicate(timeout=LIMIT)
        assert "RunCancelledError: run-1 was cancelled: by " in told
        assert process.returncode == 1
    finally:
        process.kill()
        process.communicate()


def test_a_switch_lets_any_program_be_steered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CASCADE_CONTROL_DIR", str(tmp_path / "control"))
    code = (
        "import asyncio, cascade as cs\n"
        "@cs.task\n"
        "async def nap(): await asyncio.sleep(60)\n"
        "try: cs.run(nap())\n"
        "except cs.errors.RunCancelledError as error: print(error)\n"
    )
    environment = {**os.environ, "CASCADE_CONTROL": "1", "CASCADE_CONTROL_NAME": "napper"}
    process = subprocess.Popen(
        [sys.executable, "-c", code], env=environment, stdout=subprocess.PIPE, text=True
    )
    try:
        until(lambda: find() == ["napper"])
        until(lambda: asked("napper", "ps")["tasks"]["running"] == 1)
        assert "1 run cancelled" in said("cancel", "all")
        output, _ = process.communicate(timeout=LIMIT)
        assert "run-1 was cancelled: by " in output
        assert process.returncode == 0
    finally:
        process.kill()
        process.communicate()
