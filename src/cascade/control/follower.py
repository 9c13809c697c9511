"""Follower: writes down when the nodes of one run start, wait and end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cascade.control.words import error_in_words
from cascade.runtime.events import (
    TaskBlocked,
    TaskEvent,
    TaskFinished,
    TaskSkipped,
    TaskStarted,
    TaskStepped,
    TaskUnblocked,
)
from cascade.runtime.run import ENDED, PENDING, SKIPPED, STARTED, status_of

if TYPE_CHECKING:
    from cascade.runtime.run import Run

MOST_WAITS = 20
"""Waits of one node that are told of at most, the latest ones."""


class _Course:
    """What one node has done so far."""

    __slots__ = ("children", "ended", "reason", "started", "status", "steps", "waits")

    def __init__(self) -> None:
        self.started: float | None = None
        self.ended: float | None = None
        self.status: str | None = None
        self.reason: str | None = None
        self.steps = 0
        self.waits: list[tuple[float, float | None]] = []
        self.children = {"started": 0, "ended": 0, "failed": 0}


class Follower:
    """Listens to one run.

    Of what happened before there is the state of each node, but no time.

    Args:
        run: the run.
        shape: its nodes and edges; see `shape_of`.
        began: when it began, in seconds on its loop's clock, if that is known.
    """

    def __init__(self, run: Run, shape: dict[str, Any], began: float | None) -> None:
        self.shape = shape
        """Its nodes and edges."""
        self.asked_at: float | None = None
        """When somebody has asked for it last, in seconds on the loop's clock; None: nobody has."""
        self._run = run
        self._began = began
        self._since = run.loop.time()
        self._courses: dict[str, _Course] = {}
        self._known = {node["id"] for node in shape["nodes"]}
        self._end = run.engine.bus.subscribe(TaskEvent, self._hear)

    def close(self) -> None:
        """Listen no longer, so that no events are made any more."""
        self._end()

    def states(self, waiting: dict[int, float]) -> dict[str, Any]:
        """Return what became of each node so far.

        Args:
            waiting: the nodes that wait for resources, and since when.
        """
        # A wait that began before anybody listened is told of by no event.
        for node, since in waiting.items():
            if node < len(self.shape["nodes"]):
                course = self._course(self.shape["nodes"][node]["id"])
                if not course.waits or course.waits[-1][1] is not None:
                    course.waits = [*course.waits[1 - MOST_WAITS :], (since, None)]
        return self._told("running", None, waiting)

    def last_states(self, error: BaseException | None) -> dict[str, Any]:
        """Return what became of each node, now that the run has ended."""
        told = None if error is None else error_in_words(error)[:500]
        return self._told(status_of(error), told, {})

    def _told(self, state: str, error: str | None, waiting: dict[int, float]) -> dict[str, Any]:
        run, now = self._run, self._run.loop.time()
        began = self._since if self._began is None else self._began
        return {
            "run": run.run_id,
            "engine": run.engine.name,
            "name": run.name_of(len(run.states) - 1) if run.states else "",
            "state": state,
            "error": error,
            "seconds": now - began,
            "ended_at": None if state == "running" else now,
            "followed_since": max(0.0, self._since - began),
            "states": [
                self._of_node(node, each["id"], state != "running", began, waiting.get(node))
                for node, each in enumerate(self.shape["nodes"])
            ],
        }

    def _of_node(
        self, node: int, identity: str, over: bool, began: float, waits_since: float | None
    ) -> dict[str, Any]:
        """Return what became of a node; times are in seconds since the run began."""
        found: dict[str, Any] = {"state": self._state(node, identity, over, waits_since)}
        course = self._courses.get(identity)
        if course is not None:
            for name, time in (("started", course.started), ("ended", course.ended)):
                if time is not None:
                    found[name] = time - began
            if course.reason is not None:
                found["reason"] = course.reason
            if course.steps:
                found["steps"] = course.steps
            if any(course.children.values()):
                found["children"] = dict(course.children)
            if course.waits:
                found["waits"] = [
                    [since - began, None if until is None else until - began]
                    for since, until in course.waits
                ]
        return found

    def _state(self, node: int, identity: str, over: bool, waits_since: float | None) -> str:
        state = self._run.states[node]
        if state == ENDED:
            course = self._courses.get(identity)
            return "ended" if course is None or course.status is None else course.status
        if state == SKIPPED:
            course = self._courses.get(identity)
            late = course is not None and course.reason == "Cancelled"
            return "never started" if late else "skipped"
        if over and state == PENDING:
            return "never started"
        if waits_since is not None:
            return "waiting"
        return "running" if state == STARTED else "pending"

    def _course(self, identity: str) -> _Course:
        course = self._courses.get(identity)
        if course is None:
            course = self._courses[identity] = _Course()
        return course

    def _hear(self, event: TaskEvent) -> None:
        if event.run_id != self._run.run_id:
            return
        if event.task_id.endswith("]"):
            self._hear_of_child(event)
            return
        if event.task_id not in self._known:
            return
        course = self._course(event.task_id)
        if isinstance(event, TaskStarted):
            course.started = event.time
            _end_wait(course, event.time)
        elif isinstance(event, TaskFinished):
            course.ended, course.status = event.time, event.status
            _end_wait(course, event.time)
        elif isinstance(event, TaskSkipped):
            course.reason = event.reason[:200]
            _end_wait(course, event.time)
        elif isinstance(event, TaskStepped):
            course.steps = event.step
            _end_wait(course, event.time)
        elif isinstance(event, TaskBlocked):
            course.waits = [*course.waits[1 - MOST_WAITS :], (event.time, None)]
        elif isinstance(event, TaskUnblocked):
            _end_wait(course, event.time)

    def _hear_of_child(self, event: TaskEvent) -> None:
        """Count the child of a map."""
        identity = event.task_id[: event.task_id.rindex("[")]
        if identity not in self._known:
            return
        children = self._course(identity).children
        if isinstance(event, TaskStarted):
            children["started"] += 1
        elif isinstance(event, TaskFinished):
            children["ended"] += 1
            children["failed"] += event.status == "failed"


def _end_wait(course: _Course, time: float) -> None:
    if course.waits and course.waits[-1][1] is None:
        course.waits[-1] = course.waits[-1][0], time
