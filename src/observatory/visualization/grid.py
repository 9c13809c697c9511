"""GridView: the agents of a torus as a field of lights."""

from __future__ import annotations

from array import array
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from observatory.visualization.matrix import BrightnessMatrix, Reduction, reduced
from observatory.visualization.palette import PaletteFunction

LEVELS = 16
"""How many different brightnesses are shown: a light fades in so many steps, each of them sent."""


@dataclass(frozen=True, slots=True)
class Aspect:
    """Something else that can be seen of the agents."""

    name: str
    """What it is, in a word or two."""
    values: Callable[[float], NDArray[np.float64]]
    """From a time in seconds to a number from 0 to 1 for each agent, of shape (height, width)."""
    palette_func: PaletteFunction
    """From such numbers to colours."""
    reduction: Reduction = "mean"
    """What stands for agents that share a place."""


class GridView:
    """What is to be seen of the agents: their brightness, its decay, and its colours.

    Args:
        width: agents in a row.
        height: rows.
        palette_func: from brightness to colour; see `Palettes`.
        decay_per_second: how much brightness a light loses in a second, above 0.
        reduction: what stands for the agents that share a place in a small window: the
            "brightest" of them, or their "mean".

    Raises:
        TypeError, ValueError: an argument isn't valid; the error names it.
    """

    def __init__(
        self,
        width: int,
        height: int,
        palette_func: PaletteFunction,
        decay_per_second: float,
        reduction: Reduction = "brightest",
    ) -> None:
        if not callable(palette_func):
            raise TypeError(f"palette_func must be a function, got {palette_func!r}")
        if reduction not in ("brightest", "mean"):
            raise ValueError(f"reduction must be 'brightest' or 'mean', got {reduction!r}")
        self.matrix = BrightnessMatrix(width, height, decay_per_second)
        """When each agent was lit, and what is left of it."""
        self.palette_func = palette_func
        """From brightness to colour."""
        self.reduction: Reduction = reduction
        """What stands for agents that share a place."""
        self.aspects: tuple[Aspect, ...] = ()
        """What else there is to see; `switch` goes from the brightness through all of them."""
        self.aspect: Aspect | None = None
        """What is seen instead of the brightness, if anything."""
        self._frozen: dict[Aspect | None, NDArray[np.float64]] = {}

    @property
    def width(self) -> int:
        """Agents in a row."""
        return self.matrix.width

    @property
    def height(self) -> int:
        """Rows of agents."""
        return self.matrix.height

    def light(self, agent: int, time: float) -> None:
        """Light an agent at a time, in seconds."""
        self.matrix.light(agent, time)

    def values(self, now: float) -> NDArray[np.float64]:
        """Return what there is of each agent at a time: a number from 0 to 1, (height, width)."""
        return self.matrix.at(now)

    def freeze(self, now: float) -> None:
        """Show the values of a time from now on, whatever happens afterwards."""
        self._frozen = {None: self.values(now)}
        self._frozen |= {aspect: aspect.values(now) for aspect in self.aspects}

    def thaw(self) -> None:
        """Show the values as they are again."""
        self._frozen = {}

    def switch(self) -> None:
        """Show the next of the aspects, and after the last of them the brightness again."""
        all_of_them = (None, *self.aspects)
        self.aspect = all_of_them[(all_of_them.index(self.aspect) + 1) % len(all_of_them)]

    def levels(self, now: float, factor: int = 1) -> NDArray[np.float64]:
        """Return what is seen (brightness, or an aspect) at a time: in blocks, in a few levels.

        Args:
            now: the time, in seconds.
            factor: the side of the block of agents that one cell stands for.
        """
        aspect = self.aspect
        if self._frozen:
            values = self._frozen[aspect]
        else:
            values = self.values(now) if aspect is None else aspect.values(now)
        shown = reduced(values, factor, self.reduction if aspect is None else aspect.reduction)
        return np.rint(shown * (LEVELS - 1)) / (LEVELS - 1)

    def colours(self, now: float, factor: int = 1) -> NDArray[Any]:
        """Return the colours of the cells at a time, as the palette gives them.

        Raises:
            TypeError, ValueError: the palette returned something that isn't colours.
        """
        levels = self.levels(now, factor)
        palette_func = self.palette_func if self.aspect is None else self.aspect.palette_func
        colours: Any = palette_func(levels)
        shape = levels.shape
        if not isinstance(colours, np.ndarray) or colours.dtype.kind not in "iu":
            kind = getattr(colours, "dtype", type(colours).__name__)
            raise TypeError(f"palette_func must return an array of whole numbers, got {kind}")
        if colours.shape not in (shape, (*shape, 3)):
            raise ValueError(
                f"palette_func must return numbers of shape {shape} or RGB of shape "
                f"{(*shape, 3)}, got {colours.shape}"
            )
        if colours.dtype != np.uint8 and (colours.min() < 0 or colours.max() > 255):
            raise ValueError(
                "palette_func must return numbers from 0 to 255, got "
                f"{colours.min()} to {colours.max()}"
            )
        return colours


class StateView(GridView):
    """The agents of a torus, each in a state, which doesn't fade.

    Args:
        width: agents in a row.
        height: rows.
        palette_func: from the state, a number from 0 to 1, to colour.
        reduction: what stands for the agents that share a place: the "brightest" of them (the
            one whose state is the highest number), or their "mean".

    Raises:
        TypeError, ValueError: an argument isn't valid; the error names it.
    """

    def __init__(
        self,
        width: int,
        height: int,
        palette_func: PaletteFunction,
        reduction: Reduction = "brightest",
    ) -> None:
        super().__init__(width, height, palette_func, 1.0, reduction)
        self.states = array("d", [0.0]) * (width * height)
        """The state of each agent, a number from 0 to 1; agents are numbered row by row."""
        self._values = np.frombuffer(self.states).reshape(height, width)

    def values(self, now: float) -> NDArray[np.float64]:
        """Return the states as they are, whatever the time, of shape (height, width)."""
        return self._values.copy()
