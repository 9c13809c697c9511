"""Axis: a setting that is varied, and its values."""

from __future__ import annotations

import math
from dataclasses import dataclass

from cascade.spec.checks import shown
from observatory.experiments.sweep.settings import Setting, Value, find, said

DIGITS = 12
"""Significant digits of values between two ends: 0.15, and not 0.15000000000000002."""
MOST_VALUES = 100_000
"""Values of one setting at most."""


@dataclass(frozen=True, slots=True)
class Axis:
    """A setting that is varied.

    Raises:
        ValueError: there is no such setting, or no value, or one twice.
    """

    name: str
    """What it is called on the command line."""
    values: tuple[Value, ...]
    """Its values, in order."""

    def __post_init__(self) -> None:
        setting = find(self.name)
        values = tuple([setting.exact(value) for value in self.values])
        if not values:
            raise ValueError(f"{self.name} must have a value")
        seen: set[Value] = set()
        for value in values:
            if value in seen:
                raise ValueError(f"{self.name} has the value {said(value)} twice")
            seen.add(value)
        object.__setattr__(self, "values", values)

    @property
    def is_numeric(self) -> bool:
        """Whether all its values are numbers."""
        return find(self.name).is_number and None not in self.values


def read_axis(text: str) -> Axis:
    """Return the axis that ``NAME=a,b,c`` or ``NAME=START:STOP:COUNT`` says.

    The values of the second form lie at equal distances from START to STOP, both included.

    Raises:
        ValueError: it says none; the error says what would be valid.
    """
    name, values = split(text, "a,b,c or NAME=START:STOP:COUNT")
    setting = find(name)
    if setting.is_number and ":" in values:
        return Axis(name, _between(setting, values))
    return Axis(name, tuple([setting.read(value) for value in values.split(",")]))


def read_fixed(text: str) -> tuple[str, Value]:
    """Return the name and the value that ``NAME=VALUE`` says.

    Raises:
        ValueError: it says none; the error says what would be valid.
    """
    name, value = split(text, "VALUE")
    return name, find(name).read(value)


def split(text: str, right: str) -> tuple[str, str]:
    """Return what is on the left and on the right of the first ``=``.

    Raises:
        ValueError: something is missing; the error says that `right` has to stand on the right.
    """
    name, equals, value = text.partition("=")
    if not name.strip() or not equals or not value.strip():
        raise ValueError(f"it must be NAME={right}, got {shown(text)}")
    return name.strip(), value.strip()


def _between(setting: Setting, text: str) -> tuple[Value, ...]:
    parts = text.split(":")
    try:
        start, stop, count = float(parts[0]), float(parts[1]), int(parts[2])
        if len(parts) != 3 or not (math.isfinite(start) and math.isfinite(stop)):
            raise ValueError
    except (ValueError, IndexError):
        raise ValueError(
            f"{setting.name} must go from START:STOP:COUNT, two numbers and a whole number, "
            f"got {shown(text)}"
        ) from None
    if not 2 <= count <= MOST_VALUES:
        raise ValueError(
            f"{setting.name} must have a COUNT from 2 to {MOST_VALUES}, got {shown(count)}"
        )
    values = [
        float(f"{start + (stop - start) * number / (count - 1):.{DIGITS}g}")
        for number in range(count)
    ]
    if setting.kind is float:
        return tuple(values)
    for value in values:
        if not value.is_integer():
            raise ValueError(
                f"{setting.name} must be a whole number at each of {shown(text)}, got {said(value)}"
            )
    return tuple([int(value) for value in values])
