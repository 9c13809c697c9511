"""TailCall: a task that starts again, step after step, in one coroutine and constant memory."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from functools import partial
from time import monotonic
from types import CoroutineType
from typing import TYPE_CHECKING, Any

from cascade.ports import ProcessCall
from cascade.runtime.current import Place, current_place, note_attempt
from cascade.runtime.deadlines import Deadline, Watched, too_long
from cascade.runtime.notes import annotate, raise_first
from cascade.runtime.resource_scopes import check_injections
from cascade.runtime.run import to_the_end
from cascade.runtime.timers import wait_until
from cascade.runtime.turns import turn_of
from cascade.spec.flow import LazyItem
from cascade.spec.inputs import Env, Param
from cascade.spec.lazy import LazyMap, LazyResult
from cascade.spec.resource import Inject
from cascade.spec.routing import Router
from cascade.spec.tail_call import TailCall

if TYPE_CHECKING:
    from cascade.runtime.attempts import Attempt
    from cascade.runtime.machine_run import MachineRun
    from cascade.runtime.run import Run
    from cascade.runtime.ticket import Request
    from cascade.spec.binding import Bound
    from cascade.spec.task import Task


NOT_VALUES = frozenset({LazyResult, LazyMap, LazyItem, Router, Param, Env, CoroutineType})
"""Types of what is no result of a task: something that nobody would run."""
NOT_YET_VALUES = NOT_VALUES | {TailCall}
"""The same, and what says how the task goes on."""


async def run_steps(
    run: Run,
    node: int,
    task: Task[Any],
    bound: Bound,
    request: Request | None = None,
    steps: int = 0,
    machine: MachineRun | None = None,
) -> Any:
    """Call a task until it returns something else than a `TailCall`, and return that.

    Each step takes what `request` names and gives it back when the function returns. When it fails
    and is to be tried again, it gives that back before the pause and queues anew after it.

    Args:
        run: the run that the node belongs to.
        node: the number of the node.
        task: what to call first.
        bound: its arguments.
        request: what every step takes; None for nothing.
        steps: how many steps the node has made already.
        machine: the run, if this is all of it: it begins and ends with this coroutine then.
    """
    # Thousands of machines wait at the same time: each local of this function costs all of them.
    engine = run.engine
    version = 0
    asker = attempt = ticket = pause = None
    turn = None  # looked up with the second step: most nodes have only one
    left = mark = 0
    tries = 1
    values, keywords = bound
    del bound  # the next step must not keep what only this one needed
    mode, timeout = _how(run, node, task)
    try:
        if machine is not None:
            request = machine.begin()
        elif run.owns_task_of(node):
            current_place.set(Place(run, node))
        declared = request
        while True:
            manager = engine.manager_in_use
            if manager is not None:
                if manager.rules is not None and manager.rules.version != version:
                    version, asker = manager.rules.version, run.asker(node, task)
                    request = manager.rules.request_for(declared, asker)
                if request is not None:
                    if attempt is None:
                        attempt = run.begin_attempt(node)
                    if asker is None:
                        asker = run.asker(node, task)
                    if run.charged:
                        run.end_charge(node)
                    ticket = manager.take(request, asker)
                    if ticket is None:
                        bus = engine.bus_in_use
                        if bus is not None and bus.hot:
                            ticket = await run.wait_for(node, request, asker)
                        else:
                            ticket = await manager.wait(request, asker, None, asker.priority)
                    attempt.ticket = ticket
            try:
                if not steps and tries == 1:
                    run.node_started(node)
                if timeout is not None:
                    result = await _in_time(run, task, (values, keywords), timeout, attempt)
                elif mode == "async":
                    if keywords is None:
                        result = await task.fn(*values)
                    else:
                        result = await task.fn(*values, **keywords)
                elif mode == "inline":
                    result = task.fn(*values) if keywords is None else task.fn(*values, **keywords)
                else:
                    # Not by way of a name: what it raises knows this frame.
                    result = await _outcome(
                        engine.executor.execute(
                            partial(task.fn, *values, **(keywords or {}))
                            if mode == "thread"
                            else away(task, values, keywords),
                            mode,
                            timeout=None,
                        ),
                        task.name,
                    )
            except Exception as error:
                pause = run.pause_after(node, tries, error)
                if pause is None:
                    raise
            finally:
                if ticket is not None and attempt is not None:
                    if attempt.ticket is ticket:
                        ticket.release()
                    attempt.ticket = ticket = None
                elif run.charged:
                    run.end_charge(node)
            if pause is not None:
                tries += 1
                note_attempt(run, node, tries)
                await asyncio.sleep(0) if not pause else await wait_until(run.loop.time() + pause)
                pause = None
                run.node_resumed(node, tries)
                continue
            if type(result) is not TailCall:
                if type(result) in NOT_VALUES:
                    check_value(task, result)
                return result
            steps += 1
            if tries > 1:
                tries = 1
                note_attempt(run, node, tries)
            if result.to is None:
                if result.kwargs or len(result.args) != task.binder.count:
                    values, keywords = task.binder.overlay(
                        (values, keywords), result.args, result.kwargs
                    )
                else:  # what `overlay` comes to if all arguments are given by place
                    values = result.args
            else:
                task = result.to
                values, keywords = await inject(
                    run, node, task.binder.bind(*result.args, **result.kwargs)
                )
                mode, timeout = _how(run, node, task)
                version = -1  # another task may be in the scope of other rules
            bus = engine.bus_in_use
            if bus is not None and bus.hot:
                run.node_stepped(node, steps)
            if turn is None:
                turn = turn_of(run.loop)
                left = turn.quota
            left -= 1
            if left > 0:
                continue
            if left == 0:
                mark = turn.mark(run.loop)
            elif turn.number != mark:
                left = turn.quota
            elif turn.virtual or monotonic() > turn.ends_at:
                await asyncio.sleep(0)
                left = turn.quota
    except BaseException as error:
        if machine is not None:
            machine.failed(error)
        if run.scope is not None and run.scope.has_node(run, node):
            await close_scope(run, node, error)
        raise
    finally:
        if run.scope is not None and run.scope.has_node(run, node):
            await close_scope(run, node, None)
        if attempt is not None:
            run.end_attempt(node, attempt)
        if machine is not None and (further := machine.end()) is not None:
            await further


def _how(run: Run, node: int, task: Task[Any]) -> tuple[str, float | None]:
    """Return where a task runs, and how many seconds it may take."""
    timeout = run.policies_of(node).timeout
    return task.mode, task.timeout if timeout is None else timeout


async def _in_time(
    run: Run, task: Task[Any], bound: Bound, timeout: float, attempt: Attempt | None
) -> Any:
    """Make one call that may take `timeout` seconds.

    Raises:
        TimeoutError: it took longer.
    """
    values, keywords = bound
    call = partial(task.fn, *values, **(keywords or {}))
    if task.mode == "async":
        with Deadline(task.name, timeout, attempt, run.loop):
            return await call()
    if task.mode == "inline":
        began = run.loop.time()
        result = call()
        if run.loop.time() - began > timeout:
            raise too_long(task.name, timeout)
        return result
    if task.mode == "process":
        # Cancelling ends the process, and what it holds can go back: nothing is left behind.
        with Deadline(task.name, timeout, attempt, run.loop):
            executor = run.engine.executor
            return await _outcome(
                executor.execute(away(task, values, keywords), task.mode, timeout=None), task.name
            )
    watched = Watched(call)
    try:
        executor = run.engine.executor
        return await _outcome(executor.execute(watched, task.mode, timeout=timeout), task.name)
    except TimeoutError:
        if watched.over:
            raise  # the function's own
        if attempt is not None and watched.leave(attempt.ticket):
            attempt.ticket = None
        raise too_long(task.name, timeout) from None


def away(task: Task[Any], values: tuple[Any, ...], keywords: dict[str, Any] | None) -> ProcessCall:
    """Return what an executor is to call for a task in a process."""
    return ProcessCall(task.fn, values, keywords or {}, task.name)


def check_value(task: Task[Any], result: object) -> None:
    """Refuse what nobody would run.

    Raises:
        TypeError: naming the task, and what to return instead.
    """
    if isinstance(result, LazyResult):
        raise TypeError(
            f"task {task.name!r} returned the lazy result {result!r}, which nobody would "
            "run: return its value, or a TailCall"
        )
    if isinstance(result, CoroutineType):
        result.close()
        raise TypeError(
            f"task {task.name!r} returned the coroutine {result.__qualname__!r}, which nobody "
            "would await: make the task an async def and return the awaited value"
        )


async def _outcome(job: Awaitable[Any], name: str) -> Any:
    """Wait for a call elsewhere, also when cancelled: it ends when nothing of it goes on.

    A cancellation is raised then, and what the call has raised is noted on it.
    """
    future = asyncio.ensure_future(job)
    try:
        return await future
    except asyncio.CancelledError as cancelled:
        if future.done() and not future.cancelled() and future.exception() is not None:
            annotate(cancelled, f"{name!r} raised meanwhile: {future.exception()!r}")
        raise
    finally:
        del future, job  # what it has raised knows this frame


def next_step(task: Task[Any], bound: Bound, tail: TailCall) -> tuple[Task[Any], Bound]:
    """Return what a TailCall says to call next, and with which arguments."""
    if tail.to is None:
        return task, task.binder.overlay(bound, tail.args, tail.kwargs)
    return tail.to, tail.to.binder.bind(*tail.args, **tail.kwargs)


async def close_scope(run: Run, node: int, failure: BaseException | None) -> None:
    """Tear down what a node has for itself.

    What that raises is noted on what the node has raised; otherwise the first of it is raised.
    """
    if isinstance(failure, GeneratorExit) or run.scope is None:
        return  # its loop was closed: nothing can be awaited
    try:
        raise_first(await to_the_end(run.scope.close_node(run, node)), failure)
    finally:
        failure = None  # the frame may be in its traceback


async def inject(run: Run, node: int, bound: Bound) -> Bound:
    """Replace the injections among arguments by the resources, setting them up if need be."""
    values, keywords = bound
    names = [value.name for value in values if type(value) is Inject]
    if keywords is not None:
        names += [value.name for value in keywords.values() if type(value) is Inject]
    if not names:
        return bound
    check_injections(names, run.engine.definitions, run.engine.connector is not None)
    found = await run.injections().of_node(run, node, names).open(names)
    filled = tuple([found[v.name] if type(v) is Inject else v for v in values])
    if keywords is not None:
        keywords = {
            name: found[value.name] if type(value) is Inject else value
            for name, value in keywords.items()
        }
    return filled, keywords
