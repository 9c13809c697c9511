"""The graphs of runs that somebody looks at: what became of each node, and when.

A run is followed from the first time somebody asks for its graph: only then are its events listened
to. It is followed no longer when nobody has asked for a while. When it ends meanwhile, its last
graph is kept.
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
"""Graphs of runs that have ended that are kept, the latest ones."""
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
        self._followed: OrderedDict[str, Follower] = OrderedDict()
        self._kept: OrderedDict[str, tuple[Answer, Answer]] = OrderedDict()
        self._timer: asyncio.TimerHandle | None = None

    def look(
        self, managers: Iterable[ResourceManager], run_id: str, with_shape: bool
    ) -> Answer | None:
        """Return the graph of a run as it is now, or as it was at its end; None if it is unknown.

        Args:
            managers: whose runs are known.
            run_id: the run.
            with_shape: also what never changes, the names and the edges.
        """
        if run_id in self._kept:
            states, shape = self._kept[run_id]
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
        return [
            {name: states[name] for name in ("run", "engine", "name", "state", "seconds")}
            for states, _ in reversed(self._kept.values())
        ]

    def run_ended(self, run: Run, error: BaseException | None) -> None:
        """A run has ended: keep its graph if somebody has looked at it lately."""
        follower = self._followed.pop(run.run_id, None)
        if follower is None:
            return
        follower.close()
        self._kept[run.run_id] = follower.last_states(error), follower.shape
        while len(self._kept) > MOST_KEPT:
            self._kept.popitem(last=False)

    def close(self) -> None:
        """Follow nobody any more, and forget everything."""
        while self._followed:
            self._followed.popitem()[1].close()
        self._kept.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _follow(self, run: Run, manager: ResourceManager) -> Follower:
        follower = self._followed.get(run.run_id)
        if follower is None:
            began = None if manager.oversight is None else manager.oversight.began(run)
            follower = self._followed[run.run_id] = Follower(run, shape_of(run), began)
        follower.asked_at = self._loop.time()
        self._followed.move_to_end(run.run_id)
        while len(self._followed) > MOST_FOLLOWED:
            self._followed.popitem(last=False)[1].close()
        if self._timer is None:
            self._timer = self._loop.call_later(PATIENCE, self._let_go)
        return follower

    def _let_go(self) -> None:
        """Follow no longer what nobody has asked for; look again when the next one's time is up."""
        self._timer = None
        now = self._loop.time()
        while self._followed:
            first = next(iter(self._followed))
            ends_at = self._followed[first].asked_at + PATIENCE
            if ends_at > now:
                self._timer = self._loop.call_at(ends_at, self._let_go)
                return
            self._followed.pop(first).close()


def _waiting(manager: ResourceManager, run: Run) -> dict[int, float]:
    """Return the nodes of a run that wait for resources, and since when."""
    return {
        asker.node: ticket.since
        for ticket, asker in census.askers(manager, WAITING)
        if asker.run is run and asker.node >= 0
    }
