"""dry_run(): what a run would do, and what would stop it. Nothing runs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from cascade.errors import InjectionError, MissingInputError
from cascade.graph.build import build
from cascade.graph.forecast import DryRun, Problem, forecast
from cascade.graph.model import Graph, Plan
from cascade.runtime.feasibility import Limits
from cascade.runtime.resource_manager import ResourceManager
from cascade.runtime.resource_scopes import check_injections
from cascade.spec.checks import shown
from cascade.spec.inputs import resolve_inputs
from cascade.spec.lazy import LazyResult
from cascade.spec.resource import ResourceDefinition


def dry_run(
    target: Any,
    *,
    params: Mapping[str, Any] | None = None,
    system_resources: Mapping[str, float | None] | None = None,
    resource_manager: ResourceManager | None = None,
    resources: Iterable[ResourceDefinition] | None = None,
) -> DryRun:
    """Return what a run would do, and what would stop it. Nothing runs, and no event is sent.

    Args:
        target: a lazy result, or a list, tuple or dict that holds some; or a plan.
        params: values for the parameters that the workflow declares, as for `run`.
        system_resources: capacities, as for `run`.
        resource_manager: the limits, as for `run`. They are looked at as they are now, and stay
            as they are. Live rules aren't looked at.
        resources: what the engine would have registered, to find injections that are unknown;
            None doesn't look for any.

    Returns:
        The nodes in order with their needs, policies and dependencies; the longest way; and as
        `DryRun.problems` amounts that can't be granted as limits are now, names that a strict
        manager doesn't know, inputs that are missing or wrong, and unknown injections. Its text is
        a tree.

    Raises:
        TypeError: `target` holds something, but no lazy result, or an argument is of another type.
        ValueError: a capacity isn't valid.
        GraphError: two variants of one call are in the graph.
    """
    if params is not None and not isinstance(params, Mapping):
        raise TypeError(f"params must map names of parameters to values, got {shown(params)}")
    limits = Limits(resource_manager, system_resources)
    plan = target if isinstance(target, Plan) else _plan_of(build(target))
    stopping, suspicious = _Findings(), _Findings()
    _check_inputs(plan.graph, params, stopping)
    for node, lazy in enumerate(plan.graph.nodes):
        for name, amount in lazy.policies.constraints:
            if isinstance(amount, LazyResult):
                continue
            obstacle = limits.obstacle(name, amount)
            if obstacle is not None:
                findings = stopping if obstacle.stops else suspicious
                findings.add(name, obstacle.reason, plan.graph.id_of(node))
    if resources is not None:
        _check_resources(plan.graph, resources, stopping)
    return forecast(plan, stopping.problems(), suspicious.problems())


def _plan_of(graph: Graph) -> Plan:
    return Plan(graph, range(len(graph)))


class _Findings:
    """Problems, each once, with the calls that have it."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, str], list[str]] = {}

    def add(self, subject: str, reason: str, *tasks: str) -> None:
        self._found.setdefault((subject, reason), []).extend(tasks)

    def problems(self) -> tuple[Problem, ...]:
        return tuple(
            [
                Problem(subject, reason, tuple(tasks))
                for (subject, reason), tasks in self._found.items()
            ]
        )


def _check_inputs(graph: Graph, params: Mapping[str, Any] | None, findings: _Findings) -> None:
    if not graph.inputs and params is None:
        return
    try:
        resolve_inputs(graph.inputs.values(), params)
    except MissingInputError as error:
        findings.add(", ".join(error.names), str(error))
    except (TypeError, ValueError) as error:
        findings.add("params", str(error))


def _check_resources(
    graph: Graph, resources: Iterable[ResourceDefinition], findings: _Findings
) -> None:
    definitions: dict[str, ResourceDefinition] = {}
    for definition in resources:
        if not isinstance(definition, ResourceDefinition):
            raise TypeError(
                "resources must hold what @cs.resource makes of generator functions, "
                f"got {shown(definition)}"
            )
        definitions[definition.name] = definition
    reasons: dict[str, str | None] = {}
    for node, lazy in enumerate(graph.nodes):
        for name in lazy.injections:
            if name not in reasons:
                reasons[name] = _unknown(name, definitions)
            reason = reasons[name]
            if reason is not None:
                findings.add(name, reason, graph.id_of(node))


def _unknown(name: str, definitions: Mapping[str, ResourceDefinition]) -> str | None:
    try:
        # Whether the engine has a connector isn't known here: it counts as one that has.
        check_injections([name], definitions, has_connector=True)
    except InjectionError as error:
        return str(error)
    return None
