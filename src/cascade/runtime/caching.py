"""Values from a cache: looked up before anything is asked for, stored when a task has ended."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cascade.ports import Hit
from cascade.runtime.notes import annotate
from cascade.spec.caching import FileTarget

if TYPE_CHECKING:
    from cascade.runtime.run import Run
    from cascade.spec.binding import Bound
    from cascade.spec.caching import CachePolicy
    from cascade.spec.task import Task

CACHE_HIT = "CacheHit"
"""Why a task is skipped whose value was there."""

Compute = Callable[[], Awaitable[Any]]


async def run_cached(
    run: Run, policy: CachePolicy, task: Task[Any], bound: Bound, compute: Compute
) -> tuple[Any, bool]:
    """Return the value of a call, and whether it was there already.

    Equal calls that are under way at the same time share one run: the others wait for the first,
    and hold nothing meanwhile. When that one fails or is cancelled, the next one runs itself.

    Args:
        run: the run that the call belongs to.
        policy: what was said about caching.
        task: the task.
        bound: its arguments; injected resources by their names.
        compute: makes the call.

    Raises:
        TypeError: the content of an argument can't be told, or the value can't be kept.
        FileNotFoundError: the task hasn't made its file.
    """
    if isinstance(policy, FileTarget):
        target = policy.path_for(bound)
        place: tuple[Any, ...] = run.loop, _whole(target)
    else:
        backend = run.engine.cache_for(task)
        key = policy.key_for(task, bound)
        place = run.loop, id(backend), key
    flights = task.flights
    while (flight := flights.get(place)) is not None:
        await asyncio.wait([flight])
        if not flight.cancelled():
            return flight.result(), True
    flight = flights[place] = run.loop.create_future()
    try:
        if isinstance(policy, FileTarget):
            value, hit = await _made(target, task, bound, compute)
        else:
            kept = await backend.get(key)
            hit = kept is not None
            if kept is None:
                value = await compute()
                try:
                    await backend.put(key, value, policy.ttl)
                except Exception as error:
                    annotate(error, f"while keeping the value of task {task.name!r}")
                    raise
            elif isinstance(kept, Hit):
                value = kept.value
            else:
                raise TypeError(f"{backend!r}.get() must return a Hit or None, got {kept!r}")
        flight.set_result(value)
        return value, hit
    finally:
        del flights[place]
        flight.cancel()  # does nothing if it has a result
        del flight


async def _made(target: Path, task: Task[Any], bound: Bound, compute: Compute) -> tuple[Path, bool]:
    """Make a file unless it is newer than all that it is made of."""
    before = _state(target)
    if before is not None and all(
        (state := _state(source)) is not None and state[0] <= before[0]
        for source in _paths(bound)
        if source != target
    ):
        return target, True
    try:
        await compute()
    except BaseException as error:
        if (after := _state(target)) is not None and after != before:
            try:
                _remove(target)  # begun, and not finished
            except OSError as kept:  # such as that of a directory
                annotate(error, f"what it has begun is still there: {kept}")
        raise
    if _state(target) is None:
        raise FileNotFoundError(f"task {task.name!r} was to make {str(target)!r}, and has not")
    return target, False


def _whole(path: Path) -> str:
    return os.path.abspath(path)


def _remove(path: Path) -> None:
    path.unlink()


def _state(path: Path) -> tuple[int, int, int] | None:
    """Return when a file was changed, its size and its number; None if there is none."""
    try:
        found = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


def _paths(bound: Bound) -> Iterator[Path]:
    """Yield all paths among the arguments of a call."""
    values, keywords = bound
    stack: list[Any] = [*values, *(keywords or {}).values()]
    while stack:
        value = stack.pop()
        if isinstance(value, Path):
            yield value
        elif isinstance(value, (list, tuple, set, frozenset)):
            stack.extend(value)
        elif isinstance(value, dict):
            stack.extend(value.values())
