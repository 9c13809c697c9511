"""What can be seen of oscillators beside their flashes: their phases, and their local order."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from observatory.order import local_order
from observatory.visualization.grid import Aspect, GridView
from observatory.visualization.palette import Palettes

FLASHES = "flashes"
"""The name of the view in which agents light up when they flash."""


def phase_aspects(turns: Callable[[float], NDArray[np.float64]]) -> tuple[Aspect, ...]:
    """Return what else can be seen of oscillators: their phases, and their local order.

    Args:
        turns: from a time in seconds to the phases as shares of a turn, of shape (height, width).
    """
    return (
        Aspect("phase", lambda now: turns(now) % 1.0, Palettes.turn, "turn"),
        Aspect("local order", lambda now: local_order(turns(now)), Palettes.order),
    )


def aspect_name(grid: GridView) -> str:
    """Return what is seen, in a word or two."""
    return FLASHES if grid.aspect is None else grid.aspect.name
