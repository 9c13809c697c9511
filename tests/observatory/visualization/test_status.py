"""StatusBar: named values in a few lines, none of them wider than the window."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given, settings
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


@given(
    st.lists(st.sampled_from(["", "1", "123", "12345", "a word"]), min_size=6, max_size=6),
    st.integers(0, 60),
)
def test_a_field_that_was_seen_never_moves_to_the_left(words: list[str], width: int) -> None:
    bar = StatusBar({"a": "", "b": "", "c": ""})
    places = [(0, 0)] * 3
    for first, second in zip(words[::2], words[1::2], strict=True):
        bar.update({"a": first, "b": second})
        lines = [text(line) for line in bar.lines(width)]
        for number, name in enumerate("abc"):
            found = [
                (row, line.index(f" {name} "))
                for row, line in enumerate(lines)
                if f" {name} " in line
            ]
            if found:
                assert found[0] >= places[number]
                places[number] = found[0]


@settings(deadline=None)
@given(st.integers(0, 300), st.integers(0, 120), st.floats(-0.5, 1.5))
def test_a_course_is_never_wider_than_there_is_room(seconds: int, width: int, value: float) -> None:
    bar = StatusBar({"agents": 900})
    bar.course = Course("R")
    for second in range(seconds):
        bar.course.add(float(second), value)
    first, second_line, _ = bar.lines(width)
    assert len(text(first)) <= width
    assert text(second_line).startswith(" agents 900"[:width]) or width < len(" agents 900  ")


@given(st.dictionaries(st.text(max_size=5), st.text(max_size=20), max_size=3))
def test_no_control_character_reaches_the_terminal(status: dict[str, str]) -> None:
    written = "".join(text(line) for line in StatusBar(status).lines(200))
    assert written.isprintable() or not written


@pytest.mark.parametrize("letter", ["\x1b", "\n", "\r", "\x00", "\x7f", "\x9b", "\u202e", "\ud800"])
def test_in_place_of_a_control_character_there_is_a_mark(letter: str) -> None:
    (line, *_) = StatusBar({f"na{letter}me": f"va{letter}lue"}).lines(80)
    assert text(line) == " na�me va�lue  "


def test_values_of_any_kind_are_shown() -> None:
    bar = StatusBar({"a": None, "b": 1234567, "c": 1234.5678, "d": [1], "e": float("nan")})
    assert " ".join(map(text, bar.lines(80))).split() == [
        *("a", "None", "b", "1234567", "c", "1.23e+03", "d", "[1]", "e", "nan"),
    ]


def test_what_does_not_fit_into_the_lines_is_left_out() -> None:
    bar = StatusBar(dict.fromkeys("abcde", "x" * 30))
    assert [text(line).split()[0] for line in bar.lines(40)] == ["a", "b", "c"]
    bar.course = Course("R")
    assert [text(line).split()[0] for line in bar.lines(40)] == ["R", "a", "b"]


def test_what_it_was_given_at_first_stays_as_it_is() -> None:
    given = {"a": 1}
    bar = StatusBar(given)
    bar.update({"a": 2, "b": 3})
    assert given == {"a": 1}
    assert bar.status == {"a": 2, "b": 3}


def test_without_values_its_lines_are_empty() -> None:
    assert StatusBar().lines(80) == [()] * StatusBar.HEIGHT


@pytest.mark.parametrize(
    ("value", "bar"),
    [
        (0.0, ""),
        (0.25, "█" * 5),
        (0.5 + 1 / 160, "█" * 10 + "▏"),
        (1 - 1 / 160, "█" * 19 + "▉"),
        (1.0, "█" * 20),
    ],
)
def test_a_bar_is_drawn_in_eighths_of_a_character(value: float, bar: str) -> None:
    course = Course("R")
    course.add(0.0, value)
    _, full, rest, _ = course.line(80)
    assert full == (bar, "accent")
    assert rest == ("·" * (BAR_WIDTH - len(bar)) + "  ", "dim")


@settings(deadline=None)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=70))
def test_a_spark_is_as_high_as_its_second(values: list[float]) -> None:
    course = Course("R")
    for second, value in enumerate(values):
        course.add(second + 0.5, value)
    heights = [SPARKS.index(spark) for spark in text(course.line(200)[3:])]
    assert heights == [min(7, math.floor(value * 8)) for value in values[-60:]]


def test_a_column_of_means_stays_what_it_is_while_it_moves_on() -> None:
    course = Course("R")
    room = 20 + len(" R 0.000 ") + BAR_WIDTH + 3
    known: dict[int, str] = {}
    for second in range(150):
        course.add(float(second), (second * second % 11) / 11)
        sparks = text(course.line(room)[3:])
        assert len(sparks) == min(20, second // 3 + 1)
        # The columns of three seconds each, up to that of the present one.
        columns = range(second // 3 - len(sparks) + 1, second // 3 + 1)
        whole = [column for column in columns if column * 3 > second - 60 and column < second // 3]
        for column in whole:
            spark = sparks[column - columns.start]
            assert known.setdefault(column, spark) == spark
    assert len(set(known.values())) > 2


@given(st.lists(st.text("abc", min_size=1, max_size=9), max_size=9), st.integers(0, 60))
def test_a_field_is_cut_only_where_it_has_a_line_of_its_own(words: list[str], width: int) -> None:
    bar = StatusBar({f"n{number}": word for number, word in enumerate(words)})
    for line in bar.lines(width):
        if len(line) > 2:
            assert len(text(line)) <= width
            fields = text(line).split()
            assert all(
                words[int(name[1:])] == word
                for name, word in zip(fields[::2], fields[1::2], strict=True)
            )


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


@pytest.mark.parametrize("what", [3, "text", [("a", 1)]])
def test_what_is_no_status_is_refused(what: Any) -> None:
    with pytest.raises(TypeError, match="initial_status must map names to values, got"):
        StatusBar(what)
