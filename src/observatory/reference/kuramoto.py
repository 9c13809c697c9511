"""Kuramoto's model in its mean field, as a calculation, beside what theory says of it.

Oscillators with frequencies ω of their own pull each other's phases θ together:
dθ/dt = ω + K·R·sin(ψ - θ), where R·e^(iψ) is the mean of all e^(iθ), and K the coupling. For
frequencies from a Lorentzian of half-width γ, R stays at 0 up to the critical coupling K_c = 2γ,
and is √(1 - K_c/K) beyond it, with infinitely many oscillators and after a long time: S. H.
Strogatz, "From Kuramoto to Crawford", Physica D 143 (2000) 1.

How it is integrated. Each step turns every phase by ω for half the time step, pulls, and turns
again; both parts are exact, however large ω is, and a turn by many rounds costs nothing: the tails
of a Lorentzian are long. With z = e^(iθ) the pull is dz/dt = (K/2)·(h - h*·z²), which for a
constant mean field h is the map z → (z + u)/(1 + u*·z) with u = (h/|h|)·tanh(K·|h|·time/2). The
mean field is taken in the middle of the step. The error of a step is of third order in the time
step.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from cascade.spec.checks import check_finite, check_whole

Points: TypeAlias = npt.NDArray[np.complex128]
"""Phases as points on the unit circle."""


@dataclass(frozen=True, slots=True)
class MeanField:
    """What a mean field did."""

    times: npt.NDArray[np.float64]
    """The ends of the time steps, in seconds; shape ``(steps,)``."""
    order_parameter: npt.NDArray[np.float64]
    """R at these times, 0 to 1; shape ``(steps,)``."""

    def mean_after(self, time: float) -> float:
        """Return the mean of R over the times after this one, in seconds.

        Raises:
            ValueError: there is none.
        """
        late = self.order_parameter[self.times > time]
        if not late.size:
            raise ValueError(f"time must be before the end, {self.times[-1]:g} s, got {time!r}")
        return float(late.mean())


def critical_coupling(half_width: float) -> float:
    """Return the coupling K_c = 2γ above which phases gather, in radians per second.

    Raises:
        TypeError, ValueError: `half_width` is no number of at least 0.
    """
    return 2.0 * _not_negative("half_width", half_width)


def stationary_order_parameter(coupling: float, half_width: float) -> float:
    """Return R in the long run: 0 up to the critical coupling, then √(1 - K_c/K).

    Raises:
        TypeError, ValueError: an argument is no number of at least 0; the error names it.
    """
    critical = critical_coupling(half_width)
    if _not_negative("coupling", coupling) <= critical:
        return 0.0
    return math.sqrt(1.0 - critical / coupling)


def lorentzian_frequencies(count: int, half_width: float) -> npt.NDArray[np.float64]:
    """Return frequencies that share out a Lorentzian around 0 evenly, in radians per second.

    The i-th of N is the quantile (i - ½)/N, i from 1: γ·tan(π·((i - ½)/N - ½)).

    Raises:
        TypeError, ValueError: an argument is no number or out of its range; the error names it.
    """
    check_whole("count", count, 1)
    share = (np.arange(count) + 0.5) / count
    return np.asarray(_not_negative("half_width", half_width) * np.tan(np.pi * (share - 0.5)))


def integrate(
    num_oscillators: int,
    coupling: float,
    duration: float,
    seed: int,
    half_width: float = 0.5,
    time_step: float = 0.05,
) -> MeanField:
    """Integrate a mean field from phases that a seed draws uniformly from the circle.

    Args:
        num_oscillators: N, at least 1; their frequencies are `lorentzian_frequencies`.
        coupling: K, in radians per second, at least 0.
        duration: how long, in seconds; rounded to whole time steps, one at least.
        seed: a whole number of at least 0.
        half_width: γ of the frequencies, in radians per second.
        time_step: the time step, in seconds.

    Raises:
        TypeError, ValueError: an argument is no number or out of its range; the error names it.
    """
    check_whole("num_oscillators", num_oscillators, 1)
    check_whole("seed", seed, 0)
    for name, value in (("duration", duration), ("time_step", time_step)):
        if check_finite(name, value) <= 0:
            raise ValueError(f"{name} must be above 0 seconds, got {value!r}")
    strength = _not_negative("coupling", coupling)
    points = np.exp(2j * np.pi * np.random.default_rng(seed).random(num_oscillators))
    turn = half_turns(num_oscillators, half_width, time_step)
    steps = max(1, round(duration / time_step))
    order = np.empty(steps)
    for step in range(steps):
        points = pulled(points * turn, strength, time_step) * turn
        points /= np.abs(points)  # or rounding would take them off the circle in the end
        order[step] = min(abs(complex(points.mean())), 1.0)
    return MeanField(np.arange(1, steps + 1, dtype=np.float64) * time_step, order)


def half_turns(count: int, half_width: float, time_step: float) -> Points:
    """Return by what points on the unit circle are multiplied in half a time step.

    Raises:
        ValueError: the fastest would turn by more than a number can say.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        angles = lorentzian_frequencies(count, half_width) * (time_step / 2)
    if not np.isfinite(angles).all():
        raise ValueError(f"half_width must be smaller for so long a time step, got {half_width!r}")
    return np.asarray(np.exp(1j * angles))


def pulled(points: Points, coupling: float, time_step: float) -> Points:
    """Return where points on the unit circle pull each other in a time step."""
    middle = _pulled(points, complex(points.mean()), coupling, time_step / 2)
    return _pulled(points, complex(middle.mean()), coupling, time_step)


def _pulled(points: Points, field: complex, coupling: float, time: float) -> Points:
    """Return where a constant mean field pulls points of the unit circle in a time."""
    size = abs(field)
    if size == 0.0:
        return points
    u = field / size * math.tanh(coupling * size * time / 2)
    below = u.conjugate() * points
    below += 1.0
    moved = points + u
    moved /= below
    return moved


def _not_negative(name: str, value: float) -> float:
    number = check_finite(name, value)
    if number < 0:
        raise ValueError(f"{name} must be ≥ 0 radians per second, got {value!r}")
    return number
