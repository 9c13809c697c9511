"""What experiments have in common: how they start, end and are summed up."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import pytest

from cascade.testing import run_virtual
from observatory.experiments.experiment import Experiment


class Waking(Experiment[tuple[float, list[str]]]):
    """Two agents that wake once a second, until a time or until both have woken three times."""

    def __init__(
        self,
        view: Callable[[Waking], Coroutine[Any, Any, None]] | None = None,
        seconds: float | None = None,
        error: Exception | None = None,
    ) -> None:
        super().__init__(view)
        self.told: list[str] = []
        self.passed: list[float] = []
        self._seconds = seconds
        self._error = error
        self._both = asyncio.Event()

    def _begin(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._seconds is not None:
            self._over = self._start + self._seconds

    async def _end(self) -> None:
        if self._seconds is None:
            await self._both.wait()
        else:
            # As a timer that goes off a little early.
            await asyncio.sleep(self._seconds - 0.001)

    def _lives(self) -> Iterator[Coroutine[Any, Any, Any]]:
        return map(self._live, "ab")

    async def _live(self, name: str) -> None:
        for second in range(1, 4):
            await asyncio.sleep(1)
            self.told.append(f"{name}{second}")
            if self._error is not None and name == "b":
                raise self._error
        if name == "b":
            self._both.set()
        await asyncio.Event().wait()

    def _pass_time(self, now: float) -> None:
        self.passed.append(now - self._start)

    def _summary(self, duration: float, elapsed: float) -> tuple[float, list[str]]:
        assert elapsed >= 0
        return duration, [*self.told]


def test_it_lasts_until_it_is_over() -> None:
    experiment = Waking()
    assert run_virtual(experiment.run(), start=7.0) == (3.0, ["a1", "b1", "a2", "b2", "a3", "b3"])
    assert (experiment.clock, experiment.passed) == ("virtual", [3.0])


def test_with_a_time_it_lasts_exactly_as_long() -> None:
    assert run_virtual(Waking(seconds=2.5).run()) == (2.5, ["a1", "b1", "a2", "b2"])


def test_it_ends_with_its_view_and_tells_how_far_it_is_meanwhile() -> None:
    seen: list[tuple[float, list[str]]] = []

    async def view(experiment: Waking) -> None:
        await asyncio.sleep(1.5)
        seen.append(experiment.summary())
        await asyncio.sleep(0.25)

    assert run_virtual(Waking(view).run()) == (1.75, ["a1", "b1"])
    assert seen == [(1.5, ["a1", "b1"])]


def test_what_an_agent_raises_ends_it_and_it_tells_how_far_it_came() -> None:
    experiment = Waking(error=OSError("no more"))
    with pytest.raises(OSError, match="no more"):
        run_virtual(experiment.run())
    assert experiment.summary() == (1.0, ["a1", "b1"])


def test_cancelled_it_stops_everybody_and_tells_how_far_it_came() -> None:
    async def scenario() -> tuple[float, list[str]]:
        experiment = Waking()
        running = asyncio.create_task(experiment.run())
        await asyncio.sleep(2.25)
        running.cancel()
        await asyncio.wait([running])
        assert running.cancelled()
        assert asyncio.all_tasks() == {asyncio.current_task()}
        return experiment.summary()

    assert run_virtual(scenario()) == (2.25, ["a1", "b1", "a2", "b2"])


def test_before_the_start_there_is_nothing_to_tell() -> None:
    experiment = Waking()
    assert not experiment.begun
    with pytest.raises(RuntimeError, match="hasn't begun"):
        experiment.summary()
