"""Random descriptions of graphs, for hypothesis."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from hypothesis import strategies as st
from tests.e2e.descriptions import CAPACITIES, Children, Description, Expression, Node, Use

KINDS = ("inline", "async", "suspending", "thread")


@lru_cache
def some_earlier(count: int) -> st.SearchStrategy[int]:
    """The number of one of the nodes before, the latest first."""
    return st.integers(1, count).map(lambda back: count - back)


@lru_cache
def expressions(count: int) -> st.SearchStrategy[Expression]:
    """Arguments that may use the first so many nodes, directly or deep inside of containers."""
    numbers: st.SearchStrategy[Any] = st.integers(0, 9)
    use = some_earlier(count).map(Use) if count else numbers
    leaf = st.one_of(use, use, numbers)
    return st.recursive(
        leaf,
        lambda part: st.one_of(
            st.lists(part, min_size=1, max_size=3),
            st.lists(part, max_size=3).map(tuple),
            st.dictionaries(st.sampled_from("ab"), part, min_size=1, max_size=2),
        ),
        max_leaves=4,
    )


@st.composite
def plain_nodes(draw: st.DrawFn, count: int, kinds: tuple[str, ...]) -> Node:
    """A call of which nothing is said."""
    kind = draw(st.sampled_from(kinds))
    return Node(
        kind,
        tuple(draw(st.lists(expressions(count), min_size=min(count, 1), max_size=3))),
        draw(st.sampled_from([1, 0, 2, 3])),
        draw(st.sampled_from([0.0, 1.0, 2.0])) if kind == "suspending" else 0.0,
        failures=draw(st.sampled_from([0] * 19 + [1])),
    )


@st.composite
def nodes(draw: st.DrawFn, earlier: list[Node], kinds: tuple[str, ...]) -> Node:
    """A call of which anything may be said."""
    count = len(earlier)
    calls = [number for number, node in enumerate(earlier) if node.children is None]
    plain = draw(plain_nodes(count, kinds))
    said: dict[str, Any] = {}
    for say in SAID:
        if draw(st.integers(0, 4)) < (3 if say is _amounts else 1):
            said |= say(draw, count, calls)
    if said.get("attempts", 1) > 1 or draw(st.integers(0, 9)) == 0:
        said["failures"] = draw(st.sampled_from([0, 1, 2]))
    if plain.kind == "suspending":
        said["clean_up"] = draw(st.sampled_from([0.0, 0.0, 1.0]))
    if draw(st.integers(0, 4)) == 0:
        maps = [number for number, node in enumerate(earlier) if node.children is not None]
        said["children"] = draw(children(count, maps))
    return Node(**{**vars(plain), **said})


@st.composite
def children(draw: st.DrawFn, count: int, maps: list[int]) -> Children:
    """What makes a map of a call."""
    kinds = [st.integers(0, 5), st.lists(expressions(count), max_size=4).map(tuple)]
    elements = [*kinds, st.sampled_from(maps).map(Use)] if maps else kinds
    return Children(
        draw(st.one_of(*elements)),
        draw(st.frozensets(st.integers(0, 5), max_size=2)),
        draw(st.sampled_from([None, 1, 2])),
        draw(st.booleans()),
    )


def _condition(draw: st.DrawFn, count: int, _: list[int]) -> dict[str, Any]:
    condition: Any = st.sampled_from([True, True, False])
    if count:
        condition = st.one_of(some_earlier(count).map(Use), condition)
    return {"conditions": tuple(draw(st.lists(condition, min_size=1, max_size=2)))}


def _order(draw: st.DrawFn, count: int, _: list[int]) -> dict[str, Any]:
    return {"after": tuple(draw(st.lists(some_earlier(count), max_size=2)))} if count else {}


def _amounts(draw: st.DrawFn, _: int, calls: list[int]) -> dict[str, Any]:
    amount: Any = st.sampled_from([1, 1, 2, 0])
    if calls:
        amount = st.one_of(amount, st.sampled_from(calls).map(Use))
    names = st.sampled_from([["slot"], ["memory"], list(CAPACITIES)])
    return {"amounts": tuple((name, draw(amount)) for name in draw(names))}


def _retry(draw: st.DrawFn, _: int, __: list[int]) -> dict[str, Any]:
    return {
        "attempts": draw(st.sampled_from([2, 3])),
        "delay": draw(st.sampled_from([0.0, 0.5])),
        "jitter": draw(st.sampled_from([0.0, 0.25])),
    }


def _timeout(draw: st.DrawFn, _: int, __: list[int]) -> dict[str, Any]:
    return {"timeout": draw(st.sampled_from([2.5, 1.5, 0.5]))}


def _priority(draw: st.DrawFn, _: int, __: list[int]) -> dict[str, Any]:
    return {"priority": draw(st.sampled_from([-1, 1]))}


SAID = (_amounts, _condition, _order, _priority, _retry, _timeout)
"""What may be said about a call, by the chain methods."""


@st.composite
def descriptions(draw: st.DrawFn) -> Description:
    """A graph of up to ten nodes; one in three is plain, or all of one kind."""
    kinds = draw(st.sampled_from([KINDS, KINDS, *[(kind,) for kind in KINDS]]))
    is_plain = draw(st.integers(0, 2)) == 2
    made: list[Node] = []
    # Left to itself, the size is small.
    for count in range(draw(st.sampled_from([1, 4, 6, 8, 10]))):
        made.append(draw(plain_nodes(count, kinds) if is_plain else nodes(made, kinds)))
    count = len(made)
    one: st.SearchStrategy[Expression] = some_earlier(count).map(Use)
    several = st.lists(st.one_of(one, one, expressions(count)), min_size=2, max_size=5)
    several = several.map(lambda parts: [Use(count - 1), *parts])
    everything: st.SearchStrategy[Expression] = st.just([Use(number) for number in range(count)])
    target = draw(st.one_of(everything, several, st.just(Use(count - 1)), several))
    return Description(
        tuple(made),
        target,
        draw(st.booleans()),
        draw(st.integers(0, 4)) == 4,
        draw(st.one_of(st.none(), st.integers(0, 12).map(lambda halves: halves / 2))),
    )
