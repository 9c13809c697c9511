"""Settings that experiments share are checked in one way."""

from __future__ import annotations

import math
from typing import Any

import pytest

from observatory.experiments.bottleneck import BottleneckConfig
from observatory.experiments.checks import check_positive, check_seed
from observatory.experiments.config import FirefliesConfig
from observatory.experiments.conway_config import ConwayConfig


@pytest.mark.parametrize("seed", [0, -1, 2**100])
def test_a_seed_is_any_whole_number(seed: int) -> None:
    check_seed(seed)


@pytest.mark.parametrize("config", [FirefliesConfig, BottleneckConfig, ConwayConfig])
@pytest.mark.parametrize("seed", [1.0, True, "1", None])
def test_every_experiment_refuses_another_seed(config: Any, seed: object) -> None:
    with pytest.raises(TypeError, match=f"seed must be a whole number, got {seed!r}"):
        config(seed=seed)


@pytest.mark.parametrize(
    ("config", "name"),
    [(FirefliesConfig, "limit"), (BottleneckConfig, "slots"), (ConwayConfig, "limit")],
)
def test_a_limit_is_how_much_of_a_resource_there_may_be(config: Any, name: str) -> None:
    assert getattr(config(**{name: 10**18}), name) == 10**18
    for wrong, problem in ((10**18 + 1, f"at most {10**18}"), (0, "a whole number ≥ 1")):
        with pytest.raises(ValueError, match=f"^{name} must be {problem}, got {wrong}$"):
            config(**{name: wrong})


@pytest.mark.parametrize("value", [0, -1.5])
def test_what_isnt_above_0_is_refused_with_its_unit(value: float) -> None:
    with pytest.raises(ValueError, match=rf"strict must be above 0 milliseconds, got {value!r}"):
        check_positive("strict", value, "milliseconds")


def test_what_is_no_finite_number_is_refused() -> None:
    for value in (math.inf, math.nan):
        with pytest.raises(ValueError, match=f"period must be a finite number, got {value!r}"):
            check_positive("period", value)
    with pytest.raises(TypeError, match="period must be a number, got '1'"):
        check_positive("period", "1")
