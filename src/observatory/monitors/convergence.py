"""ConvergenceMonitor: how far a world of fireflies is from flashing as one."""

from __future__ import annotations

import asyncio
import inspect
import logging
import math
from collections.abc import Callable
from contextlib import suppress
from typing import Any, NoReturn, Self

import numpy as np

from cascade.ports import Connector
from cascade.spec.checks import check_whole

_log = logging.getLogger("observatory.monitors.convergence")

FLASH_TOPIC = "firefly/flash"
"""Where agents tell of their flashes."""


class Convergence(float):
    """The order parameter R of the agents at one instant: a number, and what it rests on.

    1 when all heard agents share one phase, near 0 when they are spread evenly, not-a-number
    while nobody was heard.
    """

    __slots__ = ("heard", "silent", "time")

    time: float
    """The instant, in seconds on the event loop's clock."""
    heard: int
    """How many agents have flashed at least once; R speaks of these."""
    silent: int
    """How many agents haven't flashed yet."""

    def __new__(cls, time: float, order_parameter: float, heard: int, silent: int) -> Self:
        """Return R with its instant and the numbers of heard and of silent agents."""
        self = super().__new__(cls, order_parameter)
        for name, value in (("time", time), ("heard", heard), ("silent", silent)):
            object.__setattr__(self, name, value)
        return self

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"a sample is a value and can't be changed (setting {name!r})")

    @property
    def order_parameter(self) -> float:
        """R itself."""
        return float(self)


class ConvergenceMonitor:
    """Listens to flashes and computes the order parameter R at regular times.

    R is ``|mean(exp(2πi·phase))|`` over the agents that were heard, with the phases of all of them
    at the same instant: ``phase = (now - time of the latest flash) / period``, modulo 1. An agent
    that was never heard is counted as silent, not guessed. A flash that is dated later than now
    stands for phase 0.

    Args:
        num_agents: how many agents there are; their ids are 0 to ``num_agents - 1``.
        period: their period, in seconds.
        connector: where the flashes arrive; the caller connects it before `run()`.

    Raises:
        TypeError: a number is none, or `connector` can't subscribe.
        ValueError: `num_agents` is below 1, or `period` isn't finite and above 0.
    """

    def __init__(self, num_agents: int, period: float, connector: Connector) -> None:
        check_whole("num_agents", num_agents, 1)
        _check_positive("period", period)
        if not callable(getattr(connector, "subscribe", None)):
            raise TypeError(f"connector must be a Connector, got {connector!r}")
        self.rejected = 0
        """How many messages weren't flashes of a known agent."""
        self._period = period
        self._connector = connector
        self._latest = np.full(num_agents, -math.inf)
        self._stopped = False
        self._stopping: asyncio.Event | None = None

    async def run(
        self, frequency_hz: float = 2.0, callback: Callable[[Convergence], Any] | None = None
    ) -> None:
        """Take samples until `stop()`, or until cancelled.

        The sampling times are counted from the start of this call, so that they don't drift;
        one that the loop was kept from is left out. The subscription ends with the call.

        Args:
            frequency_hz: samples per second; the default is 2.
            callback: a function or an async function that gets each sample. What it raises ends
                the call.

        Raises:
            TypeError: `frequency_hz` isn't a number, or `callback` isn't callable.
            ValueError: `frequency_hz` isn't finite and above 0.
            RuntimeError: `run()` is under way already.
            ConnectorError: the connector isn't connected.
        """
        _check_positive("frequency_hz", frequency_hz)
        if callback is not None and not callable(callback):
            raise TypeError(f"callback must be callable with a Convergence, got {callback!r}")
        if self._stopping is not None:
            raise RuntimeError("this monitor is running already")
        if self._stopped:
            return
        self._stopping = asyncio.Event()
        try:
            subscription = await self._connector.subscribe(FLASH_TOPIC, self._hear)
            try:
                await self._sample(self._stopping, frequency_hz, callback)
            finally:
                ending = subscription.unsubscribe()
                if inspect.isawaitable(ending):
                    await ending
        finally:
            self._stopping = None

    def stop(self) -> None:
        """End `run()` for good: it returns, or if it begins later, returns at once."""
        self._stopped = True
        if self._stopping is not None:
            self._stopping.set()

    def snapshot(self, now: float) -> Convergence:
        """Return the state of the heard agents at one instant.

        Args:
            now: the instant, in seconds on the event loop's clock.
        """
        flashed = self._latest[self._latest > -math.inf]
        heard = len(flashed)
        silent = len(self._latest) - heard
        if not heard:
            return Convergence(now, math.nan, heard, silent)
        phases = np.maximum(now - flashed, 0.0) / self._period % 1.0
        # Rounding may put the mean of unit vectors outside of the circle.
        order_parameter = min(float(abs(np.exp(2j * math.pi * phases).mean())), 1.0)
        return Convergence(now, order_parameter, heard, silent)

    async def _sample(
        self,
        stopping: asyncio.Event,
        frequency_hz: float,
        callback: Callable[[Convergence], Any] | None,
    ) -> None:
        loop = asyncio.get_running_loop()
        start, taken = loop.time(), 0
        while not stopping.is_set():
            taken = max(taken + 1, math.ceil((loop.time() - start) * frequency_hz))
            with suppress(TimeoutError):
                async with asyncio.timeout_at(start + taken / frequency_hz):
                    await stopping.wait()
            if stopping.is_set():
                return
            if callback is not None:
                answer = callback(self.snapshot(loop.time()))
                if inspect.isawaitable(answer):
                    await answer

    async def _hear(self, topic: str, payload: Any) -> None:
        try:
            agent_id, time = payload["agent_id"], payload["time"]
            if isinstance(agent_id, bool) or not 0 <= agent_id < len(self._latest):
                raise ValueError("no such agent")
            if not math.isfinite(time):
                raise ValueError("time isn't finite")
            if time > self._latest[agent_id]:
                self._latest[agent_id] = time
        except (LookupError, TypeError, ValueError, OverflowError) as problem:
            self.rejected += 1
            if self.rejected == 1:
                _log.warning(
                    "not a flash on %r: %r (%s); further ones are only counted",
                    topic,
                    payload,
                    problem,
                )


def _check_positive(name: str, value: float) -> None:
    if isinstance(value, bool) or not isinstance(value, (float, int)):
        raise TypeError(f"{name} must be a number, got {value!r}")
    if not 0 < value < math.inf:
        raise ValueError(f"{name} must be finite and above 0, got {value!r}")
