"""One node with policies or injected resources: set up, ask, run, give back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cascade.runtime.caching import run_cached
from cascade.runtime.map_run import run_map
from cascade.runtime.trampoline import close_scope, run_steps
from cascade.spec.lazy import LazyResult

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from cascade.runtime.graph_run import GraphRun
    from cascade.runtime.ticket import Request
    from cascade.spec.binding import Bound


def run_node(run: GraphRun, node: int) -> Coroutine[Any, Any, Any]:
    """Return what runs a node whose inputs are there and whose condition holds.

    Raises:
        TypeError, ValueError: a computed amount isn't a number ≥ 0; it names the resource.
    """
    lazy = run.lazy_of(node)
    if lazy.policies.mapped is not None:
        return _run_map(run, node)
    if lazy.policies.cache is not None:
        return run_node_cached(run, node)
    if lazy.injections:
        return _run_with_resources(run, node)
    request = amounts_of(run, node)
    return run_steps(run, node, lazy.task, run.arguments(node), request)


async def _run_map(run: GraphRun, node: int) -> list[Any]:
    error: BaseException | None = None
    try:
        (_, arguments), request = await prepare_node(run, node)
        return await run_map(run, node, arguments or {}, request)
    except BaseException as raised:
        error = raised
        raise
    finally:
        if run.scope is not None and run.scope.has_node(run, node):
            await close_scope(run, node, error)
        error = None


async def run_node_cached(run: GraphRun, node: int) -> Any:
    """Return the value of a node from its cache, or run it."""
    lazy = run.lazy_of(node)
    policy = lazy.policies.cache
    assert policy is not None

    async def compute() -> Any:
        return await _run_with_resources(run, node)

    value, hit = await run_cached(run, policy, lazy.task, run.described(node), compute)
    if hit:
        run.node_from_cache(node)
    return value


async def _run_with_resources(run: GraphRun, node: int) -> Any:
    task = run.lazy_of(node).task
    # Not by way of a name: an endless machine must not keep the arguments of its first step.
    return await run_steps(run, node, task, *await prepare_node(run, node))


async def prepare_node(run: GraphRun, node: int) -> tuple[Bound, Request | None]:
    """Return the arguments of a node, and what it takes while it runs.

    Resources are set up before slots are asked for: nobody holds a slot while a set-up goes on.
    """
    lazy = run.lazy_of(node)
    request = amounts_of(run, node)
    names, mapped = lazy.injections, lazy.policies.mapped
    if mapped is not None:
        names = tuple([name for name in names if name not in mapped.defaults])
    if names:
        await run.injections().of_node(run, node, names).open(names)
    return run.arguments(node), request


def amounts_of(run: GraphRun, node: int) -> Request | None:
    """Return what a node takes while it runs, with computed amounts filled in.

    Raises:
        TypeError, ValueError: a computed amount isn't a number ≥ 0; it names the resource.
    """
    lazy = run.lazy_of(node)
    constraints = lazy.policies.constraints
    if not constraints:
        return None
    amounts = {
        name: run.value_of(amount) if isinstance(amount, LazyResult) else amount
        for name, amount in constraints
    }
    request = run.engine.resource_manager.prepare(amounts)
    return request if request.pairs else None
