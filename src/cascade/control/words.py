"""Amounts, rates and durations as they are typed and shown."""

from __future__ import annotations

import re
import shlex

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")


def seconds_of(text: str) -> float:
    """Return the seconds that a duration such as "10m", "1h30m", "90s" or "90" takes.

    Raises:
        ValueError: it is none, or isn't above 0.
    """
    cleaned = text.strip().lower()
    try:
        seconds = float(cleaned)
    except ValueError:
        parts = _PART.findall(cleaned)
        if not parts or "".join(number + unit for number, unit in parts) != cleaned:
            raise ValueError(
                f'must be a duration such as "10m", "1h30m" or "90s", got {text!r}'
            ) from None
        seconds = sum(float(number) * _UNITS[unit] for number, unit in parts)
    if not 0 < seconds < float("inf"):
        raise ValueError(f"must be above 0 seconds, got {text!r}")
    return seconds


def duration_in_words(seconds: float) -> str:
    """Return a duration in the form in which it can be typed."""
    if seconds < 60 or seconds != int(seconds):
        return f"{number_in_words(seconds)}s"
    left, parts = int(seconds), []
    for unit in ("d", "h", "m", "s"):
        size = int(_UNITS[unit])
        if left >= size:
            parts.append(f"{left // size}{unit}")
            left %= size
    return "".join(parts)


def number_in_words(number: float) -> str:
    """Return the number of a duration or of a rate exactly enough to be typed again."""
    text = f"{number:.15g}"
    if "e" in text:  # which isn't taken where these are typed
        text = f"{number:.20f}".rstrip("0").rstrip(".")
    return text


def amount_in_words(amount: float | None) -> str:
    """Return an amount, exactly enough to be typed again; None is no limit."""
    return "none" if amount is None else f"{amount:.15g}"


def rate_in_words(per_second: float | None) -> str:
    """Return a rate in the form in which it can be typed; None is no limit."""
    if per_second is None:
        return "none"
    for unit in ("s", "m", "h", "d"):
        amount = per_second * _UNITS[unit]
        if abs(amount - round(amount)) < 1e-9 * max(1.0, amount) and amount >= 1:
            return f"{round(amount)}/{unit}"
    return f"{number_in_words(per_second * _UNITS['d'])}/d"


def quoted(text: str) -> str:
    """Return a word as it can be typed into a shell."""
    return shlex.quote(text)


def is_scope(name: str) -> bool:
    """Whether something names tasks, not a resource."""
    kind, colon, _ = name.partition(":")
    return name == "global" or (kind in ("task", "tag", "engine") and bool(colon))


def error_in_words(error: BaseException) -> str:
    """Return what an error says; one whose words can't be had has still got a name."""
    name = type(error).__name__
    try:
        return f"{name}: {error}"
    except Exception as problem:
        return f"{name}, whose words raise {type(problem).__name__}"
