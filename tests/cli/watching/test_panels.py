"""What a picture says, in rows; whatever the program has sent, each row fits."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len
from tests.cli.watching.odd import snapshots

from cascade.cli.watching import panels
from cascade.cli.watching.picture import picture_of

LOOK: dict[str, Any] = {
    "name": "nightly",
    "pid": 7,
    "seconds": 65.0,
    "runs": 240,
    "tasks": {"running": 8, "waiting": 2, "pending": 1, "ended": 30, "skipped": 0},
    "task_list": [{"name": "fetch", "running": 8, "waiting": 2}],
    "run_list": [{"id": "run-1", "engine": "web", "seconds": 61.0, "tasks": {"running": 3}}],
    "resources": [
        {
            "name": "slot",
            "kind": "capacity",
            "capacity": 10,
            "used": 8,
            "waiting": 2,
            "holders": {"fetch": 7, "[red]": 1},
            "more_holders": 3,
        },
        {
            "name": "api",
            "kind": "rate",
            "capacity": 5,
            "available": 2,
            "per_second": 0.5,
            "holders": {"fetch": 3},
        },
        {"name": "door", "kind": "gate", "capacity": 0},
        {"name": "money", "kind": "budget", "capacity": 12.5, "used": 7.5},
        {"name": "free", "kind": None, "capacity": None, "used": 2},
    ],
    "waiting": [
        {"owner": "fetch", "waited": 4.0, "sentence": "fetch wants slot=1 and waits for slot"},
        {"owner": "odd", "sentence": "odd wants all"},
    ],
    "rule_list": [
        {"id": "rate_limit-tag:x", "params": {"rate": "10/m"}, "left": 90.0},
        {"id": "pause-global", "params": {}, "left": None},
    ],
    "errors": [{"run": "run-0", "error": "ValueError: old"}, {"run": "run-2", "error": "new"}],
    "dropped": 3,
    "throughput": {"tasks": 12.5, "steps": 0.0},
}


def texts(rows: list[panels.Row]) -> list[str]:
    return [" ".join(row.text.split()) for row in rows]


def test_slots_are_bars_with_their_holders() -> None:
    rows = panels.slot_rows(picture_of(LOOK), 60)
    assert texts(rows) == [
        "slot ████████████████░░░░ 8/10 2 wait",
        "held by fetch 7, [red] and 3 more",
        "api 2 of 5 at once 30/m",
        "door closed",
        "money 12.5 left 7.5 used",
        "free no limit 2 used",
    ]
    assert [panels.name_of(row.key) for row in rows[:2]] == ["slot", "slot"]
    assert len({row.key for row in rows}) == len(rows)


def test_the_others_say_what_is_known() -> None:
    picture = picture_of(LOOK)
    assert texts(panels.run_rows(picture, 50)) == ["run-1 web 1m01s 3 0"]
    assert texts(panels.task_rows(picture, 50)) == ["fetch 8 2"]
    assert texts(panels.waiting_rows(picture, 50)) == [
        "4.0s fetch waits for slot",
        "– odd wants all",
    ]
    assert texts(panels.rule_rows(picture, 50)) == [
        "rate_limit-tag:x rate=10/m 1m30s left",
        "pause-global",
    ]
    assert texts(panels.error_rows(picture, 50)) == ["run-2 new", "run-0 ValueError: old"]


def test_the_lines_above_say_how_much_there_is() -> None:
    picture = picture_of(LOOK)
    course = panels.Course()
    course.add(picture)
    assert "240 runs, tasks: 8 running 2 waiting 1 pending 30 ended" in " ".join(
        panels.counts(picture, 100).split()
    )
    assert "tasks/s 12.5" in panels.throughput(picture, course, 80)
    assert panels.throughput(picture, course, 80)[:40].rstrip().endswith("█")
    status = panels.status(picture, "nightly", "BUSY", 90)
    assert "3 snapshots dropped" in status
    assert status.endswith("BUSY")
    runs = next(panel for panel in panels.PANELS if panel.id == "runs")
    assert panels.heading(runs, picture, 50).startswith("RUNS 1 of 240")


def test_the_program_that_is_shown_is_in_brackets_and_in_sight() -> None:
    assert panels.programs(["a", "b"], "b", 10) == " a [b]    "
    many = [f"program-{number}" for number in range(50)]
    assert "[program-40]" in panels.programs(many, "program-40", 40)


@settings(max_examples=100, deadline=None)
@given(snapshots(), st.integers(0, 130))
def test_whatever_is_sent_each_row_fits(snapshot: dict[str, Any], width: int) -> None:
    picture = picture_of(snapshot)
    course = panels.Course()
    course.add(picture)
    lines = [
        panels.counts(picture, width),
        panels.throughput(picture, course, width),
        panels.status(picture, "[bold]name", "said", width),
    ]
    for panel in panels.PANELS:
        rows = panel.rows(picture, width)
        assert len({row.key for row in rows}) == len(rows)
        lines += [row.text for row in rows]
        lines.append(panels.heading(panel, picture, width))
    for line in lines:
        assert cell_len(line) == width
        assert line.isprintable()
