"""The settings of a fireflies experiment: checked when they are given."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from cascade.spec.checks import check_finite, shown
from observatory.agents.kuramoto import (
    REFRACTORY_SHARE,
    TOLERANCE,
    check_dissipation,
    check_refractory_period,
)
from observatory.experiments.checks import check_positive, check_seed, set_limit, set_whole
from observatory.extras import require
from observatory.networking.topology import (
    Topology,
    check_topology,
    most_square,
    square_counts_near,
)

# Here, and not for the whole package: a program that is started from it with `python -m` must be
# able to take Ctrl-C before anything else is imported.
require("observatory.experiments", "numpy", "typer")

GRID_SIDE = 30
"""Agents in a row of the default torus."""
NUM_AGENTS = GRID_SIDE**2
"""Agents by default."""
MOST_AGENTS = 10_000_000
"""Agents at most: more would fit into no memory."""
PERIOD = 5.0
"""Seconds from flash to flash by default."""
DISSIPATION = 3.0
"""How concave the state is in the model of Mirollo and Strogatz, by default."""
COUPLING = 2.0
"""K of the model kuramoto by default, in radians per second."""
HALF_WIDTH = 0.5
"""The half-width of its frequencies by default, in radians per second."""
MOST_TURNS = 1e6
"""Turns that the half-width is in a period at most: beyond, rounding makes phases of nothing."""

Model = Literal["fixed", "mirollo-strogatz", "kuramoto"]
"""A constant phase response; a concave state that is lifted; the mean field of phases."""


def usual_topology(model: object) -> Topology:
    """Return who hears whom in a model if nothing is said of it."""
    return "complete" if model == "kuramoto" else "torus"


@dataclass(frozen=True, slots=True)
class FirefliesConfig:
    """What a fireflies experiment is run with.

    Raises:
        TypeError, ValueError: a setting is no number or out of its range; the error names it.
    """

    num_agents: int = NUM_AGENTS
    """How many agents there are."""
    period: float = PERIOD
    """The time from flash to flash when nothing is heard, in seconds."""
    nudge: float = 0.2
    """How much a heard flash advances the phase, in seconds. In the model mirollo-strogatz it is
    the state that is lifted, by ``nudge / period``."""
    duration: float = 3000.0
    """How long the experiment lasts, in seconds."""
    limit: int | None = None
    """How many agents may be in a step at the same time; None: all of them."""
    limit_holds: Literal["step", "awake"] = "step"
    """Whether a slot is held for a whole step, or given back while the agent waits."""
    seed: int = 0
    """Where the initial phases come from."""
    refractory_period: float | None = None
    """How long an agent is deaf after its flash, in seconds; None: a fifth of the period, or not
    at all in the model mirollo-strogatz."""
    decay_duty_cycle: float = 0.3
    """How long a flash is seen, as a share of the period."""
    topology: Topology = "torus"
    """Who hears whom: the eight around on a torus, the two beside in a ring, or everybody."""
    model: Model = "fixed"
    """What a flash does to whoever hears it."""
    dissipation: float | None = None
    """b of the model mirollo-strogatz, above 0 and at most 100; None: 3."""
    coupling: float | None = None
    """K of the model kuramoto, in radians per second; None: 2. `nudge` has no part in it."""
    half_width: float | None = None
    """The half-width of its Lorentzian frequencies, in radians per second; None: 0.5."""

    def __post_init__(self) -> None:
        set_whole(self, "num_agents", 1)
        if self.num_agents > MOST_AGENTS:
            raise ValueError(
                f"num_agents must be at most {MOST_AGENTS}, got {shown(self.num_agents)}"
            )
        check_positive("period", self.period)
        if check_finite("nudge", self.nudge) < 0:
            raise ValueError(f"nudge must be ≥ 0 seconds, got {self.nudge!r}")
        check_positive("duration", self.duration)
        if self.limit is not None:
            set_limit(self, "limit")
        if self.limit_holds not in ("step", "awake"):
            raise ValueError(f"limit_holds must be step or awake, got {self.limit_holds!r}")
        check_seed(self.seed)
        check_topology(self.topology)
        if self.model not in ("fixed", "mirollo-strogatz", "kuramoto"):
            raise ValueError(
                f"model must be fixed, mirollo-strogatz or kuramoto, got {self.model!r}"
            )
        concave = self.model == "mirollo-strogatz"
        if self.dissipation is not None:
            if not concave:
                raise ValueError(
                    "dissipation must be left out unless the model is mirollo-strogatz, "
                    f"got {self.dissipation!r}"
                )
            check_dissipation(self.dissipation)
        for name in ("coupling", "half_width"):
            value = getattr(self, name)
            if value is None:
                continue
            if self.model != "kuramoto":
                raise ValueError(
                    f"{name} must be left out unless the model is kuramoto, got {value!r}"
                )
            if check_finite(name, value) < 0:
                raise ValueError(f"{name} must be ≥ 0 radians per second, got {value!r}")
        if self.model == "kuramoto":
            widest = MOST_TURNS * 2 * math.pi / self.period
            half_width = HALF_WIDTH if self.half_width is None else self.half_width
            if half_width > widest:
                raise ValueError(
                    f"half_width must be at most {widest:g} radians per second, {MOST_TURNS:g} "
                    f"turns in a period, got {half_width!r}"
                )
        if self.model == "kuramoto" and self.topology != "complete":
            raise ValueError(
                f"topology must be complete in the model kuramoto, got {self.topology!r}"
            )
        if self.refractory_period is not None:
            check_refractory_period(self.refractory_period, self.period, concave)
        if not concave and self.deaf_for <= TOLERANCE:
            raise ValueError(
                f"period must be above {TOLERANCE / REFRACTORY_SHARE:.0e} seconds, so that agents "
                f"are deaf for more than {TOLERANCE:.0e} seconds, got {self.period!r}"
            )
        if not 0 < check_finite("decay_duty_cycle", self.decay_duty_cycle) <= 1:
            raise ValueError(
                f"decay_duty_cycle must be above 0 and at most 1, got {self.decay_duty_cycle!r}"
            )

    @property
    def deaf_for(self) -> float:
        """The refractory period, in seconds."""
        if self.refractory_period is not None:
            return self.refractory_period
        return 0.0 if self.model == "mirollo-strogatz" else REFRACTORY_SHARE * self.period

    @property
    def concavity(self) -> float | None:
        """The dissipation of the model mirollo-strogatz; None in the others."""
        if self.model != "mirollo-strogatz":
            return None
        return DISSIPATION if self.dissipation is None else self.dissipation

    @property
    def shape(self) -> tuple[int, int]:
        """Width and height of the grid on which agents are seen: the most square one of exactly
        so many. The torus is this grid."""
        return most_square(self.num_agents)

    def shape_hint(self) -> str | None:
        """Say which nearby counts make a square, if this one makes a mere line."""
        if self.topology != "torus" or self.num_agents < 4 or self.shape[1] > 1:
            return None
        below, above = square_counts_near(self.num_agents)
        return (
            f"{self.num_agents} agents make a ring of {self.num_agents}×1; "
            f"{below} or {above} would make a square"
        )
