"""map: a child for each element, in any number, of which the map itself holds nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from tests.runtime.queueing import check_idle

import cascade as cs
from cascade.errors import SkippedError
from cascade.runtime.events import (
    TaskFinished,
    TaskRetrying,
    TaskSkipped,
    TaskStarted,
)
from cascade.testing import EventRecorder, run_virtual


class Room:
    """How many are in it, and the most that ever were."""

    def __init__(self) -> None:
        self.inside = self.most = 0
        self.order: list[Any] = []

    async def visit(self, who: Any, seconds: float = 1.0) -> None:
        self.order.append(who)
        self.inside += 1
        self.most = max(self.most, self.inside)
        try:
            await asyncio.sleep(seconds)
        finally:
            self.inside -= 1


def now() -> float:
    return asyncio.get_running_loop().time()


@cs.task
async def visit(room: Room, who: int, seconds: float = 1.0) -> int:
    await room.visit(who, seconds)
    return who * 10


@cs.task(mode="inline")
def numbers(count: int) -> list[int]:
    return list(range(count))


@cs.task(mode="inline")
def add(a: int, b: int = 100) -> int:
    return a + b


@cs.task
def add_in_a_thread(a: int, b: int) -> int:
    return a + b


@cs.task(mode="inline")
def boolean(value: bool) -> bool:
    return value


class TestValues:
    @pytest.mark.parametrize("task", [add, add_in_a_thread])
    def test_are_a_list_in_the_order_of_the_elements(self, task: Any) -> None:
        assert cs.run(task.map(a=[3, 1, 2], b=(10, 20, 30))) == [13, 21, 32]

    def test_come_in_that_order_whoever_ends_first(self) -> None:
        room = cs.constant(Room())
        lazy = visit.map(room=room, who=[1, 2, 3], seconds=[3.0, 1.0, 2.0])
        assert run_virtual(cs.Engine().run(lazy)) == [10, 20, 30]

    def test_defaults_hold_for_parameters_that_are_not_named(self) -> None:
        assert cs.run(add.map(a=range(3))) == [100, 101, 102]

    def test_iterables_may_be_lazy_or_hold_lazy_results(self) -> None:
        lazy = add.map(a=numbers(3), b=[add(1, 1), 5, add(2, 2)])
        assert cs.run(lazy) == [2, 6, 6]

    def test_a_constant_is_the_same_for_every_child_lazy_or_iterable(self) -> None:
        made: list[int] = []

        @cs.task(mode="inline")
        def once() -> list[int]:
            made.append(1)
            return [7]

        @cs.task(mode="inline")
        def pair(a: int, rest: list[int]) -> tuple[int, list[int]]:
            return a, rest

        assert cs.run(pair.map(a=[1, 2], rest=cs.constant(once()))) == [(1, [7]), (2, [7])]
        assert made == [1]
        assert cs.run(pair.map(a=[1], rest=cs.constant([1, 2]))) == [(1, [1, 2])]

    def test_a_map_feeds_further_tasks_and_further_maps(self) -> None:
        @cs.task(mode="inline")
        def total(values: list[int]) -> int:
            return sum(values)

        first = add.map(a=numbers(4), b=cs.constant(1))
        assert cs.run(total(add.map(a=first, b=first))) == 20

    def test_no_elements_are_an_empty_list(self) -> None:
        assert cs.run(add.map(a=[])) == []
        assert cs.run(add.map(a=numbers(0)), use_vm=True) == []

    def test_generators_and_dicts_are_taken_apart_as_python_does_it(self) -> None:
        assert cs.run(add.map(a=(n for n in (1, 2)), b={5: "x", 6: "y"})) == [6, 8]

    def test_a_list_that_changes_after_the_call_changes_nothing(self) -> None:
        values = [1, 2]
        lazy = add.map(a=values)
        values.append(3)
        assert cs.run(lazy) == [101, 102]

    def test_also_one_that_a_task_has_made(self) -> None:
        values = [1, 2]

        @cs.task(mode="inline")
        def made() -> list[int]:
            return values

        @cs.task(mode="inline")
        def change(n: int) -> int:
            values.clear()
            return n

        assert cs.run(change.map(n=made())) == [1, 2]

    def test_the_elements_of_a_range_are_made_one_by_one(self) -> None:
        everything = range(10**12)
        assert add.map(a=everything).bound[1] == {"a": everything}

    def test_children_may_make_tail_calls(self) -> None:
        @cs.task
        async def countdown(n: int, steps: int = 0) -> Any:
            await asyncio.sleep(1)
            return cs.TailCall(n - 1, steps + 1) if n else steps

        assert run_virtual(cs.Engine().run(countdown.map(n=[2, 0, 5]))) == [2, 0, 5]

    def test_resources_are_injected_into_each_child_and_set_up_once(self) -> None:
        made: list[str] = []

        @cs.resource
        def base() -> Iterator[int]:
            made.append("up")
            yield 1000
            made.append("down")

        @cs.task(mode="inline")
        def plus(a: int, base: Any = cs.inject("base")) -> Any:  # noqa: B008
            return a + base

        engine = cs.Engine()
        engine.register(base)
        assert asyncio.run(engine.run(plus.map(a=[1, 2, 3]))) == [1001, 1002, 1003]
        assert made == ["up", "down"]
        with pytest.raises(cs.errors.InjectionError, match="'base'"):
            cs.run(plus.map(a=[1]))


class TestWhatDoesNotFit:
    def test_iterables_of_different_lengths_fail_at_the_call(self) -> None:
        with pytest.raises(ValueError, match=r"add\.map\(\).*equal length.*a has 2, b has 3"):
            add.map(a=[1, 2], b=[1, 2, 3])

    def test_lazy_ones_fail_when_they_are_known(self) -> None:
        with pytest.raises(ValueError, match=r"equal length.*a has 3, b has 2") as caught:
            cs.run(add.map(a=numbers(3), b=[1, 2]).named("sums"))
        assert any("'sums'" in note for note in caught.value.__notes__)

    @pytest.mark.parametrize("value", ["abc", b"abc", 5, None])
    def test_what_is_no_iterable_is_refused_with_a_hint(self, value: Any) -> None:
        with pytest.raises(TypeError, match=r"iterable for 'a'.*cs\.constant"):
            add.map(a=value)

    def test_a_lazy_one_that_is_none_fails_the_map(self) -> None:
        with pytest.raises(TypeError, match="iterable for 'a', got 101"):
            cs.run(add.map(a=add(1)))

    def test_names_must_fit_the_signature(self) -> None:
        with pytest.raises(TypeError, match="unexpected keyword argument 'c'"):
            add.map(a=[1], c=[2])
        with pytest.raises(TypeError, match="missing 1 required positional argument"):
            add.map(b=[2])

    def test_something_must_be_there_to_take_apart(self) -> None:
        with pytest.raises(ValueError, match="at least one iterable"):
            add.map(a=cs.constant(1))

    def test_a_constant_in_an_ordinary_call_is_refused(self) -> None:
        with pytest.raises(TypeError, match=r"constant\(1\) is for \.map\(\)"):
            add(cs.constant(1))

    @pytest.mark.parametrize("n", [0, -1, 1.5, True])
    def test_a_window_is_a_whole_number_from_one(self, n: Any) -> None:
        with pytest.raises((TypeError, ValueError), match=r"^n must be a whole number ≥ 1"):
            add.map(a=[1]).windowed(n=n)


class TestSlots:
    @pytest.mark.parametrize("capacity", [1, 3])
    def test_the_map_holds_none_so_that_its_children_have_them_all(self, capacity: int) -> None:
        room = Room()
        engine = cs.Engine(system_resources={"slot": capacity})
        lazy = visit.map(room=cs.constant(room), who=range(9)).with_constraints(slot=1)

        async def main() -> float:
            await engine.run(lazy)
            check_idle(engine.resource_manager)
            return now()

        assert run_virtual(main()) == 9 / capacity
        assert room.most == capacity

    def test_amounts_may_be_computed(self) -> None:
        room = Room()
        engine = cs.Engine(system_resources={"slot": 6})
        lazy = visit.map(room=cs.constant(room), who=range(4)).with_constraints(slot=add(1, 2))
        run_virtual(engine.run(lazy))
        assert room.most == 2

    def test_priority_is_each_childs(self) -> None:
        room = Room()
        engine = cs.Engine(system_resources={"slot": 1})
        low = visit.map(room=cs.constant(room), who=[1, 2]).with_constraints(slot=1)
        high = visit.map(room=cs.constant(room), who=[8, 9]).with_constraints(slot=1)
        run_virtual(engine.run([low, high.with_priority(5)]))
        assert room.order == [1, 8, 9, 2]

    def test_a_live_rule_reaches_the_children_and_not_the_map(self) -> None:
        room = Room()

        async def main() -> None:
            engine = cs.Engine()
            run = asyncio.ensure_future(
                engine.run(visit.map(room=cs.constant(room), who=range(12)).windowed(4))
            )
            await asyncio.sleep(0.5)
            rule = cs.GlobalConstraint("few", "task:visit", "concurrency", {"limit": 2})
            engine.constraint_manager.update(rule)
            charged = engine.resource_manager.statistics().resources["rule:few"].used
            assert charged == 4
            room.most = 0
            await run
            assert room.most <= 2
            # Four in the first second, then two in each.
            assert now() == 5
            check_idle(engine.resource_manager)

        run_virtual(main())

    def test_retry_and_timeout_are_each_childs(self) -> None:
        tries: list[int] = []

        @cs.task
        async def fragile(n: int) -> int:
            tries.append(n)
            if tries.count(n) < n:
                await asyncio.sleep(9)
            return n

        engine = cs.Engine()
        recorder = EventRecorder(engine.bus)
        lazy = fragile.map(n=[1, 2, 3]).with_timeout(1).with_retry(3)
        assert run_virtual(engine.run(lazy)) == [1, 2, 3]
        assert sorted(tries) == [1, 2, 2, 3, 3, 3]
        assert {event.task_name for event in recorder.of(TaskRetrying)} == {
            "fragile[1]",
            "fragile[2]",
        }


class TestWindows:
    def test_bound_how_many_children_exist_at_once(self) -> None:
        room, _alive, most = Room(), 0, 0

        class Watching(cs.Engine):
            pass

        async def main() -> float:
            nonlocal most
            before = len(asyncio.all_tasks())
            run = asyncio.ensure_future(
                cs.Engine().run(visit.map(room=cs.constant(room), who=range(1000)).windowed(10))
            )
            while not run.done():
                await asyncio.sleep(0.5)
                most = max(most, len(asyncio.all_tasks()) - before)
            return now()

        assert run_virtual(main()) == pytest.approx(100, abs=1)
        assert room.most == 10
        # The run, the map, and the ten.
        assert most <= 12

    def test_a_slow_child_does_not_hold_up_the_others(self) -> None:
        room = Room()
        lazy = visit.map(
            room=cs.constant(room), who=range(5), seconds=[9.0, 1.0, 1.0, 1.0, 1.0]
        ).windowed(2)

        async def main() -> float:
            await cs.arun(lazy)
            return now()

        assert run_virtual(main()) == 9


class TestFailures:
    def test_the_first_one_cancels_the_others_and_is_raised_as_it_is(self) -> None:
        ended: list[int] = []

        @cs.task
        async def child(n: int) -> None:
            try:
                await asyncio.sleep(n)
                if n == 2:
                    raise KeyError("two")
            finally:
                ended.append(n)

        async def main() -> None:
            engine = cs.Engine(system_resources={"slot": 3})
            recorder = EventRecorder(engine.bus)
            lazy = child.map(n=[1, 2, 3, 4, 5, 6]).with_constraints(slot=1).named("children")
            with pytest.raises(KeyError, match="two") as caught:
                await engine.run(lazy)
            assert now() == 2
            notes = "\n".join(caught.value.__notes__)
            assert "'children[1]', child 2 of 6" in notes
            assert "task 'children' (node 1 of 1)" in notes
            assert ended[:2] == [1, 2]
            # The fifth was granted the slot of the one that failed.
            assert sorted(ended) == [1, 2, 3, 4, 5]
            status = {event.task_name: event.status for event in recorder.of(TaskFinished)}
            assert status == {
                "children[0]": "succeeded",
                "children[1]": "failed",
                "children[2]": "cancelled",
                "children[3]": "cancelled",
                "children[4]": "cancelled",
                "children": "failed",
            }
            skipped = [(e.task_name, e.reason) for e in recorder.of(TaskSkipped)]
            assert skipped == [("children[5]", "Cancelled")]
            check_idle(engine.resource_manager)

        run_virtual(main())

    def test_collected_they_take_the_place_of_values(self) -> None:
        @cs.task(mode="inline")
        def invert(n: int) -> float:
            return 1 / n

        values = cs.run(invert.map(n=[1, 0, 4]).collecting_errors())
        assert values[0] == 1
        assert isinstance(values[1], ZeroDivisionError)
        assert values[2] == 0.25

    def test_a_cancelled_run_ends_all_children_and_starts_no_more(self) -> None:
        room = Room()

        async def main() -> None:
            engine = cs.Engine(system_resources={"slot": 2})
            recorder = EventRecorder(engine.bus)
            lazy = visit.map(room=cs.constant(room), who=range(9)).with_constraints(slot=1)
            run = asyncio.ensure_future(engine.run(lazy))
            await asyncio.sleep(1.5)
            run.cancel()
            with pytest.raises(asyncio.CancelledError):
                await run
            assert now() == 1.5
            assert room.inside == 0
            assert room.order == [0, 1, 2, 3]
            started = {event.task_id for event in recorder.of(TaskStarted)}
            assert started == {event.task_id for event in recorder.of(TaskFinished)}
            check_idle(engine.resource_manager)
            assert not list(engine.resource_manager.runs)

        run_virtual(main())

    def test_a_child_that_takes_long_to_clean_up_is_waited_for(self) -> None:
        cleaned: list[float] = []

        @cs.task
        async def child(n: int) -> None:
            try:
                await asyncio.sleep(9)
            finally:
                await asyncio.sleep(2)
                cleaned.append(now())

        async def main() -> None:
            run = asyncio.ensure_future(cs.arun(child.map(n=[1, 2])))
            await asyncio.sleep(1)
            run.cancel()
            with pytest.raises(asyncio.CancelledError):
                await run
            assert now() == 3
            assert cleaned == [3, 3]

        run_virtual(main())


class TestWhatBelongsToTheMap:
    def test_its_condition(self) -> None:
        with pytest.raises(SkippedError):
            cs.run(add.map(a=[1]).run_if(boolean(False)))
        assert cs.run(add.map(a=[1]).run_if(boolean(True))) == [101]

    def test_its_order(self) -> None:
        room = Room()
        first = visit(room, 1)
        second = visit.map(room=cs.constant(room), who=[2, 3]).after(first)
        run_virtual(cs.Engine().run([first, second]))
        assert room.order == [1, 2, 3]
        assert room.most == 2

    def test_its_name_and_ids(self) -> None:
        engine = cs.Engine()
        recorder = EventRecorder(engine.bus)
        asyncio.run(engine.run(add.map(a=[1, 2]).named("sums")))
        assert [(e.task_id, e.task_name) for e in recorder.of(TaskStarted)] == [
            ("add#0", "sums"),
            ("add#0[0]", "sums[0]"),
            ("add#0[1]", "sums[1]"),
        ]

    def test_two_variants_of_one_map_are_told_apart(self) -> None:
        lazy = add.map(a=[1])
        with pytest.raises(cs.errors.GraphError, match="a window of 3"):
            cs.run([lazy, lazy.windowed(3)])
        with pytest.raises(cs.errors.GraphError, match="errors collected"):
            cs.run([lazy, lazy.collecting_errors()])


def test_context_variables_of_a_child_stay_its_own() -> None:
    import contextvars

    variable: contextvars.ContextVar[int] = contextvars.ContextVar("variable", default=0)

    @cs.task
    async def child(n: int) -> int:
        before = variable.get()
        variable.set(n)
        await asyncio.sleep(0)
        return before

    assert cs.run(child.map(n=[1, 2, 3]).windowed(1)) == [0, 0, 0]
