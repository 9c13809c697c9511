"""Commands as values: what each is called with, told once, for typer and for a plain reader.

Typer takes a third of a second to load. Who steers shouldn't have to wait for it, and so plain
arguments are read here; all others, such as wrong ones and ``--help``, are left to typer.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeAlias


class Argument(NamedTuple):
    """An argument that stands in its place."""

    name: str
    """The parameter of the function."""
    metavar: str
    """What stands for it in the help."""
    help: str
    """What it is."""
    needed: bool = False
    """Whether it must be there."""
    default: str | None = None
    """What it is when it isn't there."""


class Option(NamedTuple):
    """An option with a value."""

    name: str
    """The parameter of the function."""
    flags: tuple[str, ...]
    """How it is written."""
    metavar: str
    """What stands for the value in the help."""
    help: str
    """What it is."""
    default: int | None = None
    """What it is when it isn't there. Where that is a number, it is a whole number from 1."""


class Switch(NamedTuple):
    """An option that is there or not."""

    name: str
    """The parameter of the function."""
    flag: str
    """How it is written."""
    help: str
    """What it does."""


Parameter: TypeAlias = Argument | Option | Switch


class Command(NamedTuple):
    """A command: a function and what it is called with."""

    function: Callable[..., None]
    """What it does; it is called as the command is, and its docstring is the help."""
    parameters: tuple[Parameter, ...]
    """Its parameters, in the order of the help."""

    @property
    def name(self) -> str:
        """What the command is called."""
        return self.function.__name__


def plainly_read(command: Command, words: Sequence[str]) -> dict[str, Any] | None:
    """Return what a command is called with; None if typer has to look at it.

    Args:
        command: the command.
        words: what stands behind its name.
    """
    places = [each for each in command.parameters if isinstance(each, Argument)]
    switches = {each.flag: each for each in command.parameters if isinstance(each, Switch)}
    options = {
        flag: each for each in command.parameters if isinstance(each, Option) for flag in each.flags
    }
    values: dict[str, Any] = {
        each.name: False if isinstance(each, Switch) else each.default
        for each in command.parameters
    }
    found: list[str] = []
    rest = iter(words)
    for word in rest:
        flag, equals, value = word.partition("=")
        if not word.startswith("-"):
            found.append(word)
        elif word in switches:
            values[switches[word].name] = True
        elif flag in options and ((equals and flag.startswith("--")) or not equals):
            option = options[flag]
            read = _value_of(option, value if equals else next(rest, None))
            if read is None:
                return None
            values[option.name] = read
        else:
            return None
    if not sum(place.needed for place in places) <= len(found) <= len(places):
        return None
    for place, word in zip(places, found, strict=False):
        values[place.name] = word
    return values


def _value_of(option: Option, word: str | None) -> str | int | None:
    """Return the value of an option; None if it isn't a plain one."""
    if word is None or word.startswith("-"):
        return None
    if option.default is None:
        return word
    is_number = word.isascii() and word.isdecimal() and len(word) < 10
    return int(word) or None if is_number else None
