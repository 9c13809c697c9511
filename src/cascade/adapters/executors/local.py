"""LocalExecutor: runs plain functions in threads of this process, and in processes of its own."""

from __future__ import annotations

import asyncio
import contextvars
import os
import threading
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from cascade.adapters.executors.thread_pool import Errand, ThreadPool
from cascade.adapters.executors.timed_job import TimedJob
from cascade.ports import ProcessCall, Receiver
from cascade.spec.checks import check_duration, check_whole, shown

if TYPE_CHECKING:
    from cascade.adapters.executors.process_pool import ProcessPool

MODES = ("thread", "process")


class LocalExecutor:
    """Runs functions in a pool of threads and one of processes, each made when first needed.

    A call in a process gets copies of its arguments, and none of the caller's context variables:
    what it should know has to be an argument. Cancelling it, or its time-out, kills its process;
    one that dies by itself fails only its own call. What it prints goes where this process prints.

    Args:
        threads: how many at most; by default the number of processors plus four, at most 32.
        processes: how many at most; by default the number of processors.

    Raises:
        TypeError, ValueError: `threads` or `processes` isn't a whole number ≥ 1.
    """

    __slots__ = ("_pool", "_process_pool", "_processes", "_threads")

    def __init__(self, threads: int | None = None, processes: int | None = None) -> None:
        if threads is not None:
            check_whole("threads", threads, 1)
        if processes is not None:
            check_whole("processes", processes, 1)
        self._threads = threads or min(32, (os.cpu_count() or 1) + 4)
        self._processes = processes or os.cpu_count() or 1
        self._pool: ThreadPool | None = None
        self._process_pool: ProcessPool | None = None

    def execute(
        self, call: Callable[[], Any], mode: str, *, timeout: float | None = None
    ) -> Awaitable[Any]:
        """Run `call` in a thread, with the caller's context variables, or in a process.

        See `ports.Executor`. On virtual time the loop itself runs one call in a thread at a time,
        in the order of submission; calls in processes run as ever, and the clock stands still.

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
        if mode == "process":
            return self._in_process(call, loop, timeout)
        if getattr(loop, "virtual", False):
            virtual: Any = loop
            alone: asyncio.Future[Any] = virtual.run_to_its_end(
                contextvars.copy_context().run, call
            )
            return alone if timeout is None else TimedJob(alone, timeout, _nothing)
        if self._pool is None:
            self._pool = ThreadPool(self._threads)
        job = self._pool.submit(call, loop)
        if timeout is None:
            return job
        return TimedJob(job, timeout, partial(self._pool.abandon, job))

    def _in_process(
        self, call: Callable[[], Any], loop: asyncio.AbstractEventLoop, timeout: float | None
    ) -> Awaitable[Any]:
        if self._process_pool is None:
            # Only here: most programs never need what it imports.
            from cascade.adapters.executors.process_pool import ProcessPool

            self._process_pool = ProcessPool(self._processes)
        if not isinstance(call, ProcessCall):
            call = ProcessCall(call, (), {}, getattr(call, "__name__", type(call).__name__))
        job = self._process_pool.submit(call, loop)
        return job if timeout is None else TimedJob(job, timeout, None)

    def start(
        self,
        call: Callable[[], Any],
        context: contextvars.Context,
        loop: asyncio.AbstractEventLoop,
        receiver: Receiver,
        node: int = -1,
        bound: Any = None,
    ) -> Errand | None:
        """Run `call` in a thread and tell `receiver` on the loop; see `ports.DirectExecutor`.

        Returns:
            The call as an errand, which can be withdrawn; None on virtual time.
        """
        if getattr(loop, "virtual", False):
            return None
        if self._pool is None:
            self._pool = ThreadPool(self._threads)
        errand = self._pool.errand(call, context, loop, receiver, node, bound)
        self._pool.queue(errand)
        return errand

    async def aclose(self) -> None:
        """Wait for the running calls, and end all threads and processes.

        A later call makes new ones. A call in a thread that took longer than its `timeout` isn't
        waited for: its thread ends with it. When this is cancelled, calls in processes are killed.
        """
        pool, self._pool = self._pool, None
        processes, self._process_pool = self._process_pool, None
        loop = asyncio.get_running_loop()
        try:
            if pool is not None:
                await _all_ended(pool.close(), loop)
            if processes is not None:
                await _all_ended(processes.close(), loop)
                await loop.run_in_executor(None, processes.end_all)
        except BaseException:
            if processes is not None:
                processes.abandon()
                processes.end_all()
            raise


def _nothing() -> None:
    """Let a call on virtual time end by itself."""


async def _all_ended(threads: list[threading.Thread], loop: asyncio.AbstractEventLoop) -> None:
    for thread in threads:
        if thread.is_alive():
            await _ended(thread, loop)


async def _ended(thread: Any, loop: asyncio.AbstractEventLoop) -> None:
    # The thread is parked or about to end: a join takes microseconds. Otherwise a helper thread
    # waits for it.
    thread.join(timeout=0.05)
    if thread.is_alive():
        await loop.run_in_executor(None, thread.join)
