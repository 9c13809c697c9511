"""Pulse-coupled oscillators on arrays, instant by instant: what `observatory.reference.large` runs.

`advance` is one plain function of numbers and arrays, so that a compiler can take it as it is.
What happens in an instant is told in `observatory.reference.fireflies`.

Who is due when stands in a calendar (R. Brown, "Calendar queues: a fast O(1) priority queue
implementation for the simulation event set problem", Communications of the ACM 31 (1988),
1220-1227). A period has many days, and each oscillator stands on the day on which it is due; to
move it to an earlier one costs the same however many there are. Only those of today stand in a
heap, in which an entry that is out of date is passed over. As nobody is due later than a period
from now, the days of one year are enough, used again and again.
"""

from __future__ import annotations

from collections.abc import Sequence
from heapq import heapify, heappop, heappush
from typing import Any, NamedTuple, Protocol, TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt

Whole: TypeAlias = npt.NDArray[np.int64]
Times: TypeAlias = npt.NDArray[np.float64]

Item = TypeVar("Item")


class Numbers(Protocol[Item]):
    """An array, or a view of one whose items are plain numbers."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int, /) -> Item: ...

    def __setitem__(self, index: int, item: Item, /) -> None: ...


class Pulses(NamedTuple):
    """A world of oscillators between two instants. All but the last four have an entry for each."""

    due: Numbers[float]
    """When each is due, in seconds."""
    serial: Numbers[int]
    """In which order due times were set: of those due at one time, the lowest comes first."""
    flashed_at: Numbers[float]
    """When each has flashed last."""
    heard: Numbers[int]
    """How many flashes have reached one who waits for its turn; -1 for who doesn't wait."""
    before: Numbers[int]
    """Who stands before each on its day, or -1."""
    behind: Numbers[int]
    """Who stands behind each on its day, or -1."""
    queue: Numbers[int]
    """Who waits for its turn in an instant; behind the last place comes the first."""
    days: Numbers[int]
    """Who stands first on each day of the year, or -1; as many days as a power of two."""
    counters: Numbers[int]
    """The day that goes on, and the next serial number."""
    agents: Numbers[int]
    """Room for who has flashed, in order; at least as much as there are oscillators."""
    times: Numbers[float]
    """Room for when that was, in seconds."""


def pulses_of(due: Times, period: float) -> dict[str, Any]:
    """Return the arrays of a world at its start.

    Args:
        due: when each oscillator is due first, in seconds, from 0 to the period; it is changed in
            place.
        period: the time from flash to flash of one that hears nothing, in seconds.
    """
    count = len(due)
    year = 1 << max(6, count.bit_length())
    before, behind, days = np.full(count, -1), np.full(count, -1), np.full(year, -1)
    day = (due * ((year - 3) / period)).astype(np.int64)
    order = np.argsort(day, kind="stable")
    is_first = np.diff(day[order], prepend=-1) > 0
    days[day[order[is_first]]] = order[is_first]
    leaders = np.flatnonzero(~is_first) - 1
    before[order[leaders + 1]] = order[leaders]
    behind[order[leaders]] = order[leaders + 1]
    return {
        "due": due,
        "serial": np.arange(count),
        "flashed_at": np.full(count, -np.inf),
        "heard": np.full(count, -1),
        "before": before,
        "behind": behind,
        "queue": np.full(count, -1),
        "days": days,
        "counters": np.array([0, count]),
        "agents": np.empty(2 * count + 1000, dtype=np.int64),
        "times": np.empty(2 * count + 1000),
    }


def advance(
    world: Pulses,
    neighbors: Sequence[Sequence[int]],
    period: float,
    threshold: float,
    slope: float,
    constant: float,
    until: float,
) -> tuple[int, bool]:
    """Run all instants before a time, or as many as there is room for their flashes.

    Args:
        world: the oscillators.
        neighbors: who hears each oscillator; itself may be among them, and doesn't.
        period: the time from flash to flash of one that hears nothing, in seconds.
        threshold: from which phase on a flash is heard, in seconds.
        slope: how much more a flash advances a phase that is a second later.
        constant: how much a flash advances the phase 0, in seconds.
        until: the time, in seconds.

    Returns:
        How many flashes there were, and whether all instants before the time were run.
    """
    due, serial, flashed_at, heard = world.due, world.serial, world.flashed_at, world.heard
    before, behind, queue, days = world.before, world.behind, world.queue, world.days
    agents, times = world.agents, world.times
    count, year, room = len(due), len(days), len(agents) - len(due)
    pace = (year - 3) / period  # days a second: all who are due are on different days of a year
    today, next_serial = world.counters[0], world.counters[1]
    last_day = int(min(until * pace, 2.0**62))
    flashed = 0
    agenda = [(0.0, 0, 0)]
    agenda.clear()
    while today <= last_day:
        agent = days[today % year]
        days[today % year] = -1
        while agent >= 0:
            agenda.append((due[agent], serial[agent], agent))
            agent = behind[agent]
        heapify(agenda)
        while len(agenda) > 0 and agenda[0][0] < until and flashed <= room:
            now = agenda[0][0]
            place, waiting = 0, 0
            while len(agenda) > 0 and agenda[0][0] == now:
                _, number, agent = heappop(agenda)
                if serial[agent] == number:
                    queue[waiting] = agent
                    heard[agent] = 0
                    waiting += 1
            while waiting > 0:
                agent = queue[place]
                place = place + 1 if place + 1 < count else 0
                waiting -= 1
                reached = heard[agent]
                heard[agent] = -1
                was = due[agent]
                at = was
                # A flash that came after its own of this instant is lost.
                if flashed_at[agent] != now:
                    for _ in range(reached):
                        at -= slope * (period - (at - now)) + constant
                if at <= now:
                    agents[flashed] = agent
                    times[flashed] = now
                    flashed += 1
                    flashed_at[agent] = now
                    at = now + period
                    for neighbor in neighbors[agent]:
                        if heard[neighbor] >= 0:
                            heard[neighbor] += 1
                        elif neighbor != agent and period - (due[neighbor] - now) >= threshold:
                            heard[neighbor] = 1
                            last = place + waiting
                            queue[last if last < count else last - count] = neighbor
                            waiting += 1
                due[agent] = at
                serial[agent] = next_serial
                next_serial += 1
                day, old_day = int(at * pace), int(was * pace)
                # Whoever was due today stands on no day any more.
                if old_day != today and old_day != day:
                    leader, follower = before[agent], behind[agent]
                    if leader >= 0:
                        behind[leader] = follower
                    else:
                        days[old_day % year] = follower
                    if follower >= 0:
                        before[follower] = leader
                if day == today:
                    heappush(agenda, (at, serial[agent], agent))
                elif old_day != day:
                    follower = days[day % year]
                    before[agent] = -1
                    behind[agent] = follower
                    if follower >= 0:
                        before[follower] = agent
                    days[day % year] = agent
        if len(agenda) > 0:
            break
        today += 1
    is_done = len(agenda) == 0 or agenda[0][0] >= until
    # The rest of today waits for the next time.
    for _, number, agent in agenda:
        if serial[agent] == number:
            follower = days[today % year]
            before[agent] = -1
            behind[agent] = follower
            if follower >= 0:
                before[follower] = agent
            days[today % year] = agent
    world.counters[0] = today
    world.counters[1] = next_serial
    return flashed, is_done
