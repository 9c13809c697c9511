"""Failures and cancellations: siblings end first, nothing is left, and the error is the task's."""
# ruff: noqa: B008 - an injection as a default is how tasks ask for resources

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

import cascade as cs
from cascade.adapters.executors.local import LocalExecutor
from cascade.adapters.state.memory import InMemoryStateBackend
from cascade.runtime.events import RunFinished, TaskFinished, TaskSkipped
from cascade.testing import EventRecorder, run_virtual

LIMIT = 10.0
"""Seconds after which a test gives up waiting for a thread."""


@cs.task
async def wait(seconds: float, *_needs: Any) -> float:
    await asyncio.sleep(seconds)
    return asyncio.get_running_loop().time()


@cs.task
async def fail(error: BaseException, seconds: float = 0.0) -> None:
    await asyncio.sleep(seconds)
    raise error


@cs.task
async def wait_and_clean_up(seconds: float, clean_up: float, error: Exception | None) -> None:
    try:
        await asyncio.sleep(seconds)
    finally:
        await asyncio.sleep(clean_up)
        if error is not None:
            raise error


async def outcome(
    target: Any, *cancel_at: float, engine: cs.Engine | None = None, use_vm: bool = False
) -> tuple[BaseException, float, EventRecorder]:
    """Run a target that fails, or is cancelled at some moments; return its error and its end."""
    loop = asyncio.get_running_loop()
    engine = engine or cs.Engine()
    recorder = EventRecorder(engine.bus)
    raised: list[BaseException] = []

    async def run() -> None:
        try:
            await engine.run(target, use_vm=use_vm)
        except BaseException as error:
            raised.append(error)

    task = asyncio.create_task(run())
    for moment in cancel_at:
        await asyncio.wait([task], timeout=moment - loop.time())
        task.cancel()
    await asyncio.wait([task])
    assert asyncio.all_tasks() == {asyncio.current_task()}
    return raised[0], loop.time(), recorder


def statuses(recorder: EventRecorder) -> dict[str, str]:
    return {event.task_name: event.status for event in recorder.of(TaskFinished)}


# One failure


@pytest.mark.parametrize("mode", ["inline", "async", "thread"])
@pytest.mark.parametrize("style", ["alone", "in a graph", "with a policy", "machine"])
@pytest.mark.parametrize("run", [asyncio.run, run_virtual])
def test_the_error_is_the_tasks_own_object_with_a_note_that_names_it(
    mode: str, style: str, run: Callable[..., Any]
) -> None:
    error = LookupError("mine")

    def broken(_value: Any = None) -> None:
        raise error

    async def broken_async(_value: Any = None) -> None:
        raise error

    task: cs.Task[None]
    task = cs.task(broken_async) if mode == "async" else cs.task(mode=mode)(broken)  # type: ignore[call-overload]
    call = task(wait(0)) if style == "in a graph" else task()
    call = call.named("the culprit")
    target = call.with_constraints(slot=1) if style == "with a policy" else call
    raised, _, recorder = run(outcome(target, use_vm=style == "machine"))
    assert raised is error
    notes = [note for note in error.__notes__ if "'the culprit'" in note]
    assert len(notes) == 1
    if style == "in a graph":
        assert "node 2 of 2" in notes[0]
        assert "needs 'wait'" in notes[0]
    (finished,) = recorder.of(RunFinished)
    assert (finished.status, finished.error) == ("failed", error)
    assert recorder.of(TaskFinished)[-1].error is error


def test_a_stop_iteration_is_an_error_with_a_note_too() -> None:
    @cs.task(mode="inline")
    def empty() -> Any:
        return next(iter(()))

    for target in (empty(), empty().named("empty").with_constraints(slot=1), [empty().run_if(1)]):
        raised, _, _ = run_virtual(outcome(target))
        assert isinstance(raised, RuntimeError)
        assert any("'empty'" in note for note in raised.__notes__)


def test_a_failure_cancels_the_siblings_and_waits_for_them() -> None:
    error = LookupError()
    target = [
        fail(error, 1),
        wait_and_clean_up(100, 5, None).named("sibling"),
        wait(0.5).named("early"),
        wait(1, wait(100).named("other")).named("never"),
    ]
    raised, end, recorder = run_virtual(outcome(target))
    assert raised is error
    assert end == 6.0
    assert statuses(recorder) == {
        "early": "succeeded",
        "fail": "failed",
        "sibling": "cancelled",
        "other": "cancelled",
    }
    (skipped,) = recorder.of(TaskSkipped)
    assert (skipped.task_name, skipped.reason) == ("never", "Cancelled")


def test_a_sibling_that_fails_while_it_is_cancelled_is_noted() -> None:
    target = [fail(LookupError(), 1), wait_and_clean_up(100, 1, OSError("in clean-up"))]
    raised, _, recorder = run_virtual(outcome(target))
    assert isinstance(raised, LookupError)
    assert any("'wait_and_clean_up'" in note and "in clean-up" in note for note in raised.__notes__)
    assert statuses(recorder)["wait_and_clean_up"] == "failed"


def test_a_task_that_fails_while_the_run_is_cancelled_is_noted() -> None:
    target = [wait_and_clean_up(100, 1, OSError("in clean-up")), wait(100)]
    raised, end, _ = run_virtual(outcome(target, 5))
    assert isinstance(raised, asyncio.CancelledError)
    assert end == 6.0
    assert any("in clean-up" in note for note in getattr(raised, "__notes__", ()))


def test_of_two_failures_at_the_same_time_one_is_raised_and_the_other_noted() -> None:
    raised, _, _ = run_virtual(outcome([fail(LookupError("first"), 1), fail(OSError("second"), 1)]))
    assert isinstance(raised, LookupError)
    assert any("second" in note for note in raised.__notes__)


def test_a_sibling_that_refuses_to_be_cancelled_is_waited_for() -> None:
    @cs.task
    async def stubborn() -> str:
        try:
            await asyncio.sleep(100)
        except asyncio.CancelledError:
            await asyncio.sleep(5)
        return "done"

    _, end, recorder = run_virtual(outcome([stubborn(), fail(LookupError(), 1)]))
    assert end == 6.0
    assert statuses(recorder)["stubborn"] == "succeeded"


def test_a_task_that_waits_for_a_slot_leaves_the_queue() -> None:
    async def main() -> None:
        engine = cs.Engine(system_resources={"slot": 1})
        target = [
            wait(100).with_constraints(slot=1),
            wait(1).with_constraints(slot=1).named("queued"),
            fail(LookupError(), 1),
        ]
        _, _, recorder = await outcome(target, engine=engine)
        statistics = engine.resource_manager.statistics()
        assert (statistics.holding, statistics.waiting) == (0, 0)
        assert [event.task_name for event in recorder.of(TaskSkipped)] == ["queued"]

    run_virtual(main())


# Tasks that cancel


def raise_cancelled() -> None:
    raise asyncio.CancelledError


def cancel_current() -> None:
    task = asyncio.current_task()
    assert task is not None
    task.cancel()


@pytest.mark.parametrize("cancel", [raise_cancelled, cancel_current])
@pytest.mark.parametrize("pause", [True, False])
@pytest.mark.parametrize("constrained", [True, False])
def test_a_task_that_cancels_itself_is_no_success(
    cancel: Callable[[], None], pause: bool, constrained: bool
) -> None:
    @cs.task
    async def give_up() -> str:
        cancel()
        if pause:
            await asyncio.sleep(0)
        return "value"

    waiting = wait(100)  # declared first, and so under way when the other one begins
    call = give_up().with_constraints(slot=1) if constrained else give_up()
    raised, end, recorder = run_virtual(outcome([waiting, call]))
    assert isinstance(raised, asyncio.CancelledError)
    assert end == 0.0
    assert statuses(recorder) == {"give_up": "cancelled", "wait": "cancelled"}
    assert recorder.of(RunFinished)[0].status == "cancelled"
    assert any("'give_up'" in note for note in raised.__notes__)


@pytest.mark.parametrize("mode", ["inline", "thread"])
def test_a_function_that_raises_a_cancellation_is_no_success(mode: Any) -> None:
    task = cs.task(mode=mode)(raise_cancelled)
    for target in (task(), [task(), wait(100)]):
        raised, _, recorder = asyncio.run(outcome(target))
        assert isinstance(raised, asyncio.CancelledError)
        assert statuses(recorder)["raise_cancelled"] == "cancelled"


# Cancelling the run


def test_cancelling_twice_reaches_the_clean_up_and_waits_for_the_rest() -> None:
    target = [wait_and_clean_up(100, 50, None), wait(100)]
    assert run_virtual(outcome(target, 1))[1] == 51.0
    raised, end, recorder = run_virtual(outcome(target, 1, 2))
    assert isinstance(raised, asyncio.CancelledError)
    assert end == 2.0
    assert len(recorder.of(TaskFinished)) == 2


def test_a_cancellation_wins_over_a_failure_whose_siblings_are_still_ending() -> None:
    target = [fail(LookupError(), 1), wait_and_clean_up(100, 5, None)]
    raised, _, recorder = run_virtual(outcome(target, 3))
    assert isinstance(raised, asyncio.CancelledError)
    assert recorder.of(RunFinished)[0].status == "cancelled"


def test_a_cancellation_wins_over_a_failing_state_backend() -> None:
    class Full(InMemoryStateBackend):
        async def put(self, run_id: str, node_id: str, value: Any) -> None:
            raise OSError("disk full")

    engine = cs.Engine(state_backend_factory=Full)
    target = [wait(1), wait_and_clean_up(100, 5, None)]
    raised, _, _ = run_virtual(outcome(target, 3, engine=engine))
    assert isinstance(raised, asyncio.CancelledError)


def test_a_cancellation_during_the_tear_down_is_raised_after_it_and_told() -> None:
    torn_down: list[float] = []

    @cs.resource
    async def tool() -> AsyncIterator[None]:
        yield
        await asyncio.sleep(10)
        torn_down.append(asyncio.get_running_loop().time())

    @cs.task
    async def use(error: Exception | None, _tool: Any = cs.inject("tool")) -> None:
        if error is not None:
            raise error

    for error in (None, LookupError()):
        engine = cs.Engine()
        engine.register(tool)
        raised, end, recorder = run_virtual(outcome(use(error), 5, engine=engine))
        assert isinstance(raised, asyncio.CancelledError)
        assert end == torn_down.pop() == 10.0
        assert recorder.of(RunFinished)[0].status == "cancelled"


# Threads


def test_a_queued_thread_task_is_withdrawn_and_a_running_one_waited_for() -> None:
    begun, gate = threading.Event(), threading.Event()
    ran: list[str] = []

    @cs.task
    def work(name: str) -> None:
        begun.set()
        gate.wait(LIMIT)
        ran.append(name)

    @cs.task
    async def fail_once_begun() -> None:
        await asyncio.to_thread(begun.wait, LIMIT)
        asyncio.get_running_loop().call_later(0.05, gate.set)
        raise LookupError

    async def main() -> None:
        executor = LocalExecutor(1)
        engine = cs.Engine(executor=executor)
        target = [work(name).named(name) for name in ("running", "queued")]
        constrained = work("also queued").named("also queued").with_constraints(slot=1)
        raised, _, recorder = await outcome(
            [*target, constrained, fail_once_begun()], engine=engine
        )
        assert isinstance(raised, LookupError)
        assert ran == ["running"]
        assert statuses(recorder) == {
            "running": "succeeded",
            "queued": "cancelled",
            "also queued": "cancelled",
            "fail_once_begun": "failed",
        }
        await executor.aclose()
        assert ran == ["running"]

    asyncio.run(main())


def test_a_thread_that_fails_while_it_is_waited_for_is_noted_and_its_slot_taken_till_then() -> None:
    begun, gate = threading.Event(), threading.Event()
    slots: list[float] = []

    @cs.task
    def work() -> None:
        begun.set()
        gate.wait(LIMIT)
        raise OSError("too late")

    async def main(constrained: bool) -> None:
        engine = cs.Engine(system_resources={"slot": 1})

        @cs.task
        async def fail_once_begun() -> None:
            await asyncio.to_thread(begun.wait, LIMIT)
            asyncio.get_running_loop().call_later(0.02, look)
            raise LookupError

        def look() -> None:
            slots.append(engine.resource_manager.statistics().resources["slot"].used)
            gate.set()

        call = work().with_constraints(slot=1) if constrained else work()
        raised, _, _ = await outcome([call, fail_once_begun()], engine=engine)
        assert any("too late" in note for note in raised.__notes__)
        assert engine.resource_manager.statistics().resources["slot"].used == 0

    for constrained in (False, True):
        begun.clear()
        gate.clear()
        asyncio.run(main(constrained))
    assert slots == [0, 1]


def test_a_thread_machine_cut_off_by_a_failure_has_not_succeeded() -> None:
    begun, gate = threading.Event(), threading.Event()

    @cs.task
    def step() -> Any:
        begun.set()
        gate.wait(LIMIT)
        return cs.TailCall()

    @cs.task
    async def fail_once_begun() -> None:
        await asyncio.to_thread(begun.wait, LIMIT)
        asyncio.get_running_loop().call_later(0.02, gate.set)
        raise LookupError

    raised, _, recorder = asyncio.run(outcome([step(), fail_once_begun()]))
    assert isinstance(raised, LookupError)
    assert statuses(recorder)["step"] == "cancelled"
