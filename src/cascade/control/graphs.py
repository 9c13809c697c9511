"""The graphs of runs that somebody looks at: what became of each node, and when.

A run is followed from the first time somebody asks for its graph: only then are its events listened
to. It is followed no longer when nobody has asked for a while. When it ends meanwhile, its last
graph is kept. Runs that begin while graphs are asked for are followed from their beginning, as far
as there is room: so that short ones can be seen as well.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from cascade.control import census
from cascade.control.follower import Follower
from cascade.control.shapes import shape_of
from cascade.runtime.ticket import WAITING

if TYPE_CHECKING:
    from cascade.runtime.resource_manager import ResourceManager
    from cascade.runtime.run import Run

MOST_FOLLOWED = 20
"""Runs that are followed at the same time; the one that was asked for longest ago makes way."""
MOST_KEPT = 20
"""Graphs of runs that have ended that are kept, the latest ones: so many of those that somebody has
asked for, and so many of the others that were followed."""
PATIENCE = 60.0
"""Seconds for which a run is followed after somebody has asked for it."""

Answer = dict[str, Any]


class Graphs:
    """What can be told of the runs on one loop.

    Args:
        loop: the loop.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._followed: OrderedDict[Run, Follower] = OrderedDict()
        self._asked_for: OrderedDict[str, tuple[Answer, Answer]] = OrderedDict()
        self._others: OrderedDict[str, tuple[Answer, Answer]] = OrderedDict()
        self._timer: asyncio.TimerHandle | None = None
        self._asked_at = -float("inf")

    def look(
        self, managers: Iterable[ResourceManager], run_id: str, with_shape: bool
    ) -> Answer | None:
        """Return the graph of a run as it is now, or as it was at its end; None if it is unknown.

        Args:
            managers: whose runs are known.
            run_id: the run.
            with_shape: also what never changes, the names and the edges.
        """
        kept = self._asked_for.get(run_id) or self._others.get(run_id)
        if kept is not None:
            states, shape = kept
            return {**states, **shape} if with_shape else states
        for manager in managers:
            for run in manager.running():
                # The children of a map are a run of their own with the same id.
                if run.run_id == run_id and not run.is_part:
                    follower = self._follow(run, manager)
                    states = follower.states(_waiting(manager, run))
                    return {**states, **follower.shape} if with_shape else states
        return None

    def known(self) -> list[Answer]:
        """Return the runs that have ended and whose graphs are kept, the latest first."""
        kept = [states for states, _ in [*self._asked_for.values(), *self._others.values()]]
        return [
            {name: states[name] for name in ("run", "engine", "name", "state", "seconds")}
            for states in sorted(kept, key=lambda states: -float(states["ended_at"]))
        ]

    def run_begins(self, run: Run) -> None:
        """A run begins: follow it, if graphs are asked for these days and there is room."""
        if self._followed and len(self._followed) < MOST_FOLLOWED:
            follower = Follower(run, shape_of(run), self._loop.time())
            self._followed[run] = follower
            # It is the first to make way for what is asked for.
            self._followed.move_to_end(run, last=False)

    def run_ended(self, run: Run, error: BaseException | None) -> None:
        """A run has ended: keep its graph if it was followed."""
        follower = self._followed.pop(run, None)
        if follower is None:
            return
        follower.close()
        kept = self._asked_for if follower.asked_at is not None else self._others
        kept[run.run_id] = follower.last_states(error), follower.shape
        while len(kept) > MOST_KEPT:
            kept.popitem(last=False)

    def close(self) -> None:
        """Follow nobody any more, and forget everything."""
        while self._followed:
            self._followed.popitem()[1].close()
        self._asked_for.clear()
        self._others.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _follow(self, run: Run, manager: ResourceManager) -> Follower:
        follower = self._followed.get(run)
        if follower is None:
            began = None if manager.oversight is None else manager.oversight.began(run)
            follower = self._followed[run] = Follower(run, shape_of(run), began)
        self._asked_at = follower.asked_at = self._loop.time()
        self._followed.move_to_end(run)
        while len(self._followed) > MOST_FOLLOWED:
            self._followed.popitem(last=False)[1].close()
        if self._timer is None:
            self._timer = self._loop.call_later(PATIENCE, self._let_go)
        return follower

    def _let_go(self) -> None:
        """Follow no longer what nobody has asked for lately; look again when the time is up."""
        self._timer = None
        now = self._loop.time()
        some = now < self._asked_at + PATIENCE
        for run, follower in list(self._followed.items()):
            asked_at = follower.asked_at
            if asked_at is None and some:
                continue
            if asked_at is None or asked_at + PATIENCE <= now:
                del self._followed[run]
                follower.close()
        if self._followed:
            # Those that nobody has asked for are followed as long as the last that somebody has.
            asked = [each.asked_at for each in self._followed.values() if each.asked_at is not None]
            ends_at = min(asked, default=self._asked_at) + PATIENCE
            self._timer = self._loop.call_at(max(ends_at, now), self._let_go)


def _waiting(manager: ResourceManager, run: Run) -> dict[int, float]:
    """Return the nodes of a run that wait for resources, and since when."""
    return {
        asker.node: ticket.since
        for ticket, asker in census.askers(manager, WAITING)
        if asker.run is run and asker.node >= 0
    }
