"""Many instants at once: each step is done for all of them with arrays.

In one instant there is a queue of agents to wake (see `observatory.reference.fireflies`). It is
taken in generations: the first are those who are due, the next are those who joined the queue
while one generation was woken. A generation of all instants is woken with a few operations on
arrays. Within a generation a flash reaches those who still wait behind it, which is found in
rounds until nobody more flashes.

Instants of different times may run together only where none touches what another has touched. As
that isn't known before, all are run, and where two meet, one is undone. That is the later one, if
it comes to what the earlier one has touched: it stops there, and the earlier one has seen nothing
of it. If it is the earlier one that comes to what the later one has touched, both are undone.
"""

from __future__ import annotations

import numpy as np

from observatory.reference.record import Generation, Record
from observatory.reference.state import Before, State, Times, Truth, Whole


class Together:
    """Runs instants together.

    Args:
        state: the state of the world.
        neighbors: who hears each agent, shape (agents, neighbours of each).
    """

    def __init__(self, state: State, neighbors: Whole) -> None:
        self._state = state
        self._neighbors = neighbors
        count = len(neighbors)
        self.owner = np.full(count, -1)
        """The number of the instant that has touched each agent last, of all there ever were."""
        self._place = np.full(count, -1)
        self._first = np.empty(count, dtype=np.int64)
        self._instants = 0

    def record(self) -> Record:
        """Return a new record, which ends all earlier ones."""
        return Record(self._state, self.owner, self._instants)

    def run(self, queue: Whole, record: Record) -> Times:
        """Run instants for one more round of a record, and undo those that meet.

        Those whose times are returned were in the way of earlier ones, which were undone as well:
        they would be so again in a round with both.

        Args:
            queue: all who are due before some time, in the order in which they come.
            record: what was run since the span began; nothing in it that stands is at the same
                time as any of these.
        """
        one = _Round(self._state, self._neighbors, self.owner, self._place, self._first, record)
        one.run(queue)
        self._instants = record.base + len(record.moments)
        return record.moments[one.in_the_way]


class _Round:
    def __init__(
        self,
        state: State,
        neighbors: Whole,
        owner: Whole,
        place: Whole,
        first: Whole,
        record: Record,
    ) -> None:
        self._state, self._neighbors, self._owner = state, neighbors, owner
        self._place, self._first_heard = place, first
        self._record = record

    def run(self, queue: Whole) -> None:
        state, record, owner, base = self._state, self._record, self._owner, self._record.base
        queue = self._undisturbed(queue)
        now = state.due.take(queue)
        instant, moments = _instants(now)
        self._first = record.begin(moments)
        instant += self._first
        self._gone = np.zeros(len(record.moments), dtype=bool)
        self.in_the_way = self._gone.copy()
        woken = np.zeros(len(record.moments), dtype=np.int64)
        before_owner = owner.take(queue)
        if self._first:
            on_others = np.flatnonzero(before_owner >= base)
            record.build(before_owner[on_others] - base, instant[on_others])
        owner[queue] = base + instant
        heard: Whole | None = None
        while queue.size:
            place = np.arange(len(queue))
            self._place[queue] = place
            before = state.copy(queue)
            due, flashing = self._wake(queue, now, heard, before)
            record.add(Generation(queue, instant, flashing, before, before_owner))
            starts = place.copy()
            starts[1:][instant[1:] == instant[:-1]] = 0
            rank = woken.take(instant) + (place - np.maximum.accumulate(starts))
            woken[instant] = rank + 1  # the last of each instant
            rest = before[1].copy()
            rest["set_at"], rest["rank"] = now, rank
            sender = flashing.nonzero()[0]
            flashed = queue.take(sender)
            rest["flashed_at"][sender] = now.take(sender)
            state.put_back(queue, (due, rest))
            hearer, sender = self._listeners(flashed, sender, instant, now)
            self._place[queue] = -1
            hearer, sender, heard = self._joined(hearer, sender, instant)
            queue, instant, now = hearer, instant.take(sender), now.take(sender)
            before_owner = owner.take(queue)
            owner[queue] = base + instant
        if self._gone.any():
            record.undo(self._gone)

    def _undisturbed(self, queue: Whole) -> Whole:
        """Leave out instants whose first flashes come to somebody who is due before."""
        now = self._state.due.take(queue)
        hearer = self._neighbors.take(queue, axis=0)
        disturbed = np.flatnonzero(self._state.due.take(hearer) < now[:, np.newaxis])
        if not disturbed.size:
            return queue
        instant, moments = _instants(now)
        keeps = np.ones(len(moments), dtype=bool)
        keeps[instant.take(disturbed // hearer.shape[1])] = False
        return queue.take(np.flatnonzero(keeps.take(instant)))

    def _listeners(
        self, flashed: Whole, sender: Whole, instant: Whole, now: Times
    ) -> tuple[Whole, Whole]:
        """Return who hears flashes and has to be woken, and the place of the sender of each."""
        state, width = self._state, self._neighbors.shape[1]
        hearer = self._neighbors.take(flashed, axis=0)
        moment = now.take(sender)[:, np.newaxis]
        due = state.due.take(hearer)
        owners = self._owner.take(hearer) - self._record.base
        foreign = (owners >= 0) & (owners != instant.take(sender)[:, np.newaxis])
        foreign |= due <= moment
        where = foreign.ravel().nonzero()[0]
        if where.size:
            places = sender.take(where // width)
            self._meet(owners.take(where), due.take(where), instant.take(places), now.take(places))
        listens = state.period - (due - moment) >= state.threshold
        if where.size:
            listens &= ~self._gone.take(instant.take(sender))[:, np.newaxis]
        joins = listens.ravel().nonzero()[0]
        hearer, sender = hearer.take(joins), sender.take(joins // width)
        # Whoever waited behind the sender has taken its flash already.
        joins = (self._place.take(hearer) <= sender).nonzero()[0]
        return hearer.take(joins), sender.take(joins)

    def _meet(self, owners: Whole, due: Times, instants: Whole, now: Times) -> None:
        """Instants have come to agents that others have touched, or who are due before."""
        owned = owners >= 0
        is_later = owned & (self._record.moments.take(owners, mode="clip") > now)
        # Whoever is later may build on what the other has done, until that one comes back to it;
        # but not on those who are due since then, and before it or with it.
        builds = owned & ~is_later & (due > now)
        builds &= ~self._gone.take(owners, mode="clip")
        self._gone[instants[~builds]] = True
        self._gone[owners[is_later]] = True
        self.in_the_way[owners[is_later]] = True
        if builds.any():
            self._record.build(owners[builds], instants[builds])

    def _joined(self, hearer: Whole, sender: Whole, instant: Whole) -> tuple[Whole, Whole, Whole]:
        """Return who joins the queue, in the order of the first flash heard, and how many each."""
        order = np.arange(len(hearer))
        self._first_heard[hearer[::-1]] = order[::-1]
        first_of = self._first_heard.take(hearer)
        of = instant.take(sender)
        joins = first_of == order
        # Where two instants come to one agent, the earlier one is the first.
        same = of.take(first_of) == of
        if not same.all():
            self._gone[of[~same]] = True
            joins &= ~self._gone.take(of)
            first_of = first_of[same]
        joined = joins.nonzero()[0]
        heard = np.bincount(first_of, minlength=len(hearer)).take(joined)
        return hearer.take(joined), sender.take(joined), heard

    def _wake(
        self, queue: Whole, now: Times, heard: Whole | None, before: Before
    ) -> tuple[Times, Truth]:
        """Return when those in the queue will be due after their turn, and who of them flashes."""
        if heard is None:  # all of them were due
            return now + self._state.period, np.ones(len(queue), dtype=bool)
        before_due, rest = before
        takes = rest["flashed_at"] != now
        due = np.where(takes, self._advanced(before_due, now, heard), before_due)
        flashing = due <= now
        more = flashing.nonzero()[0]
        while more.size:
            behind = self._place.take(self._neighbors.take(queue.take(more), axis=0))
            reached = behind[behind > more[:, np.newaxis]]
            if not reached.size:
                break
            heard = heard + np.bincount(reached, minlength=len(queue))
            more = reached[(takes > flashing).take(reached)]
            due[more] = self._advanced(before_due.take(more), now.take(more), heard.take(more))
            more = ((due <= now) > flashing).nonzero()[0]
            flashing[more] = True
        return np.where(flashing, now + self._state.period, due), flashing

    def _advanced(self, due: Times, now: Times, heard: Whole) -> Times:
        """Return when agents are due that have heard so many flashes, one after another."""
        due = self._nearer(due, now)  # each of them has heard one at least
        more = (heard > 1).nonzero()[0]
        count = 1
        while more.size:
            due[more] = self._nearer(due.take(more), now.take(more))
            count += 1
            more = more[heard.take(more) > count]
        return due

    def _nearer(self, due: Times, now: Times) -> Times:
        """Return when agents are due that have heard a flash."""
        state = self._state
        if state.slope == 0:  # the same, with one step instead of five
            return due - state.constant
        return due - (state.slope * (state.period - (due - now)) + state.constant)


def _instants(due: Times) -> tuple[Whole, Times]:
    """Return the number of the instant of each who is due, counted in order, and when they are."""
    is_later = np.empty(len(due), dtype=bool)
    is_later[0] = True
    np.greater(due[1:], due[:-1], out=is_later[1:])
    return np.cumsum(is_later) - 1, due[is_later]
