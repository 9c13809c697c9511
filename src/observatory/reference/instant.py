"""One instant of a large world, agent by agent: cheaper than arrays where only a few are woken."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from observatory.reference.state import State, Times, Whole


class TouchedError(Exception):
    """An instant has come to an agent that a later one has touched already."""


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
        self.due = memoryview(state.due)
        self.set_at = memoryview(state.set_at)
        self.rank = memoryview(state.rank)
        self.flashed_at = memoryview(state.flashed_at)
        self.flashed: list[int] = []
        """Who has flashed since `taken` was called, in order."""
        self.times: list[float] = []
        """When."""

    def taken(self) -> tuple[Whole, Times]:
        """Return agents and times of the flashes, and forget them."""
        taken = np.array(self.flashed, dtype=np.int64), np.array(self.times)
        self.flashed.clear()
        self.times.clear()
        return taken

    def run(self, now: float, queue: list[int], touched: memoryview | None = None) -> set[int]:
        """Run an instant, and return who was woken.

        Args:
            now: when it is, in seconds.
            queue: all who are due then, in the order in which they come; whoever hears them is
                added.
            touched: when each agent was touched last by an instant that was run out of turn.

        Raises:
            TouchedError: somebody was touched later than now; the state is as it was.
        """
        due, set_at, rank, flashed_at = self.due, self.set_at, self.rank, self.flashed_at
        state, neighbors = self._state, self._neighbors
        period, threshold = state.period, state.threshold
        slope, constant = state.slope, state.constant
        heard = dict.fromkeys(queue, 0)
        before: list[tuple[int, float, float, int, float]] = []
        count = len(self.flashed)
        for place, agent in enumerate(queue):  # which grows meanwhile
            times = heard.pop(agent)
            at = due[agent]
            if touched is not None:
                if touched[agent] > now:
                    self._undo(before, count)
                    raise TouchedError
                before.append((agent, at, set_at[agent], rank[agent], flashed_at[agent]))
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
                    elif neighbor != agent:
                        if touched is not None and touched[neighbor] > now:
                            self._undo(before, count)
                            raise TouchedError
                        if period - (due[neighbor] - now) >= threshold:
                            heard[neighbor] = 1
                            queue.append(neighbor)
            due[agent] = at
            set_at[agent] = now
            rank[agent] = place
        return set(queue)

    def _undo(self, before: list[tuple[int, float, float, int, float]], count: int) -> None:
        for agent, at, was_set, was_rank, flashed in reversed(before):
            self.due[agent] = at
            self.set_at[agent] = was_set
            self.rank[agent] = was_rank
            self.flashed_at[agent] = flashed
        del self.flashed[count:], self.times[count:]
