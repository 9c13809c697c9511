"""MachineRun: a target that runs as a machine and needs nothing before: no graph, no plan.

The way of most agents. Thousands of them wait at the same time, so that it keeps little.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any
from weakref import ref

from cascade.runtime.attempts import current_attempt, current_run
from cascade.runtime.notes import annotate
from cascade.runtime.run import Run
from cascade.runtime.trampoline import run_steps

if TYPE_CHECKING:
    from cascade.runtime.engine import Engine
    from cascade.runtime.ticket import Request
    from cascade.spec.lazy import LazyResult


class MachineRun(Run):
    """Runs one node step by step, in the coroutine of whoever runs it.

    Args:
        engine: whose run it is.
        lazy: the call; without dependencies, injected resources and conditions.
    """

    __slots__ = ("_began", "_error", "_holder", "_lazy", "_outer")

    def __init__(self, engine: Engine, lazy: LazyResult[Any]) -> None:
        super().__init__(engine, 1)
        self._lazy = lazy
        self._error: BaseException | None = None

    def lazy_of(self, node: int) -> LazyResult[Any]:
        """Return the call that the machine makes first."""
        return self._lazy

    def owns_task_of(self, node: int) -> bool:
        """False: the asyncio task is that of whoever runs the machine."""
        return False

    def node_in_this_task(self) -> int:
        """The only one."""
        return 0

    def execute(self, use_vm: bool = True) -> Coroutine[Any, Any, Any]:
        """Return the machine's coroutine, so that none stands between it and its caller."""
        lazy = self._lazy
        return run_steps(self, 0, lazy.task, lazy.bound, None, 0, self)

    # What the coroutine of the steps calls, so that no other one has to stand around it

    def begin(self) -> Request | None:
        """The run begins; return what each step takes.

        Raises:
            TypeError, ValueError: an amount isn't valid; it names the resource.
        """
        self.loop = loop = asyncio.get_running_loop()
        self.number(loop)
        self._began = loop.time()
        self.started()
        self._outer = current_run.get()
        current_run.set(ref(self))
        holder = current_attempt.get()
        self._holder = holder if holder is not None and holder.waits(loop) else None
        self.engine.enter(self)
        constraints = self._lazy.policies.constraints
        if not constraints:
            return None
        request = self.engine.resource_manager.prepare(dict(constraints))
        return request if request.pairs else None

    def failed(self, error: BaseException) -> None:
        """The machine has failed, or was cancelled."""
        annotate(error, f"in task {self._lazy.name!r} (node 1 of 1)")
        self._error = error

    def end(self) -> Coroutine[Any, Any, None] | None:
        """The run ends; return what is left to be awaited, if anything."""
        error, self._error = self._error, None
        try:
            engine = self.engine
            self.node_ended(0, error)
            if self._holder is not None:
                self._holder.goes_on()
            engine.leave(self)
            if isinstance(error, GeneratorExit):  # its loop was closed: nothing can be awaited
                self.finished(self._began, error)
                return None
            current_run.set(self._outer)
            if self.scope is not None or engine.must_close_executor():
                return engine.clean_up_and_finish(self, self._began, None, error)
            self.finished(self._began, error)
            return None
        finally:
            error = None
