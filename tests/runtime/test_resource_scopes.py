"""Injected resources: set up when first needed, torn down in reverse order on every path."""
# ruff: noqa: B008 - an injection as a default is how tasks ask for resources

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

import cascade as cs
from cascade.errors import InjectionError
from cascade.runtime.events import ResourceEvent, ResourceSetUp, ResourceTornDown
from cascade.testing import EventRecorder, run_virtual


class World:
    """Resources that write a diary, and an engine that knows them."""

    def __init__(self, **options: Any) -> None:
        self.diary: list[str] = []
        self.engine = cs.Engine(**options)

    def add(
        self,
        name: str,
        needs: str | None = None,
        seconds: float | None = None,
        tear_down: BaseException | None = None,
    ) -> None:
        """Register a resource; async if it takes `seconds` to set up and to tear down."""
        diary = self.diary

        def sync(needed: Any = None) -> Iterator[str]:
            diary.append(f"+{name}")
            yield name if needed is None else f"{name}({needed})"
            diary.append(f"-{name}")
            if tear_down is not None:
                raise tear_down

        async def slow(needed: Any = None) -> AsyncIterator[str]:
            assert seconds is not None
            await asyncio.sleep(seconds)
            for value in sync(needed):
                yield value
                await asyncio.sleep(seconds)

        def sync_needing(needed: Any = cs.inject(needs or name)) -> Iterator[str]:
            yield from sync(needed)

        async def slow_needing(needed: Any = cs.inject(needs or name)) -> AsyncIterator[str]:
            async for value in slow(needed):
                yield value

        with_needs, without = (sync_needing, sync) if seconds is None else (slow_needing, slow)
        self.engine.register(cs.resource(name=name)(with_needs if needs else without))

    async def run(self, *targets: Any) -> Any:
        return await self.engine.run(list(targets))


@cs.task
async def use(*resources: Any, seconds: float = 0.0, error: BaseException | None = None) -> Any:
    await asyncio.sleep(seconds)
    if error is not None:
        raise error
    return resources


@cs.task
async def use_default(value: int, it: Any = cs.inject("a")) -> Any:
    return value, it


def test_resources_are_injected_as_defaults_arguments_and_inside_containers() -> None:
    world = World()
    world.add("a")
    world.add("b", seconds=1)
    targets = use_default(1), use(cs.inject("b"), [cs.inject("a"), {"k": cs.inject("b")}])
    assert run_virtual(world.run(*targets)) == [(1, "a"), ("b", ["a", {"k": "b"}])]


@pytest.mark.parametrize("mode", ["inline", "thread"])
def test_plain_functions_get_them_too(mode: Any) -> None:
    @cs.task(mode=mode)
    def look(it: Any = cs.inject("a")) -> Any:
        return it

    world = World()
    world.add("a")
    assert run_virtual(world.run(look())) == ["a"]


def test_a_resource_is_set_up_once_and_only_if_needed() -> None:
    world = World()
    for name in ("a", "b", "unneeded"):
        world.add(name, seconds=1)
    calls = [use_default(1), use_default(2), use(cs.inject("b")), use(cs.inject("unneeded"))]
    calls[3] = calls[3].run_if(False)
    run_virtual(world.run(use(*calls[:3]).after(calls[3])))
    assert sorted(world.diary[:2]) == ["+a", "+b"]
    assert sorted(world.diary[2:]) == ["-a", "-b"]


def test_resources_that_nobody_asks_for_do_not_matter() -> None:
    world = World()
    world.add("a", needs="missing")
    assert run_virtual(world.run(use(1))) == [(1,)]


def test_resources_get_each_other_and_go_in_reverse_order() -> None:
    world = World()
    world.add("c", needs="b")
    world.add("b", needs="a", seconds=1)
    world.add("a")
    assert run_virtual(world.run(use(cs.inject("c"), cs.inject("a")))) == [("c(b(a))", "a")]
    assert world.diary == ["+a", "+b", "+c", "-c", "-b", "-a"]


def test_resources_set_up_at_the_same_time_go_in_the_reverse_order_of_their_being_ready() -> None:
    world = World()
    recorder = EventRecorder(world.engine.bus)
    world.add("slow", seconds=5)
    world.add("quick", seconds=1)
    run_virtual(world.run(use(cs.inject("slow")), use(cs.inject("quick"))))
    assert world.diary == ["+quick", "+slow", "-slow", "-quick"]
    assert [event.resource_name for event in recorder.of(ResourceEvent)] == [
        *("quick", "slow"),
        *("slow", "quick"),
    ]


def test_a_task_waits_for_its_own_resources_only_and_holds_no_slot_meanwhile() -> None:
    world = World(system_resources={"slot": 1})
    world.add("a", seconds=100)
    ended: list[float] = []

    @cs.task
    async def quick() -> None:
        await asyncio.sleep(1)
        ended.append(asyncio.get_running_loop().time())

    slow = use_default(1).with_constraints(slot=1)
    run_virtual(world.run(slow, quick().with_constraints(slot=1)))
    assert ended == [1.0]


def test_each_run_has_its_own() -> None:
    world = World()
    world.add("a", seconds=1)

    async def main() -> None:
        await asyncio.gather(*[world.run(use_default(1)) for _ in range(2)])
        assert world.diary == ["+a", "+a", "-a", "-a"]
        await world.run(use_default(1))
        assert world.diary[4:] == ["+a", "-a"]

    run_virtual(main())


def test_they_are_torn_down_when_a_task_fails_and_when_the_run_is_cancelled() -> None:
    async def main(error: BaseException | None) -> list[str]:
        world = World()
        world.add("a", seconds=1)
        world.add("b", needs="a")
        run = asyncio.ensure_future(world.run(use(cs.inject("b"), seconds=10, error=error)))
        await asyncio.wait([run], timeout=None if error else 5)
        run.cancel()
        await asyncio.wait([run])
        assert asyncio.all_tasks() == {asyncio.current_task()}
        return world.diary

    for error in (LookupError(), None):
        assert run_virtual(main(error)) == ["+a", "+b", "-b", "-a"]


def test_they_are_torn_down_after_all_tasks_and_before_the_run_has_ended() -> None:
    world = World()
    recorder = EventRecorder(world.engine.bus)
    world.add("a", seconds=1)
    run_virtual(world.run(use_default(1), use(seconds=5)))
    assert recorder.names()[-3:] == ["TaskFinished", "ResourceTornDown", "RunFinished"]
    assert recorder.events[-2].time == recorder.events[-1].time == 6.0


def test_a_cancelled_set_up_is_ended_and_a_second_cancel_does_not_break_the_tear_down() -> None:
    diary: list[str] = []

    @cs.resource
    async def a() -> AsyncIterator[str]:
        try:
            await asyncio.sleep(10)
            yield "a"
        finally:
            await asyncio.sleep(10)
            diary.append("ended")

    async def main(cancel_after: float) -> float:
        engine = cs.Engine()
        engine.register(a)
        run = asyncio.ensure_future(engine.run(use(cs.inject("a"), seconds=100)))
        await asyncio.sleep(cancel_after)
        for _ in range(3):
            run.cancel()
            await asyncio.sleep(1)
        await asyncio.wait([run])
        assert run.cancelled()
        assert asyncio.all_tasks() == {asyncio.current_task()}
        return asyncio.get_running_loop().time()

    assert run_virtual(main(5)) == 15.0
    assert run_virtual(main(15)) == 25.0
    assert diary == ["ended", "ended"]


# Failures


@pytest.mark.parametrize("is_async", [True, False])
def test_a_failing_set_up_is_raised_as_it_is_with_notes(is_async: bool) -> None:
    error = OSError("no network")

    def connect() -> None:
        raise error

    def fail() -> Iterator[None]:
        connect()
        yield

    async def fail_async() -> AsyncIterator[None]:
        connect()
        yield

    world = World()
    world.add("before")
    world.engine.register(cs.resource(name="broken")(fail_async if is_async else fail))
    with pytest.raises(OSError, match="no network") as raised:
        run_virtual(world.run(use(cs.inject("before"), cs.inject("broken")).named("asker")))
    assert raised.value is error
    notes = "\n".join(error.__notes__)
    assert "setting up resource 'broken'" in notes
    assert "'asker'" in notes
    assert world.diary == ["+before", "-before"]


def test_a_failing_tear_down_fails_the_run_and_the_others_still_go() -> None:
    world = World()
    recorder = EventRecorder(world.engine.bus)
    error = OSError("can't close")
    world.add("a")
    world.add("b", needs="a", tear_down=error)
    with pytest.raises(OSError, match="can't close") as raised:
        run_virtual(world.run(use(cs.inject("b"))))
    assert raised.value is error
    assert any("tearing down resource 'b'" in note for note in error.__notes__)
    assert world.diary == ["+a", "+b", "-b", "-a"]
    errors = {event.resource_name: event.error for event in recorder.of(ResourceTornDown)}
    assert errors == {"b": error, "a": None}


def test_a_failing_tear_down_does_not_hide_the_tasks_error() -> None:
    world = World()
    error = LookupError("mine")
    world.add("a", tear_down=OSError("can't close"))
    with pytest.raises(LookupError) as raised:
        run_virtual(world.run(use(cs.inject("a"), error=error)))
    assert raised.value is error
    assert any("can't close" in note for note in error.__notes__)


@pytest.mark.parametrize("is_async", [True, False])
@pytest.mark.parametrize(("yields", "words"), [(0, "without a yield"), (2, "more than one yield")])
def test_a_resource_yields_exactly_once(is_async: bool, yields: int, words: str) -> None:
    closed: list[str] = []

    def sync() -> Iterator[int]:
        try:
            yield from range(yields)
        finally:
            closed.append("closed")

    async def slow() -> AsyncIterator[int]:
        for number in sync():
            yield number

    world = World()
    world.engine.register(cs.resource(name="odd")(slow if is_async else sync))
    with pytest.raises(RuntimeError, match=f"'odd'.*{words}"):
        run_virtual(world.run(use(cs.inject("odd"))))
    assert closed == ["closed"]


@pytest.mark.parametrize("needs", ["b", "c", "a"])
def test_a_circle_is_named_before_anything_runs(needs: str) -> None:
    world = World()
    recorder = EventRecorder(world.engine.bus)
    world.add("a", needs=needs)
    world.add("b", needs="a")
    world.add("c", needs="b")
    with pytest.raises(InjectionError, match=rf"circle: .*{needs}.* -> "):
        run_virtual(world.run(use(cs.inject("a"))))
    assert (world.diary, recorder.events) == ([], [])


def test_an_unregistered_resource_is_named_with_those_that_are_registered() -> None:
    world = World()
    world.add("a", needs="missing")
    for target in (use(cs.inject("missing")), use_default(1)):
        with pytest.raises(InjectionError, match=r"'missing'.*registered: 'a'.*register"):
            run_virtual(world.run(target))
    with pytest.raises(InjectionError, match="no connector"):
        run_virtual(world.run(use(cs.inject("_internal_connector"))))


def test_the_last_of_a_name_counts_and_only_resources_can_be_registered() -> None:
    world = World()
    world.add("a")
    world.add("a", seconds=3)
    assert run_virtual(world.run(use_default(1))) == [(1, "a")]
    not_a_resource: Any = use
    with pytest.raises(TypeError, match=r"@cs\.resource.*Task use"):
        world.engine.register(not_a_resource)


def test_set_up_and_tear_down_happen_in_one_task() -> None:
    tasks: list[Any] = []

    @cs.resource
    async def a() -> AsyncIterator[str]:
        async with asyncio.timeout(50):
            tasks.append(asyncio.current_task())
            yield "a"
            tasks.append(asyncio.current_task())

    engine = cs.Engine()
    engine.register(a)
    run_virtual(engine.run(use(cs.inject("a"), seconds=1)))
    assert tasks[0] is tasks[1]


def test_a_resource_is_told_to_be_ready_after_its_set_up() -> None:
    world = World()
    recorder = EventRecorder(world.engine.bus)
    world.add("a", seconds=2)
    run_virtual(world.run(use_default(1)))
    (ready,) = recorder.of(ResourceSetUp)
    assert (ready.resource_name, ready.time) == ("a", 2.0)
