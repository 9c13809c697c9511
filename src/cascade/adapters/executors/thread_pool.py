"""ThreadPool: one shared queue, parked workers, and one wake-up of the loop for many results.

What crosses between threads is a deque, a list of locks, and a box with the call in it. Each single
operation on these is atomic, so that taking an errand needs no lock:

- whoever takes the call out of its box first, the worker or the one who withdraws it, has it;
- a worker that finds nothing to do parks, looks once more, and only then sleeps; whoever submits
  puts the errand down first and looks for parked workers afterwards, so that one of them sees it;
- only the first of waiting errands wakes a worker, and a worker that leaves more behind wakes the
  next one, so that short calls don't wake everybody, and long ones get as many as there are; two
  loops that submit at once take turns, or each might see the errand of the other and wake nobody.
"""

from __future__ import annotations

import asyncio
import contextvars
import threading
import weakref
from collections import deque
from collections.abc import Callable
from typing import Any
from weakref import WeakKeyDictionary

from cascade.ports import Receiver


class Errand:
    """A call that is to be made in a thread."""

    __slots__ = ("_box", "bound", "context", "lock", "node", "outcomes", "receiver", "worker")

    lock: threading.Lock | None
    """For those that may be abandoned: held while it is decided whether the call is over."""
    worker: _Worker | None
    """Who makes the call, of one that may be abandoned."""

    def __init__(
        self,
        call: Callable[[], Any],
        context: contextvars.Context,
        outcomes: Outcomes,
        receiver: Receiver,
        node: int = -1,
        bound: Any = None,
    ) -> None:
        self._box = [call]
        self.context = context
        self.outcomes = outcomes
        self.receiver = receiver
        self.node = node
        """For the receiver: what it is about."""
        self.bound = bound
        """For the receiver: the arguments."""
        self.lock = None

    def take(self) -> Callable[[], Any] | None:
        """Return the call to whoever asks first, and None to everybody else."""
        try:
            return self._box.pop()
        except IndexError:
            return None

    def withdraw(self) -> bool:
        """Let the call not be made; whether it hasn't begun yet."""
        return self.take() is not None


class Outcomes:
    """What the calls of one loop came to, on the way from the workers to that loop.

    One wake-up of the loop fetches all that are there.
    """

    __slots__ = ("_arrived", "_loop", "_waking")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._arrived: deque[tuple[Errand, Any, BaseException | None]] = deque()
        self._loop = weakref.ref(loop)
        self._waking = False

    def send(self, errand: Errand, value: Any, error: BaseException | None) -> None:
        """Called by a worker: hand the outcome of a call to the loop."""
        self._arrived.append((errand, value, error))
        if self._waking:
            return
        self._waking = True
        loop = self._loop()
        try:
            if loop is not None:
                loop.call_soon_threadsafe(self._deliver)
        except RuntimeError:
            # The loop was closed under a running call: nobody is left to take the result.
            self._waking = False
            self._arrived.clear()

    def _deliver(self) -> None:
        self._waking = False
        arrived = self._arrived
        told: dict[Receiver, None] = {}
        while arrived:
            errand, value, error = arrived.popleft()
            receiver = errand.receiver
            receiver.errand_done(errand, value, error)
            told[receiver] = None
            del errand, value, error
        for receiver in told:
            receiver.errands_done()


class Job(asyncio.Future[Any]):
    """The result of a call in a thread, as a future of the loop that asked for it.

    Cancelling it withdraws a call that hasn't begun. One that runs can't be stopped: the future
    then refuses, and ends when the call does.
    """

    errand: Errand | None = None
    """The call, until it is known what it came to."""

    def cancel(self, msg: Any = None) -> bool:
        """Withdraw the call if it hasn't begun; otherwise return False."""
        if self.errand is None or not self.errand.withdraw():
            return False
        self.errand = None
        return super().cancel(msg)

    def errand_done(self, errand: Errand, value: Any, error: BaseException | None) -> None:
        """The call is over."""
        self.errand = None
        if error is None:
            self.set_result(value)
        elif isinstance(error, StopIteration):
            # A future can't hold a StopIteration: it would end the awaiting coroutine.
            wrapped = RuntimeError("the function raised StopIteration")
            wrapped.__cause__ = error
            self.set_exception(wrapped)
        else:
            self.set_exception(error)

    def errands_done(self) -> None:
        """Nothing more is to be done."""


class _Worker(threading.Thread):
    """A thread of a pool."""

    def __init__(self, pool: ThreadPool, name: str) -> None:
        super().__init__(name=name, daemon=True)
        self._pool: ThreadPool | None = pool
        self.abandoned = False
        self.errand: Errand | None = None
        """What it is doing."""
        self.sleeping = threading.Lock()
        """Held while it sleeps; released by whoever wakes it."""
        self.sleeping.acquire()

    def run(self) -> None:
        pool, self._pool = self._pool, None
        assert pool is not None
        pool.work(self)


class ThreadPool:
    """Runs calls in threads, in the order in which they came.

    Threads are made as calls wait that no idle thread can take, up to `limit`; they wait parked,
    without a time-out, until `close`.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._queue: deque[Errand] = deque()
        self._parked: list[_Worker] = []
        self._workers: list[_Worker] = []
        self._made = 0
        self._closed = False
        # Whoever forgets a pool of processes closes its threads, be it in the midst of anything.
        self._lock = threading.RLock()
        self._outcomes: WeakKeyDictionary[asyncio.AbstractEventLoop, Outcomes] = WeakKeyDictionary()
        self._latest: tuple[Callable[[], Any], Any] = (_nothing, None)

    def submit(self, call: Callable[[], Any], loop: asyncio.AbstractEventLoop) -> Job:
        """Queue a call; its context variables are those of the caller."""
        job = Job(loop=loop)
        job.errand = errand = self.errand(call, contextvars.copy_context(), loop, job)
        errand.lock, errand.worker = threading.Lock(), None
        self.queue(errand)
        return job

    def errand(
        self,
        call: Callable[[], Any],
        context: contextvars.Context,
        loop: asyncio.AbstractEventLoop,
        receiver: Receiver,
        node: int = -1,
        bound: Any = None,
    ) -> Errand:
        """Make an errand of a call, for `queue`."""
        latest, outcomes = self._latest
        if latest() is not loop:
            known = self._outcomes.get(loop)
            outcomes = self._outcomes[loop] = Outcomes(loop) if known is None else known
            self._latest = weakref.ref(loop), outcomes
        return Errand(call, context, outcomes, receiver, node, bound)

    def queue(self, errand: Errand) -> None:
        """Let the call be made; called by the loop's thread.

        Raises:
            RuntimeError: there is no thread, and none can be started; the call won't be made.
        """
        with self._lock:
            self._queue.append(errand)
            is_first = len(self._queue) == 1
        if is_first or not self._workers:
            try:
                self._wake_one()
            except RuntimeError:
                errand.withdraw()
                raise

    def _wake_one(self) -> None:
        """Wake a parked worker, or make one if none is parked and there may be more."""
        try:
            self._parked.pop().sleeping.release()
        except IndexError:
            if len(self._workers) < self._limit:
                self._make_worker()

    def _make_worker(self) -> None:
        with self._lock:
            if self._closed or len(self._workers) >= self._limit:
                return
            self._made += 1
            worker = _Worker(self, f"cascade-{self._made}")
            self._workers.append(worker)
        try:
            worker.start()
        except RuntimeError:  # the system has no more threads
            with self._lock:
                self._workers.remove(worker)
                if not self._workers:
                    raise

    def abandon(self, job: Job) -> None:
        """Let the thread of a running call go: it ends with the call, another one takes its place.

        For calls whose outcome nobody waits for any more, so that they can't use up the pool.
        """
        errand = job.errand
        if errand is None or errand.lock is None:
            return
        with errand.lock:
            worker = errand.worker
            if worker is None:  # the call is over
                return
            with self._lock:
                if worker not in self._workers:
                    return
                self._workers.remove(worker)
            try:
                if self._queue:
                    self._wake_one()
            except RuntimeError:  # nobody can take its place: it goes on when its call is over
                self._workers.append(worker)
            else:
                worker.abandoned = True

    def work(self, me: _Worker) -> None:
        """Make calls until the pool is closed; a worker's life."""
        queue, parked = self._queue, self._parked
        while not me.abandoned:
            try:
                errand = queue.popleft()
            except IndexError:
                if self._closed:
                    return
                parked.append(me)
                if queue or self._closed:
                    try:
                        parked.remove(me)
                        continue
                    except ValueError:
                        pass  # somebody is waking it just now
                me.sleeping.acquire()
                continue
            if queue:
                self._wake_one()
            call = errand.take()
            if call is not None:
                if errand.lock is None:
                    me.errand = errand
                    errand.outcomes.send(errand, *_outcome(errand.context, call))
                    me.errand = None
                else:
                    self._make_abandonable(errand, call, me)
            del errand, call

    def _make_abandonable(self, errand: Errand, call: Callable[[], Any], me: _Worker) -> None:
        assert errand.lock is not None
        errand.worker = me
        box = [call]
        del call
        outcome = _outcome(errand.context, box.pop())
        with errand.lock:
            errand.worker = None
        errand.outcomes.send(errand, *outcome)
        del errand, outcome  # the frame of an error's traceback knows this one

    def close(self) -> list[threading.Thread]:
        """Let the workers end after what is queued; return them to be joined."""
        with self._lock:
            self._closed = True
            threads: list[threading.Thread] = [*self._workers]
        while self._parked:
            try:
                self._parked.pop().sleeping.release()
            except IndexError:
                break
        return threads


def _nothing() -> None:
    return None


def _outcome(context: contextvars.Context, call: Any) -> tuple[Any, BaseException | None]:
    """Make a call and return its value or its error.

    On its own, so that no frame of the error's traceback knows the errand.
    """
    try:
        return context.run(call), None
    except BaseException as error:
        return None, error
