"""Templates: containers that hold leaves are frozen and rebuilt, all others are left alone."""

from __future__ import annotations

from collections import OrderedDict, defaultdict, namedtuple
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.long_form import tries

from cascade.spec.template import Template, find_leaf, freeze, is_container

DEPTH = tries(20_000, 100_000)


class Leaf:
    """Stands for a lazy result."""


class Point(NamedTuple):
    x: Any
    y: Any = 0


Pair = namedtuple("Pair", ["left", "right"])

LEAVES = [Leaf() for _ in range(4)]
KINDS = (Leaf,)

plain_values = st.one_of(st.integers(), st.text(max_size=2), st.none(), st.builds(object))
keys = st.one_of(st.integers(0, 5), st.text(max_size=1), st.tuples(st.integers(0, 2)))


def nests(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.one_of(
        st.lists(values, max_size=4),
        st.lists(values, max_size=4).map(tuple),
        st.dictionaries(keys, values, max_size=4),
        st.builds(Point, values, values),
        st.builds(Pair, values, values),
    )


containers = nests(st.recursive(plain_values | st.sampled_from(LEAVES), nests, max_leaves=20))


def holds_leaf(value: Any) -> bool:
    if isinstance(value, Leaf):
        return True
    if isinstance(value, dict):
        return any(map(holds_leaf, value.values()))
    return isinstance(value, (list, tuple)) and any(map(holds_leaf, value))


def substitute(value: Any, fill: Callable[[Leaf], Any]) -> Any:
    """The plain version, by recursion."""
    if isinstance(value, Leaf):
        return fill(value)
    if not holds_leaf(value):
        return value
    if isinstance(value, dict):
        return {key: substitute(item, fill) for key, item in value.items()}
    items = [substitute(item, fill) for item in value]
    if isinstance(value, list):
        return items
    return type(value)(*items) if hasattr(value, "_fields") else tuple(items)


def assert_alike(rebuilt: Any, expected: Any, original: Any) -> None:
    """Equal in type and content; and what held no leaf is the very object that was given."""
    if isinstance(original, Leaf) or not holds_leaf(original):
        assert rebuilt is expected
        return
    assert type(rebuilt) is type(expected) is type(original)
    assert rebuilt is not original
    assert len(rebuilt) == len(expected)
    if isinstance(original, dict):
        assert list(rebuilt) == list(original)
        for key in original:
            assert_alike(rebuilt[key], expected[key], original[key])
    else:
        for triple in zip(rebuilt, expected, original, strict=True):
            assert_alike(*triple)


def filled(template: Template, fill: Callable[[Leaf], Any]) -> Any:
    return template.fill([fill(leaf) for leaf in template.leaves])


def nested(innermost: Any, wrap: Callable[[Any], Any]) -> Any:
    value = innermost
    for _ in range(DEPTH):
        value = wrap(value)
    return value


def depth_and_innermost(value: Any) -> tuple[int, Any]:
    depth = 0
    while type(value) in (list, tuple, dict):
        value = value["key"] if type(value) is dict else value[0]
        depth += 1
    return depth, value


WRAPPERS: list[Callable[[Any], Any]] = [
    lambda value: [value],
    lambda value: (value,),
    lambda value: {"key": value},
]


@settings(max_examples=tries(100, 300), deadline=None)
@given(containers)
def test_a_leaf_is_found_wherever_it_is(container: Any) -> None:
    found = find_leaf(container, Leaf)
    assert (found is not None) is holds_leaf(container)
    assert found is None or found in LEAVES


@settings(max_examples=tries(100, 300), deadline=None)
@given(containers.filter(holds_leaf))
def test_rebuilding_agrees_with_recursive_substitution(container: Any) -> None:
    values = {leaf: object() for leaf in LEAVES}
    template = freeze(container, KINDS)
    rebuilt = filled(template, values.__getitem__)
    assert_alike(rebuilt, substitute(container, values.__getitem__), container)


@settings(max_examples=tries(30, 100), deadline=None)
@given(containers.filter(holds_leaf))
def test_each_leaf_is_listed_once(container: Any) -> None:
    leaves = freeze(container, KINDS).leaves
    assert len(set(leaves)) == len(leaves)
    seen: list[Leaf] = []
    substitute(container, seen.append)
    assert set(leaves) == set(seen)


def test_every_filling_gives_a_new_container() -> None:
    leaf = Leaf()
    template = freeze([leaf, {"deep": [leaf]}], KINDS)
    first, second = template.fill([1]), template.fill([2])
    assert first == [1, {"deep": [1]}]
    assert second == [2, {"deep": [2]}]
    first[1]["deep"].append(9)
    assert template.fill([3]) == [3, {"deep": [3]}]


def test_a_change_after_freezing_has_no_effect() -> None:
    inner: dict[str, Any] = {"a": Leaf()}
    outer = [inner, Leaf()]
    template = freeze(outer, KINDS)
    outer.clear()
    inner["b"] = 1
    assert template.fill([1, 2]) == [{"a": 1}, 2]


@pytest.mark.parametrize(
    "container",
    [OrderedDict(b=LEAVES[0], a=[LEAVES[1]]), defaultdict(list, b=LEAVES[0], a=[LEAVES[1]])],
    ids=lambda value: type(value).__name__,
)
def test_dicts_of_the_standard_library_stay_what_they_are(container: Any) -> None:
    rebuilt = freeze(container, KINDS).fill([1, 2])
    assert type(rebuilt) is type(container)
    assert list(rebuilt.items()) == [("b", 1), ("a", [2])]
    if isinstance(rebuilt, defaultdict):
        assert rebuilt["c"] == []


def test_values_that_are_filled_in_are_not_looked_into() -> None:
    value = [Leaf()]
    assert freeze([Leaf()], KINDS).fill([value])[0] is value


@pytest.mark.parametrize(
    "container",
    [{1}, frozenset({1}), OrderedDict(a=[1]), [[], (), {}], {(1, 2): 3}, type("L", (list,), {})()],
    ids=repr,
)
def test_containers_without_leaves_hold_none(container: Any) -> None:
    assert is_container(container)
    assert find_leaf(container, Leaf) is None


@pytest.mark.parametrize(
    ("container", "why"),
    [
        ({Leaf()}, "in a set"),
        (frozenset({Leaf()}), "in a frozenset"),
        ([{Leaf()}], "in a set"),
        (OrderedDict([(Leaf(), 1)]), "key of a dict"),
        (type("Drawer", (dict,), {})(a=Leaf()), "in a Drawer"),
        ({Leaf(): 1}, "key of a dict"),
        ({"a": {(1, (Leaf(),)): 1}}, "key of a dict"),
        ({frozenset({Leaf()}): Leaf()}, "key of a dict"),
        (type("Shelf", (list,), {})([Leaf()]), "in a Shelf"),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
def test_what_cannot_be_rebuilt_is_refused(container: Any, why: str) -> None:
    assert find_leaf(container, Leaf) is not None
    with pytest.raises(TypeError, match=why):
        freeze(container, KINDS)


def test_a_plain_container_that_holds_itself_is_left_alone() -> None:
    loop: list[Any] = [1]
    loop.append({"again": (loop,)})
    assert find_leaf(loop, Leaf) is None
    rebuilt = freeze([loop, Leaf()], KINDS).fill([5])
    assert rebuilt[0] is loop
    assert rebuilt[1] == 5


def test_a_container_with_leaves_must_not_hold_itself() -> None:
    loop: dict[str, Any] = {"leaf": Leaf()}
    loop["again"] = [(loop,)]
    with pytest.raises(ValueError, match="hold itself"):
        freeze(loop, KINDS)


def test_a_container_may_occur_twice() -> None:
    shared = [Leaf()]
    assert freeze([shared, {"again": shared}], KINDS).fill([1]) == [[1], {"again": [1]}]


@pytest.mark.timeout(tries(10, 60))
@pytest.mark.parametrize("wrap", WRAPPERS, ids=["list", "tuple", "dict"])
def test_depth_costs_no_recursion_and_no_patience(wrap: Callable[[Any], Any]) -> None:
    assert find_leaf(nested(1, wrap), Leaf) is None
    leaf = Leaf()
    deep = nested(leaf, wrap)
    assert find_leaf(deep, Leaf) is leaf
    rebuilt = freeze(deep, KINDS).fill(["bottom"])
    assert depth_and_innermost(rebuilt) == (DEPTH, "bottom")


@pytest.mark.timeout(tries(10, 60))
def test_a_deep_comb_of_plain_containers_beside_leaves_is_linear() -> None:
    leaf = Leaf()
    deep = nested(leaf, lambda value: [value, [1, 2]])
    rebuilt = freeze(deep, KINDS).fill(["bottom"])
    assert depth_and_innermost(rebuilt) == (DEPTH, "bottom")


def test_a_container_that_stands_in_several_places_still_does() -> None:
    shared = [Leaf()]
    template = freeze({"one": shared, "other": (shared, shared)}, (Leaf,))
    filled = template.fill(["value"])
    assert filled == {"one": ["value"], "other": (["value"], ["value"])}
    assert filled["one"] is filled["other"][0] is filled["other"][1]
    assert template.fill(["again"])["one"] is not filled["one"]


def test_containers_shared_at_each_of_many_levels_cost_no_more_than_the_levels() -> None:
    nested: list[Any] = [Leaf()]
    for _ in range(200):
        nested = [nested, nested]
    filled = freeze(nested, (Leaf,)).fill(["value"])
    for _ in range(200):
        assert filled[0] is filled[1]
        filled = filled[0]
    assert filled == ["value"]
