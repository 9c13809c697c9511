"""Statements of SQL as constants: what in one shows that it was put together from values.

A string doesn't tell whether it was written in the program or built. But placeholders of Python's
own ways to build strings do, and values belong into parameters.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from cascade.spec.checks import shown

_QUIET = re.compile(r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|--[^\n]*|/\*.*?\*/", re.DOTALL)
"""Literals, quoted names and comments."""
_PLACEHOLDER = re.compile(r"%s\b|%d\b|%\(\w+\)s|\?|\$\d+|[{}]")
"""What stands for a value in ways other than ``:name``."""
_QUOTED_PLACEHOLDER = re.compile(r"['\"](?:%s|%d|%\(\w+\)s|\?)['\"]")
"""One that was put between quotes, where it would be taken for text."""
_BRACED_NAME = re.compile(r"\{[A-Za-z_][\w.\[\]]*(?:![rsa])?\}")
"""A field of ``str.format`` or of an f-string that isn't one, inside a literal."""


def check_statement(statement: object) -> str:
    """Return a statement that gets its values as parameters, if any.

    Raises:
        TypeError: it isn't a string.
        ValueError: it is empty, or has placeholders of another kind than ``:name``.
    """
    if not isinstance(statement, str):
        raise TypeError(f"statement must be a string of SQL, got {shown(statement)}")
    if not statement.strip():
        raise ValueError(f"statement must not be empty, got {statement!r}")
    found = _PLACEHOLDER.search(_QUIET.sub(" ", statement)) or _inside(statement)
    if found is not None:
        raise ValueError(
            f"statement must get its values as parameters, written :name, but has {found[0]!r} "
            f"in it: {shown(statement)}"
        )
    return statement


def _inside(statement: str) -> re.Match[str] | None:
    """Find what was to be formatted into a literal, such as ``'{name}'`` or ``'%s'``."""
    for quiet in _QUIET.finditer(statement):
        if quiet[0][0] in "'\"":
            found = _QUOTED_PLACEHOLDER.fullmatch(quiet[0]) or _BRACED_NAME.search(quiet[0])
            if found is not None:
                return found
    return None


def check_parameters(parameters: object, what: str = "parameters") -> dict[str, Any]:
    """Return the parameters of a statement, by name.

    Raises:
        TypeError: they aren't a mapping of names to values.
    """
    if parameters is None:
        return {}
    if not isinstance(parameters, Mapping):
        raise TypeError(
            f"{what} must be a dict of names and values, for the :name places of the statement, "
            f"got {shown(parameters)}"
        )
    for name in parameters:
        if not isinstance(name, str):
            raise TypeError(f"the names in {what} must be strings, got {shown(name)}")
    return dict(parameters)


def check_names(wanted: set[str], given: Mapping[str, Any], what: str = "parameters") -> None:
    """Raise `ValueError` unless the parameters are those that the statement names."""
    missing, unknown = sorted(wanted - given.keys()), sorted(given.keys() - wanted)
    if missing:
        raise ValueError(f"{what} must have a value for :{', :'.join(missing)}")
    if unknown:
        known = f":{', :'.join(sorted(wanted))}" if wanted else "none"
        raise ValueError(
            f"{what} must be those of the statement ({known}), got {', '.join(unknown)} as well"
        )
