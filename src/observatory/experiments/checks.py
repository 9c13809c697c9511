"""Checks of settings that experiments share: each raises, naming the setting and its value."""

from __future__ import annotations

from cascade.spec.checks import check_finite, check_whole, shown

LARGEST_LIMIT = 10**18
"""How much of a resource there may be."""


def check_seed(seed: object) -> None:
    """Raise unless a seed is a whole number, of either sign.

    Raises:
        TypeError: it isn't.
    """
    if isinstance(seed, bool) or not isinstance(seed, int):
        raise TypeError(f"seed must be a whole number, got {shown(seed)}")


def check_limit(name: str, value: object) -> None:
    """Raise unless a setting is how much of a resource there may be: a whole number from 1.

    Raises:
        TypeError: it is no whole number.
        ValueError: it is below 1, or above `LARGEST_LIMIT`.
    """
    if check_whole(name, value, 1) > LARGEST_LIMIT:
        raise ValueError(f"{name} must be at most {LARGEST_LIMIT}, got {shown(value)}")


def check_positive(name: str, value: object, unit: str = "seconds") -> None:
    """Raise unless a setting is a finite number above 0.

    Raises:
        TypeError: it is no number.
        ValueError: it isn't above 0, or not finite.
    """
    if check_finite(name, value) <= 0:
        raise ValueError(f"{name} must be above 0 {unit}, got {value!r}")
