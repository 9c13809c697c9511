"""ReadyQueue: a node starts when its last input is there.

No stages and no barriers; nothing scans all nodes per event. How a node is started depends on what
it is:

- A coroutine of which nothing is known runs inside of a *driver*, a task that runs one node after
  the other. Most coroutines that don't suspend never cost a task of their own that way.
- One that suspends keeps the driver for itself, another driver goes on with the others, and from
  then on each node of that function gets a task of its own at once.
- A driver that a node has touched (its context, a cancellation, a callback, a reference that was
  kept) is retired with that node. So all that a node can see of this is that nodes which never
  suspend may have the same `asyncio.current_task()`, one after the other.
- Inline functions are called by the run itself, in a context of their own each.
- Functions for threads and processes go to the executor.
- Whatever has policies, injected resources or live rules goes through the node runner.
"""

from __future__ import annotations

import asyncio
import contextvars
from abc import abstractmethod
from collections import deque
from functools import partial
from sys import getrefcount
from time import monotonic
from typing import TYPE_CHECKING, Any
from weakref import getweakrefcount

from cascade.runtime.current import Place, current_place
from cascade.runtime.notes import annotate
from cascade.runtime.run import ENDED, STARTED, Run
from cascade.runtime.trampoline import (
    NOT_YET_VALUES,
    away,
    check_value,
    inject,
    next_step,
    run_steps,
)
from cascade.runtime.turns import SLICE
from cascade.spec.policies import NO_POLICIES

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable

    from cascade.graph.model import Plan
    from cascade.ports import Errand, StateBackend
    from cascade.runtime.engine import Engine
    from cascade.spec.binding import Bound
    from cascade.spec.lazy import LazyResult
    from cascade.spec.task import Task

BATCH_REAL = 16
"""Nodes between two looks at the clock, in real time."""
BATCH_VIRTUAL = 1024
"""Nodes between two yields, on virtual time."""
NOBODY = -1

_CONTROL = (KeyboardInterrupt, SystemExit, GeneratorExit)
"""What goes on through whoever catches it."""


class ReadyQueue(Run):
    """The part of a run that starts nodes as they get ready, and waits for their ends."""

    __slots__ = (
        "_alone",
        "_clean",
        "_consumers",
        "_drivers",
        "_driving",
        "_errands",
        "_failure",
        "_here",
        "_inside",
        "_machine",
        "_missing",
        "_ready",
        "_running",
        "_start_call",
        "_state",
        "_successors",
        "_suspending",
        "_unsaved",
        "_values",
        "_wake",
        "plan",
    )

    def __init__(
        self,
        engine: Engine,
        plan: Plan,
        loop: asyncio.AbstractEventLoop,
        state: StateBackend | None,
    ) -> None:
        super().__init__(engine, len(plan.graph))
        self.number(loop)
        self.plan = plan
        self._values: list[Any] = [None] * len(plan.graph)
        self._state = state
        self._failure: BaseException | None = None
        self._machine: int | None = None

    def lazy_of(self, node: int) -> LazyResult[Any]:
        """Return the call that a node stands for."""
        return self.plan.graph.nodes[node]

    def order(self) -> Iterable[int]:
        """Return the nodes in the order of the plan."""
        return self.plan.order

    @abstractmethod
    def arguments(self, node: int) -> Bound:
        """Return the arguments of a node whose inputs are there."""

    @abstractmethod
    def _run_node(self, node: int) -> Coroutine[Any, Any, Any]:
        """Run a node with policies, injected resources or live rules."""

    @abstractmethod
    def _admitted(self, node: int, lazy: LazyResult[Any]) -> bool:
        """Whether a node is to run; otherwise it is skipped here."""

    # The life of the queue

    async def _run_ready_queue(self, done: int = 0) -> None:
        """Run nodes as they get ready, but for the first so many of the plan's order."""
        graph = self.plan.graph
        self._missing = graph.in_degrees
        if graph.routes is not None:  # what a router may choose waits for that, too
            for node in graph.routes.hopes:
                self._missing[node] += 1
        self._successors = graph.successors
        self._consumers = list(graph.consumers)
        ended = self.plan.order[:done]
        for node in ended:
            for other in self._successors[node]:
                self._missing[other] -= 1
            for other in graph.needs[node]:
                self._consumers[other] -= 1
        # What every node starts with; only ever copied. Inline functions share a place.
        self._here = Place(self, NOBODY)
        outer = current_place.set(self._here)
        self._clean = contextvars.copy_context()
        current_place.reset(outer)
        # Jobs and tasks with a callback, by their node's number.
        self._running: dict[asyncio.Future[Any], int] = {}
        # Calls in threads, and how they are started.
        self._start_call: Callable[..., Errand | None] = _first_start
        self._errands: dict[int, Errand] = {}
        # Coroutines with a task of their own.
        self._alone: dict[int, asyncio.Task[None]] = {}
        self._drivers: dict[asyncio.Task[None], None] = {}
        self._driving: asyncio.Task[None] | None = None  # the one that takes nodes
        self._inside = NOBODY  # the node that a driver is in
        self._suspending: set[Task[Any]] = set()  # what is known to suspend
        self._unsaved: deque[tuple[int, Any, bool]] = deque()
        self._wake: asyncio.Future[None] | None = None
        sources = [node for node in self.plan.order[done:] if not self._missing[node]]
        if not graph.plain:
            rank = self.plan.rank
            sources.sort(key=lambda node: -rank[node])
        self._ready = deque(sources)
        interrupted = None
        try:
            await self._keep_going()
        except GeneratorExit:  # the loop was closed: nothing can be waited for any more
            self._failure = asyncio.CancelledError()
            for node, state in enumerate(self.states):
                if state == STARTED:
                    self.node_ended(node, self._failure)
            raise
        except BaseException as error:
            interrupted = error
        if interrupted is not None or self._failure is not None:
            cancelled = interrupted if isinstance(interrupted, asyncio.CancelledError) else None
            if self._failure is None:
                self._failure = interrupted  # from here on nothing new is started
            elif interrupted is not self._failure and cancelled is None and interrupted is not None:
                annotate(self._failure, f"then the run raised {interrupted!r}")
            cancelled = await self._stop_running() or cancelled
            # What was collected in it may know this run by its tracebacks.
            self._unsaved.clear()
            failure, self._failure = self._failure, None
            assert failure is not None
            try:
                # A cancellation from outside wins: whoever sent it waits for it.
                if cancelled is not None and cancelled is not failure:
                    annotate(cancelled, f"when it came, the run had failed already: {failure!r}")
                    for note in getattr(failure, "__notes__", ()):
                        annotate(cancelled, note)
                raise cancelled or failure
            finally:
                interrupted = cancelled = failure = None

    async def _keep_going(self) -> None:
        ready, virtual = self._ready, getattr(self.loop, "virtual", False)
        batch = BATCH_VIRTUAL if virtual else BATCH_REAL
        until = monotonic() + SLICE
        count = 0
        while self._failure is None:
            while ready and self._failure is None:
                if self._is_for_a_driver(ready[0]):
                    self._go_on()
                    break
                self._start(ready.popleft())
                count += 1
                if self._unsaved:
                    await self._save()
                if not count % batch and (virtual or monotonic() > until):
                    await asyncio.sleep(0)
                    until = monotonic() + SLICE
            if self._unsaved and self._failure is None:
                await self._save()
            elif self._failure is None:
                if not ready and not self._is_busy():
                    return
                if not ready or self._driving is not None:
                    await self._woken()
                    until = monotonic() + SLICE

    def _is_busy(self) -> bool:
        return bool(self._running or self._errands or self._alone or self._drivers)

    async def _woken(self) -> None:
        self._wake = self.loop.create_future()
        try:
            await self._wake
        finally:
            self._wake = None

    def _wake_up(self) -> None:
        wake = self._wake
        if wake is not None and not wake.done():
            wake.set_result(None)

    async def _save(self) -> None:
        """Hand finished values to the state backend, then release what waited for them."""
        state = self._state
        assert state is not None
        discard = getattr(state, "discard", None)
        while self._unsaved:
            node, value, unneeded = self._unsaved.popleft()
            if not unneeded:
                try:
                    await state.put(self.run_id, self.node_id(node), value)
                except Exception as error:
                    graph = self.plan.graph
                    annotate(error, f"while keeping the value of {graph.describe(node)}")
                    raise
                self._release(node)
            elif discard is not None:
                await discard(self.run_id, self.node_id(node))

    async def _stop_running(self) -> asyncio.CancelledError | None:
        """Cancel what is under way and wait for it; return a cancellation that came meanwhile."""
        interrupted = None
        self._ready.clear()
        while self._is_busy():
            for attempt in (self.attempts or {}).values():
                attempt.ended = True
            for future in list(self._running):
                future.cancel()
            for node, errand in list(self._errands.items()):
                if errand.withdraw():
                    del self._errands[node]
                    self._failed(node, asyncio.CancelledError())
            for node, task in list(self._alone.items()):
                task.add_done_callback(partial(self._alone_cancelled, node))
                task.cancel()
            for task in list(self._drivers):
                task.add_done_callback(self._driver_cancelled)
                task.cancel()
            try:
                while self._is_busy():
                    await self._woken()
            except asyncio.CancelledError as error:
                interrupted = error
        self._ready.clear()  # what some have released by ending well all the same
        try:
            return interrupted
        finally:
            interrupted = None  # its traceback knows this frame

    # Starting a node

    def _start(self, node: int) -> None:
        graph = self.plan.graph
        lazy = graph.nodes[node]
        try:
            if not graph.plain and not self._admitted(node, lazy):
                return
            if node == self._machine:
                return
            mode = lazy.task.mode
            if self._needs_runner(node, lazy):
                self._spawn(node, self._run_node(node))
            elif mode == "async":
                self._start_alone(node, lazy)
            else:
                args, kwargs = bound = self.arguments(node)
                self.node_started(node)
                call = partial(lazy.task.fn, *args, **(kwargs or {}))
                context = self._clean.copy()
                if mode == "inline":
                    self._here.node = node
                    self._ended(node, context.run(call), bound)
                elif mode == "thread":
                    self._start_in_thread(node, call, context, bound)
                else:
                    self._start_job(node, away(lazy.task, args, kwargs), mode, context, bound)
        except StopIteration as stop:
            self._failed(node, wrapped(stop))
        except BaseException as error:
            self._failed(node, error)
            if not isinstance(error, Exception):
                raise

    def _needs_runner(self, node: int, lazy: LazyResult[Any]) -> bool:
        """Whether more belongs to a node than one call: what was said about it, or a live rule."""
        said = lazy.policies
        if said is not NO_POLICIES and said.is_more_than_a_call:
            return True
        if lazy.injections or lazy.task.timeout is not None:
            return True
        manager = self.engine.manager_in_use
        if manager is None or manager.rules is None:
            return False
        return bool(manager.rules.matching(self.asker(node)))

    def _spawn(self, node: int, coroutine: Any) -> None:
        name = self.plan.graph.nodes[node].name
        task = self.loop.create_task(coroutine, name=name, context=self._clean.copy())
        self._running[task] = node
        task.add_done_callback(self._task_done)

    def _task_done(self, task: asyncio.Future[Any]) -> None:
        node = self._running.pop(task)
        try:
            error = task.exception()
        except asyncio.CancelledError as cancelled:  # the very one, with the notes on it
            error = cancelled
        if error is not None:
            self._failed(node, error)
            error = None
        else:
            self._succeeded(node, task.result())
        self._go_on()

    def _start_in_thread(
        self, node: int, call: Callable[[], Any], context: contextvars.Context, bound: Bound
    ) -> None:
        errand = self._start_call(call, context, self.loop, self, node, bound)
        if errand is not None:
            self._errands[node] = errand
        else:
            self._start_job(node, call, "thread", context, bound)

    def _start_job(
        self,
        node: int,
        call: Callable[[], Any],
        mode: str,
        context: contextvars.Context,
        bound: Bound,
    ) -> None:
        context.run(current_place.set, Place(self, node))
        execute = self.engine.executor.execute
        job = asyncio.ensure_future(context.run(execute, call, mode, timeout=None))
        self._running[job] = node
        job.add_done_callback(partial(self._job_done, bound))

    def way_to_threads(self) -> Callable[..., Errand | None]:
        """Find out, when the first call is there, how calls in threads are started."""
        self._start_call = getattr(self.engine.executor, "start", _nowhere)
        return self._start_call

    def errand_done(self, errand: Errand, value: Any, error: BaseException | None) -> None:
        """A function has returned, or raised, in a thread."""
        node = errand.node
        del self._errands[node]
        if error is None:
            if type(value) in NOT_YET_VALUES:
                self._ended(node, value, errand.bound)
            else:
                self._succeeded(node, value)
        elif isinstance(error, StopIteration):
            self._failed(node, wrapped(error))
        else:
            self._failed(node, error)

    def errands_done(self) -> None:
        """All outcomes that have arrived are taken."""
        self._go_on()

    def _job_done(self, bound: Bound, job: asyncio.Future[Any]) -> None:
        if not job.cancelled() and job.exception() is None:
            value = job.result()
            if type(value) in NOT_YET_VALUES:
                node = self._running.pop(job)
                if self._failure is None:
                    self._spawn(node, self._continue(node, bound, value))
                else:  # the run is ending: no further step
                    self._failed(node, asyncio.CancelledError())
                    self._wake_up()
                return
        self._task_done(job)

    async def _continue(self, node: int, bound: Bound, value: Any) -> Any:
        """Go on with a node whose first call was made here and returned a TailCall."""
        task = self.plan.graph.nodes[node].task
        check_value(task, value)
        # In a list, which is emptied: an endless machine must not keep what came before.
        kept = [next_step(task, bound, value)]
        fresh = value.to is not None
        del task, bound, value
        if fresh:
            kept = [(kept[0][0], await inject(self, node, kept[0][1]))]
        self.node_stepped(node, 1)
        return await run_steps(self, node, *kept.pop(), None, 1)

    # Coroutines: in a driver, or in a task of their own

    def _is_for_a_driver(self, node: int) -> bool:
        lazy = self.plan.graph.nodes[node]
        task = lazy.task
        return (
            task.mode == "async"
            and task not in self._suspending
            and self._state is None
            and node != self._machine
            and not self._needs_runner(node, lazy)
        )

    def _go_on(self) -> None:
        """Start what is ready, as far as the run itself isn't needed for it; wake it otherwise."""
        ready, left = self._ready, BATCH_REAL
        nodes = self.plan.graph.nodes
        while ready and left and self._failure is None and self._state is None:
            node = ready[0]
            if self._is_for_a_driver(node):
                if self._driving is None:
                    driver = self.loop.create_task(self._drive(), context=self._clean.copy())
                    self._drivers[driver] = None
                    self._driving = driver
                    self.loop.call_soon(self._relieve)
                return
            if nodes[node].task.mode == "inline":
                break
            self._start(ready.popleft())
            left -= 1
        if ready or self._failure is not None or not self._is_busy() or self._unsaved:
            self._wake_up()

    async def _drive(self) -> None:
        """Run one coroutine after the other, until one suspends or touches this task."""
        loop, ready = self.loop, self._ready
        nodes, plain = self.plan.graph.nodes, self.plan.graph.plain
        driver: Any = asyncio.current_task(loop)
        here = Place(self, NOBODY)  # stays with a node that suspends
        current_place.set(here)
        clean = contextvars.copy_context()
        virtual = getattr(loop, "virtual", False)
        left = batch = BATCH_VIRTUAL if virtual else BATCH_REAL
        until = monotonic() + SLICE
        closed = False
        try:
            while ready and self._failure is None and self._is_for_a_driver(ready[0]):
                node = ready.popleft()
                lazy = nodes[node]
                try:
                    if not plain and not self._admitted(node, lazy):
                        continue
                    driver.set_name(lazy.name)
                    before = (
                        getrefcount(driver),
                        getweakrefcount(driver),
                        len(driver._callbacks or ()),
                    )
                    args, kwargs = bound = self.arguments(node)
                    self.node_started(node)
                    self._inside = here.node = node
                    if kwargs is None:
                        value = await lazy.task.fn(*args)
                    else:
                        value = await lazy.task.fn(*args, **kwargs)
                except BaseException as error:
                    self._inside = NOBODY
                    if isinstance(error, GeneratorExit) and asyncio.current_task(loop) is driver:
                        self._failed(node, wrapped(error))  # it isn't being closed: raised by fn
                        return
                    self._failed(node, error)
                    if isinstance(error, _CONTROL):
                        closed = isinstance(error, GeneratorExit)
                        raise
                    return
                suspended, self._inside = self._inside != node, NOBODY
                self._has_ended(node, value, bound, driver)
                del args, kwargs, bound, value
                after = getrefcount(driver), getweakrefcount(driver), len(driver._callbacks or ())
                if suspended or after != before or driver.cancelling() or _is_touched(clean):
                    return
                left -= 1
                if not left:
                    left = batch
                    if virtual or monotonic() > until:
                        await asyncio.sleep(0)
                        loop.call_soon(self._relieve)
                        until = monotonic() + SLICE
        except GeneratorExit:
            closed = True
            raise
        finally:
            if not closed:
                self._driver_ended(driver)

    def _relieve(self) -> None:
        """Let another driver go on if the last one is waiting in its node."""
        node = self._inside
        if node != NOBODY:
            self._inside = NOBODY
            self._driving = None
            self._suspending.add(self.plan.graph.nodes[node].task)
            self._go_on()

    def _driver_ended(self, driver: asyncio.Task[None]) -> None:
        self._drivers.pop(driver, None)
        if self._driving is driver:
            self._driving = None
        self._go_on()

    def _driver_cancelled(self, driver: asyncio.Task[None]) -> None:
        """Note the end of a driver that may have been cancelled before it began."""
        self._driver_ended(driver)

    def _start_alone(self, node: int, lazy: LazyResult[Any]) -> None:
        coroutine = self._run_alone(node, lazy.task.fn, self.arguments(node))
        self._alone[node] = self.loop.create_task(
            coroutine, name=lazy.name, context=self._clean.copy()
        )

    async def _run_alone(self, node: int, fn: Callable[..., Any], bound: Bound) -> None:
        args, kwargs = bound
        current_place.set(Place(self, node))
        try:
            self.node_started(node)
            value = await (fn(*args) if kwargs is None else fn(*args, **kwargs))
        except BaseException as error:
            here = asyncio.current_task(self.loop) is self._alone[node]
            del self._alone[node]
            if isinstance(error, GeneratorExit) and here:
                self._failed(node, wrapped(error))  # it isn't being closed: raised by fn
                self._wake_up()
                return
            self._failed(node, error)
            if isinstance(error, GeneratorExit):
                raise
            self._wake_up()
            if isinstance(error, _CONTROL):
                raise
            return
        self._has_ended(node, value, bound, self._alone.pop(node))
        self._go_on()

    def _alone_cancelled(self, node: int, task: asyncio.Task[None]) -> None:
        """Note the end of a node that may have been cancelled before it began."""
        if self._alone.pop(node, None) is not None:
            self._failed(node, asyncio.CancelledError())
        self._wake_up()

    def _has_ended(self, node: int, value: Any, bound: Bound, task: Any) -> None:
        """A coroutine has returned, in a task that it may have cancelled just before."""
        if task._must_cancel:
            self._failed(node, asyncio.CancelledError())
        else:
            self._ended(node, value, bound)

    # The end of a node

    def _ended(self, node: int, value: Any, bound: Bound) -> None:
        if type(value) not in NOT_YET_VALUES:
            self._succeeded(node, value)
        elif self._failure is None:
            self._spawn(node, self._continue(node, bound, value))
        else:  # the run is ending: no further step
            self._failed(node, asyncio.CancelledError())

    def _succeeded(self, node: int, value: Any) -> None:
        bus = self.engine.bus_in_use
        if self.charged or (bus is not None and bus.hot) or self.states[node] != STARTED:
            self.node_ended(node, None)
        self.states[node] = ENDED  # also of a value from a cache, which is there only now
        graph = self.plan.graph
        wanted = graph.consumers[node]
        if wanted:
            self._values[node] = value
        if self._state is None:
            # What `_release` does.
            missing = self._missing
            for other in self._successors[node]:
                left = missing[other] - 1
                missing[other] = left
                if not left:
                    self._ready.append(other)
        else:
            self._unsaved.append((node, value, False))
            if not wanted:
                self._unsaved.append((node, None, True))

    def _release(self, node: int) -> None:
        missing, ready = self._missing, self._ready
        for other in self._successors[node]:
            left = missing[other] - 1
            missing[other] = left
            if not left:
                ready.append(other)

    def _failed(self, node: int, error: BaseException) -> None:
        self.node_ended(node, error)
        if self._failure is None:
            annotate(error, f"in {self.plan.graph.describe(node)}")
            self._failure = error
        elif isinstance(error, asyncio.CancelledError):
            for note in getattr(error, "__notes__", ()):
                annotate(self._failure, note)
        else:
            name = self.plan.graph.nodes[node].name
            annotate(self._failure, f"while it was being cancelled, {name!r} raised {error!r}")


def _is_touched(clean: contextvars.Context) -> bool:
    """Whether the context differs from what every node of a driver starts with."""
    try:
        return contextvars.copy_context() != clean
    except Exception:  # values that can't be compared
        return True


def _first_start(
    call: Callable[[], Any],
    context: contextvars.Context,
    loop: asyncio.AbstractEventLoop,
    queue: ReadyQueue,
    node: int,
    bound: Bound,
) -> Errand | None:
    """Start a call in a thread, and let the queue know how that is done."""
    return queue.way_to_threads()(call, context, loop, queue, node, bound)


def _nowhere(*_: Any) -> None:
    """Stand for that of an executor that has none."""


def wrapped(stop: StopIteration | GeneratorExit) -> RuntimeError:
    """Return what stands for an exception that means something else where coroutines run."""
    error = RuntimeError(f"the function raised {stop!r}")
    error.__cause__ = stop
    return error
