"""The view of the fireflies shows what they do: frame by frame, and in what it writes."""

from __future__ import annotations

import asyncio
import json
import math
from array import array
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.observatory.visualization.emulator import Terminal
from tests.observatory.visualization.test_screen import check

from cascade.testing import run_virtual
from observatory.experiments.config import FirefliesConfig
from observatory.experiments.fireflies import Fireflies, Moment
from observatory.experiments.showing import Showing
from observatory.experiments.view import FirefliesView
from observatory.flashes import Flash
from observatory.order import local_order
from observatory.ticks import Ticks
from observatory.visualization.colours import ColourDepth
from observatory.visualization.grid import LEVELS
from observatory.visualization.layout import Layout
from observatory.visualization.status import StatusBar

SMALL = FirefliesConfig(num_agents=100, period=2.0, nudge=0.1, duration=20.0, seed=3)


def brightness(flashes: list[Flash], now: float, config: FirefliesConfig) -> NDArray[np.float64]:
    """How bright each agent is, from the flashes alone."""
    width, height = config.shape
    seen = config.decay_duty_cycle * config.period
    matrix = np.zeros((height, width))
    for agent, time in flashes:
        if time <= now:
            left = 1.0 - (now - time) / seen
            matrix[agent // width, agent % width] = max(0.0, min(1.0, left))
    return matrix


def test_each_frame_is_the_matrix_computed_from_the_flashes() -> None:
    view = FirefliesView(SMALL)
    frames: list[tuple[float, Any, Any]] = []

    async def watch(experiment: Fireflies) -> None:
        async def look() -> None:
            loop = asyncio.get_running_loop()
            start = loop.time()
            ticks = Ticks(start, 1 / 30)
            grid = view.app.grid_view
            while True:
                # A hair later than a flash of that very instant.
                now = await ticks.next() + 1e-7
                frames.append((now - start, grid.matrix.at(now), grid.levels(now)))

        looking = asyncio.create_task(look())
        try:
            await view.run(experiment)
        finally:
            looking.cancel()

    experiment = Fireflies(SMALL, view=watch, keep_flashes=True)
    run_virtual(experiment.run())
    assert experiment.recorder is not None
    # A flash carries the time at which it was due, and is seen from when it was sent.
    assert max(experiment.recorder.lateness) <= 2e-9
    assert len(frames) >= 599
    for now, shown, levels in frames:
        expected = brightness(experiment.recorder.flashes, now, SMALL)
        assert np.abs(shown - expected).max() < 1e-6
        assert np.abs(levels - expected).max() <= 0.5 / (LEVELS - 1) + 1e-6
    assert any(shown.max() > 0.9 for _, shown, _ in frames)


def watched(tmp_path: Path, name: str, config: FirefliesConfig = SMALL) -> tuple[Any, Path, Path]:
    still, cast = tmp_path / f"{name}.svg", tmp_path / f"{name}.cast"
    view = FirefliesView(config, still=still, cast=cast)
    return run_virtual(Fireflies(config, view=view.run).run()), still, cast


def test_who_watches_changes_nothing(tmp_path: Path) -> None:
    summary, _, _ = watched(tmp_path, "one")
    assert summary.digest == run_virtual(Fireflies(SMALL).run()).digest
    assert summary.duration == SMALL.duration


@pytest.mark.parametrize("limit_holds", ["step", "awake"])
def test_who_watches_changes_nothing_where_there_is_a_limit_either(
    tmp_path: Path, limit_holds: Any
) -> None:
    config = replace(SMALL, limit=20, limit_holds=limit_holds, duration=10.0)
    summary, _, _ = watched(tmp_path, "one", config)
    assert summary.digest == run_virtual(Fireflies(config).run()).digest
    assert summary.flashes > 0


def test_the_same_run_makes_the_same_files(tmp_path: Path) -> None:
    _, *one = watched(tmp_path, "one")
    _, *other = watched(tmp_path, "other")
    assert [path.read_bytes() for path in one] == [path.read_bytes() for path in other]


def test_a_recording_can_be_played_and_ends_with_the_last_picture(tmp_path: Path) -> None:
    cast = tmp_path / "cast"
    view = FirefliesView(SMALL, cast=cast)
    run_virtual(Fireflies(SMALL, view=view.run).run())
    header, *events = [json.loads(line) for line in cast.read_text().splitlines()]
    layout = Layout.natural(10, 10, StatusBar.HEIGHT)
    assert (header["version"], header["width"], header["height"]) == (
        *(2, layout.columns, layout.rows),
    )
    times = [time for time, _, _ in events]
    assert times == sorted(times)
    assert times[-1] == pytest.approx(SMALL.duration, abs=1 / 30)
    assert all(kind == "o" for _, kind, _ in events)
    terminal = Terminal(layout.columns, layout.rows)
    for _, _, data in events[:-1]:
        terminal.feed(data.encode())
    colours, lines = view.app.picture(layout, events[-2][0])
    check(terminal, layout, colours, lines, ColourDepth.TRUE)


def test_the_status_says_what_goes_on(tmp_path: Path) -> None:
    config = FirefliesConfig(num_agents=100, period=2.0, duration=20.0, limit=7, seed=3)
    view = FirefliesView(config, still=tmp_path / "still.svg")
    summary = run_virtual(Fireflies(config, view=view.run).run())
    status = view.status.status
    assert status["time"] == "20 s"
    assert status["agents"] == "100"
    assert status["pulses"] == summary.pulses
    assert status["slots"] == "7 of 7"
    assert status["waiting"] == 93
    assert float(status["flashes/s"]) > 0
    assert status["lateness p99"].endswith("ms")
    assert status["lateness p99"] != "0.0 ms"
    assert "frames/s" not in status


@pytest.mark.parametrize(("slots", "said"), [(3, "3 of 3"), (None, "100 of ∞")])
def test_the_slots_are_those_that_there_are_now(
    tmp_path: Path, slots: int | None, said: str
) -> None:
    config = FirefliesConfig(num_agents=100, period=2.0, duration=20.0, limit=7, seed=3)
    view = FirefliesView(config, still=tmp_path / "still.svg")

    async def steered(experiment: Fireflies) -> None:
        experiment.manager.set_capacity({"cpu_slot": slots})
        await view.run(experiment)

    run_virtual(Fireflies(config, view=steered).run())
    assert view.status.status["slots"] == said


def test_a_key_shows_phases_and_local_order_and_the_status_says_which(tmp_path: Path) -> None:
    view = FirefliesView(SMALL, terminal=True)
    assert view.status.status["view"] == "flashes"
    word, press = view.app.keys["m"]
    assert word == "view"
    seen: list[tuple[str, Any]] = []

    async def look(experiment: Fireflies) -> None:
        view._showing = Showing(still=tmp_path / "still.svg")  # no terminal is there
        showing = asyncio.create_task(view.run(experiment))
        await asyncio.sleep(7.3)
        now = asyncio.get_running_loop().time()
        assert experiment.recorder is not None
        turns = experiment.recorder.turns(now).reshape(10, 10)
        for expected in (None, turns % 1.0, local_order(turns)):
            seen.append((view.status.status["view"], expected))
            if expected is not None:
                error = np.abs(view.app.grid_view.levels(now) - expected).max()
                assert error <= 0.5 / (LEVELS - 1) + 1e-9
            press()
        assert view.status.status["view"] == "flashes"
        showing.cancel()
        await asyncio.wait([showing])

    run_virtual(Fireflies(SMALL, view=look).run())
    assert [name for name, _ in seen] == ["flashes", "phase", "local order"]


class Told:
    """An experiment that tells what it is made to tell: ten seconds of flashes, then none."""

    def __init__(self) -> None:
        self.recorder = self
        self.latest = array("d", [-math.inf]) * 100

    def moment(self, now: float) -> Moment:
        return Moment(
            time=now,
            order_parameter=0.5,
            alight=0.0,
            flashes=int(300 * min(now, 10.0)),
            active=None,
            waiting=None,
            lateness_p99=None if now < 2 else 0.0123 if now < 4 else 1.5,
        )


@pytest.mark.parametrize(("period", "span"), [(0.5, 1.0), (2.0, 2.0), (4.0, 4.0)])
def test_flashes_a_second_are_those_of_the_latest_period_or_second(
    tmp_path: Path, period: float, span: float
) -> None:
    view = FirefliesView(replace(SMALL, period=period), still=tmp_path / "still.svg")
    experiment: Any = Told()
    told: dict[float, dict[str, Any]] = {}

    async def main() -> None:
        run = asyncio.create_task(view.run(experiment))
        ticks = Ticks(0.125, 0.25)
        for _ in range(80):
            time = await ticks.next() - 0.125
            told[time] = dict(view.status.status)
        run.cancel()
        await asyncio.wait([run])

    run_virtual(main())
    for time, status in told.items():
        # Of the samples that are taken four times a second, those of the latest span.
        past = max(0.0, time - span)
        rate = 300 * (min(time, 10.0) - min(past, 10.0)) / (time - past)
        assert float(status["flashes/s"]) == pytest.approx(rate, abs=1.0), time
    assert told[20.0]["flashes/s"] == "0"
    assert told[5.0]["pulses"] == 15
    assert [told[time]["lateness p99"] for time in (1.0, 3.0, 5.0)] == ["–", "12.3 ms", "1.5 s"]
    assert "slots" not in told[5.0]


def test_a_view_may_be_there_before_any_time_has_passed(tmp_path: Path) -> None:
    class Later(Told):
        def moment(self, now: float) -> Moment:
            return super().moment(max(0.0, now - 3.0))

    view = FirefliesView(SMALL, still=tmp_path / "still.svg")
    experiment: Any = Later()

    async def main() -> list[str]:
        run = asyncio.create_task(view.run(experiment))
        told = []
        for seconds in (2.1, 2.0):
            await asyncio.sleep(seconds)
            told.append(view.status.status["flashes/s"])
        run.cancel()
        await asyncio.wait([run])
        return told

    assert run_virtual(main()) == ["0", "300"]


def test_what_a_palette_raises_ends_the_experiment(tmp_path: Path) -> None:
    def failing(brightness: Any) -> Any:
        raise ZeroDivisionError("no colours left")

    view = FirefliesView(SMALL, failing, cast=tmp_path / "cast")
    with pytest.raises(ZeroDivisionError, match="no colours left"):
        run_virtual(Fireflies(SMALL, view=view.run).run())


def test_cancelled_it_draws_its_still(tmp_path: Path) -> None:
    still = tmp_path / "still.svg"

    async def main() -> None:
        view = FirefliesView(SMALL, still=still)
        run = asyncio.create_task(Fireflies(SMALL, view=view.run).run())
        await asyncio.sleep(5)
        run.cancel()
        with pytest.raises(asyncio.CancelledError):
            await run

    run_virtual(main())
    assert still.read_text().startswith("<svg")


def test_a_file_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    view = FirefliesView(SMALL, cast=tmp_path / "nowhere" / "cast")
    with pytest.raises(FileNotFoundError):
        run_virtual(Fireflies(SMALL, view=view.run).run())


def test_without_its_recording_nothing_goes_on(tmp_path: Path) -> None:
    async def main() -> set[asyncio.Task[Any]]:
        view = FirefliesView(SMALL, cast=tmp_path / "nowhere" / "cast")
        with pytest.raises(FileNotFoundError):
            await Fireflies(SMALL, view=view.run).run()
        return asyncio.all_tasks() - {asyncio.current_task()}

    assert run_virtual(main()) == set()
