"""The model of Mirollo and Strogatz, beside their theory and a plain search for who is due."""

from __future__ import annotations

import math
import random
from collections import defaultdict
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from observatory.networking.topology import TOPOLOGIES, Topology, neighborhoods
from observatory.reference.mirollo_strogatz import (
    concave_response,
    simulate_states,
    simulate_states_from,
)


def state(phase: float, dissipation: float) -> float:
    return math.log(1 + (math.exp(dissipation) - 1) * phase) / dissipation


def phase_of(state: float, dissipation: float) -> float:
    return (math.exp(dissipation * state) - 1) / (math.exp(dissipation) - 1)


@given(
    phase=st.floats(0, 1),
    strength=st.floats(0, 1),
    dissipation=st.floats(0.01, 20),
    period=st.floats(0.1, 100),
)
def test_a_pulse_lifts_the_state(
    phase: float, strength: float, dissipation: float, period: float
) -> None:
    response = concave_response(period, strength * period, dissipation)
    advanced = phase + (response.slope * phase * period + response.constant) / period
    lifted = phase_of(min(1.0, state(phase, dissipation) + strength), dissipation)
    assert min(1.0, advanced) == pytest.approx(lifted, abs=1e-9)


def test_two_oscillators_come_together_as_the_return_map_says() -> None:
    # One fires while the other is at φ, which jumps to g(φ) = f⁻¹(f(φ) + ε) and fires 1 - g(φ)
    # later; then they have changed places, and h(φ) = g(1 - φ) takes the place of φ.
    dissipation, strength, phase = 3.0, 0.02, 0.35
    world = simulate_states_from([1.0, phase], 1.0, strength, 40.0, dissipation)
    expected, now, firing = [(0, 0.0)], 0.0, 0
    while len(expected) < len(world.flashes):
        lifted = phase_of(min(1.0, state(phase, dissipation) + strength), dissipation)
        now, firing = now + (1.0 - lifted), 1 - firing
        expected.append((firing, now))
        phase = 1.0 - lifted
        if lifted == 1.0:
            break
    assert 10 < len(expected) < len(world.flashes), "at last, one takes the other along"
    for (agent, time), flash in zip(expected, world.flashes, strict=False):
        assert flash.agent == agent
        assert flash.time == pytest.approx(time, abs=1e-9)
    together = world.flashes[len(expected) - 2 :]
    assert all(one.time == other.time for one, other in zip(*[iter(together)] * 2, strict=True))


def test_the_phase_at_which_two_stay_apart_for_ever_repels() -> None:
    # The fixed point of φ -> 1 - g(φ); around it the map is a line with a slope of -e^(bε).
    dissipation, strength = 2.0, 0.05
    growth = math.exp(dissipation * strength)
    balance = (1 - (growth - 1) / (math.exp(dissipation) - 1)) / (1 + growth)
    world = simulate_states_from([1.0, balance + 1e-6], 1.0, strength, 100.0, dissipation)
    gaps = [later.time - earlier.time for earlier, later in pairwise(world.flashes)]
    away = [gap - balance for gap in gaps[:60]]
    assert away == pytest.approx([1e-6 * (-growth) ** n for n in range(1, 61)], rel=1e-4)
    assert world.order_parameter[-1] == pytest.approx(1.0)


@pytest.mark.parametrize("seed", range(5))
def test_where_everybody_hears_everybody_all_end_in_one_flash(seed: int) -> None:
    world = simulate_states(100, 1.0, 0.001, 40.0, seed)
    assert world.order_parameter[0] < 0.9
    assert world.order_parameter[-1] > 0.999
    assert len({time for _, time in world.flashes[-100:]}) == 1


def simulate_plainly(
    phases: Sequence[float], strength: float, duration: float, topology: Topology
) -> dict[int, list[float]]:
    """The model without queue or agenda: look at everybody until nothing changes any more."""
    response = concave_response(1.0, strength, 3.0)
    neighbors = neighborhoods(topology, len(phases))
    due = [1.0 - phase for phase in phases]
    times: dict[int, list[float]] = defaultdict(list)
    while (now := min(due)) < duration:
        done: set[int] = set()
        while ready := {agent for agent, at in enumerate(due) if at <= now} - done:
            flashing = max(ready)
            done.add(flashing)
            times[flashing].append(now)
            for neighbor in set(neighbors[flashing]) - done:
                phase = 1.0 - (due[neighbor] - now)
                due[neighbor] -= response.slope * phase + response.constant
        for agent in done:
            due[agent] = now + 1.0
    return times


@settings(max_examples=100, deadline=None)
@given(
    phases=st.lists(
        st.integers(0, 20).map(lambda n: n / 20) | st.floats(0, 1, allow_subnormal=False),
        min_size=1,
        max_size=12,
    ),
    strength=st.sampled_from([0.0, 0.01, 0.05, 0.5, 2.0]),
    topology=st.sampled_from(TOPOLOGIES),
)
def test_a_plain_search_for_who_is_due_gives_the_same_times(
    phases: list[float], strength: float, topology: Topology
) -> None:
    world = simulate_states_from(phases, 1.0, strength, 6.0, topology=topology)
    times: dict[int, list[float]] = defaultdict(list)
    for agent, time in world.flashes:
        times[agent].append(time)
    assert times == simulate_plainly(phases, strength, 6.0, topology)


def test_the_seed_draws_the_phases_in_agent_order() -> None:
    draw = random.Random(11)
    phases = [draw.uniform(0, 5.0) for _ in range(20)]
    drawn = simulate_states(20, 5.0, 0.05, 50.0, seed=11)
    assert drawn == simulate_states_from(phases, 5.0, 0.05, 50.0)


GOOD: dict[str, Any] = {
    "num_agents": 4,
    "period": 5.0,
    "nudge": 0.2,
    "duration": 10.0,
    "seed": 1,
    "dissipation": 3.0,
    "refractory_period": 1.0,
}


@pytest.mark.parametrize(
    ("name", "value", "error"),
    [
        ("num_agents", 0, ValueError),
        ("period", 0.0, ValueError),
        ("nudge", -0.1, ValueError),
        ("duration", math.inf, ValueError),
        ("seed", 1.5, TypeError),
        ("dissipation", 0, ValueError),
        ("dissipation", 100.1, ValueError),
        ("dissipation", None, TypeError),
        ("refractory_period", -1.0, ValueError),
        ("refractory_period", 5.5, ValueError),
        ("refractory_period", False, TypeError),
    ],
)
def test_a_bad_argument_is_named_with_its_value(
    name: str, value: object, error: type[Exception]
) -> None:
    simulate_states(**GOOD)
    with pytest.raises(error, match=f"^{name} must be .*got {value!r}$"):
        simulate_states(**{**GOOD, name: value})
