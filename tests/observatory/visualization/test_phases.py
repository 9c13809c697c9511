"""Phases and local order as aspects of a view."""

from __future__ import annotations

import numpy as np
import pytest

from observatory.order import local_order
from observatory.visualization.grid import GridView
from observatory.visualization.palette import Palettes
from observatory.visualization.phases import aspect_name, phase_aspects


def test_flashes_then_phases_then_local_order() -> None:
    turns = np.linspace(0.0, 1.0, 12).reshape(3, 4)
    grid = GridView(4, 3, Palettes.firefly, 1.0)
    grid.aspects = phase_aspects(lambda now: turns + now)
    names, shown = [], []
    for _ in range(3):
        names.append(aspect_name(grid))
        shown.append(grid.levels(0.25))
        grid.switch()
    assert names == ["flashes", "phase", "local order"]
    assert (shown[0] == 0).all()
    assert np.abs(shown[1] - (turns + 0.25) % 1.0).max() <= 0.5 / 15 + 1e-9
    assert np.abs(shown[2] - local_order(turns)).max() <= 0.5 / 15 + 1e-9


def test_the_palette_of_phases_is_a_circle() -> None:
    turns = np.linspace(0.0, 1.0, 257)[None]
    colours = Palettes.turn(turns)[0].astype(int)
    assert colours[0].tolist() == colours[-1].tolist()
    assert np.abs(np.diff(colours, axis=0)).max() <= 4  # no edge anywhere
    light = colours.sum(axis=1)
    assert light.argmax() in (0, 256)
    assert light.argmin() == pytest.approx(128, abs=2)
    # A quarter before the flash isn't a quarter after it.
    assert np.abs(colours[64] - colours[192]).max() > 80


def test_phases_that_share_a_place_are_averaged_on_the_circle() -> None:
    grid = GridView(2, 2, Palettes.firefly, 1.0)
    turns = np.array([[0.95, 0.05], [0.9, 0.1]])
    grid.aspects = phase_aspects(lambda now: turns)
    grid.switch()
    assert grid.levels(0.0, factor=2)[0, 0] in (0.0, 1.0)
    turns[:] = [[0.15, 0.25], [0.2, 0.2]]
    assert grid.levels(0.0, factor=2)[0, 0] == pytest.approx(0.2)
