"""The app without a terminal: its keys are pressed, and what is on its screen is read."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from typing import Any

from tests.control.worlds import LIMIT
from textual.pilot import Pilot

from cascade.cli.watching.app import WatchApp
from cascade.cli.watching.source import Source
from cascade.errors import ControlError


class Screen:
    """The screen of an app that runs."""

    def __init__(self, app: WatchApp, pilot: Pilot[None]) -> None:
        self.app = app
        self._pilot = pilot

    @property
    def text(self) -> str:
        """What is to be seen."""
        strips = self.app.screen._compositor.render_strips()
        return "\n".join("".join(segment.text for segment in strip) for strip in strips)

    async def press(self, *keys: str) -> None:
        """Press keys, one after the other."""
        await self._pilot.press(*keys)

    async def type(self, text: str) -> None:
        """Type letters, and Enter."""
        await self._pilot.press(*text, "enter")

    async def shows(self, *parts: str) -> str:
        """Wait until all of some texts are to be seen; return what is to be seen then."""
        await self.until(lambda: all(part in self.text for part in parts), f"{parts} in")
        return self.text

    async def until(self, condition: Callable[[], Any], what: str = "it") -> None:
        """Wait for something."""
        give_up = time.monotonic() + LIMIT
        while not condition():
            assert time.monotonic() < give_up, f"{what} never came:\n{self.text}"
            await asyncio.sleep(0.02)


def on_the_screen(
    source: Source,
    names: Sequence[str],
    story: Callable[[Screen], Awaitable[Any]],
    size: tuple[int, int] = (80, 24),
) -> WatchApp:
    """Let a story happen in an app; return the app, which has ended."""

    async def main() -> WatchApp:
        app = WatchApp(source, names, every=0.1)
        async with app.run_test(size=size) as pilot:
            await story(Screen(app, pilot))
        return app

    return asyncio.run(main())


class Sent:
    """A source that shows what is put into it, and answers what it is told to."""

    def __init__(self) -> None:
        self.shots: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.asked: list[tuple[str, str, dict[str, Any]]] = []
        self.answer: dict[str, Any] | ControlError = {"effect": "done"}

    def programs(self) -> list[str]:
        return ["subject"]

    async def watch(self, name: str, every: float) -> AsyncGenerator[dict[str, Any]]:
        while True:
            yield await self.shots.get()

    async def ask(self, name: str, command: str, said: dict[str, Any]) -> dict[str, Any]:
        self.asked.append((name, command, said))
        if isinstance(self.answer, ControlError):
            raise self.answer
        return self.answer
