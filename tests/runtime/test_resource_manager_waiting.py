"""Who leaves the queue leaves no trace and wakes whom it blocked; waiting costs next to nothing."""

from __future__ import annotations

import asyncio
import gc
import math
import weakref

import pytest
from tests.long_form import tries
from tests.runtime.queueing import cancel, done, line_up, release, turn, used, with_manager

from cascade.errors import (
    AcquireTimeoutError,
)
from cascade.runtime.resource_manager import ResourceManager


class TestLeaving:
    def test_a_cancelled_waiter_wakes_whom_it_blocked(self) -> None:
        async def main(manager: ResourceManager) -> None:
            held = await manager.acquire({"a": 2})
            tasks = await line_up(manager, {"a": 2}, {"a": 1})
            tasks[0].cancel()
            await asyncio.wait(tasks[:1])
            await release(tasks[1])
            assert used(manager) == 2
            held.release()

        with_manager({"a": 3}, main)

    def test_a_cancelled_waiter_wakes_whom_it_blocked_at_another_resource(self) -> None:
        async def main(manager: ResourceManager) -> None:
            held = await manager.acquire({"a": 1})
            tasks = await line_up(manager, {"a": 3, "b": 1}, {"a": 2, "c": 1}, {"a": 1, "c": 1})
            assert done(tasks) == [False] * 3
            await cancel(tasks[0])
            await turn()
            assert done(tasks) == [True, True, False]
            held.release()
            await release(*tasks[1:])

        with_manager({"a": 3, "b": 1, "c": 2}, main)

    def test_cancelled_after_the_grant_but_before_it_ran(self) -> None:
        async def main(manager: ResourceManager) -> None:
            held = await manager.acquire({"a": 1})
            tasks = await line_up(manager, {"a": 1}, {"a": 1})
            held.release()
            tasks[0].cancel()
            await asyncio.wait(tasks[:1])
            assert tasks[0].cancelled()
            await release(tasks[1])

        with_manager({"a": 1}, main)

    def test_cancelled_before_the_grant_in_the_same_turn(self) -> None:
        async def main(manager: ResourceManager) -> None:
            held = await manager.acquire({"a": 1})
            tasks = await line_up(manager, {"a": 1}, {"a": 1})
            tasks[0].cancel()
            held.release()
            assert manager.statistics().holding == 1, "the second has it, nobody else"
            await asyncio.wait(tasks[:1])
            assert tasks[0].cancelled()
            await release(tasks[1])

        with_manager({"a": 1}, main)

    def test_a_timeout_leaves_the_queue_and_says_who_waited_for_what(self) -> None:
        async def main(manager: ResourceManager) -> None:
            loop = asyncio.get_running_loop()
            held = await manager.acquire({"a": 1})
            with pytest.raises(AcquireTimeoutError, match=r"painter .*a=2.* 1\.5 s") as caught:
                await manager.acquire({"a": 2, "b": 0.5}, timeout=1.5, owner="painter")
            error = caught.value
            assert loop.time() == 1.5
            assert isinstance(error, TimeoutError)
            assert (error.owner, error.timeout) == ("painter", 1.5)
            assert error.amounts == {"a": 2, "b": 0.5}
            assert manager.statistics().waiting == 0
            held.release()

        with_manager({"a": 2, "b": 1}, main)

    def test_a_timeout_wakes_whom_it_blocked(self) -> None:
        async def main(manager: ResourceManager) -> None:
            held = await manager.acquire({"a": 2})
            (first,) = await line_up(manager, {"a": 2}, timeout=1)
            async with manager.hold({"a": 1}, timeout=2):
                assert asyncio.get_running_loop().time() == 1
                await turn()
            assert isinstance(first.exception(), AcquireTimeoutError)
            held.release()

        with_manager({"a": 3}, main)

    def test_a_timeout_of_zero_takes_what_is_free_and_fails_otherwise(self) -> None:
        async def main(manager: ResourceManager) -> None:
            async with manager.hold({"a": 1}, timeout=0):
                with pytest.raises(AcquireTimeoutError):
                    await manager.acquire({"a": 1}, timeout=0)
            assert asyncio.get_running_loop().time() == 0

        with_manager({"a": 1}, main)

    def test_a_grant_in_the_instant_of_the_timeout_counts_or_is_nobodys(self) -> None:
        async def main(manager: ResourceManager) -> None:
            loop = asyncio.get_running_loop()
            for release_first in (True, False):
                held = await manager.acquire({"a": 1})
                if release_first:
                    loop.call_later(1, held.release)
                (task,) = await line_up(manager, {"a": 1}, timeout=1)
                if not release_first:
                    loop.call_later(1, held.release)
                await asyncio.wait([task])
                await turn()
                if release_first:
                    (await task).release()
                else:
                    assert isinstance(task.exception(), AcquireTimeoutError)
                assert used(manager) == 0

        with_manager({"a": 1}, main)

    def test_no_timer_outlives_the_wait(self) -> None:
        async def main(manager: ResourceManager) -> None:
            held = await manager.acquire({"a": 1})
            tasks = await line_up(manager, {"a": 1}, {"a": 1}, timeout=1000)
            (lane,) = manager._lanes.values()
            waiting = [weakref.ref(ticket) for ticket in lane.tickets()]
            assert len(waiting) == 2
            held.release()
            await release(tasks[0])
            await cancel(tasks[1])
            del tasks, held
            gc.collect()
            assert [reference() for reference in waiting] == [None, None], "a timer keeps it"

        with_manager({"a": 1}, main)

    @pytest.mark.parametrize("timeout", [math.inf, 1e300, 10**400], ids=["inf", "far", "huge"])
    def test_a_timeout_beyond_all_times_never_comes_and_leaves_nothing(
        self, timeout: float
    ) -> None:
        async def main(manager: ResourceManager) -> None:
            held = await manager.acquire({"a": 1})
            asyncio.get_running_loop().call_later(5, held.release)
            try:
                async with manager.hold({"a": 1}, timeout=timeout):
                    assert asyncio.get_running_loop().time() == 5
            except (ValueError, TypeError) as refused:
                assert "timeout" in str(refused)  # noqa: PT017
                await asyncio.sleep(6)

        with_manager({"a": 1}, main)

    def test_what_it_raises_leaves_no_cycles(self) -> None:
        async def main(manager: ResourceManager) -> int:
            held = await manager.acquire({"a": 1})
            gc.collect()
            gc.disable()
            try:
                for _ in range(20):
                    tasks = await line_up(manager, {"a": 1}, {"a": 1, "b": 1}, timeout=10)
                    held.release()
                    held = await tasks[0]
                    await cancel(tasks[1])
                    del tasks
                    manager.set_capacity({"a": 2})
                    manager.set_capacity({"a": 1})
                found = gc.collect()
            finally:
                gc.enable()
            held.release()
            return found

        assert with_manager({"a": 1, "b": 1}, main) == 0


class TestCost:
    """Counted in looks, so that it doesn't depend on the machine."""

    WAITERS = tries(5_000, 20_000)

    def test_a_release_that_frees_nobody_looks_at_next_to_nobody(self) -> None:
        async def main(manager: ResourceManager) -> None:
            x = await manager.acquire({"x": 1})
            y = await manager.acquire({"y": 1})
            tasks = await line_up(manager, *[{"x": 1, "y": 1}] * self.WAITERS)
            for _ in range(100):
                looks = manager.looks
                x.release()
                assert manager.looks - looks <= 2
                x = await manager.acquire({"x": 1}, timeout=0)
            looks = manager.looks
            y.release()
            x.release()
            for task in tasks:
                (await task).release()
            assert manager.looks - looks <= 3 * self.WAITERS

        with_manager({"x": 1, "y": 1}, main)

    def test_a_grant_costs_the_same_however_many_wait(self) -> None:
        async def main(manager: ResourceManager) -> None:
            tasks = await line_up(manager, *[{"x": 1}] * self.WAITERS)
            before = manager.looks
            for task in tasks:
                (await task).release()
            assert manager.looks - before <= 3 * self.WAITERS

        with_manager({"x": 1}, main)

    def test_who_stands_behind_the_last_free_unit_is_not_looked_at(self) -> None:
        names = [f"y{number}" for number in range(500)]

        async def main(manager: ResourceManager) -> None:
            held = await manager.acquire({"x": 1})
            tasks = await line_up(manager, *[{"x": 1, name: 1} for name in names])
            before = manager.looks
            held.release()
            for task in tasks:
                (await task).release()
            assert manager.looks - before <= 3 * len(names)

        with_manager({"x": 1, **dict.fromkeys(names)}, main)

    def test_cancelling_all_in_any_order_leaves_nothing_behind(self) -> None:
        async def main(manager: ResourceManager) -> None:
            held = await manager.acquire({"x": 1})
            tasks = await line_up(manager, *[{"x": 1}] * self.WAITERS)
            looks = manager.looks
            for task in [*tasks[::2], *reversed(tasks[1::2])]:
                task.cancel()
            await asyncio.wait(tasks)
            assert manager.looks - looks <= 3 * self.WAITERS
            assert manager.statistics().waiting == 0
            held.release()

        with_manager({"x": 1}, main)
