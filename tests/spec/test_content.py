"""Digests of content: equal for what is equal, in every process; different for what differs."""

from __future__ import annotations

import functools
import subprocess
import sys
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import InitVar, dataclass, field
from datetime import date
from decimal import Decimal
from enum import Enum, Flag, IntFlag
from pathlib import Path
from typing import Any

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cascade.spec.content import code_of, digest_of


class Colour(Enum):
    RED = 1


@dataclass
class Point:
    x: float
    tags: set[str]


@dataclass
class Derived:
    """What it is given isn't a field, and what it makes of it isn't either."""

    x: int
    given: InitVar[int] = 0
    unset: int = field(init=False)

    def __post_init__(self, given: int) -> None:
        self.made = given

    @functools.cached_property
    def double(self) -> int:
        return 2 * self.x


@dataclass
class Rows(list[int]):
    """A list with a field."""

    title: str = ""


class Access(Flag):
    READ = 1
    WRITE = 2


class Signals(IntFlag):
    FIRST = 1


class Plain:
    def __init__(self, value: Any) -> None:
        self.value = value

    def __repr__(self) -> str:
        return "always the same"


ATOMS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5), st.binary(max_size=5)
)
VALUES = st.recursive(
    ATOMS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.lists(inner, max_size=4).map(tuple),
        st.dictionaries(st.text(max_size=3), inner, max_size=4),
    ),
    max_leaves=8,
)


def typed(value: Any) -> Any:
    """Return what tells a value from others, types included; the obvious way."""
    if isinstance(value, dict):
        return dict, frozenset((key, typed(item)) for key, item in value.items())
    if isinstance(value, (list, tuple)):
        return type(value), tuple(map(typed, value))
    return type(value), repr(value)


@given(VALUES, VALUES)
def test_digests_are_equal_exactly_when_values_are(one: Any, other: Any) -> None:
    assert (digest_of(one) == digest_of(other)) == (typed(one) == typed(other))


def rows(*items: int) -> Rows:
    made = Rows()
    made.extend(items)
    return made


DIFFERENT: list[Any] = [
    0,
    0.0,
    -0.0,
    False,
    None,
    "",
    b"",
    [],
    (),
    {},
    set(),
    "0",
    [[], []],
    [[[]]],
    ["ab", "c"],
    ["a", "bc"],
    Colour.RED,
    Colour,
    date(2026, 1, 1),
    Decimal("1.0"),
    Decimal("1.00"),
    Path("a"),
    Point(1, {"a"}),
    Point(1, {"b"}),
    OrderedDict(),
    numpy.zeros(4),
    numpy.zeros(4, dtype="float32"),
    numpy.zeros((2, 2)),
    numpy.float64(0),
    numpy.array([{}, 1], dtype=object),
    numpy.zeros(2, dtype=[("a", "i4")]),
    numpy.zeros(2, dtype=[("b", "i4")]),
    len,
    abs,
    Plain(1),
    Plain(2),
    Derived(1, 2),
    Derived(1, 3),
    rows(1),
    rows(2),
    Access(0),
    Access.READ,
    Access.READ | Access.WRITE,
    Signals(8),
    Signals(16),
    numpy.ma.array([1, 2]),
    numpy.ma.array([1, 999_999]),
    numpy.ma.array([1, 3], mask=[False, True], fill_value=999_999),
    10**5000,
    10**5000 + 1,
]


def test_all_these_differ() -> None:
    digests = [digest_of(value) for value in DIFFERENT]
    assert len(set(digests)) == len(DIFFERENT)


def test_arrays_go_by_all_of_their_content() -> None:
    one, other = numpy.arange(100_000), numpy.arange(100_000)
    assert digest_of(one) == digest_of(other)
    other[50_000] = -1
    assert repr(one) == repr(other)
    assert digest_of(one) != digest_of(other)
    assert digest_of(one[::2]) == digest_of(one[::2].copy())


def test_what_follows_from_the_fields_does_not_count() -> None:
    one, other = Derived(1, 2), Derived(1, 2)
    assert one.double == 2
    assert digest_of(one) == digest_of(other)


def test_dictionaries_and_sets_have_no_order() -> None:
    assert digest_of({"a": 1, "b": 2}) == digest_of({"b": 2, "a": 1})
    assert digest_of({"x", "y", "z"}) == digest_of({"z", "y", "x"})


def test_they_are_the_same_in_another_process_with_another_hash_seed() -> None:
    program = (
        "from cascade.spec.content import digest_of, code_of\n"
        "print(digest_of([{'a', 'b', 'c'}, {'x': 1.5}, ('y', b'z')]).hex())\n"
        "print(code_of(lambda x: x in {'a', 'b', 'c'}).hex())\n"
    )
    outputs = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={"PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(outputs) == 1


def test_what_cannot_be_told_is_named() -> None:
    with pytest.raises(TypeError, match="can't be told"):
        digest_of([Plain(lambda: 0)])
    endless: list[Any] = []
    endless.append(endless)
    with pytest.raises(ValueError, match="holds itself"):
        digest_of(endless)


class Times(Plain):
    def __call__(self, x: int) -> int:
        return x * int(self.value)


class Plus(Plain):
    def __call__(self, x: int) -> int:
        return x + int(self.value)


class TestCode:
    def make(self, source: str) -> Callable[..., Any]:
        space: dict[str, Any] = {}
        exec(source, space)
        made: Callable[..., Any] = space["f"]
        return made

    @pytest.mark.parametrize(
        "other",
        [
            "def f(x): return x + 2",
            "def f(x): return x - 1",
            "def f(x, y=1): return x + 1",
            "def f(x): return g(x) + 1",
            "def f(x): return [i + 1 for i in [x]]",
            "async def f(x): return x + 1",
            "def g(x): return x + 1\nf = g",
        ],
    )
    def test_other_code_differs(self, other: str) -> None:
        assert code_of(self.make("def f(x): return x + 1")) != code_of(self.make(other))

    def test_its_place_in_the_file_does_not_matter(self) -> None:
        moved = "\n\n\n# a comment\ndef f(x): return x + 1"
        assert code_of(self.make("def f(x): return x + 1")) == code_of(self.make(moved))

    def test_what_is_enclosed_counts(self) -> None:
        def adder(number: int) -> Callable[[int], int]:
            return lambda x: x + number

        assert code_of(adder(1)) == code_of(adder(1))
        assert code_of(adder(1)) != code_of(adder(2))
        assert code_of(functools.partial(adder(1), 1)) != code_of(functools.partial(adder(1), 2))

    def test_an_object_that_can_be_called_goes_by_its_code_and_its_content(self) -> None:
        assert code_of(Times(2)) == code_of(Times(2))
        assert code_of(Times(2)) != code_of(Times(3))
        assert code_of(Times(2)) != code_of(Plus(2))

    def test_a_function_that_remembers_goes_by_what_it_remembers_the_values_of(self) -> None:
        one, other = self.make("def f(x): return x + 1"), self.make("def f(x): return x + 2")
        assert code_of(functools.lru_cache(one)) == code_of(functools.lru_cache(one))
        assert code_of(functools.lru_cache(one)) != code_of(functools.lru_cache(other))

    def test_a_function_that_calls_itself(self) -> None:
        def factorial(n: int) -> int:
            return n * factorial(n - 1) if n else 1

        assert code_of(factorial) == code_of(factorial)
