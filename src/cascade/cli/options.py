"""The options after ``--``: made of the parameters that a workflow declares."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

from cascade.cli.loading import Workflow
from cascade.cli.problems import UsageProblem
from cascade.errors import MissingInputError
from cascade.spec.inputs import InputDeclaration, resolve_inputs

COLLECTIONS = (list, tuple, set, frozenset)
"""Types of parameters whose option may be given several times, once for each element."""


class HelpWanted(Exception):
    """The user asks which options there are; its text lists them."""


def params_of(workflow: Workflow, arguments: Sequence[str]) -> dict[str, Any]:
    """Return the values of parameters that arguments give, by the names of the parameters.

    Raises:
        UsageProblem: an option is unknown, or lacks its value.
        HelpWanted: ``--help`` is among them.
    """
    return _Options(workflow).parse(arguments)


def check_params(workflow: Workflow, params: Mapping[str, Any]) -> None:
    """Check the values that a workflow is to be run with.

    Raises:
        UsageProblem: values are missing, or aren't of the declared type.
    """
    try:
        resolve_inputs(workflow.graph.inputs.values(), params)
    except MissingInputError as error:
        options = _Options(workflow)
        missing = [f"the option {options.said(name)} (after --)" for name in error.parameters]
        missing += [f"the environment variable {name}" for name in error.variables]
        raise UsageProblem(f"{workflow.name} needs {', '.join(missing)}") from None
    except (TypeError, ValueError) as error:
        raise UsageProblem(str(error)) from None


class _Parser(argparse.ArgumentParser):
    """A parser that raises what it has to say."""

    def error(self, message: str) -> NoReturn:
        raise UsageProblem(message)


class _Options:
    """The options of a workflow."""

    def __init__(self, workflow: Workflow) -> None:
        found: dict[str, InputDeclaration] = {}
        for lazy in workflow.graph.inputs.values():
            if lazy.declaration.kind == "parameter":
                found.setdefault(lazy.name, lazy.declaration)
        self._name = workflow.name
        self._taken = {f"--{name}" for name in found}
        self._help = self._free("--help", "-h")
        self._parser = _Parser(
            prog=f"cascade run {workflow.name} --",
            usage=argparse.SUPPRESS,
            add_help=False,
            allow_abbrev=False,
        )
        self._flags: dict[str, str] = {}
        for place, declaration in enumerate(found.values()):
            self._add(f"param {place}", declaration)
        self._names = list(found)
        self._parser.add_argument(
            *self._help, dest="help", action="store_true", help="list these options"
        )

    def said(self, name: str) -> str:
        """Return the option of a parameter as help shows it."""
        return self._flags[name]

    def parse(self, arguments: Sequence[str]) -> dict[str, Any]:
        values, others = self._parser.parse_known_args(list(arguments))
        if values.help:
            raise HelpWanted(self._listing())
        if others:
            there = ", ".join(self._flags.values()) or "no options"
            raise UsageProblem(f"{self._name} doesn't know {others[0]!r}: it has {there}")
        given = vars(values)
        return {
            name: given[f"param {place}"]
            for place, name in enumerate(self._names)
            if f"param {place}" in given
        }

    def _free(self, *flags: str) -> list[str]:
        free = [flag for flag in dict.fromkeys(flags) if flag not in self._taken]
        self._taken.update(free)
        return free

    def _add(self, place: str, declaration: InputDeclaration) -> None:
        name, made = declaration.name, declaration.type
        dashed = name.replace("_", "-")
        flags = [*self._free(f"--{dashed}"), f"--{name}"]
        flags = list(dict.fromkeys(flags))
        self._flags[name] = flags[0]
        words = _described(declaration).replace("%", "%%")
        common: dict[str, Any] = {"dest": place, "default": argparse.SUPPRESS}
        if made is bool:
            self._parser.add_argument(
                *flags, action="store_const", const=True, help=words, **common
            )
            negative = self._free(f"--no-{dashed}", f"--no-{name}")
            if negative:
                self._parser.add_argument(
                    *negative, action="store_const", const=False, help="the opposite", **common
                )
        elif made in COLLECTIONS:
            words += "; may be given several times"
            self._parser.add_argument(*flags, action="append", metavar="TEXT", help=words, **common)
        elif made is dict:
            self._parser.add_argument(*flags, metavar="JSON", type=_mapping, help=words, **common)
        else:
            kind = getattr(made, "__name__", "value").strip("<>").upper()
            kind = "TEXT" if made is str else kind
            self._parser.add_argument(*flags, metavar=kind, help=words, **common)

    def _listing(self) -> str:
        text = self._parser.format_help().strip()
        return f"Options of {self._name}, after --\n\n{text}"


def _described(declaration: InputDeclaration) -> str:
    given = "must be given" if declaration.is_required else f"default: {declaration.default!r}"
    return f"{declaration.description} ({given})".strip()


def _mapping(text: str) -> dict[Any, Any]:
    try:
        value = json.loads(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"must be a JSON object: {error}") from None
    if not isinstance(value, dict):
        raise argparse.ArgumentTypeError(f"must be a JSON object, got {text!r}")
    return value
