"""Palettes: colours for a whole matrix at once, in straight lines from stop to stop."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from observatory.visualization.palette import Palettes, gradient

ALL = [Palettes.firefly, Palettes.ember, Palettes.ice, Palettes.grey]


@pytest.mark.parametrize("palette", ALL)
def test_a_palette_takes_a_matrix_and_gives_rgb(palette: Any) -> None:
    colours = palette(np.linspace(0, 1, 12).reshape(3, 4))
    assert (colours.shape, colours.dtype) == ((3, 4, 3), np.uint8)


@pytest.mark.parametrize("palette", ALL)
def test_more_light_is_never_darker(palette: Any) -> None:
    colours = palette(np.linspace(0, 1, 16)[None, :]).astype(int)
    luminance = (colours * (3, 6, 1)).sum(axis=2)[0]
    assert (np.diff(luminance) > 0).all()


def test_a_gradient_goes_through_its_stops() -> None:
    palette = gradient((0, "#000000"), (0.2, "#ff8000"), (1, "#ffffff"))
    colours = palette(np.array([[0.0, 0.1, 0.2, 0.6, 1.0]]))[0].astype(int)
    expected = [(0, 0, 0), (127, 64, 0), (255, 128, 0), (255, 191, 127), (255, 255, 255)]
    assert np.abs(colours - expected).max() <= 3


@pytest.mark.parametrize(
    ("stops", "message"),
    [
        ([(0, "#000000")], "stops must go up from 0 to 1"),
        ([(0, "#000000"), (0.9, "#ffffff")], "stops must go up from 0 to 1"),
        ([(0, "#000000"), (0.5, "#111111"), (0.5, "#222222"), (1, "#ffffff")], "must go up"),
        ([(0.1, "#000000"), (1, "#ffffff")], "stops must go up from 0 to 1"),
        ([(0, "#000000"), (0.7, "#111111"), (0.3, "#222222"), (1, "#ffffff")], "must go up"),
        ([(0, "000000"), (1, "#ffffff")], "a colour must be of the form .*'000000'"),
        ([(0, "#000"), (1, "#ffffff")], "a colour must be of the form .*'#000'"),
        ([(0, "black"), (1, "#ffffff")], "a colour must be of the form .*'black'"),
        ([(0, "#00000g"), (1, "#ffffff")], "a colour must be of the form"),
    ],
)
def test_what_is_no_gradient(stops: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        gradient(*stops)
