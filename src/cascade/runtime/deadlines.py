"""Deadlines: how an attempt that takes too long is ended, by where it runs."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Any

from cascade.runtime.timers import call_at

if TYPE_CHECKING:
    from cascade.runtime.attempts import Attempt
    from cascade.runtime.ticket import Ticket


def too_long(name: str, seconds: float) -> TimeoutError:
    """Return the error of an attempt that took longer than so many seconds."""
    return TimeoutError(f"task {name!r} did not end within {seconds:g} s")


class Deadline:
    """Cancels the coroutine in its block after a time, and raises `TimeoutError` instead.

    The block's attempt counts as ended from then on, so that what it gave back isn't queued for
    again on the way out.

    Args:
        name: of the task, for the error.
        seconds: how long it may take.
        attempt: the attempt, if the task asks for resources.
        loop: the running loop.
    """

    __slots__ = ("_attempt", "_before", "_loop", "_name", "_passed", "_seconds", "_task", "_timer")

    def __init__(
        self, name: str, seconds: float, attempt: Attempt | None, loop: asyncio.AbstractEventLoop
    ) -> None:
        self._name = name
        self._seconds = seconds
        self._attempt = attempt
        self._loop = loop
        self._passed = False

    def __enter__(self) -> None:
        task = asyncio.current_task(self._loop)
        assert task is not None
        self._task: asyncio.Task[Any] | None = task
        self._before = task.cancelling()
        self._timer = call_at(self._loop.time() + self._seconds, self._pass)

    def _pass(self) -> None:
        self._passed = True
        if self._attempt is not None:
            self._attempt.ended = True
        assert self._task is not None
        self._task.cancel()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._timer.cancel()
        task, self._task = self._task, None
        if not self._passed or task is None:
            return
        left = task.uncancel()
        del task  # it will have the error, whose traceback knows this frame
        if left > self._before:  # somebody else has cancelled it too, and wins
            return
        if self._attempt is not None:
            self._attempt.ended = False
        if kind is not None and issubclass(kind, asyncio.CancelledError):
            raise too_long(self._name, self._seconds) from error


class Watched:
    """A call in a thread, of which is known when it is over: what it holds stays until then.

    Called by the executor; safe to be left from the loop while it runs.
    """

    __slots__ = ("_call", "_lock", "_ticket", "_withdrawn", "over")

    def __init__(self, call: Callable[[], Any]) -> None:
        self._call: Callable[[], Any] | None = call
        self._lock = threading.Lock()
        self._ticket: Ticket | None = None
        self._withdrawn = False
        self.over = False
        """Whether the function has returned or raised."""

    def __call__(self) -> Any:
        """Make the call, and give back what was left to it."""
        with self._lock:
            if self._withdrawn:
                return None
            call, self._call = self._call, None
        assert call is not None
        try:
            return call()
        finally:
            with self._lock:
                self.over = True
                ticket, self._ticket = self._ticket, None
            if ticket is not None:
                ticket.manager.give_back_later(ticket)

    def leave(self, ticket: Ticket | None) -> bool:
        """Go on without the result; whether the ticket is given back when the call is over.

        A call that hasn't begun never will.
        """
        with self._lock:
            if self._call is not None:
                self._withdrawn, self._call = True, None
                return False
            if self.over or ticket is None:
                return False
            ticket.asker = f"{ticket.owner} (timed out, its thread goes on)"
            self._ticket = ticket
            return True
