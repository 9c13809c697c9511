"""The two kinds of place in the queue: a lane for a set of resources, a line at each resource.

Tickets that want the same set of resources wait in one lane, in the order of their keys. Only the
first of a lane is ever looked at: an earlier waiter for the same set always stops a later one.
The firsts *stand* in the line of a resource that stops them, and claim their amount there.
"""

from __future__ import annotations

from bisect import bisect_left
from heapq import heapify, heappop, heappush

from cascade.runtime.ticket import WAITING, Ticket


class Capacity:
    """A resource that is taken on grant and comes back on release."""

    __slots__ = (
        "alone",
        "claimed",
        "known",
        "lanes",
        "limit",
        "line",
        "name",
        "peak",
        "used",
        "waiting",
    )

    def __init__(self, name: str) -> None:
        self.name = name
        self.alone = frozenset([name])
        """The set of names of a request for nothing else."""
        self.limit: int | None = None
        """Units there are at most; None without a limit; 0 is a pause."""
        self.known = False
        """Whether anybody ever set its capacity."""
        self.used = 0
        """Units taken by live tickets."""
        self.peak = 0
        """The most that was ever used."""
        self.waiting = 0
        """How many tickets wait that want some of it."""
        self.line: list[tuple[int, Ticket, int]] = []
        """Who stands here: (key, ticket, units), by key."""
        self.claimed = 0
        """Units claimed by those who stand here."""
        self.lanes: dict[Lane, None] = {}
        """The lanes whose tickets want some of it."""

    def claimed_ahead(self, key: int) -> int:
        """Return the units claimed by those who stand here with a smaller key."""
        line = self.line
        if not line or line[0][0] >= key:
            return 0
        if line[-1][0] < key:
            return self.claimed
        return sum([units for other, _, units in line if other < key])

    def join(self, ticket: Ticket, units: int) -> None:
        """Let a ticket stand here, at the place of its key."""
        line = self.line
        entry = (ticket.key, ticket, units)
        if not line or line[-1][0] < ticket.key:
            line.append(entry)
        else:
            line.insert(bisect_left(line, (ticket.key,)), entry)
        self.claimed += units

    def leave(self, ticket: Ticket) -> None:
        """Take a ticket out of the line."""
        line = self.line
        place = 0 if line[0][1] is ticket else bisect_left(line, (ticket.key,))
        self.claimed -= line[place][2]
        del line[place]


class Lane:
    """The waiting tickets that want one set of resources."""

    __slots__ = ("_gone", "_heap", "first", "names", "resources")

    def __init__(self, names: frozenset[str], resources: tuple[Capacity, ...]) -> None:
        self.names = names
        self.resources = resources
        self.first: Ticket | None = None
        """The ticket that stands for this lane; None only while one is looked for."""
        self._heap: list[tuple[int, Ticket]] = []
        self._gone = 0

    def push(self, ticket: Ticket) -> None:
        """Add a ticket, at the place of its key."""
        heappush(self._heap, (ticket.key, ticket))

    def pop(self) -> None:
        """Remove the ticket with the smallest key."""
        heappop(self._heap)

    def head(self) -> Ticket | None:
        """Return the waiting ticket with the smallest key, or None if none waits."""
        heap = self._heap
        while heap:
            ticket = heap[0][1]
            if ticket.state == WAITING:
                return ticket
            heappop(heap)
            self._gone -= 1
        return None

    def forget(self) -> None:
        """Note that a ticket somewhere in here was withdrawn. Amortised, its place is freed."""
        self._gone += 1
        if self._gone > 32 and self._gone * 2 > len(self._heap):
            self._heap = [entry for entry in self._heap if entry[1].state == WAITING]
            heapify(self._heap)
            self._gone = 0

    def __len__(self) -> int:
        return len(self._heap) - self._gone
