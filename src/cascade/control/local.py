"""LocalControl: the connector by which a program can be seen and steered from another terminal."""

from __future__ import annotations

import asyncio
import os
import threading
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


class _Door:
    """By which those come in that connect at the same time."""

    __slots__ = ("lock", "users")

    def __init__(self) -> None:
        self.lock = asyncio.Lock()
        self.users = 0


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
        self._doors: WeakKeyDictionary[asyncio.AbstractEventLoop, _Door] = WeakKeyDictionary()
        self._closed: list[Desk] = []
        # Loops may come and go in several threads at once.
        self._lock = threading.RLock()
        self._is_switch = False

    async def connect(self) -> None:
        """Open the socket, or join the users of the open one.

        Raises:
            ControlError: the directory isn't private, or a program of that name runs.
            VirtualTimeError: on virtual time, where there are no sockets.
        """
        loop = asyncio.get_running_loop()
        virtual = getattr(loop, "virtual", False)
        if virtual and not self._is_switch:
            raise VirtualTimeError("a program on virtual time can't be steered from outside")
        # A lock may know its loop, so that it must not outlive the connecting.
        with self._lock:
            door = self._doors.get(loop)
            if door is None:
                door = self._doors[loop] = _Door()
            door.users += 1
        try:
            async with door.lock:
                station = self._stations.get(loop)
                if station is None:
                    station = await self._open(loop, reachable=not virtual)
                station.users += 1
        finally:
            with self._lock:
                door.users -= 1
                if not door.users:
                    del self._doors[loop]

    async def _open(self, loop: asyncio.AbstractEventLoop, reachable: bool) -> Station:
        self._leave_closed_loops()
        # The switch is for children as well, and they are to run whatever they are called.
        numbered = self._name is None or self._is_switch
        station = Station(loop, self._name, numbered, reachable)
        try:
            await station.open()
            await station.bus.connect()
        except BaseException:
            await station.close()
            raise
        with self._lock:
            if reachable:
                # What was set in one run holds for the next one, also where each has its own loop.
                for desk in self._closed:
                    station.desk.take_over(desk)
                self._closed = [desk for desk in self._closed if desk.has_lasting]
            self._stations[loop] = station
        return station

    def _leave_closed_loops(self) -> None:
        """Close what is left of loops that were closed under their runs."""
        with self._lock:
            for loop, station in self._all_stations():
                if loop.is_closed():
                    del self._stations[loop]
                    station.abandon()
                    self._keep(station)

    def _all_stations(self) -> list[tuple[asyncio.AbstractEventLoop, Station]]:
        with self._lock:
            return list(self._stations.items())

    def _keep(self, station: Station) -> None:
        with self._lock:
            if station.desk.has_lasting:
                self._closed.append(station.desk)

    async def disconnect(self) -> None:
        """Undo one `connect`; the last one closes the socket. When not connected, do nothing."""
        loop = asyncio.get_running_loop()
        station = self._stations.get(loop)
        if station is None:
            return
        station.users -= 1
        if not station.users:
            with self._lock:
                del self._stations[loop]
                self._keep(station)
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
        for _, station in self._all_stations():
            station.desk.overlook(constraints)
        self._leave_closed_loops()

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
        control._is_switch = True
        _shared.append(control)
    return _shared[0]
