"""Moment: what can be seen of a fireflies experiment at one instant."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Moment:
    """What can be seen of a running experiment at one instant."""

    time: float
    """Seconds since the start, on the loop's clock."""
    order_parameter: float
    """R of the phases of all agents."""
    alight: float
    """The share of agents whose flash is still seen."""
    flashes: int
    """How many flashes there were so far."""
    active: int | None
    """Slots in use; None without a limit."""
    waiting: int | None
    """Agents that wait for a slot; None without a limit."""
    lateness_p99: float | None
    """Flash sent minus flash due, in seconds: what 99 % of the latest flashes don't exceed; of as
    many flashes as there are agents, but 10,000 at most. None while there were no flashes."""
