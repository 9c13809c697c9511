"""How many slots are in use, of how many: which may be others than there were at the start."""

from __future__ import annotations

import cascade as cs
from observatory.experiments.fireflies import SLOT


def slots_there_are(manager: cs.ResourceManager) -> float | None:
    """Return how many slots there are now; None: somebody has taken the limit off."""
    return manager.statistics().resources[SLOT].capacity


def shown(slots: float | None) -> str:
    """Return a number of slots as it is shown."""
    return "∞" if slots is None else f"{slots:g}"
