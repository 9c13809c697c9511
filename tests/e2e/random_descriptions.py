"""Random descriptions of graphs, for hypothesis."""

from __future__ import annotations

from math import inf
from typing import Any

from hypothesis import strategies as st
from tests.e2e.descriptions import Description, Expression, Node, Use
from tests.e2e.random_nodes import KINDS, MIXTURES, Numbers, expressions, nodes, one_of, plain_nodes


@st.composite
def targets(draw: st.DrawFn, numbers: Numbers, last: int, mixture: str) -> Expression:
    """What is asked for: the last node, and perhaps some others, or all."""
    if last not in numbers:  # what comes after all others
        some = draw(st.lists(one_of(numbers).map(Use), max_size=2))
        return [Use(last), *some] if some else Use(last)
    everything: Expression = [Use(number) for number in numbers]
    use: st.SearchStrategy[Expression] = one_of(numbers).map(Use)
    several = st.lists(st.one_of(use, use, expressions(numbers)), min_size=2, max_size=5)
    some_more = several.map(lambda parts: [Use(last), *parts])
    kinds = [st.just(everything), some_more, st.just(Use(last)), some_more]
    if mixture == "repeats":  # equal calls side by side
        kinds += [st.just(everything)] * 4
    return draw(st.one_of(kinds))


@st.composite
def descriptions(draw: st.DrawFn, all_kinds: tuple[str, ...] = KINDS) -> Description:
    """A graph of up to twelve nodes, and often one more that sees the end of all others."""
    mixture = draw(st.sampled_from([*MIXTURES, "plain"]))
    kinds = draw(st.sampled_from([all_kinds, all_kinds, *[(kind,) for kind in all_kinds]]))
    if mixture == "repeats" and "suspending" in all_kinds and draw(st.booleans()):
        kinds = ("suspending",)
    made: list[Node] = []
    # Left to itself, what is a branch would nearly always be used elsewhere as well.
    only_branches: set[int] = set()
    # Left to itself, the size is small.
    for count in range(draw(st.sampled_from([1, 4, 6, 8, 10, 12]))):
        numbers = tuple(number for number in range(count) if number not in only_branches)
        if mixture == "plain":
            node = draw(plain_nodes(numbers, kinds))
        else:
            node = draw(nodes(made, numbers, kinds, mixture))
        made.append(node)
        if draw(st.integers(0, 4)):
            only_branches.update(node.branches)
    numbers = tuple(number for number in range(len(made)) if number not in only_branches)
    if draw(st.integers(0, 2)):
        # Called when all others have ended, it sees whether values are there that nobody needs.
        witness = Node(draw(st.sampled_from(kinds)), after=numbers)
        made.append(witness)
    target = draw(targets(numbers, len(made) - 1, mixture))
    moments = st.integers(0, 12).map(lambda halves: halves / 2)
    has_caches = any(node.lifetime is not None for node in made)
    earlier: Any = st.none()
    if has_caches and draw(st.booleans()):
        earlier = st.one_of(st.just(inf), moments)
    return Description(
        tuple(made),
        target,
        draw(st.booleans()),
        draw(st.integers(0, 4)) == 4,
        draw(st.one_of(st.none(), moments)),
        draw(earlier),
        has_caches and draw(st.booleans()),
    )
