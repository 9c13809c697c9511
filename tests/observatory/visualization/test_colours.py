"""Colours of terminals: how many there are, and the nearest one where there are few."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from observatory.visualization.colours import (
    RGB,
    ColourDepth,
    code_of,
    codes,
    colour_depth,
    rgb,
    select,
)

NONE, BASIC, INDEXED, TRUE = ColourDepth


@pytest.mark.parametrize(
    ("environment", "depth"),
    [
        ({"TERM": "xterm-256color", "COLORTERM": "truecolor"}, TRUE),
        ({"TERM": "xterm", "COLORTERM": "24bit"}, TRUE),
        ({"TERM": "xterm-direct"}, TRUE),
        ({"TERM": "xterm-256color"}, INDEXED),
        ({"TERM": "tmux-256color", "COLORTERM": "yes"}, INDEXED),
        ({"TERM": "xterm"}, BASIC),
        ({"TERM": "linux"}, BASIC),
        ({"TERM": "vt100"}, NONE),
        ({"TERM": "dumb"}, NONE),
        ({}, NONE),
        ({"TERM": "xterm-256color", "COLORTERM": "truecolor", "NO_COLOR": "1"}, NONE),
        ({"TERM": "xterm-256color", "NO_COLOR": ""}, INDEXED),
        ({"TERM": "xterm-256color", "NO_COLOR": "0"}, NONE),
        ({"TERM": "screen", "COLORTERM": "TrueColor"}, TRUE),
        ({"TERM": "screen", "COLORTERM": ""}, BASIC),
        ({"TERM": "screen.xterm-256color"}, INDEXED),
        ({"TERM": "dumb", "COLORTERM": "truecolor"}, NONE),
        ({"TERM": "", "COLORTERM": "truecolor"}, NONE),
        ({"TERM": "vt220"}, NONE),
    ],
)
def test_what_the_environment_says(environment: dict[str, str], depth: ColourDepth) -> None:
    assert colour_depth(environment) == depth


channel = st.integers(0, 255)
colour = st.tuples(channel, channel, channel)


def distance(one: tuple[int, int, int], other: tuple[int, int, int]) -> int:
    red, green, blue = (a - b for a, b in zip(one, other, strict=True))
    return 2 * red**2 + 4 * green**2 + 3 * blue**2


def own_colours() -> dict[int, tuple[int, int, int]]:
    """The colours that are the same in every terminal of 256, as xterm defines them."""
    cube = (0, 95, 135, 175, 215, 255)
    found = {
        16 + 36 * r + 6 * g + b: (cube[r], cube[g], cube[b])
        for r in range(6)
        for g in range(6)
        for b in range(6)
    }
    return found | {232 + step: (8 + 10 * step,) * 3 for step in range(24)}


OWN = own_colours()
XTERM_16 = [
    *[(0, 0, 0), (205, 0, 0), (0, 205, 0), (205, 205, 0)],
    *[(0, 0, 238), (205, 0, 205), (0, 205, 205), (229, 229, 229)],
    *[(127, 127, 127), (255, 0, 0), (0, 255, 0), (255, 255, 0)],
    *[(92, 92, 255), (255, 0, 255), (0, 255, 255), (255, 255, 255)],
]
"""What the colours that each terminal has in its own way are in xterm."""


@given(colour)
def test_24_bits_are_exact(wanted: tuple[int, int, int]) -> None:
    red, green, blue = wanted
    (code,) = codes(np.array([[wanted]], dtype=np.uint8), TRUE)[0].tolist()
    assert code == RGB | red << 16 | green << 8 | blue
    assert select(code, TRUE, False) == f"38;2;{red};{green};{blue}"
    assert select(code, TRUE, True) == f"48;2;{red};{green};{blue}"


def coarse(wanted: tuple[int, int, int]) -> tuple[int, int, int]:
    """The colour with five bits a channel that stands for it in the table; at most 7 away."""
    red, green, blue = ((channel >> 3) * 255 // 31 for channel in wanted)
    return red, green, blue


@given(colour)
def test_of_256_the_nearest_is_taken(wanted: tuple[int, int, int]) -> None:
    (code,) = codes(np.array([[wanted]], dtype=np.uint8), INDEXED)[0].tolist()
    best = min(distance(coarse(wanted), own) for own in OWN.values())
    assert distance(coarse(wanted), OWN[code]) == best
    assert select(code, INDEXED, False) == f"38;5;{code}"
    assert select(code, INDEXED, True) == f"48;5;{code}"


@pytest.mark.parametrize(("depth", "first"), [(INDEXED, 16), (BASIC, 0)])
def test_of_all_colours_of_the_table_the_nearest_is_taken(depth: ColourDepth, first: int) -> None:
    steps = np.arange(0, 256, 8)
    colours = np.stack(np.meshgrid(steps, steps, steps), axis=-1).reshape(1, -1, 3)
    levels = (colours[0] >> 3) * 255 // 31
    own = np.array(XTERM_16 if depth == BASIC else list(OWN.values()))
    distances = [((levels - each) ** 2 * (2, 4, 3)).sum(axis=1) for each in own]
    taken = codes(colours, depth)[0] - first
    found = ((levels - own[taken]) ** 2 * (2, 4, 3)).sum(axis=1)
    assert (found == np.min(distances, axis=0)).all()


@pytest.mark.parametrize("code", range(16))
def test_the_bright_ones_of_16_have_parameters_of_their_own(code: int) -> None:
    front, back = (30 + code, 40 + code) if code < 8 else (90 + code - 8, 100 + code - 8)
    assert (select(code, BASIC, False), select(code, BASIC, True)) == (str(front), str(back))


@pytest.mark.parametrize("number", [16, 21, 46, 196, 231, 244])
def test_own_colours_are_their_own_nearest(number: int) -> None:
    # Greys of the cube are greys of the ramp, too: any of equal colour will do.
    (code,) = codes(np.array([[OWN[number]]], dtype=np.uint8), INDEXED)[0].tolist()
    assert distance(OWN[code], OWN[number]) <= 9 * 4**2


@pytest.mark.parametrize(
    ("wanted", "code", "front", "back"),
    [("#000000", 0, "30", "40"), ("#ff0000", 9, "91", "101"), ("#ffffff", 15, "97", "107")],
)
def test_of_16(wanted: str, code: int, front: str, back: str) -> None:
    assert code_of(wanted, BASIC) == code
    assert (select(code, BASIC, False), select(code, BASIC, True)) == (front, back)


def test_without_colours_there_is_light_and_dark() -> None:
    assert [code_of(wanted, NONE) for wanted in ("#000000", "#111733", "#e8e04a", "#ffffff")] == [
        *(0, 0, 1, 1),
    ]
    assert select(1, NONE, False) == ""


def test_numbers_are_kept_where_the_terminal_has_them() -> None:
    numbers = np.array([[0, 17, 255]], dtype=np.uint8)
    assert codes(numbers, INDEXED).tolist() == [[0, 17, 255]]
    assert codes(numbers, TRUE).tolist() == [[0, 17, 255]]
    assert rgb(numbers).tolist() == [[[0, 0, 0], [0, 0, 95], [238, 238, 238]]]


@pytest.mark.parametrize(("number", "code"), [(16, 0), (196, 9), (231, 15), (255, 7)])
def test_where_the_terminal_lacks_a_number_its_colour_is_looked_for(number: int, code: int) -> None:
    assert codes(np.array([[number]], dtype=np.uint8), BASIC).tolist() == [[code]]


@given(st.integers(16, 255))
def test_a_number_stands_for_its_red_green_and_blue(number: int) -> None:
    assert rgb(np.array([[number]])).tolist() == [[list(OWN[number])]]
