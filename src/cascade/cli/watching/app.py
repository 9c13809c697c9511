"""WatchApp: the screen of ``cascade watch``, and its keys."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Sequence
from typing import Any, ClassVar

from rich.style import Style
from rich.text import Text
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Grid
from textual.widgets import Static

from cascade.cli.orders import WrongUse, limit_order_in_a_line
from cascade.cli.watching import panels
from cascade.cli.watching.dialogs import Confirmation, LimitPrompt
from cascade.cli.watching.figures import clean
from cascade.cli.watching.listing import Line, Listing
from cascade.cli.watching.source import Source
from cascade.cli.watching.watched import Watched
from cascade.errors import ControlError

AGAIN = 1.0
"""Seconds until it is tried again to reach a program that has gone."""
LOOK_AROUND = 2.0
"""Seconds until it is looked again which programs there are."""
MOST_SENTENCES = 6
"""Sentences of an explanation that are shown."""
KEYS = "p pause  r resume  l limit  c cancel  e explain  Tab ↑↓ choose  {more}q quit"
PAUSE = {"scope": "global", "type": "pause", "params": {}}


class WatchApp(App[None]):
    """Shows one program at a time, live.

    Args:
        source: the programs.
        names: which programs there are now; the first is shown.
        every: seconds from one snapshot to the next.
    """

    ENABLE_COMMAND_PALETTE = False
    TITLE = "cascade watch"
    CSS = """
    #panels { grid-size: 2 4; grid-rows: 3fr 2fr 3fr 2fr; grid-gutter: 0 1; height: 1fr; }
    #waiting, #errors { column-span: 2; }
    #details { height: auto; max-height: 9; padding: 0 1; border-top: ascii; display: none; }
    #said { height: auto; max-height: 3; min-height: 1; padding: 0 1; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("p", "pause"),
        Binding("r", "resume"),
        Binding("l", "limit"),
        Binding("c", "cancel"),
        Binding("e,enter", "explain"),
        Binding("n", "next(1)"),
        Binding("N", "next(-1)"),
        Binding("escape", "close_details"),
        Binding("q", "quit"),
        Binding("ctrl+c", "quit", priority=True),
    ]

    def __init__(self, source: Source, names: Sequence[str], every: float = 1.0) -> None:
        super().__init__(ansi_color=True)  # what the terminal has; without colour none at all
        self._source = source
        self._names = list(names)
        self._shown = self._names[0]
        self._every = every
        self._watched: dict[str, Watched] = {}
        # Kept, not looked up: when the screen is taken down, the last picture may still be drawn.
        self._lines = {
            "status": Line("status", Style(reverse=True)),
            "programs": Line("programs", Style(bold=True)),
            "counts": Line("counts"),
            "throughput": Line("throughput"),
            "keys": Line("keys", Style(bold=True)),
        }
        self._listings = {panel.id: Listing(panel) for panel in panels.PANELS}
        self._details, self._said = Static(id="details"), Static(id="said")

    def compose(self) -> ComposeResult:
        """Lay the screen out."""
        *above, keys = self._lines.values()
        yield from above
        with Grid(id="panels"):
            yield from self._listings.values()
        yield self._details
        yield self._said
        yield keys

    def on_mount(self) -> None:
        """Begin to watch."""
        self.theme = "ansi-dark"
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGHUP):
            # Where that isn't the main thread nobody sends any.
            with contextlib.suppress(RuntimeError, ValueError):
                loop.add_signal_handler(number, self._end_by, number)
        self._listings["runs"].focus()
        self.set_interval(0.5, self._draw_status)
        self.set_interval(LOOK_AROUND, self._look_around)
        self._show(self._shown)

    # What is shown

    @property
    def watched(self) -> Watched:
        """The program that is shown."""
        if self._shown not in self._watched:
            clock = asyncio.get_running_loop().time
            self._watched[self._shown] = Watched(self._shown, self._every, clock)
        return self._watched[self._shown]

    def _show(self, name: str) -> None:
        """Show a program."""
        self._shown = name
        self.action_close_details()
        self.watched.begin()
        self._draw()
        self.run_worker(self._follow(self.watched), group="follow", exclusive=True)

    async def _follow(self, watched: Watched) -> None:
        """Show what a program is like, as long as it is the one that is shown."""
        name = watched.name
        while True:
            try:
                async with contextlib.aclosing(self._source.watch(name, self._every)) as snapshots:
                    async for snapshot in snapshots:
                        was_gone = not watched.is_there and watched.picture is not None
                        is_new = watched.take(snapshot)
                        if is_new or was_gone:
                            again = "runs again, in another process" if is_new else "is back"
                            self._say(f"{name} {again}")
                        self._draw()
            except ControlError as error:
                if watched.lose(str(error)):
                    self._say(f"{error}; it is tried again")
                    self._draw()
            await asyncio.sleep(AGAIN)

    def _draw(self) -> None:
        picture = self.watched.picture
        for listing in self._listings.values():
            listing.show(picture)
        self._draw_status()

    def _draw_status(self) -> None:
        """Draw what stands above the panels, and the keys."""
        watched, width = self.watched, self.size.width
        picture = watched.picture
        lines = {
            "status": panels.status(picture, watched.name, watched.said, width),
            "programs": panels.programs(self._names, self._shown, width),
            "counts": "" if picture is None else panels.counts(picture, width),
            "throughput": ""
            if picture is None
            else panels.throughput(picture, watched.course, width),
            "keys": KEYS.format(more="n next  " if len(self._names) > 1 else ""),
        }
        for id, text in lines.items():
            self._lines[id].show(text)
        self._lines["programs"].display = len(self._names) > 1

    def _say(self, text: str) -> None:
        self._said.update(Text(clean(text)))

    def _look_around(self) -> None:
        """Look which programs there are, in a thread: one that is busy may take a while."""
        self.run_worker(self._find(), group="find", exclusive=True)

    async def _find(self) -> None:
        try:
            found = await asyncio.to_thread(self._source.programs)
        except ControlError as error:
            self._say(str(error))
            return
        # The one that is shown stays, also when it has ended.
        names = sorted({*found, self._shown})
        if names != self._names:
            self._names = names
            self._draw_status()

    # Keys

    def action_next(self, steps: int) -> None:
        """Show another program."""
        if len(self._names) > 1:
            place = self._names.index(self._shown) if self._shown in self._names else 0
            self._show(self._names[(place + steps) % len(self._names)])

    def action_pause(self) -> None:
        """Let nothing more start."""
        self._steer("rule", PAUSE)

    def action_resume(self) -> None:
        """Lift all pauses."""
        self._steer("lift", {"type": "pause"})

    def action_limit(self) -> None:
        """Ask for a limit, and set it."""
        focused = self.focused
        chosen = self._listings["slots"].chosen
        if isinstance(focused, Listing) and focused.id == "tasks" and focused.chosen:
            chosen = f"task:{focused.chosen}"

        def set_limit(line: str | None) -> None:
            if line is None:
                return
            try:
                command, said = limit_order_in_a_line(line)
            except WrongUse as error:
                self._say(f"error: {error}")
                return
            self._steer(command, said)

        self.push_screen(LimitPrompt(f"{chosen}=" if chosen else ""), set_limit)

    def action_cancel(self) -> None:
        """Ask whether the chosen run is to be cancelled, and cancel it."""
        run = self._listings["runs"].chosen
        if run is None:
            self._say("no run is chosen")
            return
        name = self._shown

        def cancel(is_meant: bool | None) -> None:
            if is_meant:
                self._steer("cancel", {"run": run}, name)

        self.push_screen(Confirmation(f"Cancel {run} of {name}?"), cancel)

    def action_explain(self) -> None:
        """Tell all of what is chosen: why it waits, or the whole of a text."""
        listing = self.focused
        if not isinstance(listing, Listing) or listing.chosen is None:
            self._say("nothing is chosen")
        elif listing.id in ("runs", "tasks", "waiting"):
            self.run_worker(self._explain(self._shown, listing.chosen), group="ask")
        else:
            self._tell([listing.whole])

    def action_close_details(self) -> None:
        """Close what tells more."""
        self._details.display = False

    async def action_quit(self) -> None:
        """End; the program goes on."""
        self.exit()

    def _end_by(self, number: signal.Signals) -> None:
        self.exit(return_code=128 + number)

    def _tell(self, sentences: Sequence[str]) -> None:
        self._details.update(Text("\n".join(clean(each) for each in sentences)))
        self._details.display = True

    def _steer(self, command: str, said: dict[str, Any], name: str | None = None) -> None:
        self.run_worker(self._ask(name or self._shown, command, said), group="ask")

    async def _ask(self, name: str, command: str, said: dict[str, Any]) -> None:
        """Ask a program to change something, and tell the effect."""
        self._say(f"{name}: asked …")
        try:
            answer = await self._source.ask(name, command, said)
        except ControlError as error:
            self._say(f"{name}: refused: {error}")
        else:
            self._say(f"{name}: {answer.get('effect')}")

    async def _explain(self, name: str, what: str) -> None:
        self._say(f"{name}: asked why {what} waits …")
        try:
            answer = await self._source.ask(name, "explain", {"what": what})
        except ControlError as error:
            self._say(f"{name}: {error}")
            return
        sentences = [str(each) for each in answer.get("sentences", [])]
        more = len(sentences) - MOST_SENTENCES + int(answer.get("left_out") or 0)
        shown = sentences[:MOST_SENTENCES] + ([f"and {more} more"] if more > 0 else [])
        self._tell(shown)
        self._say("Esc closes the explanation")
