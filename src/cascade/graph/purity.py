"""Pure tasks: calls of equal content, about which the same was said, become one node."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from cascade.spec.content import digest_of
from cascade.spec.lazy import LazyResult
from cascade.spec.resource import Inject
from cascade.spec.template import Template


@dataclass(frozen=True, slots=True)
class _ValueOf:
    """Stands for the value of a node."""

    node: int


def merged(nodes: Iterable[LazyResult[Any]]) -> tuple[list[LazyResult[Any]], dict[int, int]]:
    """Return the nodes that are left, and the number of the node for each call.

    Args:
        nodes: lazy results, in topological order. The first of equal ones stands for all of them.
    """
    kept: list[LazyResult[Any]] = []
    numbers: dict[int, int] = {}
    known: dict[tuple[int, bytes], list[int]] = {}
    for lazy in nodes:
        if lazy.task.pure and type(lazy) is LazyResult:
            content = _content(lazy, numbers)
            if content is not None:
                same = known.setdefault((id(lazy.task), content), [])
                for number in same:
                    if kept[number].policies.same_as(lazy.policies):
                        numbers[lazy.call] = number
                        break
                else:
                    same.append(len(kept))
        if lazy.call not in numbers:
            numbers[lazy.call] = len(kept)
            kept.append(lazy)
    return kept, numbers


def _content(lazy: LazyResult[Any], numbers: dict[int, int]) -> bytes | None:
    """Return a digest of the arguments of a call; None if that can't be told."""
    values, keywords = lazy.bound
    try:
        return digest_of(
            (
                [_plain(value, numbers) for value in values],
                {name: _plain(value, numbers) for name, value in (keywords or {}).items()},
            )
        )
    except (TypeError, ValueError):
        return None


def _plain(value: Any, numbers: dict[int, int]) -> Any:
    """Return an argument with stand-ins for what is computed."""
    if isinstance(value, LazyResult):
        return _ValueOf(numbers[value.call])
    if isinstance(value, Template):
        return value.fill(
            [
                leaf if isinstance(leaf, Inject) else _ValueOf(numbers[leaf.call])
                for leaf in value.leaves
            ]
        )
    return value
