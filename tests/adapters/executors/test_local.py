"""LocalExecutor: plain functions in threads, withdrawn while queued, waited for once they run."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import threading
import time
from collections import deque
from collections.abc import Callable, Coroutine
from functools import partial
from random import Random
from typing import Any

import pytest

from cascade.adapters.executors.local import LocalExecutor
from cascade.adapters.executors.thread_pool import Errand, ThreadPool
from cascade.ports import Executor
from cascade.testing import run_virtual

LIMIT = 10.0
"""Seconds after which a test gives up waiting for a thread."""

variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="unset")


def pool_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name.startswith("cascade-")]


async def until(condition: Callable[[], bool]) -> None:
    """Wait until a thread has made `condition` true."""
    give_up = time.monotonic() + LIMIT
    while not condition():
        assert time.monotonic() < give_up, "the thread did not get there"
        await asyncio.sleep(0.001)


def outcome_of(main: Callable[[], Coroutine[Any, Any, None]]) -> str:
    """Run `main` on a loop in a thread that may be left behind, because a lost result hangs it."""
    outcome = ["hangs"]

    def work() -> None:
        try:
            asyncio.run(main())
            outcome.append("returned")
        except BaseException as error:
            outcome.append(repr(error))

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(LIMIT / 5)
    return outcome[-1]


def test_is_an_executor() -> None:
    assert isinstance(LocalExecutor(), Executor)


@pytest.mark.parametrize("threads", ["4", 2.0, True])
def test_a_number_of_threads_that_is_no_whole_number_is_a_type_error(threads: Any) -> None:
    with pytest.raises(TypeError, match=rf"threads.*≥ 1.*{threads!r}"):
        LocalExecutor(threads)


@pytest.mark.parametrize("threads", [0, -1])
def test_a_number_of_threads_below_one_is_a_value_error(threads: int) -> None:
    with pytest.raises(ValueError, match=rf"threads.*≥ 1.*{threads}"):
        LocalExecutor(threads)


def test_an_unknown_mode_is_refused() -> None:
    async def main() -> None:
        with pytest.raises(ValueError, match=r"mode.*thread.*'fast'"):
            LocalExecutor().execute(int, "fast")

    asyncio.run(main())


def test_what_is_no_function_is_refused_at_once() -> None:
    async def main() -> None:
        no_function: Any = "no function"
        with pytest.raises(TypeError, match=r"call.*'no function'"):
            LocalExecutor().execute(no_function, "thread")

    run_virtual(main())


@pytest.mark.parametrize(("timeout", "error"), [("soon", TypeError), (-1, ValueError)])
def test_a_timeout_that_is_no_time_is_refused_at_once(timeout: Any, error: type[Exception]) -> None:
    async def main() -> None:
        executor = LocalExecutor()
        with pytest.raises(error, match=rf"timeout.*{timeout!r}"):
            await executor.execute(int, "thread", timeout=timeout)

    run_virtual(main())


@pytest.mark.parametrize("run", [asyncio.run, run_virtual])
def test_a_call_returns_its_value_or_raises_its_own_error(run: Callable[..., Any]) -> None:
    error = LookupError("mine")

    def fail() -> None:
        raise error

    async def main() -> None:
        executor = LocalExecutor(2)
        assert await executor.execute(lambda: 42, "thread") == 42
        assert await executor.execute(lambda: None, "thread", timeout=5.0) is None
        with pytest.raises(LookupError) as raised:
            await executor.execute(fail, "thread")
        assert raised.value is error
        with pytest.raises(RuntimeError, match="StopIteration"):
            await executor.execute(lambda: next(iter(())), "thread")
        await executor.aclose()

    run(main())


def test_calls_run_at_the_same_time_in_other_threads() -> None:
    meeting = threading.Barrier(4, timeout=LIMIT)

    def meet() -> int:
        meeting.wait()
        return threading.get_ident()

    async def main() -> list[int]:
        executor = LocalExecutor(4)
        idents = await asyncio.gather(*[executor.execute(meet, "thread") for _ in range(4)])
        await executor.aclose()
        return idents

    assert len({*asyncio.run(main()), threading.get_ident()}) == 5


def test_never_more_threads_than_the_limit() -> None:
    async def main() -> set[int]:
        executor = LocalExecutor(3)
        calls = [executor.execute(threading.get_ident, "thread") for _ in range(200)]
        idents = set(await asyncio.gather(*calls))
        await executor.aclose()
        return idents

    assert 1 <= len(asyncio.run(main())) <= 3


def test_calls_begin_in_the_order_in_which_they_came() -> None:
    seen: list[int] = []

    async def main() -> None:
        executor = LocalExecutor(1)
        calls = [executor.execute(partial(seen.append, n), "thread") for n in range(100)]
        await asyncio.gather(*calls)
        await executor.aclose()

    asyncio.run(main())
    assert seen == list(range(100))


@pytest.mark.parametrize("run", [asyncio.run, run_virtual])
def test_a_call_sees_the_context_variables_of_its_caller_and_leaks_none(
    run: Callable[..., Any],
) -> None:
    def look() -> str:
        found = variable.get()
        variable.set("left behind")
        return found

    async def main() -> list[str]:
        executor = LocalExecutor(1)
        variable.set("first")
        calls = [executor.execute(look, "thread")]
        variable.set("second")
        calls.append(executor.execute(look, "thread"))
        found = [await call for call in calls]
        await executor.aclose()
        return [*found, variable.get()]

    assert run(main()) == ["first", "second", "second"]


@pytest.mark.parametrize("timeout", [None, 5.0])
def test_cancelling_withdraws_a_call_that_has_not_begun(timeout: float | None) -> None:
    gate = threading.Event()
    ran: list[str] = []

    async def main() -> None:
        executor = LocalExecutor(1)
        first = executor.execute(gate.wait, "thread")
        queued = asyncio.ensure_future(
            executor.execute(lambda: ran.append("queued"), "thread", timeout=timeout)
        )
        await asyncio.sleep(0)
        queued.cancel()
        with pytest.raises(asyncio.CancelledError):
            await queued
        gate.set()
        await first
        await executor.aclose()

    asyncio.run(main())
    assert ran == []


@pytest.mark.parametrize("start", [asyncio.run, run_virtual])
def test_a_call_with_a_timeout_isnt_left_behind_by_whoever_is_cancelled_at_once(
    start: Callable[..., Any],
) -> None:
    ran: list[str] = []

    def work() -> None:
        time.sleep(0.05)
        ran.append("call")

    async def main() -> tuple[bool, list[str]]:
        executor = LocalExecutor(1)
        call = executor.execute(work, "thread", timeout=5.0)
        await until(lambda: bool(pool_threads())) if start is asyncio.run else None
        caller = asyncio.ensure_future(call)
        caller.cancel()
        await asyncio.wait([caller])
        found = caller.cancelled(), [*ran]
        await executor.aclose()
        return found

    cancelled, found = start(main())
    assert cancelled == (not found), "it ends with the call, or the call is never made"
    assert ran == found


@pytest.mark.parametrize("timeout", [None, 5.0])
def test_cancelling_waits_for_a_call_that_has_begun(timeout: float | None) -> None:
    begun, gate = threading.Event(), threading.Event()
    ended: list[bool] = []

    def work() -> None:
        begun.set()
        gate.wait(LIMIT)
        ended.append(True)

    async def main() -> None:
        executor = LocalExecutor(1)

        async def caller() -> None:
            await executor.execute(work, "thread", timeout=timeout)

        task = asyncio.create_task(caller())
        await until(begun.is_set)
        task.cancel()
        await asyncio.sleep(0.02)
        assert not task.done()
        gate.set()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert ended == [True]
        await executor.aclose()

    asyncio.run(main())


def test_a_call_that_takes_too_long_is_a_timeout_error_at_once() -> None:
    gate = threading.Event()

    async def main() -> None:
        executor = LocalExecutor(1)
        with pytest.raises(TimeoutError, match=r"within 0\.01 s"):
            await executor.execute(lambda: gate.wait(LIMIT), "thread", timeout=0.01)
        assert not gate.is_set()
        gate.set()
        await executor.aclose()

    asyncio.run(main())


def test_close_waits_for_running_calls_ends_the_threads_and_allows_new_calls() -> None:
    asyncio.run(until(lambda: not pool_threads()))  # those of other tests may be about to end
    begun = threading.Event()
    ended: list[bool] = []

    def work() -> None:
        begun.set()
        time.sleep(0.1)
        ended.append(True)

    async def main() -> None:
        executor = LocalExecutor(2)
        await executor.aclose()  # nothing to close yet
        call = asyncio.ensure_future(executor.execute(work, "thread"))
        await until(begun.is_set)
        await executor.aclose()
        assert ended == [True]
        assert not pool_threads()
        await call
        assert await executor.execute(lambda: "again", "thread") == "again"
        await executor.aclose()

    asyncio.run(main())
    assert not pool_threads()


def test_a_call_abandoned_with_its_loop_does_not_harm_the_next_loop() -> None:
    gate = threading.Event()
    executor = LocalExecutor(1)

    async def abandon() -> None:
        with pytest.raises(TimeoutError):
            await executor.execute(lambda: gate.wait(LIMIT), "thread", timeout=0.01)

    async def go_on() -> None:
        assert await executor.execute(lambda: "here", "thread") == "here"
        await executor.aclose()

    asyncio.run(abandon())
    gate.set()
    time.sleep(0.05)  # the abandoned call ends while no loop is open
    assert outcome_of(go_on) == "returned"


def test_two_loops_may_share_one_executor_at_the_same_time() -> None:
    executor = LocalExecutor(2)
    outcomes: list[str] = []

    async def calls() -> None:
        for number in range(300):
            told_in: list[int] = []
            call = asyncio.ensure_future(executor.execute(partial(pow, number, 2), "thread"))
            call.add_done_callback(lambda _: told_in.append(threading.get_ident()))  # noqa: B023
            assert await call == number**2
            assert told_in == [threading.get_ident()]

    workers = [
        threading.Thread(target=lambda: outcomes.append(outcome_of(calls)), daemon=True)
        for _ in range(2)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(LIMIT)
    assert outcomes == ["returned", "returned"]
    asyncio.run(executor.aclose())


def test_calls_of_loops_that_submit_at_the_same_time_are_all_made() -> None:
    pool = ThreadPool(2)
    both = threading.Barrier(2)
    made: list[int] = []

    class MeetingPlace(deque[Errand]):
        """Lets two who submit go on when both have."""

        armed = False

        def append(self, errand: Errand) -> None:
            super().append(errand)
            if self.armed:
                with contextlib.suppress(threading.BrokenBarrierError):
                    both.wait(0.2)

    async def calls() -> None:
        loop = asyncio.get_running_loop()
        made.append(await asyncio.wait_for(pool.submit(int, loop), LIMIT / 10))

    pool._queue = queue = MeetingPlace()
    asyncio.run(calls())  # from now on there is a thread, and it is parked
    queue.armed = True
    loops = [threading.Thread(target=outcome_of, args=(calls,)) for _ in range(2)]
    for thread in loops:
        thread.start()
    for thread in loops:
        thread.join()
    assert made == [0, 0, 0]
    for worker in pool.close():
        worker.join(LIMIT)


class TestWhereNoThreadCanBeStarted:
    @pytest.fixture
    def system(self, monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
        """A system that has only so many threads."""
        system, start = {"threads": 0}, threading.Thread.start

        def start_if_there_is_one(thread: threading.Thread) -> None:
            if not system["threads"]:
                raise RuntimeError("can't start new thread")
            system["threads"] -= 1
            start(thread)

        monkeypatch.setattr(threading.Thread, "start", start_if_there_is_one)
        return system

    def test_a_call_fails_at_once_and_later_ones_are_made(self, system: dict[str, int]) -> None:
        made: list[str] = []

        async def main() -> None:
            executor = LocalExecutor(1)
            with pytest.raises(RuntimeError, match="can't start new thread"):
                await executor.execute(partial(made.append, "failed"), "thread")
            system["threads"] = 1
            await asyncio.wait_for(executor.execute(partial(made.append, "later"), "thread"), LIMIT)
            await executor.aclose()

        asyncio.run(main())
        assert made == ["later"]

    def test_calls_are_made_by_those_threads_that_there_are(self, system: dict[str, int]) -> None:
        async def main() -> list[int]:
            executor = LocalExecutor(4)
            calls = [executor.execute(partial(_pause, 0.001), "thread") for _ in range(5)]
            found = await asyncio.wait_for(asyncio.gather(*calls), LIMIT)
            await executor.aclose()
            return found

        system["threads"] = 2
        assert asyncio.run(main()) == [1] * 5

    def test_one_that_is_given_up_goes_on_when_its_call_is_over(
        self, system: dict[str, int]
    ) -> None:
        over = threading.Event()

        async def main() -> None:
            executor = LocalExecutor(1)
            slow = executor.execute(partial(over.wait, LIMIT), "thread", timeout=0.05)
            queued = executor.execute(partial(pow, 2, 2), "thread")
            with pytest.raises(TimeoutError):
                await slow
            over.set()
            assert await asyncio.wait_for(queued, LIMIT) == 4
            await executor.aclose()

        system["threads"] = 1
        asyncio.run(main())


def test_a_call_that_comes_while_a_worker_becomes_idle_costs_no_later_call_its_thread() -> None:
    gate = threading.Event()
    meeting = threading.Barrier(3, timeout=2.0)

    class SlowQueue(deque[Errand]):
        """Lets a worker finish its call between the submission and the arrival of another."""

        armed = False

        def append(self, errand: Errand) -> None:
            if self.armed and not gate.is_set():
                gate.set()
                time.sleep(0.05)
            super().append(errand)

    async def main() -> None:
        pool = ThreadPool(3)
        pool._queue = slow = SlowQueue()
        loop = asyncio.get_running_loop()
        first = pool.submit(lambda: gate.wait(LIMIT), loop)
        slow.armed = True
        calls = [pool.submit(meeting.wait, loop) for _ in range(3)]
        try:
            await asyncio.gather(first, *calls)
        finally:
            for thread in pool.close():
                thread.join(LIMIT)

    asyncio.run(main())


def test_on_virtual_time_calls_run_one_after_the_other() -> None:
    running: list[int] = []
    most: list[int] = []

    def work(number: int) -> int:
        running.append(number)
        most.append(len(running))
        time.sleep(0.002)
        running.remove(number)
        return number

    async def main() -> list[int]:
        executor = LocalExecutor(4)
        calls = [executor.execute(partial(work, n), "thread") for n in range(5)]
        return [await call for call in calls]

    assert run_virtual(main()) == [0, 1, 2, 3, 4]
    assert max(most) == 1


@pytest.mark.parametrize("loops", [1, 3])
def test_however_calls_come_each_is_made_and_told(loops: int) -> None:
    """Bursts, pauses and blocking calls, from several loops that share the threads."""
    pool = ThreadPool(4)
    totals: list[int] = []

    async def main(seed: int) -> None:
        random, loop, total = Random(seed), asyncio.get_running_loop(), 0
        for _ in range(60):
            burst = random.choice([1, 2, 5, 40])
            pauses = [random.choice([0, 0, 0, 0.0005]) for _ in range(burst)]
            jobs = [pool.submit(partial(_pause, pause), loop) for pause in pauses]
            if random.random() < 0.3:
                jobs.pop().cancel()
            total += sum(await asyncio.gather(*jobs)) - len(jobs)
            if random.random() < 0.3:
                await asyncio.sleep(0.001)
        totals.append(total)

    threads = [
        threading.Thread(target=asyncio.run, args=(asyncio.wait_for(main(seed), LIMIT),))
        for seed in range(loops)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for worker in pool.close():
        worker.join(LIMIT)
        assert not worker.is_alive()
    assert totals == [0] * loops


def test_calls_that_block_get_as_many_threads_as_there_are_again_and_again() -> None:
    async def main() -> None:
        pool, loop = ThreadPool(4), asyncio.get_running_loop()
        for _ in range(100):
            meeting = threading.Barrier(4, timeout=LIMIT)
            await asyncio.gather(*[pool.submit(meeting.wait, loop) for _ in range(4)])
        for worker in pool.close():
            worker.join(LIMIT)

    asyncio.run(main())


def _pause(seconds: float) -> int:
    if seconds:
        time.sleep(seconds)
    return 1
