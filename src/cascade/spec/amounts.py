"""Amounts of resources: checked numbers, counted in whole billionths so that sums are exact."""

from __future__ import annotations

import math
from numbers import Real
from typing import Any

UNITS = 10**9
"""How many units make 1: the finest amount is 1e-9."""

_NUDGE = 1e-3
"""Added before rounding down, in units: lets 0.1 be exactly 0.1 and n times 1/n fit into 1."""


def check_amount(resource: str, amount: object) -> None:
    """Raise unless `amount` is a number ≥ 0 that is either zero or at least 1e-9.

    Raises:
        TypeError: it isn't a real number (bool isn't one here).
        ValueError: it is negative, infinite, NaN, or positive but finer than 1e-9.
    """
    if isinstance(amount, bool) or not isinstance(amount, Real):
        raise TypeError(f"the amount of {resource!r} must be a number ≥ 0, got {amount!r}")
    value = float(amount)
    if not math.isfinite(value) or value < 0:
        raise ValueError(f"the amount of {resource!r} must be a finite number ≥ 0, got {amount!r}")
    if value > 0 and to_units(amount) == 0:
        raise ValueError(f"the amount of {resource!r} must be 0 or at least 1e-9, got {amount!r}")


def to_units(amount: Any) -> int:
    """Return a checked amount in whole units: rounded down, after a nudge of 1/1000 unit."""
    if isinstance(amount, int):
        return amount * UNITS
    return math.floor(float(amount) * UNITS + _NUDGE)


def from_units(units: int) -> float:
    """Return the amount that `units` stand for."""
    return units / UNITS


def check_name(name: object, what: str = "resource name") -> None:
    """Raise unless `name` is a string with something in it."""
    if not isinstance(name, str):
        raise TypeError(f"{what} must be a string, got {name!r}")
    if not name:
        raise ValueError(f"{what} must not be empty")
