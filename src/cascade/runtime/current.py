"""current(): what the running code is a task of."""

from __future__ import annotations

import logging
import threading
from collections.abc import MutableMapping
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from weakref import ref

from cascade.errors import NoTaskError
from cascade.runtime.attempts import current_run

if TYPE_CHECKING:
    from cascade.runtime.run import Run

LOGGER = logging.getLogger("cascade.task")
"""Where the loggers of tasks write to."""


class Place:
    """A node of a run, in the context of the code that runs it.

    Code that runs one node after the other has one place, and moves it.
    """

    __slots__ = ("attempt", "node", "run")

    def __init__(self, run: Run, node: int, attempt: int = 1) -> None:
        self.run = ref(run)
        self.node = node
        self.attempt = attempt


current_place: ContextVar[Place | None] = ContextVar("cascade_current_place", default=None)
"""The node that the current code belongs to, unless it is all of a run."""


@dataclass(frozen=True, slots=True)
class TaskContext:
    """What a task may want to know about itself."""

    run_id: str
    """The id of the run, as in its events."""
    task_id: str
    """The id of the task in the run, as in its events."""
    task_name: str
    """Its name."""
    attempt: int
    """Which attempt this is, from 1."""

    @property
    def logger(self) -> logging.LoggerAdapter[logging.Logger]:
        """A logger whose messages name the task, and whose records have the four ids."""
        return _TaskLogger(
            LOGGER,
            {
                "run_id": self.run_id,
                "task_id": self.task_id,
                "task_name": self.task_name,
                "attempt": self.attempt,
            },
        )


class _TaskLogger(logging.LoggerAdapter[logging.Logger]):
    def process(
        self, msg: Any, kwargs: MutableMapping[str, Any]
    ) -> tuple[Any, MutableMapping[str, Any]]:
        """Put the name of the task before the message, and the ids into the record."""
        known: Any = self.extra
        kwargs["extra"] = {**known, **(kwargs.get("extra") or {})}
        return f"[{known['run_id']} {known['task_id']}] {msg}", kwargs


def current() -> TaskContext:
    """Return what the running code is a task of: run, task, attempt, and a logger.

    It can be called in coroutines and in what they start, in inline functions and in threads, but
    not in worker processes.

    Raises:
        NoTaskError: no task is running here.
    """
    known = current_run.get()
    run = None if known is None else known()
    if run is None:
        raise NoTaskError("current() is for tasks: here no task is running")
    place = _place_in(run)
    if place is None:
        raise NoTaskError("current() is for tasks: this code of a run belongs to none of them")
    owner, node, attempt = place
    return TaskContext(owner.run_id, owner.node_id(node), owner.name_of(node), attempt)


def _place_in(run: Run) -> tuple[Run, int, int] | None:
    """Return the run, or the part of it, to which the code belongs, with node and attempt."""
    errand = getattr(threading.current_thread(), "errand", None)
    if errand is not None and errand.receiver is run:
        return run, errand.node, 1
    place = current_place.get()
    if place is not None and place.node >= 0:
        owner = place.run()
        # The children of a map have the serial of the run.
        if owner is not None and owner.serial == run.serial and owner.loop is run.loop:
            return owner, place.node, place.attempt
    node = run.node_in_this_task()
    return None if node is None else (run, node, 1)


def note_attempt(run: Run, node: int, attempt: int) -> None:
    """Tell the code of a node which attempt begins."""
    place = current_place.get()
    if place is not None and place.run() is run and place.node == node:
        place.attempt = attempt
    else:
        current_place.set(Place(run, node, attempt))
