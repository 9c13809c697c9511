"""JobLine: the jobs of a loop on virtual time, in a worker thread or in processes.

They run in real time, so the loop looks at `JobLine.under_way` before it moves its clock.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from typing import Any


class Job(asyncio.Future[Any]):
    """The result of a job that, once begun, can't be cancelled: `cancel()` then returns False."""

    begun = False

    def cancel(self, msg: Any = None) -> bool:
        """Withdraw the job if it hasn't begun; otherwise return False."""
        return not self.begun and super().cancel(msg)


class JobLine:
    """The calls that a loop makes in threads: one at a time, in the order of submission.

    Only the jobs for an executor of the caller's own (`submit_to`) don't keep to the line.

    Args:
        loop: whose futures stand for the jobs; all methods are called in its thread.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.under_way = 0
        """How many jobs are running, in the worker thread or in processes."""
        self._loop = loop
        self._queued: deque[tuple[asyncio.Future[Any], Callable[..., Any], tuple[Any, ...]]] = (
            deque()
        )
        self._worker: ThreadPoolExecutor | None = None
        self._busy = False
        self._ended = False

    def submit(self, function: Callable[..., Any], args: tuple[Any, ...]) -> asyncio.Future[Any]:
        """Put a job at the end of the line; cancelling its future withdraws it until it begins.

        What the job raises, its future raises; a StopIteration comes as a RuntimeError.

        Raises:
            RuntimeError: after `finish_all()` or `close()`.
        """
        self._check_open()
        return self._append(function, args)

    def submit_job(self, function: Callable[..., Any], args: tuple[Any, ...]) -> Job:
        """As `submit`, but once the job has begun, its future can't be cancelled any more.

        Raises:
            RuntimeError: after `finish_all()` or `close()`.
        """
        job = Job(loop=self._loop)
        self._check_open()
        self._queued.append((job, function, args))
        return job

    def _append(self, function: Callable[..., Any], args: tuple[Any, ...]) -> asyncio.Future[Any]:
        future: asyncio.Future[Any] = self._loop.create_future()
        self._queued.append((future, function, args))
        return future

    def _check_open(self) -> None:
        if self._ended:
            raise RuntimeError("the loop takes no more jobs: its executor has been shut down")

    def submit_to(
        self, executor: Executor, function: Callable[..., Any], args: tuple[Any, ...]
    ) -> asyncio.Future[Any]:
        """Give a job to `executor` at once, and count it as under way until it has ended.

        Raises:
            RuntimeError: `executor` has been shut down.
        """
        outcome = executor.submit(function, *args)
        future = asyncio.wrap_future(outcome, loop=self._loop)
        self.under_way += 1
        outcome.add_done_callback(partial(self._report, self._count_ended))
        return future

    def count(self, change: int) -> None:
        """Count so many more jobs as under way, of somebody who runs them and tells their ends."""
        self.under_way += change

    def start_next(self) -> None:
        """Start the next job that is still wanted, unless the worker is busy."""
        while self._queued and not self._busy:
            future, function, args = self._queued.popleft()
            if future.done():
                continue
            if self._worker is None:
                self._worker = ThreadPoolExecutor(1, thread_name_prefix="virtual-time")
            if isinstance(future, Job):
                future.begun = True
            outcome = self._worker.submit(function, *args)
            self._busy = True
            self.under_way += 1
            outcome.add_done_callback(partial(self._report, partial(self._finish, future)))

    def _report(self, callback: Callable[[Future[Any]], None], outcome: Future[Any]) -> None:
        with suppress(RuntimeError):  # the loop was closed while the job ran
            self._loop.call_soon_threadsafe(callback, outcome)

    def _count_ended(self, _outcome: Future[Any]) -> None:
        self.under_way -= 1

    def _finish(self, future: asyncio.Future[Any], outcome: Future[Any]) -> None:
        self._busy = False
        self.under_way -= 1
        if future.done():
            return
        error = outcome.exception()
        if error is None:
            future.set_result(outcome.result())
        elif isinstance(error, StopIteration):
            # A future can't carry one: it would end the coroutine that awaits it, silently.
            wrapped = RuntimeError(f"the job raised {error!r}")
            wrapped.__cause__ = error
            future.set_exception(wrapped)
        else:
            future.set_exception(error)

    async def finish_all(self) -> None:
        """Take no more jobs, wait for those that were taken, and end the worker."""
        self._ended = True
        if self._queued or self._busy:
            await self._append(int, ())  # the last in the line
        if self._worker is not None:
            self._worker.shutdown(wait=True)

    def close(self) -> None:
        """Take no more jobs and forget those that wait; one that has begun isn't waited for."""
        self._ended = True
        self._queued.clear()
        if self._worker is not None:
            self._worker.shutdown(wait=not self._busy)
