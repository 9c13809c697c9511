"""Checks of settings that experiments share: each raises, naming the setting and its value."""

from __future__ import annotations

from cascade.spec.checks import check_finite, check_whole, shown


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


def check_positive(name: str, value: object, unit: str = "seconds") -> None:
    """Raise unless a setting is a finite number above 0.

    Raises:
        TypeError: it is no number.
        ValueError: it isn't above 0, or not finite.
    """
    if check_finite(name, value) <= 0:
        raise ValueError(f"{name} must be above 0 {unit}, got {value!r}")
