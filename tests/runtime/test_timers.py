"""Timed waits: due means due, no timer stays behind, nothing is cancelled that isn't ours."""

from __future__ import annotations

import asyncio
import gc
import math
from collections.abc import Callable, Coroutine
from contextvars import Context
from typing import Any, TypeVar

import pytest

from cascade.runtime.timers import call_at, wait_until
from cascade.runtime.virtual_time import VirtualTimeLoop

T = TypeVar("T")


class CountingLoop(VirtualTimeLoop):
    """Keeps every timer it gives out."""

    def __init__(self) -> None:
        super().__init__()
        self.timers: list[asyncio.TimerHandle] = []

    def call_at(  # type: ignore[override]
        self,
        when: float,
        callback: Callable[..., object],
        *args: Any,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        timer = super().call_at(when, callback, *args, context=context)
        self.timers.append(timer)
        return timer

    def pending(self) -> int:
        return sum(timer.when() > self.time() and not timer.cancelled() for timer in self.timers)


def run(main: Callable[[CountingLoop], Coroutine[Any, Any, T]]) -> T:
    loops: list[CountingLoop] = []

    def make() -> CountingLoop:
        loops.append(CountingLoop())
        return loops[0]

    with asyncio.Runner(loop_factory=make) as runner:
        runner.get_loop()
        result = runner.run(main(loops[0]))
        assert loops[0].pending() == 0, "a timer was left behind"
    return result


class TestWaitUntil:
    def test_wakes_at_the_very_time(self) -> None:
        async def main(loop: CountingLoop) -> list[float]:
            times = []
            for when in (0.1, 0.3, 1e6):
                await wait_until(when)
                times.append(loop.time())
            return times

        assert run(main) == [0.1, 0.3, 1e6]

    def test_returns_at_once_when_due_and_lets_nobody_in_between(self) -> None:
        async def main(loop: CountingLoop) -> list[str]:
            await wait_until(5)
            order: list[str] = []
            loop.call_soon(order.append, "somebody else")
            await wait_until(5)
            await wait_until(-1)
            order.append("waiter")
            assert len(loop.timers) == 1
            return order.copy()

        assert run(main) == ["waiter"]

    def test_cancelling_takes_its_timer_along(self) -> None:
        async def main(loop: CountingLoop) -> float:
            task = asyncio.create_task(wait_until(100))
            await wait_until(1)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert loop.pending() == 0
            return loop.time()

        assert run(main) == 1.0

    def test_a_cancel_that_meets_the_time_still_counts(self) -> None:
        async def main(loop: CountingLoop) -> bool:
            task = asyncio.create_task(wait_until(1))
            await asyncio.sleep(0)
            call_at(1, task.cancel)
            await asyncio.wait([task])
            return task.cancelled()

        assert run(main) is True

    def test_keeps_its_word_on_real_time(self) -> None:
        async def main() -> float:
            due = asyncio.get_running_loop().time() + 0.02
            await wait_until(due)
            return asyncio.get_running_loop().time() - due

        assert asyncio.run(main()) > -0.002

    def test_refuses_what_is_no_time(self) -> None:
        async def main(loop: CountingLoop) -> None:
            with pytest.raises(ValueError, match=r"when.*nan"):
                await wait_until(math.nan)
            with pytest.raises(TypeError, match=r"when.*None"):
                await wait_until(None)  # type: ignore[arg-type]

        run(main)


class TestCallAt:
    def test_calls_with_the_arguments_at_the_time(self) -> None:
        async def main(loop: CountingLoop) -> list[tuple[str, float]]:
            called: list[tuple[str, float]] = []
            call_at(2, lambda word: called.append((word, loop.time())), "late")
            call_at(1, lambda word: called.append((word, loop.time())), "early")
            call_at(3, lambda: called.append(("never", loop.time()))).cancel()
            await wait_until(4)
            return called

        assert run(main) == [("early", 1.0), ("late", 2.0)]

    def test_needs_a_time_and_a_loop(self) -> None:
        with pytest.raises(ValueError, match=r"when.*nan"):
            call_at(math.nan, print)
        with pytest.raises(RuntimeError, match="no running event loop"):
            call_at(1.0, print)


def test_no_wait_leaves_a_cycle_behind() -> None:
    async def every_way() -> None:
        loop = asyncio.get_running_loop()
        await wait_until(loop.time() + 1)
        late = asyncio.create_task(wait_until(loop.time() + 9))
        await asyncio.sleep(0)
        late.cancel()
        await asyncio.wait([late])

    async def main() -> int:
        await every_way()
        gc.collect()
        for _ in range(50):
            await every_way()
        return gc.collect()

    gc.disable()
    try:
        with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
            assert runner.run(main()) == 0
    finally:
        gc.enable()
