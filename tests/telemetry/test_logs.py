"""Log records of events, ids in the user's own records, and lines of JSON."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import math
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import cascade as cs
from cascade import telemetry, testing
from cascade.runtime.events import Event, TaskStarted, TaskStepped
from cascade.spec.constraint import GlobalConstraint


class Kept(logging.Handler):
    """Keeps records."""

    def __init__(self) -> None:
        super().__init__()
        self.records: list[Any] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)

    def told(self) -> list[tuple[str, str]]:
        return [(record.levelname, record.getMessage()) for record in self.records]


@pytest.fixture
def kept() -> Iterator[Kept]:
    handler = Kept()
    logger = logging.getLogger("cascade.runs")
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    logger.propagate = False
    yield handler
    logger.removeHandler(handler)
    logger.setLevel(logging.NOTSET)
    logger.propagate = True


@cs.task
async def sleep(seconds: float, *_: Any) -> float:
    await asyncio.sleep(seconds)
    return seconds


@cs.task
async def fail() -> None:
    await asyncio.sleep(1)
    raise OSError("broken")


def test_a_run_is_told_from_start_to_end(kept: Kept) -> None:
    engine = cs.Engine(system_resources={"slot": 1})
    telemetry.log_events(engine.bus, "DEBUG")
    limited = [sleep(2).with_constraints(slot=1), sleep(1).named("second").with_constraints(slot=1)]
    testing.run_virtual(engine.run(limited))
    assert kept.told() == [
        ("INFO", "run-1 started: sleep and 1 more"),
        ("INFO", "run-1 sleep#0 started"),
        ("DEBUG", "run-1 sleep#1 (second) waits for slot"),
        ("DEBUG", "run-1 sleep#1 (second) goes on after waiting 2 s"),
        ("INFO", "run-1 sleep#1 (second) started"),
        ("INFO", "run-1 sleep#0 succeeded after 2 s"),
        ("INFO", "run-1 sleep#1 (second) succeeded after 1 s"),
        ("INFO", "run-1 succeeded after 3 s"),
    ]
    blocked, last = kept.records[2], kept.records[-2]
    assert (blocked.event, blocked.blocked_on, blocked.loop_time) == ("TaskBlocked", ("slot",), 0)
    assert (last.run_id, last.task_id, last.task_name) == ("run-1", "sleep#1", "second")
    assert (last.event, last.status, last.duration) == ("TaskFinished", "succeeded", 1)


def test_failures_are_warnings_then_errors_with_one_traceback(kept: Kept) -> None:
    engine = cs.Engine()
    telemetry.log_events(engine.bus, logging.WARNING)
    with pytest.raises(OSError, match="broken"):
        testing.run_virtual(engine.run([fail().with_retry(2, delay=3), sleep(0, fail())]))
    assert sorted(kept.told()) == [
        ("ERROR", "run-1 fail#1 failed after 1 s: OSError: broken"),
        ("ERROR", "run-1 failed after 1 s: OSError: broken"),
        ("WARNING", "run-1 fail#0 failed in attempt 1, the next in 3 s: OSError: broken"),
    ]
    assert [record.task_id for record in kept.records if record.exc_info] == ["fail#1"]
    assert kept.records[-1].error == "OSError: broken"


def test_what_is_below_the_level_is_not_even_made(kept: Kept) -> None:
    engine = cs.Engine()
    end = telemetry.log_events(engine.bus)
    assert engine.bus.wants(TaskStarted)
    assert not engine.bus.wants(TaskStepped)
    end()
    end()
    assert not engine.bus.hot
    telemetry.log_events(engine.bus, logging.CRITICAL)
    assert not engine.bus.hot


def test_skips_steps_resources_and_rules_are_told(kept: Kept) -> None:
    @cs.resource
    def thing() -> Iterator[int]:
        yield 1

    @cs.task
    async def count(left: int, thing: int) -> Any:
        return cs.TailCall(left - 1) if left else None

    @cs.task
    async def unsteady() -> None:
        if cs.current().attempt == 1:
            raise OSError("once")

    engine = cs.Engine()
    engine.register(thing)
    telemetry.log_events(engine.bus, logging.DEBUG)

    async def main() -> None:
        rule = GlobalConstraint("slow down", "global", "concurrency", {"limit": 9})
        engine.constraint_manager.update(rule)
        await engine.run([count(1, cs.inject("thing")), unsteady().with_retry(2, delay=0)])
        engine.constraint_manager.remove("slow down")
        with pytest.raises(cs.errors.SkippedError):
            await engine.run(sleep(1).run_if(False))

    testing.run_virtual(main())
    told = [message for _, message in kept.told()]
    for sentence in (
        "rule 'slow down' holds",
        "run-1 resource 'thing' set up",
        "run-1 count#0 makes step 1",
        "run-1 unsteady#1 comes to attempt 2",
        "run-1 resource 'thing' torn down",
        "rule 'slow down' removed",
        "run-2 sleep#0 skipped: its condition is false",
    ):
        assert sentence in told, told
    rules = [record for record in kept.records if record.event.startswith("Constraint")]
    assert [record.constraint_id for record in rules] == ["slow down", "slow down"]


def test_another_logger_and_events_of_ones_own(kept: Kept) -> None:
    class Special(TaskStarted):
        """A task of a special kind begins."""

    logger = logging.Logger("mine")
    logger.addHandler(kept)
    bus = cs.MessageBus()
    telemetry.log_events(bus, logger=logger)
    bus.publish(Special("run-1", 0.0, "a#0", "a"))
    assert kept.told() == [("INFO", "run-1 a#0 started")]
    assert kept.records[0].name == "mine"


@pytest.mark.parametrize(
    ("arguments", "error", "says"),
    [
        ({"bus": cs.Engine()}, TypeError, "bus must be a MessageBus"),
        ({"level": "LOUD"}, ValueError, "level must be one of .*INFO.*, got 'LOUD'"),
        ({"level": 1.5}, TypeError, "level must be a number or a name"),
        ({"logger": "cascade"}, TypeError, "logger must be a logging.Logger, got 'cascade'"),
    ],
)
def test_a_bad_argument_is_refused(
    arguments: dict[str, Any], error: type[Exception], says: str
) -> None:
    with pytest.raises(error, match=says):
        telemetry.log_events(**{"bus": cs.MessageBus(), **arguments})


def lines_of(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def json_logger() -> tuple[logging.Logger, io.StringIO]:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(telemetry.JsonFormatter())
    handler.addFilter(telemetry.TaskFilter())
    logger = logging.Logger("mine")
    logger.addHandler(handler)
    return logger, stream


def test_records_of_tasks_have_their_ids_and_others_none() -> None:
    logger, stream = json_logger()

    @cs.task
    async def talk() -> None:
        logger.info("in a task", extra={"more": 1})

    @cs.task
    def talk_in_a_thread() -> None:
        logger.warning("in a thread")

    logger.info("outside")
    testing.run_virtual(cs.arun([talk().named("talker"), talk_in_a_thread()]))
    outside, *inside = lines_of(stream)
    assert set(outside) == {"time", "level", "logger", "message"}
    by_message = {line["message"]: line for line in inside}
    first, second = by_message["in a task"], by_message["in a thread"]
    assert (first["run_id"], first["task_id"]) == ("run-1", "talk#0")
    assert (first["task_name"], first["attempt"], first["more"]) == ("talker", 1, 1)
    assert (second["level"], second["task_id"]) == ("WARNING", "talk_in_a_thread#1")


def test_a_record_that_has_ids_keeps_them() -> None:
    logger, stream = json_logger()

    @cs.task
    async def talk() -> None:
        logger.info("about another", extra={"run_id": "run-7"})

    testing.run_virtual(talk())
    (line,) = lines_of(stream)
    assert line["run_id"] == "run-7"
    assert "task_id" not in line


def test_an_exception_is_part_of_the_line() -> None:
    logger, stream = json_logger()
    try:
        raise OSError("broken\nin two lines")
    except OSError:
        logger.exception("it failed", stack_info=True)
    (line,) = lines_of(stream)
    assert line["exception"]["type"] == "OSError"
    assert line["exception"]["message"] == "broken\nin two lines"
    assert line["exception"]["traceback"].startswith("Traceback")
    assert line["stack"].startswith("Stack")


class Awkward:
    def __repr__(self) -> str:
        raise ValueError("no")


def test_what_json_does_not_know_is_written_all_the_same() -> None:
    logger, stream = json_logger()
    circle: list[Any] = []
    circle.append(circle)
    values = {
        "number": math.nan,
        "deep": {"x": math.inf},
        "object": Awkward(),
        "many": {3},
        "deeper": [{"x": b"y"}],
        "keys": {(1, 2): 3},
        "circle": circle,
        "bytes": b"\xff",
        "time": "mine",
        "nothing": None,
    }
    logger.info("%s", "\ud800 \x00 ☃", extra=values)
    (line,) = lines_of(stream)
    assert line["message"] == "\ud800 \x00 ☃"
    assert line["number"] == "nan"
    assert line["deep"] == "{'x': inf}"
    assert line["object"] == "<Awkward whose repr raised ValueError>"
    assert line["many"] == [3]
    assert line["deeper"] == [{"x": "b'y'"}]
    assert line["keys"] == "{(1, 2): 3}"
    assert line["circle"] == "[[...]]"
    assert line["bytes"] == "b'\\xff'"
    assert line["time_"] == "mine"
    assert "nothing" not in line


NUMBERS = st.integers() | st.floats(allow_nan=False, allow_infinity=False)
JSON = st.none() | st.booleans() | NUMBERS | st.text() | st.lists(NUMBERS | st.text(), max_size=3)
NAMES = st.sampled_from(["x", "run_id", "status", "task_id", "_", "other name"])


@given(message=st.text(), extra=st.dictionaries(NAMES, JSON))
def test_any_record_is_one_line_that_can_be_read_back(message: str, extra: dict[str, Any]) -> None:
    record = logging.makeLogRecord({"name": "mine", "msg": message, **extra})
    text = telemetry.JsonFormatter().format(record)
    assert "\n" not in text
    assert text.isascii()
    line = json.loads(text)
    assert line["message"] == message
    for name, value in extra.items():
        assert line.get(name) == value


def test_every_event_has_a_level_and_a_sentence() -> None:
    from cascade.runtime import events
    from cascade.telemetry.logs import _LEVELS

    bases = {Event, events.RunEvent, events.TaskEvent, events.ResourceEvent, events.ConstraintEvent}
    kinds = {
        value
        for value in vars(events).values()
        if isinstance(value, type) and issubclass(value, Event)
    }
    assert set(_LEVELS) == kinds - bases
