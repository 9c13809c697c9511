"""GraphRun: a node starts when its last input is there; values go when nobody needs them."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import random
import weakref
from collections.abc import Callable
from typing import Any

import pytest

import cascade as cs
from cascade.errors import SkippedError
from cascade.runtime.events import (
    Event,
    RunFinished,
    TaskEvent,
    TaskFinished,
    TaskSkipped,
    TaskStarted,
)
from cascade.testing import EventRecorder, run_virtual

variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="unset")


@cs.task(mode="inline")
def add(*numbers: int) -> int:
    return sum(numbers)


@cs.task
async def wait(seconds: float, *_needs: Any) -> float:
    await asyncio.sleep(seconds)
    return asyncio.get_running_loop().time()


@cs.task
def add_in_thread(*numbers: int) -> int:
    return sum(numbers)


@cs.task
async def add_async(*numbers: int) -> int:
    return sum(numbers)


def record(target: Any, **options: Any) -> tuple[list[Event], BaseException | None]:
    """Run a target on virtual time; return its events and what it raised."""

    async def main() -> tuple[list[Event], BaseException | None]:
        bus = cs.MessageBus()
        recorder = EventRecorder(bus)
        try:
            await cs.Engine(bus=bus, **options).run(target)
        except BaseException as error:
            return recorder.events, error
        return recorder.events, None

    return run_virtual(main())


def of(events: list[Event], kind: type[TaskEvent]) -> list[TaskEvent]:
    return [event for event in events if isinstance(event, kind)]


# What comes out


@pytest.mark.parametrize("task", [add, add_async, add_in_thread])
@pytest.mark.parametrize("run", [asyncio.run, run_virtual])
def test_a_target_keeps_its_shape(task: cs.Task[int], run: Callable[..., Any]) -> None:
    one = task(1)
    two = task(one, 1)
    for target, value in (
        (two, 2),
        ([one, two, one], [1, 2, 1]),
        ((two, [one, {"plain": 7}]), (2, [1, {"plain": 7}])),
        ({"a": one, "b": (two, None)}, {"a": 1, "b": (2, None)}),
    ):
        assert run(cs.Engine().run(target)) == value


def test_each_call_runs_once_however_many_need_it() -> None:
    calls: list[int] = []

    @cs.task(mode="inline")
    def count() -> int:
        calls.append(1)
        return len(calls)

    once = count()
    assert run_virtual([add(once, once), add(once, 1), once]) == [2, 2, 1]
    assert run_virtual([count(), count()]) == [2, 3]


def test_arguments_reach_the_function_as_they_were_declared() -> None:
    @cs.task(mode="inline")
    def show(first: Any, /, second: Any = 2, *rest: Any, key: Any = None, **more: Any) -> Any:
        return first, second, rest, key, more

    plain = [1, 2]
    one = add(1)
    shown = run_virtual(show(plain, one, [one, (one,)], key={"k": one}, other=one))
    assert shown == ([1, 2], 1, ([1, (1,)],), {"k": 1}, {"other": 1})
    assert shown[0] is plain


# Order


def test_a_fast_branch_overtakes_a_slow_layer() -> None:
    fast = wait(1, wait(1, wait(1)))
    assert run_virtual([fast, wait(10), wait(1, wait(10))]) == [3.0, 10.0, 11.0]


def test_a_node_waits_for_its_last_input_and_for_nothing_else() -> None:
    assert run_virtual([wait(1, wait(2), wait(5)), wait(9)]) == [6.0, 9.0]


def test_after_makes_an_order_without_a_value() -> None:
    assert run_virtual(wait(1).after(wait(5), wait(2))) == 6.0


def test_the_same_virtual_run_gives_the_same_events_twice() -> None:
    def build() -> Any:
        chance = random.Random(7)
        nodes: list[Any] = [wait(chance.random()) for _ in range(5)]
        for number in range(60):
            task = chance.choice([add, add_async, add_in_thread])
            needs = chance.sample(nodes, 2)
            nodes.append(wait(chance.randrange(3), *needs) if number % 3 else task(1).after(*needs))
        return nodes

    def told() -> list[str]:
        return [repr(event) for event in record(build())[0]]

    first = told()
    assert first == told()
    assert "run-1'" in first[0]
    assert len(first) == 2 + 2 * 65


# Conditions and skips


@pytest.mark.parametrize("condition", [True, 1, "yes"])
def test_a_true_condition_lets_a_task_run(condition: Any) -> None:
    assert run_virtual(add(1).run_if(condition)) == 1


def test_conditions_may_be_lazy_and_all_must_hold() -> None:
    assert run_virtual(add(1).run_if(add(1)).run_if(add(2))) == 1
    with pytest.raises(SkippedError, match=r"'add'.*condition is false"):
        run_virtual(add(1).run_if(add(1)).run_if(add(0)))


def test_what_needs_a_skipped_value_is_skipped_and_the_error_names_the_cause() -> None:
    target = add(1).run_if(False).named("cause")
    for name in ("first", "second"):
        target = add(target).named(name)
    with pytest.raises(SkippedError) as raised:
        run_virtual(target)
    assert raised.value.task_name == "second"
    assert "'cause'" in raised.value.reason
    assert "condition is false" in raised.value.reason


def test_a_skip_names_its_cause_also_when_both_have_the_same_name() -> None:
    with pytest.raises(SkippedError, match="it needs 'add'"):
        run_virtual(add(add(1).run_if(False)))


def test_a_skipped_task_never_runs_and_is_told_once() -> None:
    ran: list[str] = []

    @cs.task(mode="inline")
    def note(name: str, *_needs: Any) -> None:
        ran.append(name)

    cause = note("cause").run_if(False)
    events, error = record([note("consumer", cause), note("other")])
    assert isinstance(error, SkippedError)
    assert ran == ["other"]
    assert [event.task_id for event in of(events, TaskSkipped)] == ["note#0", "note#1"]
    assert [event.task_id for event in of(events, TaskStarted)] == ["note#2"]


def test_a_skip_satisfies_an_order() -> None:
    assert run_virtual(add(1).after(add(2).run_if(False))) == 1


def test_a_skipped_condition_or_amount_skips() -> None:
    skipped = add(1).run_if(False).named("cause")
    with pytest.raises(SkippedError, match="'cause'"):
        run_virtual(add(1).run_if(skipped))
    with pytest.raises(SkippedError, match="'cause'"):
        run_virtual(add(1).with_constraints(gpu=skipped))


def test_a_skipped_part_of_a_container_is_an_error_after_the_rest_has_run() -> None:
    events, error = record({"a": wait(5), "b": [add(1).run_if(0).named("gone")]})
    assert isinstance(error, SkippedError)
    assert error.task_name == "gone"
    assert [event.time for event in of(events, TaskFinished)] == [5.0]


@pytest.mark.parametrize("task", [add, add_in_thread, add_async], ids=lambda task: task.mode)
def test_a_condition_without_a_truth_value_fails_the_task(task: cs.Task[int]) -> None:
    class Neither:
        def __bool__(self) -> bool:
            raise LookupError("neither")

    events, error = record([task(1).run_if(Neither()), task(2)])
    assert isinstance(error, LookupError)
    assert any(f"'{task.name}'" in note for note in error.__notes__)
    assert isinstance(events[-1], RunFinished)


# Values


class Value:
    """Something that weak references can watch."""


@pytest.mark.parametrize("mode", ["inline", "async", "thread", "mixed"])
def test_a_value_goes_as_soon_as_its_last_consumer_has_ended(mode: str) -> None:
    watched: list[weakref.ref[Value]] = []
    alive: list[bool] = []

    def make() -> Value:
        value = Value()
        watched.append(weakref.ref(value))
        return value

    def use(_value: Any, *_others: Any) -> None:
        alive.append(watched[0]() is not None)

    def look(_order: Any) -> None:
        alive.append(watched[0]() is not None)

    async def make_async() -> Value:
        return make()

    async def use_async(value: Any, *others: Any) -> None:
        use(value, *others)

    async def look_async(order: Any) -> None:
        look(order)

    def declare(plain: Any, awaited: Any) -> cs.Task[Any]:
        if mode == "async":
            return cs.task(awaited)
        return cs.task(mode="thread" if mode == "thread" else "inline")(plain)

    async def main() -> None:
        first = declare(make, make_async)()
        if mode == "mixed":
            first = first.named("not plain")
        one = declare(use, use_async)(first)
        two = declare(use, use_async)([first], one)
        end = declare(look, look_async)(declare(look, look_async)(two))
        gc.collect()
        gc.disable()
        try:
            await cs.Engine().run(end)
        finally:
            gc.enable()

    asyncio.run(main())
    assert alive[:2] == [True, True]
    assert alive[-1] is False


def test_a_value_that_nobody_needs_is_not_kept() -> None:
    watched: list[weakref.ref[Value]] = []

    @cs.task
    async def make() -> Value:
        value = Value()
        watched.append(weakref.ref(value))
        return value

    @cs.task
    async def look() -> bool:
        await asyncio.sleep(1)
        return watched[0]() is None

    assert run_virtual(look().after(make()))


# Context variables


@pytest.mark.parametrize("plain", [True, False])
def test_inline_tasks_leak_no_context_variables(plain: bool) -> None:
    @cs.task(mode="inline")
    def swap(name: str, steps: int = 0) -> Any:
        found = variable.get()
        variable.set(name)
        return cs.TailCall(name, steps - 1) if steps else found

    async def main() -> list[str]:
        variable.set("caller's")
        calls = [swap("first"), swap("second"), swap("stepping", 2), swap("third")]
        target = calls if plain else [call.named("named") for call in calls]
        return [*await cs.Engine().run(target), variable.get()]

    first, second, _, third, callers = asyncio.run(main())
    assert (first, second, third, callers) == ("caller's",) * 4


@pytest.mark.parametrize("run", [asyncio.run, run_virtual])
@pytest.mark.parametrize("mode", ["inline", "thread"])
def test_context_variables_of_the_caller_reach_the_tasks(
    run: Callable[..., Any], mode: Any
) -> None:
    @cs.task(mode=mode)
    def look() -> str:
        return variable.get()

    async def main() -> Any:
        variable.set("caller's")
        engine = cs.Engine()
        return [
            await engine.run(look()),
            await engine.run(look().named("named")),
            await engine.run(look().with_constraints(slot=1)),
        ]

    assert run(main()) == ["caller's"] * 3
