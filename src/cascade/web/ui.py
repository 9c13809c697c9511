"""UserInterface: a page for all programs that can be steered, and the runs in them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any

from cascade.control.place import check_program_name
from cascade.web import require
from cascade.web.conversation import converse, encode
from cascade.web.outbox import Outbox
from cascade.web.programs import Choice, seen, steer
from cascade.web.site import Site

require()

from starlette.websockets import WebSocket  # noqa: E402 - after the line that says what is missing

FILES = {
    "/": "ui.html",
    "/ui.js": "ui.js",
    "/graph.js": "graph.js",
    "/timeline.js": "timeline.js",
    "/ui.css": "ui.css",
    "/dagre.min.js": "dagre.min.js",
}
EVERY = 0.5
"""Seconds from one look to the next."""
MOST_PAGES = 16
"""How many pages may be open at the same time."""
LONGEST_RUN = 200
"""Characters of the id of a run, at most."""


class UserInterface(Site):
    """Serves the page to this machine.

    Args:
        port: where; 0 is any port that is free.

    Raises:
        TypeError, ValueError: `port` isn't a whole number from 0 to 65535.
        OSError: the port can't be had.
    """

    def __init__(self, port: int = 0) -> None:
        super().__init__("cascade.web", FILES, MOST_PAGES, port)
        self._pages: dict[Outbox, None] = {}
        self._dropped_by_gone = 0

    async def run(self) -> None:
        """Serve the page until cancelled."""
        await self.server.run()

    async def talk(self, socket: WebSocket) -> None:
        """Tell it what runs, and hear what is to be done."""
        page = _Page(self._counts)
        self._pages[page.outbox] = None
        try:
            await converse(socket, page.outbox, page.hear, self.log, page.look())
        finally:
            del self._pages[page.outbox]
            self._dropped_by_gone += page.outbox.dropped_statuses

    def _counts(self) -> dict[str, int]:
        """Return how many pages are open, and how many looks all so far have left out."""
        dropped = self._dropped_by_gone + sum(page.dropped_statuses for page in self._pages)
        return {"pages": len(self._pages), "dropped_by_all": dropped}


class _Page:
    """What one page looks at.

    Args:
        counts: returns what is to be said about all pages.
    """

    def __init__(self, counts: Callable[[], dict[str, int]]) -> None:
        self.outbox = Outbox()
        self._counts = counts
        self._choice = Choice()
        self._shaped: tuple[int, str] | None = None
        self._now = asyncio.Event()

    async def hear(self, message: dict[str, Any]) -> dict[str, Any] | None:
        """Look at something else, or steer a program.

        Raises:
            TypeError, ValueError: the message is none, or the program has refused.
        """
        if message.keys() == {"choose"}:
            self._choice = _choice_of(message["choose"])
            self._shaped = None
            self._now.set()
            return None
        if message.keys() == {"program", "form"}:
            answer = await asyncio.to_thread(steer, message["program"], message["form"])
            self._now.set()
            return answer
        raise ValueError('a message must be {"choose": …} or {"program": …, "form": …}')

    async def look(self) -> None:
        """Look again and again, without end."""
        while True:
            self._now.clear()
            found = await asyncio.to_thread(seen, self._choice, self._shaped is None)
            graph = found.get("graph")
            if graph is not None and not await self._tell_shape(found["look"]["pid"], graph):
                continue
            self.outbox.tell(partial(self._written, found))
            try:
                async with asyncio.timeout(EVERY):
                    await self._now.wait()
            except TimeoutError:
                pass

    def _written(self, found: dict[str, Any]) -> str:
        """Return a look as it is sent, with the counts that are true by then."""
        return encode({**found, "dropped": self.outbox.dropped_statuses, **self._counts()})

    async def _tell_shape(self, process: int, graph: dict[str, Any]) -> bool:
        """Send the shape of a graph once, apart from the states, of which some may be left out.

        Returns:
            Whether the page has it; otherwise it mustn't get the states yet, which may be those of
            another process whose run is called the same.
        """
        whose = process, graph["run"]
        shape = {name: graph.pop(name) for name in ("nodes", "edges", "left_out") if name in graph}
        if shape:
            await self.outbox.say(encode({"shape": {"run": graph["run"], **shape}}))
            self._shaped = whose
        elif whose != self._shaped:
            self._shaped = None  # another run is the newest now: its shape comes next
        return self._shaped is not None


def _choice_of(choice: object) -> Choice:
    if not isinstance(choice, dict) or choice.keys() - {"program", "run"}:
        raise ValueError("choose must be an object with program and run")
    program, run = choice.get("program"), choice.get("run")
    if program is not None:
        check_program_name(program)
    if run is not None and (not isinstance(run, str) or not 0 < len(run) <= LONGEST_RUN):
        raise ValueError(f"run must be a text of 1 to {LONGEST_RUN} characters")
    return Choice(program, run)
