"""What came out of a sweep, as tables."""

from __future__ import annotations

import csv
import statistics
from pathlib import Path

import pytest

from observatory.experiments.sweep.axes import Axis
from observatory.experiments.sweep.measure import METRICS
from observatory.experiments.sweep.plan import Sweep
from observatory.experiments.sweep.table import (
    Estimate,
    Row,
    estimates,
    printed,
    rows_of,
    write_tables,
)

SWEEP = Sweep((Axis("nudge", (0.1, 0.2)), Axis("limit", (2, None))), replications=3)
ORDERS = (0.5, 0.75, 0.25, *[1.0] * 3, *[0.125] * 3, 0.0, 0.5, 1.0)


def rows() -> list[Row]:
    found = []
    for run, order in zip(SWEEP.runs(), ORDERS, strict=True):
        results: dict[str, object] = {**dict.fromkeys(METRICS), "digest": "0a", "order": order}
        if run.config.limit is not None:
            results["queue"] = 7.0
        found.append(Row(run, results))
    return found


def read(file: Path) -> list[dict[str, str]]:
    with file.open(newline="") as stream:
        return list(csv.DictReader(stream))


def test_a_point_is_known_by_mean_deviation_and_interval() -> None:
    found = estimates(SWEEP, rows(), "order")
    assert list(found) == [*SWEEP.points()]
    one = found[0.1, 2]
    assert (one.runs, one.mean) == (3, 0.5)
    assert one.deviation == pytest.approx(statistics.stdev([0.5, 0.75, 0.25]))
    assert one.low is not None
    assert one.high is not None
    assert (
        one.high - 0.5
        == pytest.approx(0.5 - one.low)
        == pytest.approx(4.303 * 0.25 / 3**0.5, rel=1e-3)
    )


def test_runs_without_a_value_are_left_out() -> None:
    queue = estimates(SWEEP, rows(), "queue")
    assert queue[0.1, None] == Estimate(0, None)
    assert queue[0.1, 2].runs == 3
    assert estimates(SWEEP, rows()[:1], "order")[0.1, 2] == Estimate(1, 0.5)


def test_runs_that_are_not_finished_have_no_row() -> None:
    runs = SWEEP.runs()[:2]
    assert rows_of(runs, [None, {"order": 1.0}]) == [Row(runs[1], {"order": 1.0})]


def test_the_table_has_a_line_for_each_run(tmp_path: Path) -> None:
    write_tables(tmp_path, SWEEP, rows())
    lines = read(tmp_path / "table.csv")
    assert [*lines[0]] == ["nudge", "limit", "replication", "seed", *METRICS, "digest"]
    assert [(line["nudge"], line["limit"], line["replication"]) for line in lines[2:5]] == [
        ("0.1", "2", "2"),
        ("0.1", "none", "0"),
        ("0.1", "none", "1"),
    ]
    assert tuple([float(line["order"]) for line in lines]) == ORDERS
    assert [line["queue"] for line in lines[:4]] == ["7.0", "7.0", "7.0", ""]
    assert [int(line["seed"]) for line in lines] == [run.config.seed for run in SWEEP.runs()]


def test_the_summary_has_a_line_for_each_point_and_metric(tmp_path: Path) -> None:
    write_tables(tmp_path, SWEEP, rows())
    lines = read(tmp_path / "summary.csv")
    assert len(lines) == 4 * len(METRICS)
    (line,) = [
        line
        for line in lines
        if (line["nudge"], line["limit"], line["metric"]) == ("0.2", "none", "order")
    ]
    assert (line["runs"], line["mean"], line["sd"]) == ("3", "0.5", "0.5")
    assert float(line["ci_low"]) == pytest.approx(0.5 - 4.303 * 0.5 / 3**0.5, rel=1e-3)


def test_what_is_printed_has_a_line_for_each_point() -> None:
    assert printed(SWEEP, rows()) == (
        "nudge  limit  runs      R     sd    95 % interval  queue\n"
        "  0.1      2     3  0.500  0.250  -0.121 to 1.121  7.000\n"
        "  0.1   none     3  1.000  0.000   1.000 to 1.000      –\n"
        "  0.2      2     3  0.125  0.000   0.125 to 0.125  7.000\n"
        "  0.2   none     3  0.500  0.500  -0.742 to 1.742      –\n"
    )


def test_points_without_runs_are_printed_as_such() -> None:
    assert printed(SWEEP, []).splitlines()[1].split() == ["0.1", "2", "0", "–", "–", "–"]
