"""Policies: what was said about a call beside its arguments."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cascade.spec.lazy import LazyResult


@dataclass(frozen=True, slots=True, eq=False)
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
    needed: tuple[LazyResult[Any], ...] = ()
    """The lazy results among constraints and conditions: their values are needed."""

    def same_as(self, other: Policies) -> bool:
        """Whether both say the same; lazy results in them count as the same only by identity."""
        mine, theirs = dict(self.constraints), dict(other.constraints)
        return (
            self.name == other.name
            and mine.keys() == theirs.keys()
            and all(_same(mine[name], theirs[name]) for name in mine)
            and len(self.conditions) == len(other.conditions)
            and all(map(_same, self.conditions, other.conditions))
            and len(self.after) == len(other.after)
            and all(map(_same, self.after, other.after))
        )


def _same(one: Any, other: Any) -> bool:
    if one is other:
        return True
    return type(one) is type(other) and isinstance(one, (int, float, str)) and one == other


NO_POLICIES = Policies()
"""What holds for a call about which nothing was said."""
