"""MachineRun: a target that runs as a machine and needs nothing before: no graph, no plan.

The way of most agents. Thousands of them wait at the same time, so that it keeps little.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any

from cascade.runtime.notes import annotate
from cascade.runtime.run import Run
from cascade.runtime.trampoline import run_steps

if TYPE_CHECKING:
    from cascade.runtime.engine import Engine
    from cascade.spec.lazy import LazyResult


class MachineRun(Run):
    """Runs one node step by step, in the coroutine of whoever runs it.

    Args:
        engine: whose run it is.
        lazy: the call; without dependencies, injected resources and conditions.
        loop: the running loop.
    """

    __slots__ = ("_entered", "_lazy")

    def __init__(
        self, engine: Engine, lazy: LazyResult[Any], loop: asyncio.AbstractEventLoop
    ) -> None:
        super().__init__(engine, loop, 1)
        self._lazy = lazy
        self._entered = False

    def lazy_of(self, node: int) -> LazyResult[Any]:
        """Return the call that the machine makes first."""
        return self._lazy

    def owns_task_of(self, node: int) -> bool:
        """False: the asyncio task is that of whoever runs the machine."""
        return False

    def execute(self, use_vm: bool = True) -> Coroutine[Any, Any, Any]:
        """Return the machine's coroutine, so that none stands between it and its caller.

        Raises:
            TypeError, ValueError: an amount isn't valid; it names the resource.
        """
        self._entered = True
        lazy, request = self._lazy, None
        constraints = lazy.policies.constraints
        if constraints:
            request = self.engine.resource_manager.prepare(dict(constraints))
            if not request.pairs:
                request = None
        return run_steps(self, 0, lazy.task, lazy.bound, request)

    def ended(self, error: BaseException | None) -> None:
        """Tell the end of the node, which is that of the run."""
        if error is not None and self._entered:
            annotate(error, f"in task {self._lazy.name!r} (node 1 of 1)")
        self.node_ended(0, error)
