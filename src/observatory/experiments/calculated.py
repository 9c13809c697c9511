"""The fireflies as a calculation in the place of agents: the same settings, the same summary."""

from __future__ import annotations

from array import array
from collections import deque
from collections.abc import Coroutine, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Literal, Protocol

import numpy as np

from observatory.experiments.config import COUPLING, HALF_WIDTH, FirefliesConfig
from observatory.experiments.fireflies import Fireflies
from observatory.experiments.recorder import Recorder
from observatory.flash_lines import flash_lines
from observatory.flashes import Flash
from observatory.reference.large import LargeWorld
from observatory.reference.mean_field_world import MeanFieldWorld
from observatory.reference.mirollo_strogatz import concave_response
from observatory.reference.pulses import Times, Whole
from observatory.reference.world import PulseResponse
from observatory.ticks import Ticks

NOT_THERE = {"connector": "nobody is told of its flashes", "strict": "its flashes are never late"}
"""What a calculation doesn't take, and why."""
FRAMES_PER_SECOND = 30
"""How often a calculation that is shown goes on, in a second of the loop's clock."""
APART = 2_000
"""So many flashes told at once are hashed in a thread, while the calculation goes on."""
BEHIND = 16
"""How many times the thread may have been told what it hasn't hashed yet."""


class _World(Protocol):
    """What time goes on in."""

    def run_until(self, time: float) -> None:
        """Run all instants before a time, in seconds since the start."""
        ...


class BulkRecorder(Recorder):
    """A recorder that is told of many flashes at once, in seconds since the start.

    Nothing in a calculation is late, and it has no steps.
    """

    _thread: ThreadPoolExecutor | None = None

    def flashed_together(self, agents: Whole, times: Times) -> None:
        """Agents have flashed, in this order; the arrays must stay as they are."""
        self.count += len(agents)
        np.frombuffer(self.latest)[agents] = self._start + times
        if len(agents) < APART:
            self._catch_up(0)
            self._hash(agents, times)
        else:
            if self._thread is None:
                self._thread, self._hashing = ThreadPoolExecutor(1), deque[Future[None]]()
            self._hashing.append(self._thread.submit(self._hash, agents, times))
            self._catch_up(BEHIND)
        if self._keep:
            self.flashes += map(Flash, agents.tolist(), times.tolist())
        if self._record is not None:
            self._record.flashes(agents, times)

    def _hash(self, agents: Whole, times: Times) -> None:
        self._digest.update(flash_lines(agents, times))

    def _catch_up(self, behind: int) -> None:
        """Wait until the thread is at most so many times behind."""
        while self._thread is not None and len(self._hashing) > behind:
            self._hashing.popleft().result()

    @property
    def digest(self) -> str:
        """SHA-256 over the flashes so far."""
        self._catch_up(0)
        return super().digest

    def turns(self, now: float) -> Times:
        """Return all phases at `now`, on the loop's clock, as shares of the period."""
        return super().turns(now - self._start)

    def recent_lateness(self, count: int) -> float | None:
        """Return 0, or None while there were no flashes."""
        return 0.0 if self.count else None

    def lateness_summary(self) -> dict[str, float | None]:
        """Return 0 for everything, or None while there were no flashes."""
        return dict.fromkeys(("p50", "p99", "max"), self.recent_lateness(1))


class Calculated(Fireflies):
    """An experiment that is calculated: no agents, no channels, and nobody is told of flashes.

    Args:
        config: the settings; without a limit.
        **others: as for `Fireflies`, but without `connector` and `strict`.

    Raises:
        ValueError: there is something that a calculation doesn't have.
    """

    _world: _World | None = None

    steerable = False

    def __init__(self, config: FirefliesConfig, **others: Any) -> None:
        for name, why in NOT_THERE.items():
            if others.get(name) is not None:
                raise ValueError(f"{name} must be left out with --engine reference: {why}")
        super().__init__(config, **others)

    @staticmethod
    def check_config(config: FirefliesConfig) -> None:
        """Raise ValueError if settings are for something else than a calculation."""
        if config.limit is not None:
            raise ValueError(
                f"limit must be left out with --engine reference, got {config.limit!r}"
            )

    def _make_recorder(self, due: Sequence[float]) -> Recorder:
        config = self.config
        recorder = BulkRecorder(
            [], config.period, self._start, np.inf, self._log, self._keep_flashes, self._record
        )
        recorder.due = array("d", [first - self._start for first in due])
        recorder.latest = array("d", [-np.inf]) * config.num_agents
        recorder.steps = [0] * config.num_agents
        return recorder

    def _lives(self) -> Iterator[Coroutine[Any, Any, Any]]:
        recorder = self.recorder
        assert isinstance(recorder, BulkRecorder)
        config = self.config
        # On real time the loop's clock would leave its mark in the last digits.
        recorder.due[:] = array("d", [0.0 + (config.period - phase) for phase in self._phases])
        live = np.frombuffer(recorder.due)
        if config.model == "kuramoto":
            self._world = MeanFieldWorld(
                live,
                config.period,
                COUPLING if config.coupling is None else config.coupling,
                HALF_WIDTH if config.half_width is None else config.half_width,
                recorder.flashed_together,
            )
        else:
            if config.concavity is None:
                response = PulseResponse(config.period, config.deaf_for, 0.0, config.nudge)
            else:
                response = concave_response(
                    config.period, config.nudge, config.concavity, config.deaf_for
                )
            self._world = LargeWorld(live, response, config.topology, recorder.flashed_together)
        yield self._go_on()

    async def _go_on(self) -> None:
        """Go on at regular times: often if it is shown, or else ten times a period."""
        if self._view is None:
            ticks = Ticks(self._start, self.config.period, 10)
        else:
            ticks = Ticks(self._start, 1 / FRAMES_PER_SECOND)
        while True:
            self._pass_time(await ticks.next())

    def _pass_time(self, now: float) -> None:
        if self._world is not None:
            self._world.run_until(min(now - self._start, self.config.duration))


Engine = Literal["agents", "reference"]
"""What runs an experiment: agents, or the calculation that they are compared with."""
ENGINES: dict[str, type[Fireflies]] = {"agents": Fireflies, "reference": Calculated}
"""The experiment of each."""
