"""Tasks that ask a manager, for tests that make operations in any order."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, Generic, TypeVar

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from cascade.errors import AcquireTimeoutError, InfeasibleRequestError
from cascade.runtime.resource_manager import ResourceManager
from cascade.runtime.ticket import Ticket

Operation = tuple[int, int, int]
Manager = TypeVar("Manager", bound=ResourceManager)

A_MOMENT = 2.0**-6
"""Seconds in which everything that is ready runs and, but for it, no timer is due."""


def many(operation: st.SearchStrategy[Operation]) -> st.SearchStrategy[list[Operation]]:
    """Up to 40 operations."""
    # Left to itself, the size is small: five in six have a queue to speak of, the others shrink
    # well.
    return st.integers(0, 5).flatmap(
        lambda size: st.lists(operation, min_size=min(size, 1) * 25, max_size=40)
    )


def any_order(examples: int) -> settings:
    checks = [HealthCheck.too_slow]
    return settings(max_examples=examples, deadline=None, suppress_health_check=checks)


class World(Generic[Manager]):
    """A manager, and the tasks that ask it; each goes by its number."""

    def __init__(self, manager: Manager) -> None:
        self.manager = manager
        self.asking: dict[int, asyncio.Task[Ticket]] = {}
        self.holding: dict[int, Ticket] = {}
        self.cancelled: set[int] = set()
        self.asked = 0

    def start(self, asking: Callable[[str], Coroutine[Any, Any, Ticket]]) -> int:
        """Start a task that asks under the name that `asking` is given."""
        self.asked += 1
        self.asking[self.asked] = asyncio.create_task(asking(str(self.asked)))
        return self.asked

    def try_for(self, amounts: Mapping[str, float]) -> int:
        self.asked += 1
        ticket = self.manager.try_acquire(amounts, owner=str(self.asked))
        if ticket is not None:
            self.holding[self.asked] = ticket
        return self.asked

    def cancel(self, choice: int) -> int | None:
        candidates = [number for number in self.asking if number not in self.cancelled]
        if not candidates:
            return None
        number = candidates[choice % len(candidates)]
        self.cancelled.add(number)
        self.asking[number].cancel()
        return number

    def holders(self) -> list[int]:
        """Those who may give back."""
        return list(self.holding)

    def some_holder(self, choice: int) -> int | None:
        numbers = self.holders()
        return numbers[choice % len(numbers)] if numbers else None

    def release(self, choice: int) -> int | None:
        number = self.some_holder(choice)
        if number is not None:
            self.holding.pop(number).release()
        return number

    async def turn(self) -> None:
        await asyncio.sleep(0)
        self.collect()

    async def pass_time(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
        await asyncio.sleep(A_MOMENT)
        self.collect()

    def collect(self) -> None:
        """See who has got what it asked for, and who never will."""
        for number, task in list(self.asking.items()):
            if not task.done():
                continue
            del self.asking[number]
            if task.cancelled():
                assert number in self.cancelled
            elif task.exception() is None:
                self.holding[number] = task.result()
            else:
                assert isinstance(task.exception(), (AcquireTimeoutError, InfeasibleRequestError))
