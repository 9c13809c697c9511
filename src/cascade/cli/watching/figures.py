"""Figures: numbers, durations, bars and names in the cells that there are for them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from typing import Any

from rich.cells import cell_len, set_cell_size

LONGEST = 500
"""Characters of a text that are looked at; nobody has a screen for more."""
_EIGHTHS = "▁▂▃▄▅▆▇█"
_UNITS = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e4, "k"))


def clean(value: Any) -> str:
    """Return a value as text without anything that could move the cursor or turn the line.

    Everything that can't be printed becomes a "?", also half a character of two.
    """
    text = value if isinstance(value, str) else _text_of(value)
    return "".join(
        letter if letter.isprintable() else " " if letter.isspace() else "?"
        for letter in islice(text, LONGEST)
    )


def _text_of(value: Any) -> str:
    try:
        return str(value)
    except ValueError:  # an integer of more digits than Python writes
        return "?"


def fit(text: str, width: int) -> str:
    """Return a text in exactly so many cells, with spaces behind it or without its end."""
    if width <= 0:
        return ""
    size = cell_len(text)
    if size <= width:
        return text + " " * (width - size)
    return set_cell_size(text, width - 1) + "…"


def number(value: float) -> str:
    """Return an amount in few characters: 12, 3.5, 12.35k, 4.5e+20."""
    if abs(value) >= 1e15 or 0 < abs(value) < 1e-3:
        return f"{value:.1e}"
    for size, unit in _UNITS:
        if abs(value) >= size:
            return f"{value / (1e3 if unit == 'k' else size):.4g}{unit}"
    return f"{value:.4g}"


def duration(seconds: float | None) -> str:
    """Return a duration in the two largest units: 4.2s, 3m05s, 2h10m, 5d03h; – for None."""
    if seconds is None:
        return "–"
    if seconds < 0:
        return f"-{duration(-seconds)}"
    if seconds < 9.95:
        return f"{seconds:.1f}s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m{whole % 60:02}s"
    if whole < 86400:
        return f"{whole // 3600}h{whole % 3600 // 60:02}m"
    if whole < 86400 * 1000:
        return f"{whole // 86400}d{whole % 86400 // 3600:02}h"
    return f"{number(whole / 86400)}d"


def bar(used: float, capacity: float, width: int) -> str:
    """Return a bar of so many cells; more than there is fills it and ends in ">"."""
    if width <= 0:
        return ""
    if used > capacity:
        return "█" * (width - 1) + ">"
    share = max(0.0, used / capacity) if capacity > 0 else 0.0
    full = round(share * width)
    if used > 0 and not full:
        full = 1  # something isn't nothing
    return "█" * full + "░" * (width - full)


def sparkline(values: Sequence[float], width: int) -> str:
    """Return the course of the last values that fit, from nothing to the largest of them."""
    shown = list(values)[-width:] if width > 0 else []
    most = max(shown, default=0.0)
    if most <= 0:
        return (_EIGHTHS[0] * len(shown)).rjust(max(0, width))
    top = len(_EIGHTHS) - 1
    line = "".join(_EIGHTHS[round(max(0.0, value) / most * top)] for value in shown)
    return line.rjust(width)
