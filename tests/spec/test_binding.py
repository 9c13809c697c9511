"""Binders check the arguments of a call as Python does, and lay new ones over old ones."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.long_form import tries

from cascade.spec.binding import Binder, Bound

NAMES = ("self", "args", "kwargs", "bind", "values", "name", "to", "a", "b", "_c")
"""Names for parameters, among them those that an implementation may use itself."""

POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
NAMED = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)

numbers = st.integers(0, 99)
keyword_arguments = st.dictionaries(st.sampled_from([*NAMES, "unknown"]), numbers, max_size=4)


@st.composite
def functions(draw: st.DrawFn) -> Callable[..., dict[str, Any]]:
    """A function with any legal mix of parameters, which returns its arguments by name."""
    names = iter(draw(st.permutations(NAMES)))
    only, both, named = (draw(st.integers(0, most)) for most in (2, 2, 2))
    plain = draw(st.integers(0, only + both))
    declared = []
    for place in range(only + both):
        default = f"={1000 + place}" if place >= plain else ""
        declared.append(next(names) + default)
        if place + 1 == only:
            declared.append("/")
    variadic = draw(st.booleans())
    if variadic or named:
        declared.append(f"*{next(names)}" if variadic else "*")
    for place in range(named):
        declared.append(next(names) + (f"={2000 + place}" if draw(st.booleans()) else ""))
    if draw(st.booleans()):
        declared.append(f"**{next(names)}")
    namespace: dict[str, Any] = {}
    exec(f"def target({', '.join(declared)}): return dict(locals())", namespace)
    function: Callable[..., dict[str, Any]] = namespace["target"]
    return function


def parameters_of(fn: Callable[..., Any]) -> list[inspect.Parameter]:
    return list(inspect.signature(fn).parameters.values())


def in_order(fn: Callable[..., Any], arguments: Mapping[str, Any]) -> Bound:
    """Sort arguments by name into what a binder returns."""
    values: list[Any] = []
    keywords: dict[str, Any] = {}
    has_keywords = False
    for parameter in parameters_of(fn):
        value = arguments[parameter.name]
        if parameter.kind in POSITIONAL:
            values.append(value)
        elif parameter.kind is parameter.VAR_POSITIONAL:
            values.extend(value)
        else:
            has_keywords = True
            keywords |= (
                value if parameter.kind is parameter.VAR_KEYWORD else {parameter.name: value}
            )
    return tuple(values), keywords if has_keywords else None


def outcome(call: Callable[[], Bound]) -> Bound | type[TypeError]:
    try:
        return call()
    except TypeError:
        return TypeError


def signature_bind(fn: Callable[..., Any], args: list[int], kwargs: dict[str, int]) -> Bound:
    bound = inspect.signature(fn).bind(*args, **kwargs)
    bound.apply_defaults()
    return in_order(fn, bound.arguments)


def lay_over(
    fn: Callable[..., Any], previous: Mapping[str, Any], args: list[int], kwargs: dict[str, int]
) -> Bound:
    """The rule for a second set of arguments, parameter by parameter."""
    arguments = dict(previous)
    parameters = parameters_of(fn)
    positional = [parameter.name for parameter in parameters if parameter.kind in POSITIONAL]
    by_name = [parameter.name for parameter in parameters if parameter.kind in NAMED]
    variadic, open_keywords = (
        next((parameter.name for parameter in parameters if parameter.kind is kind), None)
        for kind in (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    )
    arguments |= dict(zip(positional, args, strict=False))
    if len(args) > len(positional):
        if variadic is None:
            raise TypeError
        arguments[variadic] = tuple(args[len(positional) :])
    for name, value in kwargs.items():
        if name in by_name:
            if name in positional[: len(args)]:
                raise TypeError
            arguments[name] = value
        elif open_keywords is not None:
            arguments[open_keywords] = {**arguments[open_keywords], name: value}
        else:
            raise TypeError
    return in_order(fn, arguments)


class TestBind:
    @settings(max_examples=tries(100, 400), deadline=None)
    @given(functions(), st.lists(numbers, max_size=6), keyword_arguments)
    def test_agrees_with_inspect(
        self, fn: Callable[..., Any], args: list[int], kwargs: dict[str, int]
    ) -> None:
        only = {p.name for p in parameters_of(fn) if p.kind is p.POSITIONAL_ONLY}
        for name in only & kwargs.keys():
            del kwargs[name]  # there `inspect` itself isn't right in all versions of Python
        expected = outcome(lambda: signature_bind(fn, args, kwargs))
        assert outcome(lambda: Binder(fn, "target").bind(*args, **kwargs)) == expected

    @settings(max_examples=tries(100, 400), deadline=None)
    @given(functions(), st.lists(numbers, max_size=6), keyword_arguments)
    def test_agrees_with_a_call_of_the_function(
        self, fn: Callable[..., Any], args: list[int], kwargs: dict[str, int]
    ) -> None:
        expected = outcome(lambda: in_order(fn, fn(*args, **kwargs)))
        assert outcome(lambda: Binder(fn, "target").bind(*args, **kwargs)) == expected

    @settings(max_examples=tries(50, 200), deadline=None)
    @given(functions(), st.lists(numbers, max_size=6), keyword_arguments)
    def test_what_it_returns_calls_the_function_alike(
        self, fn: Callable[..., Any], args: list[int], kwargs: dict[str, int]
    ) -> None:
        binder = Binder(fn, "target")
        try:
            expected = fn(*args, **kwargs)
        except TypeError:
            return
        values, keywords = binder.bind(*args, **kwargs)
        assert fn(*values, **(keywords or {})) == expected

    def test_the_error_names_the_task_and_the_parameter(self) -> None:
        def fn(amount: int) -> None: ...

        with pytest.raises(TypeError, match=r"pay bills\(\) missing .* 'amount'"):
            Binder(fn, "pay bills").bind()

    def test_defaults_are_the_very_objects_of_the_signature(self) -> None:
        default: list[int] = []

        def fn(items: list[int] = default, *, more: list[int] = default) -> None: ...

        values, keywords = Binder(fn, "fn").bind()
        assert values[0] is default
        assert keywords is not None
        assert keywords["more"] is default

    def test_keywords_are_not_shared_between_calls(self) -> None:
        def fn(**options: int) -> None: ...

        given = {"a": 1}
        binder = Binder(fn, "fn")
        _, first = binder.bind(**given)
        _, second = binder.bind(**given)
        assert first == second == given
        assert first is not second
        assert first is not given

    @pytest.mark.parametrize("fn", [int, object()])
    def test_an_unknown_signature_is_refused(self, fn: Any) -> None:
        with pytest.raises(TypeError, match="signature isn't known"):
            Binder(fn, "fn")


class TestOverlay:
    @settings(max_examples=tries(150, 600), deadline=None)
    @given(functions(), st.lists(numbers, max_size=6), keyword_arguments, st.data())
    def test_agrees_with_the_rule(
        self, fn: Callable[..., Any], args: list[int], kwargs: dict[str, int], data: st.DataObject
    ) -> None:
        previous: dict[str, Any] = {}
        for place, parameter in enumerate(parameters_of(fn)):
            if parameter.kind is parameter.VAR_POSITIONAL:
                previous[parameter.name] = tuple(data.draw(st.lists(numbers, max_size=2)))
            elif parameter.kind is parameter.VAR_KEYWORD:
                previous[parameter.name] = data.draw(st.sampled_from([{}, {"unknown": 1}]))
            else:
                previous[parameter.name] = -1 - place
        before = in_order(fn, previous)
        expected = outcome(lambda: lay_over(fn, previous, args, kwargs))
        binder = Binder(fn, "target")
        assert outcome(lambda: binder.overlay(before, tuple(args), kwargs)) == expected
        assert before == in_order(fn, previous), "the previous arguments were changed"

    def test_nothing_new_leaves_all_as_it_was(self) -> None:
        def fn(a: int, *rest: int, flag: bool = False) -> None: ...

        binder = Binder(fn, "fn")
        previous = binder.bind(1, 2, 3, flag=True)
        assert binder.overlay(previous, (), {}) == previous

    def test_variadic_arguments_stay_until_new_ones_reach_them(self) -> None:
        def fn(a: int, *rest: int) -> None: ...

        binder = Binder(fn, "fn")
        assert binder.overlay(binder.bind(1, 2, 3), (9,), {}) == ((9, 2, 3), None)
        assert binder.overlay(binder.bind(1, 2, 3), (9, 8), {}) == ((9, 8), None)

    def test_a_parameter_that_goes_by_place_only_has_no_name(self) -> None:
        def fn(a: int, /) -> None: ...

        binder = Binder(fn, "fn")
        with pytest.raises(TypeError, match="'a'"):
            binder.overlay(binder.bind(1), (), {"a": 2})

    def test_open_keywords_may_be_called_like_a_parameter_that_goes_by_place(self) -> None:
        def fn(a: int, /, **options: int) -> None: ...

        binder = Binder(fn, "fn")
        previous = binder.bind(1, a=2)
        assert previous == ((1,), {"a": 2})
        assert binder.overlay(previous, (), {"a": 3}) == ((1,), {"a": 3})
        assert binder.overlay(previous, (7,), {"a": 3}) == ((7,), {"a": 3})

    def test_errors_name_the_task_and_what_is_wrong(self) -> None:
        def fn(a: int, *, flag: bool = False) -> None: ...

        binder = Binder(fn, "agent")
        previous = binder.bind(1)
        with pytest.raises(TypeError, match=r"2 positional .* 'agent' takes at most 1"):
            binder.overlay(previous, (1, 2), {})
        with pytest.raises(TypeError, match=r"'b', .* 'agent'; its parameters: a, flag"):
            binder.overlay(previous, (), {"b": 2})
        with pytest.raises(TypeError, match=r"'a' of task 'agent' by place and by name"):
            binder.overlay(previous, (1,), {"a": 2})
