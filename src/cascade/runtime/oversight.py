"""Oversight: runs that somebody outside of the program looks after, and may cancel."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol
from weakref import WeakKeyDictionary, ref

from cascade.errors import RunCancelledError

if TYPE_CHECKING:
    from cascade.runtime.run import Run


class Overseer(Protocol):
    """Who looks after the runs of a manager."""

    def run_begins(self, run: Run) -> None:
        """A run begins."""
        ...

    def run_ended(self, run: Run, error: BaseException | None) -> None:
        """A run has ended, in this way."""
        ...


class _Place:
    """Where a run is going on."""

    __slots__ = ("before", "began", "reason", "task", "times")

    def __init__(self, task: asyncio.Task[Any], began: float) -> None:
        self.task = ref(task)
        self.began = began
        self.before = task.cancelling()
        self.reason: str | None = None
        self.times = 0
        """How often it was cancelled."""


class Oversight:
    """The runs of a manager that is looked after. There is none for all others: it costs nothing.

    Only runs that began after that are known here.
    """

    def __init__(self) -> None:
        self.overseers: list[Overseer] = []
        """Who looks after them."""
        # Weakly, so that a run whose loop was closed under it can go.
        self._places: WeakKeyDictionary[Run, _Place] = WeakKeyDictionary()

    async def execute(self, run: Run, use_vm: bool) -> Any:
        """Let a run go on, and return its value.

        Raises:
            RunCancelledError: it was cancelled by `cancel`.
            BaseException: what the run raises.
        """
        task = asyncio.current_task()
        assert task is not None
        place = self._places[run] = _Place(task, run.loop.time())
        error: BaseException | None = None
        for overseer in list(self.overseers):
            self._tell(run, overseer.run_begins, run)
        try:
            return await run.execute(use_vm)
        except asyncio.CancelledError as cancelled:
            error = cancelled
            if place.reason is not None and task.cancelling() - place.times <= place.before:
                error = RunCancelledError(run.run_id, place.reason)
                raise error from None
            raise
        except BaseException as raised:
            error = raised
            raise
        finally:
            for _ in range(place.times):
                task.uncancel()
            del self._places[run]
            for overseer in list(self.overseers):
                self._tell(run, overseer.run_ended, run, error)
            error = None

    def _tell(self, run: Run, call: Callable[..., None], *said: Any) -> None:
        try:
            call(*said)
        except Exception as problem:
            # Whoever looks on has no part in what becomes of the run.
            run.loop.call_exception_handler(
                {"message": f"looking after {run.run_id} has failed", "exception": problem}
            )

    def cancel(self, run: Run, reason: str) -> bool:
        """Cancel a run, which then raises `RunCancelledError`; whether it is known here.

        One that takes its time to end can be cancelled again, as with ``asyncio.Task.cancel``.

        Args:
            run: the run.
            reason: what the error says, in words; of several the first counts.
        """
        place = self._places.get(run)
        task = None if place is None else place.task()
        if place is None or task is None:
            return False
        if place.reason is None:
            place.reason = reason
        place.times += 1
        task.cancel()
        return True

    def began(self, run: Run) -> float | None:
        """Return when a run began, in seconds on its loop's clock; None if it isn't known."""
        place = self._places.get(run)
        return None if place is None else place.began
