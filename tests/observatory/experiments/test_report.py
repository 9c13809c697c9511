"""What an experiment prints, word by word."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from observatory.experiments.fireflies import Moment
from observatory.experiments.recorder import Summary
from observatory.experiments.report import (
    BAR_WIDTH,
    present,
    print_moment,
    print_summary,
    write_json,
)

MOMENT = Moment(
    time=12.4,
    order_parameter=0.5,
    alight=0.25,
    flashes=1234,
    active=None,
    waiting=None,
    lateness_p99=None,
)
SUMMARY = Summary(
    agents=900,
    width=30,
    height=30,
    period=3.0,
    nudge=0.2,
    limit=None,
    seed=7,
    time="virtual",
    duration=60.0,
    elapsed=1.25,
    flashes=18000,
    missed=2,
    pulses=20,
    order_parameter={"first": 0.0123, "last": 0.98765, "max": 0.99},
    active={"max": None, "mean": None},
    steps={"total": 40000, "min_per_agent": 30, "max_per_agent": 50},
    lateness_s={"p50": 0.0001, "p99": 0.00234, "max": 0.1},
    dropped=3,
    digest="0" * 64,
)


def table(printed: str) -> dict[str, str]:
    """The rows of a table, by their names."""
    rows = (line.strip().split("  ", 1) for line in printed.splitlines())
    return {row[0]: row[1] for row in rows}


def test_a_moment_is_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    print_moment(MOMENT)
    bar = "█" * 20 + "·" * 20
    assert capsys.readouterr().out == f"     12 s  R 0.500 {bar}  alight  25%  flashes 1234\n"


def test_with_a_limit_a_moment_tells_its_slots(capsys: pytest.CaptureFixture[str]) -> None:
    print_moment(replace(MOMENT, active=7, waiting=0))
    assert capsys.readouterr().out.endswith("  flashes 1234  slots 7, waiting 0\n")


@pytest.mark.parametrize(
    ("order", "full"), [(0.0, 0), (0.012, 0), (0.013, 1), (0.75, 30), (0.99, 40), (1.0, 40)]
)
def test_a_bar_is_as_long_as_the_order_is_large(
    capsys: pytest.CaptureFixture[str], order: float, full: int
) -> None:
    print_moment(replace(MOMENT, order_parameter=order))
    printed = capsys.readouterr().out
    assert printed.count("█") == full
    assert printed.count("█") + printed.count("·") == BAR_WIDTH


def test_lines_of_moments_stand_below_each_other(capsys: pytest.CaptureFixture[str]) -> None:
    print_moment(replace(MOMENT, time=0.0, order_parameter=0.0, alight=0.0))
    print_moment(replace(MOMENT, time=99999.0, order_parameter=1.0, alight=1.0))
    one, other = capsys.readouterr().out.splitlines()
    assert len(one) == len(other)
    assert one.index("flashes") == other.index("flashes")


def test_a_summary_is_a_table(capsys: pytest.CaptureFixture[str]) -> None:
    print_summary(SUMMARY)
    assert table(capsys.readouterr().out) == {
        "agents": "900 on a torus of 30×30",
        "clock": "60.0 s of virtual time in 1.2 s",
        "seed": "7",
        "flashes": "18000, 20 for each agent, 2 missed",
        "order R": "0.0123 after the first period, 0.9877 at the end",
        "steps": "40000, 30 to 50 an agent",
        "lateness": "p50 0.0001 s, p99 0.0023 s",
        "dropped": "3 messages",
    }


def test_a_summary_tells_who_heard_whom_and_the_model(capsys: pytest.CaptureFixture[str]) -> None:
    print_summary(replace(SUMMARY, topology="ring", model="mirollo-strogatz"))
    rows = table(capsys.readouterr().out)
    assert rows["agents"] == "900 in a ring"
    assert rows["model"] == "mirollo-strogatz"
    print_summary(replace(SUMMARY, topology="complete"))
    assert table(capsys.readouterr().out)["agents"] == "900 that all hear each other"


def test_with_a_limit_a_summary_tells_its_slots(capsys: pytest.CaptureFixture[str]) -> None:
    print_summary(replace(SUMMARY, limit=100, active={"max": 100, "mean": 99.96}))
    rows = table(capsys.readouterr().out)
    assert list(rows)[:3] == ["agents", "clock", "slots"]
    assert rows["slots"] == "100; in use 100.0 on average, 100 at most"


def test_what_is_not_known_is_a_dash(capsys: pytest.CaptureFixture[str]) -> None:
    print_summary(
        replace(
            SUMMARY,
            limit=1,
            order_parameter={"first": None, "last": 0.5, "max": None},
            lateness_s={"p50": None, "p99": None, "max": None},
        )
    )
    rows = table(capsys.readouterr().out)
    assert rows["slots"] == "1; in use – on average, – at most"
    assert rows["order R"] == "– after the first period, 0.5000 at the end"
    assert rows["lateness"] == "p50 – s, p99 – s"


VALUES: dict[str, Any] = {"agents": 900, "order_parameter": {"first": None, "last": 0.5}}


def test_a_summary_survives_json(tmp_path: Path) -> None:
    where = tmp_path / "summary"
    write_json(SUMMARY.as_dict(), str(where))
    assert Summary(**json.loads(where.read_text())) == SUMMARY


def test_the_file_is_written_even_if_the_table_cannot_be_printed(tmp_path: Path) -> None:
    def gone() -> None:
        raise BrokenPipeError

    where = tmp_path / "summary"
    with pytest.raises(BrokenPipeError):
        present(VALUES, gone, str(where))
    assert json.loads(where.read_text()) == VALUES


def test_the_table_is_printed_even_if_the_file_cannot_be_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(FileNotFoundError):
        present(VALUES, lambda: print("a table"), str(tmp_path / "vanished" / "summary"))
    assert capsys.readouterr().out == "a table\n"
