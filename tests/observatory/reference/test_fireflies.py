"""The fireflies' model, told by worlds small enough to work out by hand."""

from __future__ import annotations

import hashlib
import math
import random
from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.long_form import tries

from observatory.flashes import Flash, flash_digest
from observatory.reference.fireflies import TOLERANCE, simulate, simulate_from


def times_by_agent(flashes: Sequence[tuple[int, float]]) -> dict[int, list[float]]:
    times: dict[int, list[float]] = defaultdict(list)
    for agent, time in flashes:
        times[agent].append(time)
    return times


def neighbor_sets(num_agents: int) -> list[set[int]]:
    """Everybody within one step on the torus, from the distance instead of from a walk."""
    divisors = [rows for rows in range(1, math.isqrt(num_agents) + 1) if num_agents % rows == 0]
    height = divisors[-1]
    width = num_agents // height

    def near(one: int, other: int) -> bool:
        across = abs(one % width - other % width)
        down = abs(one // width - other // width)
        return min(across, width - across) <= 1 and min(down, height - down) <= 1

    agents = range(num_agents)
    return [{other for other in agents if other != one and near(one, other)} for one in agents]


# --- worlds worked out by hand ---------------------------------------------------------------


def test_two_agents_pull_each_other_together() -> None:
    # Phases 1/2 and 1/4 of a period of 1: due at 0.5 and 0.75, refractory for 0.2.
    # 0.5    0 flashes; 1 stands at 0.75 and hears it: due at 0.75 - 0.125 = 0.625.
    # 0.625  1 flashes; 0 stands at 0.125, below 0.2, and doesn't hear it.
    # 1.5    0 flashes; 1 stands at 0.875 and is due at 1.625 - 0.125 = 1.5: it flashes as well.
    # 2.5    both are due.
    world = simulate_from([0.5, 0.25], period=1.0, nudge=0.125, duration=3.0)
    assert world.flashes == [(0, 0.5), (1, 0.625), (0, 1.5), (1, 1.5), (0, 2.5), (1, 2.5)]
    # At 1.0 they are an eighth of a turn apart, from 1.5 on they are one.
    assert world.order_parameter == pytest.approx([math.cos(math.pi / 8), 1.0, 1.0], abs=1e-12)


def test_a_lone_agent_flashes_every_period_exactly() -> None:
    world = simulate_from([2.0], period=5.0, nudge=1.0, duration=50.0)
    assert world.flashes == [(0, 3.0 + 5.0 * cycle) for cycle in range(10)]
    assert world.order_parameter == pytest.approx([1.0] * 10)


def test_only_who_is_within_a_nudge_of_the_period_is_absorbed() -> None:
    # 0 is due at 0.25. By then 1 stands at 0.875 and 2 at 0.75, and a nudge is 0.125.
    world = simulate_from([0.75, 0.625, 0.5], period=1.0, nudge=0.125, duration=0.9)
    # 1 comes along, and its flash is the second for 2 in this instant: now 2 comes along too.
    assert world.flashes == [(0, 0.25), (1, 0.25), (2, 0.25)]
    world = simulate_from([0.75, 0.5, 0.5], period=1.0, nudge=0.125, duration=0.9)
    # One flash isn't enough for either: both are due at 0.5 - 0.125, the left neighbour first.
    assert world.flashes == [(0, 0.25), (2, 0.375), (1, 0.375)]


def test_an_agent_that_was_woken_in_vain_is_woken_again_in_the_same_instant() -> None:
    # On a line of five, 0 is due at 0.25 and reaches 4 and 1; 4 comes along and reaches 3. Agent 3
    # needs two nudges, is woken by the first in vain, and gets the second from 2, which 1 kicked.
    phases = [0.75, 0.7, 0.7, 0.6, 0.7]
    world = simulate_from(phases, period=1.0, nudge=0.1, duration=0.9)
    assert world.flashes == [(0, 0.25), (4, 0.25), (1, 0.25), (2, 0.25), (3, 0.25)]


def test_in_one_instant_the_first_by_number_comes_first_then_first_come_first_served() -> None:
    assert simulate_from([0.5] * 4, 1.0, 0.1, 0.9).flashes == [(agent, 0.5) for agent in range(4)]
    # Agent 2 kicks its left neighbour before its right one.
    world = simulate_from([0.5, 0.5, 0.75], period=1.0, nudge=0.25, duration=2.0)
    assert [flash.agent for flash in world.flashes] == [2, 1, 0, 2, 1, 0]
    assert [flash.time for flash in world.flashes] == [0.25] * 3 + [1.25] * 3


def test_a_due_time_that_is_set_anew_to_the_same_value_goes_behind() -> None:
    # 2 wakes 1 and then 0 with nudges of nothing; by number, 0 would have come before 1.
    world = simulate_from([0.5, 0.5, 0.75], period=1.0, nudge=0.0, duration=0.9)
    assert world.flashes == [(2, 0.25), (1, 0.5), (0, 0.5)]
    # On the line of five 2 wakes 1 and 3, and they get behind 0 and 4, whom it doesn't reach.
    world = simulate_from([0.5, 0.5, 0.75, 0.5, 0.5], period=1.0, nudge=0.0, duration=0.9)
    assert world.flashes == [(2, 0.25), (0, 0.5), (4, 0.5), (1, 0.5), (3, 0.5)]


def test_who_was_due_anyway_comes_before_who_is_kicked() -> None:
    # On the line of five, 0 and 3 are due at 0.25; 0 kicks 4 and 1, 3 kicks 2.
    world = simulate_from([0.75, 0.5, 0.5, 0.75, 0.5], period=1.0, nudge=0.25, duration=0.9)
    assert [flash.agent for flash in world.flashes] == [0, 3, 4, 1, 2]
    assert {flash.time for flash in world.flashes} == {0.25}


@pytest.mark.parametrize("refractory_period", [0.2, 1e-12])
def test_a_wave_crosses_the_torus_in_one_instant_and_takes_everybody_once(
    refractory_period: float,
) -> None:
    # A nudge as long as the period makes every heard flash kick, also with hardly any deafness.
    world = simulate_from([0.75] + [0.5] * 24, 1.0, 1.0, 0.9, refractory_period)
    assert {flash.time for flash in world.flashes} == {0.25}
    nearest = [1, 4, 5, 6, 9, 20, 21, 24]
    order = [flash.agent for flash in world.flashes]
    assert order[0] == 0
    assert sorted(order[1:9]) == nearest
    assert sorted(order) == list(range(25))


@pytest.mark.parametrize(
    ("above", "heard"), [(0.0, True), (0.5 * TOLERANCE, True), (2 * TOLERANCE, False)]
)
def test_a_phase_of_exactly_the_refractory_period_counts(above: float, heard: bool) -> None:
    # 1 flashes at 0.25 and brings 0 forward from 0.5 to 0.45; 1 is four nudges into its cycle then.
    nudge = 0.05
    phase = 1.0 - (1.25 - (0.5 - nudge))
    assert 4 * nudge - TOLERANCE < phase < 4 * nudge, "the rounding makes it a hair too low"
    world = simulate_from([0.5, 0.75], 1.0, nudge, 1.3, 4 * nudge + above)
    assert world.flashes == [(1, 0.25), (0, 0.5 - nudge), (1, 1.25 - nudge if heard else 1.25)]


# --- what holds in every world ---------------------------------------------------------------


def test_without_coupling_nothing_changes() -> None:
    world = simulate(30, period=5.0, nudge=0.0, duration=100.0, seed=4)
    assert len(world.order_parameter) == 20
    assert world.order_parameter == pytest.approx([world.order_parameter[0]] * 20, abs=1e-9)
    assert world.order_parameter[0] < 0.9
    assert Counter(flash.agent for flash in world.flashes) == dict.fromkeys(range(30), 20)


@pytest.mark.parametrize("nudge_share", [0.01, 0.05, 0.2, 0.9])
@pytest.mark.parametrize("num_agents", [2, 7, 12, 36])
def test_every_flash_is_explained_by_the_flashes_before_it(
    num_agents: int, nudge_share: float
) -> None:
    """The log alone says when each next flash has to come.

    An agent that flashed at `last` and has heard k flashes since, the latest at `latest`, must
    flash at `last + period - k · nudge`, or at `latest` if that was the one that made it due.
    """
    period, refractory_period = 5.0, 1.0
    nudge = nudge_share * period
    world = simulate(num_agents, period, nudge, 20 * period, seed=num_agents)
    neighbors = neighbor_sets(num_agents)
    last: dict[int, float] = {}
    heard: dict[int, list[float]] = {agent: [] for agent in range(num_agents)}
    checked = 0
    now = 0.0
    for agent, time in world.flashes:
        assert time >= now
        now = time
        if agent in last:
            spacing = time - last[agent]
            assert refractory_period - 2 * TOLERANCE <= spacing <= period + TOLERANCE
            due = last[agent] + period - len(heard[agent]) * nudge
            assert time == pytest.approx(max([due, *heard[agent][-1:]]), abs=1e-9)
            checked += 1
        last[agent] = time
        heard[agent] = []
        for neighbor in neighbors[agent]:
            if neighbor in last:
                phase = period - (last[neighbor] + period - len(heard[neighbor]) * nudge - time)
                if phase >= refractory_period - TOLERANCE:
                    heard[neighbor].append(time)
    assert checked >= 19 * num_agents


def simulate_plainly(
    phases: Sequence[float],
    period: float,
    nudge: float,
    duration: float,
    refractory_period: float,
) -> dict[int, list[float]]:
    """The model without queue or agenda: look at everybody until nothing changes any more."""
    neighbors = neighbor_sets(len(phases))
    due = [0.0 + (period - phase) for phase in phases]
    times: dict[int, list[float]] = defaultdict(list)
    while (now := min(due)) < duration:
        done: set[int] = set()
        while ready := {agent for agent, at in enumerate(due) if at <= now} - done:
            flashing = max(ready)
            done.add(flashing)
            times[flashing].append(now)
            for neighbor in neighbors[flashing] - done:
                if period - (due[neighbor] - now) >= refractory_period - 1e-9:
                    due[neighbor] -= nudge
        for agent in done:
            due[agent] = now + period
    return times


@st.composite
def small_worlds(draw: st.DrawFn) -> tuple[list[float], float, float, float, float]:
    period = draw(st.sampled_from([1.0, 5.0, 0.7]))
    # Twentieths make ties and put flashes on the threshold, which free numbers hardly ever do.
    part = st.one_of(
        st.integers(0, 20).map(lambda n: n / 20),
        st.floats(0.0, 1.0, allow_subnormal=False),
    )
    phases = draw(st.lists(part.map(lambda share: share * period), min_size=1, max_size=12))
    nudge = draw(part) * period
    refractory_period = draw(st.sampled_from([0.05, 0.2, 0.5, 1.0])) * period
    duration = draw(st.integers(1, 8)) * period
    return phases, period, nudge, duration, refractory_period


@settings(max_examples=tries(100, 400), deadline=None)
@given(small_worlds())
def test_a_plain_search_for_who_is_due_gives_the_same_times(
    world: tuple[list[float], float, float, float, float],
) -> None:
    assert times_by_agent(simulate_from(*world).flashes) == simulate_plainly(*world)


def test_the_order_parameter_is_the_length_of_the_mean_phase() -> None:
    # Four agents a quarter of a period apart cancel out; three of them leave one of three.
    assert simulate_from([0.0, 1.0, 2.0, 3.0], 4.0, 0.0, 4.0).order_parameter == pytest.approx([0])
    assert simulate_from([0.0, 1.0, 2.0], 4.0, 0.0, 4.0).order_parameter == pytest.approx([1 / 3])


def test_the_world_is_observed_up_to_its_duration() -> None:
    # Due at 1.0, which is the end: its flash is no longer seen, the phases at that instant are.
    assert simulate_from([0.0], 1.0, 0.1, 1.0) == ([], [1.0])
    assert simulate_from([0.0], 1.0, 0.1, 0.5) == ([], [])
    # A phase that has reached the period already is a flash at time 0.
    assert simulate_from([1.0], 1.0, 0.1, 0.5) == ([(0, 0.0)], [])


def test_order_is_measured_before_the_flashes_of_the_instant() -> None:
    # At 1.0 agent 0 flashes and takes 1 along; a moment before, they are a quarter turn apart.
    world = simulate_from([0.0, 0.75], 1.0, 0.25, 1.1, refractory_period=0.5)
    assert world.flashes == [(1, 0.25), (0, 1.0), (1, 1.0)]
    assert world.order_parameter == pytest.approx([math.cos(math.pi / 4)])


# --- seeds -----------------------------------------------------------------------------------


def test_the_seed_draws_the_phases_in_agent_order() -> None:
    draw = random.Random(11)
    phases = [draw.uniform(0, 5.0) for _ in range(20)]
    assert simulate(20, 5.0, 0.2, 50.0, seed=11) == simulate_from(phases, 5.0, 0.2, 50.0)
    assert simulate(20, 5, 1, 50, seed=11) == simulate(20, 5.0, 1.0, 50.0, 11, 1.0)


def test_the_same_seed_gives_the_same_world_and_another_seed_another() -> None:
    digests = [flash_digest(simulate(25, 5.0, 0.2, 50.0, seed).flashes) for seed in range(10)]
    assert len(set(digests)) == 10
    assert digests == [flash_digest(simulate(25, 5.0, 0.2, 50.0, s).flashes) for s in range(10)]


@pytest.mark.parametrize("seed", range(20))
def test_a_strong_nudge_locks_a_hundred_agents_within_sixty_periods(seed: int) -> None:
    world = simulate(100, period=5.0, nudge=1.0, duration=300.0, seed=seed)
    assert len(world.order_parameter) == 60
    assert world.order_parameter[-1] > 0.999


WORLDS_THAT_NEVER_LOCK = [19, 23, 29, 31, 36]


def test_with_a_weak_nudge_five_of_forty_one_worlds_do_not_lock() -> None:
    final = {seed: simulate(100, 5.0, 0.25, 300.0, seed).order_parameter[-1] for seed in range(41)}
    assert [seed for seed in final if final[seed] < 0.999] == WORLDS_THAT_NEVER_LOCK
    assert all(final[seed] < 0.7 for seed in WORLDS_THAT_NEVER_LOCK)


def test_world_36_repeats_itself_and_so_never_locks() -> None:
    world = simulate(100, period=5.0, nudge=0.25, duration=1000.0, seed=36)
    assert max(world.order_parameter[20:]) < 0.5
    for times in times_by_agent(world.flashes).values():
        settled = [time for time in times if time > 500.0]
        # Five flashes on, 21.25 s have passed, for every agent.
        later = [time - 21.25 for time in settled[5:]]
        assert settled[: len(later)] == pytest.approx(later, abs=1e-6)


# --- the digest ------------------------------------------------------------------------------


def test_the_digest_is_over_agents_and_times_with_nine_decimals() -> None:
    text = b"3:0.500000000\n12:1.333333333\n"
    assert flash_digest([Flash(3, 0.5), Flash(12, 4 / 3)]) == hashlib.sha256(text).hexdigest()
    assert flash_digest([(3, 0.5), (12, 4 / 3)]) == hashlib.sha256(text).hexdigest()
    assert flash_digest(iter([])) == hashlib.sha256(b"").hexdigest()


def test_the_digest_sees_order_and_nanoseconds_but_no_rounding() -> None:
    digest = flash_digest([(0, 1.0), (1, 1.0)])
    assert digest == flash_digest([(0, 1.0 + 1e-12), (1, 1.0)])
    assert digest != flash_digest([(1, 1.0), (0, 1.0)])
    assert digest != flash_digest([(0, 1.0 + 1e-9), (1, 1.0)])


# --- arguments -------------------------------------------------------------------------------

GOOD: dict[str, Any] = {
    "num_agents": 4,
    "period": 5.0,
    "nudge": 0.2,
    "duration": 10.0,
    "seed": 1,
    "refractory_period": 1.0,
}


@pytest.mark.parametrize(
    ("name", "value", "error"),
    [
        ("num_agents", 0, ValueError),
        ("num_agents", -3, ValueError),
        ("num_agents", 4.0, TypeError),
        ("num_agents", True, TypeError),
        ("period", 0.0, ValueError),
        ("period", -5.0, ValueError),
        ("period", math.inf, ValueError),
        ("period", math.nan, ValueError),
        ("period", 10**400, ValueError),
        ("period", True, TypeError),
        ("period", "5", TypeError),
        ("nudge", -0.1, ValueError),
        ("nudge", math.nan, ValueError),
        ("nudge", None, TypeError),
        ("nudge", False, TypeError),
        ("duration", 0, ValueError),
        ("duration", -1.0, ValueError),
        ("duration", math.inf, ValueError),
        ("duration", None, TypeError),
        ("seed", 1.0, TypeError),
        ("seed", None, TypeError),
        ("seed", True, TypeError),
        ("refractory_period", 0.0, ValueError),
        ("refractory_period", -1.0, ValueError),
        ("refractory_period", 5.1, ValueError),
        ("refractory_period", math.nan, ValueError),
        ("refractory_period", True, TypeError),
        ("refractory_period", "1", TypeError),
    ],
)
def test_a_bad_argument_is_named_with_its_value(
    name: str, value: object, error: type[Exception]
) -> None:
    simulate(**GOOD)
    with pytest.raises(error) as caught:
        simulate(**{**GOOD, name: value})
    assert str(caught.value).startswith(f"{name} must be ")
    assert str(caught.value).endswith(f"got {value!r}")


def test_the_edges_of_the_ranges_are_allowed() -> None:
    simulate(1, 5.0, 0.0, 10.0, seed=-7, refractory_period=5.0)
    simulate(1, 5, 10, 10, seed=0, refractory_period=1)


@pytest.mark.parametrize("phase", [-0.1, 5.1, math.nan])
def test_an_initial_phase_lies_within_the_period(phase: float) -> None:
    with pytest.raises(ValueError, match=r"initial_phases\[1\] must be .* got "):
        simulate_from([0.0, phase], period=5.0, nudge=0.2, duration=10.0)


def test_a_world_needs_somebody_in_it() -> None:
    with pytest.raises(ValueError, match="initial_phases must hold one phase for each agent"):
        simulate_from([], period=5.0, nudge=0.2, duration=10.0)
