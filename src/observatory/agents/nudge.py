"""Nudge: how much a heard flash advances a phase, shared by all agents, so that it can change."""

from __future__ import annotations

from cascade.spec.checks import check_finite


class Nudge:
    """Given to agents in place of the number of seconds; each step reads it when it begins.

    Args:
        seconds: how much a heard flash advances the phase, ≥ 0.

    Raises:
        TypeError, ValueError: that isn't such a number.
    """

    __slots__ = ("_seconds",)

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    @property
    def seconds(self) -> float:
        """How much a heard flash advances the phase."""
        return self._seconds

    @seconds.setter
    def seconds(self, value: float) -> None:
        """Change it for all agents.

        Raises:
            TypeError, ValueError: it isn't a number of seconds, ≥ 0; nothing has changed.
        """
        if check_finite("nudge", value) < 0:
            raise ValueError(f"nudge must be ≥ 0 seconds, got {value!r}")
        self._seconds = value
