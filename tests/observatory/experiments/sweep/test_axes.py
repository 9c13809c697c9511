"""``NAME=a,b,c`` and ``NAME=START:STOP:COUNT``."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from observatory.experiments.sweep.axes import Axis, read_axis, read_fixed
from observatory.experiments.sweep.settings import Value


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("nudge=0.1,0.3,0.2", (0.1, 0.3, 0.2)),
        ("nudge=1", (1.0,)),
        ("limit=10,30,none", (10, 30, None)),
        ("limit-holds=step,awake", ("step", "awake")),
        ("nudge=0.05:0.5:10", (0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5)),
        ("agents=100:400:4", (100, 200, 300, 400)),
        ("period=3:1:3", (3.0, 2.0, 1.0)),
    ],
)
def test_values_are_read(text: str, values: tuple[Value, ...]) -> None:
    axis = read_axis(text)
    assert axis.name == text.partition("=")[0]
    assert axis.values == values
    assert [*map(type, axis.values)] == [*map(type, values)]


@given(st.floats(-1e6, 1e6), st.floats(1e-3, 1e6), st.integers(2, 50))
def test_a_range_is_a_linspace_with_both_ends(start: float, width: float, count: int) -> None:
    values = np.array(read_axis(f"nudge={start}:{start + width}:{count}").values, float)
    expected = np.linspace(start, start + width, count)
    assert np.allclose(values, expected, rtol=1e-11, atol=1e-11 * abs(expected).max())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("nudge", "it must be NAME=a,b,c or NAME=START:STOP:COUNT, got 'nudge'"),
        ("nudge=", "it must be NAME=a,b,c or NAME=START:STOP:COUNT, got 'nudge='"),
        ("nugde=1", "there is no setting 'nugde'; the nearest is nudge"),
        ("nudge=1,", "nudge must be a number, got ''"),
        ("nudge=1:2", "nudge must go from START:STOP:COUNT, two numbers and a whole number"),
        ("nudge=1:2:3:4", "nudge must go from START:STOP:COUNT"),
        ("nudge=0:inf:3", "nudge must go from START:STOP:COUNT"),
        ("nudge=1:2:1", "nudge must have a COUNT from 2 to 100000, got 1"),
        ("nudge=1:2:999999999", "nudge must have a COUNT from 2 to 100000, got 999999999"),
        ("agents=1:10:3", "agents must be a whole number at each of '1:10:3', got 5.5"),
        ("nudge=1,1.0", "nudge has the value 1 twice"),
        ("limit-holds=1:2:3", "limit-holds must be step or awake, got '1:2:3'"),
        ("seed=1,2", "seed is derived for each replication"),
    ],
)
def test_what_says_no_axis_is_refused(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        read_axis(text)


def test_an_axis_has_values_of_its_settings_type() -> None:
    assert [*map(type, Axis("nudge", (1, 2)).values)] == [float, float]
    with pytest.raises(ValueError, match="nudge must have a value"):
        Axis("nudge", ())


def test_only_numbers_have_distances() -> None:
    assert Axis("limit", (1, 2)).is_numeric
    assert not Axis("limit", (1, None)).is_numeric
    assert not Axis("limit-holds", ("step",)).is_numeric


def test_a_fixed_value_is_read() -> None:
    assert read_fixed("limit=none") == ("limit", None)
    assert read_fixed("agents=9") == ("agents", 9)
    with pytest.raises(ValueError, match="it must be NAME=VALUE, got 'agents'"):
        read_fixed("agents")
