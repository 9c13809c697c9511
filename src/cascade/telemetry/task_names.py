"""What the ids and names in events say: so that metrics and span names stay few."""

from __future__ import annotations

from cascade.runtime.caching import CACHE_HIT
from cascade.runtime.events import TaskEvent, TaskSkipped


def whole(text: str) -> str:
    """Return a text without halves of characters, such as a name made of a file's may have.

    No collector could take them, and everything that is sent with them would be lost as well.
    """
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")


def function_name(event: TaskEvent) -> str:
    """Return the name of the task itself: calls have any number of names, tasks don't."""
    return whole(event.task_id.rpartition("#")[0] or event.task_name)


def map_id(event: TaskEvent) -> str | None:
    """Return the id of the map that a task is a child of; None if it is none."""
    identity = event.task_id
    return identity[: identity.rindex("[")] if identity.endswith("]") else None


def call_name(event: TaskEvent) -> str:
    """Return the name of the call; of a child of a map that of the map."""
    name = whole(event.task_name)
    return name[: name.rindex("[")] if event.task_id.endswith("]") else name


def skipped_status(event: TaskSkipped) -> str:
    """Return what became of a task that never started."""
    if event.reason == CACHE_HIT:
        return "cached"
    return "cancelled" if event.reason == "Cancelled" else "skipped"
