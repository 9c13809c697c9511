"""The settings of an experiment: what they are by default, and what is refused."""

from __future__ import annotations

from dataclasses import FrozenInstanceError
from typing import Any

import pytest

from observatory.experiments.config import GRID_SIDE, NUM_AGENTS, PERIOD, FirefliesConfig

NAN, INF = float("nan"), float("inf")


def test_the_defaults() -> None:
    assert (GRID_SIDE, NUM_AGENTS, PERIOD) == (30, 900, 5.0)
    config = FirefliesConfig()
    assert (config.num_agents, config.period, config.nudge) == (900, 5.0, 0.2)
    assert (config.duration, config.limit, config.decay_duty_cycle) == (3000.0, None, 0.3)
    assert config.shape == (30, 30)


def test_settings_are_a_value() -> None:
    assert FirefliesConfig(num_agents=4) == FirefliesConfig(num_agents=4)
    with pytest.raises(FrozenInstanceError):
        FirefliesConfig().seed = 3  # type: ignore[misc]


def test_the_refractory_period_is_a_fifth_of_the_period_unless_given() -> None:
    assert FirefliesConfig(period=10.0).deaf_for == 2.0
    assert FirefliesConfig(period=10.0, refractory_period=3.0).deaf_for == 3.0
    assert FirefliesConfig(period=10.0, refractory_period=10.0).deaf_for == 10.0


def test_the_model_of_mirollo_and_strogatz_has_a_dissipation_and_no_deafness() -> None:
    config = FirefliesConfig(model="mirollo-strogatz")
    assert (config.deaf_for, config.concavity) == (0.0, 3.0)
    config = FirefliesConfig(model="mirollo-strogatz", dissipation=1.5, refractory_period=0.5)
    assert (config.deaf_for, config.concavity) == (0.5, 1.5)
    assert FirefliesConfig(model="mirollo-strogatz", refractory_period=0).deaf_for == 0
    assert FirefliesConfig().concavity is None


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"dissipation": 3.0}, "^dissipation must be left out .* got 3.0$"),
        ({"model": "mirollo-strogatz", "dissipation": 0}, "^dissipation must be above 0 .* got 0$"),
        ({"model": "mirollo-strogatz", "dissipation": 100.5}, "^dissipation must be .* got 100.5$"),
        ({"model": "mirollo-strogatz", "dissipation": NAN}, "^dissipation must be .* got nan$"),
        (
            {"model": "mirollo-strogatz", "refractory_period": 1e-9},
            "^refractory_period must be 0, or above 1e-9 .* got 1e-09$",
        ),
        ({"model": "winfree"}, "^model must be fixed, mirollo-.* or kuramoto, got 'winfree'$"),
        ({"coupling": 1.0}, "^coupling must be left out unless the model is kuramoto, got 1.0$"),
        ({"half_width": 1.0}, "^half_width must be left out unless the model is kuramoto"),
        (
            {"model": "kuramoto", "topology": "complete", "coupling": -1.0},
            "^coupling must be ≥ 0 radians per second, got -1.0$",
        ),
        (
            {"model": "kuramoto", "topology": "complete", "half_width": 1e308},
            r"^half_width must be at most 1\.25664e\+06 radians .*, got 1e\+308$",
        ),
        (
            {"model": "kuramoto", "topology": "complete", "period": 1e300},
            "^half_width must be at most .*, got 0.5$",
        ),
        ({"model": "kuramoto"}, "^topology must be complete in the model kuramoto, got 'torus'$"),
        ({"topology": "star"}, "^topology must be torus, ring or complete, got 'star'$"),
    ],
)
def test_a_model_and_a_topology_are_checked(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        FirefliesConfig(**settings)


@pytest.mark.parametrize(
    ("count", "shape"),
    [
        (1, (1, 1)),
        (2, (2, 1)),
        (3, (3, 1)),
        (4, (2, 2)),
        (7, (7, 1)),
        (12, (4, 3)),
        (900, (30, 30)),
    ],
)
def test_any_count_makes_the_most_square_torus(count: int, shape: tuple[int, int]) -> None:
    assert FirefliesConfig(num_agents=count).shape == shape


def test_a_count_that_makes_a_mere_line_gets_a_hint() -> None:
    hint = FirefliesConfig(num_agents=97).shape_hint()
    assert hint is not None
    assert "97×1" in hint
    assert "81" in hint
    assert "100" in hint
    for count in (1, 2, 3, 4, 6, 12, 900):
        assert FirefliesConfig(num_agents=count).shape_hint() is None
    assert FirefliesConfig(num_agents=97, topology="ring").shape_hint() is None


@pytest.mark.parametrize("value", [1, 1000, 10**12])
def test_whole_numbers_do_for_seconds(value: int) -> None:
    config = FirefliesConfig(period=value, nudge=value, duration=value)
    assert (config.period, config.nudge, config.duration) == (value, value, value)


def test_what_is_just_allowed() -> None:
    FirefliesConfig(num_agents=1, limit=1, nudge=0, seed=-1, decay_duty_cycle=1)
    FirefliesConfig(refractory_period=1.1e-9)


@pytest.mark.parametrize(
    ("name", "value", "error"),
    [
        ("num_agents", 0, ValueError),
        ("num_agents", -4, ValueError),
        ("num_agents", 4.0, TypeError),
        ("num_agents", True, TypeError),
        ("num_agents", None, TypeError),
        ("num_agents", 10**29, ValueError),
        ("period", 0.0, ValueError),
        ("period", -1.0, ValueError),
        ("period", NAN, ValueError),
        ("period", INF, ValueError),
        ("period", "5", TypeError),
        ("period", True, TypeError),
        ("nudge", -0.1, ValueError),
        ("nudge", NAN, ValueError),
        ("nudge", None, TypeError),
        ("duration", 0.0, ValueError),
        ("duration", -1.0, ValueError),
        ("duration", INF, ValueError),
        pytest.param("duration", 10**400, ValueError, id="duration-huge-ValueError"),
        ("duration", "1", TypeError),
        ("limit", 0, ValueError),
        ("limit", -1, ValueError),
        ("limit", 1.5, TypeError),
        ("limit", False, TypeError),
        ("seed", 1.5, TypeError),
        ("seed", None, TypeError),
        ("seed", True, TypeError),
        ("refractory_period", 0.0, ValueError),
        ("refractory_period", 1e-9, ValueError),
        ("refractory_period", 5.1, ValueError),
        ("refractory_period", NAN, ValueError),
        ("refractory_period", "1", TypeError),
        ("decay_duty_cycle", 0.0, ValueError),
        ("decay_duty_cycle", 1.1, ValueError),
        ("decay_duty_cycle", NAN, ValueError),
        ("decay_duty_cycle", None, TypeError),
    ],
)
def test_a_bad_setting_is_refused_with_its_name_and_value(
    name: str, value: Any, error: type[Exception]
) -> None:
    with pytest.raises(error, match=f"^{name} must be") as caught:
        FirefliesConfig(**{name: value})
    assert repr(value) in str(caught.value)
