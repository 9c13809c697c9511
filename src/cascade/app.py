"""run() and arun(): the batteries chosen, for those who need no engine of their own."""

from __future__ import annotations

import asyncio
import contextvars
import signal
import threading
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterator, Mapping
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING, Any, TypedDict, TypeVar, Unpack, overload

from cascade.errors import NestedRunError
from cascade.graph.build import check_target
from cascade.runtime.attempts import current_attempt, current_run
from cascade.runtime.engine import Engine
from cascade.runtime.run import to_the_end
from cascade.spec.checks import check_duration
from cascade.spec.flow import tap

if TYPE_CHECKING:
    from cascade.ports import CacheBackend, Connector, Executor, Solver
    from cascade.runtime.bus import MessageBus
    from cascade.runtime.resource_manager import ResourceManager
    from cascade.spec.lazy import LazyResult


T = TypeVar("T")


class RunOptions(TypedDict, total=False):
    """The keyword arguments of `run` and `arun`, which has what each of them means."""

    params: Mapping[str, Any] | None
    system_resources: Mapping[str, float | None] | None
    resource_manager: ResourceManager | None
    executor: Executor | None
    timeout: float | None
    bus: MessageBus | None
    connector: Connector | None
    cache_backend: CacheBackend | None
    solver: Solver | None
    use_vm: bool


@overload
async def arun(target: LazyResult[T], **options: Unpack[RunOptions]) -> T: ...
@overload
async def arun(target: Any, **options: Unpack[RunOptions]) -> Any: ...
async def arun(
    target: Any,
    *,
    params: Mapping[str, Any] | None = None,
    system_resources: Mapping[str, float | None] | None = None,
    resource_manager: ResourceManager | None = None,
    executor: Executor | None = None,
    timeout: float | None = None,
    bus: MessageBus | None = None,
    connector: Connector | None = None,
    cache_backend: CacheBackend | None = None,
    solver: Solver | None = None,
    use_vm: bool = False,
) -> Any:
    """Run a workflow in async code and return its result.

    Args:
        target: a lazy result, or a list, tuple or dict that holds some.
        params: values for the parameters that the workflow declares.
        system_resources: capacities of resources, such as ``{"gpu": 2}``.
        resource_manager: the limits, to share them with other runs.
        executor: runs thread and process tasks.
        timeout: seconds for the whole run; after that it is cancelled.
        bus: receives the events.
        connector: joins the run to a broker.
        cache_backend: where cached values are kept; by default in memory, with each task.
        solver: decides the order of nodes.
        use_vm: run the target step by step as a machine.

    Raises:
        TimeoutError: the run took longer than `timeout`.
        TypeError, ValueError: an argument isn't valid.
        BaseException: what the first failing task raised; see `Engine.run`.
    """
    if timeout is not None:
        timeout = check_duration("timeout", timeout)
    engine = Engine(
        solver=solver,
        executor=executor,
        bus=bus,
        system_resources=system_resources,
        connector=connector,
        cache_backend=cache_backend,
        resource_manager=resource_manager,
    )
    async with asyncio.timeout(timeout):
        return await engine.run(target, params=params, use_vm=use_vm)


async def astream(
    target: Any, **options: Unpack[RunOptions]
) -> AsyncGenerator[tuple[Any, Any], None]:
    """Run a workflow in async code and yield its results as they come.

    Leaving the loop early cancels the run, once the generator is closed; `contextlib.aclosing`
    closes it at once.

    Args:
        target: a list, tuple or dict of lazy results, or of what holds some; a single lazy result.
        **options: as for `arun`.

    Yields:
        The index, or the key, of each part of the target (of a single lazy result its name), and
        its value; in the order in which they are there.

    Raises:
        TypeError: `target` holds no lazy result.
        BaseException: what the first failing task raised; what was there before has been yielded.
    """
    check_target(target)
    queue: asyncio.Queue[tuple[Any, Any] | None] = asyncio.Queue()

    def deliver(key: Any, value: Any) -> None:
        queue.put_nowait((key, value))

    if isinstance(target, dict):
        parts = list(target.items())
    elif isinstance(target, (list, tuple)):
        parts = list(enumerate(target))
    else:
        parts = [(target.name, target)]
    taps = [tap(deliver, key, value) for key, value in parts]
    running = asyncio.ensure_future(arun(taps, **options))
    running.add_done_callback(lambda _: queue.put_nowait(None))
    try:
        while (found := await _next_in(queue)) is not None:
            yield found
        await running
    finally:
        if not running.done():
            running.cancel()
            await to_the_end(asyncio.wait([running]))


async def _next_in(queue: asyncio.Queue[T]) -> T:
    """Return what comes next. A task that holds something is known to wait for it meanwhile."""
    holder = current_attempt.get()
    if holder is None or not queue.empty() or not holder.waits(asyncio.get_running_loop()):
        return await queue.get()
    try:
        if holder.ticket is not None:  # what the run waits for may be just that
            holder.ticket.manager.break_deadlocks()
        return await queue.get()
    finally:
        holder.goes_on()


@overload
def run(target: LazyResult[T], **options: Unpack[RunOptions]) -> T: ...
@overload
def run(target: Any, **options: Unpack[RunOptions]) -> Any: ...
def run(
    target: Any,
    *,
    params: Mapping[str, Any] | None = None,
    system_resources: Mapping[str, float | None] | None = None,
    resource_manager: ResourceManager | None = None,
    executor: Executor | None = None,
    timeout: float | None = None,
    bus: MessageBus | None = None,
    connector: Connector | None = None,
    cache_backend: CacheBackend | None = None,
    solver: Solver | None = None,
    use_vm: bool = False,
) -> Any:
    """Run a workflow in plain code and return its result; parameters as for `arun`.

    Where an event loop already runs in this thread (a notebook), the run gets a thread and a loop
    of its own.

    Raises:
        NestedRunError: called inside a task: there, use ``await cs.arun(...)``.
        TimeoutError: the run took longer than `timeout`.
        TypeError, ValueError: an argument isn't valid.
        BaseException: what the first failing task raised; see `Engine.run`.
    """
    if current_run.get() is not None:
        raise NestedRunError(
            "cs.run() inside a task would block the run it is part of: "
            "make the task an async def and use `await cs.arun(...)` there"
        )
    if timeout is not None:
        timeout = check_duration("timeout", timeout)
    coroutine = arun(
        target,
        params=params,
        system_resources=system_resources,
        resource_manager=resource_manager,
        executor=executor,
        timeout=timeout,
        bus=bus,
        connector=connector,
        cache_backend=cache_backend,
        solver=solver,
        use_vm=use_vm,
    )
    # Not in an except clause: every failure of a task would be told as one of looking for a loop.
    return _run_in_thread(coroutine) if _a_loop_runs_here() else asyncio.run(coroutine)


def _a_loop_runs_here() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


@contextmanager
def _on_interrupt(do: Callable[[], None]) -> Iterator[None]:
    """Call `do` at Ctrl-C, before whatever else happens then.

    Under `asyncio.run` that is only a request to the running task, which is waiting here and
    wouldn't hear of it.
    """
    before = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or not callable(before):
        yield
        return

    def interrupt(number: int, frame: FrameType | None) -> None:
        do()
        before(number, frame)

    signal.signal(signal.SIGINT, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _run_in_thread(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """Run a coroutine on a loop of its own in another thread, and wait for it here."""
    outcome: list[Any] = []
    failure: list[BaseException] = []
    loop: list[asyncio.AbstractEventLoop] = []
    main: list[asyncio.Task[Any]] = []
    ended = threading.Event()

    async def recorded() -> Any:
        loop.append(asyncio.get_running_loop())
        task = asyncio.current_task()
        assert task is not None
        main.append(task)
        return await coroutine

    def work() -> None:
        try:
            outcome.append(asyncio.run(recorded()))
        except BaseException as error:
            failure.append(error)
        finally:
            ended.set()

    def cancel() -> None:
        if main and not loop[0].is_closed():
            loop[0].call_soon_threadsafe(main[0].cancel)

    context = contextvars.copy_context()
    thread = threading.Thread(target=context.run, args=(work,), name="cascade-run")
    with _on_interrupt(cancel):
        thread.start()
        try:
            # Not join(): one that is interrupted takes the thread for ended from then on.
            ended.wait()
        except KeyboardInterrupt:
            ended.wait()
            raise
        finally:
            thread.join()
    if failure:
        raise failure.pop()
    return outcome[0]
