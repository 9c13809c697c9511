"""Limits act at once: raising grants, lowering drains, zero pauses, and nobody gets lost."""

from __future__ import annotations

import asyncio

import pytest
from tests.runtime.queueing import done, line_up, release, turn, used, with_manager

from cascade.errors import (
    AcquireTimeoutError,
    CascadeError,
    InfeasibleRequestError,
    ResourceError,
)
from cascade.runtime.resource_manager import ResourceManager


class TestLimits:
    def test_raising_grants_all_who_fit_now_in_the_same_turn(self) -> None:
        async def main(manager: ResourceManager) -> None:
            tasks = await line_up(manager, *[{"a": 1}] * 1000)
            assert sum(done(tasks)) == 1
            looks = manager.looks
            manager.set_capacity({"a": 100})
            assert (used(manager), manager.statistics().waiting) == (100, 900)
            assert manager.looks - looks < 250, "as many looks as grants, not as waiters"
            await turn()
            assert done(tasks) == [True] * 100 + [False] * 900
            await release(*tasks)

        with_manager({"a": 1}, main)

    def test_lowering_lets_the_holders_finish_and_grants_nobody_before(self) -> None:
        async def main(manager: ResourceManager) -> None:
            held = [await manager.acquire({"a": 1}) for _ in range(4)]
            manager.set_capacity({"a": 2})
            tasks = await line_up(manager, {"a": 1})
            assert used(manager) == 4
            for ticket, waiting in zip(held, (True, True, False, False), strict=True):
                ticket.release()
                await turn()
                assert tasks[0].done() is not waiting
            await release(*tasks)

        with_manager({"a": 4}, main)

    def test_zero_is_a_pause_and_not_an_error(self) -> None:
        async def main(manager: ResourceManager) -> None:
            tasks = await line_up(manager, {"a": 5}, {"a": 1})
            await asyncio.sleep(1e6)
            assert done(tasks) == [False, False]
            manager.set_capacity({"a": 5})
            await turn()
            assert done(tasks) == [True, False]
            await release(*tasks)

        with_manager({"a": 0}, main)

    def test_none_frees_everybody(self) -> None:
        async def main(manager: ResourceManager) -> None:
            tasks = await line_up(manager, *[{"a": 7}] * 50, {"a": 1, "b": 1})
            manager.set_capacity({"a": None})
            await turn()
            assert done(tasks) == [True] * 51
            await release(*tasks)

        with_manager({"a": 0, "b": 1}, main)

    def test_a_limit_on_what_had_none_counts_who_holds_already(self) -> None:
        async def main(manager: ResourceManager) -> None:
            held = await manager.acquire({"a": 2})
            manager.set_capacity({"a": 2})
            tasks = await line_up(manager, {"a": 1})
            assert done(tasks) == [False]
            held.release()
            await release(*tasks)

        with_manager({"a": None}, main)

    def test_others_stay_as_they_are(self) -> None:
        manager = ResourceManager({"a": 1, "b": 2})
        manager.set_capacity({"b": 3, "c": 0.5})
        capacities = {n: r.capacity for n, r in manager.statistics().resources.items()}
        assert capacities == {"a": 1, "b": 3, "c": 0.5}

    def test_one_bad_limit_changes_none(self) -> None:
        manager = ResourceManager({"a": 1})
        with pytest.raises(ValueError, match="'b'"):
            manager.set_capacity({"a": 2, "b": -1})
        assert {n: r.capacity for n, r in manager.statistics().resources.items()} == {"a": 1}

    def test_who_waits_at_a_pause_claims_nothing_elsewhere(self) -> None:
        async def main(manager: ResourceManager) -> None:
            held = await manager.acquire({"b": 1})
            tasks = await line_up(manager, {"b": 1, "a": 1})
            manager.set_capacity({"a": 0})
            held.release()
            for _ in range(5):
                async with manager.hold({"b": 1}, timeout=1):
                    await asyncio.sleep(1)
            manager.set_capacity({"a": 1})
            await release(*tasks)

        with_manager({"a": 1, "b": 1}, main)

    def test_a_pause_takes_back_what_a_reservation_claimed(self) -> None:
        async def main(manager: ResourceManager) -> None:
            a = await manager.acquire({"a": 1})
            tasks = await line_up(manager, {"a": 1, "b": 1})
            for _ in range(3):  # it is passed over until it stands at both
                b = await manager.acquire({"b": 1})
                a.release()
                a = await manager.acquire({"a": 1}, timeout=1)
                b.release()
                if manager.try_acquire({"b": 0.5}) is None:
                    break
            else:
                pytest.fail("it never reserved")
            manager.set_capacity({"a": 0})
            async with manager.hold({"b": 1}, timeout=1):
                manager.set_capacity({"a": 1})
            a.release()
            await release(*tasks)

        with_manager({"a": 1, "b": 1}, main)


class TestImpossibleRequests:
    def test_more_than_there_will_ever_be_fails_at_once(self) -> None:
        async def main(manager: ResourceManager) -> None:
            with pytest.raises(InfeasibleRequestError, match="'b'") as caught:
                await manager.acquire({"a": 1, "b": 2.5}, timeout=5)
            error = caught.value
            assert (error.resource, error.amount, error.limit) == ("b", 2.5, 2)
            assert isinstance(error, ResourceError)
            assert isinstance(error, CascadeError)
            assert asyncio.get_running_loop().time() == 0

        with_manager({"a": 1, "b": 2}, main)

    def test_the_message_shows_a_small_excess(self) -> None:
        async def main(manager: ResourceManager) -> None:
            with pytest.raises(InfeasibleRequestError, match=r"1\.0000001.*capacity is 1$"):
                await manager.acquire({"a": 1.0000001})

        with_manager({"a": 1}, main)

    def test_one_made_impossible_blocks_nobody_and_keeps_its_place(self) -> None:
        async def main(manager: ResourceManager) -> None:
            held = await manager.acquire({"a": 10})
            tasks = await line_up(manager, {"a": 8}, {"a": 4}, {"a": 3}, {"a": 6})
            manager.set_capacity({"a": 5})
            held.release()
            await turn()
            assert done(tasks) == [False, True, False, False]
            assert manager.statistics().waiting == 3
            manager.set_capacity({"a": 10})
            await turn()
            assert done(tasks) == [False, True, False, False], "8 don't fit, and are ahead of 3"
            (await tasks[1]).release()
            await turn()
            assert done(tasks) == [True, True, False, False]
            await release(tasks[0], tasks[2], tasks[3])

        with_manager({"a": 10}, main)

    def test_one_made_impossible_can_time_out_or_be_cancelled(self) -> None:
        async def main(manager: ResourceManager) -> None:
            held = await manager.acquire({"a": 1})
            tasks = await line_up(manager, {"a": 5}, {"a": 4}, timeout=3)
            manager.set_capacity({"a": 3})
            tasks[1].cancel()
            with pytest.raises(AcquireTimeoutError):
                await tasks[0]
            assert tasks[1].cancelled()
            assert manager.statistics().waiting == 0
            held.release()

        with_manager({"a": 5}, main)

    def test_thousands_are_set_aside_and_brought_back_without_recursion(self) -> None:
        async def main(manager: ResourceManager) -> None:
            held = await manager.acquire({"a": 10})
            tasks = await line_up(manager, *[{"a": 8}] * 2000, {"a": 5})
            manager.set_capacity({"a": 5})
            held.release()
            await release(tasks.pop())
            assert (used(manager), manager.statistics().waiting) == (0, 2000)
            manager.set_capacity({"a": 10})
            assert (used(manager), manager.statistics().waiting) == (8, 1999)
            for task in tasks:
                ticket = await task
                ticket.release()

        with_manager({"a": 10}, main)
