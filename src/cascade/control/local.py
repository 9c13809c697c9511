"""LocalControl: the connector by which a program can be seen and steered from another terminal."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from cascade.control.place import check_program_name
from cascade.control.station import Station
from cascade.errors import ConnectorError, VirtualTimeError

if TYPE_CHECKING:
    from cascade.connectors.local import Callback, LocalSubscription
    from cascade.control.desk import Desk
    from cascade.runtime.constraints import ConstraintManager

SWITCH = "CASCADE_CONTROL"
"""The environment variable that lets every engine be steered: 1, or 0 (or nothing) for not."""
NAME_VARIABLE = "CASCADE_CONTROL_NAME"
"""The environment variable that says what the program is called then."""


class LocalControl:
    """Lets ``cascade ps``, ``limit``, ``pause`` and the others reach the engines of a program.

    ``Engine(connector=LocalControl())``. One may be shared by many engines, and should be: each
    has a socket of its own, for each event loop it is used on. It is also a connector like
    `LocalBusConnector`, for topics within the program.

    The socket is in a directory that only the user may enter (``CASCADE_CONTROL_DIR``, else
    ``$XDG_RUNTIME_DIR/cascade``, else ``cascade-<uid>`` where temporary files are), and other users
    are refused there, but for root.

    Args:
        name: what the program is called; by default its script and its process number.

    Raises:
        TypeError, ValueError: `name` isn't up to 64 letters, digits, dots and dashes.
    """

    def __init__(self, name: str | None = None) -> None:
        self._name = None if name is None else check_program_name(name)
        self._stations: WeakKeyDictionary[asyncio.AbstractEventLoop, Station] = WeakKeyDictionary()
        self._opening: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Lock] = (
            WeakKeyDictionary()
        )
        self._only_if_possible = False

    async def connect(self) -> None:
        """Open the socket, or join the users of the open one.

        Raises:
            ControlError: the directory isn't private, or a program of that name runs.
            VirtualTimeError: on virtual time, where there are no sockets.
        """
        loop = asyncio.get_running_loop()
        virtual = getattr(loop, "virtual", False)
        if virtual and not self._only_if_possible:
            raise VirtualTimeError("a program on virtual time can't be steered from outside")
        async with self._opening.setdefault(loop, asyncio.Lock()):
            station = self._stations.get(loop)
            if station is None:
                station = Station(loop, self._name, reachable=not virtual)
                await station.open()
                await station.bus.connect()
                self._stations[loop] = station
            station.users += 1

    async def disconnect(self) -> None:
        """Undo one `connect`; the last one closes the socket. When not connected, do nothing."""
        loop = asyncio.get_running_loop()
        station = self._stations.get(loop)
        if station is None:
            return
        station.users -= 1
        if not station.users:
            del self._stations[loop]
            try:
                await station.close()
            finally:
                await station.bus.disconnect()

    async def publish(self, topic: str, payload: Any, qos: int = 0, retain: bool = False) -> None:
        """Send to the subscribers within the program; see `LocalBusConnector.publish`."""
        await self._station("publish").bus.publish(topic, payload, qos, retain)

    async def subscribe(self, topic: str, callback: Callback) -> LocalSubscription:
        """Hear what is sent within the program; see `LocalBusConnector.subscribe`."""
        return await self._station("subscribe").bus.subscribe(topic, callback)

    @property
    def desk(self) -> Desk:
        """What answers for the running loop.

        Raises:
            ConnectorError: not connected there.
        """
        return self._station("desk").desk

    def oversee(self, constraints: ConstraintManager) -> None:
        """Answer for a manager from now on; called when its rules are attached."""
        self._station("oversee").desk.oversee(constraints)

    def overlook(self, constraints: ConstraintManager) -> None:
        """Answer for a manager no longer."""
        for station in list(self._stations.values()):
            station.desk.overlook(constraints)

    def _station(self, call: str) -> Station:
        station = self._stations.get(asyncio.get_running_loop())
        if station is None:
            raise ConnectorError(f"{call} needs a connection: await connect() first")
        return station


def is_switched_on() -> bool:
    """Whether the environment says that every engine of the program is to be steered."""
    return os.environ.get(SWITCH, "") not in ("", "0")


_shared: list[LocalControl] = []


def control_from_environment() -> LocalControl:
    """Return the control that all engines of the program share.

    Raises:
        ValueError: the environment names the program in a way that can't be.
    """
    if not _shared:
        control = LocalControl(os.environ.get(NAME_VARIABLE) or None)
        control._only_if_possible = True
        _shared.append(control)
    return _shared[0]
