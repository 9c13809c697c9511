"""Orders: what is typed to steer a program, as it is sent; and how it is told that it is wrong."""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from cascade.control.words import is_scope, seconds_of
from cascade.errors import ControlError

REFUSED, WRONG_USE = 1, 2
"""The exit codes."""
NOBODY = "no program runs that can be steered: start it with CASCADE_CONTROL=1, or with --control"

_WITH_TIME = re.compile(r"(.*\S)\s+(?:--)?for[\s=]+(\S+)\s*")


class WrongUse(Exception):
    """The command was called in a way that can't work."""


def say(text: str) -> None:
    """Tell the user something that isn't what was asked for."""
    print(text, file=sys.stderr)


@contextmanager
def told() -> Iterator[None]:
    """Tell the user what was wrong, and end with the exit code for it."""
    try:
        yield
    except WrongUse as error:
        say(f"error: {error}")
        raise SystemExit(WRONG_USE) from None
    except ControlError as error:
        say(f"error: {error}")
        raise SystemExit(REFUSED) from None


def limit_order(what: str, duration: str | None = None) -> tuple[str, dict[str, Any]]:
    """Return the command that sets a limit, and what is said with it.

    Args:
        what: such as "slot=50", "slot=none", "task:fetch*=3", "global=10".
        duration: for how long, such as "10m"; None: until it is set again.

    Raises:
        WrongUse: it is of another form.
    """
    name, equals, text = what.rpartition("=")
    if not equals or not name:
        raise WrongUse(f"WHAT=AMOUNT is needed, such as cpu_slot=50, got {what!r}")
    said = time_said(duration)
    if is_scope(name) and text == "none":
        return "lift", lifted(name, "concurrency", said)
    if is_scope(name):
        limit = _parsed(int, "AMOUNT must be a whole number of tasks, got", text)
        return "rule", {**said, "scope": name, "type": "concurrency", "params": {"limit": limit}}
    amount = None
    if text != "none":
        amount = _parsed(finite, "AMOUNT must be a number or none, got", text)
    return "limit", {**said, "resource": name, "amount": amount}


def limit_order_in_a_line(line: str) -> tuple[str, dict[str, Any]]:
    """Return the same of one line, such as "slot=5" or "slot=5 for 10m".

    Raises:
        WrongUse: it is of another form.
    """
    timed = _WITH_TIME.fullmatch(line)
    return limit_order(line.strip()) if timed is None else limit_order(timed[1].strip(), timed[2])


def burst_of(text: str) -> float:
    """Return how many may start at once.

    Raises:
        WrongUse: it is no number.
    """
    return float(_parsed(finite, "--burst must be a number, got", text))


def lifted(scope: str, type: str, time: dict[str, Any]) -> dict[str, Any]:
    """Return what lifts the rule of a scope.

    Raises:
        WrongUse: that is to be for a time.
    """
    if time:
        raise WrongUse("none takes no --for: it lifts a rule")
    return {"scope": scope, "type": type}


def time_said(duration: str | None) -> dict[str, Any]:
    """Return what says for how long something holds.

    Raises:
        WrongUse: it is no duration.
    """
    return {} if duration is None else {"for": seconds_said("--for", duration)}


def seconds_said(option: str, text: str) -> float:
    """Return the seconds that an option says.

    Raises:
        WrongUse: it says no duration.
    """
    try:
        return seconds_of(text)
    except ValueError as error:
        raise WrongUse(f"{option} {error}") from None


def finite(text: str) -> float:
    """Return the number that a text says.

    Raises:
        ValueError: it says none that is finite.
    """
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(text)
    return number


def _parsed(parse: Callable[[str], Any], what: str, text: str) -> Any:
    try:
        return parse(text)
    except ValueError:
        raise WrongUse(f"{what} {text!r}") from None
