"""Router: of several branches only the chosen one runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self, TypeVar, cast

from cascade.spec.checks import shown
from cascade.spec.lazy import LazyResult, make_lazy
from cascade.spec.template import find_leaf

T_co = TypeVar("T_co", covariant=True)

_ALLOWED = frozenset({"conditions", "after", "name"})


class Router(LazyResult[T_co]):
    """The value of one of several branches, chosen while the workflow runs.

    Used like any lazy result. Only the chosen branch runs; the others, and what only they need,
    are skipped ("Pruned").
    """

    __slots__ = ()
    is_call = False

    def __new__(cls, selector: Any, branches: Mapping[Any, LazyResult[T_co]]) -> Router[T_co]:
        """Declare the choice.

        Args:
            selector: a lazy result, or a value, that is the key of the branch to take.
            branches: the lazy results to choose from, by key.

        Raises:
            TypeError: `branches` isn't a mapping of lazy results, or `selector` is a task that
                wasn't called, or a container with lazy results in it, which would be no key.
            ValueError: there are none.
        """
        from cascade.spec.task import ROUTER, Task

        if isinstance(selector, Task):
            raise TypeError(
                f"selector must be a call of a task, got {selector!r} itself: call it first"
            )
        held = None if isinstance(selector, LazyResult) else find_leaf(selector, LazyResult)
        if held is not None:
            raise TypeError(
                f"selector must be one lazy result, got {shown(selector)}, which holds {held!r}: "
                "compute the key in a task"
            )
        if not isinstance(branches, Mapping):
            raise TypeError(f"branches must map keys to lazy results, got {shown(branches)}")
        if not branches:
            raise ValueError("a Router needs at least one branch, got none")
        for key, branch in branches.items():
            if not isinstance(branch, LazyResult):
                raise TypeError(f"branch {key!r} must be a lazy result, got {shown(branch)}")
        found = [selector] if isinstance(selector, LazyResult) else []
        dependencies = tuple({id(lazy): lazy for lazy in [*found, *branches.values()]}.values())
        keys, values = tuple(branches), tuple(branches.values())
        made: Any = make_lazy(ROUTER, ((selector, keys, values), None), dependencies, kind=cls)
        return cast("Router[T_co]", made)

    def __init__(self, selector: Any, branches: Mapping[Any, LazyResult[T_co]]) -> None:
        """All is done by `__new__`."""

    @property
    def selector(self) -> Any:
        """What chooses."""
        return self.bound[0][0]

    @property
    def keys(self) -> tuple[Any, ...]:
        """The keys of the branches."""
        keys: tuple[Any, ...] = self.bound[0][1]
        return keys

    @property
    def branches(self) -> tuple[LazyResult[T_co], ...]:
        """The branches, in the order of their keys."""
        branches: tuple[LazyResult[T_co], ...] = self.bound[0][2]
        return branches

    def _with(self, **changes: Any) -> Self:
        refused = ", ".join(changes.keys() - _ALLOWED)
        if refused:
            raise TypeError(
                f"{self!r} is a choice, not a call: say it about its branches ({refused})"
            )
        return super()._with(**changes)

    def __repr__(self) -> str:
        keys = ", ".join(map(repr, self.keys))
        return f"<Router {self.policies.name or ''}#{self.call} of {keys}>"
