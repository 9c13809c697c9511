"""Station: the desk of one event loop, its socket, and a broker for whoever wants topics."""

from __future__ import annotations

import asyncio
from pathlib import Path

from cascade.connectors.local import LocalBroker, LocalBusConnector
from cascade.control.audit import Trail
from cascade.control.desk import Desk
from cascade.control.place import LOG, name_of_this_program, private_directory
from cascade.control.server import Server
from cascade.errors import ControlError

MOST_LOOPS = 100
"""How many loops of one program may be steered at the same time."""


class Station:
    """What is there for one loop.

    Args:
        loop: the loop.
        name: what the program is called; None: its script and its process, and a number if that
            is taken.
        reachable: whether there is to be a socket.
    """

    def __init__(
        self, loop: asyncio.AbstractEventLoop, name: str | None, reachable: bool = True
    ) -> None:
        self.bus = LocalBusConnector(LocalBroker())
        """For topics, within the program."""
        self.users = 0
        """How many engines use it."""
        self.desk = Desk(name or name_of_this_program(), Trail("", None), loop)
        """What answers."""
        self._loop = loop
        self._name = name
        self._reachable = reachable
        self._server: Server | None = None

    async def open(self) -> None:
        """Begin to listen.

        Raises:
            ControlError: that can't be.
        """
        if not self._reachable:
            return
        place = private_directory()
        if self._name is not None:
            await self._listen(place, self._name)
            return
        name = name_of_this_program()
        for number in range(1, MOST_LOOPS + 1):
            try:
                await self._listen(place, name if number == 1 else f"{name}-{number}")
            except ControlError:
                if number == MOST_LOOPS:
                    raise
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
