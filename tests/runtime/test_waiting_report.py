"""When everybody waits on virtual time: it is noticed, and told who waits where and for what."""

from __future__ import annotations

import asyncio
import math
import threading

import pytest

from cascade.errors import VirtualDeadlockError
from cascade.runtime.virtual_time import VirtualTimeLoop
from cascade.runtime.waiting_report import describe_waits
from cascade.testing import run_virtual


class TestDeadlock:
    def test_says_who_waits_where_and_for_what(self) -> None:
        async def never_set(event: asyncio.Event) -> None:
            await event.wait()

        async def main() -> None:
            await asyncio.sleep(12.5)
            loser = asyncio.create_task(never_set(asyncio.Event()), name="loser")
            await loser

        with pytest.raises(VirtualDeadlockError) as caught:
            run_virtual(main())
        head, *lines = str(caught.value).splitlines()
        assert "12.5 s" in head
        (loser,) = (line for line in lines if "'loser'" in line and "Event.wait" in line)
        line_number = never_set.__code__.co_firstlineno + 1
        assert "never_set" in loser
        assert f"{__file__}:{line_number}" in loser
        assert "for a Future" in loser
        (waiting,) = (line for line in lines if line is not loser)
        assert "main" in waiting
        assert "for task 'loser'" in waiting

    def test_a_wait_without_end_counts_as_nothing(self) -> None:
        async def main() -> None:
            await asyncio.sleep(math.inf)

        with pytest.raises(VirtualDeadlockError, match="sleep"):
            run_virtual(main())

    def test_cancelled_timers_count_as_nothing(self) -> None:
        async def main() -> None:
            asyncio.get_running_loop().call_later(5, print).cancel()
            await asyncio.Event().wait()

        with pytest.raises(VirtualDeadlockError, match="at 0 s"):
            run_virtual(main())

    def test_lists_a_hundred_and_counts_the_rest(self) -> None:
        async def main() -> None:
            event = asyncio.Event()
            await asyncio.gather(*(event.wait() for _ in range(200)))

        with pytest.raises(VirtualDeadlockError, match="and 101 more") as caught:
            run_virtual(main())
        assert str(caught.value).count("\n") == 101

    def test_lists_the_tasks_in_the_order_of_their_numbers(self) -> None:
        async def main() -> list[str]:
            tasks = [asyncio.create_task(asyncio.sleep(1), name=f"Task-{n}") for n in (10, 2, 9)]
            await asyncio.sleep(0)
            return describe_waits(tasks, 1.5).splitlines()

        head, *lines = run_virtual(main())
        assert "at 1.5 s" in head
        assert [line.split("'")[1] for line in lines] == ["Task-2", "Task-9", "Task-10"]

    def test_a_loop_that_runs_for_ever_with_nothing_to_do(self) -> None:
        loop = VirtualTimeLoop()
        with pytest.raises(VirtualDeadlockError, match="no task"):
            loop.run_forever()
        loop.close()

    def test_the_loop_can_go_on_afterwards(self) -> None:
        loop = VirtualTimeLoop()
        event = asyncio.Event()
        task = loop.create_task(event.wait())
        with pytest.raises(VirtualDeadlockError):
            loop.run_until_complete(task)
        loop.call_later(3, event.set)
        assert loop.run_until_complete(task) is True
        assert loop.time() == 3.0
        loop.close()

    def test_a_word_from_another_thread_in_time_prevents_it(self) -> None:
        loop = VirtualTimeLoop()
        event = asyncio.Event()

        async def main() -> bool:
            thread = threading.Thread(target=lambda: loop.call_soon_threadsafe(event.set))
            thread.start()
            thread.join()
            return await event.wait()

        assert loop.run_until_complete(main()) is True
        loop.close()
