"""Who waits where and for what: the text of a deadlock on virtual time."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterable
from types import FrameType
from typing import Any, Final

_TASKS_LISTED: Final = 100
_ASYNCIO: Final = os.path.dirname(asyncio.__file__)


def describe_waits(tasks: Iterable[asyncio.Task[Any]], now: float) -> str:
    """Say that everybody waits, with a line for each task, at most 100 of them.

    Args:
        tasks: those that haven't ended, in any order; they are listed by name.
        now: what the loop's clock shows, in seconds.
    """
    in_order = sorted(tasks, key=_name_in_order)
    if not in_order:
        return f"at {now:g} s nothing is left to happen: no task, no timer, no job"
    lines = [f"at {now:g} s everybody waits and no timer or job is left to wake them:"]
    lines += [f"  {_describe_wait(task)}" for task in in_order[:_TASKS_LISTED]]
    if len(in_order) > _TASKS_LISTED:
        lines.append(f"  and {len(in_order) - _TASKS_LISTED} more")
    return "\n".join(lines)


def _name_in_order(task: asyncio.Task[Any]) -> tuple[int, str]:
    name = task.get_name()
    return len(name), name  # Task-2 before Task-10


def _describe_wait(task: asyncio.Task[Any]) -> str:
    coroutine = task.get_coro()
    qualname = getattr(coroutine, "__qualname__", repr(coroutine))
    frames = _frames(coroutine)
    text = f"task {task.get_name()!r} ({qualname})"
    if frames:
        outside = [frame for frame in frames if not _belongs_to_asyncio(frame)] or frames
        text += f" waits at {_place(outside[-1])}"
        if outside[-1] is not frames[-1]:
            text += f", in {_place(frames[-1])}"
    # Nothing public tells what a task waits for.
    awaited = getattr(task, "_fut_waiter", None)
    if isinstance(awaited, asyncio.Task):
        text += f", for task {awaited.get_name()!r}"
    elif awaited is not None:
        text += f", for a {type(awaited).__name__}"
    return text


def _frames(awaitable: Any) -> list[FrameType]:
    """The frames of a suspended coroutine, from the outermost to the one that really waits."""
    frames = []
    while awaitable is not None:
        if hasattr(awaitable, "cr_frame"):
            frame, awaitable = awaitable.cr_frame, awaitable.cr_await
        elif hasattr(awaitable, "gi_frame"):
            frame, awaitable = awaitable.gi_frame, awaitable.gi_yieldfrom
        else:
            break
        if frame is not None:
            frames.append(frame)
    return frames


def _belongs_to_asyncio(frame: FrameType) -> bool:
    return os.path.dirname(frame.f_code.co_filename) == _ASYNCIO


def _place(frame: FrameType) -> str:
    code = frame.f_code
    return f"{code.co_filename}:{frame.f_lineno} in {code.co_qualname}"
