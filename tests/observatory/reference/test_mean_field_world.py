"""Kuramoto's mean field as a world that flashes."""

from __future__ import annotations

import math

import numpy as np
import pytest

from observatory.reference.kuramoto import lorentzian_frequencies, stationary_order_parameter
from observatory.reference.mean_field_world import MeanFieldWorld
from observatory.reference.pulses import Times


def run(
    due: Times, period: float, coupling: float, half_width: float, until: float
) -> list[tuple[int, float]]:
    told: list[tuple[int, float]] = []
    world = MeanFieldWorld(
        due,
        period,
        coupling,
        half_width,
        lambda agents, times: told.extend(zip(agents.tolist(), times.tolist(), strict=True)),
    )
    for stop in np.linspace(0, until, 8)[1:]:
        world.run_until(float(stop))
    return told


def test_without_coupling_each_flashes_at_its_own_pace() -> None:
    due = np.array([0.3, 0.5, 0.7, 0.9])
    first = due.copy()
    told = run(due, 1.0, 0.0, 0.5, until=10.0)
    turns = 1.0 + lorentzian_frequencies(4, 0.5) / math.tau  # in a second
    for oscillator in range(4):
        begin = first[oscillator] / turns[oscillator]
        times = [time for number, time in told if number == oscillator]
        cycles = np.arange(len(times))
        assert times == pytest.approx(begin + cycles / turns[oscillator], abs=1e-6)
        assert len(times) == math.floor((10.0 - begin) * turns[oscillator]) + 1
    assert [time for _, time in told] == sorted(time for _, time in told)


def test_those_that_turn_backwards_do_not_flash() -> None:
    # Of two, one has a frequency of -10 radians per second, less than a turn in a second.
    assert {number for number, _ in run(np.array([0.3, 0.7]), 1.0, 0.0, 10.0, 5.0)} == {1}


def test_its_order_parameter_is_that_of_theory() -> None:
    due = np.random.default_rng(1).random(2000) * 5.0
    run(due, 5.0, 2.0, 0.5, until=60.0)
    order = abs(np.exp(2j * np.pi * (5.0 - (due - 60.0)) / 5.0).mean())
    assert order == pytest.approx(stationary_order_parameter(2.0, 0.5), abs=0.05)


def test_with_equal_frequencies_all_flash_as_one() -> None:
    due = np.random.default_rng(2).random(50)
    told = run(due, 1.0, 3.0, 0.0, until=30.0)
    late = [time for _, time in told if time > 28.5]
    assert len(late) in (50, 100)
    assert np.ptp(np.array(late) % 1.0) < 1e-6
