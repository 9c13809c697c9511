"""Life of agents: each step is that of the calculation, all are in step, and errors are found."""

from __future__ import annotations

import asyncio
import json
from array import array
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prove.conway import is_exact, is_in_step
from typer.testing import CliRunner

from cascade.errors import VirtualDeadlockError
from cascade.testing import run_virtual
from observatory.agents.cell import Rule, life
from observatory.experiments import run_conway
from observatory.experiments.conway import Conway, ConwaySummary, channel_of
from observatory.experiments.conway_config import ConwayConfig
from observatory.experiments.conway_view import ConwayView
from observatory.experiments.generations import WRONGLY_ALIVE
from observatory.experiments.showing import Showing
from observatory.networking.direct_channel import DirectChannel
from observatory.visualization.layout import Layout

SMALL = ConwayConfig(width=12, height=9, generations=30, interval=0.1, seed=1)


def run(config: ConwayConfig) -> ConwaySummary:
    return run_virtual(Conway(config).run())


def never(alive: bool, living: int) -> bool:
    """A rule by which a cell is always dead."""
    return False


def always(alive: bool, living: int) -> bool:
    """A rule by which a cell always lives."""
    return True


def wrong_at(cell: int, wrong: Rule) -> Callable[[int], Rule]:
    return lambda other: wrong if other == cell else life


# --- exactness --------------------------------------------------------------------------------


def test_a_large_world_is_exact_and_in_step() -> None:
    # Two million steps of it are a proof: python -m prove "million steps of Life"
    summary = run(ConwayConfig(width=64, height=64, generations=5, seed=1))
    assert is_exact(summary)
    assert is_in_step(summary)
    assert summary.steps == 64 * 64 * 5
    assert (summary.time, summary.duration) == ("virtual", 5 * 0.2)
    assert summary.lateness_s["max"] == 0.0


@settings(max_examples=15, deadline=None)
@given(
    width=st.integers(3, 6),
    height=st.integers(3, 6),
    seed=st.integers(0, 2**32),
    limit=st.none() | st.integers(1, 30),
    interval=st.sampled_from([0.0, 0.1]),
)
def test_any_world_is_exact_under_any_limit(
    width: int, height: int, seed: int, limit: int | None, interval: float
) -> None:
    config = ConwayConfig(width, height, 8, interval, limit, density=0.4, seed=seed)
    summary = run(config)
    assert summary.step_errors == 0
    assert summary.generations == {"wanted": 8, "whole": 8}
    assert summary.steps == width * height * 8
    assert summary.drift["behind"] == (0 if interval else None)
    if limit is not None:
        active = summary.active["max"]
        assert active is not None
        assert 1 <= active <= limit


def test_limits_and_times_change_nothing_in_what_is_made() -> None:
    digests = {
        run(replace(SMALL, limit=limit, interval=interval)).digest
        for limit, interval in ((None, 0.0), (None, 0.1), (1, 0.1), (7, 0.0))
    }
    assert len(digests) == 1
    assert run(replace(SMALL, seed=2)).digest not in digests


def test_the_same_seed_gives_the_same_run() -> None:
    assert replace(run(SMALL), elapsed=0.0) == replace(run(SMALL), elapsed=0.0)


def test_a_glider_comes_back_after_its_way_around_the_torus() -> None:
    config = ConwayConfig(width=6, height=6, generations=24, pattern="glider")
    states = array("d", [0.0]) * 36
    summary = run_virtual(Conway(config, states=states).run())
    assert [state > 0 for state in states] == config.first().ravel().tolist()
    assert (summary.alive, summary.step_errors) == ({"first": 5, "last": 5}, 0)
    assert (summary.seed, summary.density) == (None, None)


def test_in_real_time_it_is_exact_as_well() -> None:
    config = ConwayConfig(width=32, height=32, generations=5, interval=0.1, seed=1)
    summary = asyncio.run(Conway(config).run())
    assert (summary.step_errors, summary.generations["whole"], summary.time) == (0, 5, "real")
    assert summary.digest == run(config).digest
    assert summary.duration >= 0.5 - 0.001  # a timer may be a hair early
    assert len([late for late in summary.lateness_s.values() if late is not None]) == 3


# --- errors are found -------------------------------------------------------------------------


def test_a_wrong_rule_in_one_cell_is_counted() -> None:
    # In a full world everybody dies at once and stays dead, but for the one that never does.
    config = ConwayConfig(width=8, height=8, generations=3, density=1.0)
    summary = run_virtual(Conway(config, rule_of=wrong_at(10, always)).run())
    assert summary.step_errors == 3
    assert summary.first_error == {"generation": 1, "cell": 10}
    assert not is_exact(summary)


def test_an_error_that_spreads_counts_in_each_cell() -> None:
    config = ConwayConfig(width=12, height=12, generations=8, pattern="glider")
    right = run(config)
    assert right.step_errors == 0
    # The middle of the pattern's lowest row lives at first and in generation 1.
    summary = run_virtual(Conway(config, rule_of=wrong_at(6 * 12 + 5, never)).run())
    assert summary.first_error == {"generation": 1, "cell": 6 * 12 + 5}
    assert summary.step_errors > 8
    assert summary.digest != right.digest


def test_a_wrong_cell_is_seen_in_its_own_colour() -> None:
    config = ConwayConfig(width=8, height=8, generations=2, density=0.0)
    view = ConwayView(config)
    experiment = Conway(config, view.run, view.grid.states, rule_of=wrong_at(27, always))
    run_virtual(experiment.run())
    assert {n: s for n, s in enumerate(view.grid.states) if s} == {27: WRONGLY_ALIVE}
    colours, _ = view.app.picture(Layout.natural(8, 8, 3), 0.0)
    red, green, blue = colours[27 // 8, 27 % 8].tolist()
    assert red > 2 * max(green, blue)
    assert view.status.status["errors"] == 2


class Lossy(DirectChannel):
    """A channel that loses one message."""

    __slots__ = ("left",)

    def __init__(self, cell: int, left: int) -> None:
        super().__init__(cell, 16, "error")
        self.left = left

    def send_nowait(self, message: Any) -> None:
        self.left -= 1
        if self.left:
            super().send_nowait(message)


def test_a_lost_message_stops_the_world_instead_of_making_a_wrong_one() -> None:
    def channels(cell: int) -> DirectChannel:
        return Lossy(cell, left=20) if cell == 5 else channel_of(cell)

    experiment = Conway(SMALL, channel_of=channels)
    with pytest.raises(VirtualDeadlockError):
        run_virtual(experiment.run())
    summary = experiment.summary()
    # It can't make generation 3; the others go on as far as they can without it.
    assert summary.generations["whole"] == 2
    assert summary.step_errors == 0
    assert experiment.generations is not None
    assert 0 < experiment.generations.apart <= 12 // 2


def test_a_world_that_stands_still_falls_behind() -> None:
    async def view(experiment: Conway) -> None:
        await asyncio.sleep(0.75)
        made = experiment.generations
        assert made is not None
        assert made.whole == 2
        assert made.behind_at(asyncio.get_running_loop().time()) == 4

    def channels(cell: int) -> DirectChannel:
        return Lossy(cell, left=20) if cell == 5 else channel_of(cell)

    run_virtual(Conway(SMALL, view, channel_of=channels).run())


# --- its life as an experiment ----------------------------------------------------------------


def test_it_ends_when_its_view_does() -> None:
    async def view(experiment: Conway) -> None:
        await asyncio.sleep(0.55)

    summary = run_virtual(Conway(SMALL, view).run())
    assert summary.duration == 0.55
    assert summary.generations == {"wanted": 30, "whole": 5}
    assert summary.step_errors == 0


def test_what_a_rule_raises_ends_it() -> None:
    def broken(alive: bool, living: int) -> bool:
        raise OSError("no rule")

    with pytest.raises(OSError, match="no rule"):
        run_virtual(Conway(SMALL, rule_of=wrong_at(3, broken)).run())


def test_there_is_no_summary_before_the_start() -> None:
    with pytest.raises(RuntimeError, match="hasn't begun"):
        Conway(SMALL).summary()


def test_the_picture_and_the_text_are_those_of_the_last_generation(tmp_path: Path) -> None:
    view = ConwayView(SMALL, Showing(still=tmp_path / "still.svg", cast=tmp_path / "cast"))
    experiment = Conway(SMALL, view.run, view.grid.states)
    summary = run_virtual(experiment.run())
    assert sum(state > 0 for state in view.grid.states) == summary.alive["last"]
    _, lines = view.app.picture(Layout.natural(12, 9, view.status.HEIGHT), 3.0)
    text = "\n".join("".join(piece for piece, _ in line) for line in lines)
    assert "generation 30 of 30" in text
    assert f"alive {summary.alive['last']} of 108" in text
    assert "errors 0" in text
    assert "drift 0 apart, 0 behind" in text
    ElementTree.parse(tmp_path / "still.svg")
    assert json.loads((tmp_path / "cast").read_text().splitlines()[0])["version"] == 2


# --- as a command -----------------------------------------------------------------------------

BRIEF = ["--width", "8", "--height", "8", "--generations", "5", "--time", "virtual"]


def test_the_command_prints_the_summary() -> None:
    arguments = [*BRIEF, "--limit", "3", "--seed", "1", "--summary", "-"]
    result = CliRunner().invoke(run_conway.app, arguments)
    assert result.exit_code == 0
    summary = json.loads(result.stdout.splitlines()[-1])
    assert (summary["width"], summary["limit"], summary["seed"]) == (8, 3, 1)
    assert summary["step_errors"] == 0
    assert summary["drift"] == {"apart": 0, "behind": 0}
    assert "errors  0 in 320 steps" in result.stdout
    assert "slots  3; in use 3 at most" in result.stdout


def test_its_exit_code_is_1_if_a_step_was_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    def conway(config: ConwayConfig) -> Conway:
        return Conway(config, rule_of=wrong_at(9, always))

    monkeypatch.setattr(run_conway, "Conway", conway)
    result = CliRunner().invoke(run_conway.app, [*BRIEF, "--density", "0"])
    assert result.exit_code == 1
    assert "the first in generation 1 at cell 9" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--width", "2"], "--width must be a whole number ≥ 3, got 2"),
        (["--interval", "-1"], "--interval must be ≥ 0 seconds, got -1.0"),
        (["--limit", "0"], "--limit must be a whole number ≥ 1, got 0"),
        (["--pattern", "toad"], "--pattern must be one of random, glider"),
        (["--pattern", "glider", "--seed", "1"], "--seed is for --pattern random"),
        (["--pattern", "glider", "--density", "0.1"], "--density is for --pattern random"),
        (["--time", "warped"], "--time must be real or virtual, got 'warped'"),
        (["--still", "/nowhere/at.svg"], "--still must be a file that can be written"),
    ],
)
def test_wrong_options_give_one_line_and_exit_code_2(arguments: list[str], message: str) -> None:
    result = CliRunner().invoke(run_conway.app, arguments)
    assert result.exit_code == 2
    (line,) = result.stderr.splitlines()
    assert line.startswith("conway: ")
    assert message in line
