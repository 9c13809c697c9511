"""Traces read back: the tree is right, and what a task did adds up to its time without gaps."""

from __future__ import annotations

import asyncio
import gc
import logging
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry import context as context_api
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from opentelemetry.trace import StatusCode
from tests.telemetry.spans import Node, Traces, traced
from tests.telemetry.tasks import fail, sleep

import cascade as cs
from cascade import telemetry, testing
from cascade.runtime.events import RunStarted


def tasks_of(node: Node) -> list[Node]:
    return [other for other in node.walk() if other.name.startswith("task ")]


def assert_no_gaps(node: Node) -> None:
    """What a task did follows each other from its start to its end."""
    for task in tasks_of(node):
        if task.said("task.mode") == "map" or not task.below:
            continue
        edges = [task.start]
        for part in task.below:
            assert part.name in ("waiting", "attempt", "pause")
            assert part.start == edges[-1]
            edges.append(part.end)
        assert edges[-1] == task.end


def flaky(failures: int, seconds: float = 1.0) -> cs.Task[int]:
    """A task that works for some time in each attempt, and fails so many times."""
    tries = 0

    @cs.task(tags=["unsteady"])
    async def unsteady() -> int:
        nonlocal tries
        tries += 1
        await asyncio.sleep(seconds)
        if tries <= failures:
            raise OSError(f"broken {tries}")
        return tries

    return unsteady


def test_a_run_is_a_span_with_its_tasks_and_their_attempts() -> None:
    run = traced(sleep(2, sleep(1)).named("second"))
    assert run.shape() == (
        "run second",
        3,
        [("task sleep", 1, [("attempt", 1)]), ("task second", 2, [("attempt", 2)])],
    )
    second = run.find("task second")
    assert second.said("task.id") == "sleep#1"
    assert second.said("task.name") == "second"
    assert second.said("task.function") == "sleep"
    assert second.said("task.mode") == "async"
    assert second.said("task.status") == "succeeded"
    assert second.said("run.id") == run.said("run.id") == "run-1"
    assert run.said("run.status") == "succeeded"
    assert all(node.span.status.status_code is StatusCode.UNSET for node in run.walk())


def test_the_name_of_a_run_of_several_targets() -> None:
    assert traced([sleep(1), sleep(2), {"third": sleep(3)}]).name == "run sleep and 2 more"


def test_waiting_can_be_seen_and_says_for_what() -> None:
    engine = cs.Engine(system_resources={"slot": 1})
    limited = [sleep(2).named(f"number {place}").with_constraints(slot=1) for place in range(3)]
    run = traced(limited, engine)
    assert [node.shape() for node in run.below] == [
        ("task number 0", 2, [("attempt", 2)]),
        ("task number 1", 4, [("waiting", 2), ("attempt", 2)]),
        ("task number 2", 6, [("waiting", 4), ("attempt", 2)]),
    ]
    assert run.below[1].below[0].said("waiting.blocked_on") == ("slot",)


def test_attempts_pauses_and_waits_add_up_to_the_task() -> None:
    engine = cs.Engine(system_resources={"slot": 1})
    tried = flaky(2)().with_retry(3, delay=1, backoff=3, jitter=0).with_constraints(slot=1)
    others = [sleep(0.5 + place).with_constraints(slot=1) for place in range(4)]
    run = traced([tried, *others], engine)
    assert run.find("task unsteady").shape() == (
        "task unsteady",
        14,
        [
            *[("attempt", 1), ("pause", 1), ("waiting", 7)],
            *[("attempt", 1), ("pause", 3), ("attempt", 1)],
        ],
    )
    assert_no_gaps(run)
    attempts = [node for node in run.find("task unsteady").below if node.name == "attempt"]
    assert [node.said("attempt.number") for node in attempts] == [1, 2, 3]
    assert [node.said("attempt.status") for node in attempts] == ["failed", "failed", "succeeded"]
    assert [node.errors for node in attempts] == [["OSError"], ["OSError"], []]
    assert run.find("task unsteady").said("task.tags") == ("unsteady",)
    assert run.find("task unsteady").span.status.status_code is StatusCode.UNSET


def test_a_failure_is_told_where_it_happened_and_marks_all_above() -> None:
    run = traced([fail(1), sleep(5), sleep(0, sleep(9))])
    failed = run.find("task fail")
    for node in (run, failed, failed.below[0]):
        assert node.span.status.status_code is StatusCode.ERROR
        assert node.span.status.description == "OSError: broken"
        assert (node.span.attributes or {})["error.type"] == "OSError"
    assert [node.name for node in run.walk() if node.errors] == ["attempt"]
    (event,) = failed.below[0].span.events
    assert "in fail" in str((event.attributes or {})["exception.stacktrace"])
    assert event.timestamp == failed.below[0].end
    statuses = [node.said("task.status") for node in tasks_of(run)]
    assert sorted(statuses) == ["cancelled", "cancelled", "cancelled", "failed"]
    never = [node for node in run.below if node.said("task.reason") == "Cancelled"]
    assert [node.seconds for node in never] == [0]


def test_an_error_that_no_task_has_raised_is_told_by_the_run() -> None:
    run = traced(sleep(1).run_if(False))
    assert run.errors == ["cascade.errors.SkippedError"]
    (skipped,) = run.below
    assert skipped.said("task.status") == "skipped"
    assert skipped.said("task.reason") == "its condition is false"


def test_who_is_cancelled_while_waiting_ends_its_waiting() -> None:
    engine = cs.Engine(system_resources={"paused": 0})
    run = traced([fail(3), sleep(1).with_constraints(paused=1)], engine)
    assert run.find("task sleep").shape() == ("task sleep", 3, [("waiting", 3)])
    assert run.find("task sleep").said("task.status") == "cancelled"


def test_a_cancelled_run() -> None:
    engine = cs.Engine()

    async def cancelled() -> None:
        task = asyncio.ensure_future(engine.run(sleep(5)))
        await asyncio.sleep(2)
        task.cancel()
        await asyncio.wait([task])

    run = traced(cancelled(), engine)
    assert run.shape() == ("run sleep", 2, [("task sleep", 2, [("attempt", 2)])])
    assert [node.said(f"{kind}.status") for node, kind in zip(run.walk(), KINDS, strict=True)] == [
        "cancelled"
    ] * 3
    assert not any(node.errors for node in run.walk())


KINDS = "run", "task", "attempt"


def test_what_comes_from_a_cache() -> None:
    engine = cs.Engine()

    @cs.task
    async def cached(seconds: float) -> float:
        await asyncio.sleep(seconds)
        return seconds

    async def twice() -> None:
        await engine.run([sleep(0, cached(1).with_cache(cs.cache()))])
        await engine.run([sleep(0, cached(1).with_cache(cs.cache()))])

    traces = Traces()
    with traces.instrument(engine):
        testing.run_virtual(twice())
    first, second = [root.find("task cached") for root in traces.roots()]
    assert first.shape() == ("task cached", 1, [("attempt", 1)])
    assert second.shape() == ("task cached", 0)
    assert second.said("task.status") == "cached"


def test_the_children_of_a_map_are_below_it() -> None:
    engine = cs.Engine(system_resources={"slot": 1})
    run = traced(sleep.map(seconds=[1, 2]).named("all").with_constraints(slot=1), engine)
    assert run.shape() == (
        "run all",
        3,
        [
            (
                "task all",
                3,
                [
                    ("task all", 1, [("attempt", 1)]),
                    ("task all", 3, [("waiting", 1), ("attempt", 2)]),
                ],
            )
        ],
    )
    (above,) = run.below
    assert above.said("task.mode") == "map"
    assert [node.said("task.name") for node in above.below] == ["all[0]", "all[1]"]
    assert [node.said("task.id") for node in above.below] == ["sleep#0[0]", "sleep#0[1]"]
    assert [node.said("task.mode") for node in above.below] == ["async", "async"]


def test_a_map_that_fails_is_told_of_once() -> None:
    run = traced(fail.map(seconds=[1, 2]))
    assert [node.name for node in run.walk() if node.errors] == ["attempt"]
    assert run.below[0].span.status.status_code is StatusCode.ERROR


@cs.task
async def count(left: int) -> Any:
    await asyncio.sleep(1)
    return cs.TailCall(left - 1) if left else "done"


@pytest.mark.parametrize("use_vm", [False, True])
def test_the_steps_of_a_machine_are_counted_and_make_no_spans(use_vm: bool) -> None:
    run = traced(count(1_000), use_vm=use_vm)
    assert run.shape() == ("run count", 1_001, [("task count", 1_001, [("attempt", 1_001)])])
    assert run.below[0].said("task.steps") == 1_000


def test_a_machine_that_waits_for_each_step_has_so_many_spans_and_counts_the_others() -> None:
    engine = cs.Engine(system_resources={"slot": 1})
    traces = Traces()

    async def compete() -> telemetry.Instrumentation:
        with traces.instrument(engine, spans_per_task=10) as handle:
            agents = [count(49).with_constraints(slot=1) for _ in range(2)]
            await asyncio.gather(*[engine.run(agent, use_vm=True) for agent in agents])
        return handle

    handle = testing.run_virtual(compete())
    tasks = [root.below[0] for root in traces.roots()]
    dropped = [task.said("task.dropped_spans") for task in tasks]
    assert handle.dropped == sum(dropped) > 100
    for task in tasks:
        assert len(task.below) == 10
        assert {node.name for node in task.below} == {"waiting", "attempt"}
        assert task.said("task.steps") == 49
        edges = [task.start, *[node.end for node in task.below]]
        assert [node.start for node in task.below] == edges[:-1]
    first, second = [node for node in tasks[1].below if node.name == "attempt"][:2]
    assert (first.said("task.step"), second.said("task.step")) == (None, 1)


def test_each_step_of_a_machine_has_attempts_of_its_own() -> None:
    failing = [True, False, True, False]

    @cs.task
    async def unsteady(left: int) -> Any:
        await asyncio.sleep(1)
        if failing.pop(0):
            raise OSError("broken")
        return cs.TailCall(left - 1) if left else None

    run = traced(unsteady(1).with_retry(2, delay=2), use_vm=True)
    task = run.below[0]
    assert_no_gaps(run)
    attempts = [node for node in task.below if node.name == "attempt"]
    said = [(node.said("attempt.number"), node.seconds) for node in attempts]
    assert said == [(1, 1), (2, 2), (2, 1)]  # the second goes on into the next step


def test_a_run_inside_of_a_task_is_below_the_attempt() -> None:
    engine = cs.Engine()

    @cs.task
    async def outer(use_vm: bool) -> float:
        await asyncio.sleep(1)
        return await engine.run(sleep(2).named("inner"), use_vm=use_vm)

    for use_vm in (False, True):
        run = traced(outer(use_vm), engine)
        inner = ("run inner", 2, [("task inner", 2, [("attempt", 2)])])
        assert run.shape() == ("run outer", 3, [("task outer", 3, [("attempt", 3, [inner])])])


def test_a_run_is_a_child_of_the_span_in_which_it_was_started() -> None:
    traces, engine = Traces(), cs.Engine()
    tracer = traces.provider.get_tracer("mine")

    async def main() -> None:
        before = context_api.get_current()
        with tracer.start_as_current_span("mine") as mine:
            await engine.run(sleep(0.01), use_vm=True)
            await engine.run([sleep(0.01), sleep(0)])
            assert trace.get_current_span() is mine
        assert context_api.get_current() == before

    with traces.instrument(engine):
        asyncio.run(main())
    root = traces.root()
    assert root.name == "mine"
    assert [node.name for node in root.below] == ["run sleep", "run sleep and 1 more"]
    for node in root.walk():
        assert root.start <= node.start <= node.end <= root.end


@cs.task(mode="inline")
def inline(tracer: trace.Tracer, *_: Any) -> str:
    return note(tracer)


@cs.task
def thread(tracer: trace.Tracer, *_: Any) -> str:
    return note(tracer)


@cs.task
async def quick(tracer: trace.Tracer, *_: Any) -> str:
    return note(tracer)


@cs.task
async def slow(tracer: trace.Tracer, *_: Any) -> str:
    await asyncio.sleep(0.001)
    await asyncio.create_task(also(tracer))
    return note(tracer)


async def also(tracer: trace.Tracer) -> None:
    await asyncio.sleep(0)
    note(tracer)


def note(tracer: trace.Tracer) -> str:
    trace.get_current_span().set_attribute("cascade.noted", cs.current().task_id)
    with tracer.start_as_current_span("user's") as span:
        span.set_attribute("cascade.task.id", cs.current().task_id)
        span.add_event("something")
    return cs.current().task_id


@pytest.mark.parametrize("virtual", [False, True])
@pytest.mark.parametrize("limited", [False, True])
def test_inside_of_a_task_of_any_kind_its_attempt_is_current(virtual: bool, limited: bool) -> None:
    traces = Traces()
    engine = cs.Engine(system_resources={"slot": 2})
    tracer = traces.provider.get_tracer("mine")
    kinds = [inline, thread, quick, slow]
    calls: list[Any] = [kinds[place % 4](tracer) for place in range(24)]
    calls += [kind(tracer, *calls[:9]) for kind in kinds]
    if limited:
        calls = [call.with_constraints(slot=1) for call in calls[:24]]
    calls.append(quick.map(tracer=[tracer, tracer]))
    only_inline = [inline(tracer), inline(tracer)]

    async def main() -> None:
        await engine.run(calls)
        await engine.run(only_inline)
        await engine.run(slow(tracer), use_vm=True)

    with traces.instrument(engine):
        testing.run_virtual(main()) if virtual else asyncio.run(main())
    checked = 0
    for root in traces.roots():
        for task in tasks_of(root):
            if task.said("task.mode") == "map":
                continue
            (attempt,) = [node for node in task.below if node.name == "attempt"]
            assert attempt.said("noted") == task.said("task.id")
            assert attempt.below
            for node in attempt.below:
                assert (node.name, node.said("task.id")) == ("user's", task.said("task.id"))
                checked += 1
    assert checked > 30


def test_the_current_span_follows_the_attempts() -> None:
    traces, engine = Traces(), cs.Engine(system_resources={"slot": 1})
    tracer = traces.provider.get_tracer("mine")
    tries = []

    @cs.task
    async def unsteady() -> None:
        tries.append(cs.current().attempt)
        with tracer.start_as_current_span(f"user's {len(tries)}"):
            await asyncio.sleep(1)
        if len(tries) < 3:
            raise OSError("broken")

    with traces.instrument(engine):
        limited = unsteady().with_retry(3, delay=1, jitter=0).with_constraints(slot=1)
        testing.run_virtual(engine.run(limited))
    attempts = [node for node in traces.root().below[0].below if node.name == "attempt"]
    assert [[node.name for node in each.below] for each in attempts] == [
        ["user's 1"],
        ["user's 2"],
        ["user's 3"],
    ]


def test_outside_of_tasks_the_current_span_is_that_of_the_run() -> None:
    traces, engine = Traces(), cs.Engine()

    @cs.resource(scope="run")
    def connection() -> Any:
        trace.get_current_span().add_event("connected")
        yield 1

    @cs.task
    async def use(it: Any) -> Any:
        return it

    engine.register(connection)
    with traces.instrument(engine):
        testing.run_virtual(engine.run(use(cs.inject("connection"))))
    assert [event.name for event in traces.root().span.events] == ["connected"]


def test_a_run_of_an_engine_that_is_not_instrumented_changes_nothing() -> None:
    traces, engine = Traces(), cs.Engine()
    tracer = traces.provider.get_tracer("mine")

    @cs.task
    async def outer() -> None:
        await cs.arun(quick(tracer))

    with traces.instrument(engine):
        testing.run_virtual(engine.run(outer()))
    assert [node.name for node in traces.root().below] == ["task outer", "user's"]


def test_what_outlives_its_run_has_the_span_from_before_it() -> None:
    traces, engine = Traces(), cs.Engine()
    tracer = traces.provider.get_tracer("mine")
    left = []

    @cs.task
    async def leave_something() -> None:
        async def later() -> None:
            await asyncio.sleep(5)
            tracer.start_span("later").end()

        left.append(asyncio.create_task(later()))

    async def main() -> None:
        with tracer.start_as_current_span("mine"):
            await engine.run(leave_something())
            await left[0]

    with traces.instrument(engine):
        testing.run_virtual(main())
    names = [node.name for node in traces.root().below]
    assert names == ["later", "run leave_something"] or names == ["run leave_something", "later"]


def test_a_loop_that_is_closed_under_a_run_leaves_no_span_open() -> None:
    traces, engine = Traces(), cs.Engine()
    with traces.instrument(engine) as handle:
        coroutine = engine.run(sleep(10), use_vm=True)

        async def begin() -> None:
            coroutine.send(None)

        testing.run_virtual(begin())
        assert handle.open_spans == 2
        coroutine.close()
        assert handle.open_spans == 0
    assert traces.root().said("run.status") == "cancelled"


def test_closing_ends_what_is_open_and_later_runs_make_no_spans() -> None:
    traces, engine = Traces(), cs.Engine()

    async def main() -> None:
        with traces.instrument(engine) as handle:
            task = asyncio.ensure_future(engine.run([sleep(5), sleep(1)]))
            await asyncio.sleep(2)
            assert handle.open_spans == 2
        handle.close()
        assert not engine.bus.hot
        await task
        await engine.run(sleep(1))

    testing.run_virtual(main())
    run = traces.root()
    assert (run.said("run.status"), run.seconds) == ("unfinished", 1)
    statuses = [node.said("task.status") for node in run.below]
    assert sorted(statuses) == ["succeeded", "unfinished"]


def test_a_run_that_began_before_is_not_traced() -> None:
    traces, engine = Traces(), cs.Engine()

    async def main() -> None:
        task = asyncio.ensure_future(engine.run([sleep(5), sleep(1, sleep(2))]))
        await asyncio.sleep(1)
        with traces.instrument(engine):
            await task
            await engine.run(sleep(1).named("after"))

    testing.run_virtual(main())
    assert traces.root().name == "run after"


def test_two_runs_of_one_number_are_kept_apart() -> None:
    traces, bus = Traces(), cs.MessageBus()
    with traces.instrument(bus) as handle:

        async def lose() -> None:
            bus.publish(RunStarted("run-1", 0.0, "lost"))

        testing.run_virtual(lose())
        testing.run_virtual(cs.Engine(bus=bus).run(sleep(1)))
        assert handle.open_spans == 0
    assert [root.said("run.status") for root in traces.roots()] == ["unfinished", "succeeded"]


def test_nothing_is_kept_of_what_has_ended() -> None:
    traces, engine = Traces(), cs.Engine()
    provider = TracerProvider(shutdown_on_exit=False)  # without a processor: it keeps no spans

    async def main() -> None:
        with telemetry.instrument(engine, tracer_provider=provider) as handle:
            seen = []
            for _ in range(3):
                await engine.run([flaky(1, 0)().with_retry(2) for _ in range(50)])
                assert handle.open_spans == 0
                gc.collect()
                seen.append(sum("Traced" in type(each).__name__ for each in gc.get_objects()))
            assert seen == [0, 0, 0]

    testing.run_virtual(main())
    assert traces.spans == ()


def test_what_is_not_sampled_costs_no_traceback(caplog: pytest.LogCaptureFixture) -> None:
    provider = TracerProvider(sampler=ALWAYS_OFF, shutdown_on_exit=False)
    traces, engine = Traces(), cs.Engine()
    traces.provider = provider
    with (
        caplog.at_level(logging.WARNING),
        traces.instrument(engine),
        pytest.raises(OSError, match="broken"),
    ):
        testing.run_virtual(engine.run(fail(1)))
    assert caplog.records == []


class AwkwardError(OSError):
    def __str__(self) -> str:
        raise ValueError("no text")


def test_an_error_of_any_kind_and_size_ends_its_spans(caplog: pytest.LogCaptureFixture) -> None:
    @cs.task
    async def awkward() -> None:
        raise AwkwardError

    @cs.task
    async def large() -> None:
        raise OSError("x" * 10**6)

    with caplog.at_level(logging.WARNING):
        run = traced(awkward())
        assert run.find("attempt").errors == [f"{__name__}.AwkwardError"]
        run = traced(large())
    (event,) = run.find("attempt").span.events
    assert sum(len(str(value)) for value in (event.attributes or {}).values()) < 20_000
    assert caplog.records == []


def test_halves_of_characters_are_told_so_that_any_collector_takes_them() -> None:
    half = "\udcff"

    @cs.task(name=f"task {half}", tags=(f"tag {half}",))
    async def odd() -> None:
        raise OSError(f"error {half}")

    @cs.task
    async def holds() -> None:
        await asyncio.sleep(1)

    slot = {f"slot {half}": 1}
    traces = Traces()
    engine = cs.Engine(system_resources=slot)
    first = holds().with_constraints(**slot).with_priority(1)
    second = odd().named(f"call {half}").with_constraints(**slot)
    with traces.instrument(engine), pytest.raises(OSError, match="error"):
        testing.run_virtual(engine.run([first, second]))
    told = [text for span in traces.spans for text in texts_of(span)]
    assert [text for text in told if half in text] == []
    for part in ("task ?", "tag ?", "error ?", "slot ?", "call ?"):
        assert any(part in text for text in told), part


def texts_of(span: ReadableSpan) -> list[str]:
    """All that a span says."""
    values = [*(span.attributes or {}).values(), span.status.description or ""]
    for event in span.events:
        values += (event.attributes or {}).values()
    return [span.name, *map(str, values)]


@settings(max_examples=50)
@given(
    plans=st.lists(
        st.tuples(
            st.integers(0, 3),  # failures
            st.integers(0, 3),  # seconds of work
            st.integers(0, 2),  # slots
            st.integers(0, 2),  # seconds of pause
        ),
        min_size=1,
        max_size=6,
    ),
    attempts=st.integers(1, 4),
)
def test_whatever_happens_no_task_has_a_gap(
    plans: list[tuple[int, int, int, int]], attempts: int
) -> None:
    engine = cs.Engine(system_resources={"slot": 2})
    calls = []
    for failures, seconds, slots, pause in plans:
        call = flaky(failures, seconds)().with_retry(attempts, delay=pause)
        calls.append(call.with_constraints(slot=slots) if slots else call)
    run = traced(calls, engine)
    assert_no_gaps(run)
    assert len(tasks_of(run)) == len(calls)
    for node in run.walk():
        assert run.start <= node.start <= node.end <= run.end
    failed = any(failures >= attempts for failures, *_ in plans)
    assert run.said("run.status") == ("failed" if failed else "succeeded")
