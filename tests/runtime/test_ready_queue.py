"""Driver tasks: nodes that share one can't tell, whatever they do with the task they run in."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import weakref
from collections.abc import Callable, Coroutine
from random import Random
from typing import Any

import anyio
import anyio.lowlevel
import anyio.to_thread
import pytest

import cascade as cs
from cascade.runtime.events import TaskFinished
from cascade.testing import EventRecorder, run_virtual

variable: contextvars.ContextVar[Any] = contextvars.ContextVar("variable", default="untouched")


def uvloop_factory() -> Callable[[], asyncio.AbstractEventLoop]:
    factory: Callable[[], asyncio.AbstractEventLoop] = pytest.importorskip("uvloop").new_event_loop
    return factory


@pytest.fixture(params=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Any:
    factory = asyncio.new_event_loop if request.param == "asyncio" else uvloop_factory()

    def run_on_it(target: Any) -> Any:
        with asyncio.Runner(loop_factory=factory) as runner:
            return runner.run(asyncio.wait_for(cs.Engine().run(target), 60))

    return run_on_it


def here() -> asyncio.Task[Any]:
    task = asyncio.current_task()
    assert task is not None
    return task


class World:
    """What nodes leave behind."""

    def __init__(self) -> None:
        self.kept: list[asyncio.Task[Any]] = []
        self.called_back: list[int] = []
        self.names: list[tuple[int, str]] = []


# What a node may do. Each returns its number if all was as in a task of its own.


async def nothing(world: World, n: int) -> int:
    return n


async def suspend(world: World, n: int) -> int:
    task = here()
    await asyncio.sleep(0)
    assert here() is task
    return n


async def suspend_sometimes(world: World, n: int) -> int:
    if n % 3 == 0:
        await asyncio.sleep(0)
    return n


async def timeout_of_zero(world: World, n: int) -> int:
    try:
        async with asyncio.timeout(0):
            await asyncio.sleep(5)
    except TimeoutError:
        assert not here().cancelling()
        return n
    raise AssertionError("not timed out")


async def timeout_of_zero_without_suspending(world: World, n: int) -> int:
    async with asyncio.timeout(0):  # noqa: ASYNC100
        pass
    return n


async def timeout_that_has_expired(world: World, n: int) -> int:
    try:
        async with asyncio.timeout_at(asyncio.get_running_loop().time() - 1):
            await asyncio.sleep(5)
    except TimeoutError:
        return n
    raise AssertionError("not timed out")


async def wait_for(world: World, n: int) -> int:
    return await asyncio.wait_for(asyncio.sleep(0, n), 30)


async def task_group(world: World, n: int) -> int:
    async with asyncio.TaskGroup() as group:
        one = group.create_task(asyncio.sleep(0, n))
        two = group.create_task(nothing(world, 0))
    return one.result() + two.result()


async def empty_task_group(world: World, n: int) -> int:
    async with asyncio.TaskGroup():
        pass
    return n


async def anyio_scope(world: World, n: int) -> int:
    with anyio.move_on_after(0) as scope:
        await anyio.sleep(5)
    assert scope.cancelled_caught
    with anyio.CancelScope() as empty:  # noqa: ASYNC100
        empty.cancel()
    return n


async def anyio_scope_without_suspending(world: World, n: int) -> int:
    with anyio.CancelScope(deadline=anyio.current_time() + 30):  # noqa: ASYNC100
        pass
    return n


async def anyio_group(world: World, n: int) -> int:
    found: list[int] = []

    async def find() -> None:
        await anyio.lowlevel.checkpoint()
        found.append(n)

    async with anyio.create_task_group() as group:
        group.start_soon(find)
    return found[0]


async def anyio_thread(world: World, n: int) -> int:
    return await anyio.to_thread.run_sync(lambda: n)


async def set_variable(world: World, n: int) -> int:
    assert variable.get() == "untouched"
    variable.set(n)
    return n


async def set_variable_and_suspend(world: World, n: int) -> int:
    assert variable.get() == "untouched"
    variable.set(n)
    await asyncio.sleep(0)
    assert variable.get() == n
    return n


async def set_a_variable_that_cannot_be_compared(world: World, n: int) -> int:
    class Odd:
        def __eq__(self, other: object) -> bool:
            raise ValueError("can't be compared")

        __hash__ = None  # type: ignore[assignment]

    assert variable.get() == "untouched"
    variable.set(Odd())
    return n


async def keep_task(world: World, n: int) -> int:
    world.kept.append(here())
    return n


async def keep_task_weakly(world: World, n: int) -> int:
    watched = weakref.ref(here(), lambda _: world.called_back.append(-n))
    weakref.finalize(here(), world.called_back.append, -n)
    assert watched() is here()
    return n


async def cancel_what_was_kept(world: World, n: int) -> int:
    while world.kept:
        world.kept.pop().cancel()
    return n


async def add_callback(world: World, n: int) -> int:
    here().add_done_callback(lambda _: world.called_back.append(n))
    return n


async def cancel_and_uncancel(world: World, n: int) -> int:
    here().cancel()
    try:
        await asyncio.sleep(0)
    except asyncio.CancelledError:
        here().uncancel()
        return n
    raise AssertionError("not cancelled")


async def cancelled_once_and_going_on(world: World, n: int) -> int:
    here().cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.sleep(0)
    return n  # without uncancel(): the task is of no use to others


async def rename_task(world: World, n: int) -> int:
    here().set_name(f"renamed {n}")
    return n


async def shielded(world: World, n: int) -> int:
    return await asyncio.shield(asyncio.sleep(0, n))


KINDS: tuple[Callable[[World, int], Coroutine[Any, Any, int]], ...] = (
    nothing,
    suspend,
    suspend_sometimes,
    timeout_of_zero,
    timeout_of_zero_without_suspending,
    timeout_that_has_expired,
    wait_for,
    task_group,
    empty_task_group,
    anyio_scope,
    anyio_scope_without_suspending,
    anyio_group,
    anyio_thread,
    set_variable,
    set_variable_and_suspend,
    set_a_variable_that_cannot_be_compared,
    keep_task,
    keep_task_weakly,
    cancel_what_was_kept,
    add_callback,
    cancel_and_uncancel,
    cancelled_once_and_going_on,
    rename_task,
    shielded,
)


def node(do: Callable[[World, int], Coroutine[Any, Any, int]]) -> cs.Task[int]:
    async def run_it(world: World, n: int, *needed: Any) -> int:
        assert variable.get() == "untouched"
        assert not here().cancelling()
        return await do(world, n)

    return cs.task(name=do.__name__)(run_it)


NODES = {do.__name__: node(do) for do in KINDS}


@pytest.mark.parametrize("kind", NODES)
def test_alone_and_among_its_like_each_does_what_it_would_in_a_task_of_its_own(
    kind: str, run: Any
) -> None:
    world = World()
    layer = [NODES[kind](world, n) for n in range(5)]
    after = [NODES["nothing"](world, n, *layer) for n in range(3)]
    last = NODES[kind](world, 7, *after)
    assert run([*layer, *after, last]) == [*range(5), *range(3), 7]
    if kind == "add_callback":
        assert sorted(world.called_back) == [0, 1, 2, 3, 4, 7]


def test_a_callback_on_the_task_is_called_when_its_node_ends_not_a_later_one(run: Any) -> None:
    world = World()

    @cs.task
    async def look(*needed: int) -> list[int]:
        await asyncio.sleep(0.01)
        return list(world.called_back)

    assert run(look(NODES["add_callback"](world, 5))) == [5]


@pytest.mark.parametrize("seed", range(3))
def test_a_thousand_mixed_at_random(seed: int, run: Any) -> None:
    random, world = Random(seed), World()
    nodes: list[Any] = []
    kinds = [kind for kind in NODES if kind != "anyio_thread"] * 4 + ["anyio_thread"]
    for n in range(1000):
        near = nodes[-40:]
        needed = random.sample(near, min(len(near), random.choice([0, 1, 1, 2, 3])))
        nodes.append(NODES[random.choice(kinds)](world, n, *needed))
    assert run(nodes) == list(range(1000))


def test_nodes_that_suspend_go_on_side_by_side() -> None:
    @cs.task
    async def slow(n: int) -> float:
        await asyncio.sleep(1)
        return asyncio.get_running_loop().time()

    assert run_virtual(cs.Engine().run([slow(n) for n in range(50)])) == [1.0] * 50


def test_also_when_each_is_a_function_of_its_own_and_some_do_not_suspend() -> None:
    def make(n: int) -> cs.LazyResult[float]:
        @cs.task(name=f"node {n}")
        async def slow() -> float:
            if n % 3:
                await asyncio.sleep(1)
            return asyncio.get_running_loop().time()

        return slow()

    times = run_virtual(cs.Engine().run([make(n) for n in range(30)]))
    assert times == [1.0 if n % 3 else 0.0 for n in range(30)]


def test_a_function_that_begins_to_suspend_late_holds_up_nobody() -> None:
    calls: list[int] = []

    @cs.task
    async def sometimes(n: int) -> float:
        calls.append(n)
        if n > 10:
            await asyncio.sleep(1)
        return asyncio.get_running_loop().time()

    times = run_virtual(cs.Engine().run([sometimes(n) for n in range(20)]))
    assert times == [0.0] * 11 + [1.0] * 9


class TestCancellation:
    @pytest.mark.parametrize("suspends", [False, True])
    def test_a_node_that_cancels_itself_is_cancelled_and_so_is_the_run(
        self, suspends: bool, run: Any
    ) -> None:
        @cs.task
        async def leave() -> str:
            here().cancel()
            if suspends:
                await asyncio.sleep(0)
            return "not heeded"

        with pytest.raises(asyncio.CancelledError) as caught:
            run([NODES["nothing"](World(), 1), leave(), NODES["nothing"](World(), 2)])
        assert any("'leave'" in note for note in caught.value.__notes__)

    def test_a_node_that_cancels_itself_at_its_very_end_after_suspending(self, run: Any) -> None:
        @cs.task
        async def leave() -> str:
            await asyncio.sleep(0)
            here().cancel()
            return "not heeded"

        for _ in range(2):
            with pytest.raises(asyncio.CancelledError):
                run([leave(), leave()])

    def test_a_node_that_raises_it_is_cancelled(self, run: Any) -> None:
        @cs.task
        async def leave() -> None:
            raise asyncio.CancelledError("enough")

        engine = cs.Engine()
        recorder = EventRecorder(engine.bus)
        with pytest.raises(asyncio.CancelledError, match="enough"):
            asyncio.run(engine.run([leave()]))
        (finished,) = recorder.of(TaskFinished)
        assert finished.status == "cancelled"
        with pytest.raises(asyncio.CancelledError):
            run([NODES["nothing"](World(), 1), leave()])

    @pytest.mark.parametrize("control", [KeyboardInterrupt, SystemExit])
    @pytest.mark.parametrize("suspends", [False, True])
    def test_what_ends_programs_ends_the_run_and_everything_in_it(
        self, control: type[BaseException], suspends: bool
    ) -> None:
        ended: list[str] = []

        @cs.task
        async def sibling() -> None:
            try:
                await asyncio.sleep(30)
            finally:
                ended.append("sibling")

        @cs.task
        async def end() -> None:
            if suspends:
                await asyncio.sleep(0)
            raise control

        with pytest.raises(control):
            cs.run([sibling(), end(), end()])
        assert ended == ["sibling"]

    def test_cancelling_the_run_cancels_drivers_and_those_that_have_not_begun(self) -> None:
        ended: list[int] = []

        @cs.task
        async def slow(n: int) -> None:
            try:
                await asyncio.sleep(30)
            finally:
                ended.append(n)

        async def main() -> None:
            engine = cs.Engine()
            recorder = EventRecorder(engine.bus)
            running = asyncio.ensure_future(engine.run([slow(n) for n in range(5)]))
            # So many turns that the first has suspended, and the others have not begun.
            while not recorder.names().count("TaskStarted"):  # noqa: ASYNC110
                await asyncio.sleep(0)
            running.cancel()
            with pytest.raises(asyncio.CancelledError):
                await running
            begun = recorder.names().count("TaskStarted")
            assert recorder.names().count("TaskFinished") == begun == len(ended)
            assert recorder.names().count("TaskSkipped") == 5 - begun
            assert recorder.names()[-1] == "RunFinished"

        run_virtual(main())


def test_many_nodes_that_never_suspend_let_others_run(run: Any) -> None:
    turns = 0

    async def main() -> int:
        nonlocal turns

        async def count() -> None:
            nonlocal turns
            while True:
                turns += 1
                await asyncio.sleep(0)

        @cs.task
        async def busy(n: int) -> int:
            end = asyncio.get_running_loop().time() + 0.001
            while asyncio.get_running_loop().time() < end:
                pass
            return n

        counting = asyncio.ensure_future(count())
        await cs.Engine().run([busy(n) for n in range(100)])
        counting.cancel()
        return turns

    # 100 ms of work, a look at the others every 5 ms or so.
    assert asyncio.run(main()) >= 5


def test_drivers_leave_nothing_to_the_cyclic_collector() -> None:
    async def main(target: Any) -> int:
        engine = cs.Engine()
        gc.collect()
        await engine.run(target)
        await asyncio.sleep(0)
        return gc.collect()

    world = World()
    layer = [NODES["nothing"](world, n) for n in range(50)]
    target = [NODES["suspend"](world, n, *layer) for n in range(50)]
    gc.disable()
    try:
        assert asyncio.run(main(target)) == 0
    finally:
        gc.enable()
