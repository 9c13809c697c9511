"""LocalExecutor: runs plain functions in threads of this process."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from typing import Any

from cascade.adapters.executors.thread_pool import Job, ThreadPool

MODES = ("thread",)


class LocalExecutor:
    """Runs functions in a pool of threads that is made when first needed.

    Args:
        threads: how many at most; by default the number of processors plus four, at most 32.

    Raises:
        TypeError, ValueError: `threads` isn't a whole number ≥ 1.
    """

    __slots__ = ("_pool", "_threads")

    def __init__(self, threads: int | None = None) -> None:
        if threads is not None:
            if isinstance(threads, bool) or not isinstance(threads, int):
                raise TypeError(f"threads must be a whole number ≥ 1, got {threads!r}")
            if threads < 1:
                raise ValueError(f"threads must be a whole number ≥ 1, got {threads!r}")
        self._threads = threads or min(32, (os.cpu_count() or 1) + 4)
        self._pool: ThreadPool | None = None

    def execute(
        self, call: Callable[[], Any], mode: str, *, timeout: float | None = None
    ) -> Awaitable[Any]:
        """Run `call` in a thread; see `cascade.ports.Executor`.

        On virtual time the loop itself runs one call at a time, in the order of submission.

        Raises:
            ValueError: an unknown mode.
        """
        if mode not in MODES:
            raise ValueError(f"mode must be one of {', '.join(MODES)}, got {mode!r}")
        loop = asyncio.get_running_loop()
        job: asyncio.Future[Any]
        if getattr(loop, "virtual", False):
            job = loop.run_in_executor(None, call)
        else:
            if self._pool is None:
                self._pool = ThreadPool(self._threads)
            job = self._pool.submit(call, loop)
        return job if timeout is None else _within(job, timeout)

    async def aclose(self) -> None:
        """Wait for the running calls and end all threads. A later call makes new ones."""
        pool, self._pool = self._pool, None
        if pool is None:
            return
        loop = asyncio.get_running_loop()
        for thread in pool.close():
            if thread.is_alive():
                await _ended(thread, loop)


async def _within(job: asyncio.Future[Any], timeout: float) -> Any:
    done, _ = await asyncio.wait([job], timeout=timeout)
    if not done:
        if not job.cancel() and isinstance(job, Job):
            job.add_done_callback(_retrieve)
        raise TimeoutError(f"the call did not end within {timeout:g} s")
    return job.result()


def _retrieve(job: asyncio.Future[Any]) -> None:
    """Look at the outcome of a call that nobody waits for any more."""
    if not job.cancelled():
        job.exception()


async def _ended(thread: Any, loop: asyncio.AbstractEventLoop) -> None:
    # The thread is parked or about to end: a join takes microseconds, unless its function was
    # abandoned after a time-out, and then a helper thread waits for it.
    thread.join(timeout=0.05)
    if thread.is_alive():
        await loop.run_in_executor(None, thread.join)
