"""VirtualTimeLoop: an event loop whose clock jumps to the next timer when nothing is ready.

asyncio asks its selector exactly once per turn: "callbacks are ready, just have a look" (a time-out
of 0) or "nothing is ready, wait". The second is the moment at which a simulated clock may move.
"""

from __future__ import annotations

import asyncio
import itertools
import math
import selectors
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from contextvars import Context, copy_context
from enum import Enum, auto
from heapq import heapify, heappop, heappush
from random import Random
from typing import Any, ClassVar, Final, NoReturn, TypeVar, TypeVarTuple

from cascade.errors import VirtualDeadlockError, VirtualTimeError
from cascade.runtime.job_line import JobLine
from cascade.runtime.waiting_report import describe_waits
from cascade.spec.checks import check_finite, check_time

# The same thresholds by which asyncio rids its own queue of cancelled timers.
_CANCELLED_AT_LEAST: Final = 100

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


class _Turn(Enum):
    """What a turn of the loop finds to do."""

    READY = auto()
    WORKING = auto()
    STUCK = auto()


class _Timer(asyncio.TimerHandle):
    """A call at a given time; cancelling it also stops it on its way from due to running."""

    __slots__ = ("call", "queue", "started")

    def __init__(
        self,
        when: float,
        callback: Callable[..., object],
        args: tuple[Any, ...],
        loop: asyncio.AbstractEventLoop,
        context: Context,
        queue: _TimerQueue | None,
    ) -> None:
        super().__init__(when, callback, args, loop, context)
        self.call: tuple[Callable[..., object], tuple[Any, ...], Context] | None
        self.call = (callback, args, context)
        self.queue = queue
        self.started: asyncio.Handle | None = None

    def cancel(self) -> None:
        if self.cancelled():
            return
        super().cancel()
        self.call = None
        if self.started is not None:
            self.started.cancel()
        elif self.queue is not None:
            self.queue.count_cancelled()


class _TimerQueue:
    """Timers in the order of their times, and of their creation where times are equal."""

    __slots__ = ("_cancelled", "_heap", "_serials")

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, _Timer]] = []
        self._serials = itertools.count()
        self._cancelled = 0

    def add(self, when: float, timer: _Timer) -> None:
        heappush(self._heap, (when, next(self._serials), timer))

    def count_cancelled(self) -> None:
        self._cancelled += 1
        if self._cancelled > _CANCELLED_AT_LEAST and 2 * self._cancelled > len(self._heap):
            self._heap[:] = [entry for entry in self._heap if entry[2].call is not None]
            heapify(self._heap)
            self._cancelled = 0

    def next_due(self) -> float | None:
        heap = self._heap
        while heap and heap[0][2].call is None:
            heappop(heap)
            self._cancelled -= 1
        return heap[0][0] if heap else None

    def start_due(self, now: float, call_soon: Callable[..., asyncio.Handle]) -> bool:
        """Hand all timers that are due to `call_soon`; return whether there were any."""
        heap = self._heap
        started = False
        while heap and heap[0][0] <= now:
            timer = heappop(heap)[2]
            if timer.call is None:
                self._cancelled -= 1
                continue
            callback, args, context = timer.call
            timer.call = timer.queue = None
            timer.started = call_soon(callback, *args, context=context)
            started = True
        return started

    def clear(self) -> None:
        self._heap.clear()


class _JumpingSelector(selectors.DefaultSelector):
    """A selector that asks its loop before it waits."""

    turn: Callable[[bool], _Turn]
    describe_waits: Callable[[], str]

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        # First of all, or the clock would jump past a signal that is in the self-pipe already.
        events = super().select(0)
        found = self.turn(timeout == 0 or bool(events))
        if found is _Turn.WORKING:
            return super().select(None)
        if found is _Turn.STUCK:
            raise VirtualDeadlockError(self.describe_waits())
        return events


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """An event loop on simulated time: waiting costs nothing, and the order is always the same.

    When nothing is ready, the clock jumps to exactly the time of the next timer. Timers that are
    due at the same time run in the order in which they were made.

    Jobs (`run_in_executor`, `asyncio.to_thread`) run one at a time, in the order of submission, in
    one thread, whatever executor is given; each begins when nothing else is ready, and the clock
    stands still until it has ended. So a job must not wait for something that takes virtual time.
    Jobs for a `ProcessPoolExecutor` do run in its processes, in the order that these happen to
    have, and the clock stands still for them too; so it is with process tasks.

    Sockets, pipes and subprocesses are refused with `VirtualTimeError`. If all tasks wait and
    nothing is left that could wake them, `VirtualDeadlockError` is raised out of the run; a wait
    of infinite length counts as nothing.

    Args:
        start: what the clock shows at the beginning, in seconds.

    Raises:
        TypeError: `start` isn't a number.
        ValueError: `start` isn't finite.
    """

    virtual: ClassVar[bool] = True
    """True: tells this loop from one that runs on real time."""

    def __init__(self, start: float = 0.0) -> None:
        self.run_numbers: Iterator[int] = itertools.count(1)
        self.random = Random(0)
        """Numbers for what happens on this loop, so that the same program gets the same ones."""
        self._timers = _TimerQueue()
        self._jobs = JobLine(self)
        selector = _JumpingSelector()
        super().__init__(selector)
        # Only now: asyncio makes its self-pipe, by which threads and signals wake it, in there.
        selector.turn = self._turn
        selector.describe_waits = self._describe_waits
        try:
            self._now = check_finite("start", start)
        except (TypeError, ValueError):
            self.close()
            raise

    def time(self) -> float:
        """The simulated time, in seconds."""
        return self._now

    def call_at(
        self,
        when: float,
        callback: Callable[[*Ts], object],
        *args: *Ts,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        """Call `callback` when the clock shows `when` (seconds); at infinity, never.

        Raises:
            TypeError: `when` isn't a number, or `callback` isn't callable.
            ValueError: `when` is not-a-number.
            RuntimeError: the loop is closed.
        """
        if self.is_closed():
            raise RuntimeError("the event loop is closed")
        _check_callable("callback", callback)
        when = check_time("when", when)
        queue = self._timers if when < math.inf else None
        if context is None:
            context = copy_context()
        timer = _Timer(when, callback, args, self, context, queue)
        if queue is not None:
            queue.add(when, timer)
        return timer

    def run_in_executor(
        self, executor: Executor | None, func: Callable[[*Ts], T], *args: *Ts
    ) -> asyncio.Future[T]:
        """Run `func(*args)` off the loop: see the class for when and where.

        Cancelling the future withdraws a job that hasn't begun; one that has begun goes on.

        Raises:
            TypeError: `func` isn't callable.
            RuntimeError: the loop is closed, or its default executor shut down.
        """
        _check_callable("func", func)
        if self.is_closed():
            raise RuntimeError("the event loop is closed")
        if isinstance(executor, ProcessPoolExecutor):
            return self._jobs.submit_to(executor, func, args)
        return self._jobs.submit(func, args)

    def run_to_its_end(self, func: Callable[[*Ts], T], *args: *Ts) -> asyncio.Future[T]:
        """As `run_in_executor`, but a job that has begun can't be cancelled any more.

        Whoever awaits it then goes on when the job has ended, not while it still runs.

        Raises:
            TypeError: `func` isn't callable.
            RuntimeError: the loop is closed, or its default executor shut down.
        """
        _check_callable("func", func)
        if self.is_closed():
            raise RuntimeError("the event loop is closed")
        return self._jobs.submit_job(func, args)

    def outside_job_begins(self) -> None:
        """Let the clock stand still until `outside_job_ends` is called as often as this was.

        For whoever does something in real time and tells its end by `call_soon_threadsafe`.
        """
        self._jobs.count(1)

    def outside_job_ends(self) -> None:
        """What was begun with `outside_job_begins` has ended; to be called in the loop's thread."""
        self._jobs.count(-1)

    async def shutdown_default_executor(self, timeout: float | None = None) -> None:
        """Take no more jobs, wait for all that were taken, and end the worker thread.

        The clock stands still meanwhile, so a `timeout` can't run out; it is ignored.
        """
        await self._jobs.finish_all()

    def close(self) -> None:
        """Close the loop; what was scheduled is forgotten, the worker thread ends.

        Raises:
            RuntimeError: the loop is running.
        """
        super().close()
        self._timers.clear()
        self._jobs.close()

    def _turn(self, ready: bool) -> _Turn:
        timers, jobs = self._timers, self._jobs
        if timers.start_due(self._now, self.call_soon) or ready:
            return _Turn.READY
        jobs.start_next()
        if jobs.under_way:
            return _Turn.WORKING
        when = timers.next_due()
        if when is None:
            return _Turn.STUCK
        self._now = when
        timers.start_due(when, self.call_soon)
        return _Turn.READY

    def _describe_waits(self) -> str:
        return describe_waits(asyncio.all_tasks(self), self._now)


_REFUSED: Final = {
    "use a real event loop, or DirectChannel or LocalBroker, which work on both": (
        *("create_connection", "create_server", "create_datagram_endpoint"),
        *("create_unix_connection", "create_unix_server", "connect_accepted_socket"),
        *("start_tls", "sendfile", "getaddrinfo", "getnameinfo", "sock_accept", "sock_connect"),
        *("sock_recv", "sock_recv_into", "sock_recvfrom", "sock_recvfrom_into"),
        *("sock_sendall", "sock_sendfile", "sock_sendto"),
    ),
    "use a real event loop, or read and write in a thread (asyncio.to_thread)": (
        *("add_reader", "add_writer", "connect_read_pipe", "connect_write_pipe"),
    ),
    "use a real event loop, or run it to its end in a thread (asyncio.to_thread)": (
        *("subprocess_exec", "subprocess_shell"),
    ),
}


def _refusal(call: str, instead: str) -> Callable[..., NoReturn]:
    def refuse(*_args: Any, **_kwargs: Any) -> NoReturn:
        raise VirtualTimeError(
            f"{call}() can't be used on virtual time, because its answer comes in real time: "
            f"{instead}"
        )

    refuse.__name__ = call
    return refuse


for _instead, _calls in _REFUSED.items():
    for _call in _calls:
        setattr(VirtualTimeLoop, _call, _refusal(_call, _instead))


def _check_callable(name: str, value: object) -> None:
    if not callable(value):
        raise TypeError(f"{name} must be callable, got {value!r}")
