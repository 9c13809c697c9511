"""Amounts of resources: checked numbers, counted in whole billionths so that sums are exact."""

from __future__ import annotations

import math
from numbers import Real
from typing import Any

from cascade.spec.checks import shown

UNITS = 10**9
"""How many units make 1: the finest amount is 1e-9."""

MOST = 1e18
"""The largest amount; more is a mistake, and could not be counted exactly."""

# Before rounding down, a float is moved up by what its last few bits may have lost: 0.7 - 0.4 is
# 0.3, and n times 1/n fits into 1 for every n. Never by more than a thousandth of a unit, except
# where the last bit of the float is worth more than that.
_SLIP = 2.0**-48
_SLIP_AT_MOST = 1e-3
_LAST_BIT = 2.0**-52


def check_amount(resource: str, amount: object) -> None:
    """Raise unless `amount` is a number ≥ 0 that is either zero or at least 1e-9.

    Raises:
        TypeError: it isn't a real number (bool isn't one here).
        ValueError: it is negative, not finite, above 1e18, or positive but finer than 1e-9.
    """
    if isinstance(amount, bool) or not isinstance(amount, Real):
        raise TypeError(f"the amount of {resource!r} must be a number ≥ 0, got {amount!r}")
    value: Any = amount
    if not 0 <= value <= MOST:  # also false for NaN
        raise ValueError(
            f"the amount of {resource!r} must be a finite number ≥ 0 and at most 1e18, "
            f"got {shown(amount)}"
        )
    if value > 0 and to_units(value) == 0:
        raise ValueError(f"the amount of {resource!r} must be 0 or at least 1e-9, got {amount!r}")


def to_units(amount: Any) -> int:
    """Return a checked amount in whole units: rounded down, after a nudge for lost last bits."""
    if isinstance(amount, int):
        return amount * UNITS
    scaled = float(amount) * UNITS
    return math.floor(scaled + min(scaled * _SLIP, max(_SLIP_AT_MOST, scaled * _LAST_BIT)))


def from_units(units: int) -> float:
    """Return the amount that `units` stand for."""
    return units / UNITS
