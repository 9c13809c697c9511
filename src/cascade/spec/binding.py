"""Binders: compiled once per task, they check the arguments of a call and put them in order."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

Bound = tuple[tuple[Any, ...], dict[str, Any] | None]
"""Positional values with all defaults filled in, and keyword values (None if there are none)."""


class Binder:
    """The signature of a function, compiled.

    `inspect.Signature.bind` costs several microseconds a call. A generated function with the same
    parameters lets the interpreter check the arguments itself, and raise its usual `TypeError`.
    """

    __slots__ = ("bind", "count", "keyword_names", "name", "open_keywords", "positions", "variadic")

    def __init__(self, fn: Callable[..., Any], name: str) -> None:
        try:
            parameters = list(inspect.signature(fn).parameters.values())
        except (TypeError, ValueError) as error:
            raise TypeError(
                f"{fn!r} can't be a task because its signature isn't known: wrap it in a def"
            ) from error
        self.name = name
        self.positions: dict[str, int] = {}
        """The place of each parameter that can be given by place and by name."""
        self.count = 0
        """How many parameters can be given by place."""
        self.keyword_names: set[str] = set()
        """The parameters that can be given by name only."""
        self.variadic = False
        """Whether there is a ``*args``."""
        self.open_keywords = False
        """Whether there is a ``**kwargs``."""
        self.bind: Callable[..., Bound] = self._compile(parameters)
        """Called with the arguments of a call; raises `TypeError` if they don't fit."""

    def _compile(self, parameters: list[inspect.Parameter]) -> Callable[..., Bound]:
        defaults: dict[str, Any] = {}
        declared: list[str] = []
        positional: list[str] = []
        keywords: list[str] = []
        kinds = [parameter.kind for parameter in parameters]
        for place, parameter in enumerate(parameters):
            text = parameter.name
            if parameter.default is not parameter.empty:
                key = f"_cascade_default_{place}"
                defaults[key] = parameter.default
                text = f"{text}={key}"
            if parameter.kind is parameter.VAR_POSITIONAL:
                self.variadic = True
                declared.append(f"*{parameter.name}")
                positional.append(f"*{parameter.name}")
            elif parameter.kind is parameter.VAR_KEYWORD:
                self.open_keywords = True
                declared.append(f"**{parameter.name}")
                keywords.append(f"**{parameter.name}")
            elif parameter.kind is parameter.KEYWORD_ONLY:
                if not self.variadic and not self.keyword_names:
                    declared.append("*")
                self.keyword_names.add(parameter.name)
                declared.append(text)
                keywords.append(f"'{parameter.name}': {parameter.name}")
            else:
                if parameter.kind is not parameter.POSITIONAL_ONLY:
                    self.positions[parameter.name] = self.count
                self.count += 1
                declared.append(text)
                positional.append(parameter.name)
                if parameter.kind is parameter.POSITIONAL_ONLY and (
                    place + 1 == len(kinds) or kinds[place + 1] is not parameter.POSITIONAL_ONLY
                ):
                    declared.append("/")
        values = "".join(f"{item}, " for item in positional)
        named = "{" + ", ".join(keywords) + "}" if keywords else "None"
        source = f"def bind({', '.join(declared)}): return ({values}), {named}"
        namespace: dict[str, Any] = defaults
        exec(source, namespace)
        bind: Callable[..., Bound] = namespace["bind"]
        bind.__qualname__ = bind.__name__ = self.name  # the interpreter's TypeErrors use it
        return bind

    def overlay(
        self,
        previous: Bound,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
    ) -> Bound:
        """Lay new arguments over those of an earlier call.

        Positional ones replace the leading parameters; when they reach a ``*args``, they replace
        it as a whole. Named ones replace theirs.

        Raises:
            TypeError: too many positional arguments, an unknown name, or one given twice.
        """
        values, keywords = previous
        if not args and len(kwargs) == 1:  # what most agents do
            ((name, value),) = kwargs.items()
            place = self.positions.get(name)
            if place is not None:
                return (*values[:place], value, *values[place + 1 :]), keywords
        count = self.count
        if args:
            if len(args) > count:
                if not self.variadic:
                    raise TypeError(
                        f"TailCall gives {len(args)} positional arguments, "
                        f"but task {self.name!r} takes at most {count}"
                    )
                values = args
            else:
                values = args + values[len(args) :]
        if kwargs:
            positions = self.positions
            changed = list(values)
            named = None
            for name, value in kwargs.items():
                place = positions.get(name)
                if place is not None:
                    if place < len(args):
                        raise TypeError(
                            f"TailCall gives {name!r} of task {self.name!r} by place and by name"
                        )
                    changed[place] = value
                elif self.open_keywords or name in self.keyword_names:
                    if named is None:
                        named = dict(keywords) if keywords is not None else {}
                    named[name] = value
                else:
                    known = ", ".join([*positions, *sorted(self.keyword_names)]) or "none"
                    raise TypeError(
                        f"TailCall names {name!r}, which isn't a parameter of task {self.name!r}; "
                        f"its parameters: {known}"
                    )
            values = tuple(changed)
            if named is not None:
                keywords = named
        return values, keywords
