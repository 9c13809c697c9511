"""The kinds of limits: rates, gates and budgets beside capacities; priorities; explanations."""

from __future__ import annotations

import asyncio
import gc
import math
import warnings
from collections.abc import Callable
from typing import Any, cast

import pytest
from tests.runtime.queueing import (
    cancel,
    check_idle,
    done,
    line_up,
    release,
    turn,
    used,
    with_manager,
)

from cascade.errors import AcquireTimeoutError, InfeasibleRequestError, ResourceError
from cascade.runtime.resource_manager import ResourceManager
from cascade.testing import run_virtual

TEN_A_MINUTE = 10 / 60


async def starts(manager: ResourceManager, count: int, **amounts: float) -> list[float]:
    """Return when each of so many is granted that ask at once and hold for a second."""
    loop = asyncio.get_running_loop()
    times: list[float] = []

    async def work() -> None:
        async with manager.hold(amounts):
            times.append(loop.time())
            await asyncio.sleep(1)

    async with asyncio.TaskGroup() as group:
        for _ in range(count):
            group.create_task(work())
    return times


class TestRates:
    def test_ten_a_minute_starts_one_at_once_and_then_one_every_six_seconds(self) -> None:
        async def main(manager: ResourceManager) -> list[float]:
            manager.set_rate("r", TEN_A_MINUTE)
            return await starts(manager, 100, r=1)

        times = with_manager({}, main)
        assert times == pytest.approx([6.0 * n for n in range(100)], abs=1e-6)

    def test_a_burst_may_start_at_once_and_comes_back_with_time(self) -> None:
        async def main(manager: ResourceManager) -> list[float]:
            manager.set_rate("r", per_second=2, burst=3)
            times = await starts(manager, 5, r=1)
            await asyncio.sleep(100)
            return times + await starts(manager, 4, r=1)

        assert with_manager({}, main) == [0, 0, 0, 0.5, 1, 102, 102, 102, 102.5]

    def test_two_limits_at_once_and_a_capacity(self) -> None:
        async def main(manager: ResourceManager) -> list[float]:
            manager.set_rate("often", per_second=1)
            manager.set_rate("in all", per_second=TEN_A_MINUTE, burst=5)
            return await starts(manager, 9, **{"often": 1, "in all": 1, "a": 1})

        times = with_manager({"a": 2}, main)
        assert times == pytest.approx([0, 1, 2, 3, 4, 6, 12, 18, 24], abs=1e-6)

    def test_a_capacity_that_is_scarcer_than_the_rate_sets_the_pace(self) -> None:
        async def main(manager: ResourceManager) -> list[float]:
            manager.set_rate("r", per_second=1.25)
            return await starts(manager, 5, r=1, a=1)

        assert with_manager({"a": 1}, main) == [0, 1, 2, 3, 4]

    def test_no_token_is_spent_while_something_else_says_no(self) -> None:
        async def main(manager: ResourceManager) -> None:
            manager.set_rate("r", per_second=0.001)
            held = await manager.acquire({"a": 1})
            (task,) = await line_up(manager, {"r": 1, "a": 1})
            await asyncio.sleep(5)
            assert manager.statistics().resources["r"].available == 1
            async with manager.hold({"r": 1}, timeout=1):
                pass
            await cancel(task)
            held.release()

        with_manager({"a": 1}, main)

    def test_those_who_wait_are_woken_in_turn_by_one_timer(self) -> None:
        async def main(manager: ResourceManager) -> None:
            loop = asyncio.get_running_loop()
            manager.set_rate("r", per_second=1)
            tasks = await line_up(manager, *[{"r": 1}] * 1000)
            looks = manager.looks
            for second in range(10):
                await asyncio.sleep(second - loop.time())
                await turn()
                assert sum(done(tasks)) == second + 1
            assert manager.looks - looks <= 20
            await release(*tasks[:10])
            await cancel(*tasks[10:])

        with_manager({}, main)

    def test_a_larger_amount_waits_for_as_many_tokens_and_keeps_its_turn(self) -> None:
        async def main(manager: ResourceManager) -> None:
            loop = asyncio.get_running_loop()
            manager.set_rate("r", per_second=1, burst=4)
            (await manager.acquire({"r": 4})).release()
            tasks = await line_up(manager, {"r": 3}, {"r": 1}, {"r": 0.5})
            for task, at in zip(tasks, (3, 4, 4.5), strict=True):
                (await task).release()
                assert loop.time() == at

        with_manager({}, main)

    @pytest.mark.parametrize(("per_second", "then"), [(1 / 3, 4.5), (1 / 60, 33), (None, 3)])
    def test_changed_live_it_moves_the_next_start(
        self, per_second: float | None, then: float
    ) -> None:
        async def main(manager: ResourceManager) -> list[float]:
            manager.set_rate("r", TEN_A_MINUTE)
            asyncio.get_running_loop().call_at(3, manager.set_rate, "r", per_second)
            return await starts(manager, 2, r=1)

        assert with_manager({}, main) == pytest.approx([0, then], abs=1e-6)

    def test_changed_in_the_instant_of_its_last_use_it_is_empty(self) -> None:
        async def main(manager: ResourceManager) -> list[float]:
            manager.set_rate("r", TEN_A_MINUTE)
            await asyncio.sleep(12)
            (await manager.acquire({"r": 1})).release()
            manager.set_rate("r", per_second=0.25)
            assert manager.statistics().resources["r"].available == 0
            return await starts(manager, 2, r=1)

        assert with_manager({}, main) == [16, 20]

    def test_a_smaller_burst_keeps_what_is_there_and_owes_nothing(self) -> None:
        async def main(manager: ResourceManager) -> list[float]:
            manager.set_rate("r", per_second=1, burst=10)
            (await manager.acquire({"r": 10})).release()
            await asyncio.sleep(4)
            manager.set_rate("r", per_second=1, burst=1)
            times = await starts(manager, 3, r=1)
            (await manager.acquire({"r": 1})).release()
            manager.set_rate("r", per_second=1, burst=10)
            assert manager.statistics().resources["r"].available == 0
            return times

        assert with_manager({}, main) == [4, 5, 6]

    def test_a_smaller_burst_sets_aside_who_wants_more_until_it_grows_again(self) -> None:
        async def main(manager: ResourceManager) -> None:
            manager.set_rate("r", per_second=1, burst=10)
            (await manager.acquire({"r": 10})).release()
            tasks = await line_up(manager, {"r": 5}, {"r": 1})
            manager.set_rate("r", per_second=1, burst=1)
            await asyncio.sleep(1.5)
            assert done(tasks) == [False, True]
            assert manager.explain()[0].impossible
            manager.set_rate("r", per_second=1, burst=5)
            (await tasks[0]).release()
            assert asyncio.get_running_loop().time() == 6
            await release(tasks[1])

        with_manager({}, main)

    def test_set_before_any_loop_runs(self) -> None:
        manager = ResourceManager()
        manager.set_rate("r", per_second=5)
        manager.set_rate("r", per_second=1, burst=2)
        assert run_virtual(starts(manager, 4, r=1), start=1000) == [1000, 1000, 1001, 1002]
        check_idle(manager)

    @pytest.mark.parametrize("uses", [1, 50])
    def test_in_the_next_loop_whose_clock_begins_again_it_is_as_it_was(self, uses: int) -> None:
        manager = ResourceManager()
        manager.set_rate("r", per_second=1)
        assert run_virtual(starts(manager, uses, r=1))[-1] == uses - 1
        assert run_virtual(starts(manager, 2, r=1)) == [1, 2]
        manager.set_rate("r", per_second=0.5)
        assert run_virtual(starts(manager, 2, r=1), start=1000) == [1000, 1002]
        check_idle(manager)

    def test_a_waiter_cancelled_as_its_token_comes_leaves_it_to_the_next(self) -> None:
        async def main(manager: ResourceManager) -> None:
            loop = asyncio.get_running_loop()
            manager.set_rate("r", per_second=1)
            (await manager.acquire({"r": 1})).release()
            tasks = [asyncio.create_task(manager.acquire({"r": 1})) for _ in range(2)]
            loop.call_at(1, tasks[0].cancel)
            await turn()
            (await tasks[1]).release()
            assert loop.time() == 1
            assert tasks[0].cancelled()

        with_manager({}, main)

    def test_a_time_out_gives_the_turn_to_the_next(self) -> None:
        async def main(manager: ResourceManager) -> None:
            manager.set_rate("r", per_second=0.1)
            (await manager.acquire({"r": 1})).release()
            (first,) = await line_up(manager, {"r": 1}, timeout=9.5)
            (second,) = await line_up(manager, {"r": 1})
            with pytest.raises(AcquireTimeoutError):
                await first
            (await second).release()
            assert asyncio.get_running_loop().time() == 10

        with_manager({}, main)

    def test_a_timer_that_goes_off_early_means_due_and_the_next_one_is_not_early(self) -> None:
        async def main(manager: ResourceManager) -> None:
            loop = asyncio.get_running_loop()
            manager.set_rate("r", per_second=1)
            (await manager.acquire({"r": 1})).release()
            tasks = await line_up(manager, {"r": 1}, {"r": 1})
            timer = manager._resources["r"].timer
            assert timer is not None
            await asyncio.sleep(0.9995)
            timer._run()  # as some loops' timers do
            timer.cancel()
            await turn()
            assert done(tasks) == [True, False]
            assert manager.try_acquire({"r": 1}) is None
            await release(*tasks)
            assert loop.time() == 2

        with_manager({}, main)

    def test_more_than_a_burst_fails_at_once(self) -> None:
        async def main(manager: ResourceManager) -> None:
            manager.set_rate("r", per_second=100, burst=2)
            with pytest.raises(InfeasibleRequestError, match="burst is 2") as caught:
                await manager.acquire({"r": 3})
            assert (caught.value.resource, caught.value.limit) == ("r", 2)
            assert manager.try_acquire({"r": 3}) is None

        with_manager({}, main)

    @pytest.mark.parametrize("n", [3, 10, 11])
    def test_an_nth_fits_n_times_into_a_burst_of_one(self, n: int) -> None:
        async def main(manager: ResourceManager) -> None:
            manager.set_rate("r", per_second=1)
            for _ in range(n):
                ticket = manager.try_acquire({"r": 1 / n})
                assert ticket is not None
                ticket.release()
            assert manager.try_acquire({"r": 1 / n}) is None

        with_manager({}, main)

    def test_a_million_uses_later_no_error_has_piled_up(self) -> None:
        async def main(manager: ResourceManager) -> None:
            loop = asyncio.get_running_loop()
            manager.set_rate("r", per_second=1000 / 7, burst=1000)
            (await manager.acquire({"r": 1000})).release()
            for n in range(1, 1001):
                (await manager.acquire({"r": 1000})).release()
                assert loop.time() == pytest.approx(7 * n, abs=1e-6)

        with_manager({}, main)

    def test_without_a_limit_again_nobody_waits_and_nothing_is_left(self) -> None:
        async def main(manager: ResourceManager) -> None:
            manager.set_rate("r", per_second=0.01)
            tasks = await line_up(manager, *[{"r": 1}] * 20, *[{"r": 1, "a": 1}] * 20)
            manager.set_rate("r", None)
            assert manager._resources["r"].timer is None
            await turn()
            assert sum(done(tasks)) == 21
            await release(*tasks)
            assert manager.statistics().resources["r"].capacity is None

        with_manager({"a": 1}, main)


class TestGates:
    def test_a_closed_one_lets_nobody_through_and_opening_all_who_fit_at_once(self) -> None:
        async def main(manager: ResourceManager) -> None:
            manager.set_gate("g", open=False)
            tasks = await line_up(manager, {"g": 1}, {"g": 7, "a": 1}, {"a": 1, "g": 1})
            await asyncio.sleep(1000)
            assert done(tasks) == [False] * 3
            assert manager.try_acquire({"g": 1}) is None
            manager.set_gate("g", open=True)
            assert manager.statistics().waiting == 1
            await turn()
            assert done(tasks) == [True, True, False]
            await release(*tasks)

        with_manager({"a": 1}, main)

    def test_one_that_was_open_stops_who_comes_later_and_leaves_holders_alone(self) -> None:
        async def main(manager: ResourceManager) -> None:
            manager.set_gate("g", open=True)
            held = await manager.acquire({"g": 1, "a": 1})
            manager.set_gate("g", open=False)
            tasks = await line_up(manager, {"g": 1, "a": 1})
            held.release()
            await turn()
            assert done(tasks) == [False]
            manager.set_gate("g", open=True)
            await release(*tasks)

        with_manager({"a": 1}, main)

    def test_who_waits_at_a_closed_one_keeps_its_place_and_blocks_nobody(self) -> None:
        async def main(manager: ResourceManager) -> None:
            manager.set_gate("g", open=False)
            tasks = await line_up(manager, {"g": 1, "a": 1}, {"a": 1}, {"a": 1}, {"a": 1})
            assert done(tasks) == [False, True, False, False]
            manager.set_gate("g", open=True)
            await release(tasks[1])
            await turn()
            assert done(tasks) == [True, True, False, False], "it is ahead of those who came later"
            await release(tasks[0], *tasks[2:])

        with_manager({"a": 1}, main)


class TestBudgets:
    def test_what_is_spent_does_not_come_back_by_itself(self) -> None:
        async def main(manager: ResourceManager) -> None:
            manager.set_budget("usd", 5)
            for left in (3, 1):
                (await manager.acquire({"usd": 2})).release()
                figures = manager.statistics().resources["usd"]
                assert (figures.available, figures.capacity, figures.used) == (left, left, 0)
            tasks = await line_up(manager, {"usd": 1}, {"usd": 1})
            await asyncio.sleep(1e6)
            assert done(tasks) == [True, False]
            manager.set_budget("usd", 1)
            await release(*tasks)

        with_manager({}, main)

    def test_settling_puts_back_what_was_not_spent_and_wakes_who_fits(self) -> None:
        async def main(manager: ResourceManager) -> None:
            manager.set_budget("usd", 1)
            ticket = await manager.acquire({"usd": 1})
            tasks = await line_up(manager, {"usd": 0.5})
            ticket.settle(usd=0.37)
            assert manager.statistics().resources["usd"].available == pytest.approx(0.13)
            assert manager.statistics().waiting == 0
            ticket.release()
            await release(*tasks)

        with_manager({}, main)

    def test_settling_can_take_more_than_was_left(self) -> None:
        async def main(manager: ResourceManager) -> None:
            manager.set_budget("usd", 2)
            ticket = await manager.acquire({"usd": 1})
            ticket.settle(usd=4.5)
            figures = manager.statistics().resources["usd"]
            assert (figures.capacity, figures.available) == (-2.5, 0)
            (task,) = await line_up(manager, {"usd": 1e-9})
            assert not task.done()
            ticket.release()
            ticket.settle(usd=1)
            (await task).release()

        with_manager({}, main)

    def test_settled_again_before_or_after_the_release_the_last_time_counts(self) -> None:
        async def main(manager: ResourceManager) -> None:
            manager.set_budget("usd", 10)
            manager.set_budget("eur", 10)
            ticket = await manager.acquire({"usd": 3, "eur": 1, "a": 1})
            ticket.settle(usd=1)
            ticket.settle({"usd": 2, "eur": 0})
            ticket.release()
            ticket.settle(usd=0.5)
            assert manager.statistics().resources["usd"].available == 9.5
            assert manager.statistics().resources["eur"].available == 10

        with_manager({"a": 1}, main)

    def test_settling_what_is_no_budget_of_the_ticket_changes_nothing(self) -> None:
        async def main(manager: ResourceManager) -> None:
            manager.set_budget("usd", 10)
            ticket = await manager.acquire({"usd": 3, "a": 1})
            bad: list[tuple[dict[str, Any], type[Exception], str]] = [
                ({"a": 1}, ValueError, "'a' is no budget .*usd"),
                ({"usd": 1, "b": 1}, ValueError, "'b' is no budget"),
                ({"usd": -1}, ValueError, "'usd'"),
                ({"usd": math.nan}, ValueError, "'usd'"),
                ({"usd": "1"}, TypeError, "'usd'"),
                ({"usd": True}, TypeError, "'usd'"),
            ]
            for spent, error, words in bad:
                with pytest.raises(error, match=words):
                    ticket.settle(spent)
            assert manager.statistics().resources["usd"].available == 7
            ticket.release()

        with_manager({"a": 1}, main)

    def test_one_that_fails_refuses_more_than_is_left_at_once(self) -> None:
        async def main(manager: ResourceManager) -> None:
            manager.set_budget("usd", 1, on_empty="fail")
            with pytest.raises(InfeasibleRequestError, match="remaining budget is 1"):
                await manager.acquire({"usd": 1.5})
            (await manager.acquire({"usd": 1})).release()
            with pytest.raises(InfeasibleRequestError, match="remaining budget is 0"):
                await manager.acquire({"usd": 0.01})
            assert manager.try_acquire({"usd": 0.01}) is None

        with_manager({}, main)

    @pytest.mark.parametrize("by", ["grant", "settle", "set_budget"])
    def test_one_that_fails_fails_waiters_whom_there_is_nothing_left_for(self, by: str) -> None:
        async def main(manager: ResourceManager) -> None:
            manager.set_budget("usd", 5, on_empty="fail")
            paid = await manager.acquire({"usd": 1})
            held = await manager.acquire({"a": 1})
            tasks = await line_up(manager, {"usd": 3, "a": 1}, {"usd": 1, "a": 1}, {"a": 1})
            if by == "grant":
                (await manager.acquire({"usd": 2})).release()
            elif by == "settle":
                paid.settle(usd=3)
            else:
                manager.set_budget("usd", 2, on_empty="fail")
            await turn()
            assert done(tasks) == [True, False, False]
            with pytest.raises(InfeasibleRequestError, match="remaining budget is 2"):
                await tasks[0]
            held.release()
            paid.release()
            await release(*tasks[1:])

        with_manager({"a": 1}, main)

    def test_one_that_is_waited_for_lets_who_wants_more_step_aside(self) -> None:
        async def main(manager: ResourceManager) -> None:
            manager.set_budget("usd", 5)
            held = await manager.acquire({"a": 1})
            tasks = await line_up(manager, {"usd": 4, "a": 1}, {"usd": 1, "a": 1})
            (await manager.acquire({"usd": 3})).release()
            assert [why.impossible for why in manager.explain()] == [True, False]
            held.release()
            await turn()
            assert done(tasks) == [False, True], "it blocks nobody"
            await release(tasks[1])
            manager.set_budget("usd", 4)
            await release(tasks[0])

        with_manager({"a": 1}, main)

    def test_a_bit_that_comes_back_to_a_spent_one_goes_to_whom_it_is_enough_for(self) -> None:
        async def main(manager: ResourceManager) -> None:
            manager.set_budget("usd", 3)
            ticket = await manager.acquire({"usd": 3})
            tasks = await line_up(manager, {"usd": 5}, {"usd": 1}, {"usd": 2, "a": 1})
            ticket.settle(usd=1)
            await turn()
            assert done(tasks) == [False, True, False]
            assert [why.impossible for why in manager.explain()] == [True, True]
            ticket.release()
            manager.set_budget("usd", None)
            await release(*tasks)

        with_manager({"a": 1}, main)

    def test_who_stepped_aside_waits_in_line_again_once_nothing_is_left(self) -> None:
        async def main(manager: ResourceManager) -> None:
            manager.set_budget("usd", 3)
            tasks = await line_up(manager, {"usd": 5})
            assert manager.explain()[0].impossible
            (await manager.acquire({"usd": 3})).release()
            (why,) = manager.explain()
            assert (why.impossible, why.blocked_on) == (False, ("usd",))
            manager.set_budget("usd", 5)
            await release(*tasks)

        with_manager({}, main)

    @pytest.mark.parametrize("order", [("usd", "a"), ("a", "usd")])
    def test_what_is_waited_for_does_not_hide_what_can_never_be(
        self, order: tuple[str, str]
    ) -> None:
        async def main(manager: ResourceManager) -> None:
            manager.set_budget("usd", 1)
            with pytest.raises(InfeasibleRequestError, match="'a'"):
                await manager.acquire(dict.fromkeys(order, 2), timeout=1)

        with_manager({"a": 1}, main)

    def test_an_error_of_a_waiter_leaves_no_cycles(self) -> None:
        async def main(manager: ResourceManager) -> int:
            manager.set_budget("usd", 5, on_empty="fail")
            held = await manager.acquire({"a": 1})
            gc.collect()
            gc.disable()
            try:
                for _ in range(10):
                    tasks = await line_up(manager, {"usd": 3, "a": 1})
                    manager.set_budget("usd", 1, on_empty="fail")
                    await asyncio.wait(tasks)
                    assert isinstance(tasks[0].exception(), InfeasibleRequestError)
                    manager.set_budget("usd", 5, on_empty="fail")
                    del tasks
                found = gc.collect()
            finally:
                gc.enable()
            held.release()
            return found

        assert with_manager({"a": 1}, main) == 0


class TestKinds:
    def test_a_name_has_one(self) -> None:
        manager = ResourceManager({"a": 1})
        manager.set_rate("r", 1)
        manager.set_gate("g", open=True)
        manager.set_budget("u", 1)
        settings: dict[str, Callable[[str], None]] = {
            "capacity": lambda name: manager.set_capacity({name: 1}),
            "rate": lambda name: manager.set_rate(name, 1),
            "gate": lambda name: manager.set_gate(name, open=False),
            "budget": lambda name: manager.set_budget(name, 1),
        }
        kinds = {"a": "capacity", "r": "rate", "g": "gate", "u": "budget"}
        for name, kind in kinds.items():
            for other, setting in settings.items():
                if other != kind:
                    with pytest.raises(ValueError, match=f"'{name}' is a {kind} already"):
                        setting(name)
        assert {n: r.kind for n, r in manager.statistics().resources.items()} == kinds

    @pytest.mark.parametrize(
        ("wrong", "error", "words"),
        [
            (lambda m: m.set_rate("r", 0), ValueError, "per_second of 'r' must be above 0, got 0"),
            (lambda m: m.set_rate("r", -1), ValueError, "per_second of 'r'"),
            (lambda m: m.set_rate("r", math.inf), ValueError, "per_second of 'r'"),
            (lambda m: m.set_rate("r", math.nan), ValueError, "per_second of 'r'"),
            (lambda m: m.set_rate("r", "1"), TypeError, "per_second of 'r'"),
            (lambda m: m.set_rate("r", True), TypeError, "per_second of 'r'"),
            (lambda m: m.set_rate("r", 1, burst=0.5), ValueError, "burst of 'r' .*0.5"),
            (lambda m: m.set_rate("r", 1, burst=math.nan), ValueError, "burst of 'r'"),
            (lambda m: m.set_rate("r", 1, burst=None), TypeError, "burst of 'r'"),
            (lambda m: m.set_gate("g", 1), TypeError, "open of 'g'"),
            (lambda m: m.set_budget("u", -1), ValueError, "'u'"),
            (lambda m: m.set_budget("u", math.inf), ValueError, "'u'"),
            (lambda m: m.set_budget("u", "1"), TypeError, "'u'"),
            (lambda m: m.set_budget("u", 1, on_empty="raise"), ValueError, "on_empty of 'u'"),
            (lambda m: m.set_rate("", 1), ValueError, "name"),
            (lambda m: m.set_gate(3, open=True), TypeError, "name"),
            (lambda m: m.set_capacity({"rule:x": 1}), ValueError, "live rules"),
            (lambda m: ResourceManager(aging=0), ValueError, "aging"),
            (lambda m: ResourceManager(aging=math.nan), ValueError, "aging"),
            (lambda m: ResourceManager(aging=cast("Any", "1")), TypeError, "aging"),
        ],
    )
    def test_a_setting_that_makes_no_sense_is_refused_and_changes_nothing(
        self, wrong: Callable[[Any], object], error: type[Exception], words: str
    ) -> None:
        manager = ResourceManager()
        with pytest.raises(error, match=words):
            wrong(manager)
        assert not manager.statistics().resources

    def test_figures_of_each(self) -> None:
        async def main(manager: ResourceManager) -> None:
            manager.set_rate("r", per_second=0.5, burst=4)
            manager.set_gate("g", open=False)
            manager.set_budget("u", 9)
            held = await manager.acquire({"a": 1.5, "r": 3, "u": 2})
            tasks = await line_up(manager, {"a": 1, "r": 1}, {"g": 1})
            await asyncio.sleep(1)
            found = manager.statistics().resources
            capacity = {name: figures.capacity for name, figures in found.items()}
            available = {name: figures.available for name, figures in found.items()}
            waiting = {name: figures.waiting for name, figures in found.items()}
            oldest = {name: figures.oldest_waiter for name, figures in found.items()}
            assert capacity == {"a": 2, "r": 4, "g": 0, "u": 7}
            assert available == {"a": 0.5, "r": 1.5, "g": 0, "u": 7}
            assert waiting == {"a": 1, "r": 1, "g": 1, "u": 0}
            assert oldest == {"a": 1, "r": 1, "g": 1, "u": None}
            held.release()
            manager.set_gate("g", open=True)
            await release(*tasks)
            a = manager.statistics().resources["a"]
            assert (a.granted_after_waiting, a.waiting_time, a.longest_wait) == (1, 1, 1)
            assert a.peak == 1.5

        with_manager({"a": 2}, main)


class TestStrictManagers:
    def test_refuse_names_without_a_limit_and_tell_the_nearest(self) -> None:
        async def main() -> None:
            manager = ResourceManager({"cpu_slot": 1}, strict=True)
            manager.set_rate("openai", 1)
            for _ in range(2):
                with pytest.raises(ValueError, match=r"'cpu_slots'.*strict.*'cpu_slot'"):
                    await manager.acquire({"cpu_slot": 1, "cpu_slots": 1, "opnai": 1})
                assert set(manager.statistics().resources) == {"cpu_slot", "openai"}
                with pytest.raises(ValueError, match=r"'opnai'.*'openai'"):
                    manager.try_acquire({"opnai": 1})
            assert set(manager.statistics().resources) == {"cpu_slot", "openai"}
            manager.set_capacity({"free": None})
            (await manager.acquire({"cpu_slot": 1, "openai": 1, "free": 10})).release()
            check_idle(manager)

        run_virtual(main())

    def test_others_warn_once_also_of_a_rate_with_a_similar_name(self) -> None:
        async def main(manager: ResourceManager) -> None:
            manager.set_rate("openai", 1)
            with pytest.warns(RuntimeWarning, match=r"'opnai'.*unlimited.*'openai'"):
                (await manager.acquire({"opnai": 1})).release()
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                (await manager.acquire({"opnai": 1})).release()

        with_manager({}, main)


class TestPriorities:
    def test_higher_ones_are_ahead_and_equal_ones_in_the_order_of_arrival(self) -> None:
        async def main(manager: ResourceManager) -> None:
            order: list[str] = []

            async def work(name: str, priority: int) -> None:
                async with manager.hold({"a": 1}, priority=priority):
                    order.append(name)

            async with asyncio.TaskGroup() as group, manager.hold({"a": 1}):
                for name, priority in (("b", 0), ("d", -1), ("a", 2), ("c", 0), ("e", -(10**6))):
                    group.create_task(work(name, priority))
                await turn()
            assert order == ["a", "b", "c", "d", "e"]

        with_manager({"a": 1}, main)

    def test_a_later_one_that_is_higher_is_ahead_in_any_lane(self) -> None:
        async def main(manager: ResourceManager) -> None:
            held = await manager.acquire({"a": 2})
            tasks = await line_up(manager, {"a": 2})
            higher = asyncio.create_task(manager.acquire({"a": 1, "b": 1}, priority=1))
            await turn()
            held.release()
            await turn()
            assert (done(tasks), higher.done()) == ([False], True)
            await release(higher, *tasks)

        with_manager({"a": 2, "b": 1}, main)

    def test_a_higher_one_goes_at_once_where_only_lower_ones_claim(self) -> None:
        async def main(manager: ResourceManager) -> None:
            held = await manager.acquire({"a": 1})
            tasks = await line_up(manager, {"a": 2})
            assert manager.try_acquire({"a": 1}) is None
            async with manager.hold({"a": 1}, priority=1, timeout=0):
                pass
            held.release()
            await release(*tasks)

        with_manager({"a": 2}, main)

    @pytest.mark.parametrize("aging", [None, 2.0])
    def test_a_saturating_higher_stream_starves_a_lower_one_unless_it_ages(
        self, aging: float | None
    ) -> None:
        async def main() -> float | None:
            loop = asyncio.get_running_loop()
            manager = ResourceManager({"a": 1}, aging=aging)

            async def stream() -> None:
                while True:
                    async with manager.hold({"a": 1}, priority=3):
                        await asyncio.sleep(1)

            streams = [asyncio.create_task(stream()) for _ in range(2)]
            await asyncio.sleep(0.5)
            began = loop.time()
            try:
                async with manager.hold({"a": 1}, timeout=500):
                    waited = loop.time() - began
            except AcquireTimeoutError:
                waited = None
            await_end = asyncio.gather(*streams, return_exceptions=True)
            for task in streams:
                task.cancel()
            await await_end
            check_idle(manager)
            return waited

        waited = run_virtual(main())
        if aging is None:
            assert waited is None
        else:
            # Three levels at two seconds each, and those who were in line at that time.
            assert waited is not None
            assert 6 <= waited <= 6 + 2

    def test_a_priority_that_makes_no_sense_is_refused(self) -> None:
        async def main(manager: ResourceManager) -> None:
            for priority in ("1", 1.5, True, None, 0.0, False, ""):
                wrong: Any = priority
                with pytest.raises(TypeError, match="priority"):
                    await manager.acquire({"a": 1}, priority=wrong)
                with pytest.raises(TypeError, match="priority"):
                    async with manager.hold({"a": 1}, priority=wrong):
                        pass

        with_manager({"a": 1}, main)


class TestExplanations:
    def test_say_what_is_lacking_who_holds_it_and_who_is_ahead(self) -> None:
        async def main(manager: ResourceManager) -> None:
            await asyncio.sleep(3)
            held = await manager.acquire({"a": 2}, owner="holder")
            first = asyncio.create_task(manager.acquire({"a": 3}, owner="first"))
            second = asyncio.create_task(manager.acquire({"a": 1, "b": 1}, owner="second"))
            await turn()
            one, two = manager.explain()
            assert (one.owner, one.request, one.since) == ("first", {"a": 3}, 3)
            assert (one.blocked_on, one.lacking) == (("a",), ("a",))
            assert (one.holders, one.behind, one.ready_at) == (("holder",), (), None)
            assert (two.blocked_on, two.lacking, two.behind) == (("a",), (), ("first",))
            assert str(two) == (
                "second wants a=1, b=1 and waits for a, held by holder, behind first"
            )
            held.release()
            await release(first, second)
            assert manager.explain() == []

        with_manager({"a": 3, "b": 1}, main)

    def test_tell_when_it_will_be_the_turn_of_each_who_waits_for_a_rate(self) -> None:
        async def main(manager: ResourceManager) -> None:
            loop = asyncio.get_running_loop()
            manager.set_rate("r", per_second=0.5)
            (await manager.acquire({"r": 1})).release()
            tasks = await line_up(manager, *[{"r": 1}] * 5)
            told = [why.ready_at for why in manager.explain()]
            for task, at in zip(tasks, told, strict=True):
                (await task).release()
                assert loop.time() == at

        with_manager({}, main)

    def test_count_nobody_ahead_at_a_rate_who_waits_for_a_person(self) -> None:
        async def main(manager: ResourceManager) -> None:
            manager.set_rate("r", per_second=0.5)
            manager.set_gate("g", open=False)
            (await manager.acquire({"r": 1})).release()
            parked = await line_up(manager, *[{"r": 1, "g": 1}] * 5)
            (task,) = await line_up(manager, {"r": 1})
            assert manager.explain()[-1].ready_at == 2
            (await task).release()
            assert asyncio.get_running_loop().time() == 2
            await cancel(*parked)

        with_manager({}, main)

    def test_of_a_full_rate_whose_tokens_are_claimed_tell_when_the_next_one_comes(self) -> None:
        async def main(manager: ResourceManager) -> None:
            manager.set_rate("r", per_second=0.5)
            manager.set_gate("g", open=True)
            await asyncio.sleep(100)
            a = await manager.acquire({"a": 1})
            reserver = await reserve(manager, a, r=1)
            (task,) = await line_up(manager, {"r": 1})
            why = manager.explain()[-1]
            assert (why.blocked_on, why.lacking, why.ready_at) == (("r",), (), 102)
            await cancel(task, reserver)

        with_manager({"a": 1, "b": 1}, main)

    def test_tell_of_each_whom_a_lowered_limit_made_impossible(self) -> None:
        async def main(manager: ResourceManager) -> None:
            held = await manager.acquire({"a": 10})
            tasks = await line_up(manager, {"a": 8}, {"a": 4}, {"a": 7})
            manager.set_capacity({"a": 5})
            assert [why.impossible for why in manager.explain()] == [True, False, True]
            assert "of which there isn't so much" in str(manager.explain()[2])
            held.release()
            await release(tasks[1])
            await cancel(tasks[0], tasks[2])

        with_manager({"a": 10}, main)

    def test_name_the_closed_gate(self) -> None:
        async def main(manager: ResourceManager) -> None:
            manager.set_gate("maintenance", open=False)
            tasks = await line_up(manager, {"a": 1, "maintenance": 1})
            (why,) = manager.explain()
            assert (why.blocked_on, why.holders, why.impossible) == (("maintenance",), (), False)
            await cancel(*tasks)

        with_manager({"a": 1}, main)


async def reserve(
    manager: ResourceManager, a: Any, *, priority: int = 0, at: str = "ab", **others: float
) -> asyncio.Task[Any]:
    """Return one who waits for 1 of two resources and was passed over until it stands at both.

    `a` holds the first of them, and is given back and taken again; it is taken when this returns,
    and the second is free but claimed.
    """
    one, two = list(at)
    wanted = {one: 1, two: 1, **others}
    task = asyncio.create_task(manager.acquire(wanted, priority=priority))
    await turn()
    b = await manager.acquire({two: 1})
    a.release()
    a = await manager.acquire({one: 1})
    b.release()
    task.add_done_callback(lambda _: a.release())
    assert not task.done()
    assert manager.try_acquire({two: 1}) is None, "it has reserved it"
    return task


class TestReserving:
    """Who was passed over twice claims all that it wants, as long as that isn't in vain."""

    @pytest.mark.parametrize("what", ["capacity", "gate", "budget", "rate", "smaller budget"])
    def test_claims_elsewhere_drop_at_once_when_it_cannot_go_anyway(self, what: str) -> None:
        async def main(manager: ResourceManager) -> None:
            manager.set_gate("g", open=True)
            manager.set_budget("u", 5)
            manager.set_rate("r", per_second=0.01)
            a = await manager.acquire({"a": 1})
            reserver = await reserve(manager, a, g=1, u=3, r=1)
            if what == "capacity":
                manager.set_capacity({"a": 0})
            elif what == "gate":
                manager.set_gate("g", open=False)
            elif what == "budget":
                (await manager.acquire({"u": 5}, priority=1)).release()
            elif what == "smaller budget":
                (await manager.acquire({"u": 3}, priority=1)).release()
            else:
                (await manager.acquire({"r": 1}, priority=1)).release()
            b = manager.try_acquire({"b": 1})
            assert b is not None, "it is idle, and was free"
            b.release()
            await cancel(reserver)

        with_manager({"a": 1, "b": 1}, main)

    def test_claims_drop_when_one_ahead_claims_what_it_needs_of_a_budget(self) -> None:
        async def main(manager: ResourceManager) -> None:
            manager.set_budget("u", 5)
            a, c = await manager.acquire({"a": 1}), await manager.acquire({"c": 1})
            lower = await reserve(manager, a, u=3)
            higher = await reserve(manager, c, at="cd", priority=1, u=4)
            b = manager.try_acquire({"b": 1})
            assert b is not None, "1 of 5 is left for one who wants 3"
            b.release()
            await cancel(higher)
            assert manager.try_acquire({"b": 1}) is None, "now there is enough again"
            await cancel(lower)

        with_manager(dict.fromkeys("abcd", 1), main)

    def test_idle_slots_are_not_held_for_a_token_that_comes_tomorrow(self) -> None:
        async def main(manager: ResourceManager) -> None:
            loop = asyncio.get_running_loop()
            manager.set_rate("r", per_second=1 / 86400)
            a = await manager.acquire({"a": 1})
            reserver = await reserve(manager, a, r=1)
            (await manager.acquire({"r": 1}, priority=1)).release()
            for _ in range(5):
                async with manager.hold({"b": 1}, timeout=0):
                    await asyncio.sleep(1)
            await asyncio.sleep(86401 - loop.time())
            await turn()
            assert manager.try_acquire({"b": 1}) is None, "the token is there: it is its turn"
            await cancel(reserver)

        with_manager({"a": 1, "b": 1}, main)

    def test_a_rate_without_a_limit_forgets_who_had_reserved(self) -> None:
        async def main(manager: ResourceManager) -> None:
            manager.set_rate("r", per_second=1)
            a = await manager.acquire({"a": 1})
            reserver = await reserve(manager, a, r=1)
            manager.set_rate("r", None)
            await cancel(reserver)
            manager.set_rate("r", per_second=1)
            tasks = await line_up(manager, *[{"r": 1}] * 3)
            await release(*tasks)

        with_manager({"a": 1, "b": 1}, main)

    def test_at_two_rates_the_timer_is_set_again_when_another_takes_a_token(self) -> None:
        async def main(manager: ResourceManager) -> None:
            loop = asyncio.get_running_loop()
            manager.set_rate("r", per_second=1 / 2)
            manager.set_rate("s", per_second=1 / 3)
            (await manager.acquire({"r": 1, "s": 1})).release()
            (task,) = await line_up(manager, {"r": 1, "s": 1})
            await asyncio.sleep(2.5)  # it stands at the second now
            (await manager.acquire({"r": 1}, timeout=0)).release()
            await asyncio.sleep(4 - loop.time())  # and at both, as the first is gone again
            assert [r.name for r in _first(manager).standing] == ["r", "s"]
            (await manager.acquire({"s": 1}, priority=1, timeout=0)).release()
            (await task).release()
            assert loop.time() == 7

        with_manager({}, main)


def _first(manager: ResourceManager) -> Any:
    (lane,) = manager._lanes.values()
    return lane.first


class TestLoops:
    def test_steering_from_a_thread_is_refused_with_a_hint(self) -> None:
        async def main(manager: ResourceManager) -> None:
            manager.set_budget("u", 1)
            ticket = await manager.acquire({"a": 1, "u": 1})
            steering: list[Callable[[], None]] = [
                lambda: manager.set_rate("r", 1),
                lambda: manager.set_gate("g", open=False),
                lambda: manager.set_budget("u", 3),
                lambda: ticket.settle(u=0.5),
            ]

            def in_a_thread() -> None:
                for steer in steering:
                    with pytest.raises(ResourceError, match="call_soon_threadsafe"):
                        steer()

            await asyncio.to_thread(in_a_thread)
            assert used(manager) == 1
            assert manager.statistics().resources["u"].available == 0
            ticket.release()

        asyncio.run(main(ResourceManager({"a": 1})))
