"""TailCall: a task starts again in place, with its limits held step by step."""

from __future__ import annotations

import asyncio
import functools
from typing import Any

import pytest

import cascade as cs
from cascade.errors import InfeasibleRequestError, InjectionError
from cascade.runtime.events import (
    TaskBlocked,
    TaskEvent,
    TaskFinished,
    TaskStarted,
    TaskStepped,
)
from cascade.testing import EventRecorder, run_virtual

MODES = ["inline", "async", "thread"]
WAYS = ["alone", "in a graph", "with a policy", "machine", "machine with a policy"]


def declare(mode: str, function: Any) -> cs.Task[Any]:
    """Make a task of a plain function, whatever the mode."""
    if mode != "async":
        return cs.task(name=function.__name__, mode="inline" if mode == "inline" else "thread")(
            function
        )

    async def call(*args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs)

    functools.update_wrapper(call, function)
    return cs.task(name=function.__name__)(call)


@cs.task(mode="inline")
def identity(value: Any) -> Any:
    return value


def run_in(way: str, call: Any) -> Any:
    """Run a call on virtual time, in one of the ways in which a node can be run."""
    if "policy" in way:
        call = call.with_constraints(slot=1)
    if way == "in a graph":
        return run_virtual(identity(call))
    return run_virtual(cs.Engine().run(call, use_vm="machine" in way))


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("way", WAYS)
class TestInEveryModeAndWay:
    def test_arguments_are_laid_over_the_previous_ones(self, mode: str, way: str) -> None:
        def step(first: int, second: str = "b", *, key: int = 0) -> Any:
            seen.append((first, second, key))
            if len(seen) == 1:
                return cs.TailCall(2)
            if len(seen) == 2:
                return cs.TailCall(second="c", key=5)
            return cs.TailCall() if len(seen) == 3 else "over"

        seen: list[Any] = []
        assert run_in(way, declare(mode, step)(1)) == "over"
        assert seen == [(1, "b", 0), (2, "b", 0), (2, "c", 5), (2, "c", 5)]

    def test_an_unknown_name_is_an_error_at_that_step(self, mode: str, way: str) -> None:
        def step(count: int) -> Any:
            seen.append(count)
            return cs.TailCall(count=count + 1) if count < 2 else cs.TailCall(cuont=0)

        seen: list[int] = []
        with pytest.raises(TypeError, match=r"'cuont'.*'step'.*count") as raised:
            run_in(way, declare(mode, step)(0))
        assert seen == [0, 1, 2]
        assert any("'step'" in note for note in raised.value.__notes__)

    def test_another_task_takes_over_and_nothing_carries_over(self, mode: str, way: str) -> None:
        def first(value: int = 1) -> Any:
            return cs.TailCall(to=declare(mode, second))

        def second(value: int = 2) -> Any:
            return cs.TailCall(value + 40) if value == 2 else value

        assert run_in(way, declare(mode, first)(7)) == 42

    def test_arguments_that_do_not_fit_the_next_task_are_an_error(
        self, mode: str, way: str
    ) -> None:
        def first() -> Any:
            return cs.TailCall(1, 2, to=declare(mode, second))

        def second(value: int) -> Any:
            return value

        with pytest.raises(TypeError, match="second"):
            run_in(way, declare(mode, first)())

    def test_a_lazy_result_as_a_result_is_an_error(self, mode: str, way: str) -> None:
        def step(last: bool = False) -> Any:
            return identity(1) if last else cs.TailCall(True)

        for last in (True, False):
            with pytest.raises(TypeError, match=r"'step' returned the lazy result.*identity"):
                run_in(way, declare(mode, step)(last))

    def test_an_error_in_a_later_step_is_the_tasks_own(self, mode: str, way: str) -> None:
        def step(count: int = 0) -> Any:
            if count == 3:
                raise error
            return cs.TailCall(count + 1)

        error = LookupError("mine")
        with pytest.raises(LookupError) as raised:
            run_in(way, declare(mode, step)())
        assert raised.value is error
        assert any("'step'" in note for note in error.__notes__)

    def test_one_start_and_one_end_with_steps_between(self, mode: str, way: str) -> None:
        def step(count: int = 0) -> Any:
            return cs.TailCall(count + 1) if count < 3 else count

        async def main() -> list[TaskEvent]:
            engine = cs.Engine()
            recorder = EventRecorder(engine.bus)
            call: Any = declare(mode, step)()
            if "policy" in way:
                call = call.with_constraints(slot=1)
            target = identity(call) if way == "in a graph" else call
            await engine.run(target, use_vm="machine" in way)
            return [event for event in recorder.of(TaskEvent) if event.task_name == "step"]

        started, *stepped, finished = run_virtual(main())
        assert isinstance(started, TaskStarted)
        assert isinstance(finished, TaskFinished)
        assert finished.status == "succeeded"
        assert [event.step for event in stepped if isinstance(event, TaskStepped)] == [1, 2, 3]
        assert len(stepped) == 3


def test_a_lazy_result_in_a_tail_call_is_an_error() -> None:
    @cs.task(mode="inline")
    def step(value: Any = None) -> Any:
        return cs.TailCall([identity(1)])

    with pytest.raises(TypeError, match=r"can't carry.*identity"):
        run_virtual(step())


def test_steps_are_told_only_while_subscribed_to(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[int] = []

    @cs.task(mode="inline")
    def step(count: int = 0) -> Any:
        if count == 5:
            unsubscribe.append(bus.subscribe(Stepped, heard.append))
        if count == 8:
            unsubscribe[0]()
        return cs.TailCall(count + 1) if count < 10 else count

    class Counting(type(TaskStepped)):  # type: ignore[misc]
        def __call__(cls, *values: Any) -> Any:
            made.append(values[-1])
            return super().__call__(*values)

    class Stepped(TaskStepped, metaclass=Counting):
        __slots__ = ()

    monkeypatch.setattr("cascade.runtime.run.TaskStepped", Stepped)
    heard: list[TaskStepped] = []
    unsubscribe: list[Any] = []
    bus = cs.MessageBus()
    bus.subscribe(TaskStarted, lambda _: None)
    run_virtual(cs.Engine(bus=bus).run(step(), use_vm=True))
    assert [event.step for event in heard] == [6, 7, 8]
    assert made == [6, 7, 8]


# Limits


@pytest.mark.parametrize("use_vm", [True, False])
def test_a_slot_is_free_between_steps_and_goes_to_who_waits(use_vm: bool) -> None:
    order: list[str] = []

    @cs.task
    async def step(name: str, left: int) -> Any:
        order.append(name)
        await asyncio.sleep(1)
        return cs.TailCall(name, left - 1) if left > 1 else None

    async def main() -> float:
        manager = cs.ResourceManager({"slot": 1})
        runs = [
            cs.Engine(resource_manager=manager).run(
                step(name, 3).with_constraints(slot=1), use_vm=use_vm
            )
            for name in "abc"
        ]
        await asyncio.gather(*runs)
        assert manager.statistics().holding == 0
        return asyncio.get_running_loop().time()

    assert run_virtual(main()) == 9.0
    assert order == list("abc" * 3)


def test_a_machine_waits_for_its_slot_at_each_step() -> None:
    async def main() -> tuple[list[float], list[float]]:
        engine = cs.Engine(system_resources={"slot": 1})
        recorder = EventRecorder(engine.bus)
        loop = asyncio.get_running_loop()
        times: list[float] = []

        @cs.task
        async def step() -> Any:
            times.append(loop.time())
            await asyncio.sleep(1)
            return cs.TailCall() if len(times) < 3 else None

        async def pause() -> None:
            await asyncio.sleep(0.5)
            engine.resource_manager.set_capacity({"slot": 0})
            await asyncio.sleep(9.5)
            engine.resource_manager.set_capacity({"slot": 1})

        pausing = asyncio.create_task(pause())
        await engine.run(step().with_constraints(slot=1), use_vm=True)
        await pausing
        return times, [event.time for event in recorder.of(TaskBlocked)]

    assert run_virtual(main()) == ([0.0, 10.0, 11.0], [1.0])


def test_a_slot_comes_back_when_a_step_fails_or_can_never_be() -> None:
    @cs.task
    async def fail() -> None:
        raise LookupError

    async def main() -> None:
        engine = cs.Engine(system_resources={"slot": 1})
        for amount, error in ((1, LookupError), (2, InfeasibleRequestError)):
            with pytest.raises(error) as raised:
                await engine.run(fail().with_constraints(slot=amount), use_vm=True)
            assert any("'fail'" in note for note in raised.value.__notes__)
        statistics = engine.resource_manager.statistics()
        assert (statistics.holding, statistics.waiting) == (0, 0)

    run_virtual(main())


# Inputs and resources


def test_a_machine_has_its_inputs_evaluated_once() -> None:
    calls: list[str] = []

    @cs.task(mode="inline")
    def make() -> list[int]:
        calls.append("make")
        return [0]

    @cs.task(mode="inline")
    def step(box: list[int], boxes: Any) -> Any:
        assert boxes == {"box": box}
        box[0] += 1
        return cs.TailCall() if box[0] < 10 else box[0]

    box = make()
    assert run_virtual(cs.Engine().run(step(box, {"box": box}), use_vm=True)) == 10
    assert calls == ["make"]


def test_use_vm_takes_a_container_target_and_a_skipped_one() -> None:
    @cs.task(mode="inline")
    def step(left: int) -> Any:
        return cs.TailCall(left - 1) if left else "over"

    run = cs.Engine().run
    assert run_virtual(run([step(3), {"k": step(2)}], use_vm=True)) == ["over", {"k": "over"}]
    with pytest.raises(cs.errors.SkippedError, match="condition is false"):
        run_virtual(run(step(3).run_if(identity(False)), use_vm=True))


@cs.resource
def tool() -> Any:
    yield "tool"


@cs.task(mode="inline")
def use(value: int = 0, tool: Any = cs.inject("tool")) -> Any:  # noqa: B008
    return cs.TailCall(value + 1) if value < 3 else (value, tool)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("way", WAYS)
def test_the_next_task_gets_its_resources(mode: str, way: str) -> None:
    def first() -> Any:
        return cs.TailCall(to=use)

    async def main() -> Any:
        engine = cs.Engine()
        engine.register(tool)
        call: Any = declare(mode, first)()
        if "policy" in way:
            call = call.with_constraints(slot=1)
        target = identity(call) if way == "in a graph" else call
        return await engine.run(target, use_vm="machine" in way)

    assert run_virtual(main()) == (3, "tool")


def test_an_unregistered_resource_of_the_next_task_is_named() -> None:
    @cs.task(mode="inline")
    def first() -> Any:
        return cs.TailCall(to=use)

    with pytest.raises(InjectionError, match="'tool'"):
        run_virtual(first())


def test_a_circle_among_the_resources_of_the_next_task_is_named() -> None:
    @cs.resource(name="tool")
    def needs_other(other: Any = cs.inject("other")) -> Any:  # noqa: B008
        yield

    @cs.resource(name="other")
    def needs_tool(tool: Any = cs.inject("tool")) -> Any:  # noqa: B008
        yield

    @cs.task(mode="inline")
    def first() -> Any:
        return cs.TailCall(to=use)

    engine = cs.Engine()
    engine.register(needs_other)
    engine.register(needs_tool)
    with pytest.raises(InjectionError, match=r"circle.*tool.*other.*tool"):
        run_virtual(engine.run(first()))
