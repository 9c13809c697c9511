"""Timeouts: an attempt that takes too long fails, wherever it runs, and nothing is lost."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from tests.runtime.queueing import check_idle

import cascade as cs
from cascade.adapters.executors.local import LocalExecutor
from cascade.runtime.deadlines import Watched
from cascade.runtime.events import TaskFinished
from cascade.testing import EventRecorder, run_virtual


@cs.task
async def sleeping(seconds: float) -> str:
    await asyncio.sleep(seconds)
    return "rested"


def now() -> float:
    return asyncio.get_running_loop().time()


class Held:
    """A function for threads that runs until it is let go."""

    def __init__(self) -> None:
        self.begun = threading.Event()
        self.go = threading.Event()

    def __call__(self) -> str:
        self.begun.set()
        assert self.go.wait(30)
        return "done"


@cs.task
def calling(held: Held) -> str:
    return held()


@pytest.fixture
def held() -> Iterator[Held]:
    held = Held()
    yield held
    held.go.set()


async def until(condition: Any) -> None:
    """Wait in real time until a condition holds, for 20 seconds at most."""
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end
        await asyncio.sleep(0.005)


def threads() -> list[str]:
    """Return the names of the pool's threads that are alive."""
    names = [thread.name for thread in threading.enumerate()]
    return [name for name in names if name.startswith("cascade-")]


class TestOfACoroutine:
    @pytest.mark.parametrize("use_vm", [False, True])
    def test_it_is_cancelled_and_the_error_names_the_task(self, use_vm: bool) -> None:
        async def main() -> None:
            engine = cs.Engine(system_resources={"slot": 1})
            recorder = EventRecorder(engine.bus)
            lazy = sleeping(9).with_timeout(2).with_constraints(slot=1)
            with pytest.raises(TimeoutError, match="'sleeping' did not end within 2 s"):
                await engine.run(lazy, use_vm=use_vm)
            assert now() == 2
            (finished,) = recorder.of(TaskFinished)
            assert finished.status == "failed"
            check_idle(engine.resource_manager)

        run_virtual(main())

    @pytest.mark.parametrize("use_vm", [False, True])
    def test_one_that_ends_in_time_is_left_alone(self, use_vm: bool) -> None:
        lazy = sleeping(2).with_timeout(2.5)
        assert run_virtual(cs.Engine().run(lazy, use_vm=use_vm)) == "rested"

    def test_the_tasks_own_default_holds_unless_the_call_says_otherwise(self) -> None:
        @cs.task(timeout=1)
        async def quick(seconds: float) -> float:
            await asyncio.sleep(seconds)
            return seconds

        with pytest.raises(TimeoutError, match="'quick' did not end within 1 s"):
            run_virtual(cs.Engine().run(quick(3)))
        assert run_virtual(cs.Engine().run(quick(3).with_timeout(5))) == 3

    def test_waiting_for_resources_does_not_count(self) -> None:
        engine = cs.Engine(system_resources={"slot": 1})
        lazies = [sleeping(2).with_constraints(slot=1).with_timeout(3) for _ in range(4)]
        assert run_virtual(engine.run(lazies)) == ["rested"] * 4

    def test_each_attempt_has_the_whole_time(self) -> None:
        begun = []

        @cs.task
        async def slower() -> str:
            begun.append(now())
            await asyncio.sleep(9 if len(begun) < 3 else 2)
            return "at last"

        lazy = slower().with_timeout(3).with_retry(3, delay=1.0, on=TimeoutError)
        assert run_virtual(cs.Engine().run(lazy)) == "at last"
        assert begun == [0, 4, 8]

    def test_each_step_of_a_machine_has_it_too(self) -> None:
        @cs.task
        async def step(left: int) -> Any:
            await asyncio.sleep(2)
            return cs.TailCall(left - 1) if left else now()

        assert run_virtual(cs.Engine().run(step(9).with_timeout(3), use_vm=True)) == 20

    def test_a_timeout_error_of_the_task_itself_stays_its_own(self) -> None:
        @cs.task
        async def own() -> None:
            raise TimeoutError("mine")

        with pytest.raises(TimeoutError, match="mine"):
            run_virtual(cs.Engine().run(own().with_timeout(5)))

    def test_one_that_swallows_the_cancellation_keeps_its_result(self) -> None:
        @cs.task
        async def stubborn() -> str:
            try:
                await asyncio.sleep(9)
            except asyncio.CancelledError:
                return "kept"
            return "never"

        assert run_virtual(cs.Engine().run(stubborn().with_timeout(1), use_vm=True)) == "kept"

    @pytest.mark.parametrize("use_vm", [False, True])
    def test_a_cancellation_from_outside_at_the_same_time_wins(self, use_vm: bool) -> None:
        async def main() -> None:
            run = asyncio.ensure_future(cs.Engine().run(sleeping(9).with_timeout(2), use_vm=use_vm))
            asyncio.get_running_loop().call_at(2, run.cancel)
            with pytest.raises(asyncio.CancelledError):
                await run

        run_virtual(main())

    def test_it_leaves_a_block_that_gave_its_slots_back_without_queueing(self) -> None:
        """Otherwise it would hang in the queue, as somebody else has them for long."""

        @cs.task
        async def resting() -> None:
            async with cs.released():
                await asyncio.sleep(9)

        async def main() -> None:
            manager = cs.ResourceManager({"slot": 1})
            lazy = resting().with_constraints(slot=1).with_timeout(3)
            run = asyncio.ensure_future(cs.Engine(resource_manager=manager).run(lazy))
            await asyncio.sleep(1)
            async with manager.hold({"slot": 1}):
                with pytest.raises(TimeoutError):
                    await run
                assert now() == 3
            check_idle(manager)

        run_virtual(main())

    def test_the_next_attempt_may_give_its_slots_back_again(self) -> None:
        rounds = []

        @cs.task
        async def resting() -> str:
            rounds.append(now())
            async with cs.released():
                await asyncio.sleep(9 if len(rounds) == 1 else 1)
            return "done"

        async def main() -> None:
            engine = cs.Engine(system_resources={"slot": 1})
            manager = engine.resource_manager
            lazy = resting().with_constraints(slot=1).with_timeout(3).with_retry(2)
            run = asyncio.ensure_future(engine.run(lazy))
            await asyncio.sleep(3.5)
            async with manager.hold({"slot": 1}):
                await asyncio.sleep(2)
            assert await run == "done"
            # Its second block ended at 4 s, and it queued for the slot until 5.5 s.
            assert now() == 5.5
            check_idle(manager)

        run_virtual(main())


class TestOfAnInlineFunction:
    def test_it_fails_once_it_has_ended(self) -> None:
        @cs.task(mode="inline")
        def slow(seconds: float) -> str:
            time.sleep(seconds)
            return "done"

        assert cs.run(slow(0).with_timeout(30)) == "done"
        with pytest.raises(TimeoutError, match=r"'slow' did not end within 0\.01 s"):
            cs.run(slow(0.02).with_timeout(0.01))


class TestOfAThread:
    def test_it_fails_at_once_and_its_slot_stays_taken_until_the_thread_ends(
        self, held: Held
    ) -> None:
        async def main() -> None:
            engine = cs.Engine(system_resources={"slot": 1})
            manager = engine.resource_manager
            lazy = calling(held).with_constraints(slot=1).with_timeout(0.02)
            with pytest.raises(TimeoutError, match=r"'calling' did not end within 0\.02 s"):
                await engine.run(lazy)
            assert held.begun.is_set()
            assert manager.statistics().resources["slot"].used == 1
            assert manager.try_acquire({"slot": 1}) is None
            waiting = asyncio.ensure_future(manager.acquire({"slot": 1}, owner="next"))
            await asyncio.sleep(0)
            (why,) = manager.explain()
            assert why.holders == ("calling (timed out, its thread goes on)",)
            held.go.set()
            (await asyncio.wait_for(waiting, 20)).release()
            check_idle(manager)

        asyncio.run(main())

    def test_a_retry_queues_for_the_slot_behind_the_thread_that_has_it(self, held: Held) -> None:
        running = threading.Semaphore(1)
        together = []

        @cs.task
        def alone() -> str:
            if not running.acquire(blocking=False):
                together.append(1)
            try:
                return held() if not held.begun.is_set() else "second"
            finally:
                running.release()

        async def main() -> None:
            engine = cs.Engine(system_resources={"slot": 1})
            lazy = alone().with_constraints(slot=1).with_timeout(0.2).with_retry(2)
            run = asyncio.ensure_future(engine.run(lazy))
            await until(lambda: engine.resource_manager.explain())
            held.go.set()
            assert await run == "second"
            assert not together
            check_idle(engine.resource_manager)

        asyncio.run(main())

    def test_one_that_outlives_its_loop_gives_its_slot_to_the_next(self, held: Held) -> None:
        manager = cs.ResourceManager({"slot": 1})
        lazy = calling(held).with_constraints(slot=1).with_timeout(0.02)
        with pytest.raises(TimeoutError):
            cs.run(lazy, resource_manager=manager)
        assert manager.statistics().resources["slot"].used == 1

        async def main() -> None:
            waiting = asyncio.ensure_future(manager.acquire({"slot": 1}))
            await asyncio.sleep(0.02)
            assert not waiting.done()
            held.go.set()
            (await asyncio.wait_for(waiting, 20)).release()

        asyncio.run(main())
        check_idle(manager)

    @pytest.mark.parametrize("look", [True, False])
    def test_one_that_ends_between_two_loops_has_given_it_back_when_the_next_one_asks(
        self, held: Held, look: bool
    ) -> None:
        manager = cs.ResourceManager({"slot": 1})
        lazy = calling(held).with_constraints(slot=1)
        with pytest.raises(TimeoutError):
            cs.run(lazy.with_timeout(0.02), resource_manager=manager)
        held.go.set()
        asyncio.run(until(lambda: not threads()))
        if look:
            check_idle(manager)
        assert cs.run(lazy, resource_manager=manager, timeout=20) == "done"
        check_idle(manager)

    def test_one_that_has_not_begun_never_does(self, held: Held) -> None:
        late = Held()

        async def main() -> None:
            engine = cs.Engine(
                executor=(executor := LocalExecutor(threads=1)), system_resources={"slot": 2}
            )
            first = asyncio.ensure_future(engine.run(calling(held)))
            await until(held.begun.is_set)
            with pytest.raises(TimeoutError):
                await engine.run(calling(late).with_constraints(slot=1).with_timeout(0.02))
            assert engine.resource_manager.statistics().resources["slot"].used == 0
            held.go.set()
            await first
            await executor.aclose()
            assert not late.begun.is_set()

        asyncio.run(main())

    def test_its_own_timeout_error_stays_its_own(self) -> None:
        @cs.task
        def own() -> None:
            raise TimeoutError("mine")

        with pytest.raises(TimeoutError, match="mine"):
            cs.run(own().with_timeout(30))

    def test_threads_that_timed_out_do_not_use_up_the_pool(self) -> None:
        stuck = [Held() for _ in range(4)]

        async def main() -> None:
            executor = LocalExecutor(threads=2)
            engine = cs.Engine(executor=executor)
            for each in stuck:
                with pytest.raises(TimeoutError):
                    await engine.run(calling(each).with_timeout(0.05))
                assert each.begun.is_set()
            free = Held()
            free.go.set()
            assert await engine.run([calling(free), calling(free)]) == ["done"] * 2
            await executor.aclose()  # does not wait for those that are stuck

        try:
            asyncio.run(main())
        finally:
            for each in stuck:
                each.go.set()
        asyncio.run(until(lambda: not threads()))


def test_a_call_left_before_it_began_is_never_made() -> None:
    made: list[int] = []
    watched = Watched(lambda: made.append(1))
    assert watched.leave(None) is False
    watched()
    assert made == []
