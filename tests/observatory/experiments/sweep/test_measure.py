"""What is measured of one run."""

from __future__ import annotations

import math

import pytest

from cascade.connectors.local import LocalBusConnector
from observatory.experiments.config import FirefliesConfig, Model
from observatory.experiments.sweep.measure import (
    METRICS,
    is_complete,
    measure,
    order_seen,
    synchrony,
)
from observatory.flashes import flash_digest
from observatory.networking.topology import Topology
from observatory.reference.fireflies import simulate


def test_a_run_is_the_reference_measured() -> None:
    found = measure(FirefliesConfig(num_agents=9, duration=100.0, seed=3))
    world = simulate(9, 5.0, 0.2, 100.0, seed=3)
    assert found["digest"] == flash_digest(world.flashes)
    assert found["flashes"] == len(world.flashes)
    counts = [sum(agent == number for agent, _ in world.flashes) for number in range(9)]
    assert found["flashes_fewest"] == min(counts)
    assert found["order_first"] == pytest.approx(world.order_parameter[0])
    assert found["synchrony_s"] == synchrony([*world.order_parameter], 5.0)


def test_without_a_limit_there_is_nothing_to_say_of_slots() -> None:
    found = measure(FirefliesConfig(num_agents=4, duration=20.0))
    none = {name for name, value in found.items() if value is None}
    assert none - {"synchrony_s"} == {
        "utilisation",
        "slots_most",
        "queue",
        "waits",
        "wait_s",
        "wait_max_s",
    }


@pytest.mark.parametrize("model", ["fixed", "mirollo-strogatz"])
@pytest.mark.parametrize("topology", ["torus", "ring", "complete"])
def test_a_calculation_measures_what_agents_do_but_for_their_steps(
    model: Model, topology: Topology
) -> None:
    config = FirefliesConfig(
        num_agents=16, nudge=0.3, duration=61.0, seed=3, model=model, topology=topology
    )
    by_agents, calculated = measure(config), measure(config, engine="reference")
    assert (calculated.pop("steps"), calculated.pop("steps_fewest")) == (None, None)
    assert by_agents.pop("steps")
    assert by_agents.pop("steps_fewest")
    assert calculated == pytest.approx(by_agents, abs=1e-9)


def test_a_mean_field_is_measured_by_its_phases() -> None:
    config = FirefliesConfig(
        num_agents=20, duration=60.0, model="kuramoto", topology="complete", half_width=0.0
    )
    found = measure(config, engine="reference")
    # Equal frequencies: everybody ends in one phase, and flashes once in a period.
    assert found["order"] == pytest.approx(1.0)
    assert isinstance(found["synchrony_s"], float)
    assert found["flashes_fewest"] == 12
    assert found["order_seen"] is None
    with pytest.raises(ValueError, match="kuramoto needs --engine reference"):
        measure(config)


def test_two_slots_that_are_held_for_whole_steps_leave_seven_of_nine_in_the_queue() -> None:
    found = measure(FirefliesConfig(num_agents=9, duration=50.0, limit=2))
    assert (found["utilisation"], found["slots_most"], found["queue"]) == (1.0, 2, 7.0)
    assert isinstance(found["waits"], int)
    assert found["waits"] > 0
    assert isinstance(found["wait_s"], float)
    assert isinstance(found["wait_max_s"], float)
    assert 0 < found["wait_s"] <= found["wait_max_s"]


def test_the_limit_changes_no_flash_of_those_who_hold_slots_only_while_awake() -> None:
    free = measure(FirefliesConfig(num_agents=9, duration=50.0))
    held = measure(FirefliesConfig(num_agents=9, duration=50.0, limit=9, limit_holds="awake"))
    assert held["digest"] == free["digest"]
    assert held["utilisation"] == 0.0


def test_the_same_settings_give_the_same_results() -> None:
    config = FirefliesConfig(num_agents=9, duration=30.0, limit=3, seed=5)
    assert measure(config) == measure(config) == measure(config, LocalBusConnector())


@pytest.mark.parametrize(
    ("order", "seconds"),
    [
        ([], None),
        ([0.5, 0.998], None),
        ([1.0, 0.5, 1.0, 0.9985], None),
        ([0.5, 0.9995, 1.0], 4.0),
        ([1.0, 0.5, 1.0], 6.0),
        ([0.999], 2.0),
    ],
)
def test_synchrony_is_when_it_stays(order: list[float], seconds: float | None) -> None:
    assert synchrony(order, 2.0) == seconds


def test_an_onlooker_sees_when_flashes_were_sent() -> None:
    assert order_seen([3.0, 8.0, 13.0], 5.0) == pytest.approx(1.0)
    assert order_seen([0.0, 2.5], 5.0) == pytest.approx(0.0)
    assert order_seen([0.0, 1.25, -math.inf], 5.0) == pytest.approx(0.5**0.5)
    assert order_seen([-math.inf], 5.0) is None


def test_with_a_slot_for_each_r_is_what_an_onlooker_sees() -> None:
    found = measure(FirefliesConfig(num_agents=9, duration=100.0, seed=3))
    assert found["order_seen"] == pytest.approx(found["order"])


def test_results_are_complete_with_all_names_and_their_types() -> None:
    found: dict[str, object] = {**dict.fromkeys(METRICS, 1.0), "digest": "0a"}
    assert is_complete(found)
    assert is_complete({**found, "queue": None})
    assert not is_complete(None)
    assert not is_complete([*found])
    assert not is_complete({**found, "other": 1})
    assert not is_complete({name: found[name] for name in METRICS})
    assert not is_complete({**found, "order": "1"})
    assert not is_complete({**found, "order": True})
    assert not is_complete({**found, "digest": None})
