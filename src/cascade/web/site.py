"""Site: a page that is served to this machine, and the sockets of those who have it open."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Mapping

from cascade.quiet import QuietLog
from cascade.web import require
from cascade.web.files import routes_of
from cascade.web.server import LocalServer

require()

from starlette.applications import Starlette  # noqa: E402 - after the line that says what is missing
from starlette.routing import WebSocketRoute  # noqa: E402
from starlette.websockets import WebSocket  # noqa: E402

SHARED = {"/connection.js": "connection.js", "/page.css": "page.css", "/icon.svg": "icon.svg"}
"""The files that every page has: its connection, the ground of its style, and its icon."""


class Site(ABC):
    """Serves a page to this machine. Who inherits from it says what is talked about with it.

    Args:
        package: whose page it is: its files are those of the package ``pages`` in it.
        files: the path below the address, such as "/" or "/page.js", and the file of each.
        most: in how many places the page may be open at the same time.
        port: where it is served; 0 is any port that is free.

    Raises:
        TypeError, ValueError: `port` isn't a whole number from 0 to 65535.
        OSError: the port can't be had.
    """

    def __init__(self, package: str, files: Mapping[str, str], most: int, port: int) -> None:
        application = Starlette(
            routes=[
                *routes_of("cascade.web.pages", SHARED),
                *routes_of(f"{package}.pages", files),
                WebSocketRoute("/socket", self._let_in),
            ]
        )
        self.server = LocalServer(application, port)
        """Who is let in, and where."""
        self.log = QuietLog(time.monotonic, package)
        """Where wrong messages are told."""
        self._most = most
        self._open = 0

    @property
    def url(self) -> str:
        """The address of the page, with the token."""
        return self.server.url

    def close(self) -> None:
        """Give the port back, if its server hasn't done that."""
        self.server.close()

    @abstractmethod
    async def talk(self, socket: WebSocket) -> None:
        """Talk with one that has the page open, until it goes away."""

    async def _let_in(self, socket: WebSocket) -> None:
        if self._open >= self._most:
            await socket.close(1013)
            return
        self._open += 1
        try:
            await socket.accept()
            await self.talk(socket)
        finally:
            self._open -= 1
