"""FirefliesStage: a fireflies experiment as a browser sees it, and what can be set there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

import cascade as cs
from cascade.spec.constraint import GlobalConstraint
from observatory.experiments.fireflies import SLOT, Fireflies
from observatory.experiments.recent import Recent
from observatory.experiments.slots import shown, slots_there_are
from observatory.visualization.colours import rgb
from observatory.visualization.matrix import BrightnessMatrix
from observatory.visualization.palette import PaletteFunction, Palettes
from observatory.web.stage import Control, Status

PAUSE = GlobalConstraint("page-pause", "global", "pause", {})
"""The rule by which a page pauses an experiment."""
MOST_OF_PAST = 600
"""How much of the course so far a new page is told."""


class FirefliesStage:
    """What a page shows of an experiment that has begun.

    Args:
        experiment: the experiment.
        palette_func: from brightness to colour.

    Raises:
        RuntimeError: the experiment hasn't begun.
    """

    def __init__(
        self, experiment: Fireflies, palette_func: PaletteFunction = Palettes.firefly
    ) -> None:
        if experiment.recorder is None:
            raise RuntimeError("the experiment hasn't begun: there is nothing to be seen yet")
        config = experiment.config
        self.width, self.height = config.shape
        """How the agents stand."""
        self.title = f"{self.width}×{self.height} fireflies"
        """What it is."""
        levels = np.linspace(0, 1, 256).reshape(1, 256)
        self.palette = rgb(palette_func(levels)).astype(np.uint8).tobytes()
        """Red, green and blue of each brightness."""
        self.course = "R"
        """The order parameter."""
        controls = [
            Control("nudge", "Nudge", "number", 0.0, config.period, "s"),
            Control("pause", "Pause", "switch"),
        ]
        if config.limit is not None:
            # 0 would be a pause, which has a switch of its own.
            controls.insert(0, Control("limit", "Slots", "whole", 1, config.num_agents))
        self.controls: Sequence[Control] = controls if experiment.steerable else []
        """Slots (if there is a limit), nudge, and pause; none for a calculation."""
        self._experiment = experiment
        self._matrix = BrightnessMatrix(
            self.width, self.height, 1 / (config.decay_duty_cycle * config.period)
        )
        self._matrix.follow(experiment.recorder.latest)
        self._rules = cs.Engine(resource_manager=experiment.manager).constraint_manager
        self._recent = Recent(max(1.0, config.period), 1)

    @property
    def paused(self) -> bool:
        """Whether a page has paused it."""
        return any(rule.id == PAUSE.id for rule in self._rules.active())

    def picture(self, now: float) -> bytes:
        """Return the brightness of each agent, one byte each."""
        brightness = self._matrix.at(now)
        brightness *= 255.0
        return np.rint(brightness, out=brightness).astype(np.uint8).tobytes()

    def status(self, now: float) -> Status:
        """Return what is to be said at a time."""
        experiment = self._experiment
        moment = experiment.moment(now)
        self._recent.note(moment.time, moment.flashes)
        (flashes,) = self._recent.per_second()
        late = moment.lateness_p99
        values = {
            "time": f"{moment.time:.0f} s",
            "agents": f"{experiment.config.num_agents:,}",
            "pulses": f"{moment.flashes // experiment.config.num_agents:,}",
            "flashes/s": f"{flashes:,.0f}",
            "alight": f"{moment.alight:.0%}",
            "lateness p99": "–" if late is None else f"{late * 1000:,.1f} ms",
        }
        settings: dict[str, float | bool] = {
            "nudge": experiment.nudge.seconds,
            "pause": self.paused,
        }
        if moment.active is not None:
            capacity = slots_there_are(experiment.manager)
            values["slots"] = f"{moment.active} of {shown(capacity)}"
            values["waiting"] = f"{moment.waiting}"
            if capacity is not None:
                settings["limit"] = capacity
        if not experiment.steerable:
            settings.clear()
        return Status(moment.time, moment.order_parameter, values, settings)

    def past(self) -> list[tuple[float, float]]:
        """Return R at the end of each of the latest periods."""
        recorder, period = self._experiment.recorder, self._experiment.config.period
        assert recorder is not None
        course = list(enumerate(recorder.order_parameters, start=1))[-MOST_OF_PAST:]
        return [(count * period, order) for count, order in course]

    def set(self, name: str, value: Any) -> str:
        """Set the limit, the nudge or the pause."""
        if name == "limit":
            return self._set_limit(value)
        if name == "nudge":
            before, self._experiment.nudge.seconds = self._experiment.nudge.seconds, value
            return f"nudge: {before:g} → {value:g} s, from the next step of each agent on"
        if value:
            self._rules.update(PAUSE)
            return "paused: no step begins; those under way go on"
        return "goes on" if self._rules.remove(PAUSE.id) else "it wasn't paused"

    def _set_limit(self, limit: int) -> str:
        manager = self._experiment.manager
        before = shown(slots_there_are(manager))
        manager.set_capacity({SLOT: limit})
        slots = manager.statistics().resources[SLOT]
        effect = f"slots: {before} → {limit}; {slots.used:g} in use, {slots.waiting} wait"
        over = slots.used - limit
        return effect if over <= 0 else f"{effect}; {over:g} too many go on until they end"
