"""Feasibility: what of a request could not be granted as limits are now, without asking for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cascade.runtime.grant_queue import infeasible
from cascade.runtime.lanes import Resource
from cascade.runtime.resource_manager import ResourceManager
from cascade.spec.amounts import check_amount, from_units, to_units
from cascade.spec.checks import shown


@dataclass(frozen=True, slots=True)
class Obstacle:
    """Why an amount would not be granted, or might not be meant."""

    reason: str
    """In words."""
    stops: bool
    """Whether who wants it fails or waits; otherwise it only looks wrong."""


class Limits:
    """The limits that a run would have, to be looked at; nothing is taken and nothing changes.

    Args:
        manager: the manager that would be injected, or None.
        system_resources: the capacities that would be merged into it, or None.

    Raises:
        TypeError, ValueError: what the engine would raise for them.
    """

    def __init__(
        self, manager: ResourceManager | None, system_resources: Mapping[str, float | None] | None
    ) -> None:
        if manager is not None and not isinstance(manager, ResourceManager):
            raise TypeError(f"resource_manager must be a ResourceManager, got {shown(manager)}")
        if system_resources is not None and not isinstance(system_resources, Mapping):
            raise TypeError(
                "system_resources must map resource names to amounts, "
                f"got {shown(system_resources)}"
            )
        merged: dict[str, Resource] = {}
        for name, amount in (system_resources or {}).items():
            (manager or ResourceManager())._check_kind(name, "capacity")
            if amount is not None:
                check_amount(name, amount)
            resource = merged[name] = Resource(name)
            resource.kind = "capacity"
            resource.limit = None if amount is None else to_units(amount)
        # A manager of its own that knows the very same resources: the other one is only read.
        self._view = ResourceManager(strict=manager is not None and manager._strict)
        self._view._resources = {**(manager._resources if manager else {}), **merged}

    def obstacle(self, name: str, amount: Any) -> Obstacle | None:
        """Return what stands against so much of a resource, or None."""
        units = to_units(amount)
        if not units:
            return None
        resource = self._view._resources.get(name)
        if resource is None or resource.kind is None:
            return self._unknown(name)
        wanted = f"{from_units(units):.15g}"
        if resource.is_closed() and not resource.fails():
            return Obstacle(f"{wanted} of {name!r} is wanted, and {_closed(resource)}", True)
        if not resource.is_below(units):
            return None
        if resource.kind == "budget" and not resource.fails():
            left = f"{from_units(resource.most()):.15g}"
            return Obstacle(
                f"{wanted} of {name!r} is wanted, and {left} is left of this budget: "
                "it waits until there is more",
                True,
            )
        return Obstacle(str(infeasible(resource, units)), True)

    def _unknown(self, name: str) -> Obstacle | None:
        view = self._view
        if view._strict:
            try:
                view._check_known(name)
            except ValueError as error:
                return Obstacle(str(error), True)
        if not any(resource.kind for resource in view._resources.values()):
            return None
        return Obstacle(
            f"the resource {name!r} has no limit, so it is unlimited; {view._hint(name)}", False
        )


def _closed(resource: Resource) -> str:
    if resource.kind == "gate":
        return "this gate is closed: it waits until somebody opens it"
    if resource.kind == "budget":
        return "nothing is left of this budget: it waits until there is more"
    return "its capacity is 0, a pause: it waits until that is raised"
