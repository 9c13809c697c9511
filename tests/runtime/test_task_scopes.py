"""Resources that live for a task, and what stands in for resources and tasks in tests."""

from __future__ import annotations

import asyncio
from typing import Any
from unittest.mock import Mock

import pytest

import cascade as cs
from cascade import testing
from cascade.runtime.events import ResourceSetUp, ResourceTornDown


class World:
    """Resources that note their lives."""

    def __init__(self) -> None:
        self.log: list[str] = []
        self.made = 0
        self.engine = cs.Engine()

        @cs.resource
        async def pool() -> Any:
            self.log.append("+pool")
            yield "pool"
            self.log.append("-pool")

        @cs.resource(scope="task")
        def session(pool: Any = cs.inject("pool")) -> Any:  # noqa: B008
            self.made += 1
            number = self.made
            self.log.append(f"+session {number}")
            yield f"{pool}/{number}"
            self.log.append(f"-session {number}")

        @cs.task
        async def use(name: str, session: Any = cs.inject("session"), fails: int = 0) -> Any:  # noqa: B008
            self.log.append(f"{name} has {session}")
            await asyncio.sleep(0)
            if fails and len([line for line in self.log if line.startswith(name)]) <= fails:
                raise RuntimeError(name)
            return session

        self.use = use
        self.engine.register(pool)
        self.engine.register(session)

    def run(self, target: Any, **options: Any) -> Any:
        return testing.run_virtual(self.engine.run(target, **options))


@pytest.fixture
def world() -> World:
    return World()


def test_each_task_has_its_own_and_all_share_what_lives_for_the_run(world: World) -> None:
    first = world.use("a")
    assert world.run([first, world.use("b").after(first)]) == ["pool/1", "pool/2"]
    assert world.log == [
        "+pool",
        "+session 1",
        "a has pool/1",
        "-session 1",
        "+session 2",
        "b has pool/2",
        "-session 2",
        "-pool",
    ]


def test_attempts_and_steps_of_a_task_share_one(world: World) -> None:
    assert world.run(world.use("a", fails=2).with_retry()) == "pool/1"
    assert world.made == 1

    @cs.task
    async def count(left: int, session: Any = cs.inject("session")) -> Any:  # noqa: B008
        return cs.TailCall(left - 1) if left else session

    for use_vm in (False, True):
        assert world.run(count(3), use_vm=use_vm).startswith("pool/")
    assert world.made == 3
    assert world.log.count("-pool") == world.log.count("+pool")


def test_it_is_gone_before_whoever_needs_the_value_starts(world: World) -> None:
    @cs.task(mode="inline")
    def then(_: Any) -> None:
        world.log.append("then")

    world.run(then(world.use("a")))
    assert world.log[-3:] == ["-session 1", "then", "-pool"]


def test_children_of_a_map_and_followers_of_a_tail_call(world: World) -> None:
    assert world.run(world.use.map(name=["a", "b"])) == ["pool/1", "pool/2"]

    @cs.task
    async def first() -> Any:
        return cs.TailCall("c", to=world.use)

    assert world.run(first()) == "pool/3"
    assert world.log.count("-session 3") == 1


def test_torn_down_when_the_task_fails_or_is_cancelled(world: World) -> None:
    with pytest.raises(RuntimeError):
        world.run(world.use("a", fails=1))
    assert world.log[-2:] == ["-session 1", "-pool"]

    @cs.task
    async def hang(session: Any = cs.inject("session")) -> None:  # noqa: B008
        await asyncio.sleep(100)

    with pytest.raises(TimeoutError):
        testing.run_virtual(asyncio.wait_for(world.engine.run(hang()), 1))
    assert world.log[-2:] == ["-session 2", "-pool"]


def test_an_error_in_its_tear_down_is_reported_and_hides_nothing(world: World) -> None:
    @cs.resource(scope="task", name="bad")
    def bad() -> Any:
        yield 1
        raise OSError("torn")

    world.engine.register(bad)

    @cs.task
    async def use_bad(fails: bool, bad: Any = cs.inject("bad")) -> None:  # noqa: B008
        if fails:
            raise RuntimeError("first")

    with pytest.raises(RuntimeError, match="first") as caught:
        world.run(use_bad(True))
    assert any("torn" in note for note in caught.value.__notes__)
    with pytest.raises(OSError, match="torn") as torn:
        world.run(use_bad(False))
    assert any("tearing down resource 'bad'" in note for note in torn.value.__notes__)


def test_what_lives_for_a_run_cannot_hold_what_lives_for_a_task(world: World) -> None:
    @cs.resource(name="wrong")
    def wrong(session: Any = cs.inject("session")) -> Any:  # noqa: B008
        yield session

    @cs.task
    async def use_wrong(wrong: Any = cs.inject("wrong")) -> None: ...  # noqa: B008

    world.engine.register(wrong)
    with pytest.raises(cs.errors.InjectionError, match=r"'wrong' lives for a run .* 'session'"):
        world.run(use_wrong())


class TestOverride:
    def test_a_value_stands_in(self, world: World) -> None:
        with testing.override("session", "fake"):
            assert world.run(world.use("a")) == "fake"
            assert world.run(world.use("b"), use_vm=True) == "fake"
        assert world.log == ["a has fake", "b has fake"]
        assert world.run(world.use("c")) == "pool/1"

    def test_another_resource_stands_in_also_below_others(self, world: World) -> None:
        @cs.resource
        def other() -> Any:
            world.log.append("+other")
            yield "other"
            world.log.append("-other")

        recorder = testing.EventRecorder(world.engine.bus)
        with testing.override("pool", other):
            assert world.run(world.use("a")) == "other/1"
        assert world.log[0] == "+other"
        assert world.log[-1] == "-other"
        # The events know it by the name of what it stands in for.
        assert [event.resource_name for event in recorder.of(ResourceSetUp)] == ["pool", "session"]
        assert [event.resource_name for event in recorder.of(ResourceTornDown)] == [
            "session",
            "pool",
        ]

    def test_it_needs_nothing_registered(self, world: World) -> None:
        @cs.task
        async def lonely(thing: Any = cs.inject("thing")) -> Any:  # noqa: B008
            return thing

        with testing.override("thing", None), testing.override("other", 1):
            assert testing.run_virtual(lonely()) is None

    def test_its_name_is_checked(self) -> None:
        wrong: Any = 3
        with pytest.raises(TypeError, match="resource name"), testing.override(wrong, 1):
            pass


class TestStub:
    @pytest.mark.parametrize("is_async", [False, True])
    def test_a_function_stands_in_for_an_async_task(self, world: World, is_async: bool) -> None:
        async def later(name: str, session: Any, fails: int) -> str:
            return f"stub {name}"

        def now(name: str, session: Any, fails: int) -> str:
            return f"stub {name}"

        with (
            testing.override("session", 1),
            testing.stub(world.use, later if is_async else now) as s,
        ):
            assert world.run(world.use("a")) == "stub a"
        assert s.calls == [(("a", 1, 0), {})]
        assert world.log == []
        assert world.run(world.use("a")) == "pool/1"

    def test_policies_stay(self) -> None:
        @cs.task
        def work(n: int) -> int:
            return n

        def fail_once(n: int) -> int:
            if len(stub.calls) == 1:
                raise RuntimeError("once")
            return -n

        with testing.stub(work, fail_once) as stub:
            assert testing.run_virtual(work(5).with_retry(2)) == -5
        assert len(stub.calls) == 2

    def test_an_object_that_has_everything_is_called_itself(self) -> None:
        @cs.task
        def work(n: int) -> int:
            return n

        with testing.stub(work, Mock(return_value=7)) as stub:
            assert testing.run_virtual(work(5)) == 7
        assert stub.calls == [((5,), {})]

    @pytest.mark.parametrize("policy", [cs.cache(), cs.cache(version=1)])
    @pytest.mark.parametrize("is_async", [False, True])
    def test_cached_values_stay_on_their_side(self, policy: Any, is_async: bool) -> None:
        async def later(n: int) -> int:
            return n

        def now(n: int) -> int:
            return n

        work: cs.Task[int] = cs.task(name="work")(later if is_async else now)
        call = work(5).with_cache(policy)
        engine = cs.Engine(cache_backend=cs.InMemoryCache())

        async def main() -> None:
            assert await engine.run(call) == 5
            for value in (7, 8):
                with testing.stub(work, Mock(return_value=value)) as stub:
                    assert await engine.run(call) == value
                    assert await engine.run(call) == value
                    assert len(stub.calls) == 1
            assert await engine.run(call) == 5

        testing.run_virtual(main())

    def test_refuses_what_cannot_stand_in(self) -> None:
        @cs.task
        def work() -> None: ...

        async def never() -> None: ...

        with pytest.raises(TypeError, match="isn't async"), testing.stub(work, never):
            pass
        wrong: Any = 5
        with pytest.raises(TypeError, match="takes a task, got 5"), testing.stub(wrong, work):
            pass
        with pytest.raises(TypeError, match="must be callable, got 5"), testing.stub(work, wrong):
            pass
