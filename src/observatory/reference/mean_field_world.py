"""Kuramoto's mean field as a world that flashes: an oscillator does where it begins a new turn."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from observatory.reference.kuramoto import half_turns, lorentzian_frequencies, pulled
from observatory.reference.pulses import Times, Whole

STEPS_PER_PERIOD = 100


class MeanFieldWorld:
    """A world whose time goes on as far as it is told, in whole steps.

    Its frequencies are spread around one turn in a period. An oscillator flashes where its phase
    comes to a whole turn from below, once in a step at most; the time is interpolated within the
    step. (Those that turn backwards don't flash.)

    Args:
        due: when each oscillator would be due if it went on at one turn in a period, in seconds;
            changed in place, so that whoever holds it can see the phases.
        period: seconds for a turn, in the middle of the frequencies.
        coupling: K, in radians per second.
        half_width: of the frequencies, in radians per second.
        tell: is told of all flashes: agents and times, in the order of their times.
    """

    def __init__(
        self,
        due: Times,
        period: float,
        coupling: float,
        half_width: float,
        tell: Callable[[Whole, Times], None],
    ) -> None:
        self._due, self._period, self._coupling, self._tell = due, period, coupling, tell
        self._time_step = period / STEPS_PER_PERIOD
        self._steps = 0
        self._turn = half_turns(len(due), half_width, self._time_step)
        self._turned = lorentzian_frequencies(len(due), half_width) * self._time_step
        # Turning along, so that the middle of the frequencies is 0.
        self._points = np.exp(2j * np.pi * (period - due) / period)

    def run_until(self, time: float) -> None:
        """Take all steps that end by a time, in seconds."""
        while (self._steps + 1) * self._time_step <= time * (1 + 1e-12):
            self._step()

    def _step(self) -> None:
        begin = self._steps * self._time_step
        self._steps += 1
        end = self._steps * self._time_step
        before = (np.angle(self._points) / (2 * np.pi) + begin / self._period) % 1.0
        half_way = self._points * self._turn
        moved = pulled(half_way, self._coupling, self._time_step)
        advance = (self._turned + np.angle(moved / half_way)) / (2 * np.pi) + 1 / STEPS_PER_PERIOD
        self._points = moved * self._turn
        self._points /= np.abs(self._points)
        flashing = np.flatnonzero(before + advance >= 1.0)
        times = begin + self._time_step * (1.0 - before[flashing]) / advance[flashing]
        order = np.argsort(times, kind="stable")
        if order.size:
            self._tell(flashing[order], times[order])
        phase = (np.angle(self._points) / (2 * np.pi) + end / self._period) % 1.0
        self._due[:] = end + self._period * (1.0 - phase)
