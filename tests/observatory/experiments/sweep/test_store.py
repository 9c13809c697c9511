"""The directory of a sweep: what counts as a result, and what it is protected from."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from observatory.experiments.sweep import plan
from observatory.experiments.sweep.axes import Axis
from observatory.experiments.sweep.plan import Sweep, versions
from observatory.experiments.sweep.store import (
    StoreError,
    opened,
    read_run,
    run_file,
    write_run,
    write_text,
)

SWEEP = Sweep((Axis("nudge", (0.1, 0.2)),), {"agents": 4}, replications=2)
RUN = SWEEP.runs()[0]


def any_results(results: object) -> bool:
    return isinstance(results, dict)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    with opened(tmp_path / "a" / "b", SWEEP):
        pass
    return tmp_path / "a" / "b"


def test_what_was_written_is_read(place: Path) -> None:
    assert read_run(place, RUN, any_results) is None
    write_run(place, RUN, {"order": 0.1 + 0.2, "queue": None})
    assert read_run(place, RUN, any_results) == {"order": 0.1 + 0.2, "queue": None}
    assert read_run(place, SWEEP.runs()[1], any_results) is None


def test_results_that_are_not_complete_do_not_count(place: Path) -> None:
    write_run(place, RUN, {"order": 1.0})
    assert read_run(place, RUN, lambda results: False) is None


@pytest.mark.parametrize(
    "spoil",
    [
        lambda text: "",
        lambda text: text[: len(text) // 2],
        lambda text: "[1]",
        lambda text: "{}",
        lambda text: "\udcff",
        lambda text: "[" * 100_000,
        lambda text: text.replace('"replication": 0', '"replication": 1'),
        lambda text: text.replace('"numpy"', '"other"'),
    ],
    ids=["empty", "half", "a list", "nothing in it", "no text", "deep", "other run", "versions"],
)
def test_a_half_written_or_foreign_file_is_no_result(
    place: Path, spoil: Callable[[str], str]
) -> None:
    write_run(place, RUN, {"order": 1.0})
    file = run_file(place, RUN)
    text = file.read_text()
    assert spoil(text) != text
    file.write_text(spoil(text), errors="surrogateescape")
    assert read_run(place, RUN, any_results) is None


def test_a_file_of_another_run_under_this_ones_name_is_no_result(place: Path) -> None:
    other = SWEEP.runs()[1]
    write_run(place, other, {"order": 1.0})
    run_file(place, other).rename(run_file(place, RUN))
    assert read_run(place, RUN, any_results) is None


def test_a_directory_in_its_place_is_no_result(place: Path) -> None:
    run_file(place, RUN).mkdir()
    assert read_run(place, RUN, any_results) is None


def test_a_file_is_there_as_a_whole_or_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "file"
    write_text(file, "old")

    def full(descriptor: int) -> None:
        raise OSError(28, "no space left")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="no space"):
        write_text(file, "new")
    assert file.read_text() == "old"
    assert [*tmp_path.iterdir()] == [file]


def test_not_a_number_is_not_written(place: Path) -> None:
    with pytest.raises(ValueError, match="JSON"):
        write_run(place, RUN, {"order": float("nan")})
    assert not run_file(place, RUN).exists()


def test_the_same_sweep_goes_on(place: Path) -> None:
    write_run(place, RUN, {"order": 1.0})
    before = (place / "sweep.json").read_bytes()
    with opened(place, SWEEP):
        assert read_run(place, RUN, any_results) == {"order": 1.0}
    assert (place / "sweep.json").read_bytes() == before
    assert json.loads(before) == json.loads(json.dumps(SWEEP.as_dict()))


def test_what_was_left_half_written_is_removed(place: Path) -> None:
    for left in (place / "table.csv.77.part", place / "runs" / "x.json.78.part"):
        left.write_text("{")
    with opened(place, SWEEP):
        assert not [*place.rglob("*.part")]


def test_what_somebody_else_has_there_stays(tmp_path: Path) -> None:
    (tmp_path / "runs").mkdir()
    kept = [tmp_path / "film.mkv.part", tmp_path / "table.csv.old.part", tmp_path / "notes.txt"]
    kept.append(tmp_path / "runs" / "a.json.part")
    for file in kept:
        file.write_text("mine")
    with opened(tmp_path, SWEEP):
        assert [file.read_text() for file in kept] == ["mine"] * len(kept)


@pytest.mark.parametrize("name", ["table.csv", "summary.csv", "heatmap.svg"])
def test_a_table_or_a_picture_of_no_sweep_is_overwritten_only_if_that_is_said(
    tmp_path: Path, name: str
) -> None:
    (tmp_path / name).write_text("mine")
    with pytest.raises(StoreError) as refused, opened(tmp_path, SWEEP):
        pass
    assert str(refused.value) == f"it holds a {name} of no sweep; --extend overwrites it"
    assert [*tmp_path.iterdir()] == [tmp_path / name]
    with opened(tmp_path, SWEEP, extend=True):
        pass
    with opened(tmp_path, SWEEP):
        pass


@pytest.mark.parametrize(
    ("other", "said"),
    [
        (replace(SWEEP, replications=3), "another sweep (replications 2, not 3)"),
        (replace(SWEEP, seed=1), "another sweep (seed 0, not 1)"),
        (replace(SWEEP, fixed={"agents": 5}), 'another sweep (set {"agents": 4}, not'),
        (replace(SWEEP, axes=()), 'another sweep (vary {"nudge": [0.1, 0.2]}, not {})'),
    ],
    ids=["replications", "seed", "set", "vary"],
)
def test_another_sweep_is_refused_unless_it_is_to_extend_that_one(
    place: Path, other: Sweep, said: str
) -> None:
    write_run(place, RUN, {"order": 1.0})
    before = (place / "sweep.json").read_bytes()
    with pytest.raises(StoreError) as refused, opened(place, other):
        pass
    assert str(refused.value).startswith(f"it holds {said}")
    assert str(refused.value).endswith("; --extend goes on with the new one")
    assert (place / "sweep.json").read_bytes() == before
    with opened(place, other, extend=True):
        assert read_run(place, RUN, any_results) == {"order": 1.0}
    with opened(place, other):
        pass


def test_what_came_out_goes_with_the_sweep_that_it_is_of(place: Path) -> None:
    outcomes = [place / name for name in ("table.csv", "summary.csv", "heatmap.svg")]
    for file in outcomes:
        file.write_text("of the first one")
    with opened(place, SWEEP):
        assert all(file.exists() for file in outcomes)
    with opened(place, replace(SWEEP, seed=1), extend=True):
        assert not any(file.exists() for file in outcomes)


def test_other_versions_are_another_sweep(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plan, "versions", lambda: {**versions(), "numpy": "0"})
    with pytest.raises(StoreError, match=r"another sweep \(versions"), opened(place, SWEEP):
        pass


def test_the_order_of_what_is_varied_is_that_of_the_columns(tmp_path: Path) -> None:
    nudge, limit = Axis("nudge", (0.1,)), Axis("limit", (1,))
    with opened(tmp_path, Sweep((nudge, limit))):
        pass
    with (
        pytest.raises(StoreError, match="a sweep with its settings in another order"),
        opened(tmp_path, Sweep((limit, nudge))),
    ):
        pass


@pytest.mark.parametrize("text", ["", "{", "[]", "\udcff"])
def test_a_description_that_is_none_is_refused(place: Path, text: str) -> None:
    (place / "sweep.json").write_text(text, errors="surrogateescape")
    with pytest.raises(StoreError, match="that describes no sweep"), opened(place, SWEEP):
        pass
    with opened(place, SWEEP, extend=True):
        pass


def test_two_sweeps_in_one_directory_do_not_run_at_once(place: Path) -> None:
    with opened(place, SWEEP):
        with pytest.raises(StoreError, match="a sweep is under way there"), opened(place, SWEEP):
            pass
        with (
            pytest.raises(StoreError, match="a sweep is under way there"),
            opened(place, SWEEP, extend=True),
        ):
            pass
    with opened(place, SWEEP):
        pass
