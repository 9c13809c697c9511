"""BottleneckView: what the bottleneck looks like: who thinks, who waits, who works."""

from __future__ import annotations

from typing import Any

from observatory.experiments.bottleneck import Bottleneck, BottleneckConfig
from observatory.experiments.recent import Recent
from observatory.experiments.showing import NOWHERE, Showing
from observatory.experiments.states_view import SPAN, StatesView
from observatory.percentiles import percentiles
from observatory.visualization.grid import StateView
from observatory.visualization.palette import gradient
from observatory.visualization.status import Course

# Dark, amber and green; what lies between stands for blocks of agents in a small window.
_palette = gradient((0, "#1b2338"), (0.5, "#c8832b"), (1, "#86e08f"))


class BottleneckView(StatesView[Bottleneck]):
    """The view of one experiment; `run` is what `Bottleneck` takes.

    In its grid 0 stands for an agent that thinks, 0.5 for one that waits, 1 for one at work.

    Args:
        config: the settings of the experiment.
        showing: where it is shown.
    """

    def __init__(self, config: BottleneckConfig, showing: Showing = NOWHERE) -> None:
        grid = StateView(*config.shape, _palette, "mean")
        super().__init__(grid, f"{config.agents} agents, {config.slots} slots", showing)
        self.status.course = self._course = Course("use")
        self._config = config
        self._recent = Recent(SPAN, 2)

    async def run(self, experiment: Bottleneck) -> None:
        """Show the experiment until `q` is pressed in the terminal, or until cancelled.

        The keys ``+`` and ``-`` change how many slots there are by a tenth, ``p`` closes the
        doors and opens them again.

        Raises:
            OSError: a file can't be written, or stdout isn't a terminal.
        """
        step = max(1, self._config.slots // 10)
        self.app.keys = {
            "+": ("more", lambda: experiment.change_slots(step)),
            "-": ("fewer", lambda: experiment.change_slots(-step)),
            "p": ("pause", experiment.pause),
        }
        await super().run(experiment)

    def _told(self, experiment: Bottleneck, now: float, time: float) -> dict[str, Any]:
        rounds = experiment.rounds
        assert rounds is not None
        self._recent.note(time, sum(rounds.ended), len(rounds.waits))
        ended, _ = self._recent.per_second()
        _, waits_before = self._recent.before
        waits = rounds.waits[waits_before:]
        if rounds.slots:
            self._course.add(time, rounds.working / rounds.slots)
        paused = ", paused" if experiment.paused else ""
        return {
            "time": f"{time:.0f} s",
            "agents": f"{self._config.agents:,}",
            "waiting": rounds.waiting,
            "working": f"{rounds.working} of {rounds.slots}{paused}",
            "rounds/s": f"{ended:.0f}",
            "wait p99": f"{percentiles(waits, 99)[0]:.2f} s" if waits else "–",
        }
