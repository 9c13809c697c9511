"""Many at once: what an operation costs, counted in looks, and a fair share for everybody."""

from __future__ import annotations

import asyncio

from tests.long_form import tries
from tests.runtime.queueing import cancel, done, line_up, release, turn, used, with_manager

from cascade.runtime.resource_manager import ResourceManager
from cascade.runtime.ticket import Ticket


class TestCost:
    def test_a_closed_gate_with_thousands_behind_it_costs_the_others_nothing(self) -> None:
        async def main(manager: ResourceManager) -> None:
            manager.set_gate("g", open=False)
            parked = await line_up(manager, *[{"g": 1, "a": 1}] * tries(5_000, 50_000))
            looks = manager.looks
            for _ in range(1000):
                (await manager.acquire({"a": 1}, timeout=0)).release()
            assert manager.looks == looks
            await cancel(*parked)

        with_manager({"a": 1}, main)

    def test_a_spent_budget_and_a_pause_cost_the_others_nothing_either(self) -> None:
        async def main(manager: ResourceManager) -> None:
            manager.set_budget("u", 0)
            manager.set_capacity({"pause": 0})
            parked = await line_up(manager, *[{"u": 1, "a": 1}, {"pause": 1, "a": 1}] * 500)
            looks = manager.looks
            for _ in range(1000):
                (await manager.acquire({"a": 1}, timeout=0)).release()
            assert manager.looks == looks
            await cancel(*parked)

        with_manager({"a": 1}, main)

    def test_two_resources_free_in_turn_under_thousands_who_want_both(self) -> None:
        async def main(manager: ResourceManager) -> None:
            x: Ticket | None = await manager.acquire({"x": 1})
            y = await manager.acquire({"y": 1})
            tasks = await line_up(manager, *[{"x": 1, "y": 1}] * tries(10_000, 100_000))
            for _ in range(100):
                assert x is not None
                before = manager.looks
                x.release()
                assert manager.looks - before <= 4
                x = manager.try_acquire({"x": 1})
                if x is None:
                    break  # it is reserved by now
                before = manager.looks
                y.release()
                assert manager.looks - before <= 4
                second = manager.try_acquire({"y": 1})
                if second is None:
                    break
                y = second
            await turn()
            assert not tasks[0].done()
            before = manager.looks
            for ticket in [x, y]:
                if ticket is not None and ticket.state == 1:
                    ticket.release()
            await turn()
            assert tasks[0].done()
            assert manager.looks - before <= 8
            await cancel(*tasks[1:])
            await release(tasks[0])

        with_manager({"x": 1, "y": 1}, main)

    def test_a_release_under_thousands_who_wait_for_a_rate_too(self) -> None:
        async def main(manager: ResourceManager) -> None:
            manager.set_rate("r", per_second=1e-6)
            (await manager.acquire({"r": 1})).release()
            tasks = await line_up(manager, *[{"x": 1, "r": 1}] * tries(5_000, 20_000))
            for _ in range(100):
                looks = manager.looks
                (await manager.acquire({"x": 1}, timeout=0)).release()
                assert manager.looks - looks <= 2
            await cancel(*tasks)

        with_manager({"x": 1}, main)

    def test_spending_a_budget_of_which_enough_is_left_looks_at_nobody(self) -> None:
        names = [f"x{number}" for number in range(1000)]

        async def main(manager: ResourceManager) -> None:
            manager.set_budget("u", 1e6)
            tasks = await line_up(manager, *[{name: 1, "u": 1} for name in names])
            looks = manager.looks
            for _ in range(100):
                (await manager.acquire({"u": 1})).release()
            assert manager.looks == looks
            await cancel(*tasks)

        with_manager(dict.fromkeys(names, 0), main)

    def test_removing_a_limit_frees_all_at_once_whatever_the_kind(self) -> None:
        async def main(manager: ResourceManager) -> None:
            manager.set_rate("r", per_second=1e-6)
            manager.set_budget("u", 0)
            manager.set_gate("g", open=False)
            wanted = {"a": 1, "r": 1, "u": 1, "g": 1}
            tasks = await line_up(manager, *[wanted] * 1000)
            manager.set_rate("r", None)
            manager.set_budget("u", None)
            manager.set_gate("g", open=True)
            assert manager.statistics().waiting == 1000
            manager.set_capacity({"a": None})
            await turn()
            assert sum(done(tasks)) == 1000
            await release(*tasks)

        with_manager({"a": 0}, main)


class TestOrder:
    def test_of_two_whom_one_release_lets_go_the_earlier_goes(self) -> None:
        async def main(manager: ResourceManager) -> None:
            held = await manager.acquire({"a": 1, "b": 1})
            both, one = await line_up(manager, {"a": 1, "b": 1}, {"b": 1})
            held.release()
            await turn()
            assert (both.done(), one.done()) == (True, False)
            await release(both, one)

        with_manager({"a": 1, "b": 1}, main)

    def test_a_higher_one_is_not_lost_when_two_tokens_come_at_one_instant(self) -> None:
        async def main(manager: ResourceManager) -> None:
            loop = asyncio.get_running_loop()
            manager.set_rate("r", per_second=0.5)
            manager.set_rate("s", per_second=0.5)
            (await manager.acquire({"s": 1, "r": 1})).release()
            lower = await line_up(manager, {"s": 1, "r": 1, "a": 1})
            higher = asyncio.create_task(manager.acquire({"r": 1}, priority=1))
            # The lower one moves to the line of the second rate just before that one's timer.
            (await higher).release()
            assert loop.time() == 2
            await release(*lower)
            assert loop.time() == 4

        with_manager({"a": 1}, main)


class TestFairness:
    def test_five_hundred_equal_agents_get_equal_shares(self) -> None:
        async def main(manager: ResourceManager) -> list[int]:
            grants = [0] * 500

            async def agent(number: int) -> None:
                while True:
                    async with manager.hold({"cpu": 1}):
                        grants[number] += 1
                        await asyncio.sleep(1)

            agents = [asyncio.create_task(agent(number)) for number in range(500)]
            await asyncio.sleep(200.5)
            await cancel(*agents)
            assert used(manager, "cpu") == 0
            return grants

        grants = with_manager({"cpu": 50}, main)
        assert sum(grants) == 201 * 50
        jain = sum(grants) ** 2 / (len(grants) * sum(n * n for n in grants))
        assert jain >= 0.99

    def test_all_of_a_capacity_among_a_stream_that_wants_one_each(self) -> None:
        async def main(manager: ResourceManager) -> float:
            loop = asyncio.get_running_loop()

            async def one() -> None:
                async with manager.hold({"a": 1}):
                    await asyncio.sleep(1)

            async def stream() -> None:
                while True:
                    ones.append(asyncio.create_task(one()))
                    await asyncio.sleep(1 / 16)

            ones: list[asyncio.Task[None]] = []
            streaming = asyncio.create_task(stream())
            await asyncio.sleep(5.03)
            in_line = manager.statistics().waiting
            began = loop.time()
            async with manager.hold({"a": 10}):
                waited = loop.time() - began
            await cancel(streaming)
            await asyncio.wait(ones)
            # Those who stood in line before it have gone, and it didn't wait for any other.
            return waited - in_line / 10

        assert 0 < with_manager({"a": 10}, main) <= 2
