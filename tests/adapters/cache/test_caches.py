"""Where cached values are kept: in memory, and in files."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from enum import Enum
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import cascade as cs
from cascade import testing
from cascade.adapters.cache.files import MAGIC
from cascade.adapters.cache.plain import decode, encode
from cascade.ports import CacheBackend, Hit


class Colour(Enum):
    RED = 1
    BLUE = 2


class Fewer(Enum):
    BLUE = 2


Make = Callable[[], CacheBackend]


@pytest.fixture(params=["memory", "json", "pickle"])
def backend(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    if request.param == "memory":
        return cs.InMemoryCache()
    return cs.FileCache(tmp_path / "cache", format=request.param)


class TestAll:
    def test_offers_the_port(self, backend: Any) -> None:
        assert isinstance(backend, CacheBackend)

    async def steps(self, backend: Any) -> None:
        assert await backend.get("a") is None
        await backend.put("a", None, None)
        await backend.put("../b", {"x": (1, 2)}, 60)
        assert await backend.get("a") == Hit(None)
        assert await backend.get("../b") == Hit({"x": (1, 2)})
        await backend.put("a", 2, None)
        assert await backend.get("a") == Hit(2)
        await backend.delete("a")
        await backend.delete("a")
        assert await backend.get("a") is None

    def test_keeps_and_forgets(self, backend: Any, tmp_path: Path) -> None:
        asyncio.run(self.steps(backend))
        outside = [file for file in tmp_path.iterdir() if file.name != "cache"]
        assert outside == []


class TestMemory:
    def test_the_one_not_used_for_longest_goes_first(self) -> None:
        async def steps() -> None:
            cache = cs.InMemoryCache(max_entries=2)
            await cache.put("a", 1, None)
            await cache.put("b", 2, None)
            await cache.get("a")
            await cache.put("c", 3, None)
            assert [await cache.get(key) for key in "abc"] == [Hit(1), None, Hit(3)]
            assert len(cache) == 2

        testing.run_virtual(steps())

    def test_lifetimes_count_on_the_loops_clock(self) -> None:
        async def steps() -> None:
            cache = cs.InMemoryCache()
            await cache.put("a", 1, 10)
            await asyncio.sleep(9)
            assert await cache.get("a") == Hit(1)
            await asyncio.sleep(1)
            assert await cache.get("a") is None
            assert len(cache) == 0

        testing.run_virtual(steps())

    def test_its_size_is_checked(self) -> None:
        with pytest.raises(ValueError, match="max_entries"):
            cs.InMemoryCache(0)


class TestFiles:
    def test_lifetimes_count_on_the_given_clock(self, tmp_path: Path) -> None:
        now = 1000.0
        cache = cs.FileCache(tmp_path, clock=lambda: now)
        asyncio.run(cache.put("a", 1, 10))
        now = 1009.9
        assert asyncio.run(cache.get("a")) == Hit(1)
        now = 1010.0
        assert asyncio.run(cache.get("a")) is None

    @pytest.mark.parametrize("kind", ["json", "pickle"])
    def test_half_written_and_foreign_entries_count_as_nothing(
        self, tmp_path: Path, kind: Any
    ) -> None:
        cache = cs.FileCache(tmp_path, format=kind)
        asyncio.run(cache.put("a", list(range(50)), None))
        (file,) = [path for path in tmp_path.rglob("*") if path.is_file()]
        whole = file.read_bytes()
        assert whole.startswith(MAGIC)
        for length in range(len(whole)):
            file.write_bytes(whole[:length])
            assert asyncio.run(cache.get("a")) is None, length
        for foreign in (b"hello", MAGIC, whole + b"!", whole.replace(b"1", b"2", 1)):
            file.write_bytes(foreign)
            assert asyncio.run(cache.get("a")) is None
        asyncio.run(cache.put("a", 7, None))
        assert asyncio.run(cache.get("a")) == Hit(7)

    def test_a_failed_write_leaves_the_old_entry_and_no_rest(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        cache = cs.FileCache(tmp_path)
        asyncio.run(cache.put("a", 1, None))

        def fail(*_: Any) -> None:
            raise OSError("disk full")

        monkeypatch.setattr("os.fsync", fail)
        with pytest.raises(OSError, match="disk full"):
            asyncio.run(cache.put("a", 2, None))
        assert asyncio.run(cache.get("a")) == Hit(1)
        assert len([path for path in tmp_path.rglob("*") if path.is_file()]) == 1

    def test_json_refuses_what_would_come_back_as_something_else(self, tmp_path: Path) -> None:
        cache = cs.FileCache(tmp_path)
        with pytest.raises(TypeError, match=r"pathlib.*can't be kept as JSON.*format='pickle'"):
            asyncio.run(cache.put("a", [tmp_path], None))
        pickled = cs.FileCache(tmp_path, format="pickle")
        asyncio.run(pickled.put("a", [tmp_path], None))
        assert asyncio.run(pickled.get("a")) == Hit([tmp_path])

    @pytest.mark.parametrize("now", [None, Fewer, "not a class"])
    def test_values_of_classes_that_have_changed_count_as_nothing(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, now: Any
    ) -> None:
        cache = cs.FileCache(tmp_path, format="pickle")
        asyncio.run(cache.put("a", Colour.RED, None))
        assert asyncio.run(cache.get("a")) == Hit(Colour.RED)
        if now is None:
            monkeypatch.delitem(globals(), "Colour")
        else:
            monkeypatch.setitem(globals(), "Colour", now)
        assert asyncio.run(cache.get("a")) is None

    def test_no_pickle_is_read_unless_asked_for(self, tmp_path: Path) -> None:
        asyncio.run(cs.FileCache(tmp_path, format="pickle").put("a", 1, None))
        assert asyncio.run(cs.FileCache(tmp_path).get("a")) is None

    def test_arguments_are_checked(self) -> None:
        wrong: Any = 5
        with pytest.raises(TypeError, match="directory must be a path, got 5"):
            cs.FileCache(wrong)
        with pytest.raises(ValueError, match="json, pickle"):
            cs.FileCache("x", format=wrong)


KEYS = st.one_of(st.text(max_size=3), st.integers(), st.just("$"))
PLAIN = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.binary()),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.lists(inner, max_size=3).map(tuple),
        st.dictionaries(KEYS, inner, max_size=3),
        st.frozensets(st.integers(), max_size=3),
    ),
    max_leaves=8,
)


def is_same(one: Any, other: Any) -> bool:
    """Whether two plain values are of the same types and content all the way down."""
    if type(one) is not type(other):
        return False
    if isinstance(one, float):
        return repr(one) == repr(other)  # as a NaN isn't equal to itself, and 0.0 is to -0.0
    if isinstance(one, dict):
        one, other = list(one.items()), list(other.items())
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(is_same, one, other))
    return bool(one == other)


@settings(max_examples=100, deadline=None)
@given(PLAIN)
@example([math.nan, frozenset({5, -3})])
def test_plain_values_come_back_as_they_were(value: Any) -> None:
    assert is_same(decode(encode(value)), value)


def test_numbers_that_json_has_not() -> None:
    assert math.isnan(decode(encode(math.nan)))
    assert decode(encode(-math.inf)) == -math.inf
