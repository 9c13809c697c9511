"""One instant of a large world, agent by agent: cheaper than arrays where only a few are woken."""

from __future__ import annotations

from collections.abc import Sequence
from heapq import heappop
from typing import Protocol

import numpy as np

from observatory.reference.state import (
    Key,
    State,
    Times,
    View,
    Whole,
    time_view,
    whole_view,
)


class Guard(Protocol):
    """Keeps agents whom instants have touched that were run out of turn."""

    @property
    def kept(self) -> tuple[View[int], int, View[float]]:
        """Which instant has touched each agent, plus a number; that number; when they were."""
        ...

    def release(self, keeper: int) -> None:
        """Undo an instant, so that its agents are as they were before it."""
        ...


class Instant:
    """Runs one instant after another.

    Args:
        state: the state of the world.
        neighbors: who hears each agent; the agent itself may be among them, and doesn't.
    """

    def __init__(self, state: State, neighbors: Sequence[Sequence[int]]) -> None:
        self._neighbors = neighbors
        self._state = state
        # Views of the arrays whose items are plain numbers, which are faster one by one.
        self.due = time_view(state.due)
        self.set_at = time_view(state.set_at)
        self.rank = whole_view(state.rank)
        self.flashed_at = time_view(state.flashed_at)
        self.flashed: list[int] = []
        """Who has flashed since `taken` was called, in order."""
        self.times: list[float] = []
        """When."""

    def taken_from(self, agenda: list[Key]) -> list[int]:
        """Take the first instant out of an agenda; return who is due in it, in order.

        Args:
            agenda: keys as a heap; those that are out of date are left out, and so is what is
                there twice.
        """
        now = agenda[0][0]
        queue: list[int] = []
        while agenda and agenda[0][0] == now:
            _, at, place, agent = heappop(agenda)
            if self.due[agent] != now or self.set_at[agent] != at or self.rank[agent] != place:
                continue
            if not queue or queue[-1] != agent:
                queue.append(agent)
        return queue

    def taken(self) -> tuple[Whole, Times]:
        """Return agents and times of the flashes, and forget them."""
        taken = np.array(self.flashed, dtype=np.int64), np.array(self.times)
        self.flashed.clear()
        self.times.clear()
        return taken

    def run(
        self,
        now: float,
        queue: list[int],
        end: float,
        guard: Guard | None = None,
    ) -> list[int]:
        """Run an instant, and return who was due before the end after it was woken.

        Some may be there more than once, or have been woken again and flashed since.

        Args:
            now: when it is, in seconds.
            queue: all who are due then, in the order in which they come; all others who are woken
                are added, some more than once.
            end: how far one looks ahead, in seconds.
            guard: keeps those whom later instants have touched already.
        """
        due, set_at, rank, flashed_at = self.due, self.set_at, self.rank, self.flashed_at
        state, neighbors = self._state, self._neighbors
        period, threshold = state.period, state.threshold
        slope, constant = state.slope, state.constant
        owner, base, until = (None, 0, due) if guard is None else guard.kept
        heard = dict.fromkeys(queue, 0)
        soon: list[int] = []
        for place, agent in enumerate(queue):  # which grows meanwhile
            times = heard.pop(agent)
            at = due[agent]
            if times and flashed_at[agent] != now:
                for _ in range(times):
                    at -= slope * (period - (at - now)) + constant
            if at <= now:
                self.flashed.append(agent)
                self.times.append(now)
                flashed_at[agent] = now
                at = now + period
                for neighbor in neighbors[agent]:
                    if neighbor in heard:
                        heard[neighbor] += 1
                        continue
                    if owner is not None:
                        keeper = owner[neighbor] - base
                        while keeper >= 0 and until[keeper] > now:
                            assert guard is not None
                            guard.release(keeper)
                            keeper = owner[neighbor] - base  # who had touched it before
                    if period - (due[neighbor] - now) >= threshold and neighbor != agent:
                        heard[neighbor] = 1
                        queue.append(neighbor)
            due[agent] = at
            set_at[agent] = now
            rank[agent] = place
            if at < end:
                soon.append(agent)
        return soon
