"""What is said of a program that is late, has gone or has come back."""

from __future__ import annotations

from typing import Any

from cascade.cli.watching.watched import SLOW, Watched


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def shot(pid: int, **more: Any) -> dict[str, Any]:
    return {"pid": pid, "throughput": {"tasks": 2.0, "steps": 3.0}, **more}


def test_one_that_is_late_is_busy() -> None:
    clock = Clock()
    watched = Watched("subject", 1.0, clock)
    assert watched.said == "connecting …"
    watched.take(shot(1))
    clock.now += 1.0 + SLOW
    assert watched.said == ""
    clock.now += 1.0
    assert watched.said == "NO ANSWER FOR 4.0s: BUSY"
    watched.take(shot(1))
    assert watched.said == ""


def test_one_that_said_it_would_be_late_is_not() -> None:
    clock = Clock()
    watched = Watched("subject", 1.0, clock)
    watched.take(shot(1, every=30))
    clock.now += 30
    assert watched.said == ""
    clock.now += 3
    assert watched.said == "NO ANSWER FOR 33s: BUSY"


def test_one_that_has_gone_keeps_its_picture_and_is_news_once() -> None:
    watched = Watched("subject", 1.0, Clock())
    watched.take(shot(1))
    assert watched.lose("it has ended")
    assert not watched.lose("it can't be reached")
    assert watched.said == "THE LAST PICTURE"
    assert watched.picture is not None


def test_one_that_never_came_is_not_there() -> None:
    watched = Watched("subject", 1.0, Clock())
    assert watched.lose("it can't be reached")
    assert watched.said == "NOT THERE"


def test_another_process_of_that_name_begins_a_new_course() -> None:
    watched = Watched("subject", 1.0, Clock())
    assert not watched.take(shot(1))
    assert not watched.take(shot(1))
    assert list(watched.course.tasks) == [2.0, 2.0]
    watched.lose("it has ended")
    assert watched.take(shot(2))
    assert list(watched.course.steps) == [3.0]
