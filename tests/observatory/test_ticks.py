"""Ticks: regular times that don't drift, whatever happens in between."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

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
    class Busy(asyncio.SelectorEventLoop):
        """A loop whose clock is always a little later when somebody looks."""

        now = 0.0

        def time(self) -> float:
            self.now += 0.6
            return self.now

    ran = 0

    async def other() -> None:
        nonlocal ran
        while True:
            ran += 1
            await asyncio.sleep(0)

    async def main() -> None:
        task = asyncio.create_task(other())
        ticks = Ticks(0.0, 0.5)
        for number in range(1, 20):
            await ticks.next()
            assert ran >= number
        task.cancel()

    with asyncio.Runner(loop_factory=Busy) as runner:
        runner.run(main())


@settings(deadline=None)
@given(
    st.floats(-5, 5),
    st.floats(0.01, 3),
    st.integers(1, 10),
    st.lists(st.floats(0, 10), max_size=15),
)
def test_each_is_one_of_the_series_and_none_is_from_the_past(
    start: float, interval: float, parts: int, pauses: list[float]
) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        ticks = Ticks(start, interval, parts)
        before = 0
        for pause in pauses:
            asked = loop.time()
            time = await ticks.next()
            assert time == start + ticks.count * interval / parts
            assert loop.time() == max(asked, time)
            assert ticks.count > before
            assert time >= asked - 1e-9
            # None is left out that was still to come.
            if ticks.count > before + 1:
                assert time - interval / parts <= asked + 1e-9
            before = ticks.count
            await asyncio.sleep(pause)

    run_virtual(main())


@pytest.mark.parametrize("kind", ["asyncio", "uvloop"])
def test_on_real_time_they_come_when_they_are_due(kind: str) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        start = loop.time()
        ticks = Ticks(start, 0.02)
        last = 0
        for _ in range(5):
            time = await ticks.next()
            assert time == start + ticks.count * 0.02
            assert loop.time() >= time - 0.002  # some timers go off a little early
            assert ticks.count > last
            last = ticks.count

    factory = pytest.importorskip("uvloop").new_event_loop if kind == "uvloop" else None
    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(main())
