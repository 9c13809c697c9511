"""Colours of terminals: how many there are, and the nearest ones where there are few.

A colour is a *code* in one whole number: RGB with the bit `RGB` set, or the number of one of the
terminal's own colours without it.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

RGB = 1 << 24
"""Set in the code of a colour that is given by its red, green and blue."""


class ColourDepth(IntEnum):
    """How many colours a terminal can show."""

    NONE = 0
    """None: light and dark are told by characters."""
    BASIC = 16
    """The eight colours and their bright twins."""
    INDEXED = 256
    """A cube of 6 × 6 × 6 and a ramp of 24 greys besides."""
    TRUE = 1 << 24
    """24 bits for each."""


def colour_depth(environment: Mapping[str, str]) -> ColourDepth:
    """Return how many colours the terminal has that `environment` speaks of.

    By ``NO_COLOR`` (no-color.org: set and not empty means none), ``COLORTERM`` and ``TERM``.
    """
    term = environment.get("TERM", "")
    if environment.get("NO_COLOR") or term in ("", "dumb", "vt100", "vt220"):
        return ColourDepth.NONE
    if environment.get("COLORTERM", "").lower() in ("truecolor", "24bit") or "direct" in term:
        return ColourDepth.TRUE
    return ColourDepth.INDEXED if "256" in term else ColourDepth.BASIC


# Red, green and blue of the 16 colours as xterm has them; every terminal has its own.
_BASIC = np.array(
    [
        *[(0, 0, 0), (205, 0, 0), (0, 205, 0), (205, 205, 0)],
        *[(0, 0, 238), (205, 0, 205), (0, 205, 205), (229, 229, 229)],
        *[(127, 127, 127), (255, 0, 0), (0, 255, 0), (255, 255, 0)],
        *[(92, 92, 255), (255, 0, 255), (0, 255, 255), (255, 255, 255)],
    ],
    dtype=np.int64,
)
_CUBE = np.array([0, 95, 135, 175, 215, 255], dtype=np.int64)


@lru_cache(maxsize=1)
def _all_256() -> NDArray[np.int64]:
    """Red, green and blue of the 256 colours, of shape (256, 3)."""
    cube = [(red, green, blue) for red in _CUBE for green in _CUBE for blue in _CUBE]
    greys = [(8 + 10 * step,) * 3 for step in range(24)]
    return np.concatenate([_BASIC, np.array(cube), np.array(greys)])


@lru_cache(maxsize=2)
def _nearest(depth: ColourDepth) -> NDArray[np.int64]:
    """The nearest own colour for each RGB of five bits a channel, of shape (32768,)."""
    # The 16 first of the 256 look different in each terminal, so the cube and the greys stand in.
    first, palette = (0, _BASIC) if depth == ColourDepth.BASIC else (16, _all_256()[16:])
    levels = np.arange(32) * 255 // 31
    best = np.zeros((32, 32, 32), dtype=np.int64)
    least = np.full(best.shape, np.iinfo(np.int64).max)
    for number, (red, green, blue) in enumerate(palette.tolist(), start=first):
        # Channel by channel, which is a lot faster: it is done while everybody waits. The weights
        # are roughly those that eyes give them.
        distance = (
            (2 * (levels - red) ** 2)[:, None, None]
            + (4 * (levels - green) ** 2)[:, None]
            + 3 * (levels - blue) ** 2
        )
        nearer = distance < least
        np.copyto(best, number, where=nearer)
        np.copyto(least, distance, where=nearer)
    return best.ravel()


def codes(colours: NDArray[Any], depth: ColourDepth) -> NDArray[np.int64]:
    """Return the codes of what a palette gave, for a terminal of that depth.

    Args:
        colours: RGB of shape (height, width, 3), or numbers of the 256 colours, (height, width).
        depth: how many colours there are; with none, the code is 1 for light and 0 for dark.
    """
    if colours.ndim == 2 and depth in (ColourDepth.INDEXED, ColourDepth.TRUE):
        return colours.astype(np.int64)
    channels = rgb(colours)
    red, green, blue = channels[..., 0], channels[..., 1], channels[..., 2]
    if depth == ColourDepth.TRUE:
        found: NDArray[np.int64] = RGB | red << 16 | green << 8 | blue
        return found
    if depth == ColourDepth.NONE:
        return (3 * red + 6 * green + blue > 10 * 127).astype(np.int64)
    nearest: NDArray[np.int64] = _nearest(depth)[(red >> 3) << 10 | (green >> 3) << 5 | blue >> 3]
    return nearest


def rgb(colours: NDArray[Any]) -> NDArray[np.int64]:
    """Return red, green and blue, (height, width, 3), of RGB or of numbers of the 256 colours."""
    return _all_256()[colours] if colours.ndim == 2 else colours.astype(np.int64)


@lru_cache(maxsize=4096)
def select(code: int, depth: ColourDepth, background: bool) -> str:
    """Return the parameters of the escape sequence that selects a colour; empty without colours."""
    if depth == ColourDepth.NONE:
        return ""
    if code & RGB:
        return f"{48 if background else 38};2;{code >> 16 & 255};{code >> 8 & 255};{code & 255}"
    if depth == ColourDepth.BASIC:
        base = (40 if background else 30) if code < 8 else (92 if background else 82)
        return f"{base + code}"
    return f"{48 if background else 38};5;{code}"


@lru_cache(maxsize=64)
def code_of(colour: str, depth: ColourDepth) -> int:
    """Return the code of one colour, ``"#rrggbb"``, for a terminal of that depth."""
    return int(codes(np.array([[list(bytes.fromhex(colour.removeprefix("#")))]]), depth)[0, 0])
