"""ReplayView: a record in the terminal, at any speed, forwards and backwards."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from observatory.experiments.moment import Moment
from observatory.experiments.showing import Showing
from observatory.experiments.view import STATUS_INTERVAL
from observatory.order import order_parameter
from observatory.records.playback import Playback
from observatory.records.reader import Record
from observatory.ticks import Ticks
from observatory.visualization.grid import GridView
from observatory.visualization.palette import Palettes
from observatory.visualization.phases import FLASHES, aspect_name, phase_aspects
from observatory.visualization.raw_app import RawTerminalApp
from observatory.visualization.status import COURSE_SECONDS, Course, StatusBar

SLOWEST, FASTEST = 1 / 1024, 1024.0
"""Between which speeds the keys go."""
STEPS = 10
"""How many steps there are in a period."""
HELP = (
    " space  pauses   + -  faster, slower   r  backwards   , .  a step back, or on",
    " 0 to 9  jump: 0 to the start, 5 to the middle   q  ends   Ctrl-L  draws anew",
    " m  shows flashes; phases; local order   ?  shows or hides this",
)


class Player:
    """Where a replay is, by the clock of whoever looks.

    Args:
        playback: the record.
        speed: how many of its seconds go by in a second.
        now: the time at which it starts, in seconds on that clock.
    """

    def __init__(self, playback: Playback, speed: float, now: float) -> None:
        self.playback = playback
        """The record, and the place in it."""
        self.speed = speed
        """How many of its seconds go by in a second."""
        self.forwards = True
        """Whether time goes on, or back."""
        self.paused = False
        """Whether it stands still."""
        self._time = 0.0
        self._now = now

    def move(self, now: float) -> float:
        """Go to where the replay is at a time; return that place, in seconds of the record."""
        passed, self._now = now - self._now, now
        if not self.paused:
            self._time += passed * self.speed * (1 if self.forwards else -1)
            self._time = min(max(0.0, self._time), self.playback.record.end)
        if self._time != self.playback.time:
            self.playback.seek(self._time)
        return self._time

    def jump(self, time: float) -> None:
        """Go to a place, in seconds of the record."""
        self._time = min(max(0.0, time), self.playback.record.end)

    def step(self, steps: int) -> None:
        """Pause, and go so many tenths of a period on, or back."""
        self.paused = True
        size = self.playback.record.header.period / STEPS
        # From step to step, wherever between two it was paused.
        place = self._time / size
        whole = math.floor(place + 1e-6) if steps > 0 else math.ceil(place - 1e-6)
        self.jump((whole + steps) * size)

    def change_speed(self, factor: float) -> None:
        """Go so many times as fast."""
        self.speed = min(max(SLOWEST, self.speed * factor), FASTEST)

    def turn(self) -> None:
        """Go the other way."""
        self.forwards = not self.forwards
        self.paused = False

    def pause(self) -> None:
        """Stand still, or go on."""
        self.paused = not self.paused

    def __str__(self) -> str:
        way = "" if self.forwards else "-"
        return f"{way}{self.speed:g}×{', paused' if self.paused else ''}"


class _RecordedGrid(GridView):
    """The agents of a record, at the place where its replay is."""

    def __init__(self, player: Player) -> None:
        header = player.playback.record.header
        seen = decay(header.settings) * header.period
        super().__init__(header.width, header.height, Palettes.firefly, 1 / seen)
        self.matrix.follow(player.playback.latest)
        self._player = player

    def values(self, now: float) -> NDArray[np.float64]:
        return super().values(self._player.move(now))


def decay(settings: Any) -> float:
    """Return how long a flash is seen, as a share of the period; a record may not say it."""
    share = settings.get("decay_duty_cycle")
    return share if isinstance(share, float) and 0 < share <= 1 else 0.3


def moment(playback: Playback) -> Moment:
    """Return what was to be seen where a playback is."""
    header = playback.record.header
    order = playback.metric("order_parameter")
    if order is None:
        order = order_parameter(playback.turns())
    active, waiting = playback.metric("active"), playback.metric("waiting")
    return Moment(
        time=playback.time,
        order_parameter=order,
        alight=playback.alight(decay(header.settings) * header.period),
        flashes=playback.count,
        active=None if active is None else int(active),
        waiting=None if waiting is None else int(waiting),
        lateness_p99=playback.metric("lateness_p99"),
    )


class ReplayView:
    """The view of one record in the terminal of stdout.

    Args:
        record: the record, with anything in it.
        speed: how many of its seconds go by in a second at first.
    """

    def __init__(self, record: Record, speed: float) -> None:
        self.record = record
        """The record."""
        self.status = StatusBar({"view": FLASHES})
        """What is said below the grid."""
        self._speed = speed

    async def run(self) -> None:
        """Show the record until `q` is pressed.

        Raises:
            OSError: stdout isn't a terminal.
        """
        player = Player(Playback(self.record), self._speed, asyncio.get_running_loop().time())
        app = self.app(player)
        await Showing(terminal=True).run(app, "a record", partial(self._keep_status, app, player))

    def app(self, player: Player) -> RawTerminalApp:
        """Return the view of a replay, with its keys."""
        grid = _RecordedGrid(player)

        def turns(now: float) -> NDArray[np.float64]:
            player.move(now)
            return player.playback.turns()

        grid.aspects = phase_aspects(turns)
        app = RawTerminalApp(grid, self.status)
        app.help = HELP

        def key(act: Callable[[], object]) -> Callable[[], None]:
            def press() -> None:
                now = asyncio.get_running_loop().time()
                player.move(now)  # so far as it was until now
                act()
                player.move(now)
                self.show(grid, player)

            return press

        end = self.record.end
        app.keys = {
            " ": ("pause", key(player.pause)),
            "+": ("faster", key(partial(player.change_speed, 2.0))),
            "-": ("slower", key(partial(player.change_speed, 0.5))),
            "r": ("back", key(player.turn)),
            ".": ("step", key(partial(player.step, 1))),
            ",": ("", key(partial(player.step, -1))),
            "m": ("view", key(grid.switch)),
            **{str(n): ("", key(partial(player.jump, end * n / 10))) for n in range(10)},
        }
        return app

    async def _keep_status(self, app: RawTerminalApp, player: Player) -> None:
        loop = asyncio.get_running_loop()
        ticks = Ticks(loop.time(), STATUS_INTERVAL)
        while True:
            player.move(loop.time())
            self.show(app.grid_view, player)
            await ticks.next()

    def show(self, grid: GridView, player: Player) -> None:
        """Put the place where a replay is into the status bar."""
        now, header = moment(player.playback), self.record.header
        self.status.course = self._course(now)
        values: dict[str, Any] = {
            "view": aspect_name(grid),
            "time": f"{now.time:.1f} of {self.record.end:.1f} s",
            "speed": str(player),
            "agents": f"{header.agents:,}",
            "pulses": now.flashes // header.agents,
        }
        if now.lateness_p99 is not None:
            values["lateness p99"] = f"{now.lateness_p99 * 1000:.1f} ms"
        if now.active is not None:
            values["slots"], values["waiting"] = now.active, now.waiting
        self.status.update(values)

    def _course(self, now: Moment) -> Course:
        """Return the course of R over the minute before a place."""
        course = Course("R")
        times = self.record.samples["time"]
        first, after = np.searchsorted(times, [now.time - COURSE_SECONDS, now.time], side="right")
        seconds, places = np.unique(np.floor(times[first:after]), return_index=True)
        orders = self.record.samples["order_parameter"][first:after][places]
        for second, order in zip(seconds.tolist(), orders.tolist(), strict=True):
            course.add(second, order)
        course.value = now.order_parameter
        return course
