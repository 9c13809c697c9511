"""The places in the queue: a lane for a set of resources, a line at each resource.

Tickets that want the same set of resources wait in one lane, in the order of their keys. Only the
first of a lane is ever looked at: an earlier waiter for the same set always stops a later one.
The firsts *stand* in the line of a resource that stops them, and claim their amount there.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from collections.abc import Container
from heapq import heapify, heappop, heappush
from typing import TYPE_CHECKING, Literal

from cascade.runtime.meters import Budget, Rate
from cascade.runtime.ticket import WAITING, Ticket

if TYPE_CHECKING:
    from asyncio import TimerHandle

Kind = Literal["capacity", "rate", "gate", "budget"]
"""What a resource is: what happens to it on grant and on release."""

RANKS: dict[Kind | None, int] = {"gate": 0, "budget": 1, "rate": 2, "capacity": 3, None: 3}
"""Where to stand rather, if several resources stop a ticket: at the lowest."""

PAID: tuple[Kind, ...] = ("rate", "budget")
"""What is taken for good on grant, and isn't taken again by who gives back for a while."""

METERED = -1
"""The limit of a resource whose meter has to be asked."""


class Resource:
    """One of the things that requests name.

    Capacities and gates are limits on what is used now: a closed gate is a limit of 0, an open one
    none. Rates and budgets have a meter.
    """

    __slots__ = (
        "alone",
        "aside",
        "blocked",
        "claimed",
        "granted",
        "is_rule",
        "kind",
        "lanes",
        "limit",
        "line",
        "meter",
        "name",
        "peak",
        "reservers",
        "timer",
        "timer_due",
        "used",
        "waited",
        "waited_most",
        "waiting",
    )

    def __init__(self, name: str) -> None:
        self.name = name
        self.alone = frozenset([name])
        """The set of names of a request for nothing else."""
        self.kind: Kind | None = None
        """What it is; None until somebody sets a limit."""
        self.is_rule = False
        """Whether it stands for a live rule."""
        self.limit: int | None = None
        """Units that may be used at most; None without a limit; 0 is a pause; `METERED`."""
        self.meter: Rate | Budget | None = None
        """What counts a rate or a budget."""
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
        self.aside = Aside()
        """Tickets that want more of it than there will be, as things are."""
        self.reservers: dict[Ticket, None] = {}
        """Of a rate or a budget: who stands here and at capacities too."""
        self.timer: TimerHandle | None = None
        """Of a rate: what looks at the line again when the first who is stopped is due."""
        self.timer_due = 0.0
        """When that is, in seconds on the loop's clock."""
        self.blocked = 0
        """Units taken by tickets whose task waits in a run or an acquire of its own."""
        self.granted = 0
        """How many tickets were granted after they had waited."""
        self.waited = 0.0
        """How long these had waited altogether, in seconds."""
        self.waited_most = 0.0
        """How long the longest of them had waited."""

    def allows(self, units: int, now: float) -> bool:
        """Whether so many units are free at a time."""
        if self.meter is not None:
            return self.limit is None or self.meter.allows(units, now)
        return self.limit is None or self.used + units <= self.limit

    def is_closed(self) -> bool:
        """Whether only a person can help: paused, or spent."""
        return self.limit == 0 or (isinstance(self.meter, Budget) and self.meter.remaining <= 0)

    def is_below(self, units: int) -> bool:
        """Whether there will never be so many units at once, as things are.

        A pause and a budget that is spent are waited for; a budget that fails isn't.
        """
        limit, meter = self.limit, self.meter
        if not limit:
            return False
        if meter is None:
            return units > limit
        if isinstance(meter, Budget):
            left = meter.remaining
            return units > left and (left > 0 or meter.on_empty == "fail")
        return units > meter.burst

    def fails(self) -> bool:
        """Whether who waits for more than is left is to fail."""
        return isinstance(self.meter, Budget) and self.meter.on_empty == "fail"

    def set_rate(self, per_second: float, burst: int, now: float) -> None:
        """Be a rate, or go on as one with what is there (at most the new burst)."""
        if isinstance(self.meter, Rate):
            self.meter.change(per_second, burst, now)
        else:
            self.meter = Rate(per_second, burst)
            self.limit = METERED

    def lift(self) -> None:
        """Let there be no limit. Who stands here has to be looked at."""
        self.limit = self.meter = None
        self.reservers.clear()
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None

    def most(self) -> int:
        """Return how many units there are at most at once, as things are."""
        meter = self.meter
        if meter is None:
            return self.limit or 0
        return max(0, meter.remaining) if isinstance(meter, Budget) else meter.burst

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
    """The waiting tickets that want one set of resources.

    Most come in the order of their keys, and stand in a line. Those that come with a smaller key
    than the last of it, because of a priority or after a limit has changed, are kept in a heap
    beside it.
    """

    __slots__ = ("_early", "_gone", "_line", "first", "names", "resources")

    def __init__(self, names: frozenset[str], resources: tuple[Resource, ...]) -> None:
        self.names = names
        self.resources = resources
        self.first: Ticket | None = None
        """The ticket that stands for this lane; None only while one is looked for."""
        self._line: deque[Ticket] = deque()
        self._early: list[tuple[int, Ticket]] = []
        self._gone = 0

    def push(self, ticket: Ticket) -> None:
        """Add a ticket, at the place of its key."""
        line = self._line
        if not line or line[-1].key < ticket.key:
            line.append(ticket)
        else:
            heappush(self._early, (ticket.key, ticket))

    def pop(self) -> None:
        """Remove the ticket with the smallest key."""
        early, line = self._early, self._line
        if early and (not line or early[0][0] < line[0].key):
            heappop(early)
        else:
            line.popleft()

    def head(self) -> Ticket | None:
        """Return the waiting ticket with the smallest key, or None if none waits."""
        early, line = self._early, self._line
        while line and line[0].state != WAITING:
            line.popleft()
            self._gone -= 1
        while early and early[0][1].state != WAITING:
            heappop(early)
            self._gone -= 1
        if early and (not line or early[0][0] < line[0].key):
            return early[0][1]
        return line[0] if line else None

    def forget(self) -> None:
        """Note that a ticket somewhere in here has gone. Amortised, its place is freed."""
        self._gone += 1
        if self._gone > 32 and self._gone * 2 > len(self._line) + len(self._early):
            self.remove(())

    def remove(self, tickets: Container[Ticket]) -> None:
        """Take tickets out, wherever they are in here."""
        self._line = deque([t for t in self._line if t.state == WAITING and t not in tickets])
        self._early = [e for e in self._early if e[1].state == WAITING and e[1] not in tickets]
        heapify(self._early)
        self._gone = 0

    def tickets(self) -> list[Ticket]:
        """Return those who wait here, in no order."""
        everybody = [*self._line, *(ticket for _, ticket in self._early)]
        return [ticket for ticket in everybody if ticket.state == WAITING]

    def __len__(self) -> int:
        return len(self._line) + len(self._early) - self._gone


class Aside:
    """Tickets that stand nowhere until a limit allows what they want, by how much that is."""

    __slots__ = ("_heap", "_here")

    def __init__(self) -> None:
        self._heap: list[tuple[int, int, Ticket]] = []
        self._here: dict[Ticket, None] = {}

    def add(self, ticket: Ticket, units: int) -> None:
        """Put a ticket here that wants so many units."""
        self._here[ticket] = None
        heappush(self._heap, (units, ticket.key, ticket))

    def least(self) -> tuple[int, Ticket] | None:
        """Return the ticket that wants the fewest units, with their number."""
        heap = self._heap
        while heap and heap[0][2] not in self._here:
            heappop(heap)
        return (heap[0][0], heap[0][2]) if heap else None

    def remove(self, ticket: Ticket) -> None:
        """Take a ticket out. Amortised, its place is freed."""
        del self._here[ticket]
        heap = self._heap
        if len(heap) > 32 and len(heap) > 2 * len(self._here):
            self._heap = [entry for entry in heap if entry[2] in self._here]
            heapify(self._heap)
        elif not self._here:
            heap.clear()

    def tickets(self) -> list[Ticket]:
        """Return those who are here, in the order in which they came."""
        return list(self._here)

    def __len__(self) -> int:
        return len(self._here)
