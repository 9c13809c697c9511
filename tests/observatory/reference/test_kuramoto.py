"""Kuramoto's mean field, beside its theory and a plain integration."""

from __future__ import annotations

import cmath
import math
import re
from typing import Any

import numpy as np
import pytest

from observatory.reference.kuramoto import (
    critical_coupling,
    integrate,
    lorentzian_frequencies,
    stationary_order_parameter,
)


def test_what_theory_says() -> None:
    assert critical_coupling(0.5) == 1.0
    assert stationary_order_parameter(0.3, 0.5) == 0.0
    assert stationary_order_parameter(1.0, 0.5) == 0.0
    assert stationary_order_parameter(2.0, 0.5) == pytest.approx(math.sqrt(0.5))
    assert stationary_order_parameter(4.0, 0.0) == 1.0


def test_theory_is_the_solution_of_the_condition_that_a_mean_field_holds_itself() -> None:
    """R is the share that locks: R = K·R·∫ cos²θ·g(K·R·sin θ) dθ over a half turn, g Lorentzian."""
    width, coupling = 0.5, 1.7
    order = stationary_order_parameter(coupling, width)
    angles = (np.arange(200_000) + 0.5) / 200_000 * np.pi - np.pi / 2
    density = width / np.pi / (width**2 + (coupling * order * np.sin(angles)) ** 2)
    assert coupling * float((np.cos(angles) ** 2 * density).mean()) * np.pi == pytest.approx(1.0)


def test_the_frequencies_are_quantiles_of_the_lorentzian() -> None:
    frequencies = lorentzian_frequencies(1000, 0.5)
    share = np.arctan(frequencies / 0.5) / np.pi + 0.5
    assert share == pytest.approx((np.arange(1000) + 0.5) / 1000)
    assert np.sum(np.abs(frequencies) < 0.5) == 500
    assert lorentzian_frequencies(1, 0.5) == pytest.approx([0.0])


@pytest.mark.parametrize("coupling", [0.0, 0.5, 2.0, 4.0])
def test_the_order_parameter_is_that_of_theory(coupling: float) -> None:
    field = integrate(2000, coupling, duration=60.0, seed=3, time_step=0.1)
    expected = stationary_order_parameter(coupling, half_width=0.5)
    assert field.mean_after(40.0) == pytest.approx(expected, abs=0.06)


def integrate_plainly(phases: list[float], coupling: float, duration: float) -> float:
    """Runge and Kutta's fourth order over phases, with steps small enough for the frequencies."""
    frequencies = [
        0.5 * math.tan(math.pi * ((i + 0.5) / len(phases) - 0.5)) for i in range(len(phases))
    ]

    def rate(at: list[float]) -> list[float]:
        field = sum(cmath.exp(1j * phase) for phase in at) / len(at)
        return [
            frequency + coupling * (field * cmath.exp(-1j * phase)).imag
            for frequency, phase in zip(frequencies, at, strict=True)
        ]

    def moved(rates: list[float], time: float) -> list[float]:
        return [phase + time * change for phase, change in zip(phases, rates, strict=True)]

    step = 0.005
    for _ in range(round(duration / step)):
        one = rate(phases)
        two = rate(moved(one, step / 2))
        three = rate(moved(two, step / 2))
        four = rate(moved(three, step))
        mean = [
            (a + 2 * b + 2 * c + d) / 6 for a, b, c, d in zip(one, two, three, four, strict=True)
        ]
        phases = moved(mean, step)
    return abs(sum(cmath.exp(1j * phase) for phase in phases)) / len(phases)


def test_a_plain_integration_agrees_and_the_better_the_smaller_the_step() -> None:
    phases = [math.tau * share for share in np.random.default_rng(5).random(12)]
    expected = integrate_plainly(phases, 1.5, 4.0)
    errors = [
        abs(float(integrate(12, 1.5, 4.0, 5, time_step=step).order_parameter[-1]) - expected)
        for step in (0.08, 0.04, 0.02)
    ]
    assert errors[0] < 2e-3
    assert errors[0] / errors[1] == pytest.approx(4, rel=0.2)
    assert errors[1] / errors[2] == pytest.approx(4, rel=0.2)


def test_without_coupling_every_phase_turns_at_its_own_frequency() -> None:
    field = integrate(50, 0.0, 10.0, seed=2, time_step=0.5)
    start = np.random.default_rng(2).random(50) * math.tau
    ends = start + 10.0 * lorentzian_frequencies(50, 0.5)
    assert field.order_parameter[-1] == pytest.approx(abs(np.exp(1j * ends).mean()))
    assert field.times == pytest.approx(0.5 * np.arange(1, 21))


def test_the_same_seed_is_the_same_world_and_another_is_another() -> None:
    one, again, other = (integrate(20, 1.5, 5.0, seed) for seed in (1, 1, 2))
    assert np.array_equal(one.order_parameter, again.order_parameter)
    assert not np.array_equal(one.order_parameter, other.order_parameter)


def test_there_is_no_mean_of_what_comes_after_the_end() -> None:
    with pytest.raises(ValueError, match=r"time must be before the end, 5 s, got 5\.0"):
        integrate(3, 1.0, 5.0, 1).mean_after(5.0)


GOOD: dict[str, Any] = {"num_oscillators": 3, "coupling": 1.0, "duration": 1.0, "seed": 1}


@pytest.mark.parametrize(
    ("name", "value", "error"),
    [
        ("num_oscillators", 0, ValueError),
        ("num_oscillators", 2.5, TypeError),
        ("coupling", -0.1, ValueError),
        ("coupling", math.nan, ValueError),
        ("duration", 0, ValueError),
        ("seed", -1, ValueError),
        ("seed", None, TypeError),
        ("half_width", -1.0, ValueError),
        ("half_width", "wide", TypeError),
        ("half_width", 1.5e308, ValueError),
        ("time_step", 0.0, ValueError),
    ],
)
def test_a_bad_argument_is_named_with_its_value(
    name: str, value: object, error: type[Exception]
) -> None:
    integrate(**GOOD)
    with pytest.raises(error, match=f"^{name} must be .*got {re.escape(repr(value))}$"):
        integrate(**{**GOOD, name: value})
