"""The state of a large world in arrays, and its lattice as one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, TypeAlias, TypeVar, cast

import numpy as np
import numpy.typing as npt

from observatory.networking.topology import Topology, most_square
from observatory.reference.world import TOLERANCE, PulseResponse

Whole: TypeAlias = npt.NDArray[np.int64]
Times: TypeAlias = npt.NDArray[np.float64]
Truth: TypeAlias = npt.NDArray[np.bool_]
Rest: TypeAlias = npt.NDArray[np.void]
Before: TypeAlias = tuple[Times, Rest]
"""Entries of a state: when agents are due, and the rest."""

# What is needed together stands together in memory: a look-up is mostly waiting for that.
_REST = np.dtype([("set_at", "f8"), ("rank", "i8"), ("flashed_at", "f8"), ("spare", "f8")])

Key: TypeAlias = tuple[float, float, int, int]
"""(due, set at, rank, agent): who comes first is the smallest."""

Item = TypeVar("Item")


class View(Protocol[Item]):
    """An array whose items are plain numbers: one by one, these are faster than its own."""

    def __getitem__(self, index: int, /) -> Item: ...

    def __setitem__(self, index: int, item: Item, /) -> None: ...


def time_view(times: Times) -> View[float]:
    """Return an array as plain numbers."""
    return cast(View[float], memoryview(cast(Any, times)))


def whole_view(numbers: Whole) -> View[int]:
    """Return an array as plain numbers."""
    return cast(View[int], memoryview(cast(Any, numbers)))


class State:
    """When everybody is due, and what decides the order of those who are due at one time.

    Whoever had its due time set first comes first. So beside the due time stand the instant in
    which it was set (minus infinity at the start), and how many had theirs set before in that
    instant (at the start: the number of the agent).

    Args:
        due: when each agent is due, in seconds; it is changed in place.
        response: what a flash does.
    """

    def __init__(self, due: Times, response: PulseResponse) -> None:
        count = len(due)
        self.due = due
        self._rest = np.zeros(count, dtype=_REST)
        self._rows: Rest = self._rest.view("V32")  # to move whole rows is faster without fields
        self.set_at: Times = self._rest["set_at"]
        self.set_at[:] = -np.inf
        self.rank: Whole = self._rest["rank"]
        self.rank[:] = np.arange(count)
        self.flashed_at: Times = self._rest["flashed_at"]
        self.flashed_at[:] = -np.inf
        """When each agent has flashed last."""
        self.period = response.period
        self.threshold = response.refractory_period - TOLERANCE
        self.slope, self.constant = response.slope, response.constant

    def copy(self, agents: Whole) -> Before:
        """Return the entries of some agents."""
        # Faster by far than an index in brackets, as everywhere here.
        return self.due.take(agents), self._rows.take(agents).view(_REST)

    def put_back(self, agents: Whole, entries: Before) -> None:
        """Put back entries that `copy` has returned."""
        due, rest = entries
        self.due[agents] = due
        self._rows[agents] = rest.view("V32")

    def keys(self, agents: Whole) -> list[Key]:
        """Return the keys of some agents."""
        return list(
            zip(
                self.due[agents].tolist(),
                self.set_at[agents].tolist(),
                self.rank[agents].tolist(),
                agents.tolist(),
                strict=True,
            )
        )

    def in_turn(self, agents: Whole) -> Whole:
        """Return agents in the order in which they come, each once."""
        due = self.due.take(agents)
        order = np.argsort(due, kind="stable")
        agents, due = agents.take(order), due.take(order)
        # Only where two are due at one time does the rest of their keys matter.
        ties = np.flatnonzero(due[1:] == due[:-1])
        if not ties.size:
            return agents
        is_tied = np.zeros(len(agents), dtype=bool)
        is_tied[ties] = is_tied[ties + 1] = True
        tied = np.flatnonzero(is_tied)
        some = agents.take(tied)
        keys = self.rank[some], self.set_at[some], due.take(tied)
        agents[tied] = some.take(np.lexsort(keys))
        return agents.take(np.flatnonzero(np.diff(agents, prepend=-1)))


def neighbor_matrix(topology: Topology, count: int) -> Whole | None:
    """Return `neighborhoods` as an array of shape (count, neighbours of each), where it is one.

    That is on a torus and in a ring of at least three in each direction; otherwise None.
    """
    cells = np.arange(count)
    if topology == "ring" and count >= 3:
        return np.stack(((cells - 1) % count, (cells + 1) % count), axis=1)
    width, height = most_square(count)
    if topology != "torus" or height < 3:
        return None
    row, column = np.divmod(cells, width)
    return np.stack(
        [
            (row + down) % height * width + (column + across) % width
            for down in (-1, 0, 1)
            for across in (-1, 0, 1)
            if down or across
        ],
        axis=1,
    )


def rows_of(matrix: Whole) -> Sequence[Sequence[int]]:
    """Return the rows of a matrix as lists of whole numbers, each made when it is asked for."""
    return _Rows(matrix)


class _Rows(Sequence[Sequence[int]]):
    def __init__(self, matrix: Whole) -> None:
        self._matrix = matrix

    def __len__(self) -> int:
        return len(self._matrix)

    def __getitem__(self, index: int) -> list[int]:  # type: ignore[override]
        row: list[int] = self._matrix[index].tolist()
        return row
