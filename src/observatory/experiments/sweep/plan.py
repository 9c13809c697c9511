"""Sweep: which settings are run, how often, and with which seeds."""

from __future__ import annotations

import hashlib
import itertools
import json
import math
import platform
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache, cached_property
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np

from cascade.spec.checks import check_whole, shown
from observatory.experiments.calculated import ENGINES, Engine
from observatory.experiments.config import FirefliesConfig, usual_topology
from observatory.experiments.sweep.axes import Axis
from observatory.experiments.sweep.settings import SETTINGS, Value, find, in_options, said

MOST_RUNS = 1_000_000
"""Runs of a sweep at most."""
EXPERIMENT = "fireflies"
"""What is run."""

Point = tuple[Value, ...]
"""One value for each setting that is varied."""


@cache
def versions() -> dict[str, str]:
    """Return the versions of what results can depend on, if only in the last digit."""
    try:
        own = version("cascade-py")
    except PackageNotFoundError:
        own = "not installed"
    return {
        "cascade-py": own,
        "numpy": np.__version__,
        "python": ".".join(platform.python_version_tuple()[:2]),
    }


def seed_of(seed: int, replication: int) -> int:
    """Return the seed of a replication, which depends on nothing else.

    It comes from what ``numpy.random.SeedSequence(seed).spawn(n)[replication]`` is for any n
    above `replication`, and has 53 bits, as every reader of JSON and CSV keeps these.
    """
    child = np.random.SeedSequence(seed, spawn_key=(replication,))
    return int(child.generate_state(1, np.uint64)[0]) >> 11


@dataclass(frozen=True)
class Run:
    """One run of a sweep."""

    point: Point
    """Where in the sweep."""
    replication: int
    """The number of the replication, from 0."""
    config: FirefliesConfig
    """What it is run with."""
    engine: Engine = "agents"
    """What runs it."""

    @property
    def identity(self) -> dict[str, Any]:
        """All that its results depend on, as plain data."""
        return {
            "experiment": EXPERIMENT,
            "clock": "virtual",
            "settings": {
                name: setting.exact(getattr(self.config, setting.field))
                for name, setting in SETTINGS.items()
            }
            | {"engine": self.engine},
            "replication": self.replication,
            "versions": versions(),
        }

    @cached_property
    def digest(self) -> str:
        """A name of its identity: the first 32 digits of a SHA-256."""
        text = json.dumps(self.identity, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:32]


@dataclass(frozen=True)
class Sweep:
    """What a sweep is made of: everything but where it goes and how many run at once.

    Raises:
        TypeError, ValueError: a name or a value isn't valid, a name is there twice, or there are
            too many runs. Settings that don't go together are refused by `runs`.
    """

    axes: tuple[Axis, ...] = ()
    """The settings that are varied; their values are combined in all ways."""
    fixed: Mapping[str, Value] = field(default_factory=dict)
    """The values of others, by name."""
    replications: int = 1
    """How often each point is run."""
    seed: int = 0
    """Where the seeds of the replications come from."""

    def __post_init__(self) -> None:
        check_whole("replications", self.replications, 1)
        check_whole("seed", self.seed, 0)
        names = [axis.name for axis in self.axes]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"{name} is varied twice")
            if name in self.fixed:
                raise ValueError(f"{name} is varied and can't be set to one value as well")
        object.__setattr__(
            self, "fixed", {name: find(name).exact(value) for name, value in self.fixed.items()}
        )
        if self.size > MOST_RUNS:
            raise ValueError(
                f"there must be at most {MOST_RUNS} runs, got {shown(self.size)}: "
                "fewer values or replications make fewer"
            )

    @property
    def size(self) -> int:
        """How many runs there are."""
        return self.replications * math.prod([len(axis.values) for axis in self.axes])

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the settings that are varied."""
        return tuple([axis.name for axis in self.axes])

    def points(self) -> Iterator[Point]:
        """Return all points: the values of the last axis change first."""
        return itertools.product(*[axis.values for axis in self.axes])

    def runs(self) -> list[Run]:
        """Return all runs, point by point.

        The replications of a point have different seeds, and the same ones as those of any other
        point: so what differs between points doesn't come from other initial phases.

        Raises:
            TypeError, ValueError: settings are out of their range, or don't go together; the error
                names them, and the point.
        """
        seeds = [seed_of(self.seed, number) for number in range(self.replications)]
        return [
            self._run(point, number, seed)
            for point in self.points()
            for number, seed in enumerate(seeds)
        ]

    def _run(self, point: Point, replication: int, seed: int) -> Run:
        values = {**self.fixed, **dict(zip(self.names, point, strict=True))}
        arguments: dict[str, Any] = {find(name).field: value for name, value in values.items()}
        arguments.setdefault("topology", usual_topology(arguments.get("model")))
        engine = arguments.pop("engine", "agents")
        try:
            config = FirefliesConfig(**arguments, seed=seed)
            ENGINES[engine].check_config(config)
            return Run(point, replication, config, engine)
        except (TypeError, ValueError) as error:
            where = self.describe(point)
            raise type(error)(f"{in_options(error)}{f' (at {where})' if where else ''}") from None

    def describe(self, point: Point) -> str:
        """Return a point in words, such as "nudge=0.2 limit=10"."""
        parts = zip(self.names, point, strict=True)
        return " ".join([f"{name}={said(value)}" for name, value in parts])

    def as_dict(self) -> dict[str, Any]:
        """Return what it is made of as plain data, ready for JSON."""
        return {
            "experiment": EXPERIMENT,
            "vary": {axis.name: list(axis.values) for axis in self.axes},
            "set": {name: self.fixed[name] for name in sorted(self.fixed)},
            "replications": self.replications,
            "seed": self.seed,
            "versions": versions(),
        }
