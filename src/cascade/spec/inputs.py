"""Inputs: values of a workflow that are given when it is run, or come from the environment."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any, NoReturn, TypeVar, overload

from cascade.errors import GraphError, MissingInputError
from cascade.spec.checks import check_name, shown
from cascade.spec.lazy import LazyResult, make_lazy

T_co = TypeVar("T_co", covariant=True)


class _Missing:
    """Stands for a default that wasn't given."""

    def __repr__(self) -> str:
        return "no default"


MISSING: Any = _Missing()
"""The default of an input that has none."""

YES = frozenset({"1", "true", "yes", "on"})
NO = frozenset({"0", "false", "no", "off"})
_NUMBERS = (int, float, complex)
_COLLECTIONS = (list, tuple, set, frozenset)


@dataclass(frozen=True, slots=True)
class InputDeclaration:
    """What was declared about an input."""

    kind: str
    """Where its value comes from: "parameter" or "environment variable"."""
    name: str
    """Its name."""
    default: Any
    """Its value when none is given; `MISSING` if it must be given."""
    type: Callable[[Any], Any]
    """What makes a value of what is given."""
    description: str
    """What it is for, in words."""

    @property
    def is_required(self) -> bool:
        """Whether a value must be given."""
        return self.default is MISSING

    def convert(self, value: Any) -> Any:
        """Return the value of the declared type.

        Text is parsed; a value that is of the type already stays as it is, and so does None where
        it is the default. A number is never cut to a whole one, and text never taken apart into
        its letters.

        Raises:
            TypeError, ValueError: that can't be done; the error names the input.
        """
        made = self.type
        if value is None and self.default is None:
            return None
        if made in _COLLECTIONS and isinstance(value, (str, bytes)):
            raise TypeError(f"{self._refusal(value)}: say how to read it with type=<a function>")
        if inspect.isclass(made):
            if type(value) is bool and made in _NUMBERS:
                raise TypeError(self._refusal(value))
            if isinstance(value, made):
                return value
        if made is bool:
            return self._truth(value)
        if made is int and not isinstance(value, str):
            raise TypeError(self._refusal(value))
        if made is str and not isinstance(value, (int, float, PurePath)):
            raise TypeError(self._refusal(value))
        try:
            return made(value)
        except Exception as error:
            kind = TypeError if isinstance(error, TypeError) else ValueError
            raise kind(f"{self._refusal(value)}: {error}") from error

    def _truth(self, value: Any) -> bool:
        word = value.strip().lower() if isinstance(value, str) else None
        if word in YES or word in NO:
            return word in YES
        kind = TypeError if word is None else ValueError
        raise kind(f"{self._refusal(value)}: say true or false")

    def _refusal(self, value: Any) -> str:
        name = getattr(self.type, "__name__", None) or repr(self.type)
        return f"{self.kind} {self.name!r} must be {name}, got {shown(value)}"


class Input(LazyResult[T_co]):
    """A value that is known when a run starts; the common part of `Param` and `Env`."""

    __slots__ = ()
    is_call = False

    @property
    def declaration(self) -> InputDeclaration:
        """What was declared about it."""
        declaration: InputDeclaration = self.bound[0][0]
        return declaration

    @property
    def name(self) -> str:
        """Its name."""
        return self.declaration.name

    @property
    def id(self) -> str:
        """The same as its name: whatever has the name has the value."""
        return self.declaration.name

    def _with(self, **changes: Any) -> NoReturn:
        said = ", ".join(changes)
        raise TypeError(
            f"{self!r} is a value, not a call, so nothing can be said about it ({said})"
        )

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name}>"


class Param(Input[T_co]):
    """A parameter of a workflow: its value is given when it is run.

    Used like any lazy result: as an argument, in a container, in a condition, as an amount. Two
    parameters of one name in a workflow are the same one and must be declared alike.
    """

    __slots__ = ()

    def __new__(
        cls,
        name: str,
        default: Any = MISSING,
        type: Callable[[Any], Any] | None = None,
        description: str = "",
    ) -> Any:
        """Declare a parameter.

        Args:
            name: its name in ``params=``, and on the command line.
            default: its value when none is given; without one it must be given. Text is converted
                as a value that is given would be; None stays None, and with a function as `type`
                anything but text stays as it is.
            type: makes a value of what is given: a class such as int, float, bool or
                `pathlib.Path`, or a function. Values that are of the class already stay. When it
                isn't said it is that of the default, or str.
            description: what it is for, in words.

        Raises:
            TypeError, ValueError: an argument isn't valid, or `default` isn't of the type.
        """
        return _declare(cls, "parameter", name, default, type, description)

    @overload
    def __init__(self: Param[str], name: str, *, description: str = ...) -> None: ...
    @overload
    def __init__(
        self: Param[str | None], name: str, default: None, *, description: str = ...
    ) -> None: ...
    @overload
    def __init__(self, name: str, default: T_co, *, description: str = ...) -> None: ...
    @overload
    def __init__(
        self,
        name: str,
        default: Any = ...,
        type: Callable[[Any], T_co] = ...,
        description: str = ...,
    ) -> None: ...
    def __init__(self, *_: Any, **__: Any) -> None:
        """All is done by `__new__`."""


class Env(Input[T_co]):
    """A value from an environment variable, read when the workflow is run."""

    __slots__ = ()

    def __new__(
        cls,
        name: str,
        default: Any = MISSING,
        type: Callable[[Any], Any] | None = None,
        description: str = "",
    ) -> Any:
        """Declare it.

        Args:
            name: the name of the environment variable.
            default: its value when the variable isn't set; without one it must be.
            type: makes a value of the text, as for `Param`.
            description: what it is for, in words.

        Raises:
            TypeError, ValueError: an argument isn't valid, or `default` isn't of the type.
        """
        return _declare(cls, "environment variable", name, default, type, description)

    @overload
    def __init__(self: Env[str], name: str, *, description: str = ...) -> None: ...
    @overload
    def __init__(
        self: Env[str | None], name: str, default: None, *, description: str = ...
    ) -> None: ...
    @overload
    def __init__(self, name: str, default: T_co, *, description: str = ...) -> None: ...
    @overload
    def __init__(
        self,
        name: str,
        default: Any = ...,
        type: Callable[[Any], T_co] = ...,
        description: str = ...,
    ) -> None: ...
    def __init__(self, *_: Any, **__: Any) -> None:
        """All is done by `__new__`."""


def _declare(
    cls: type[Input[Any]],
    kind: str,
    name: str,
    default: Any,
    made: Callable[[Any], Any] | None,
    description: str,
) -> LazyResult[Any]:
    from cascade.spec.task import INPUT, Task

    check_name(name, f"the name of a {kind}" if kind == "parameter" else f"the name of an {kind}")
    if made is None:
        made = str if default is MISSING or default is None else type(default)
    if isinstance(made, Task) or not callable(made):
        raise TypeError(f"type must be a class or a function that converts, got {shown(made)}")
    if not isinstance(description, str):
        raise TypeError(f"description must be a string, got {shown(description)}")
    if isinstance(default, LazyResult):
        raise TypeError(f"the default of {kind} {name!r} must be a value, got {default!r}")
    declaration = InputDeclaration(kind, name, default, made, description)
    if isinstance(default, str) or (
        inspect.isclass(made) and default is not MISSING and default is not None
    ):
        declaration = InputDeclaration(kind, name, declaration.convert(default), made, description)
    return make_lazy(INPUT, ((declaration,), None), kind=cls)


def check_declarations(inputs: Iterable[Input[Any]]) -> None:
    """Refuse inputs of one name that are declared in different ways.

    Raises:
        GraphError: naming both.
    """
    known: dict[tuple[str, str], InputDeclaration] = {}
    for lazy in inputs:
        found = lazy.declaration
        first = known.setdefault((found.kind, found.name), found)
        if first is not found and not _alike(first, found):
            raise GraphError(
                f"the {found.kind} {found.name!r} is declared in two ways: with "
                f"{_said(first)}, and with {_said(found)}"
            )


def _alike(one: InputDeclaration, other: InputDeclaration) -> bool:
    if one.type is not other.type:
        return False
    if one.default is other.default:
        return True
    same: Any = type(one.default) is type(other.default) and one.default == other.default
    return same is True


def _said(declaration: InputDeclaration) -> str:
    name = getattr(declaration.type, "__name__", None) or repr(declaration.type)
    default = declaration.default
    return f"type {name} and {'no default' if default is MISSING else f'default {shown(default)}'}"


def resolve_inputs(
    inputs: Iterable[Input[Any]],
    params: Mapping[str, Any] | None,
    environment: Mapping[str, str] | None = None,
) -> list[Any]:
    """Return the value of each input, in their order; all are checked before any is used.

    Args:
        inputs: what a workflow declares.
        params: values of its parameters, by name.
        environment: the environment variables; None: those of the process.

    Raises:
        TypeError: `params` isn't a mapping, or a value can't be converted; the error names it.
        ValueError: `params` names something that isn't declared, or a value can't be converted.
        MissingInputError: values are missing; it names all of them.
    """
    declared = [lazy.declaration for lazy in inputs]
    params = {} if params is None else params
    if not isinstance(params, Mapping):
        raise TypeError(f"params must map names of parameters to values, got {params!r}")
    variables: Mapping[str, Any] = os.environ if environment is None else environment
    known = dict.fromkeys([one.name for one in declared if one.kind == "parameter"])
    unknown = [name for name in params if name not in known]
    if unknown:
        names = ", ".join(map(repr, unknown))
        there = f"it has {', '.join(map(repr, known))}" if known else "it declares no parameters"
        raise ValueError(f"params gives {names}, which the workflow doesn't declare: {there}")
    given = [params if one.kind == "parameter" else variables for one in declared]
    missing = [
        one
        for one, values in zip(declared, given, strict=True)
        if one.is_required and one.name not in values
    ]
    if missing:
        raise MissingInputError(
            list(dict.fromkeys(one.name for one in missing if one.kind == "parameter")),
            list(dict.fromkeys(one.name for one in missing if one.kind != "parameter")),
        )
    return [
        one.convert(values[one.name]) if one.name in values else one.default
        for one, values in zip(declared, given, strict=True)
    ]
