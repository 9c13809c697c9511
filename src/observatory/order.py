"""Order parameters: how much in step oscillators are, all together and each with its neighbours.

After Y. Kuramoto, "Chemical Oscillations, Waves, and Turbulence", Springer (1984), chapter 5.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def order_parameter(turns: NDArray[np.float64]) -> float:
    """Return R = |mean(exp(2πi·turns))|, from 0 to 1: 1 when all phases are the same.

    Args:
        turns: the phases as shares of a turn, at least one, of any shape. If one isn't a number,
            R is none either.
    """
    # Rounding may put the mean of unit vectors outside of the circle. Written in this order, what
    # isn't a number doesn't become 1.
    return min(float(abs(np.exp(2j * np.pi * turns).mean())), 1.0)


def local_order(turns: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return for each cell of a torus the order parameter of it and the cells around it.

    ``|mean(exp(2πi·turns))|`` over the Moore neighbourhood: the cell itself and the eight around
    it, where the left edge touches the right one and the top the bottom. On a torus with fewer
    than three rows or columns each cell counts once, however often it is reached, so there are
    fewer. The mean over all cells is 1 when each patch is in step with itself, also where the
    patches are at odds and R of the whole is near 0.

    Args:
        turns: the phases as shares of a turn, of shape (height, width).

    Returns:
        Numbers from 0 to 1, of the same shape.
    """
    total = np.exp(2j * np.pi * turns)
    count = 1
    # A square is a row of columns: three sums of three instead of one of nine.
    for axis, length in enumerate(turns.shape):
        steps = {step % length for step in (-1, 0, 1)}
        total = np.add.reduce([np.roll(total, step, axis) for step in sorted(steps)])
        count *= len(steps)
    around: NDArray[np.float64] = np.minimum(np.abs(total) / count, 1.0)
    return around
