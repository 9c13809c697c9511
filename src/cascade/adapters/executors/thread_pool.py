"""ThreadPool: a shared queue, parked workers, and one wake-up of the loop for many results."""

from __future__ import annotations

import asyncio
import contextvars
import threading
import weakref
from collections import deque
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any
from weakref import WeakKeyDictionary

QUEUED, RUNNING, DONE = range(3)


class Outcomes:
    """What the calls of one loop came to, on the way from the workers to that loop.

    One wake-up of the loop fetches all that are there.
    """

    __slots__ = ("_arrived", "_loop", "_waking")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._arrived: deque[tuple[Job, Any, BaseException | None]] = deque()
        self._loop = weakref.ref(loop)
        self._waking = False

    def send(self, job: Job, value: Any, error: BaseException | None) -> None:
        """Called by a worker: hand the outcome of a call to the loop."""
        self._arrived.append((job, value, error))
        if self._waking:
            return
        self._waking = True
        loop = self._loop()
        try:
            if loop is not None:
                loop.call_soon_threadsafe(self._deliver)
        except RuntimeError:
            # The loop was closed under a running call: nobody is left to take the result.
            self._arrived.clear()

    def _deliver(self) -> None:
        self._waking = False
        arrived = self._arrived
        while arrived:
            job, value, error = arrived.popleft()
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
        outcomes: Outcomes,
    ) -> None:
        super().__init__(loop=loop)
        self.call: Callable[[], Any] | None = call
        self.context = context
        self.outcomes = outcomes
        self.stage = QUEUED
        self.thread: threading.Thread | None = None
        """Who makes the call, once it has begun."""
        self.lock = threading.Lock()

    def begin(self) -> bool:
        """Called by a worker: whether the call is still wanted."""
        with self.lock:
            if self.stage != QUEUED:
                return False
            self.stage = RUNNING
            self.thread = threading.current_thread()
            return True

    def take_call(self) -> Callable[[], Any] | None:
        """Return the call and let go of it."""
        call, self.call = self.call, None
        return call

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
        self._abandoned: set[threading.Thread | None] = set()
        self._made = 0
        self._idle = 0
        self._lock = threading.Lock()
        self._outcomes: WeakKeyDictionary[asyncio.AbstractEventLoop, Outcomes] = WeakKeyDictionary()

    def submit(self, call: Callable[[], Any], loop: asyncio.AbstractEventLoop) -> Job:
        """Queue a call; its context variables are those of the caller."""
        context = contextvars.copy_context()
        thread = None
        with self._lock:
            outcomes = self._outcomes.get(loop)
            if outcomes is None:
                outcomes = self._outcomes[loop] = Outcomes(loop)
            job = Job(call, context, loop, outcomes)
            # Under the lock: a worker that gets through between the decision and the arrival
            # of the job would count as idle while it takes the job.
            self._queue.put(job)
            if self._idle:
                self._idle -= 1  # promised to this job, whoever of the parked takes it
            elif len(self._threads) < self._limit:
                thread = self._new_thread()
        if thread is not None:
            thread.start()
        return job

    def _new_thread(self) -> threading.Thread:
        self._made += 1
        name = f"cascade-{self._made}"
        thread = threading.Thread(target=self._work, name=name, daemon=True)
        self._threads.append(thread)
        return thread

    def abandon(self, job: Job) -> None:
        """Let the thread of a running call go: it ends with the call, another one takes its place.

        For calls whose outcome nobody waits for any more, so that they can't use up the pool.
        """
        thread = None
        with self._lock:
            if job.thread is not None and job.thread in self._threads:
                self._threads.remove(job.thread)
                self._abandoned.add(job.thread)
                if not self._queue.empty():
                    thread = self._new_thread()
        if thread is not None:
            thread.start()

    def _work(self) -> None:
        job = None
        while True:
            with self._lock:
                if job is not None:
                    me, job.thread, job = job.thread, None, None
                    if me in self._abandoned:
                        self._abandoned.discard(me)
                        return
                if self._queue.empty():
                    self._idle += 1
            job = self._queue.get()
            if job is None:
                return
            if job.begin():
                # Not by way of a name: the arguments are let go before the outcome is known.
                job.outcomes.send(job, *_outcome(job.context, job.take_call()))
            else:
                job = None

    def close(self) -> list[threading.Thread]:
        """Let the workers end after what is queued; return them to be joined."""
        with self._lock:
            threads, self._threads = self._threads, []
            for _ in threads:
                self._queue.put(None)
            self._idle = 0
        return threads


def _outcome(context: contextvars.Context, call: Any) -> tuple[Any, BaseException | None]:
    """Make a call and return its value or its error.

    On its own, so that no frame of the error's traceback knows the job that will hold the error.
    """
    try:
        return context.run(call), None
    except BaseException as error:
        return None, error
