"""LocalExecutor: runs plain functions in threads of this process."""

from __future__ import annotations

import asyncio
import contextvars
import os
from collections.abc import Awaitable, Callable
from typing import Any

from cascade.adapters.executors.thread_pool import Errand, Job, ThreadPool
from cascade.ports import Receiver
from cascade.spec.checks import check_duration, check_whole, shown

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
            check_whole("threads", threads, 1)
        self._threads = threads or min(32, (os.cpu_count() or 1) + 4)
        self._pool: ThreadPool | None = None

    def execute(
        self, call: Callable[[], Any], mode: str, *, timeout: float | None = None
    ) -> Awaitable[Any]:
        """Run `call` in a thread, with the caller's context variables; see `ports.Executor`.

        On virtual time the loop itself runs one call at a time, in the order of submission.

        Raises:
            TypeError: `call` can't be called, or `timeout` isn't a number.
            ValueError: an unknown mode, or a negative `timeout`.
        """
        if mode not in MODES:
            raise ValueError(f"mode must be one of {', '.join(MODES)}, got {mode!r}")
        if not callable(call):
            raise TypeError(f"call must be a function without arguments, got {shown(call)}")
        if timeout is not None:
            timeout = check_duration("timeout", timeout)
        loop = asyncio.get_running_loop()
        if getattr(loop, "virtual", False):
            virtual: Any = loop
            job: asyncio.Future[Any] = virtual.run_to_its_end(contextvars.copy_context().run, call)
            return job if timeout is None else _within(job, timeout, None)
        if self._pool is None:
            self._pool = ThreadPool(self._threads)
        job = self._pool.submit(call, loop)
        return job if timeout is None else _within(job, timeout, self._pool)

    def start(
        self,
        call: Callable[[], Any],
        context: contextvars.Context,
        loop: asyncio.AbstractEventLoop,
        receiver: Receiver,
    ) -> Errand | None:
        """Run `call` in a thread and tell `receiver` on the loop; see `ports.DirectExecutor`.

        Returns:
            The call as an errand, which can be withdrawn; None on virtual time.
        """
        if getattr(loop, "virtual", False):
            return None
        if self._pool is None:
            self._pool = ThreadPool(self._threads)
        errand = self._pool.errand(call, context, loop, receiver)
        self._pool.queue(errand)
        return errand

    async def aclose(self) -> None:
        """Wait for the running calls and end all threads. A later call makes new ones.

        A call that took longer than its `timeout` isn't waited for: its thread ends with it.
        """
        pool, self._pool = self._pool, None
        if pool is None:
            return
        loop = asyncio.get_running_loop()
        for thread in pool.close():
            if thread.is_alive():
                await _ended(thread, loop)


async def _within(job: asyncio.Future[Any], timeout: float, pool: ThreadPool | None) -> Any:
    try:
        try:
            await asyncio.wait([job], timeout=timeout)
        except asyncio.CancelledError:
            job.cancel()
            await job  # ends at once if it could be withdrawn, otherwise with the call
            raise
        if not job.done():
            if not job.cancel():
                job.add_done_callback(_retrieve)
                if pool is not None and isinstance(job, Job):
                    pool.abandon(job)
            raise TimeoutError(f"the call did not end within {timeout:g} s")
        return job.result()
    finally:
        del job  # what it has raised knows this frame


def _retrieve(job: asyncio.Future[Any]) -> None:
    """Look at the outcome of a call that nobody waits for any more."""
    if not job.cancelled():
        job.exception()


async def _ended(thread: Any, loop: asyncio.AbstractEventLoop) -> None:
    # The thread is parked or about to end: a join takes microseconds. Otherwise a helper thread
    # waits for it.
    thread.join(timeout=0.05)
    if thread.is_alive():
        await loop.run_in_executor(None, thread.join)
