"""Attempts: what the current code is a part of, and what a task holds while it runs."""

from __future__ import annotations

import asyncio
from contextvars import ContextVar
from types import TracebackType
from typing import TYPE_CHECKING

from cascade.errors import ResourceError

if TYPE_CHECKING:
    from weakref import ref

    from cascade.runtime.lanes import Resource
    from cascade.runtime.run import Run
    from cascade.runtime.ticket import Request, Ticket

current_run: ContextVar[ref[Run] | None] = ContextVar("cascade_current_run", default=None)
"""The run that the current code is a task of."""
current_attempt: ContextVar[Attempt | None] = ContextVar("cascade_attempt", default=None)
"""The attempt that the current code is a part of: that of the innermost task with limits."""


class Attempt:
    """A task that asks for resources, from its first step to its last.

    Args:
        parent: the attempt in which the task's run was started, if any.
        in_run: whether the asyncio task belongs to the engine, so that only it can cancel it.
        loop: the running loop.
    """

    __slots__ = (
        "_blocked",
        "ended",
        "given",
        "in_run",
        "inside",
        "parent",
        "released",
        "task",
        "ticket",
    )

    def __init__(
        self, parent: Attempt | None, in_run: bool, loop: asyncio.AbstractEventLoop
    ) -> None:
        self.parent = parent
        self.in_run = in_run
        self.task = asyncio.current_task(loop)
        """The asyncio task that it runs in."""
        self.ticket: Ticket | None = None
        """What the current step holds."""
        self.ended = False
        """Whether the engine has ended it."""
        self.inside = 0
        """How many runs and acquires its own task is waiting in."""
        self.released = 0
        """How many `released` blocks it is in."""
        self.given: Request | None = None
        """What it has given back for these."""
        self._blocked: tuple[tuple[Resource, int], ...] = ()

    def is_cancelled(self) -> bool:
        """Whether a machine's task is being cancelled.

        It is the task of whoever runs the machine, so that nobody tells the engine. Ending it must
        not hang in a queue.
        """
        return not self.in_run and self.task is not None and self.task.cancelling() > 0

    def waits(self, loop: asyncio.AbstractEventLoop) -> bool:
        """Note that its own task begins to wait in a run or an acquire; whether it does.

        What it holds doesn't come back until what it waits for has come.
        """
        if self.task is not asyncio.current_task(loop):
            return False
        self.inside += 1
        if self.inside == 1 and self.ticket is not None:
            self._blocked = self.ticket.request.pairs
            for resource, units in self._blocked:
                resource.blocked += units
        return True

    def goes_on(self) -> None:
        """Note that it waits no longer."""
        self.inside -= 1
        if not self.inside:
            for resource, units in self._blocked:
                resource.blocked -= units
            self._blocked = ()


def released() -> Released:
    """Give the running task's capacities back for an ``async with`` block.

    For tasks that wait for something else, such as an answer or a clock, and needn't keep others
    from working meanwhile. On every way out of the block the task queues for them again, behind
    those who wait already, unless the engine has ended it meanwhile. What was taken of rates and
    budgets isn't given back, and isn't paid again. In a task that holds nothing, it does nothing.

    With ``use_vm=True`` a task is cancelled by its caller in the same way as by a time-out of its
    own around the block. It takes its capacities again then if they are free, and queues for
    nothing: ending it must not hang.

    Raises:
        ResourceError: on entering, outside of a task, or in a task that runs in a thread.
    """
    return Released()


class Released:
    """The context manager of `released`."""

    __slots__ = ("_attempt",)

    def __init__(self) -> None:
        self._attempt: Attempt | None = None

    async def __aenter__(self) -> None:
        if current_run.get() is None:
            raise ResourceError("released() is for tasks: here no task is running")
        attempt = current_attempt.get()
        if attempt is None or attempt.ticket is None:
            return
        self._attempt = attempt
        attempt.released += 1
        if attempt.released == 1:
            attempt.given = attempt.ticket.manager.suspend(attempt.ticket)

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        attempt, self._attempt = self._attempt, None
        if attempt is None:
            return
        attempt.released -= 1
        ticket, given = attempt.ticket, attempt.given
        if attempt.released or ticket is None or given is None:
            return
        attempt.given = None
        if attempt.ended:
            return
        if isinstance(error, asyncio.CancelledError) and attempt.is_cancelled():
            # Perhaps only by a time-out around the block, after which the task goes on.
            ticket.manager.resume_at_once(ticket, given)
        else:
            await ticket.manager.resume(ticket, given)
