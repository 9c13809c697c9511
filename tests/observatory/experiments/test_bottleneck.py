"""The bottleneck: it agrees with the theory, is fair, can be steered, and says what happened."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
from array import array
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from typer.testing import CliRunner

from cascade.testing import run_virtual
from observatory.experiments import run_bottleneck
from observatory.experiments.bottleneck import (
    Bottleneck,
    BottleneckConfig,
    BottleneckSummary,
    Rounds,
)
from observatory.experiments.bottleneck_view import BottleneckView
from observatory.experiments.showing import Showing
from observatory.visualization.layout import Layout

SMALL = BottleneckConfig(agents=50, slots=4, think=2.0, work=0.2, duration=400.0, seed=1)


def test_it_agrees_with_queueing_theory() -> None:
    summary = run_virtual(Bottleneck(SMALL).run())
    assert summary.expected is not None
    assert summary.utilisation == pytest.approx(summary.expected["utilisation"], rel=0.02)
    assert summary.waiting_s["mean"] == pytest.approx(summary.expected["waiting_s"], rel=0.1)


def test_the_limit_holds_and_nobody_is_overtaken() -> None:
    summary = run_virtual(Bottleneck(SMALL).run())
    assert summary.active["max"] == 4
    assert summary.overtakings == 0
    assert summary.fairness is not None
    assert summary.fairness > 0.99
    assert summary.rounds["min_per_agent"] > 0
    assert (summary.time, summary.duration) == ("virtual", 400.0)


def test_the_same_seed_gives_the_same_world() -> None:
    def world(seed: int) -> dict[str, Any]:
        config = BottleneckConfig(agents=20, slots=2, duration=50.0, seed=seed)
        return run_virtual(Bottleneck(config).run()).as_dict() | {"elapsed": 0}

    assert world(3) == world(3)
    assert world(3) != world(4)


def test_slots_and_doors_can_be_changed_while_it_runs() -> None:
    seen: list[int] = []

    async def steer(experiment: Bottleneck) -> None:
        rounds = experiment.rounds
        assert rounds is not None
        await asyncio.sleep(20)
        seen.append(rounds.working)
        experiment.change_slots(6)
        seen.append(rounds.slots)
        await asyncio.sleep(1)
        seen.append(rounds.working)
        experiment.change_slots(-100)
        await asyncio.sleep(10)
        seen.append(rounds.working)
        experiment.change_slots(4)
        experiment.pause()
        await asyncio.sleep(10)
        seen.append(rounds.working)
        experiment.pause()
        await asyncio.sleep(1)
        seen.append(rounds.working)
        await asyncio.Event().wait()

    config = BottleneckConfig(agents=100, slots=4, think=1.0, work=0.5, duration=60.0, seed=1)
    summary = run_virtual(Bottleneck(config, view=steer).run())
    assert seen == [4, 10, 10, 0, 0, 4]
    assert summary.expected is None
    assert summary.overtakings == 0


def test_it_ends_when_its_view_does() -> None:
    async def view(experiment: Bottleneck) -> None:
        await asyncio.sleep(5)

    assert run_virtual(Bottleneck(SMALL, view=view).run()).duration == 5.0


def test_while_it_is_under_way_the_summary_is_that_of_a_run_that_ends_now() -> None:
    seen: list[BottleneckSummary] = []

    async def view(experiment: Bottleneck) -> None:
        await asyncio.sleep(7)
        seen.append(experiment.summary())
        await asyncio.sleep(5)

    last = run_virtual(Bottleneck(SMALL, view=view).run())
    brief = run_virtual(Bottleneck(replace(SMALL, duration=7.0)).run())
    (under_way,) = seen
    assert under_way.elapsed > 0
    assert under_way == replace(brief, elapsed=under_way.elapsed)
    assert last.duration == 12.0
    assert last.rounds["total"] > under_way.rounds["total"]


def test_what_a_view_raises_ends_it() -> None:
    async def view(experiment: Bottleneck) -> None:
        raise OSError("no terminal")

    with pytest.raises(OSError, match="no terminal"):
        run_virtual(Bottleneck(SMALL, view=view).run())


def test_there_is_no_summary_before_the_start() -> None:
    with pytest.raises(RuntimeError, match="hasn't begun"):
        Bottleneck(SMALL).summary()


def test_rounds_count_who_is_overtaken() -> None:
    rounds = Rounds(3, 1, 0.0, array("d", [0.0]) * 3)
    for agent in range(3):
        rounds.enters(agent, "waiting", float(agent))
    rounds.enters(2, "working", 4.0)
    assert (rounds.overtakings, rounds.waiting, rounds.working) == (2, 2, 1)
    rounds.enters(2, "idle", 6.0)
    rounds.enters(0, "working", 6.0)
    assert rounds.overtakings == 2
    rounds.pass_time(10.0)
    assert (rounds.busy, rounds.offered) == (6.0, 10.0)
    assert rounds.ended == [0, 0, 1]
    assert rounds.fairness() == pytest.approx(1 / 3)
    assert rounds.waiting_summary() == {"mean": 4.0, "p50": 2.0, "p99": 6.0, "max": 6.0}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"agents": 0}, "agents must be a whole number ≥ 1"),
        ({"agents": 10**7}, "agents must be at most"),
        ({"slots": 0}, "slots must be a whole number ≥ 1"),
        ({"think": -1}, "think must be above 0"),
        ({"work": 0}, "work must be above 0"),
        ({"duration": float("nan")}, "duration must be a finite number"),
        ({"seed": 1.5}, "seed must be a whole number"),
    ],
)
def test_bad_settings(change: dict[str, Any], message: str) -> None:
    with pytest.raises((TypeError, ValueError), match=message):
        BottleneckConfig(**change)


# --- its view ---------------------------------------------------------------------------------


def test_the_picture_shows_what_each_agent_does(tmp_path: Path) -> None:
    config = BottleneckConfig(agents=100, slots=7, think=1.0, work=0.5, duration=20.0, seed=2)
    view = BottleneckView(config, Showing(still=tmp_path / "still.svg", cast=tmp_path / "cast"))
    experiment = Bottleneck(config, view.run, view.grid.states)
    run_virtual(experiment.run())
    states = list(view.grid.states)
    assert experiment.rounds is not None
    assert states.count(1.0) == experiment.rounds.working == 7
    assert states.count(0.5) == experiment.rounds.waiting > 0
    layout = Layout.natural(10, 10, view.status.HEIGHT)
    colours, lines = view.app.picture(layout, 20.0)
    assert (colours == colours[0, 0]).all(axis=2).sum() < 100
    text = "\n".join("".join(piece for piece, _ in line) for line in lines)
    assert "use 1.000" in text
    assert "working 7 of 7" in text
    ElementTree.parse(tmp_path / "still.svg")
    assert json.loads((tmp_path / "cast").read_text().splitlines()[0])["version"] == 2


def test_its_keys_steer_the_experiment() -> None:
    async def main() -> None:
        config = BottleneckConfig(agents=30, slots=20, work=1.0, duration=10.0)
        view = BottleneckView(config)
        experiment = Bottleneck(config, view.run, view.grid.states)
        run = asyncio.create_task(experiment.run())
        await asyncio.sleep(5)
        keys = {key: act for key, (_, act) in view.app.keys.items()}
        assert set(keys) == {"+", "-", "p"}
        assert experiment.rounds is not None
        keys["+"]()
        assert experiment.rounds.slots == 22
        keys["-"]()
        keys["-"]()
        assert experiment.rounds.slots == 18
        keys["p"]()
        await asyncio.sleep(0.3)
        assert experiment.paused
        assert "paused" in view.status.status["working"]
        await run

    run_virtual(main())


# --- as a command -----------------------------------------------------------------------------


def test_the_command_prints_the_summary() -> None:
    arguments = ["--agents", "20", "--slots", "2", "--duration", "30", "--time", "virtual"]
    result = CliRunner().invoke(run_bottleneck.app, [*arguments, "--seed", "1", "--summary", "-"])
    assert result.exit_code == 0
    summary = json.loads(result.stdout.splitlines()[-1])
    assert (summary["agents"], summary["slots"], summary["seed"]) == (20, 2, 1)
    assert {"utilisation", "waiting_s", "fairness", "overtakings", "active"} < summary.keys()
    assert set(summary["waiting_s"]) == {"mean", "p50", "p99", "max"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--slots", "0"], "--slots must be a whole number ≥ 1, got 0"),
        (["--agents", "x"], "must be a whole number, got 'x'"),
        (["--think", "0"], "--think must be above 0 seconds"),
        (["--time", "warped"], "--time must be real or virtual, got 'warped'"),
        (["--still", "/nowhere/at.svg"], "--still must be a file that can be written"),
    ],
)
def test_wrong_options_give_one_line_and_exit_code_2(
    arguments: list[str],
    message: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(sys, "argv", ["bottleneck", *arguments])
    before = signal.getsignal(signal.SIGINT)
    try:
        with pytest.raises(SystemExit) as ended:
            run_bottleneck.main()
    finally:
        signal.signal(signal.SIGINT, before)
    assert ended.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert message in line


def test_the_program_refuses_them_as_the_command_does() -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "observatory.experiments.run_bottleneck", "--slots", "0"],
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        check=False,
    )
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr == "bottleneck: --slots must be a whole number ≥ 1, got 0\n"
