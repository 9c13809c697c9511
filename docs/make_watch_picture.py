"""Draws ``docs/pictures/watch.svg``: what ``cascade watch`` shows of a small world.

    python -m docs.make_watch_picture

The world runs on virtual time, so that the picture is the same each time; the app is the real one.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import cascade as cs
from cascade.cli.watching.app import WatchApp
from cascade.control.audit import Trail, Who
from cascade.control.desk import Desk
from cascade.control.messages import request_of
from cascade.runtime.constraints import ConstraintManager
from cascade.testing import run_virtual

FILE = Path(__file__).parent / "pictures" / "watch.svg"
SIZE = (100, 30)
"""Columns and rows."""
SECONDS = 90
"""How long the world has been watched."""
NAME, PROCESS = "nightly", 4161
FONTS = re.compile(r"\s*@font-face \{.*?\}", re.DOTALL)
"""What would be fetched from elsewhere; without it a picture has the reader's own letters."""


@cs.task(tags=["external"])
async def fetch(page: int) -> int:
    """Fetch a page; how long that takes depends on the page."""
    await asyncio.sleep(0.5 + page * 7 % 11 / 4)
    return page


@cs.task
async def train(part: int) -> int:
    """Train on a part."""
    await asyncio.sleep(5 + part % 3)
    return part


@cs.task
async def agent(number: int, steps: int = 0) -> Any:
    """Live on, a step each few tenths of a second, at times slower."""
    await asyncio.sleep(0.3 + number % 4 / 10 + (2 if steps % 40 > 30 else 0))
    return cs.TailCall(steps=steps + 1)


@cs.task
async def publish() -> None:
    """Fail."""
    await asyncio.sleep(40)
    raise ConnectionError("the mirror has refused the upload")


async def world() -> list[dict[str, Any]]:
    """Let it all run, and return what was to be seen each second."""
    manager = cs.ResourceManager({"connections": 8, "gpu": 2})
    manager.set_rate("api", 5.0, 10)
    desk = Desk(NAME, Trail(NAME, None), asyncio.get_running_loop())
    desk.oversee(ConstraintManager(cs.Engine(resource_manager=manager)))
    pages = [fetch(page).with_constraints(connections=1, api=1) for page in range(600)]
    parts = [train(part).with_constraints(gpu=1) for part in range(60)]
    lives = [agent(number) for number in range(12)]
    runs = [
        asyncio.create_task(cs.Engine(resource_manager=manager, name=name).run(work))
        for name, work in [
            ("crawl", pages),
            ("model", parts),
            ("world", lives),
            ("site", publish()),
        ]
    ]
    desk.watch_begins()
    shots = []
    for second in range(SECONDS):
        if second == 60:
            said = {"do": "rule", "scope": "tag:external", "type": "concurrency", "for": 600}
            request = request_of({**said, "params": {"limit": 5}})
            desk.answer(request, Who("ada", None, "program"))
        await asyncio.sleep(1)
        shots.append({**desk.look(), "pid": PROCESS})
    for run in runs:
        run.cancel()
    await asyncio.wait(runs)
    desk.close()
    return shots


class Seen:
    """A source that shows what was seen, and then nothing more."""

    def __init__(self, shots: list[dict[str, Any]]) -> None:
        self.left = shots

    def programs(self) -> list[str]:
        """Return the one name."""
        return [NAME]

    async def watch(self, name: str, every: float) -> AsyncGenerator[dict[str, Any]]:
        """Return what was seen, at once."""
        while self.left:
            yield self.left.pop(0)
        await asyncio.Event().wait()

    async def ask(self, name: str, command: str, said: dict[str, Any]) -> dict[str, Any]:
        """Nobody is asked for anything."""
        raise NotImplementedError


async def drawn(shots: list[dict[str, Any]]) -> str:
    """Return the screen after all of that, as SVG."""
    seen = Seen(list(shots))
    app = WatchApp(seen, [NAME], every=60)
    async with app.run_test(size=SIZE) as pilot:
        while seen.left:
            await pilot.pause()
        await pilot.press("down")
        return app.export_screenshot(title=f"cascade watch {NAME}", simplify=True)


def picture() -> str:
    """Return the picture."""
    return FONTS.sub("", asyncio.run(drawn(run_virtual(world()))))


if __name__ == "__main__":
    FILE.write_text(picture(), encoding="utf-8")
