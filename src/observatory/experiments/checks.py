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


def set_whole(settings: object, name: str, least: int) -> None:
    """Make a field of frozen settings an int, also if it was a whole number of another library.

    Raises:
        TypeError: it isn't a whole number.
        ValueError: it is below `least`.
    """
    object.__setattr__(settings, name, check_whole(name, getattr(settings, name), least))


def set_limit(settings: object, name: str) -> None:
    """Do the same with one that says how much of a resource there may be.

    Raises:
        TypeError: it isn't a whole number.
        ValueError: it is below 1, or above `LARGEST_LIMIT`.
    """
    set_whole(settings, name, 1)
    if getattr(settings, name) > LARGEST_LIMIT:
        raise ValueError(
            f"{name} must be at most {LARGEST_LIMIT}, got {shown(getattr(settings, name))}"
        )


def check_positive(name: str, value: object, unit: str = "seconds") -> None:
    """Raise unless a setting is a finite number above 0.

    Raises:
        TypeError: it is no number.
        ValueError: it isn't above 0, or not finite.
    """
    if check_finite(name, value) <= 0:
        raise ValueError(f"{name} must be above 0 {unit}, got {value!r}")
