"""A playback shows at each place what was to be seen then, whichever way it came there."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cascade.testing import run_virtual
from observatory.experiments.config import FirefliesConfig
from observatory.experiments.fireflies import Fireflies
from observatory.records.format import SAMPLED, Header
from observatory.records.playback import Playback
from observatory.records.reader import Record, read_record

HEADER = Header(
    agents=4, width=2, height=2, period=2.0, duration=60.0, seed=7, clock="virtual", start=0.0
)
Flashes = list[tuple[int, float, float]]
flashes = st.lists(
    st.tuples(st.integers(0, 3), st.integers(0, 200), st.integers(0, 30)), max_size=30
).map(lambda rows: [(agent, due / 8, late / 8) for agent, due, late in rows])
"""Agents, due times and lateness."""
places = st.lists(st.integers(0, 240).map(lambda place: place / 8), min_size=1, max_size=6)


def record(rows: Flashes, samples: dict[str, list[float]] | None = None) -> Record:
    agents, times, late = zip(*rows, strict=True) if rows else ((), (), ())
    empty: list[float] = []
    return Record(
        HEADER,
        np.array(agents, dtype=np.int32),
        np.array(times, dtype=np.float64),
        np.array(late, dtype=np.float64),
        {name: np.array((samples or {}).get(name, empty)) for name in SAMPLED},
        True,
    )


@given(flashes, places)
def test_it_is_what_the_flashes_so_far_say_wherever_it_came_from(
    rows: Flashes, times: list[float]
) -> None:
    kept = record(rows)
    playback = Playback(kept)
    for time in times:
        playback.seek(time)
        now = playback.time
        assert now == min(time, kept.end)
        sent = [(agent, due + late) for agent, due, late in rows]
        assert playback.count == sum(when <= now for _, when in sent)
        for agent in range(4):
            own = [when for who, when in sent if who == agent and when <= now]
            assert playback.latest[agent] == max(own, default=-math.inf)
        fresh = Playback(kept)
        fresh.seek(time)
        assert np.array_equal(fresh.turns(), playback.turns())
        assert ((playback.turns() >= 0) & (playback.turns() <= 1)).all()


def test_a_phase_grows_from_flash_to_flash() -> None:
    playback = Playback(record([(0, 1.0, 0.0), (2, 3.0, 0.0), (0, 2.5, 0.0), (0, 6.5, 0.0)]))

    def turns(time: float) -> list[float]:
        playback.seek(time)
        found: list[float] = playback.turns().ravel().tolist()
        return found

    # Agent 0 is due at 1, 2.5 and 6.5; agent 2 at 3; the others never.
    assert turns(0.0) == [0.5, 1.0, 0.0, 1.0]
    assert turns(1.0) == [0.0, 1.0, 0.0, 1.0]
    assert turns(1.75) == [0.5, 1.0, 0.375, 1.0]
    assert turns(4.5) == [0.5, 1.0, 0.75, 1.0]
    assert turns(6.5) == [0.0, 1.0, 1.0, 1.0]
    assert turns(1.75) == [0.5, 1.0, 0.375, 1.0]


def test_metrics_are_the_latest_so_far() -> None:
    nan = math.nan
    playback = Playback(
        record([], {"time": [1.0, 2.0], "order_parameter": [0.25, 0.5], "active": [nan, 3.0]})
    )
    told = []
    for time in (0.5, 1.0, 1.9, 2.0):
        playback.seek(time)
        told.append((playback.metric("order_parameter"), playback.metric("active")))
    assert told == [(None, None), (0.25, None), (0.25, None), (0.5, 3.0)]


def test_it_agrees_with_the_run_itself(tmp_path: pytest.TempPathFactory) -> None:
    path = f"{tmp_path}/record"
    config = FirefliesConfig(num_agents=25, period=2.0, nudge=0.0, duration=20.0, seed=3)
    seen = []
    experiment = Fireflies(
        config,
        record=path,
        watch=lambda moment: seen.append((moment, experiment.recorder.turns(moment.time))),  # type: ignore[union-attr]
        watch_interval=0.37,
    )
    run_virtual(experiment.run())
    playback = Playback(read_record(path))
    assert len(seen) == 54
    for moment, turns in seen:
        playback.seek(moment.time)
        # Without coupling phases grow in straight lines, so they are all that is to be known.
        apart = np.abs(playback.turns().ravel() - turns)
        assert np.minimum(apart, 1.0 - apart).max() < 1e-6
        assert playback.alight(0.6) == pytest.approx(moment.alight, abs=1 / 24)
        assert abs(playback.count - moment.flashes) <= 1
