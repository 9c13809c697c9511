"""A figure of a record shows what is in it, the same bytes for the same record."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest

from cascade.testing import run_virtual
from observatory.experiments.config import FirefliesConfig
from observatory.experiments.fireflies import Fireflies
from observatory.records.plot import check_ending, figure, save
from observatory.records.reader import Record, read_record

SMALL = FirefliesConfig(num_agents=16, period=2.0, nudge=0.1, duration=12.0, seed=3, limit=3)


@pytest.fixture(scope="module")
def record(tmp_path_factory: pytest.TempPathFactory) -> Record:
    path = tmp_path_factory.mktemp("plot") / "record"
    run_virtual(Fireflies(SMALL, record=path).run())
    return read_record(path)


def test_each_panel_shows_what_it_says(record: Record) -> None:
    panels = {axes.get_title("left"): axes for axes in figure(record).axes}
    assert list(panels) == [
        *("order", "flashes", "phases, at some times", "lateness, in ms"),
        "slots in use, and agents that wait for one",
    ]
    lines = {line.get_label(): line for line in panels["order"].get_lines()}
    assert np.array_equal(lines["R"].get_xdata(), record.samples["time"])
    assert np.array_equal(lines["R"].get_ydata(), record.samples["order_parameter"])
    assert np.array_equal(lines["local, mean"].get_ydata(), record.samples["local_order"])
    (raster,) = panels["flashes"].get_lines()
    assert np.array_equal(raster.get_xdata(), record.times)
    assert np.array_equal(raster.get_ydata(), record.agents)
    phases = panels["phases, at some times"].patches
    assert [steps.get_data().values.sum() for steps in phases] == pytest.approx([1.0] * 4)  # type: ignore[attr-defined]
    lateness = {line.get_label(): line for line in panels["lateness, in ms"].get_lines()}
    assert np.max(lateness["max"].get_ydata()) == pytest.approx(record.lateness.max() * 1e3)
    slots = list(panels.values())[-1].get_lines()
    assert [np.max(line.get_ydata()) for line in slots] == [13.0, 3.0]


def test_without_a_limit_there_is_no_panel_for_slots(record: Record) -> None:
    none = np.full(len(record.samples["time"]), np.nan)
    free = replace(record, samples={**record.samples, "active": none, "waiting": none})
    assert len(figure(free).axes) == 4


def test_flashes_alone_or_metrics_alone_will_do(record: Record) -> None:
    nothing = {name: values[:0] for name, values in record.samples.items()}
    assert len(figure(replace(record, samples=nothing)).axes) == 4
    few = np.empty(0)
    silent = replace(record, agents=few.astype(np.int32), times=few, lateness=few)
    assert len(figure(silent).axes) == 5
    with pytest.raises(ValueError, match="nothing in the record"):
        figure(replace(silent, samples=nothing))


def test_the_last_flash_is_late_as_well(record: Record) -> None:
    nothing = {name: values[:0] for name, values in record.samples.items()}
    times = np.array([1.0, 3.0, 6.0])
    for lateness in ([0.0, 0.5, 0.0], [0.0, 0.0, -1e-4], [0.0, 0.0, 0.5]):
        some = replace(
            record,
            samples=nothing,
            agents=np.zeros(3, np.int32),
            times=times,
            lateness=np.array(lateness),
        )
        panels = {axes.get_title("left"): axes for axes in figure(some).axes}
        lines = {line.get_label(): line for line in panels["lateness, in ms"].get_lines()}
        drawn = np.asarray(lines["max"].get_ydata())
        assert drawn == pytest.approx(np.array(lateness) * 1e3)


def test_a_record_that_breaks_off_says_so(record: Record) -> None:
    said = figure(replace(record, complete=False)).get_suptitle()
    assert said.startswith("16 fireflies (4×4), period 2 s, seed 3, virtual time; breaks off after")
    assert "breaks off" not in figure(record).get_suptitle()


def test_the_same_record_gives_the_same_drawing_whatever_the_settings_are(
    record: Record, tmp_path: Path
) -> None:
    save(record, tmp_path / "one.svg")
    before = dict(mpl.rcParams)
    with mpl.rc_context({"font.size": 30, "axes.grid": True, "svg.hashsalt": None}):
        save(record, tmp_path / "other.svg")
        assert mpl.rcParams["font.size"] == 30
    assert dict(mpl.rcParams) == before
    drawing = (tmp_path / "one.svg").read_text()
    assert drawing == (tmp_path / "other.svg").read_text()
    assert "<dc:date>" not in drawing
    save(record, tmp_path / "one.PNG")
    assert (tmp_path / "one.PNG").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("name", ["plot", "plot.pdf", ".svg", "svg"])
def test_other_endings_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match=r"must end in \.svg or \.png, got"):
        check_ending(name)
