"""Policies: what was said about a call beside its arguments."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cascade.spec.lazy import LazyResult


@dataclass(frozen=True, slots=True)
class Policies:
    """What the chain methods of a lazy result have said; a value, shared between variants."""

    constraints: tuple[tuple[str, Any], ...] = ()
    """What the task takes while it runs: (resource, amount), where an amount may be lazy."""
    conditions: tuple[Any, ...] = ()
    """The task runs only if all of these are true; each may be lazy."""
    after: tuple[LazyResult[Any], ...] = ()
    """What must have ended before the task starts."""
    name: str | None = None
    """The name given by `.named()`."""
    needed: tuple[LazyResult[Any], ...] = field(default=(), compare=False)
    """The lazy results among constraints and conditions: their values are needed."""


NO_POLICIES = Policies()
"""What holds for a call about which nothing was said."""
