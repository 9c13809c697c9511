"""Ticks: regular times that don't drift, whatever happens in between."""

from __future__ import annotations

import asyncio

from cascade.testing import run_virtual
from observatory.ticks import Ticks


def test_they_come_at_the_ends_of_the_parts() -> None:
    async def main() -> list[float]:
        ticks = Ticks(2.0, 3.0, parts=2)
        return [await ticks.next() for _ in range(4)]

    assert run_virtual(main()) == [3.5, 5.0, 6.5, 8.0]


def test_work_in_between_does_not_add_up() -> None:
    async def main() -> float:
        ticks = Ticks(0.0, 0.1)
        for _ in range(999):
            await ticks.next()
            await asyncio.sleep(0.03)
        return await ticks.next()

    assert run_virtual(main()) == 100.0


def test_those_that_the_loop_was_kept_from_are_left_out() -> None:
    async def main() -> tuple[float, int]:
        ticks = Ticks(0.0, 1.0)
        await ticks.next()
        await asyncio.sleep(4.5)
        return await ticks.next(), ticks.count

    assert run_virtual(main()) == (6.0, 6)


def test_others_get_to_run_even_if_every_tick_is_late() -> None:
    async def main() -> bool:
        ticks = Ticks(-1e9, 1e9)
        other = asyncio.create_task(asyncio.sleep(0))
        await ticks.next()
        return other.done()

    assert run_virtual(main())
