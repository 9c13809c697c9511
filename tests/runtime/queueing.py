"""What the tests of the resource manager share: lines of waiters, and a look for what is left."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, TypeVar

from cascade.runtime.resource_manager import ResourceManager
from cascade.runtime.ticket import Ticket
from cascade.testing import run_virtual

T = TypeVar("T")
Capacities = Mapping[str, float | None]


def with_manager(
    capacity: Capacities, main: Callable[[ResourceManager], Coroutine[Any, Any, T]]
) -> T:
    """Run `main` on virtual time with a manager, which must be left without a trace."""
    manager = ResourceManager(capacity)
    result: T = run_virtual(main(manager))
    check_idle(manager)
    return result


def check_idle(manager: ResourceManager) -> None:
    """Nobody holds anything, nobody waits, and no place in the queue is left."""
    statistics = manager.statistics()
    assert (statistics.holding, statistics.waiting) == (0, 0)
    assert not manager._lanes
    assert not manager._spent
    assert not manager._unarmed
    for resource in manager._resources.values():
        assert (resource.used, resource.claimed, resource.waiting) == (0, 0, 0)
        assert (resource.line, resource.lanes, resource.reservers) == ([], {}, {})
        assert not resource.aside
        assert resource.timer is None


async def turn() -> None:
    """Let everything that is ready now run once."""
    await asyncio.sleep(0)


async def line_up(
    manager: ResourceManager, *requests: Mapping[str, float], timeout: float | None = None
) -> list[asyncio.Task[Ticket]]:
    """Make requests in this order, each in a task of its own."""
    tasks = [asyncio.create_task(manager.acquire(r, timeout=timeout)) for r in requests]
    await turn()
    return tasks


async def release(*tasks: asyncio.Task[Ticket]) -> None:
    """Give back what these were granted, or will be."""
    for task in tasks:
        (await task).release()


async def cancel(*tasks: asyncio.Task[Any]) -> None:
    """Cancel these and wait for their end."""
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)


def done(tasks: list[asyncio.Task[Ticket]]) -> list[bool]:
    """Whether each has been granted, or has failed."""
    return [task.done() for task in tasks]


def used(manager: ResourceManager, name: str = "a") -> float:
    """How much of a resource is taken."""
    return manager.statistics().resources[name].used
