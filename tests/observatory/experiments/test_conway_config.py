"""The settings of Life: worlds that are what they say, and bad ones are refused by name."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest

from observatory.experiments.conway_config import PATTERNS, ConwayConfig


def test_a_random_world_is_drawn_cell_by_cell() -> None:
    config = ConwayConfig(width=5, height=4, density=0.4, seed=7)
    draw = random.Random(7)
    assert config.first().tolist() == [[draw.random() < 0.4 for _ in range(5)] for _ in range(4)]
    assert config.cells == 20


@pytest.mark.parametrize(("density", "living"), [(0.0, 0), (1.0, 20)])
def test_the_ends_of_density(density: float, living: int) -> None:
    assert ConwayConfig(width=5, height=4, density=density).first().sum() == living


@pytest.mark.parametrize("pattern", PATTERNS)
@pytest.mark.parametrize(("width", "height"), [(3, 3), (9, 6)])
def test_a_pattern_stands_in_the_middle(pattern: str, width: int, height: int) -> None:
    world = ConwayConfig(width=width, height=height, pattern=pattern).first()
    assert world.shape == (height, width)
    top, left = (height - 3) // 2, (width - 3) // 2
    rows = ["".join(".#"[cell] for cell in row) for row in world.astype(int).tolist()]
    assert tuple(row[left : left + 3] for row in rows[top : top + 3]) == PATTERNS[pattern]
    assert np.count_nonzero(world) == sum(row.count("#") for row in PATTERNS[pattern])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"width": 2}, "width must be a whole number ≥ 3, got 2"),
        ({"height": 2.5}, "height must be a whole number"),
        ({"width": 1001, "height": 1000}, "at most 1000000 cells, got 1001 and 1000"),
        ({"generations": 0}, "generations must be a whole number ≥ 1, got 0"),
        ({"interval": -0.1}, "interval must be ≥ 0 seconds, got -0.1"),
        ({"interval": float("inf")}, "interval must be a finite number"),
        ({"limit": 0}, "limit must be a whole number ≥ 1, got 0"),
        ({"pattern": "toad"}, "one of random, glider, r-pentomino, got 'toad'"),
        ({"density": 1.1}, "density must be from 0 to 1, got 1.1"),
        ({"density": "a"}, "density must be a"),
        ({"seed": 1.5}, "seed must be a whole number, got 1.5"),
    ],
)
def test_bad_settings(change: dict[str, Any], message: str) -> None:
    with pytest.raises((TypeError, ValueError), match=message):
        ConwayConfig(**change)
