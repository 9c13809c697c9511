"""BrightnessMatrix: how bright every agent is now, from when it was lit last."""

from __future__ import annotations

import math
from array import array
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from cascade.spec.checks import check_finite, check_whole

Reduction = Literal["brightest", "mean", "turn"]
"""What stands for a block of agents that has to share one place; see `reduced`."""


class BrightnessMatrix:
    """The time at which each agent was lit last, and the brightness that is left of it.

    Brightness is 1 when an agent is lit and goes down in a straight line. It is computed from the
    times alone, so that it doesn't depend on when, or how often, it is looked at.

    Args:
        width: agents in a row.
        height: rows.
        decay_per_second: how much brightness is lost in a second, above 0.

    Raises:
        TypeError, ValueError: an argument is no number or out of its range; the error names it.
    """

    def __init__(self, width: int, height: int, decay_per_second: float) -> None:
        self.width = check_whole("width", width, 1)
        """Agents in a row."""
        self.height = check_whole("height", height, 1)
        """Rows."""
        if check_finite("decay_per_second", decay_per_second) <= 0:
            raise ValueError(f"decay_per_second must be above 0, got {decay_per_second!r}")
        self.decay_per_second = decay_per_second
        """Loss of brightness per second."""
        self.lit_at: array[float]
        """When each agent was lit last, in seconds; agents are numbered row by row."""
        self._times: NDArray[np.float64]
        self.follow(array("d", [-math.inf]) * (width * height))

    def follow(self, lit_at: array[float]) -> None:
        """Show the times in an array that somebody else writes, one for each agent.

        Raises:
            ValueError: it isn't an array of so many doubles.
        """
        if lit_at.typecode != "d" or len(lit_at) != self.width * self.height:
            raise ValueError(
                f"lit_at must be an array of {self.width * self.height} doubles, got "
                f"{len(lit_at)} of type {lit_at.typecode!r}"
            )
        self.lit_at = lit_at
        self._times = np.frombuffer(lit_at, dtype=np.float64).reshape(self.height, self.width)

    def light(self, agent: int, time: float) -> None:
        """Light an agent at a time, in seconds."""
        self.lit_at[agent] = time

    def at(self, now: float) -> NDArray[np.float64]:
        """Return the brightness of all agents at a time, from 0 to 1, of shape (height, width)."""
        # In place: of many agents, it is new memory that takes the time.
        brightness = self._times - now
        brightness *= self.decay_per_second
        brightness += 1.0
        return brightness.clip(0.0, 1.0, out=brightness)


def reduced(
    brightness: NDArray[np.float64], factor: int, reduction: Reduction = "brightest"
) -> NDArray[np.float64]:
    """Return a matrix in which blocks of `factor` × `factor` are one cell each.

    Blocks at the right and lower edge may be smaller.

    Args:
        brightness: of shape (height, width).
        factor: the side of a block; 1 changes nothing.
        reduction: "brightest" takes the largest value of a block, "mean" its average; "turn" takes
            the values for shares of a turn, and the direction of the mean of their unit vectors.
    """
    if factor == 1:
        return brightness
    height, width = brightness.shape
    rows, columns = np.arange(0, height, factor), np.arange(0, width, factor)
    if reduction == "turn":
        vectors = np.exp(2j * np.pi * brightness)
        vectors = np.add.reduceat(np.add.reduceat(vectors, rows, axis=0), columns, axis=1)
        turns: NDArray[np.float64] = np.angle(vectors) / (2 * np.pi) % 1.0
        return turns
    if reduction == "brightest":
        blocks = np.maximum.reduceat(brightness, rows, axis=0)
        return np.maximum.reduceat(blocks, columns, axis=1)
    sums = np.add.reduceat(np.add.reduceat(brightness, rows, axis=0), columns, axis=1)
    heights = np.minimum(rows + factor, height) - rows
    widths = np.minimum(columns + factor, width) - columns
    means: NDArray[np.float64] = sums / np.outer(heights, widths)
    return means
