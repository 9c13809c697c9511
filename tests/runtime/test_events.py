"""Events: small typed classes in a tree, each with what its readers rely on."""

from __future__ import annotations

import ast
import dataclasses
import inspect
from typing import Any

import pytest

import cascade as cs
from cascade import testing
from cascade.runtime import events

ALL = [
    value
    for value in vars(events).values()
    if isinstance(value, type) and issubclass(value, events.Event)
]
every_event = pytest.mark.parametrize("event", ALL, ids=lambda event: event.__name__)

RUN = ("run_id", "time")
TASK = (*RUN, "task_id", "task_name")


def fields(event: type) -> tuple[str, ...]:
    return tuple(field.name for field in dataclasses.fields(event))


@pytest.mark.parametrize(
    ("event", "base", "expected"),
    [
        (events.RunStarted, events.RunEvent, (*RUN, "name")),
        (events.RunFinished, events.RunEvent, (*RUN, "status", "duration", "error")),
        (events.TaskStarted, events.TaskEvent, (*TASK, "mode", "tags")),
        (events.TaskFinished, events.TaskEvent, (*TASK, "status", "duration", "error")),
        (events.TaskStepped, events.TaskEvent, (*TASK, "step")),
        (events.TaskResumed, events.TaskEvent, (*TASK, "attempt")),
        (events.TaskSkipped, events.TaskEvent, (*TASK, "reason")),
        (events.TaskBlocked, events.TaskEvent, (*TASK, "blocked_on")),
        (events.TaskUnblocked, events.TaskEvent, (*TASK, "waited")),
        (events.ResourceSetUp, events.ResourceEvent, (*RUN, "resource_name")),
        (events.ResourceTornDown, events.ResourceEvent, (*RUN, "resource_name", "error")),
    ],
    ids=lambda value: value.__name__ if isinstance(value, type) else "",
)
def test_an_event_has_the_fields_that_were_promised(
    event: type[events.Event], base: type, expected: tuple[str, ...]
) -> None:
    assert fields(event) == expected
    assert issubclass(event, base)


@every_event
def test_every_event_says_which_run_and_when(event: type[events.Event]) -> None:
    assert fields(event)[:2] == RUN
    if issubclass(event, events.TaskEvent):
        assert fields(event)[:4] == TASK


@every_event
def test_every_event_has_slots_and_no_dict(event: Any) -> None:
    made = event(*range(len(fields(event))))
    assert not hasattr(made, "__dict__")
    with pytest.raises(AttributeError):
        made.anything_else = 1


@every_event
def test_every_field_is_explained(event: type[events.Event]) -> None:
    (definition,) = ast.parse(inspect.getsource(event)).body
    assert isinstance(definition, ast.ClassDef)
    for field, below in zip(definition.body, [*definition.body[1:], None], strict=True):
        if isinstance(field, ast.AnnAssign):
            explained = isinstance(below, ast.Expr) and isinstance(below.value, ast.Constant)
            assert explained, f"{event.__name__}.{ast.unparse(field.target)}"


def test_an_event_of_equal_content_is_equal() -> None:
    assert events.RunStarted("run", 1.0) == events.RunStarted("run", 1.0)
    assert events.RunStarted("run", 1.0) != events.RunStarted("run", 2.0)
    first = events.TaskStarted("run", 1.0, "a#0", "a")
    assert first != events.TaskEvent("run", 1.0, "a#0", "a")


@cs.task
async def wait(seconds: float) -> float:
    import asyncio

    await asyncio.sleep(seconds)
    return seconds


@cs.task
async def fail(_: Any) -> None:
    raise OSError("broken")


def recorded(target: Any) -> tuple[testing.EventRecorder, BaseException | None]:
    engine = cs.Engine()
    recorder = testing.EventRecorder(engine.bus)
    try:
        testing.run_virtual(engine.run(target), start=100.0)
    except Exception as error:
        return recorder, error
    return recorder, None


def test_times_are_seconds_on_the_loops_clock() -> None:
    recorder, _ = recorded(wait(wait(1.5)))
    times = [(type(event).__name__, event.time) for event in recorder.events]
    assert times == [
        ("RunStarted", 100.0),
        ("TaskStarted", 100.0),
        ("TaskFinished", 101.5),
        ("TaskStarted", 101.5),
        ("TaskFinished", 103.0),
        ("RunFinished", 103.0),
    ]
    assert [event.duration for event in recorder.of(events.TaskFinished)] == [1.5, 1.5]
    assert recorder.of(events.RunFinished)[0].duration == 3.0


def test_a_failure_is_told_with_its_error() -> None:
    recorder, error = recorded(fail(wait(1.0)))
    assert isinstance(error, OSError)
    (run,) = recorder.of(events.RunFinished)
    assert (run.status, run.error) == ("failed", error)
    waited, failed = recorder.of(events.TaskFinished)
    assert (waited.status, waited.error) == ("succeeded", None)
    assert (failed.status, failed.error) == ("failed", error)


def test_task_ids_depend_on_the_graph_alone() -> None:
    def ids() -> list[str]:
        recorder, _ = recorded([wait(1.0), wait(2.0).named("other")])
        return [event.task_id for event in recorder.of(events.TaskStarted)]

    assert ids() == ids()
    assert len(set(ids())) == 2


def test_a_name_given_to_a_call_is_the_name_in_its_events() -> None:
    recorder, _ = recorded([wait(1.0), wait(2.0).named("other")])
    names = [event.task_name for event in recorder.of(events.TaskStarted)]
    assert sorted(names) == ["other", "wait"]


def test_all_events_of_a_run_share_its_id_and_no_other_run_has_it() -> None:
    engine = cs.Engine()
    recorder = testing.EventRecorder(engine.bus)

    async def twice() -> None:
        await engine.run(wait(1.0))
        await engine.run(wait(1.0))

    testing.run_virtual(twice())
    ids = [event.run_id for event in recorder.events]
    assert len(ids) == 8
    assert ids == [ids[0]] * 4 + [ids[4]] * 4
    assert ids[0] != ids[4]


def test_a_run_says_what_it_runs_and_a_task_how() -> None:
    @cs.task(mode="inline", tags=["quick", "local"])
    def inline() -> int:
        return 1

    for target, name in (
        ([], "nothing"),
        (wait(1), "wait"),
        ([wait(1).named("first"), wait(2), {"more": inline()}], "first and 2 more"),
    ):
        recorder, _ = recorded(target)
        assert [event.name for event in recorder.of(events.RunStarted)] == [name]
    started = {event.task_name: event for event in recorder.of(events.TaskStarted)}
    assert {name: event.mode for name, event in started.items()} == {
        "first": "async",
        "wait": "async",
        "inline": "inline",
    }
    assert (started["inline"].tags, started["wait"].tags) == (("quick", "local"), ())
    recorder, _ = recorded(wait.map(seconds=[1]))
    assert [event.mode for event in recorder.of(events.TaskStarted)] == ["map", "async"]


def test_the_end_of_a_pause_is_told_before_the_task_queues_again() -> None:
    recorder, error = recorded(fail(1).with_retry(3, delay=2, backoff=4))
    assert isinstance(error, OSError)
    resumed = recorder.of(events.TaskResumed)
    assert [(event.attempt, event.time) for event in resumed] == [(2, 102.0), (3, 110.0)]
    retrying = recorder.of(events.TaskRetrying)
    assert [event.time + event.delay for event in retrying] == [event.time for event in resumed]
