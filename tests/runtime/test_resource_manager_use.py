"""Wrong use is refused with a clear word: arguments, unknown names, other loops and threads."""

from __future__ import annotations

import asyncio
import gc
import math
import warnings
from collections.abc import Callable, Mapping
from typing import Any

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

from cascade.errors import (
    ResourceError,
)
from cascade.runtime.resource_manager import ResourceManager
from cascade.runtime.ticket import Ticket
from cascade.testing import run_virtual, virtual_loop


class TestArguments:
    @pytest.mark.parametrize(
        ("amount", "error"),
        [
            (-1, ValueError),
            (-0.1, ValueError),
            (math.nan, ValueError),
            (math.inf, ValueError),
            (1e-10, ValueError),
            (10**400, ValueError),
            (1e300, ValueError),
            (True, TypeError),
            ("1", TypeError),
            (None, TypeError),
        ],
        ids=lambda value: getattr(value, "__name__", str(value)[:9]),
    )
    def test_an_amount_that_makes_no_sense_names_its_resource(
        self, amount: Any, error: type[Exception]
    ) -> None:
        async def main(manager: ResourceManager) -> None:
            with pytest.raises(error, match="'gpu'"):
                await manager.acquire({"a": 1, "gpu": amount})
            with pytest.raises(error, match="'gpu'"):
                manager.try_acquire({"gpu": amount})
            with pytest.raises(error, match="'gpu'"):
                async with manager.hold({"gpu": amount}):
                    pass
            if amount is not None:
                with pytest.raises(error, match="'gpu'"):
                    manager.set_capacity({"gpu": amount})
                with pytest.raises(error, match="'gpu'"):
                    ResourceManager({"gpu": amount})

        with_manager({"a": 1}, main)

    @pytest.mark.parametrize(
        ("name", "error"), [(1, TypeError), (None, TypeError), ("", ValueError)]
    )
    @pytest.mark.parametrize("amount", [1, 0, 0.5])
    def test_a_name_that_makes_no_sense_is_refused(
        self, name: Any, error: type[Exception], amount: float
    ) -> None:
        async def main(manager: ResourceManager) -> None:
            with pytest.raises(error, match="resource name"):
                await manager.acquire({name: amount})
            with pytest.raises(error, match="resource name"):
                manager.set_capacity({name: amount})

        with_manager({"a": 1}, main)

    @pytest.mark.parametrize("amounts", ["a", None, [("a", 1)], 1], ids=str)
    def test_what_is_no_mapping_is_refused(self, amounts: Any) -> None:
        async def main(manager: ResourceManager) -> None:
            with pytest.raises(TypeError, match="amounts"):
                await manager.acquire(amounts)
            with pytest.raises(TypeError, match="amounts"):
                manager.try_acquire(amounts)
            with pytest.raises(TypeError, match="capacity"):
                manager.set_capacity(amounts)

        with_manager({"a": 1}, main)

    @pytest.mark.parametrize(
        ("timeout", "error"),
        [(-1, ValueError), (math.nan, ValueError), (True, TypeError), ("5", TypeError)],
    )
    def test_a_timeout_that_makes_no_sense_is_refused(
        self, timeout: Any, error: type[Exception]
    ) -> None:
        async def main(manager: ResourceManager) -> None:
            with pytest.raises(error, match="timeout") as caught:
                await manager.acquire({"a": 1}, timeout=timeout)
            assert repr(timeout) in str(caught.value)

        with_manager({"a": 1}, main)

    def test_an_unlimited_amount_beyond_measure_does_not_strand_its_waiter(self) -> None:
        async def main(manager: ResourceManager) -> None:
            tasks = await line_up(manager, {"free": 10**30, "a": 1})
            manager.set_capacity({"a": 1})
            await turn()
            refused = tasks[0].done() and isinstance(tasks[0].exception(), ValueError)
            if not refused:
                assert done(tasks) == [True]
                await release(*tasks)

        with_manager({"a": 0, "free": None}, main)


class TestHold:
    def test_is_for_one_block_also_while_it_waits(self) -> None:
        async def main(manager: ResourceManager) -> None:
            held = await manager.acquire({"a": 1})
            hold = manager.hold({"a": 1})

            async def use() -> None:
                async with hold:
                    await asyncio.sleep(1)

            first, second = asyncio.create_task(use()), asyncio.create_task(use())
            await turn()
            with pytest.raises(ResourceError, match="entered already"):
                await second
            held.release()
            await first
            async with hold:
                assert used(manager) == 1

        with_manager({"a": 1}, main)

    def test_that_was_cancelled_can_be_entered_again(self) -> None:
        async def main(manager: ResourceManager) -> None:
            held = await manager.acquire({"a": 1})
            hold = manager.hold({"a": 1})

            async def use() -> None:
                async with hold:
                    pass

            task = asyncio.create_task(use())
            await turn()
            task.cancel()
            await asyncio.wait([task])
            held.release()
            await use()

        with_manager({"a": 1}, main)


class TestUnknownNames:
    def test_are_unlimited_and_warned_about_once_with_the_nearest_known_name(self) -> None:
        async def main(manager: ResourceManager) -> None:
            with pytest.warns(RuntimeWarning, match=r"'cpu_slots'.*'cpu_slot'") as caught:
                tickets = [await manager.acquire({"cpu_slots": 50})]
            assert [warning.filename for warning in caught] == [__file__]
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                tickets.append(await manager.acquire({"cpu_slots": 50}))
            assert used(manager, "cpu_slots") == 100
            for ticket in tickets:
                ticket.release()

        with_manager({"cpu_slot": 1, "gpu": 1}, main)

    def test_show_what_is_known_when_nothing_is_near(self) -> None:
        async def main(manager: ResourceManager) -> None:
            with pytest.warns(RuntimeWarning, match="'xylophone'.* cpu_slot, gpu"):
                (await manager.acquire({"xylophone": 1})).release()

        with_manager({"gpu": 1, "cpu_slot": 1}, main)

    def test_are_no_news_where_no_capacity_was_ever_set_or_the_name_is_unlimited(self) -> None:
        async def main(manager: ResourceManager) -> None:
            (await manager.acquire({"anything": 1})).release()
            manager.set_capacity({"free": None})
            (await manager.acquire({"free": 1})).release()

        with_manager({}, main)


class TestLoops:
    def test_the_next_loop_may_use_an_idle_manager(self) -> None:
        manager = ResourceManager({"a": 1})

        async def main() -> None:
            async with manager.hold({"a": 1}):
                tasks = await line_up(manager, {"a": 1})
            await release(*tasks)

        for _ in range(3):
            asyncio.run(main())
            run_virtual(main())
        check_idle(manager)

    def test_limits_can_be_set_before_between_and_after_runs(self) -> None:
        manager = ResourceManager()
        for capacity in (1, 2, 3):
            manager.set_capacity({"a": capacity})

            async def main() -> None:
                async with manager.hold({"a": capacity}):  # noqa: B023
                    assert manager.try_acquire({"a": 1}) is None

            run_virtual(main())
        manager.set_capacity({"a": 4})
        assert manager.statistics().resources["a"].capacity == 4

    @pytest.mark.parametrize("holding", [True, False], ids=["held", "waited for"])
    def test_another_loop_can_not_use_it_meanwhile(self, holding: bool) -> None:
        async def main(manager: ResourceManager) -> None:
            tasks = []
            if holding:
                ticket = await manager.acquire({"a": 1})
            else:
                manager.set_capacity({"a": 0})
                tasks = await line_up(manager, {"a": 1})

            async def elsewhere() -> None:
                for use in (manager.try_acquire, manager.set_capacity):
                    with pytest.raises(ResourceError, match="another event loop"):
                        use({"a": 1})
                with pytest.raises(ResourceError, match="another event loop"):
                    await manager.acquire({"b": 1})
                if holding:
                    with pytest.raises(ResourceError, match="event loop it was taken on"):
                        ticket.release()

            await asyncio.to_thread(asyncio.run, elsewhere())
            if holding:
                ticket.release()
            else:
                await cancel(*tasks)

        asyncio.run(main(ResourceManager({"a": 1, "b": 1})))

    def test_a_thread_is_told_how_to_go_about_it(self) -> None:
        async def main(manager: ResourceManager) -> list[str]:
            ticket = await manager.acquire({"a": 1})
            uses: list[Callable[[], object]] = [
                ticket.release,
                lambda: manager.try_acquire({"a": 1}),
                lambda: manager.set_capacity({"a": 2}),
            ]
            messages = []

            def in_a_thread() -> None:
                for use in uses:
                    with pytest.raises(ResourceError) as caught:
                        use()
                    messages.append(str(caught.value))

            await asyncio.to_thread(in_a_thread)
            assert used(manager) == 1
            await asyncio.to_thread(asyncio.get_running_loop().call_soon_threadsafe, ticket.release)
            await turn()
            assert used(manager) == 0
            return messages

        messages = asyncio.run(main(ResourceManager({"a": 1})))
        assert len(messages) == 3
        assert all("call_soon_threadsafe" in message for message in messages)

    def test_taking_needs_a_running_loop(self) -> None:
        manager = ResourceManager({"a": 1})
        with pytest.raises(ResourceError, match="running event loop"):
            manager.try_acquire({"a": 1})
        check_idle(manager)

    def test_a_ticket_that_outlives_its_loop_still_counts_and_can_be_given_back(self) -> None:
        manager = ResourceManager({"a": 1})
        tickets = [run_virtual(manager.acquire({"a": 1}))]

        async def main() -> None:
            assert manager.try_acquire({"a": 1}) is None
            tickets.pop().release()
            tickets.append(await manager.acquire({"a": 1}))

        run_virtual(main())
        tickets.pop().release()
        check_idle(manager)

    def test_a_ticket_that_outlives_its_loop_keeps_nobody_from_setting_limits(self) -> None:
        manager = ResourceManager({"a": 1})
        ticket = run_virtual(manager.acquire({"a": 1}))
        manager.set_capacity({"a": 2})
        ticket.release()
        check_idle(manager)

    @pytest.mark.parametrize("through", ["release", "set_capacity", "take", "nothing"])
    def test_nobody_is_granted_anything_on_a_loop_that_was_closed(self, through: str) -> None:
        manager = ResourceManager({"a": 3})
        ticket = abandon(manager, held={"a": 2}, waiting=[{"a": 3}, {"a": 1}])
        assert manager.statistics().holding == 1
        if through == "set_capacity":
            manager.set_capacity({"a": 9})
        elif through == "take":

            async def main() -> None:
                assert manager.try_acquire({"a": 2}) is None
                async with manager.hold({"a": 1}, timeout=1):
                    pass

            run_virtual(main())
        if through != "nothing":
            ticket.release()
        gc.collect()  # the waiters come to their end, each waking whom it blocked
        assert manager.statistics().holding == (through == "nothing")
        if through == "nothing":
            ticket.release()
        check_idle(manager)


def abandon(
    manager: ResourceManager, held: Mapping[str, float], waiting: list[dict[str, float]]
) -> Ticket:
    """Return a ticket of a loop that was closed while others waited there."""
    loop = virtual_loop()
    loop.set_exception_handler(lambda _loop, _context: None)  # it tells of destroyed tasks

    async def main() -> tuple[Ticket, list[asyncio.Task[Ticket]]]:
        ticket = await manager.acquire(held)
        return ticket, await line_up(manager, *waiting)

    ticket, tasks = loop.run_until_complete(main())
    assert manager.statistics().waiting == len(tasks)
    loop.close()
    return ticket
