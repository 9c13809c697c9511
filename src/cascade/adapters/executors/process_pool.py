"""ProcessPool: calls in processes, each of which can be killed without harm to the others.

A thread stands by each call: it finds a worker process or starts one, sends the call there, and
waits for the answer or for the end of the process. So nothing depends on the kind of event loop,
what is large is pickled beside the loop, and a process that is killed ends just one wait.
"""

from __future__ import annotations

import asyncio
import contextvars
import threading
import weakref
from typing import Any

from cascade.adapters.executors.process_messages import outcome_of, request_of
from cascade.adapters.executors.thread_pool import Errand, Job, ThreadPool
from cascade.adapters.executors.worker_process import WorkerProcess
from cascade.errors import WorkerDiedError
from cascade.ports import ProcessCall


class ProcessJob(Job):
    """The result of a call in a process, as a future of the loop that asked for it.

    Cancelling it withdraws a call that hasn't begun. One that runs is killed: the future then
    refuses, and is cancelled when the process is gone.
    """

    work: Work | None = None
    """The call on its way, until it is known what it came to."""
    clock: Any = None
    """The loop, if its time is virtual and stands still until this has ended."""

    def cancel(self, msg: Any = None) -> bool:
        """Withdraw the call if it hasn't begun, or kill it and return False."""
        if super().cancel(msg):
            self._let_go()
            return True
        if self.work is not None:
            self.work.kill()
        return False

    def errand_done(self, errand: Errand, value: Any, error: BaseException | None) -> None:
        """The call is over, or its process gone."""
        killed = self.work is not None and self.work.killed
        self._let_go()
        if killed:
            self.errand = None
            asyncio.Future.cancel(self)
        else:
            super().errand_done(errand, value, error)

    def _let_go(self) -> None:
        self.work = None
        if self.clock is not None:
            self.clock.outside_job_ends()
            self.clock = None


class Work:
    """A call that is made in a process; called by a thread, killed by the loop."""

    __slots__ = ("_call", "_lock", "_loop", "_pool", "_worker", "killed")

    def __init__(
        self, call: ProcessCall, pool: ProcessPool, loop: asyncio.AbstractEventLoop
    ) -> None:
        self._call = [call]
        self._pool = pool
        self._loop = loop
        self._lock = threading.Lock()
        self._worker: WorkerProcess | None = None
        self.killed = False
        """Whether nobody waits for it any more."""

    def __call__(self) -> Any:
        """Make the call and return its value.

        Raises:
            WorkerDiedError: its process has ended.
            TypeError: something couldn't be sent there or back.
            BaseException: what the function raises.
        """
        call, pool = self._call.pop(), self._pool
        name, request = call.name, request_of(call)
        del call
        worker = pool.hire()
        answer: list[bytearray] | None = None
        code = 0
        try:
            with self._lock:
                self._worker = worker
                wanted = not self.killed
            if wanted:
                answer = worker.ask(request, lambda: not self._loop.is_closed())
        finally:
            with self._lock:
                self._worker = None
            # Not to be used again if somebody has killed it, perhaps just now.
            if answer is None or self.killed:
                code = pool.replace(worker)
            else:
                pool.take_back(worker)
        if answer is None:
            raise WorkerDiedError(name, code)
        return outcome_of(name, answer)

    def kill(self) -> None:
        """End the call at once, and its process."""
        with self._lock:
            self.killed = True
            if self._worker is not None:
                self._worker.kill()


class ProcessPool:
    """Makes calls in processes, in the order in which they came, up to `limit` at a time.

    Processes are started as they are needed, and make one call after the other until `close`. They
    end, too, when nobody knows the pool any more, and when the loop is closed under a call.
    """

    def __init__(self, limit: int) -> None:
        self._threads = ThreadPool(limit)
        self._idle: list[WorkerProcess] = []
        self._workers: set[WorkerProcess] = set()
        self._lock = threading.Lock()
        self._ending = threading.Lock()
        self._abandoned = False
        end = weakref.finalize(self, _end_unattended, self._threads, self._workers)
        end.atexit = False  # at the end of the program there may be calls; they are killed then

    def submit(self, call: ProcessCall, loop: asyncio.AbstractEventLoop) -> ProcessJob:
        """Queue a call."""
        job = ProcessJob(loop=loop)
        job.work = work = Work(call, self, loop)
        job.errand = self._threads.errand(work, contextvars.copy_context(), loop, job)
        self._threads.queue(job.errand)
        if getattr(loop, "virtual", False):
            job.clock = loop
            job.clock.outside_job_begins()
        return job

    @property
    def pids(self) -> list[int]:
        """The numbers of the processes that are there."""
        with self._lock:
            return [worker.pid for worker in self._workers]

    # What the threads do

    def hire(self) -> WorkerProcess:
        """Return an idle process, or a new one.

        Raises:
            OSError: none can be started.
        """
        while True:
            try:
                worker = self._idle.pop()
            except IndexError:
                break
            if worker.is_idle():
                return worker
            self.replace(worker)  # it has died meanwhile
        with self._lock:
            if self._abandoned:
                raise RuntimeError("the pool was closed before the call began")
            worker = WorkerProcess()
            self._workers.add(worker)
        return worker

    def take_back(self, worker: WorkerProcess) -> None:
        """Keep a process that has made its call for the next one."""
        self._idle.append(worker)

    def replace(self, worker: WorkerProcess) -> int:
        """End a process, wait until it is gone, and return what it ended with.

        The next call finds or starts another one.
        """
        try:
            return worker.end()
        finally:
            with self._lock:
                self._workers.discard(worker)

    # The end

    def close(self) -> list[threading.Thread]:
        """Take no more calls, and return the threads that end after those that were taken."""
        return self._threads.close()

    def abandon(self) -> None:
        """Kill all processes and begin no more calls; wait until no thread has to do with them."""
        with self._lock:
            self._abandoned = True
            for worker in self._workers:
                worker.kill()
        for thread in self._threads.close():
            thread.join()

    def end_all(self) -> None:
        """End the processes, when the threads have ended; may be called in any thread."""
        with self._ending:
            for worker in self._workers:
                worker.dismiss()
            for worker in list(self._workers):
                worker.see_off()
                with self._lock:
                    self._workers.discard(worker)
            self._idle.clear()


def _end_unattended(threads: ThreadPool, workers: set[WorkerProcess]) -> None:
    """End what belonged to a pool that is gone; it has no calls then."""
    threads.close()
    for worker in workers:
        worker.end()
    workers.clear()
