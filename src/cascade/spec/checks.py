"""Checks of plain arguments: each raises at once, naming the argument, its value and what is valid.

Numbers are handed back as floats, so that a whole number too large for one is infinite, not an
`OverflowError` somewhere later.
"""

from __future__ import annotations

import math
import operator
import reprlib

_shortened = reprlib.Repr()
_shortened.maxstring = _shortened.maxother = 200
_shortened.maxlong = 500


def shown(value: object) -> str:
    """Return the value as it would be written, shortened where that would be very long."""
    if isinstance(value, int) and value.bit_length() > 10_000:
        # Python refuses to write out whole numbers of thousands of digits.
        return f"{'-' if value < 0 else ''}2**{value.bit_length() - 1} or more"
    return _shortened.repr(value)


def check_name(name: object, what: str = "resource name") -> None:
    """Raise unless `name` is a string with something in it."""
    if not isinstance(name, str):
        raise TypeError(f"{what} must be a string, got {name!r}")
    if not name:
        raise ValueError(f"{what} must not be empty")


def check_time(argument: str, value: object) -> float:
    """Return a number of seconds, or a time on the loop's clock; infinity is one.

    Raises:
        TypeError: it isn't a number (a bool isn't one here).
        ValueError: it is not-a-number.
    """
    seconds = _number(argument, value, "a number of seconds")
    if seconds != seconds:
        raise ValueError(f"{argument} must be a number of seconds, got {value!r}")
    return seconds


def check_duration(argument: str, value: object) -> float:
    """Return a number of seconds that is at least 0; infinity is one.

    Raises:
        TypeError: it isn't a number (a bool isn't one here).
        ValueError: it is negative or not-a-number.
    """
    seconds = _number(argument, value, "a number of seconds")
    if not seconds >= 0:
        raise ValueError(f"{argument} must be ≥ 0 seconds, got {shown(value)}")
    return seconds


def check_timeout(argument: str, value: object) -> float | None:
    """Return a number of seconds above 0; None for infinity, which is no limit.

    Raises:
        TypeError: it isn't a number (a bool isn't one here).
        ValueError: it is 0, negative or not-a-number.
    """
    seconds = check_duration(argument, value)
    if not seconds:
        raise ValueError(f"{argument} must be above 0 seconds, got {value!r}")
    return None if math.isinf(seconds) else seconds


def check_finite(argument: str, value: object) -> float:
    """Return a finite number.

    Raises:
        TypeError: it isn't a number (a bool isn't one here).
        ValueError: it is infinite, not-a-number, or a whole number too large for a float.
    """
    number = _number(argument, value, "a number")
    if not math.isfinite(number):
        raise ValueError(f"{argument} must be a finite number, got {shown(value)}")
    return number


def _number(argument: str, value: object, wanted: str) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(f"{argument} must be {wanted}, got {shown(value)}")
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def check_whole(argument: str, value: object, least: int) -> int:
    """Return a whole number that is at least `least`, also one of another library, as an int.

    Raises:
        TypeError: it isn't a whole number (a bool isn't one here).
        ValueError: it is below `least`.
    """
    whole = _whole(value)
    if whole is None:
        raise TypeError(f"{argument} must be a whole number ≥ {least}, got {shown(value)}")
    if whole < least:
        raise ValueError(f"{argument} must be a whole number ≥ {least}, got {shown(value)}")
    return whole


def _whole(value: object) -> int | None:
    """Return a whole number as an int; None if it isn't one.

    Truth values aren't numbers here. Those of numpy say so themselves, as its arrays of more than
    one number do: they don't let themselves be taken for an index.
    """
    if isinstance(value, bool):
        return None
    try:
        return operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        return None


def check_priority(value: object) -> int:
    """Return a priority: a whole number of either sign, also one of another library, as an int.

    Raises:
        TypeError: it isn't a whole number (a bool isn't one here).
    """
    whole = _whole(value)
    if whole is None:
        raise TypeError(f"priority must be a whole number, got {shown(value)}")
    return whole
