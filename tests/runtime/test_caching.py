"""Cached calls in a run: hits queue for nothing, equal calls share a run, failures aren't kept."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any

import pytest

import cascade as cs
from cascade import testing
from cascade.runtime.events import TaskFinished, TaskSkipped, TaskStarted


class World:
    """A task that counts its calls."""

    def __init__(self) -> None:
        self.calls: list[Any] = []
        self.failing = 0

        @cs.task
        async def work(value: Any, *, takes: float = 1.0) -> Any:
            self.calls.append(value)
            await asyncio.sleep(takes)
            if self.failing:
                self.failing -= 1
                raise RuntimeError(f"failed with {value}")
            return value

        self.work = work

    def cached(self, value: Any, **options: Any) -> cs.LazyResult[Any]:
        return self.work(value).with_cache(cs.cache(version=1, **options))


@pytest.fixture
def world() -> World:
    return World()


def run(target: Any, **options: Any) -> Any:
    return testing.run_virtual(cs.arun(target, **options))


def test_a_value_is_taken_over_by_later_runs(world: World) -> None:
    assert run(world.cached(5)) == 5
    assert run(world.cached(5)) == 5
    assert run(world.cached(6)) == 6
    assert world.calls == [5, 6]


def test_none_is_a_value(world: World) -> None:
    assert run(world.cached(None)) is run(world.cached(None)) is None
    assert world.calls == [None]


@pytest.mark.parametrize("kept", [cs.InMemoryCache, lambda: None])
def test_what_a_task_changes_around_it_makes_no_other_task_of_it(kept: Any) -> None:
    calls: list[int] = []
    count = 0

    @cs.task
    async def work(value: int) -> int:
        nonlocal count
        count += 1
        calls.append(value)
        await asyncio.sleep(1)
        return -value

    async def steps() -> None:
        engine = cs.Engine(cache_backend=kept())
        for _ in range(2):
            lazies = [work(number).with_cache(cs.cache()) for number in (1, 2, 1)]
            assert await engine.run(lazies) == [-1, -2, -1]

    testing.run_virtual(steps())
    assert (calls, count) == ([1, 2], 2)


def test_tasks_made_around_different_values_share_none(tmp_path: Path) -> None:
    def adder(number: list[int]) -> cs.Task[int]:
        @cs.task
        def add(value: int) -> int:
            return value + number[0]

        return add

    files = cs.FileCache(tmp_path)
    totals = [
        cs.run(adder([number])(1).with_cache(cs.cache()), cache_backend=files)
        for number in (1, 2, 1)
    ]
    assert totals == [2, 3, 2]


def test_the_content_of_computed_arguments_counts(world: World) -> None:
    @cs.task(mode="inline")
    def number(n: int) -> list[int]:
        return [n]

    assert run(world.cached([number(1), 2])) == [[1], 2]
    assert run(world.cached([[1], number(2)[0]])) == [[1], 2]
    assert len(world.calls) == 1


def test_a_lifetime(world: World) -> None:
    async def steps() -> None:
        engine = cs.Engine()
        await engine.run(world.cached(1, ttl=10))
        await asyncio.sleep(9.5)
        await engine.run(world.cached(1, ttl=10))
        await asyncio.sleep(1)
        await engine.run(world.cached(1, ttl=10))

    testing.run_virtual(steps())
    assert world.calls == [1, 1]


def test_an_engine_with_a_backend_keeps_values_there(world: World, tmp_path: Path) -> None:
    files = cs.FileCache(tmp_path)

    async def steps() -> None:
        for _ in range(2):
            await cs.Engine(cache_backend=files).run(world.cached("x"))
        await cs.Engine(cache_backend=cs.InMemoryCache()).run(world.cached("x"))

    asyncio.run(steps())
    assert world.calls == ["x", "x"]


@pytest.mark.parametrize("value", [1, None])
def test_a_hit_queues_for_no_slot_and_starts_nothing(world: World, value: object) -> None:
    async def steps() -> list[str]:
        engine = cs.Engine(system_resources={"slot": 1})
        lazy = world.cached(value).with_constraints(slot=1)
        await engine.run(lazy)
        recorder = testing.EventRecorder(engine.bus)
        async with engine.resource_manager.hold({"slot": 1}):
            assert await engine.run(lazy) == value
        assert [event.reason for event in recorder.of(TaskSkipped)] == ["CacheHit"]
        return recorder.names()

    assert testing.run_virtual(steps()) == ["RunStarted", "TaskSkipped", "RunFinished"]


def test_who_needs_a_value_from_the_cache_gets_it(world: World) -> None:
    run(world.cached(1))
    assert run(world.work([world.cached(1), world.cached(1)])) == [1, 1]


def test_equal_calls_under_way_share_one_run(world: World) -> None:
    async def steps() -> None:
        engine = cs.Engine()
        recorder = testing.EventRecorder(engine.bus)
        values = await engine.run([world.cached(1) for _ in range(5)])
        assert values == [1] * 5
        assert len(recorder.of(TaskStarted)) == len(recorder.of(TaskFinished)) == 1
        assert len(recorder.of(TaskSkipped)) == 4
        await asyncio.gather(*[cs.Engine().run(world.cached(2)) for _ in range(3)])

    testing.run_virtual(steps())
    assert world.calls == [1, 2]


def test_the_followers_of_one_that_fails_run_themselves(world: World) -> None:
    async def steps() -> list[Any]:
        world.failing = 1
        runs = [cs.Engine().run(world.cached(1)) for _ in range(3)]
        return await asyncio.gather(*runs, return_exceptions=True)

    first, *others = testing.run_virtual(steps())
    assert isinstance(first, RuntimeError)
    assert others == [1, 1]
    assert world.calls == [1, 1]


def test_the_followers_of_one_that_is_cancelled_run_themselves(world: World) -> None:
    async def steps() -> Any:
        first = asyncio.create_task(cs.Engine().run(world.cached(1)))
        second = asyncio.create_task(cs.Engine().run(world.cached(1)))
        await asyncio.sleep(0.5)
        first.cancel()
        return await second

    assert testing.run_virtual(steps()) == 1
    assert world.calls == [1, 1]


def test_a_follower_that_is_cancelled_leaves_the_others_alone(world: World) -> None:
    async def steps() -> Any:
        first = asyncio.create_task(cs.Engine().run(world.cached(1)))
        second = asyncio.create_task(cs.Engine().run(world.cached(1)))
        await asyncio.sleep(0.5)
        second.cancel()
        with pytest.raises(asyncio.CancelledError):
            await second
        return await first

    assert testing.run_virtual(steps()) == 1
    assert world.calls == [1]


def test_a_failure_is_not_kept_and_retries_count_inside(world: World) -> None:
    world.failing = 2
    with pytest.raises(RuntimeError):
        run(world.cached(1))
    assert run(world.cached(1).with_retry(2)) == 1
    assert run(world.cached(1)) == 1
    assert world.calls == [1, 1, 1]


def test_each_child_of_a_map_has_its_own(world: World) -> None:
    run(world.cached(2))
    mapped = world.work.map(value=[1, 2, 1, 3], takes=cs.constant(1.0))
    assert run(mapped.with_cache(cs.cache(version=1))) == [1, 2, 1, 3]
    assert world.calls == [2, 1, 3]


def test_a_machine_keeps_its_final_value() -> None:
    steps: list[int] = []

    @cs.task
    async def count(n: int) -> Any:
        steps.append(n)
        return cs.TailCall(n - 1) if n else "done"

    async def twice() -> list[Any]:
        engine = cs.Engine()
        return [
            await engine.run(count(3).with_cache(cs.cache(version=1)), use_vm=True) for _ in "12"
        ]

    assert testing.run_virtual(twice()) == ["done", "done"]
    assert steps == [3, 2, 1, 0]


def test_injected_resources_count_by_name_and_are_not_set_up_for_a_hit(world: World) -> None:
    made: list[str] = []

    @cs.resource
    def db() -> Any:
        made.append("db")
        yield object()

    @cs.task
    async def query(text: str, connection: Any = cs.inject("db")) -> str:  # noqa: B008
        return text

    async def twice() -> None:
        engine = cs.Engine()
        engine.register(db)
        for _ in range(2):
            assert await engine.run(query("x").with_cache(cs.cache(version=1))) == "x"

    testing.run_virtual(twice())
    assert made == ["db"]


def test_a_value_that_cannot_be_kept_fails_the_task(world: World, tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="can't be kept as JSON") as caught:
        asyncio.run(cs.arun(world.cached(tmp_path), cache_backend=cs.FileCache(tmp_path)))
    assert "while keeping the value of task 'work'" in caught.value.__notes__


def test_nothing_is_left_of_calls_that_have_ended(world: World) -> None:
    run([world.cached(1), world.cached(1)])
    world.failing = 1
    with pytest.raises(RuntimeError):
        run(world.cached(2))
    assert world.work.flights == {}


class TestFileTarget:
    def touch(self, file: Path, when: int) -> None:
        file.write_text(str(when))
        os.utime(file, (when, when))

    def test_the_task_runs_while_the_file_is_missing_or_older(self, tmp_path: Path) -> None:
        made: list[str] = []
        source, target = tmp_path / "in", tmp_path / "out"

        @cs.task(mode="inline")
        def convert(path: Path) -> None:
            made.append(path.name)
            self.touch(target, 200)

        def convert_it() -> Path:
            path: Any = cs.run(convert(source).with_cache(cs.cache.file(target)))
            assert path == target
            return target

        self.touch(source, 100)
        convert_it()
        convert_it()
        assert made == ["in"]
        self.touch(source, 300)
        convert_it()
        assert made == ["in", "in"]

    def test_the_path_may_depend_on_the_arguments(self, tmp_path: Path) -> None:
        @cs.task(mode="inline")
        def write(name: str) -> None:
            (tmp_path / name).write_text(name)

        policy = cs.cache.file(lambda name: tmp_path / name)
        assert run(write.map(name=["a", "b"]).with_cache(policy)) == [
            tmp_path / "a",
            tmp_path / "b",
        ]

    def test_a_file_that_a_failing_task_has_begun_is_removed(self, tmp_path: Path) -> None:
        target = tmp_path / "out"

        @cs.task(mode="inline")
        def half() -> None:
            target.write_text("half")
            raise RuntimeError("then it failed")

        with pytest.raises(RuntimeError):
            run(half().with_cache(cs.cache.file(target)))
        assert not target.exists()

    def test_what_cannot_be_removed_does_not_hide_why_the_task_failed(self, tmp_path: Path) -> None:
        target = tmp_path / "out"

        @cs.task(mode="inline")
        def misled() -> None:
            target.mkdir()
            raise RuntimeError("then it failed")

        with pytest.raises(RuntimeError, match="then it failed") as caught:
            run(misled().with_cache(cs.cache.file(target)))
        assert any("is still there" in note for note in caught.value.__notes__)

    def test_a_task_that_has_not_made_its_file_fails(self, tmp_path: Path) -> None:
        @cs.task(mode="inline")
        def nothing() -> None: ...

        with pytest.raises(FileNotFoundError, match="task 'nothing' was to make"):
            run(nothing().with_cache(cs.cache.file(tmp_path / "out")))
