"""Random nodes of descriptions, for hypothesis."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import lru_cache
from typing import Any

from hypothesis import strategies as st
from tests.e2e.descriptions import CALLS, CAPACITIES, INPUTS, Children, Expression, Node, Use

KINDS = ("inline", "async", "suspending", "thread")

Numbers = tuple[int, ...]
"""Nodes that may be used."""


@lru_cache(512)
def one_of(numbers: Numbers) -> st.SearchStrategy[int]:
    """One of some nodes, the latest first."""
    return st.sampled_from(numbers[::-1])


@lru_cache(512)
def expressions(numbers: Numbers) -> st.SearchStrategy[Expression]:
    """Arguments that may use some nodes, directly or deep inside of containers."""
    constants: st.SearchStrategy[Any] = st.integers(0, 9)
    use = one_of(numbers).map(Use) if numbers else constants
    leaf = st.one_of(use, use, constants)
    return st.recursive(
        leaf,
        lambda part: st.one_of(
            st.lists(part, min_size=1, max_size=3),
            st.lists(part, max_size=3).map(tuple),
            st.dictionaries(st.sampled_from("ab"), part, min_size=1, max_size=2),
        ),
        max_leaves=4,
    )


def are_amounts(made: list[Node], numbers: Numbers) -> Numbers:
    """Those of some nodes whose values are numbers."""
    return tuple(number for number in numbers if _is_amount(made, number))


def _is_amount(made: list[Node], number: int) -> bool:
    node = made[number]
    if node.kind == "router":
        return all(_is_amount(made, branch) for branch in node.branches)
    if node.kind == "item":
        container = made[node.inputs[0].node]
        return container.kind in CALLS and container.shape != "one"
    return node.kind in INPUTS or (node.children is None and node.shape == "one")


@st.composite
def plain_nodes(draw: st.DrawFn, numbers: Numbers, kinds: tuple[str, ...]) -> Node:
    """A call of which nothing is said."""
    kind = draw(st.sampled_from(kinds))
    return Node(
        kind,
        tuple(draw(st.lists(expressions(numbers), min_size=min(len(numbers), 1), max_size=3))),
        draw(st.sampled_from([1, 0, 2, 3])),
        draw(st.sampled_from([0.0, 1.0, 2.0])) if kind == "suspending" else 0.0,
        failures=draw(st.sampled_from([0] * 29 + [1])),
    )


MIXTURES = {
    "anything": ("call",) * 6 + ("repeat", "router", "item", "item", "input"),
    "choices": ("call",) * 6 + ("router",) * 5 + ("item", "input", "input"),
    "repeats": ("call",) * 4 + ("repeat",) * 6 + ("router", "item", "item"),
}
"""What the nodes of a graph are, most often."""


@st.composite
def nodes(
    draw: st.DrawFn, made: list[Node], numbers: Numbers, kinds: tuple[str, ...], mixture: str
) -> Node:
    """A call, an item, a router or an input, of which anything may be said."""
    kind = draw(st.sampled_from(MIXTURES[mixture]))
    again = [
        number
        for number, node in enumerate(made)
        if node.kind in CALLS and (node.pure or node.lifetime is not None)
    ]
    if kind == "repeat" and again:
        return draw(repeated(made, numbers, again))
    if kind == "router" and len(numbers) > 1:
        return draw(routers(made, numbers))
    several = [n for n in numbers if made[n].children is not None or made[n].shape != "one"]
    if kind == "item" and several:
        return draw(items(made, numbers, several))
    if kind == "input":
        return draw(inputs(made))
    return draw(calls(made, numbers, kinds, mixture == "repeats"))


@st.composite
def calls(
    draw: st.DrawFn,
    made: list[Node],
    numbers: Numbers,
    kinds: tuple[str, ...],
    to_be_repeated: bool,
) -> Node:
    """A call of which anything may be said."""
    plain = draw(plain_nodes(numbers, kinds))
    said = draw(policies(made, numbers))
    if said.get("attempts", 1) > 1 or draw(st.integers(0, 14)) == 14:
        said["failures"] = draw(st.sampled_from([0, 1, 2]))
    if plain.kind == "suspending":
        said["clean_up"] = draw(st.sampled_from([0.0, 0.0, 1.0]))
    if draw(st.integers(0, 4)) == 0:
        maps = [number for number in numbers if made[number].children is not None]
        said["children"] = draw(children(numbers, maps))
    elif draw(st.integers(0, 4)) == 4:
        said["shape"] = draw(st.sampled_from(["list", "dict"]))
    kept_or_pure = draw(st.integers(1 if to_be_repeated else -5, 4))
    if kept_or_pure > 2:
        said["pure"] = True
    if kept_or_pure in (1, 2, 3):
        said["lifetime"] = draw(st.sampled_from([math.inf, math.inf, 1.5]))
    return replace(plain, **said)


@st.composite
def policies(draw: st.DrawFn, made: list[Node], numbers: Numbers) -> dict[str, Any]:
    """What may be said about a call, by the chain methods."""
    said: dict[str, Any] = {}
    for say in SAID:
        if draw(st.integers(0, 4)) < (3 if say is _amounts else 1):
            said |= say(draw, made, numbers)
    return said


@st.composite
def children(draw: st.DrawFn, numbers: Numbers, maps: list[int]) -> Children:
    """What makes a map of a call."""
    kinds = [st.integers(0, 5), st.lists(expressions(numbers), max_size=4).map(tuple)]
    elements = [*kinds, st.sampled_from(maps).map(Use)] if maps else kinds
    return Children(
        draw(st.one_of(*elements)),
        draw(st.frozensets(st.integers(0, 5), max_size=2)),
        draw(st.sampled_from([None, 1, 2])),
        draw(st.booleans()),
    )


@st.composite
def repeated(draw: st.DrawFn, made: list[Node], numbers: Numbers, again: list[int]) -> Node:
    """An earlier call once more, perhaps with other things said about when it runs."""
    number = draw(st.sampled_from(again))
    node = made[number]
    source = number if node.like is None else node.like
    said: dict[str, Any] = {"like": source}
    if draw(st.booleans()):
        said["inputs"] = draw(_other_inputs(made, node.inputs))
    if node.lifetime is not None and draw(st.integers(0, 5)) == 5:
        said["lifetime"] = None
    for say in (_condition, _order, _priority):
        if draw(st.integers(0, 9)) == 9:
            said |= say(draw, made, numbers)
    return replace(node, **said)


@st.composite
def _other_inputs(draw: st.DrawFn, made: list[Node], given: tuple[Expression, ...]) -> Any:
    """The same arguments, with other calls that are like those in them."""

    def other(expression: Expression) -> Expression:
        if isinstance(expression, Use):
            node = made[expression.node]
            source = expression.node if node.like is None else node.like
            like = [
                number
                for number, one in enumerate(made)
                if source in (number, one.like) and one.children is None
            ]
            return Use(draw(st.sampled_from(like))) if like else expression
        if isinstance(expression, dict):
            return {key: other(part) for key, part in expression.items()}
        if isinstance(expression, (list, tuple)):
            return type(expression)(other(part) for part in expression)
        return expression

    return other(given)


@st.composite
def routers(draw: st.DrawFn, made: list[Node], numbers: Numbers) -> Node:
    """A choice between some of the latest nodes."""
    branches = draw(st.lists(one_of(numbers[-4:]), min_size=2, max_size=3, unique=True))
    keys: Any = st.integers(0, len(branches) - 1)
    # A key that isn't there ends the run: most are, whatever the values of the nodes.
    if draw(st.integers(0, 3)):
        branches += branches[:1] * (4 - len(branches))
    selectors = are_amounts(made, numbers) if draw(st.integers(0, 9)) else numbers
    selector: Any = one_of(selectors).map(Use) if selectors else keys
    said: dict[str, Any] = {}
    for say in (_condition, _order):
        if draw(st.integers(0, 7)) == 7:
            said |= say(draw, made, numbers)
    given = draw(st.one_of(selector, selector, keys))
    return Node("router", (given,), branches=tuple(branches), **said)


@st.composite
def items(draw: st.DrawFn, made: list[Node], numbers: Numbers, several: list[int]) -> Node:
    """An item of something, most often of what has some."""
    container = draw(st.sampled_from(several if draw(st.integers(0, 14)) else list(numbers)))
    keys: dict[str, list[Any]] = {"dict": ["a", 0, 1], "list": [0, 1, -1]}
    key: Any = st.sampled_from(keys.get(made[container].shape, [0]))
    whole = [number for number in numbers if made[number].kind in INPUTS]
    if whole:
        key = st.one_of(key, key, st.sampled_from(whole).map(Use))
    elif made[container].shape == "dict" and (known := are_amounts(made, numbers)):
        key = st.one_of(key, one_of(known).map(Use))
    return Node("item", (Use(container), draw(key)), **draw(policies(made, numbers)))


@st.composite
def inputs(draw: st.DrawFn, made: list[Node]) -> Node:
    """A parameter or a variable of the environment, perhaps of the name of an earlier one."""
    known = [number for number, node in enumerate(made) if node.kind in INPUTS]
    if draw(st.booleans()) and known:
        number = draw(st.sampled_from(known))
        source = made[number].like
        return replace(made[number], like=number if source is None else source)
    kind = draw(st.sampled_from(["param", "env"]))
    given = draw(st.sampled_from(["text", "value" if kind == "param" else "text", "default"]))
    if draw(st.integers(0, 15)) == 15:
        given = "nothing"
    return Node(kind, number=draw(st.sampled_from([1, 0, 2, 3])), given=given)


def _condition(draw: st.DrawFn, _: list[Node], numbers: Numbers) -> dict[str, Any]:
    condition: Any = st.sampled_from([True, True, False])
    if numbers:
        condition = st.one_of(one_of(numbers).map(Use), condition)
    return {"conditions": tuple(draw(st.lists(condition, min_size=1, max_size=2)))}


def _order(draw: st.DrawFn, made: list[Node], numbers: Numbers) -> dict[str, Any]:
    # Also after what is only a branch: whoever comes after that doesn't want it.
    anyone = draw(st.sampled_from([numbers, tuple(range(len(made)))]))
    return {"after": tuple(draw(st.lists(one_of(anyone), max_size=2)))} if anyone else {}


def _amounts(draw: st.DrawFn, made: list[Node], numbers: Numbers) -> dict[str, Any]:
    amount: Any = st.sampled_from([1, 1, 2, 0])
    if known := are_amounts(made, numbers):
        amount = st.one_of(amount, st.sampled_from(known).map(Use))
    names = st.sampled_from([["slot"], ["memory"], list(CAPACITIES)])
    return {"amounts": tuple((name, draw(amount)) for name in draw(names))}


def _retry(draw: st.DrawFn, _: list[Node], __: Numbers) -> dict[str, Any]:
    return {
        "attempts": draw(st.sampled_from([2, 3])),
        "delay": draw(st.sampled_from([0.0, 0.5])),
        "jitter": draw(st.sampled_from([0.0, 0.25])),
    }


def _timeout(draw: st.DrawFn, _: list[Node], __: Numbers) -> dict[str, Any]:
    return {"timeout": draw(st.sampled_from([2.5, 1.5, 0.5]))}


def _priority(draw: st.DrawFn, _: list[Node], __: Numbers) -> dict[str, Any]:
    return {"priority": draw(st.sampled_from([-1, 1]))}


SAID = (_amounts, _condition, _order, _priority, _retry, _timeout)
"""What may be said about a call, by the chain methods."""
