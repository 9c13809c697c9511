"""ThreadPool: a shared queue, parked workers, and one wake-up of the loop for many results."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections import deque
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any

QUEUED, RUNNING, DONE = range(3)


class Job(asyncio.Future[Any]):
    """The result of a call in a thread, as a future of the loop that asked for it.

    Cancelling it withdraws a call that hasn't begun. One that runs can't be stopped: the future
    then refuses, and ends when the call does.
    """

    def __init__(
        self,
        call: Callable[[], Any],
        context: contextvars.Context,
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        super().__init__(loop=loop)
        self.call: Callable[[], Any] | None = call
        self.context = context
        self.stage = QUEUED
        self.lock = threading.Lock()

    def begin(self) -> bool:
        """Called by a worker: whether the call is still wanted."""
        with self.lock:
            if self.stage != QUEUED:
                return False
            self.stage = RUNNING
            return True

    def cancel(self, msg: Any = None) -> bool:
        """Withdraw the call if it hasn't begun; otherwise return False."""
        with self.lock:
            if self.stage == RUNNING:
                return False
            self.stage = DONE
        self.call = None
        return super().cancel(msg)


class ThreadPool:
    """Runs calls in threads, in the order in which they came.

    Threads are made when there are more calls than idle threads, up to `limit`; they wait parked,
    without a time-out, until `close`.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._queue: SimpleQueue[Job | None] = SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._idle = 0
        self._lock = threading.Lock()
        self._outcomes: deque[tuple[Job, Any, BaseException | None]] = deque()
        self._waking = False

    def submit(self, call: Callable[[], Any], loop: asyncio.AbstractEventLoop) -> Job:
        """Queue a call; its context variables are those of the caller."""
        job = Job(call, contextvars.copy_context(), loop)
        with self._lock:
            if self._idle:
                self._idle -= 1  # promised to this job, whoever of the parked takes it
                spawn = False
            else:
                spawn = len(self._threads) < self._limit
        self._queue.put(job)
        if spawn:
            name = f"cascade-{len(self._threads) + 1}"
            thread = threading.Thread(target=self._work, name=name, daemon=True)
            self._threads.append(thread)
            thread.start()
        return job

    def _work(self) -> None:
        while True:
            with self._lock:
                if self._queue.empty():
                    self._idle += 1
            job = self._queue.get()
            if job is None:
                return
            if job.begin():
                self._run(job)
            del job

    def _run(self, job: Job) -> None:
        call, job.call = job.call, None
        assert call is not None
        loop = job.get_loop()
        try:
            self._outcomes.append((job, job.context.run(call), None))
        except BaseException as error:
            self._outcomes.append((job, None, error))
        finally:
            del call
        if not self._waking:
            self._waking = True
            try:
                loop.call_soon_threadsafe(self._deliver)
            except RuntimeError:
                # The loop was closed under a running call: nobody is left to take the result.
                self._outcomes.clear()

    def _deliver(self) -> None:
        self._waking = False
        outcomes = self._outcomes
        while outcomes:
            job, value, error = outcomes.popleft()
            job.stage = DONE
            if job.done():
                continue
            if error is None:
                job.set_result(value)
            elif isinstance(error, StopIteration):
                # A future can't hold a StopIteration: it would end the awaiting coroutine.
                wrapped = RuntimeError("the function raised StopIteration")
                wrapped.__cause__ = error
                job.set_exception(wrapped)
            else:
                job.set_exception(error)
            del error

    def close(self) -> list[threading.Thread]:
        """Let the workers end after what is queued; return them to be joined."""
        threads, self._threads = self._threads, []
        for _ in threads:
            self._queue.put(None)
        self._idle = 0
        return threads
