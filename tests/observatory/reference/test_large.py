"""Large worlds flash as the plain calculation says, however they are run."""

from __future__ import annotations

import importlib.util
import random
import sys
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from observatory.networking.topology import TOPOLOGIES, Topology, neighborhoods
from observatory.reference.fireflies import simulate, simulate_from
from observatory.reference.large import LARGE, LargeWorld, neighbor_matrix
from observatory.reference.mirollo_strogatz import concave_response, simulate_states_from
from observatory.reference.world import PulseResponse


def flashes_of(
    phases: Sequence[float],
    response: PulseResponse,
    topology: Topology,
    stops: Sequence[float],
    compiled: bool | None,
) -> list[tuple[int, float]]:
    """Run a world with stops on the way, and return all its flashes."""
    told: list[tuple[int, float]] = []
    due = np.array([0.0 + (response.period - phase) for phase in phases])
    world = LargeWorld(
        due,
        response,
        topology,
        lambda agents, times: told.extend(zip(agents.tolist(), times.tolist(), strict=True)),
        compiled,
    )
    for stop in stops:
        world.run_until(stop)
        assert all(time < stop for _, time in told)
        assert due.min(initial=np.inf) >= stop
    return told


PARTS = st.integers(0, 20).map(lambda n: n / 20) | st.floats(0, 1, allow_subnormal=False)


@settings(max_examples=150, deadline=None)
@given(
    count=st.sampled_from([1, 2, 3, 9, 12, 25, 56]),
    parts=st.lists(PARTS, min_size=1, max_size=56),
    seed=st.integers(0, 99),
    nudge=st.sampled_from([0.0, 0.01, 0.05, 0.3, 1.0]),
    dissipation=st.sampled_from([None, 3.0]),
    refractory_period=st.sampled_from([0.05, 0.2, 1.0]),
    topology=st.sampled_from(TOPOLOGIES),
    compiled=st.booleans(),
    stops=st.lists(st.floats(0.01, 5.99), max_size=3).map(sorted),
)
def test_they_flash_as_the_plain_calculation_says(
    count: int,
    parts: list[float],
    seed: int,
    nudge: float,
    dissipation: float | None,
    refractory_period: float,
    topology: Topology,
    compiled: bool,
    stops: list[float],
) -> None:
    # Some phases are given, with ties among them, and the rest is drawn.
    draw = random.Random(seed)
    phases = [*parts[:count], *(draw.random() for _ in range(count - len(parts)))]
    draw.shuffle(phases)
    if dissipation is None:
        response = PulseResponse(1.0, refractory_period, 0.0, nudge)
        expected = simulate_from(phases, 1.0, nudge, 6.0, refractory_period, topology=topology)
    else:
        response = concave_response(1.0, nudge, dissipation)
        expected = simulate_states_from(phases, 1.0, nudge, 6.0, dissipation, topology=topology)
    assert flashes_of(phases, response, topology, [*stops, 6.0], compiled) == expected.flashes


@pytest.mark.parametrize("compiled", [True, False])
@pytest.mark.parametrize("seed", range(3))
def test_so_they_do_when_they_fall_into_step(seed: int, compiled: bool) -> None:
    draw = random.Random(seed)
    phases = [draw.uniform(0, 5.0) for _ in range(900)]
    response = PulseResponse(5.0, 1.0, 0.0, 0.1)
    expected = simulate(900, 5.0, 0.1, 60.0, seed).flashes
    assert flashes_of(phases, response, "torus", [60.0], compiled) == expected


@pytest.mark.parametrize("compiled", [True, False])
def test_everybody_may_flash_again_and_again_between_two_stops(compiled: bool) -> None:
    # There is room for about 1,000 flashes at a time.
    response = PulseResponse(1.0, 0.2, 0.0, 0.0)
    flashes = flashes_of([0.25] * 7, response, "ring", [0.5, 1000.0], compiled)
    assert flashes == [(agent, 0.75 + turn) for turn in range(1000) for agent in range(7)]


def test_a_large_world_is_compiled_and_is_the_same() -> None:
    draw = random.Random(4)
    phases = [draw.uniform(0, 1.0) for _ in range(LARGE)]
    response = PulseResponse(1.0, 0.2, 0.0, 0.04)
    expected = simulate(LARGE, 1.0, 0.04, 3.0, seed=4).flashes
    assert flashes_of(phases, response, "torus", [1.5, 3.0], compiled=None) == expected


def test_without_a_compiler_a_large_world_runs_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    phases = [random.Random(5).uniform(0, 1.0) for _ in range(LARGE)]
    response = PulseResponse(1.0, 0.2, 0.0, 0.04)
    expected = flashes_of(phases, response, "torus", [1.1], compiled=True)
    monkeypatch.setitem(sys.modules, "numba", None)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert flashes_of(phases, response, "torus", [1.1], compiled=None) == expected


def test_there_is_somebody() -> None:
    with pytest.raises(ValueError, match="due must hold a time for each agent, got none"):
        flashes_of([], PulseResponse(1.0, 0.2, 0.0, 0.04), "torus", [], compiled=None)


@pytest.mark.parametrize("topology", TOPOLOGIES)
@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 6, 8, 9, 12, 49, 60])
def test_the_matrix_of_neighbours_is_that_of_the_topology(topology: Topology, count: int) -> None:
    for agent, row in enumerate(neighbor_matrix(topology, count).tolist()):
        expected = neighborhoods(topology, count)[agent]
        assert [one for one in row if one != agent] == [one for one in expected if one != agent]
