"""Recorder: what the agents of an experiment tell directly, and the summary made of it."""

from __future__ import annotations

import hashlib
import math
from array import array
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from observatory.flashes import Flash, flash_line
from observatory.monitors.aggregator import MetricsAggregator
from observatory.order import order_parameter
from observatory.percentiles import percentiles

if TYPE_CHECKING:
    from observatory.records.writer import RecordWriter


@dataclass(frozen=True, slots=True)
class Summary:
    """What an experiment was and what came out of it."""

    agents: int
    """How many agents there were."""
    width: int
    """Agents in a row of the grid on which they are seen, which is the torus if there is one."""
    height: int
    """Rows of that grid."""
    period: float
    """Seconds from flash to flash when nothing is heard."""
    nudge: float
    """How much a heard flash advances the phase or lifts the state, in seconds."""
    limit: int | None
    """How many agents could be in a step at the same time."""
    seed: int
    """Where the initial phases came from."""
    time: str
    """The clock it ran on: "real" or "virtual"."""
    duration: float
    """How long it lasted on that clock, in seconds."""
    elapsed: float
    """How long that took in real time, in seconds."""
    flashes: int
    """How many flashes there were."""
    missed: int
    """How many cycles were lost by agents that were kept from running."""
    pulses: int
    """How often the whole world has flashed: flashes for each agent, rounded down."""
    order_parameter: dict[str, float | None]
    """R at the end of the first period, at the end of the run, and its largest value at the end
    of a period; None where the run was too short."""
    active: dict[str, float | None]
    """Slots in use at most and on average (ten samples a period); None without a limit."""
    steps: dict[str, int]
    """How many steps began: in total, of the laziest agent, of the busiest."""
    lateness_s: dict[str, float | None]
    """Flash sent minus flash due, in seconds: nearest-rank percentiles and the maximum."""
    dropped: int
    """Messages lost because an inbox was full."""
    digest: str
    """SHA-256 over the flashes in order, as lines "agent:time"."""
    topology: str = "torus"
    """Who heard whom: "torus", "ring" or "complete"."""
    model: str = "fixed"
    """What a flash did: "fixed", "mirollo-strogatz" or "kuramoto"."""

    def as_dict(self) -> dict[str, Any]:
        """Return the summary as plain data, ready for JSON."""
        return asdict(self)


class Recorder:
    """Is told every step and flash by the agents (their probe), and keeps what the summary needs.

    Args:
        due: when each agent will first be due, on the loop's clock.
        period: the agents' period, in seconds.
        start: when the experiment starts, on the loop's clock.
        end: flashes that are due at this time or later don't count.
        log: where lateness is logged, if anywhere.
        keep_flashes: keep all flashes in `flashes`, for tests and pictures.
        record: where every flash is kept on disk, if anywhere; begun already.
    """

    def __init__(
        self,
        due: Sequence[float],
        period: float,
        start: float,
        end: float,
        log: MetricsAggregator | None = None,
        keep_flashes: bool = False,
        record: RecordWriter | None = None,
    ) -> None:
        self.due = array("d", due)
        """When each agent will be due, as far as it has said."""
        self.steps = [0] * len(due)
        """How many steps each agent has begun."""
        self.flashes: list[Flash] = []
        """The flashes, if they are kept."""
        self.count = 0
        """How many flashes there were."""
        self.missed = 0
        """How many cycles were lost."""
        self.lateness = array("d")
        """Flash sent minus flash due, in seconds, for each flash."""
        self.order_parameters: list[float] = []
        """R at the end of each period."""
        self.latest = array("d", [-math.inf]) * len(due)
        """When each agent's latest flash was sent."""
        self._period = period
        self._start = start
        self._end = end
        self._log = log
        self._keep = keep_flashes
        self._record = record
        self._digest = hashlib.sha256()

    def stepped(self, agent_id: int, due: float) -> None:
        """An agent begins a step."""
        self.steps[agent_id] += 1
        self.due[agent_id] = due

    def nudged(self, agent_id: int, due: float) -> None:
        """An agent has changed its due time."""
        self.due[agent_id] = due

    def flashed(self, agent_id: int, time: float, sent: float, missed: int) -> None:
        """An agent has flashed."""
        if time >= self._end:
            return
        self.count += 1
        self.missed += missed
        self.latest[agent_id] = sent
        self.due[agent_id] = (sent if missed else time) + self._period
        self.lateness.append(sent - time)
        if self._log is not None:
            self._log.record_nowait("lateness_s", sent - time)
        flash = Flash(agent_id, time - self._start)
        self._digest.update(flash_line(flash))
        if self._keep:
            self.flashes.append(flash)
        if self._record is not None:
            self._record.flash(agent_id, flash.time, sent - self._start)

    def turns(self, now: float) -> NDArray[np.float64]:
        """Return the phases of all agents at `now` as shares of the period, of shape (agents,).

        The phase of an agent that is overdue stays at the period until it flashes.
        """
        turns: NDArray[np.float64] = 1.0 - (np.frombuffer(self.due) - now) / self._period
        return np.minimum(turns, 1.0)

    def order_parameter(self, now: float) -> float:
        """Return R = |mean(exp(2πi·phase/period))| of the phases of all agents at `now`."""
        return order_parameter(self.turns(now))

    def alight(self, now: float, seconds: float) -> float:
        """Return the share of agents whose latest flash was sent at most so many seconds ago."""
        return float((np.frombuffer(self.latest) >= now - seconds).mean())

    def recent_lateness(self, count: int) -> float | None:
        """Return p99 (nearest rank) of the lateness of the latest flashes, in seconds.

        Args:
            count: how many flashes; None is returned while there were none.
        """
        late = self.lateness[-count:]
        if not late:
            return None
        (p99,) = percentiles(late, 99)
        return p99

    @property
    def digest(self) -> str:
        """SHA-256 over the flashes so far."""
        return self._digest.hexdigest()

    def lateness_summary(self) -> dict[str, float | None]:
        """Return p50, p99 (nearest rank) and the maximum; None while there were no flashes."""
        if not self.lateness:
            return {"p50": None, "p99": None, "max": None}
        p50, p99, largest = percentiles(self.lateness, 50, 99, 100)
        return {"p50": p50, "p99": p99, "max": largest}
