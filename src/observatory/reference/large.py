"""The same worlds as `observatory.reference.fireflies`, for up to a million agents.

The flashes are the same, in the same order, to the last bit. A small world runs instant by
instant, like the calculation it is compared with; where many are due in one instant, they are run
together with arrays. A large world is cut into spans of time, in which the instants at different
places run together; see `Spans`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from heapq import heapify, heappush

import numpy as np

from observatory.networking.topology import Topology, neighborhoods
from observatory.reference.instant import Instant
from observatory.reference.spans import Spans
from observatory.reference.state import Key, State, Times, Whole, neighbor_matrix, rows_of
from observatory.reference.together import Together
from observatory.reference.world import PulseResponse

LARGE = 5_000
"""From how many agents on a world is cut into spans."""
MANY = 40
"""From how many agents that are due in one instant on they are run together."""

Tell = Callable[[Whole, Times], None]
"""Is told of flashes: agents and times, in the order of the world."""


class LargeWorld:
    """A world whose time goes on as far as it is told.

    Args:
        due: when each agent is due first, in seconds; it is changed in place, so that whoever
            holds it can see the phases.
        response: what a flash does.
        topology: who hears whom.
        tell: is told of all flashes, in order, many at a time.
        spans: cut it into spans of time whatever its size; None: if it is large. Where agents
            don't all have the same number of neighbours, it never is.

    Raises:
        ValueError: there is nobody, or no such topology.
    """

    def __init__(
        self,
        due: Times,
        response: PulseResponse,
        topology: Topology,
        tell: Tell,
        spans: bool | None = None,
    ) -> None:
        self._state = State(due, response)
        self._tell = tell
        matrix = neighbor_matrix(topology, len(due))
        neighbors: Sequence[Sequence[int]]
        if matrix is None or len(due) < LARGE:
            neighbors = neighborhoods(topology, len(due))
        else:
            neighbors = rows_of(matrix)
        self._instant = Instant(self._state, neighbors)
        self._together = None if matrix is None else Together(self._state, matrix)
        self._spans: Spans | None = None
        self._agenda: list[Key] = []
        if self._together is not None and (len(due) >= LARGE if spans is None else spans):
            self._spans = Spans(self._state, self._instant, self._together, tell)
        else:
            self._agenda = self._state.keys(np.arange(len(due)))
            heapify(self._agenda)

    def run_until(self, time: float) -> None:
        """Run all instants before a time, in seconds."""
        if self._spans is not None:
            self._spans.run_until(time)
            return
        agenda, instant = self._agenda, self._instant
        due, rank = instant.due, instant.rank
        while agenda and agenda[0][0] < time:
            now = agenda[0][0]
            queue = instant.taken_from(agenda)
            if len(queue) >= MANY and self._together is not None:
                self._run_many(np.array(queue))
                continue
            for agent in instant.run(now, queue, math.inf):
                heappush(agenda, (due[agent], now, rank[agent], agent))
            if len(instant.flashed) >= 100_000:
                self._tell(*instant.taken())
        if instant.flashed:
            self._tell(*instant.taken())

    def _run_many(self, queue: Whole) -> None:
        assert self._together is not None
        if self._instant.flashed:
            self._tell(*self._instant.taken())
        record = self._together.record()
        self._together.run(queue, record)
        self._tell(*record.flashes())
        for key in self._state.keys(np.unique(record.touched())):
            heappush(self._agenda, key)
