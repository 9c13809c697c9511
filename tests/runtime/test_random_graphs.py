"""Random graphs with random failures and cancellations: every node ends in exactly one way."""

from __future__ import annotations

import asyncio
from typing import Any, NamedTuple

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.long_form import tries

import cascade as cs
from cascade.errors import SkippedError
from cascade.runtime.events import Event, RunFinished, TaskFinished, TaskSkipped, TaskStarted
from cascade.testing import EventRecorder, run_virtual


class Broken(Exception):
    """What tasks of a random graph raise."""


class Node(NamedTuple):
    mode: str
    constrained: bool
    seconds: float
    fails: bool
    needs: list[int]
    how: str
    """How it needs them: their values, only their end, or the first as a condition."""


@st.composite
def graphs(draw: st.DrawFn) -> list[Node]:
    nodes = []
    for number in range(draw(st.integers(1, 10))):
        needs = draw(st.lists(st.integers(0, number - 1), max_size=3)) if number else []
        mode = draw(st.sampled_from(["async", "inline", "thread", "machine"]))
        how = draw(st.sampled_from(["value", "after", "condition"]))
        seconds = draw(st.sampled_from([0.0, 1.0, 2.0]))
        fails = draw(st.integers(0, 9)) == 0
        nodes.append(Node(mode, draw(st.booleans()), seconds, fails, needs, how))
    return nodes


def work(fails: bool, *_needs: Any) -> bool:
    if fails:
        raise Broken
    return True


async def sleep(fails: bool, seconds: float, *needs: Any) -> bool:
    await asyncio.sleep(seconds)
    return work(fails, *needs)


async def step(fails: bool, seconds: float, *needs: Any) -> Any:
    await asyncio.sleep(seconds)
    return cs.TailCall(fails, seconds - 1) if seconds > 0 else work(fails, *needs)


work_in_thread = cs.task(work)
work_inline = cs.task(mode="inline")(work)
TASKS: dict[str, Any] = {"async": cs.task(sleep), "machine": cs.task(step)}


def declare(nodes: list[Node]) -> list[Any]:
    calls: list[Any] = []
    for node in nodes:
        others = [calls[number] for number in node.needs]
        values = others if node.how == "value" else []
        if node.mode in TASKS:
            call = TASKS[node.mode](node.fails, node.seconds, *values)
        else:
            task = work_inline if node.mode == "inline" else work_in_thread
            call = task(node.fails, *values)
        if node.how == "after":
            call = call.after(*others)
        elif node.how == "condition" and others:
            call = call.run_if(others[0])
        calls.append(call.with_constraints(slot=1) if node.constrained else call)
    return calls


@settings(max_examples=tries(50, 150), deadline=None)
@given(nodes=graphs(), cut=st.one_of(st.none(), st.floats(0, 8)))
def test_every_node_ends_in_exactly_one_way(nodes: list[Node], cut: float | None) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        troubles: list[Any] = []
        loop.set_exception_handler(lambda _, context: troubles.append(context))
        engine = cs.Engine(system_resources={"slot": 2})
        recorder = EventRecorder(engine.bus)
        run = asyncio.ensure_future(engine.run(declare(nodes)))
        await asyncio.wait([run], timeout=cut)
        run.cancel()
        await asyncio.wait([run])
        error = asyncio.CancelledError() if run.cancelled() else run.exception()

        check_lives(recorder.events, len(nodes), error)
        assert asyncio.all_tasks() == {asyncio.current_task()}
        statistics = engine.resource_manager.statistics()
        assert (statistics.holding, statistics.waiting) == (0, 0)
        assert troubles == []

    run_virtual(main())


def check_lives(events: list[Event], count: int, error: BaseException | None) -> None:
    """Check that each node was skipped, or started once and finished once."""
    if not events:
        assert isinstance(error, asyncio.CancelledError)  # cancelled before its first step
        return
    lives: dict[str, list[str]] = {}
    for event in events:
        if isinstance(event, (TaskStarted, TaskFinished, TaskSkipped)):
            lives.setdefault(event.task_id, []).append(type(event).__name__)
    assert len(lives) == count
    assert {*map(tuple, lives.values())} <= {("TaskStarted", "TaskFinished"), ("TaskSkipped",)}
    (finished,) = [event for event in events if isinstance(event, RunFinished)]
    assert finished is events[-1]
    failed = [
        event for event in events if isinstance(event, TaskFinished) and event.status == "failed"
    ]
    if error is None:
        assert (finished.status, failed) == ("succeeded", [])
    elif isinstance(error, asyncio.CancelledError):
        assert finished.status == "cancelled"
    else:
        assert (finished.status, finished.error) == ("failed", error)
        assert isinstance(error, (Broken, SkippedError))
        assert bool(failed) == isinstance(error, Broken)
