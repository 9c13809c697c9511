"""Resources that are set up for a run, given to the tasks that ask, and torn down after it."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, overload

from cascade.spec.checks import check_name

SCOPES = ("run", "task")
"""How long a resource can live: for one run, or for one task of it."""


@dataclass(frozen=True, slots=True)
class Inject:
    """Stands in an argument or a default for the resource of that name."""

    name: str
    """The name of the resource."""


def inject(name: str) -> Any:
    """Ask for a resource by name: as a default in a task's signature, or as an argument.

    Raises:
        TypeError, ValueError: `name` isn't a string, or is empty.
    """
    check_name(name)
    return Inject(name)


@dataclass(frozen=True, slots=True)
class ResourceDefinition:
    """A generator function that yields the resource once: set-up before, tear-down after."""

    name: str
    """The name under which it is injected."""
    fn: Callable[..., Any]
    """The generator function itself."""
    scope: str
    """How long one lives: "run" or "task"."""
    is_async: bool
    """Whether `fn` is an async generator function."""
    needs: tuple[tuple[str, str], ...]
    """Its own injections: (parameter, resource)."""


@overload
def resource(fn: Callable[..., Any], /) -> ResourceDefinition: ...
@overload
def resource(
    *, name: str | None = None, scope: str = "run"
) -> Callable[[Callable[..., Any]], ResourceDefinition]: ...
def resource(
    fn: Callable[..., Any] | None = None, /, *, name: str | None = None, scope: str = "run"
) -> ResourceDefinition | Callable[[Callable[..., Any]], ResourceDefinition]:
    """Declare a generator function with one ``yield`` to be a resource.

    What it yields is given to the tasks; what stands after the ``yield`` runs when the run ends,
    on every path. It may be sync or async, and may have other resources injected as defaults.

    Args:
        name: the name to inject it by; the function's own by default.
        scope: "run": set up when first needed, once a run. "task": for each task that asks, with
            all of its attempts and steps, and torn down when that ends.

    Raises:
        TypeError: it isn't a generator function, or has a parameter that nobody would fill.
        ValueError: an unknown scope, or an empty name.
    """
    if scope not in SCOPES:
        raise ValueError(f"scope must be one of {', '.join(SCOPES)}, got {scope!r}")
    if name is not None:
        check_name(name, "name")

    def define(function: Callable[..., Any]) -> ResourceDefinition:
        given = name or getattr(function, "__name__", None)
        if given is None and isinstance(function, functools.partial):
            given = getattr(function.func, "__name__", None)
        is_async = inspect.isasyncgenfunction(function)
        if not is_async and not inspect.isgeneratorfunction(function):
            raise TypeError(f"a resource is a generator function with one yield, got {function!r}")
        needs = []
        for parameter in inspect.signature(function).parameters.values():
            if isinstance(parameter.default, Inject):
                if parameter.kind is parameter.POSITIONAL_ONLY:
                    raise TypeError(
                        f"resource {given!r}: the parameter {parameter.name!r} is injected by "
                        "name, so it can't be positional-only"
                    )
                needs.append((parameter.name, parameter.default.name))
            elif parameter.default is parameter.empty and parameter.kind not in (
                parameter.VAR_POSITIONAL,
                parameter.VAR_KEYWORD,
            ):
                raise TypeError(
                    f"resource {given!r}: nobody would fill the parameter "
                    f"{parameter.name!r}; give it a default, such as cs.inject('...')"
                )
        return ResourceDefinition(
            name=given or type(function).__name__,
            fn=function,
            scope=scope,
            is_async=is_async,
            needs=tuple(needs),
        )

    return define if fn is None else define(fn)
