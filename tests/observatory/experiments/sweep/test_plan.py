"""The runs of a sweep, their seeds and their names."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from observatory.experiments.config import FirefliesConfig
from observatory.experiments.sweep import plan
from observatory.experiments.sweep.axes import Axis
from observatory.experiments.sweep.plan import Run, Sweep, seed_of, versions

NUDGE, LIMIT = Axis("nudge", (0.1, 0.2)), Axis("limit", (3, None))


def test_all_combinations_are_run_the_last_axis_changing_first() -> None:
    sweep = Sweep((NUDGE, LIMIT), {"agents": 9}, replications=2)
    runs = sweep.runs()
    assert len(runs) == sweep.size == 8
    assert [run.point for run in runs[::2]] == [(0.1, 3), (0.1, None), (0.2, 3), (0.2, None)]
    assert [run.replication for run in runs] == [0, 1] * 4
    assert {run.config.num_agents for run in runs} == {9}
    assert [(run.config.nudge, run.config.limit) for run in runs] == [run.point for run in runs]


def test_nothing_varied_is_one_point() -> None:
    assert [run.point for run in Sweep(replications=3).runs()] == [()] * 3


@given(st.integers(0, 2**64), st.integers(0, 30), st.integers(1, 30))
def test_a_seed_is_that_of_the_spawned_sequence_however_many_there_are(
    seed: int, replication: int, more: int
) -> None:
    spawned = np.random.SeedSequence(seed).spawn(replication + more)[replication]
    assert seed_of(seed, replication) == int(spawned.generate_state(1, np.uint64)[0]) >> 11


def test_a_replication_has_the_same_seed_at_each_point_and_in_each_sweep() -> None:
    few = Sweep((NUDGE,), replications=3, seed=7).runs()
    many = Sweep((NUDGE, LIMIT), replications=5, seed=7).runs()
    seeds = {run.replication: run.config.seed for run in many}
    assert len(set(seeds.values())) == 5
    for run in few + many:
        assert run.config.seed == seeds[run.replication]


def test_every_run_has_a_name_of_its_own_that_only_its_content_decides() -> None:
    runs = Sweep((NUDGE, LIMIT), replications=3).runs()
    assert len({run.digest for run in runs}) == len(runs)
    again = Sweep((LIMIT, NUDGE), replications=5).runs()
    assert {run.digest for run in runs} < {run.digest for run in again}


@pytest.mark.parametrize(
    "other",
    [
        {"num_agents": 10},
        {"period": 6.0},
        {"nudge": 0.21},
        {"duration": 2.0},
        {"limit": 3},
        {"limit_holds": "awake"},
        {"seed": 1},
        {"refractory_period": 1.0},
    ],
    ids=str,
)
def test_whatever_it_is_run_with_changes_its_name(other: dict[str, object]) -> None:
    config = FirefliesConfig(num_agents=9)
    run = Run((), 0, config)
    assert Run((), 0, replace(config, **other)).digest != run.digest  # type: ignore[arg-type]
    assert Run((), 1, config).digest != run.digest
    assert Run((), 0, config, "reference").digest != run.digest


def test_the_versions_change_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    before = Run((), 0, FirefliesConfig()).digest
    monkeypatch.setattr(plan, "versions", lambda: {**versions(), "numpy": "0"})
    assert Run((), 0, FirefliesConfig()).digest != before


def test_whole_and_broken_numbers_of_one_value_have_one_name() -> None:
    whole, broken = FirefliesConfig(period=5, nudge=1), FirefliesConfig(period=5.0, nudge=1.0)
    assert Run((), 0, whole).digest == Run((), 0, broken).digest


def test_a_configuration_that_is_not_valid_is_refused_with_its_point() -> None:
    sweep = Sweep((Axis("refractory-period", (0.5, 3.0)),), {"period": 1.0})
    message = "refractory-period must be above 1e-9 seconds and at most the period, got 3.0"
    with pytest.raises(ValueError, match=re.escape(f"{message} (at refractory-period=3)")):
        sweep.runs()
    with pytest.raises(ValueError, match=r"agents must be a whole number ≥ 1, got 0$"):
        Sweep(fixed={"agents": 0}).runs()


def test_the_engine_can_be_varied_and_a_model_brings_its_topology() -> None:
    engine = Axis("engine", ("agents", "reference"))
    assert [run.engine for run in Sweep((engine,)).runs()] == ["agents", "reference"]
    models = Sweep((Axis("model", ("fixed", "kuramoto")),), {"engine": "reference"}).runs()
    assert [run.config.topology for run in models] == ["torus", "complete"]


@pytest.mark.parametrize(
    ("sweep", "message"),
    [
        (
            Sweep((Axis("model", ("fixed", "kuramoto")),)),
            "(kuramoto needs --engine reference), got 'kuramoto' (at model=kuramoto)",
        ),
        (
            Sweep((LIMIT,), {"engine": "reference"}),
            "limit must be left out with --engine reference, got 3 (at limit=3)",
        ),
        (
            Sweep((), {"engine": "reference", "model": "kuramoto", "topology": "ring"}),
            "topology must be complete in the model kuramoto, got 'ring'",
        ),
    ],
    ids=["model", "limit", "topology"],
)
def test_what_an_engine_doesnt_know_is_refused_before_anything_runs(
    sweep: Sweep, message: str
) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        sweep.runs()


def test_a_name_is_there_once() -> None:
    with pytest.raises(ValueError, match="nudge is varied twice"):
        Sweep((NUDGE, NUDGE))
    with pytest.raises(ValueError, match="nudge is varied and can't be set"):
        Sweep((NUDGE,), {"nudge": 1.0})
    with pytest.raises(ValueError, match="there is no setting 'nugde'"):
        Sweep(fixed={"nugde": 1.0})


def test_numbers_are_checked_before_there_is_a_list_of_them() -> None:
    with pytest.raises(ValueError, match="replications must be a whole number ≥ 1, got 0"):
        Sweep(replications=0)
    with pytest.raises(ValueError, match="seed must be a whole number ≥ 0, got -1"):
        Sweep(seed=-1)
    with pytest.raises(ValueError, match="at most 1000000 runs, got 2000000000"):
        Sweep((NUDGE,), replications=10**9)


def test_it_is_described_as_plain_data() -> None:
    sweep = Sweep((NUDGE, LIMIT), {"period": 5, "agents": 9}, 3, 4)
    assert json.loads(json.dumps(sweep.as_dict())) == {
        "experiment": "fireflies",
        "vary": {"nudge": [0.1, 0.2], "limit": [3, None]},
        "set": {"agents": 9, "period": 5.0},
        "replications": 3,
        "seed": 4,
        "versions": versions(),
    }
    assert sweep.describe((0.1, None)) == "nudge=0.1 limit=none"
