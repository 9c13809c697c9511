"""Tasks that belong together end together, whatever ends the first of them."""

from __future__ import annotations

import asyncio

import pytest

from cascade.testing import run_virtual
from observatory.experiments.until_first import until_first


class Tasks:
    """Some that wait for ever and take a second to tidy up, and one that doesn't wait."""

    def __init__(self) -> None:
        self.tidied: list[int] = []
        self.all: list[asyncio.Task[None]] = []

    def start(self, error: Exception | None = None) -> None:
        others = [asyncio.create_task(self._wait(number)) for number in range(3)]
        self.all = [*others, asyncio.create_task(self._end(error))]

    async def _wait(self, number: int) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(1)
            self.tidied.append(number)

    async def _end(self, error: Exception | None) -> None:
        await asyncio.sleep(5)
        if error is not None:
            raise error


def test_when_one_has_ended_the_others_are_stopped_and_waited_for() -> None:
    async def main() -> None:
        tasks = Tasks()
        tasks.start()
        over: list[tuple[float, list[bool]]] = []
        loop = asyncio.get_running_loop()
        await until_first(
            tasks.all, lambda: over.append((loop.time(), [task.done() for task in tasks.all]))
        )
        assert over == [(5.0, [False, False, False, True])]
        assert tasks.tidied == [0, 1, 2]
        assert loop.time() == 6.0
        assert [task.cancelled() for task in tasks.all] == [True, True, True, False]

    run_virtual(main())


def test_what_one_raises_is_raised_when_all_have_ended() -> None:
    async def main() -> None:
        tasks = Tasks()
        tasks.start(ZeroDivisionError("no agents left"))
        with pytest.raises(ZeroDivisionError, match="no agents left"):
            await until_first(tasks.all)
        assert tasks.tidied == [0, 1, 2]

    run_virtual(main())


def test_cancelled_it_stops_them_all_first() -> None:
    async def main() -> None:
        tasks = Tasks()
        tasks.start()
        over: list[float] = []
        loop = asyncio.get_running_loop()
        waiting = asyncio.create_task(until_first(tasks.all, lambda: over.append(loop.time())))
        await asyncio.sleep(2)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert over == [2.0]
        assert all(task.cancelled() for task in tasks.all)
        assert tasks.tidied == [0, 1, 2]

    run_virtual(main())


def test_they_are_stopped_even_if_what_is_called_then_fails() -> None:
    async def main() -> None:
        tasks = Tasks()
        tasks.start()
        with pytest.raises(ZeroDivisionError):
            await until_first(tasks.all, lambda: 1 // 0)  # type: ignore[arg-type]
        assert all(task.done() for task in tasks.all)

    run_virtual(main())
