"""What a run tells about itself: small typed events, made only while somebody listens.

Every started run ends in exactly one `RunFinished`, every started task in exactly one
`TaskFinished`. Times are seconds on the event loop's clock.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from cascade.spec.constraint import GlobalConstraint

Status = Literal["succeeded", "failed", "cancelled"]
"""How a run or a task ended."""


@dataclass(slots=True)
class Event:
    """The root of all events: subscribing to it receives every event."""

    run_id: str
    """The run this event belongs to."""
    time: float
    """When it happened, in seconds on the event loop's clock."""


@dataclass(slots=True)
class RunEvent(Event):
    """Something that concerns a run as a whole."""


@dataclass(slots=True)
class RunStarted(RunEvent):
    """A run begins."""

    name: str = ""
    """What is run: the name of the target, or of the first of several and how many more."""


@dataclass(slots=True)
class RunFinished(RunEvent):
    """A run has ended; nothing of it is running any more."""

    status: Status
    """How it ended."""
    duration: float
    """Seconds since its `RunStarted`."""
    error: BaseException | None = None
    """What it raised, if it failed or was cancelled."""


@dataclass(slots=True)
class TaskEvent(Event):
    """Something that concerns one task of a run."""

    task_id: str
    """The task's place in its run: unique there, and the same whenever the graph is the same."""
    task_name: str
    """The name of the task, or of the call if it was `.named()`."""


@dataclass(slots=True)
class TaskStarted(TaskEvent):
    """A task begins: it has what it needs, for the first time."""

    mode: str = ""
    """How it runs: "async", "inline", "thread", "process", or "map" for one whose children run."""
    tags: tuple[str, ...] = ()
    """The tags of the task."""


@dataclass(slots=True)
class TaskFinished(TaskEvent):
    """A started task has ended."""

    status: Status
    """How it ended."""
    duration: float
    """Seconds since its `TaskStarted`."""
    error: BaseException | None = None
    """What it raised, if it failed or was cancelled."""


@dataclass(slots=True)
class TaskStepped(TaskEvent):
    """A task returned a `TailCall` and is about to start again."""

    step: int
    """How many steps it has made, from 1."""


@dataclass(slots=True)
class TaskRetrying(TaskEvent):
    """An attempt has failed, and the task will be tried again."""

    attempt: int
    """The number of the attempt that failed, from 1."""
    delay: float
    """Seconds until it queues for what it needs again."""
    error: Exception
    """What the attempt raised."""


@dataclass(slots=True)
class TaskResumed(TaskEvent):
    """The pause after a failed attempt is over, and the task queues for what it needs again."""

    attempt: int
    """The number of the attempt that comes."""


@dataclass(slots=True)
class TaskSkipped(TaskEvent):
    """A task will not run: its condition is false, it needs a skipped one, or the run ended."""

    reason: str
    """Why, naming the cause; "Cancelled" for one that never started because its run ended."""


@dataclass(slots=True)
class TaskBlocked(TaskEvent):
    """A task waits for resources."""

    blocked_on: tuple[str, ...]
    """The names of the resources that it wants and can't have yet."""


@dataclass(slots=True)
class TaskUnblocked(TaskEvent):
    """A waiting task was granted what it wants."""

    waited: float
    """Seconds since its `TaskBlocked`."""


@dataclass(slots=True)
class ResourceEvent(Event):
    """Something that concerns an injected resource of a run."""

    resource_name: str
    """The name under which it is injected."""


@dataclass(slots=True)
class ResourceSetUp(ResourceEvent):
    """A resource is ready for use."""


@dataclass(slots=True)
class ResourceTornDown(ResourceEvent):
    """A resource is closed."""

    error: BaseException | None = None
    """What its tear-down raised, if it failed."""


@dataclass(slots=True)
class ConstraintEvent(Event):
    """Something that concerns a live rule; `run_id` is empty."""


@dataclass(slots=True)
class ConstraintApplied(ConstraintEvent):
    """A rule holds from now on."""

    constraint: GlobalConstraint
    """The rule."""


@dataclass(slots=True)
class ConstraintRemoved(ConstraintEvent):
    """A rule holds no longer."""

    constraint: GlobalConstraint
    """The rule."""
    expired: bool
    """Whether its time was up; otherwise somebody has removed it."""


@dataclass(slots=True)
class ConstraintRejected(ConstraintEvent):
    """A message was no valid rule, and nothing has changed."""

    constraint_id: str
    """The id that it was for."""
    reason: str
    """What is wrong with it."""
