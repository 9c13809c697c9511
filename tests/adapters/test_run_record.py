"""RunRecord: what became of each task of one run, and of no other."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest

import cascade as cs
from cascade.graph.build import build
from cascade.graph.render import Outcome, State
from cascade.testing import run_virtual


@cs.task
async def work(seconds: float, *_: Any) -> float:
    await asyncio.sleep(seconds)
    return seconds


@cs.task
async def fail(seconds: float) -> None:
    await asyncio.sleep(seconds)
    raise ZeroDivisionError("boom")


@pytest.fixture
def bus() -> cs.MessageBus:
    return cs.MessageBus()


@pytest.fixture
def record(bus: cs.MessageBus) -> Iterator[cs.RunRecord]:
    made = cs.RunRecord(bus)
    yield made
    made.close()


def outcomes_of(record: cs.RunRecord, target: Any) -> list[Outcome | None]:
    graph = build(target)
    found = record.outcomes_in(graph)
    return [found.get(node) for node in range(len(graph))]


def run(bus: cs.MessageBus, target: Any) -> None:
    with suppress(ZeroDivisionError, cs.errors.SkippedError):
        run_virtual(cs.arun(target, bus=bus))


def test_it_writes_down_states_and_times(bus: cs.MessageBus, record: cs.RunRecord) -> None:
    first = work(2)
    skipped = work(1).run_if(False)
    target = [work(3, first), work(0, skipped)]
    run(bus, target)
    assert outcomes_of(record, target) == [
        Outcome(State.SUCCEEDED, 2.0),
        Outcome(State.SKIPPED),
        Outcome(State.SUCCEEDED, 3.0),
        Outcome(State.SKIPPED),
    ]
    assert record.finished


def test_a_failure_cancels_and_keeps_from_starting(
    bus: cs.MessageBus, record: cs.RunRecord
) -> None:
    long = work(9)
    target = [fail(2), long, work(1, long)]
    run(bus, target)
    assert outcomes_of(record, target) == [
        Outcome(State.CANCELLED, 2.0),
        Outcome(State.FAILED, 2.0),
        Outcome(State.NEVER_STARTED),
    ]


def test_what_runs_can_be_seen(bus: cs.MessageBus, record: cs.RunRecord) -> None:
    target = [work(1), work(3), work(1, work(3))]

    async def main() -> tuple[bool, list[Outcome | None]]:
        running = asyncio.ensure_future(cs.arun(target, bus=bus))
        await asyncio.sleep(2)
        seen = record.finished, outcomes_of(record, target)
        await running
        return seen

    assert run_virtual(main()) == (
        False,
        [
            Outcome(State.SUCCEEDED, 1.0),
            Outcome(State.RUNNING),
            Outcome(State.RUNNING),
            None,
        ],
    )


def test_children_of_a_map_are_no_nodes(bus: cs.MessageBus, record: cs.RunRecord) -> None:
    target = work.map(seconds=[1, 2])
    run(bus, target)
    assert outcomes_of(record, target) == [Outcome(State.SUCCEEDED, 2.0)]
    assert record.outcomes["work#0[1]"] == Outcome(State.SUCCEEDED, 2.0)


def test_runs_inside_of_tasks_are_others(bus: cs.MessageBus, record: cs.RunRecord) -> None:
    @cs.task
    async def outer() -> None:
        await cs.arun([work(1), work(2)], bus=bus)

    target = outer()
    run(bus, target)
    assert outcomes_of(record, target) == [Outcome(State.SUCCEEDED, 2.0)]


def test_the_next_run_takes_the_place_of_one_that_has_ended(
    bus: cs.MessageBus, record: cs.RunRecord
) -> None:
    run(bus, [work(1), work(2)])
    first, target = record.run_id, work(3)
    run(bus, target)
    assert dict(record.outcomes) == {"work#0": Outcome(State.SUCCEEDED, 3.0)}
    assert outcomes_of(record, target) == [Outcome(State.SUCCEEDED, 3.0)]
    assert first is not None


def test_closed_it_writes_nothing_down(bus: cs.MessageBus, record: cs.RunRecord) -> None:
    record.close()
    record.close()
    run(bus, work(1))
    assert (record.run_id, bus.hot) == (None, False)


def test_without_a_run_there_is_nothing_to_draw(record: cs.RunRecord) -> None:
    with pytest.raises(ValueError, match="run holds no run: make the RunRecord before"):
        record.outcomes_in(build(work(1)))


@pytest.mark.parametrize("other", [work(1).named("another"), fail(1)])
def test_another_workflow_is_refused(
    other: cs.LazyResult[Any], bus: cs.MessageBus, record: cs.RunRecord
) -> None:
    run(bus, work(1))
    with pytest.raises(ValueError, match=r"record of another workflow: 'work' \(work#0\)"):
        record.outcomes_in(build(other))


def test_it_needs_a_bus() -> None:
    with pytest.raises(TypeError, match="bus must be a MessageBus, got 3"):
        cs.RunRecord(3)  # type: ignore[arg-type]
