"""Student's t: how far the mean of a few values may be off."""

from __future__ import annotations

import math
from collections.abc import Sequence

from cascade.spec.checks import check_whole

CONFIDENCE = 0.95
"""The confidence of an interval, unless said otherwise."""


def quantile(degrees: int, confidence: float = CONFIDENCE) -> float:
    """Return the t that a value of Student's distribution stays within, on both sides.

    By bisection of the distribution function for whole degrees of freedom, which is a finite sum
    (M. Abramowitz and I. A. Stegun, Handbook of Mathematical Functions, 26.7.3 and 26.7.4).

    Args:
        degrees: degrees of freedom.
        confidence: the probability of -t to t, above 0 and below 1.

    Raises:
        TypeError, ValueError: `degrees` isn't a whole number ≥ 1, or `confidence` out of its range.
    """
    check_whole("degrees", degrees, 1)
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must be above 0 and below 1, got {confidence!r}")
    low, high = 0.0, math.pi / 2
    while low < (middle := (low + high) / 2) < high:
        if _within(middle, degrees) < confidence:
            low = middle
        else:
            high = middle
    return math.sqrt(degrees) * math.tan(low)


def _within(angle: float, degrees: int) -> float:
    """Return the probability of -t to t, for ``angle = atan(t / sqrt(degrees))``."""
    odd = degrees % 2
    term = math.cos(angle) if odd else 1.0
    total = term if degrees > 1 else 0.0
    for power in range(2 + odd, degrees - 1, 2):
        term *= (power - 1) / power * math.cos(angle) ** 2
        total += term
    total *= math.sin(angle)
    return 2 / math.pi * (angle + total) if odd else total


def interval(values: Sequence[float]) -> tuple[float, float, float] | None:
    """Return the standard deviation of some values, and the bounds that their mean is within.

    The bounds hold with 95 % confidence if the values are independent and about normally
    distributed. None for fewer than two values.
    """
    count = len(values)
    if count < 2:
        return None
    mean = math.fsum(values) / count
    deviation = math.sqrt(math.fsum([(value - mean) ** 2 for value in values]) / (count - 1))
    half = quantile(count - 1) * deviation / math.sqrt(count)
    return deviation, mean - half, mean + half
