"""Palettes: from brightness to colour, for a whole matrix at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

PaletteFunction = Callable[[NDArray[np.float64]], NDArray[Any]]
"""Takes brightness from 0 to 1, of shape (height, width); returns colours, either as RGB of shape
(height, width, 3) from 0 to 255, or as numbers of the terminal's 256 colours, (height, width)."""


def gradient(*stops: tuple[float, str]) -> PaletteFunction:
    """Return a palette that goes from colour to colour in straight lines through RGB.

    Args:
        *stops: brightness and colour as ``"#rrggbb"``, in ascending order, from 0 to 1.

    Raises:
        ValueError: there are fewer than two stops, they don't go up from 0 to 1, or a colour
            isn't of that form.
    """
    places = [place for place, _ in stops]
    if len(stops) < 2 or places[0] != 0 or places[-1] != 1 or places != sorted(set(places)):
        raise ValueError(f"stops must go up from 0 to 1, at least two of them, got {places!r}")
    channels = np.array([_rgb(colour) for _, colour in stops], dtype=np.float64).T
    steps = np.linspace(0, 1, 256)
    table = np.array([np.interp(steps, places, channel) for channel in channels]).T
    table = np.rint(table).astype(np.uint8)

    def palette(brightness: NDArray[np.float64]) -> NDArray[np.uint8]:
        colours: NDArray[np.uint8] = table.take(np.rint(brightness * 255).astype(np.uint8), axis=0)
        return colours

    return palette


def _rgb(colour: str) -> list[int]:
    digits = colour.removeprefix("#")
    try:
        if len(digits) != 6 or digits == colour:
            raise ValueError
        return list(bytes.fromhex(digits))
    except ValueError:
        raise ValueError(f'a colour must be of the form "#rrggbb", got {colour!r}') from None


_firefly = gradient(
    (0, "#111733"), (0.3, "#22432f"), (0.6, "#7a9a1f"), (0.85, "#e8e04a"), (1, "#fffbd1")
)
_ember = gradient(
    (0, "#20131a"), (0.35, "#5c1420"), (0.65, "#d1491b"), (0.9, "#ffc04d"), (1, "#fff3d6")
)
_ice = gradient((0, "#0e2130"), (0.4, "#14506e"), (0.75, "#5fc3d9"), (1, "#f2ffff"))
_grey = gradient((0, "#1c1c1c"), (1, "#ffffff"))
_turn = gradient(
    (0, "#fff2b0"), (0.25, "#d0567a"), (0.5, "#2a2a6e"), (0.75, "#2f9c95"), (1, "#fff2b0")
)
_order = gradient((0, "#160f2e"), (0.5, "#8c2f63"), (0.8, "#ef8a47"), (1, "#fdf3c0"))


class Palettes:
    """The palettes that come with the observatory; any `PaletteFunction` can stand in for one."""

    @staticmethod
    def firefly(brightness: NDArray[np.float64]) -> NDArray[Any]:
        """A summer night: dark blue, then green and yellow up to a warm white."""
        return _firefly(brightness)

    @staticmethod
    def ember(brightness: NDArray[np.float64]) -> NDArray[Any]:
        """A dying fire: from near black over red and orange."""
        return _ember(brightness)

    @staticmethod
    def ice(brightness: NDArray[np.float64]) -> NDArray[Any]:
        """From deep water to white."""
        return _ice(brightness)

    @staticmethod
    def grey(brightness: NDArray[np.float64]) -> NDArray[Any]:
        """From near black to white."""
        return _grey(brightness)

    @staticmethod
    def turn(turns: NDArray[np.float64]) -> NDArray[Any]:
        """Phases, as shares of a turn: a circle from flash to flash, with as light an end as start.

        Light at the flash, then over red to a dark blue half a turn later, and over green back.
        """
        return _turn(turns)

    @staticmethod
    def order(order: NDArray[np.float64]) -> NDArray[Any]:
        """Order parameters: dark where all are at odds, over red to light where all are in step."""
        return _order(order)


PALETTES: Mapping[str, PaletteFunction] = {
    "firefly": Palettes.firefly,
    "ember": Palettes.ember,
    "ice": Palettes.ice,
    "grey": Palettes.grey,
}
"""The palettes by their names."""
PALETTE_NAMES = ", ".join(PALETTES)
