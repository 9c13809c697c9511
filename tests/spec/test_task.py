"""Tasks: functions as declarations. Calling one checks the arguments and runs nothing."""
# ruff: noqa: B008 - an injection as a default is how tasks ask for resources

from __future__ import annotations

import functools
import gc
import inspect
import pickle
import tracemalloc
from collections import OrderedDict, defaultdict
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any, NamedTuple

import pytest

import cascade as cs
from cascade import testing
from cascade.spec.template import Template


def plain(value: Any = None) -> Any:
    """Return the value."""
    return value


async def coroutine(value: Any = None) -> Any:
    return value


def generator() -> Iterator[int]:
    yield 1


async def async_generator() -> AsyncIterator[int]:
    yield 1


class Drawer(dict[str, Any]):
    """A class of dicts that nobody knows how to make."""


class Point(NamedTuple):
    x: Any
    y: Any


same = cs.task(mode="inline")(plain)


@cs.task(mode="inline")
def collect(*args: Any, **kwargs: Any) -> Any:
    return args, kwargs


class TestDeclaring:
    def test_the_plain_function_stays_at_hand(self) -> None:
        declared = cs.task(plain)
        assert declared.fn is plain
        assert declared.fn(3) == 3

    def test_a_task_looks_like_its_function(self) -> None:
        declared = cs.task(plain)
        assert declared.name == "plain"
        assert declared.__name__ == "plain"  # type: ignore[attr-defined]
        assert declared.__doc__ == plain.__doc__
        assert inspect.signature(declared) == inspect.signature(plain)
        assert "plain" in repr(declared)

    def test_attributes_of_the_function_do_not_replace_those_of_the_task(self) -> None:
        def fn() -> None: ...

        fn.name = fn.mode = fn.binder = fn.fn = "mine"  # type: ignore[attr-defined]
        declared = cs.task(fn)
        assert (declared.name, declared.mode, declared.fn) == ("fn", "thread", fn)
        declared()

    @pytest.mark.parametrize(
        ("fn", "mode", "expected"),
        [
            (plain, None, "thread"),
            (plain, "thread", "thread"),
            (plain, "inline", "inline"),
            (plain, "process", "process"),
            (coroutine, None, "async"),
            (functools.partial(coroutine, 1), None, "async"),
            (functools.partial(functools.partial(plain, 1)), None, "thread"),
        ],
    )
    def test_where_it_runs(self, fn: Callable[..., Any], mode: Any, expected: str) -> None:
        assert cs.task(mode=mode)(fn).mode == expected

    def test_an_object_with_an_async_call_is_async_but_its_class_is_not(self) -> None:
        class Fetch:
            async def __call__(self) -> int:
                return 1

        assert cs.task(Fetch()).mode == "async"
        assert cs.task(Fetch).mode == "thread"

    def test_a_name_may_be_given(self) -> None:
        assert cs.task(name="pay bills")(plain).name == "pay bills"
        with pytest.raises(TypeError, match=r"pay bills\(\) got an unexpected keyword"):
            cs.task(name="pay bills")(plain)(colour="red")

    def test_what_is_no_function_is_refused(self) -> None:
        wrong: Any
        for wrong in (5, "name", [plain]):
            with pytest.raises(TypeError, match="made of a function"):
                cs.task(wrong)
        with pytest.raises(TypeError, match="a task already"):
            cs.task(cs.task(plain))
        for wrong in (generator, async_generator):
            with pytest.raises(TypeError, match="is a generator function"):
                cs.task(wrong)
        with pytest.raises(TypeError, match="signature isn't known"):
            cs.task(int)

    def test_wrong_options_are_refused_at_once(self) -> None:
        wrong: Any = "fiber"
        with pytest.raises(TypeError, match="pure must be True or False, got 'fiber'"):
            cs.task(pure=wrong)
        with pytest.raises(ValueError, match=r"mode must be one of .*'fiber'"):
            cs.task(mode=wrong)
        with pytest.raises(TypeError, match=r"'coroutine' is an async def.*mode='inline'"):
            cs.task(mode="inline")(coroutine)
        with pytest.raises(ValueError, match="name must not be empty"):
            cs.task(name="")
        wrong = 5
        with pytest.raises(TypeError, match="name must be a string, got 5"):
            cs.task(name=wrong)


class TestCalling:
    def test_runs_nothing(self) -> None:
        ran = []

        @cs.task(mode="inline")
        def note() -> None:
            ran.append(1)

        assert isinstance(note(), cs.LazyResult)
        assert not ran
        testing.run_virtual(note())
        assert ran == [1]

    @pytest.mark.parametrize(("args", "kwargs"), [((1, 2), {}), ((), {"other": 1})])
    def test_wrong_arguments_are_a_type_error(self, args: Any, kwargs: Any) -> None:
        with pytest.raises(TypeError, match=r"plain\(\)"):
            same(*args, **kwargs)

    @pytest.mark.parametrize("name", ["self", "args", "kwargs", "fn", "task"])
    def test_a_parameter_may_have_any_name(self, name: str) -> None:
        namespace: dict[str, Any] = {}
        exec(f"def target({name}): return {name}", namespace)
        declared = cs.task(mode="inline")(namespace["target"])
        assert testing.run_virtual(declared(**{name: 7})) == 7
        assert testing.run_virtual(collect(**{name: 7})) == ((), {name: 7})

    def test_two_calls_are_two_nodes(self) -> None:
        first, second = same(1), same(1)
        assert first.id != second.id
        assert first != second

    def test_a_container_without_lazy_results_is_passed_as_the_same_object(self) -> None:
        loop: list[Any] = []
        loop.append(loop)
        for given in (
            [1, [2]],
            {"a": {1: 2}},
            (3, [4]),
            {5},
            OrderedDict(b=6),
            bytearray(b"7"),
            loop,
        ):
            assert testing.run_virtual(same(given)) is given
            assert testing.run_virtual(collect(same(1), key=given))[1]["key"] is given

    def test_lazy_results_are_found_in_nested_containers(self) -> None:
        one, two = same(1), same(2)
        declared = collect([one, {"a": (two, Point(one, 0))}], key={"b": [two]})
        assert declared.dependencies == (one, two)
        assert testing.run_virtual(declared) == (
            ([1, {"a": (2, Point(1, 0))}],),
            {"key": {"b": [2]}},
        )

    def test_a_dict_with_lazy_results_stays_of_its_class(self) -> None:
        for given in (OrderedDict(b=same(1), a=2), defaultdict(list, b=same(1), a=2)):
            value = testing.run_virtual(same(given))
            assert type(value) is type(given)
            assert list(value.items()) == [("b", 1), ("a", 2)]

    def test_dependencies_are_listed_once(self) -> None:
        one, two = same(1), same(2)
        assert collect(one, [two, one], key=(two,), other=one).dependencies == (one, two)
        assert collect(1, [2], key="x").dependencies == ()

    def test_injections_are_found_in_defaults_and_containers(self) -> None:
        def fn(
            a: Any, database: Any = cs.inject("database"), *, log: Any = cs.inject("log")
        ) -> None: ...

        declared = cs.task(fn)
        assert declared(1).injections == ("database", "log")
        assert declared([cs.inject("extra")], 2, log=3).injections == ("extra",)

    def test_a_container_changed_after_the_call_has_no_effect(self) -> None:
        one = same(1)
        items: list[Any] = [one]
        options: dict[str, Any] = {"deep": items}
        declared = collect(items, key=options)
        items.append(declared)
        options["more"] = declared
        assert declared.dependencies == (one,)
        assert testing.run_virtual(declared) == (([1],), {"key": {"deep": [1]}})

    @pytest.mark.parametrize("wrap", [lambda x: {x}, lambda x: {x: 1}, lambda x: Drawer(a=x)])
    def test_a_lazy_result_where_it_cannot_be_filled_in_is_refused(self, wrap: Any) -> None:
        lazy = same(1).named("stray")
        with pytest.raises(TypeError, match="stray"):
            same(wrap(lazy))
        with pytest.raises(TypeError, match="stray"):
            collect(key=[wrap(lazy)])

    def test_refusing_one_tells_of_nothing_else(self) -> None:
        with pytest.raises(TypeError, match="stray") as refused:
            same({same(1).named("stray")})
        assert refused.value.__context__ is None

    @pytest.mark.timeout(10)
    def test_a_lazy_result_is_found_at_any_depth(self) -> None:
        lazy = same(1)
        deep: Any = lazy
        for _ in range(100_000):
            deep = [deep]
        declared = same(deep)
        assert declared.dependencies == (lazy,)
        assert isinstance(declared.bound[0][0], Template)

    def test_a_call_with_one_dependency_stays_under_700_bytes(self) -> None:
        source = same(1)
        count = 10_000
        kept: list[Any] = [None] * count
        same(source)
        gc.collect()
        tracemalloc.start()
        try:
            before, _ = tracemalloc.get_traced_memory()
            for place in range(count):
                kept[place] = same(source)
            after, _ = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert (after - before) / count < 700


class Station:
    """Something with tasks as methods."""

    def __init__(self, offset: int) -> None:
        self.offset = offset

    @cs.task
    def corrected(self, reading: int) -> int:
        return reading + self.offset

    @cs.task(mode="process")
    def elsewhere(self, reading: int) -> int:
        return reading - self.offset

    @classmethod
    @cs.task
    async def made(cls, offset: int) -> Any:
        return cls(offset).offset

    @staticmethod
    @cs.task
    def doubled(reading: int) -> int:
        return 2 * reading


class TestMethods:
    def test_the_object_is_the_first_argument(self) -> None:
        station = Station(10)
        calls = [station.corrected(1), station.corrected(reading=station.corrected(2))]
        assert cs.run(calls) == [11, 22]
        assert cs.run(station.elsewhere(1)) == -9
        assert cs.run([station.made(5), Station.made(6)]) == [5, 6]
        assert cs.run([station.doubled(1), Station.doubled(2)]) == [2, 4]

    def test_on_the_class_it_is_the_task_itself(self) -> None:
        assert isinstance(Station.corrected, cs.Task)
        assert cs.run(Station.corrected(Station(10), 3)) == 13
        stations = [Station(1), Station(2)]
        assert cs.run(Station.corrected.map(self=stations, reading=[5, 5])) == [6, 7]
        assert pickle.loads(pickle.dumps(Station.corrected)) is Station.corrected

    def test_wrong_arguments_are_told_without_counting_the_object_as_one(self) -> None:
        with pytest.raises(TypeError, match="missing 1 required positional argument: 'reading'"):
            Station(1).corrected()

    def test_one_that_was_not_called_is_told_as_such(self) -> None:
        with pytest.raises(TypeError, match=r"call it first, as in corrected\(\.\.\.\)"):
            cs.run(Station(1).corrected)


class TestPickling:
    def test_a_task_that_can_be_imported_is_sent_by_its_name(self) -> None:
        sent = pickle.dumps(collect)
        assert b"collect" in sent
        assert pickle.loads(sent) is collect

    def test_any_other_one_by_its_parts(self) -> None:
        declared = cs.task(name="other", mode="process", tags=["slow"], timeout=3, pure=True)(plain)
        copy = pickle.loads(pickle.dumps(declared))
        assert copy is not declared
        assert copy.fn is plain
        assert (copy.name, copy.mode, copy.tags, copy.timeout) == ("other", "process", ("slow",), 3)
        assert copy.pure
        assert copy(1).bound == declared(1).bound
