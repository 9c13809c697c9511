"""Jobs on virtual time: one at a time, in order, and the clock stands still for them."""

from __future__ import annotations

import asyncio
import contextvars
import multiprocessing
import os
import threading
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor

import pytest

from cascade.runtime.virtual_time import VirtualTimeLoop
from cascade.testing import run_virtual


def now() -> float:
    return asyncio.get_running_loop().time()


class TestJobs:
    def test_the_clock_stands_still_while_one_runs(self) -> None:
        async def main() -> tuple[list[str], float]:
            order: list[str] = []
            asyncio.get_running_loop().call_later(0.001, order.append, "timer")

            def work() -> str:
                time.sleep(0.05)
                order.append("job")
                return "done"

            assert await asyncio.wait_for(asyncio.to_thread(work), 0.0005) == "done"
            at = now()
            await asyncio.sleep(1)
            return order, at

        assert run_virtual(main()) == (["job", "timer"], 0.0)

    def test_run_one_at_a_time_in_the_order_of_submission(self) -> None:
        async def main() -> tuple[list[int], int, set[int]]:
            loop = asyncio.get_running_loop()
            order: list[int] = []
            threads: set[int] = set()
            running = most = 0

            def work(number: int) -> None:
                nonlocal running, most
                running += 1
                most = max(most, running)
                threads.add(threading.get_ident())
                time.sleep(0.005 if number % 3 == 0 else 0)
                order.append(number)
                running -= 1

            with ThreadPoolExecutor(4) as pool:
                await asyncio.gather(
                    *(
                        loop.run_in_executor(pool if number % 2 else None, work, number)
                        for number in range(20)
                    )
                )
            return order, most, threads

        order, most, threads = run_virtual(main())
        assert order == list(range(20))
        assert most == 1
        assert len(threads) == 1
        assert threading.get_ident() not in threads

    def test_begin_only_when_nothing_else_is_ready(self) -> None:
        async def main() -> list[str]:
            order: list[str] = []
            job = asyncio.get_running_loop().run_in_executor(None, order.append, "job")
            for turn in range(3):
                await asyncio.sleep(0)
                order.append(f"turn {turn}")
            await job
            return order

        assert run_virtual(main()) == ["turn 0", "turn 1", "turn 2", "job"]

    def test_keep_their_context(self) -> None:
        variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable")

        async def main() -> str:
            variable.set("from the task")
            return await asyncio.to_thread(variable.get)

        assert run_virtual(main()) == "from the task"

    def test_fail_with_their_own_error(self) -> None:
        async def main() -> None:
            with pytest.raises(ZeroDivisionError):
                await asyncio.to_thread(divmod, 1, 0)
            with pytest.raises(RuntimeError, match="StopIteration"):
                await asyncio.to_thread(next, iter(()))

        run_virtual(main())

    def test_may_talk_to_the_loop(self) -> None:
        async def main() -> int:
            loop = asyncio.get_running_loop()

            async def answer(question: int) -> int:
                await asyncio.sleep(0)
                return question + 1

            def work() -> int:
                total = 0
                for _ in range(3):
                    total = asyncio.run_coroutine_threadsafe(answer(total), loop).result(30)
                return total

            return await asyncio.to_thread(work)

        assert run_virtual(main()) == 3

    def test_a_cancelled_one_that_waits_never_begins(self) -> None:
        async def main() -> list[str]:
            loop = asyncio.get_running_loop()
            ran: list[str] = []
            first = loop.run_in_executor(None, ran.append, "first")
            second = loop.run_in_executor(None, ran.append, "second")
            third = loop.run_in_executor(None, ran.append, "third")
            second.cancel()
            await asyncio.gather(first, third)
            return ran

        assert run_virtual(main()) == ["first", "third"]

    def test_the_clock_stands_still_for_one_that_is_cancelled_too_late(self) -> None:
        async def main() -> tuple[list[str], float]:
            loop = asyncio.get_running_loop()
            ran: list[str] = []

            def work(job: asyncio.Future[None]) -> None:
                loop.call_soon_threadsafe(job.cancel)
                time.sleep(0.05)
                ran.append("job")

            jobs: list[asyncio.Future[None]] = []
            jobs.append(loop.run_in_executor(None, lambda: work(jobs[0])))
            with pytest.raises(asyncio.CancelledError):
                await jobs[0]
            cancelled_at = now()
            await asyncio.sleep(1)
            ran.append("timer")
            return ran, cancelled_at

        assert run_virtual(main()) == (["job", "timer"], 0.0)

    def test_processes_hold_the_clock_too(self) -> None:
        async def main() -> tuple[tuple[int, int], float]:
            loop = asyncio.get_running_loop()
            with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
                job = asyncio.gather(
                    loop.run_in_executor(pool, os.getpid), loop.run_in_executor(pool, abs, -3)
                )
                pids = await asyncio.wait_for(job, 0.001)
            return pids, now()

        (pid, three), at = run_virtual(main())
        assert pid != os.getpid()
        assert (three, at) == (3, 0.0)

    def test_closing_the_loop_ends_the_thread(self) -> None:
        async def main() -> threading.Thread:
            return await asyncio.to_thread(threading.current_thread)

        worker = run_virtual(main())
        assert not worker.is_alive()

        loop = VirtualTimeLoop()
        worker = loop.run_until_complete(loop.run_in_executor(None, threading.current_thread))
        assert worker.is_alive()
        loop.close()
        assert not worker.is_alive()

    def test_shutting_down_waits_for_all_that_were_taken(self) -> None:
        async def main() -> list[int]:
            loop = asyncio.get_running_loop()
            ran: list[int] = []
            for number in range(3):
                loop.run_in_executor(None, ran.append, number)
            await loop.shutdown_default_executor()
            with pytest.raises(RuntimeError, match="shut down"):
                loop.run_in_executor(None, ran.append, 3)
            return ran

        assert run_virtual(main()) == [0, 1, 2]

    def test_refuse_what_is_no_function(self) -> None:
        async def main() -> None:
            with pytest.raises(TypeError, match=r"func.*'work'"):
                asyncio.get_running_loop().run_in_executor(None, "work")  # type: ignore[arg-type]

        run_virtual(main())
