"""The same worlds as `observatory.reference.fireflies`, for up to a million agents and more.

The flashes are the same, in the same order, to the last bit. What runs is one function on arrays,
`observatory.reference.pulses.advance`: as Python where there are few agents, translated to machine
code by Numba where there are many.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable
from functools import cache
from typing import Any, TypeAlias

import numpy as np

from observatory.networking.topology import Topology, check_topology, most_square, neighborhoods
from observatory.reference import pulses
from observatory.reference.pulses import Pulses, Times, Whole
from observatory.reference.world import TOLERANCE, PulseResponse

LARGE = 5_000
"""From how many agents on machine code is worth the second that Numba takes to start."""

Tell: TypeAlias = Callable[[Whole, Times], None]
"""Is told of flashes: agents and times, in the order of the world."""


class LargeWorld:
    """A world whose time goes on as far as it is told.

    Args:
        due: when each agent is due first, in seconds; it is changed in place, so that whoever
            holds it can see the phases.
        response: what a flash does.
        topology: who hears whom.
        tell: is told of all flashes, in order, many at a time.
        compiled: run machine code; None: if the world is large and Numba is installed.

    Raises:
        ImportError: machine code was asked for, and Numba isn't installed.
        ValueError: there is nobody, or no such topology.
    """

    def __init__(
        self,
        due: Times,
        response: PulseResponse,
        topology: Topology,
        tell: Tell,
        compiled: bool | None = None,
    ) -> None:
        count = len(due)
        if not count:
            raise ValueError("due must hold a time for each agent, got none")
        arrays = pulses.pulses_of(due, response.period)
        self._agents, self._times = arrays["agents"], arrays["times"]
        self._tell = tell
        self._response = (
            response.period,
            response.refractory_period - TOLERANCE,
            response.slope,
            response.constant,
        )
        if compiled is None:
            compiled = count >= LARGE and importlib.util.find_spec("numba") is not None
        self._pulses: Pulses
        self._neighbors: Any
        if compiled:
            self._advance = _compiled()
            self._pulses = Pulses(**arrays)
            self._neighbors = neighbor_matrix(topology, count)
        else:
            self._advance = pulses.advance
            # One by one, the items of a view are faster than those of its array.
            self._pulses = Pulses(**_views(arrays))
            self._neighbors = neighborhoods(topology, count)

    def run_until(self, time: float) -> None:
        """Run all instants before a time, in seconds."""
        is_done = False
        while not is_done:
            flashed, is_done = self._advance(self._pulses, self._neighbors, *self._response, time)
            if flashed:
                self._tell(self._agents[:flashed].copy(), self._times[:flashed].copy())


def _views(arrays: dict[str, Any]) -> dict[str, Any]:
    return {name: memoryview(array) for name, array in arrays.items()}


@cache
def _compiled() -> Callable[..., tuple[int, bool]]:
    """Return `advance` as machine code, which is kept in a file where one can be written."""
    numba = importlib.import_module("numba")
    compiled: Callable[..., tuple[int, bool]]
    try:
        compiled = numba.njit(cache=True, nogil=True)(pulses.advance)
    except RuntimeError:  # there is no place for the file
        compiled = numba.njit(nogil=True)(pulses.advance)
    return compiled


def neighbor_matrix(topology: Topology, count: int) -> Whole:
    """Return `neighborhoods` as an array of shape (count, neighbours of each).

    The cell itself stands in the place of a neighbour that it hasn't; it is never its own.

    Raises:
        ValueError: there is no such topology.
    """
    check_topology(topology)
    cells = np.arange(count)
    if topology == "complete":
        return np.broadcast_to(cells, (count, count))
    if topology == "ring":
        columns = [(cells - 1) % count, (cells + 1) % count]
    else:
        width, height = most_square(count)
        row, column = np.divmod(cells, width)
        columns = [
            (row + down) % height * width + (column + across) % width
            for down in (-1, 0, 1)
            for across in (-1, 0, 1)
            if down or across
        ]
    for number, others in enumerate(columns):
        for earlier in columns[:number]:
            others[others == earlier] = cells[others == earlier]
    return np.stack(columns, axis=1)
