"""Messages: one JSON object a line, checked against what each command takes."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from cascade.spec.checks import check_finite, check_whole, shown

LARGEST = 64 * 1024
"""Bytes of a message that is sent to a program, at most."""
LONGEST_NAME = 200
LONGEST_VIA = 40
_VIA = re.compile(rf"[A-Za-z0-9][A-Za-z0-9 ._/-]{{0,{LONGEST_VIA - 1}}}")
LONGEST_TIME = 366 * 24 * 3600.0
"""Seconds that something may be set for, at most: a year."""


class RefusedError(Exception):
    """A message that nobody will obey; its text says why."""


@dataclass(frozen=True, slots=True)
class Field:
    """What a command takes under a name."""

    check: Callable[[str, Any], Any]
    """Returns the value, or raises `RefusedError`."""
    required: bool = True


def _text(name: str, value: object) -> str:
    if not isinstance(value, str) or not value or len(value) > LONGEST_NAME:
        raise RefusedError(f"{name} must be a text of 1 to {LONGEST_NAME} characters")
    if not value.isprintable():
        raise RefusedError(f"{name} must be printable, got {shown(value)}")
    return value


def _seconds(name: str, value: object) -> float:
    seconds = _number(name, value)
    if not 0 < seconds <= LONGEST_TIME:
        raise RefusedError(f"{name} must be above 0 and at most a year, got {shown(value)}")
    return seconds


def _number(name: str, value: object) -> float:
    try:
        return float(check_finite(name, value))
    except (TypeError, ValueError, OverflowError) as error:
        raise RefusedError(str(error)) from None


def _amount(name: str, value: object) -> float | None:
    return None if value is None else _number(name, value)


def _count(name: str, value: object) -> int:
    try:
        return check_whole(name, value, 1)
    except (TypeError, ValueError) as error:
        raise RefusedError(str(error)) from None


def _mapping(name: str, value: object) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise RefusedError(f"{name} must be an object, got {shown(value)}")
    return value


def _flag(name: str, value: object) -> bool:
    if not isinstance(value, bool):
        raise RefusedError(f"{name} must be true or false, got {shown(value)}")
    return value


def _rate(name: str, value: object) -> str | float | None:
    return _text(name, value) if isinstance(value, str) else _amount(name, value)


_FOR = Field(_seconds, required=False)
_SOME_TEXT = Field(_text, required=False)

COMMANDS: dict[str, dict[str, Field]] = {
    "ps": {},
    "look": {},
    "watch": {"every": Field(_seconds, required=False)},
    "limit": {"resource": Field(_text), "amount": Field(_amount), "for": _FOR},
    "rate": {
        "resource": Field(_text),
        "rate": Field(_rate),
        "burst": Field(_number, required=False),
        "for": _FOR,
    },
    "rule": {"scope": Field(_text), "type": Field(_text), "params": Field(_mapping), "for": _FOR},
    "lift": {"scope": _SOME_TEXT, "type": _SOME_TEXT, "rule": _SOME_TEXT},
    "rules": {},
    "log": {"last": Field(_count, required=False)},
    "explain": {"what": _SOME_TEXT},
    "cancel": {"run": Field(_text)},
    "graph": {"run": Field(_text), "shape": Field(_flag, required=False)},
}
"""What can be asked of a program, and what is said with it."""


@dataclass(frozen=True, slots=True)
class Request:
    """A command that can be obeyed."""

    command: str
    """One of `COMMANDS`."""
    said: dict[str, Any]
    """What was said with it, by name; what wasn't said is None."""
    id: Any = None
    """Whatever the sender has numbered it with."""
    via: str | None = None
    """What the sender says it was asked by, such as "cascade ui": a note, which nobody checks."""


def encode(message: Mapping[str, Any], errors: str = "replace") -> bytes:
    """Return a message as a line.

    Args:
        message: what is sent.
        errors: what becomes of a part of a character, as in `str.encode`.

    Raises:
        ValueError: a number isn't finite; or a `UnicodeEncodeError`, if errors are strict.
    """
    text = json.dumps(message, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.encode("utf-8", errors) + b"\n"


def decode(line: bytes) -> dict[str, Any]:
    """Return the object of a line.

    Raises:
        RefusedError: it is none.
    """
    try:
        message = json.loads(line)
    except (ValueError, RecursionError):
        raise RefusedError("a message must be one JSON object in a line") from None
    if not isinstance(message, dict):
        raise RefusedError("a message must be a JSON object")
    return message


def request_of(message: Mapping[str, Any]) -> Request:
    """Check a message against what its command takes.

    Raises:
        RefusedError: it doesn't fit; the text says where.
    """
    command = message.get("do")
    fields = COMMANDS.get(command) if isinstance(command, str) else None
    if fields is None or not isinstance(command, str):
        raise RefusedError(f"do must be one of {', '.join(COMMANDS)}, got {shown(command)}")
    number = message.get("id")
    if number is not None and (isinstance(number, bool) or not isinstance(number, (int, str))):
        raise RefusedError("id must be a whole number or a text")
    for name in message:
        if name not in fields and name not in ("do", "id", "via"):
            takes = ", ".join(fields) or "nothing"
            raise RefusedError(f"{command} takes {takes}, got {shown(name)}")
    said: dict[str, Any] = {}
    for name, field in fields.items():
        if name in message:
            said[name] = field.check(name, message[name])
        elif field.required:
            raise RefusedError(f"{command} needs {name}")
        else:
            said[name] = None
    return Request(command, said, number, _via(message.get("via")))


def _via(value: object) -> str | None:
    if value is None:
        return None
    try:
        return check_via(value)
    except (TypeError, ValueError) as error:
        raise RefusedError(str(error)) from None


def check_via(via: object) -> str:
    """Return what a command is said to have come from, if it may be called so.

    Raises:
        TypeError, ValueError: it may not.
    """
    if not isinstance(via, str):
        raise TypeError(f"via must be a string, got {shown(via)}")
    if not _VIA.fullmatch(via):
        raise ValueError(
            f"via must be of up to {LONGEST_VIA} letters, digits, spaces, dots, dashes, slashes "
            f"and underscores, and begin with a letter or digit, got {shown(via)}"
        )
    return via
