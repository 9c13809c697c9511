"""ConwayView: what Life looks like, with cells that are wrong in a colour of their own."""

from __future__ import annotations

from typing import Any

from observatory.experiments.conway import Conway
from observatory.experiments.conway_config import ConwayConfig
from observatory.experiments.generations import ALIVE, WRONGLY_DEAD
from observatory.experiments.recent import Recent
from observatory.experiments.showing import NOWHERE, Showing
from observatory.experiments.states_view import SPAN, StatesView
from observatory.visualization.grid import StateView
from observatory.visualization.palette import gradient

# Night, a pale green, and two reds: a cell that should live and doesn't, one that lives but
# shouldn't.
_palette = gradient((0, "#131a26"), (ALIVE, "#9fe0b0"), (WRONGLY_DEAD, "#a3162e"), (1, "#ff4d5e"))


class ConwayView(StatesView[Conway]):
    """The view of one experiment; `run` is what `Conway` takes.

    Its grid is what `Generations` writes.

    Args:
        config: the settings of the experiment.
        showing: where it is shown.
    """

    def __init__(self, config: ConwayConfig, showing: Showing = NOWHERE) -> None:
        grid = StateView(config.width, config.height, _palette)
        super().__init__(grid, f"Life, {config.width}×{config.height}", showing)
        self._config = config
        self._recent = Recent(SPAN, 1)

    def _told(self, experiment: Conway, now: float, time: float) -> dict[str, Any]:
        made, config = experiment.generations, self._config
        assert made is not None
        self._recent.note(time, made.whole)
        (rate,) = self._recent.per_second()
        behind = made.behind if made.whole == config.generations else made.behind_at(now)
        drift = f"{made.apart} apart"
        if config.interval:
            drift += f", {behind} behind"
        return {
            "generation": f"{made.whole} of {config.generations}",
            "alive": f"{made.alive:,} of {config.cells:,}",
            "errors": made.errors,
            "drift": drift,
            "generations/s": f"{rate:.1f}",
        }
