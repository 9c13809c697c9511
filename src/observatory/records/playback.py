"""Playback: the agents of a record as they were at any time, forwards and backwards."""

from __future__ import annotations

import math
from array import array
from bisect import bisect_right

import numpy as np
from numpy.typing import NDArray

from observatory.records.reader import Record


class Playback:
    """A place in a record, and what was to be seen there.

    A record holds flashes, not phases, so a phase is read off the flashes around it: it grows in a
    straight line from 0 at one flash of an agent to a whole turn at its next one. Before the first
    and after the last it grows by a turn a period; it doesn't pass a turn, as with an agent that
    is overdue.

    Args:
        record: the record, with anything in it.
    """

    def __init__(self, record: Record) -> None:
        self.record = record
        """The record."""
        self.time = 0.0
        """The place, in seconds since the start."""
        self.count = 0
        """How many flashes were sent until then."""
        agents = record.header.agents
        self.latest = array("d", [-math.inf]) * agents
        """When each agent's latest flash was sent, in seconds since the start."""
        order = np.argsort(record.sent, kind="stable")
        self._sent = record.sent[order]
        self._agents = record.agents[order]
        self._due = record.times[order]
        # When the same agent flashes next, for each flash; and when it does first.
        self._following = np.full(len(order), math.inf)
        by_agent = np.argsort(self._agents, kind="stable")
        same = self._agents[by_agent[:-1]] == self._agents[by_agent[1:]]
        self._following[by_agent[:-1][same]] = self._due[by_agent[1:][same]]
        self._first = np.full(agents, math.inf)
        self._first[self._agents[by_agent[::-1]]] = self._due[by_agent[::-1]]
        self._latest = np.frombuffer(self.latest)
        self._before = np.empty(0)
        self._after = np.empty(0)
        self._forget()

    def _forget(self) -> None:
        """Go to the time before the first flash."""
        self.count = 0
        self._latest[:] = -math.inf
        self._before = np.full(len(self.latest), -math.inf)
        self._after = self._first.copy()

    def seek(self, time: float) -> None:
        """Go to a time, in seconds since the start; before the start or after the end, to these."""
        time = min(max(0.0, time), self.record.end)
        if time < self.time:
            self._forget()
        self.time = time
        upto = int(np.searchsorted(self._sent, time, side="right"))
        part = slice(self.count, upto)
        # Of several flashes of one agent the last counts: they are assigned in order.
        agents = self._agents[part]
        self._latest[agents] = self._sent[part]
        self._before[agents] = self._due[part]
        self._after[agents] = self._following[part]
        self.count = upto

    def turns(self) -> NDArray[np.float64]:
        """Return the phases as shares of a turn, from 0 to 1, of shape (height, width)."""
        period = self.record.header.period
        flashed, goes_on = np.isfinite(self._before), np.isfinite(self._after)
        between = np.where(flashed & goes_on, self._after - self._before, period)
        begin = np.where(flashed, self._before, np.where(goes_on, self._after - period, -math.inf))
        with np.errstate(invalid="ignore"):
            turns = (self.time - begin) / np.maximum(between, 1e-12)
        # Nothing is known of who never flashes; it stands where one that is overdue does.
        return np.clip(np.nan_to_num(turns, posinf=1.0), 0.0, 1.0).reshape(self.record.shape)

    def alight(self, seconds: float) -> float:
        """Return the share of agents whose latest flash was sent at most so many seconds ago."""
        return float((self._latest >= self.time - seconds).mean())

    def metric(self, name: str) -> float | None:
        """Return the latest value of a metric so far; None if there was none."""
        samples = self.record.samples
        index = bisect_right(samples["time"], self.time) - 1
        if index < 0 or math.isnan(samples[name][index]):
            return None
        return float(samples[name][index])
