"""TimedJob: the result of a call elsewhere that may take only so long."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any


class TimedJob(asyncio.Future[Any]):
    """Stands for a call that may take so many seconds; in all else it does what the call's own
    future does.

    A future, and not a coroutine that waits for one: that could be cancelled before its first
    step, and would leave the call behind.

    Args:
        job: the future of the call. It may refuse to be cancelled, and then ends when it can.
        timeout: how long it may take, in seconds.
        give_up: what to do with a call that took longer and refuses to be cancelled, whose outcome
            nobody waits for any more; None: wait until it has ended.
    """

    def __init__(
        self,
        job: asyncio.Future[Any],
        timeout: float,
        give_up: Callable[[], object] | None,
    ) -> None:
        loop = job.get_loop()
        super().__init__(loop=loop)
        self._job = job
        self._timeout = timeout
        self._give_up = give_up
        self._expired = False
        self._timer = loop.call_later(timeout, self._expire)
        job.add_done_callback(self._ended)

    def cancel(self, msg: Any = None) -> bool:
        """Withdraw the call if it hasn't begun; otherwise return False, and end when it does."""
        if self.done():
            return False
        self._timer.cancel()
        return self._job.cancel(msg) and super().cancel(msg)

    def _expire(self) -> None:
        self._expired = True
        if self._job.cancel() or self._give_up is None:
            return
        self._give_up()
        self.set_exception(self._too_long())

    def _ended(self, job: asyncio.Future[Any]) -> None:
        self._timer.cancel()
        error = None if job.cancelled() else job.exception()
        if self.done():
            return
        if job.cancelled():
            if self._expired:
                self.set_exception(self._too_long())
            else:
                super().cancel()
        elif error is not None:
            self.set_exception(error)
        else:
            self.set_result(job.result())

    def _too_long(self) -> TimeoutError:
        return TimeoutError(f"the call did not end within {self._timeout:g} s")
