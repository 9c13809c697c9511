"""A replay goes at its speed, forwards and backwards, and shows the place where it is."""

from __future__ import annotations

import asyncio
from pathlib import Path

import numpy as np
import pytest

from cascade.testing import run_virtual
from observatory.experiments.config import FirefliesConfig
from observatory.experiments.fireflies import Fireflies
from observatory.experiments.replay_view import FASTEST, HELP, SLOWEST, Player, ReplayView, decay
from observatory.records.playback import Playback
from observatory.records.reader import Record, read_record
from observatory.visualization.raw_app import RawTerminalApp
from observatory.visualization.status import StatusBar

SMALL = FirefliesConfig(num_agents=16, period=2.0, nudge=0.1, duration=100.0, seed=3, limit=7)


@pytest.fixture(scope="module")
def record(tmp_path_factory: pytest.TempPathFactory) -> Record:
    path = tmp_path_factory.mktemp("replay") / "record"
    run_virtual(Fireflies(SMALL, record=path).run())
    return read_record(path)


def test_it_goes_at_its_speed_and_stops_at_the_ends(record: Record) -> None:
    player = Player(Playback(record), 2.0, now=1000.0)
    assert player.move(1000.0) == 0.0
    assert player.move(1003.0) == 6.0
    player.change_speed(2.0)
    assert player.move(1004.0) == 10.0
    player.turn()
    assert player.move(1001.0 + 4.0) == 6.0
    assert player.move(1010.0) == 0.0
    player.turn()
    player.pause()
    assert player.move(1020.0) == 0.0
    player.pause()
    assert player.move(1021.0) == 4.0
    assert player.move(2000.0) == record.end == player.playback.time
    player.turn()
    assert player.move(2001.0) == record.end - 4.0


def test_steps_are_tenths_of_a_period_and_pause_it(record: Record) -> None:
    player = Player(Playback(record), 1.0, now=0.0)
    player.move(5.05)
    places = []
    for steps in (1, 1, -1, -1, -1):
        player.step(steps)
        places.append(round(player.move(100.0), 6))
    assert places == [5.2, 5.4, 5.2, 5.0, 4.8]
    assert player.paused
    player.jump(-3.0)
    player.step(-1)
    assert player.move(100.0) == 0.0


def test_speed_has_its_bounds(record: Record) -> None:
    player = Player(Playback(record), 3.0, now=0.0)
    for _ in range(40):
        player.change_speed(2.0)
    assert player.speed == FASTEST
    for _ in range(40):
        player.change_speed(0.5)
    assert player.speed == SLOWEST


def pressed(app: RawTerminalApp, keys: str) -> None:
    for key in keys:
        app.keys[key][1]()


def test_keys_and_what_the_status_says(record: Record) -> None:
    async def main() -> list[tuple[str, dict[str, object]]]:
        view = ReplayView(record, 2.0)
        loop = asyncio.get_running_loop()
        player = Player(Playback(record), 2.0, loop.time())
        app = view.app(player)
        told = []
        for keys in ("", " ", "5", "+", "m", "m", ".", "m", "0", "r", "9"):
            await asyncio.sleep(5.0)
            pressed(app, keys)
            player.move(loop.time())
            view.show(app.grid_view, player)
            told.append((keys, dict(view.status.status)))
        return told

    told = run_virtual(main())
    places = [(keys, status["time"], status["speed"]) for keys, status in told]
    assert [(keys, time) for keys, time, _ in places] == [
        ("", f"10.0 of {record.end:.1f} s"),
        (" ", f"20.0 of {record.end:.1f} s"),
        ("5", f"{record.end / 2:.1f} of {record.end:.1f} s"),
        *[(key, f"{record.end / 2:.1f} of {record.end:.1f} s") for key in "+mm"],
        (".", f"{int(record.end / 2 / 0.2 + 1) * 0.2:.1f} of {record.end:.1f} s"),
        ("m", f"{int(record.end / 2 / 0.2 + 1) * 0.2:.1f} of {record.end:.1f} s"),
        ("0", f"0.0 of {record.end:.1f} s"),
        ("r", f"0.0 of {record.end:.1f} s"),
        ("9", f"{record.end * 0.9:.1f} of {record.end:.1f} s"),
    ]
    speeds = ["2×", "2×, paused", *["2×, paused"], *["4×, paused"] * 6, "-4×", "-4×"]
    assert [speed for _, _, speed in places] == speeds
    assert [status["view"] for _, status in told[3:8]] == [
        *("flashes", "phase", "local order", "local order", "flashes"),
    ]
    last = told[-1][1]
    assert (last["agents"], last["slots"], last["waiting"]) == ("16", 7, 9)
    assert str(last["lateness p99"]).endswith(" ms")


def test_the_picture_is_that_of_the_run_at_the_place_where_it_is(record: Record) -> None:
    async def main() -> None:
        view = ReplayView(record, 1.0)
        loop = asyncio.get_running_loop()
        player = Player(Playback(record), 1.0, loop.time())
        grid = view.app(player).grid_view
        for _ in range(3):
            await asyncio.sleep(13.3)
            now = player.move(loop.time())
            bright = np.zeros(16)
            for agent, sent in zip(record.agents, record.sent, strict=True):
                if sent <= now:
                    bright[agent] = max(0.0, 1.0 - (now - sent) / (0.3 * 2.0))
            assert np.abs(grid.values(loop.time()).ravel() - bright).max() < 1e-9

    run_virtual(main())


def test_the_course_is_that_of_the_minute_before_also_backwards(record: Record) -> None:
    async def main() -> None:
        view = ReplayView(record, 1.0)
        player = Player(Playback(record), 1.0, 0.0)
        grid = view.app(player).grid_view
        for place in (90.0, 30.0):
            player.jump(place)
            player.move(0.0)
            view.show(grid, player)
            assert view.status.course is not None
            samples = list(view.status.course._samples)
            seconds = [second for second, _ in samples]
            assert seconds == list(range(max(0, int(place) - 59), int(place) + 1))
            for second, order in samples[1:]:
                first = np.flatnonzero(record.samples["time"] >= second)[0]
                assert order == record.samples["order_parameter"][first]

    run_virtual(main())


def test_help_fits_where_the_status_is() -> None:
    assert len(HELP) == StatusBar.HEIGHT
    assert max(map(len, HELP)) <= 80


def test_a_record_that_doesnt_say_how_long_a_flash_is_seen() -> None:
    assert decay({"decay_duty_cycle": 0.5}) == 0.5
    for settings in ({}, {"decay_duty_cycle": "long"}, {"decay_duty_cycle": 0.0}):
        assert decay(settings) == 0.3


def test_who_only_tells_flashes_is_given_an_order(tmp_path: Path, record: Record) -> None:
    from dataclasses import replace

    from observatory.experiments.replay_view import moment
    from observatory.order import order_parameter

    nothing = {name: values[:0] for name, values in record.samples.items()}
    playback = Playback(replace(record, samples=nothing))
    playback.seek(50.0)
    told = moment(playback)
    assert told.order_parameter == order_parameter(playback.turns())
    assert (told.active, told.lateness_p99, told.time) == (None, None, 50.0)
