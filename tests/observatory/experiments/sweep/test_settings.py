"""What can be varied is what an experiment is configured with, under its options' names."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Literal

import pytest

from observatory.experiments.config import FirefliesConfig
from observatory.experiments.sweep.settings import (
    SETTINGS,
    SWEPT,
    Setting,
    Value,
    find,
    in_options,
    said,
    settings_of,
)


@dataclass
class Newer:
    """A configuration with fields of every kind."""

    num_agents: int = 1
    some_model: Literal["a", "b"] = "a"
    where: str = "torus"
    loud: bool = False
    weight: float | None = None
    matrix: tuple[int, ...] = ()


def test_every_field_of_the_fireflies_is_a_setting() -> None:
    assert {setting.field for setting in SETTINGS.values()} == {
        field.name for field in fields(FirefliesConfig)
    }
    assert set(SWEPT) == set(SETTINGS) - {"seed"} | {"engine"}
    assert {"agents", "period", "nudge", "limit", "limit-holds", "refractory-period"} <= set(SWEPT)


def test_new_fields_are_settings_by_themselves_if_they_can_be_said() -> None:
    assert settings_of(Newer) == {
        "agents": Setting("agents", "num_agents", int),
        "some-model": Setting("some-model", "some_model", str, ("a", "b")),
        "where": Setting("where", "where", str),
        "loud": Setting("loud", "loud", bool),
        "weight": Setting("weight", "weight", float, (), True),
    }


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("agents", "12", 12),
        ("weight", "1", 1.0),
        ("weight", " none ", None),
        ("some-model", "b", "b"),
        ("where", "ring", "ring"),
        ("loud", "True", True),
        ("loud", "false", False),
    ],
)
def test_a_text_is_read_as_what_the_field_is(name: str, text: str, value: Value) -> None:
    read = settings_of(Newer)[name].read(text)
    assert (read, type(read)) == (value, type(value))


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("agents", "1.5", "agents must be a whole number, got '1.5'"),
        ("agents", "none", "agents must be a whole number, got 'none'"),
        ("weight", "x", "weight must be a number or none, got 'x'"),
        ("some-model", "c", "some-model must be a or b, got 'c'"),
        ("loud", "1", "loud must be true or false, got '1'"),
        ("where", "", "where must be a word, got ''"),
    ],
)
def test_a_text_that_says_nothing_valid_is_refused(name: str, text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        settings_of(Newer)[name].read(text)


def test_a_wrong_name_is_told_the_nearest() -> None:
    with pytest.raises(ValueError, match="there is no setting 'nugde'; the nearest is nudge"):
        find("nugde")
    with pytest.raises(ValueError, match="the nearest is limit-holds"):
        find("limit_holds")


def test_the_seed_is_none_that_a_sweep_can_set() -> None:
    with pytest.raises(ValueError, match="seed is derived for each replication"):
        find("seed")


def test_errors_of_a_configuration_are_told_in_the_names_of_the_options() -> None:
    with pytest.raises(ValueError, match="num_agents") as error:
        FirefliesConfig(num_agents=0)
    assert in_options(error.value) == "agents must be a whole number ≥ 1, got 0"


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "none"), (True, "true"), (5.0, "5"), (0.1, "0.1"), (10, "10"), ("step", "step")],
)
def test_values_are_said_as_they_would_be_written(value: Value, text: str) -> None:
    assert said(value) == text
