"""Station: the desk of one event loop, its socket, and a broker for whoever wants topics."""

from __future__ import annotations

import asyncio
from pathlib import Path

from cascade.connectors.local import LocalBroker, LocalBusConnector
from cascade.control.audit import Trail
from cascade.control.desk import Desk
from cascade.control.place import LOG, name_of_this_program, private_directory
from cascade.control.server import NameTakenError, Server

MOST_LOOPS = 100
"""How many loops of one program may be steered at the same time."""


class Station:
    """What is there for one loop.

    Args:
        loop: the loop.
        name: what the program is called; None: its script and its process.
        numbered: whether a number is added to a name that is taken; otherwise it is refused.
        reachable: whether there is to be a socket.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        name: str | None,
        numbered: bool = True,
        reachable: bool = True,
    ) -> None:
        self.bus = LocalBusConnector(LocalBroker())
        """For topics, within the program."""
        self.users = 0
        """How many engines use it."""
        self._name = name or name_of_this_program()
        self.desk = Desk(self._name, Trail("", None), loop)
        """What answers."""
        self._loop = loop
        self._numbered = numbered
        self._reachable = reachable
        self._server: Server | None = None

    async def open(self) -> None:
        """Begin to listen.

        Raises:
            ControlError: that can't be.
        """
        if not self._reachable:
            return
        place, name = private_directory(), self._name
        for number in range(2, MOST_LOOPS + 2):
            try:
                await self._listen(place, name)
            except NameTakenError:
                if not self._numbered or number > MOST_LOOPS:
                    raise
                name = f"{self._name}-{number}"
            else:
                return

    async def _listen(self, place: Path, name: str) -> None:
        desk = self.desk
        desk.program, desk.trail = name, Trail(name, place / LOG)
        server = Server(desk, place, self._loop)
        await server.open()
        self._server = server

    async def close(self) -> None:
        """Listen no longer."""
        if self._server is not None:
            await self._server.close()
            self._server = None
        self.desk.close()

    def abandon(self) -> None:
        """The same where nothing can be awaited any more, as the loop is closed."""
        if self._server is not None:
            self._server.abandon()
            self._server = None
        self.desk.close()
