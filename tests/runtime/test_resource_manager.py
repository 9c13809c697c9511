"""The one queue: amounts are taken all or nothing, in the order of arrival, and given back."""

from __future__ import annotations

import asyncio
import dataclasses

import pytest
from tests.runtime.queueing import cancel, done, line_up, release, turn, used, with_manager

from cascade.errors import (
    AcquireTimeoutError,
    ResourceError,
)
from cascade.runtime.resource_manager import ResourceManager


class TestTaking:
    def test_what_is_free_is_granted_without_letting_anybody_else_run(self) -> None:
        async def main(manager: ResourceManager) -> None:
            others: list[str] = []
            asyncio.get_running_loop().call_soon(others.append, "ran")
            ticket = await manager.acquire({"a": 2})
            assert others == []
            assert used(manager) == 2
            assert ticket.amounts == {"a": 2}
            ticket.release()
            assert used(manager) == 0

        with_manager({"a": 2}, main)

    def test_waiters_are_served_in_the_order_of_arrival(self) -> None:
        async def main(manager: ResourceManager) -> None:
            held = await manager.acquire({"a": 3})
            tasks = await line_up(manager, {"a": 2}, {"a": 2}, {"a": 1})
            assert done(tasks) == [False] * 3
            held.release()
            await turn()
            assert done(tasks) == [True, False, False]
            await release(*tasks)

        with_manager({"a": 3}, main)

    def test_one_of_several_resources_that_is_short_leaves_the_others_alone(self) -> None:
        async def main(manager: ResourceManager) -> None:
            held = await manager.acquire({"a": 1})
            tasks = await line_up(manager, {"a": 1, "b": 1})
            assert used(manager, "b") == 0
            async with manager.hold({"b": 1}):
                assert used(manager, "b") == 1
            held.release()
            await release(*tasks)

        with_manager({"a": 1, "b": 1}, main)

    def test_opposite_orders_of_the_same_resources_never_deadlock(self) -> None:
        async def main(manager: ResourceManager) -> float:
            async def work(amounts: dict[str, int]) -> None:
                for _ in range(50):
                    async with manager.hold(amounts):
                        await asyncio.sleep(1)

            async with asyncio.timeout(1000), asyncio.TaskGroup() as group:
                group.create_task(work({"a": 1, "b": 1}))
                group.create_task(work({"b": 1, "a": 1}))
            return asyncio.get_running_loop().time()

        assert with_manager({"a": 1, "b": 1}, main) == 100

    def test_a_request_for_nothing_is_granted_whatever_waits(self) -> None:
        async def main(manager: ResourceManager) -> None:
            tasks = await line_up(manager, {"a": 1})
            for nothing in ({}, {"a": 0}, {"a": 0.0}):
                async with manager.hold(nothing) as ticket:
                    assert ticket.amounts == {}
                    assert manager.statistics().holding == 1
            await cancel(*tasks)

        with_manager({"a": 0}, main)

    def test_a_resource_without_a_limit_is_unlimited_and_counted(self) -> None:
        async def main(manager: ResourceManager) -> None:
            held = [await manager.acquire({"free": 1000, "a": 0.001}) for _ in range(1000)]
            statistics = manager.statistics().resources["free"]
            assert (statistics.capacity, statistics.used) == (None, 1e6)
            for ticket in held:
                ticket.release()

        with_manager({"a": 1, "free": None}, main)

    @pytest.mark.parametrize("n", [3, 10, 11, 49, 1001, 2000])
    def test_an_nth_fits_n_times_into_one(self, n: int) -> None:
        async def main(manager: ResourceManager) -> None:
            held = [manager.try_acquire({"a": 1 / n}) for _ in range(n)]
            assert None not in held
            for ticket in held:
                assert ticket is not None
                ticket.release()

        with_manager({"a": 1}, main)

    def test_a_tenth_three_times_is_three_tenths_to_the_last_unit(self) -> None:
        async def main(manager: ResourceManager) -> None:
            held = [await manager.acquire({"a": 0.1}) for _ in range(3)]
            assert used(manager) == 0.3
            assert manager.try_acquire({"a": 1e-9}) is None
            for ticket in held:
                ticket.release()

        with_manager({"a": 0.3}, main)

    def test_a_prepared_request_can_be_made_again_and_again(self) -> None:
        async def main(manager: ResourceManager) -> None:
            request = manager.prepare({"a": 1, "b": 0})
            assert request.amounts == {"a": 1}
            for _ in range(3):
                ticket = manager.take(request, "me")
                assert ticket is not None
                assert manager.take(request, "me") is None
                assert manager.lacking(request) == ("a",)
                ticket.release()
            assert manager.lacking(request) == ()

        with_manager({"a": 1}, main)


class TestTryAcquire:
    def test_never_overtakes_a_waiter(self) -> None:
        async def main(manager: ResourceManager) -> None:
            held = await manager.acquire({"a": 2})
            tasks = await line_up(manager, {"a": 2})
            assert manager.try_acquire({"a": 1}) is None, "1 of 3 is free, but claimed"
            held.release()
            assert manager.try_acquire({"a": 2}) is None, "granted, though it has not run yet"
            await release(*tasks)

        with_manager({"a": 3}, main)

    def test_takes_what_no_waiter_claims(self) -> None:
        async def main(manager: ResourceManager) -> None:
            held = await manager.acquire({"a": 4})
            tasks = await line_up(manager, {"a": 5})
            assert manager.try_acquire({"b": 1, "a": 1}) is None
            ticket = manager.try_acquire({"b": 1}, owner="the other")
            assert ticket is not None
            assert ticket.owner == "the other"
            ticket.release()
            held.release()
            await release(*tasks)

        with_manager({"a": 5, "b": 1}, main)

    def test_what_can_never_be_granted_is_just_not_granted(self) -> None:
        async def main(manager: ResourceManager) -> None:
            assert manager.try_acquire({"a": 2}) is None

        with_manager({"a": 1}, main)


class TestReleasing:
    def test_a_second_time_is_an_error_that_changes_nothing(self) -> None:
        async def main(manager: ResourceManager) -> None:
            first = await manager.acquire({"a": 1}, owner="me")
            second = await manager.acquire({"a": 1})
            first.release()
            for _ in range(2):
                with pytest.raises(ResourceError, match=r"of me .*released already"):
                    first.release()
            assert used(manager) == 1
            second.release()

        with_manager({"a": 2}, main)

    @pytest.mark.parametrize("later", [None, 0, 1, 7, 100])
    def test_gives_back_what_was_taken_whatever_the_limit_is_now(self, later: float | None) -> None:
        async def main(manager: ResourceManager) -> None:
            ticket = await manager.acquire({"a": 3})
            manager.set_capacity({"a": later})
            assert used(manager) == 3
            ticket.release()
            assert used(manager) == 0

        with_manager({"a": 7}, main)

    def test_gives_back_what_was_taken_before_there_was_a_limit(self) -> None:
        async def main(manager: ResourceManager) -> None:
            ticket = await manager.acquire({"a": 5})
            manager.set_capacity({"a": 6})
            assert manager.try_acquire({"a": 2}) is None
            ticket.release()
            manager.set_capacity({"a": None})

        with_manager({}, main)

    def test_a_waiter_is_granted_before_release_returns(self) -> None:
        async def main(manager: ResourceManager) -> None:
            held = await manager.acquire({"a": 2})
            tasks = await line_up(manager, {"a": 1}, {"a": 1})
            held.release()
            assert manager.statistics().holding == 2
            assert manager.statistics().waiting == 0
            await release(*tasks)

        with_manager({"a": 2}, main)

    def test_hold_gives_back_on_every_way_out(self) -> None:
        async def main(manager: ResourceManager) -> None:
            with pytest.raises(ZeroDivisionError):
                async with manager.hold({"a": 1}):
                    1 / 0  # noqa: B018
            assert used(manager) == 0
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(1), manager.hold({"a": 1}):
                    await asyncio.sleep(5)
            assert used(manager) == 0
            async with manager.hold({"a": 1}) as ticket:
                ticket.release()
            async with manager.hold({"a": 1}, timeout=1, owner="me") as ticket:
                assert ticket.owner == "me"
                with pytest.raises(AcquireTimeoutError):
                    async with manager.hold({"a": 1}, timeout=1):
                        pass

        with_manager({"a": 1}, main)

    def test_a_hold_is_for_one_block_at_a_time(self) -> None:
        async def main(manager: ResourceManager) -> None:
            hold = manager.hold({"a": 1})
            async with hold:
                with pytest.raises(ResourceError, match="entered already"):
                    await hold.__aenter__()
                assert used(manager) == 1
            async with hold:
                assert used(manager) == 1

        with_manager({"a": 2}, main)


class TestStatistics:
    def test_are_a_frozen_snapshot(self) -> None:
        async def main(manager: ResourceManager) -> None:
            ticket = await manager.acquire({"a": 1.5})
            (task,) = await line_up(manager, {"a": 1, "b": 1})
            before = manager.statistics()
            ticket.release()
            await release(task)
            a, b = before.resources["a"], before.resources["b"]
            assert (a.capacity, a.used, a.waiting, a.peak) == (2, 1.5, 1, 1.5)
            assert (b.capacity, b.used, b.waiting, b.peak) == (None, 0, 1, 0)
            assert (before.holding, before.waiting) == (1, 1)
            with pytest.raises(dataclasses.FrozenInstanceError):
                a.used = 0  # type: ignore[misc]
            with pytest.raises(dataclasses.FrozenInstanceError):
                before.holding = 0  # type: ignore[misc]
            with pytest.raises(TypeError):
                before.resources["a"] = b  # type: ignore[index]

        with_manager({"a": 2, "b": None}, main)

    def test_the_peak_is_the_most_that_was_ever_used(self) -> None:
        async def main(manager: ResourceManager) -> None:
            peaks = []
            for amount in (2, 5, 3):
                async with manager.hold({"a": amount}):
                    peaks.append(manager.statistics().resources["a"].peak)
            held = await manager.acquire({"a": 1})
            tasks = await line_up(manager, {"a": 9})
            held.release()
            await release(*tasks)
            peaks.append(manager.statistics().resources["a"].peak)
            assert peaks == [2, 5, 5, 9]

        with_manager({"a": 9}, main)


class TestTickets:
    def test_say_whose_they_are_and_how_they_stand(self) -> None:
        async def main(manager: ResourceManager) -> None:
            ticket = await manager.acquire({"a": 0.5, "b": 2}, owner="somebody")
            assert repr(ticket) == "<Ticket a=0.5, b=2 of somebody (held)>"
            ticket.release()
            assert "(released)" in repr(ticket)

        with_manager({"a": 1, "b": 2}, main)

    def test_belong_to_the_current_task_unless_said_otherwise(self) -> None:
        async def main(manager: ResourceManager) -> None:
            task = asyncio.current_task()
            assert task is not None
            task.set_name("the painter")
            async with manager.hold({"a": 1}) as ticket:
                assert ticket.owner == "the painter"

        with_manager({"a": 1}, main)
