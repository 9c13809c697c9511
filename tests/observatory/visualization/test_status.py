"""StatusBar: named values in a few lines, none of them wider than the window."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from observatory.visualization.status import BAR_WIDTH, SPARKS, Course, Line, StatusBar, cut

values = st.one_of(st.integers(), st.floats(), st.text(max_size=30), st.none())


def text(line: Line) -> str:
    return "".join(piece for piece, _ in line)


@given(st.dictionaries(st.text(max_size=12), values, max_size=12), st.integers(0, 200))
def test_no_line_is_wider_than_the_window(status: dict[str, Any], width: int) -> None:
    bar = StatusBar(status)
    bar.course = Course("R")
    bar.course.add(0.0, 0.5)
    lines = bar.lines(width)
    assert len(lines) == StatusBar.HEIGHT
    assert all(len(text(line)) <= width for line in lines)


@given(st.dictionaries(st.text(max_size=5), st.text(max_size=20), max_size=3))
def test_no_control_character_reaches_the_terminal(status: dict[str, str]) -> None:
    written = "".join(text(line) for line in StatusBar(status).lines(200))
    assert written.isprintable() or not written


def test_values_stand_in_the_order_in_which_they_came() -> None:
    bar = StatusBar(initial_status={"agents": 900, "R": 0.12345})
    bar.update({"flashes": "many", "agents": 901})
    assert text(bar.lines(80)[0]).split() == ["agents", "901", "R", "0.123", "flashes", "many"]


def test_what_does_not_fit_goes_to_the_next_line() -> None:
    bar = StatusBar({"first": "x" * 15, "second": "y" * 15, "third": "z"})
    first, second, third = map(text, bar.lines(40))
    assert ("first" in first, "second" in second, "third" in second) == (True, True, True)
    assert third == ""


def test_nothing_jumps_when_a_value_gets_shorter() -> None:
    bar = StatusBar({"a": "12345", "b": 1})
    before = text(bar.lines(80)[0]).index(" b ")
    bar.update({"a": "1"})
    assert text(bar.lines(80)[0]).index(" b ") == before


def test_a_course_is_a_number_a_bar_and_a_minute() -> None:
    course = Course("R")
    assert "–" in text(course.line(120))
    for second in range(120):
        course.add(second + 0.25, second / 120)
        course.add(second + 0.5, 0.0)  # not the first of its second
    course.add(120.0, 0.5)
    number, bar, rest, sparks = course.line(120)
    assert number[0] == " R 0.500 "
    assert len(bar[0]) == BAR_WIDTH / 2
    assert len(bar[0]) + len(rest[0].rstrip()) == BAR_WIDTH
    assert len(sparks[0]) == 60
    assert sparks[0][-1] == SPARKS[4]
    assert [SPARKS.index(spark) for spark in sparks[0][:-1]] == sorted(
        SPARKS.index(spark) for spark in sparks[0][:-1]
    )


@pytest.mark.parametrize("room", [1, 7, 20, 30, 59])
def test_a_narrow_window_shows_the_whole_minute_in_means(room: int) -> None:
    course = Course("R")
    for second in range(60):
        course.add(float(second), 1.0 if second < 30 else 0.0)
    sparks = text(course.line(room + len(" R 0.000 ") + BAR_WIDTH + 3)[3:])
    assert 0 < len(sparks) <= room
    if room > 1:
        assert (sparks[0], sparks[-1]) == (SPARKS[-1], SPARKS[0])


@pytest.mark.parametrize(("value", "filled"), [(-1.0, 0), (0.0, 0), (1.0, BAR_WIDTH), (7.0, 20)])
def test_a_bar_stays_in_its_place(value: float, filled: int) -> None:
    course = Course("R")
    course.add(0.0, value)
    assert text(course.line(60)).count("█") - (value >= 1.0) == filled


def test_a_line_is_cut_where_it_has_to_be() -> None:
    line: Line = (("abc", "dim"), ("def", "plain"))
    assert cut(line, 4) == (("abc", "dim"), ("d", "plain"))
    assert cut(line, 0) == ()


def test_what_is_no_status_is_refused() -> None:
    with pytest.raises(TypeError, match="initial_status must map names to values, got 3"):
        StatusBar(3)  # type: ignore[arg-type]
