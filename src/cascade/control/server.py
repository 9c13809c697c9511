"""Server: a Unix socket over which the programs of the same user ask a `Desk`."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import socket
import struct
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, cast
from weakref import WeakSet

from cascade.control.audit import Who, user_name
from cascade.control.desk import Desk
from cascade.control.messages import (
    LARGEST,
    RefusedError,
    Request,
    decode,
    encode,
    request_of,
)
from cascade.control.place import SUFFIX, is_alive, socket_path
from cascade.errors import ControlError
from cascade.quiet import QuietLog

MOST_CONNECTIONS = 100
"""How many may be connected at the same time."""
MOST_UNREAD = 1024 * 1024
"""Bytes that wait for whoever doesn't read them, before snapshots are left out."""
OFTEN, SELDOM = 0.1, 60.0
"""Seconds from one snapshot to the next, at least and at most."""
EVERY = 1.0
"""Seconds from one snapshot to the next when nothing is said."""
SHARE = 0.05
"""How much of its time the loop may spend on snapshots: those of large worlds come less often."""


class Server:
    """Listens for commands.

    Args:
        desk: answers them.
        place: the directory of the socket.
        loop: where the desk is used; a real one.
    """

    def __init__(self, desk: Desk, place: Path, loop: asyncio.AbstractEventLoop) -> None:
        self.desk = desk
        """What answers."""
        self.quiet = QuietLog(loop.time)
        """Where wrong messages are told."""
        self.connections: set[Connection] = set()
        """Who is connected."""
        self._path = socket_path(place, desk.program)
        self._loop = loop
        self._server: asyncio.AbstractServer | None = None
        self._listening: socket.socket | None = None
        self._process = os.getpid()
        self._identity: tuple[int, int] | None = None

    async def open(self) -> None:
        """Begin to listen.

        Raises:
            NameTakenError: a program of that name listens already.
            ControlError: the socket can't be made.
        """
        self._listening = listening = bind(self._path)
        _listening.add(listening)
        try:
            found = os.stat(self._path)
            self._identity = found.st_dev, found.st_ino
            # In two steps: cancelled between them, a server of which nobody knows would stay with
            # the loop, and be asked about whatever gets the number of its socket next.
            self._server = await self._loop.create_unix_server(
                lambda: Connection(self, self._loop), sock=listening, start_serving=False
            )
            await self._server.start_serving()
        except BaseException:
            await self.close()
            listening.close()
            raise

    async def close(self) -> None:
        """Listen no longer, and end all connections."""
        self._unlink()
        server, self._server = self._server, None
        if server is not None:
            server.close()
        for connection in list(self.connections):
            connection.close()

    def abandon(self) -> None:
        """Listen no longer, where nothing can be awaited any more as the loop is closed."""
        self._unlink()
        self._server = None
        if self._listening is not None:
            self._listening.close()

    def _unlink(self) -> None:
        """Remove the socket, unless another program has put its own there.

        While it still listens: afterwards another one may take its place, and even its number.
        """
        if os.getpid() != self._process:
            return  # a child that was forked
        with contextlib.suppress(FileNotFoundError):
            found = os.stat(self._path)
            if self._identity == (found.st_dev, found.st_ino):
                os.unlink(self._path)


class NameTakenError(ControlError):
    """A program of that name runs."""


_listening: WeakSet[socket.socket] = WeakSet()


def _close_all_in_child() -> None:
    """Listen for nobody in a child that was forked: it would seem to live when its parent died."""
    for listening in list(_listening):
        listening.close()
    _listening.clear()


os.register_at_fork(after_in_child=_close_all_in_child)


def bind(path: Path) -> socket.socket:
    """Return a listening socket; one that a dead program has left behind is replaced.

    Raises:
        NameTakenError: a living program has it.
        ControlError: it can't be made.
    """
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        listening.setblocking(False)
        with _locked(path.parent):
            if is_alive(path):
                name = path.name.removesuffix(SUFFIX)
                raise NameTakenError(f"a program with the name {name} runs already: choose another")
            path.unlink(missing_ok=True)
            listening.bind(str(path))
            os.chmod(path, 0o600)
            listening.listen(MOST_CONNECTIONS)
    except OSError as error:
        listening.close()
        raise ControlError(f"the control socket {path} can't be made: {error}") from error
    except BaseException:
        listening.close()
        raise
    return listening


@contextlib.contextmanager
def _locked(place: Path) -> Iterator[None]:
    """Let no other program look for sockets of the dead meanwhile."""
    descriptor = os.open(place / ".lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


class Connection(asyncio.Protocol):
    """One who has connected."""

    def __init__(self, server: Server, loop: asyncio.AbstractEventLoop) -> None:
        self._server = server
        self._loop = loop
        self._transport: asyncio.Transport | None = None
        self._rest = b""
        self._who = Who("nobody", None, "socket")
        self._timer: asyncio.TimerHandle | None = None
        self._watch: Request | None = None
        self._every = EVERY
        self._next: asyncio.Handle | None = None
        self._full = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Let in the same user only, and root."""
        self._transport = transport = cast("asyncio.Transport", transport)
        peer = peer_of(transport)
        if peer is None or peer[1] not in (0, os.geteuid()):
            self._server.quiet.warn(f"a connection of user {peer and peer[1]} was refused")
            transport.abort()
            return
        if len(self._server.connections) >= MOST_CONNECTIONS:
            self._say({"ok": False, "error": "too many connections"})
            transport.close()
            return
        transport.set_write_buffer_limits(high=MOST_UNREAD)
        self._server.connections.add(self)
        self._who = Who(user_name(peer[1]), peer[0], "socket")

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget it."""
        self._server.connections.discard(self)
        self._stop_watching()
        self._transport = None

    def close(self) -> None:
        """End it."""
        self._stop_watching()
        if self._next is not None:
            self._next.cancel()
            self._next = None
        if self._transport is not None:
            self._transport.close()

    def data_received(self, data: bytes) -> None:
        """Answer what is complete, line by line."""
        self._rest += data
        if self._next is None:
            self._go_on()

    def pause_writing(self) -> None:
        """Answer nothing more until the answers have been read."""
        self._full = True

    def resume_writing(self) -> None:
        """Go on with what was asked meanwhile."""
        self._full = False
        if self._next is None:
            self._go_on()

    def _go_on(self) -> None:
        """Answer one line, and the next one when the program has had its turn."""
        self._next = None
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        line, end, rest = self._rest.partition(b"\n")
        if len(line) > LARGEST:
            self._too_large()
        elif self._full or not end:
            # What nobody answers yet stays where it came from, for the greater part.
            if self._full and end:
                transport.pause_reading()
            else:
                transport.resume_reading()
        else:
            self._rest = rest
            if line.strip():
                self._obey(line)
            if transport.is_closing():
                return
            if b"\n" in rest or len(rest) > LARGEST:
                transport.pause_reading()
                self._next = self._loop.call_soon(self._go_on)
            else:
                transport.resume_reading()

    def _too_large(self) -> None:
        self._rest = b""
        self._reject(f"a message must be of at most {LARGEST} bytes")
        self.close()

    def _obey(self, line: bytes) -> None:
        message: dict[str, Any] = {}
        try:
            message = decode(line)
            request = request_of(message)
        except RefusedError as refused:
            self._reject(str(refused), message.get("id"))
            return
        number = request.id
        try:
            if request.command == "watch":
                self._begin_to_watch(request)
            else:
                self._say({"id": number, "ok": True, **self._answer(request)})
        except RefusedError as refused:
            self._say({"id": number, "ok": False, "error": str(refused)})
        except Exception as error:
            # What runs must go on, whatever is wrong here.
            self._fail(number, error)

    def _answer(self, request: Request) -> Mapping[str, Any]:
        return self._server.desk.answer(request, self._who)

    def _fail(self, number: Any, error: Exception) -> None:
        """Answer that something is wrong in here."""
        self._server.quiet.warn("a command failed", error=error)
        self._say({"id": number, "ok": False, "error": f"failed inside: {error!r}"[:1000]})

    def _reject(self, reason: str, number: Any = None) -> None:
        """Answer what is no command at all; with its number, if that is one."""
        self._server.quiet.warn(f"{self._who} has sent what is no command: {reason[:200]}")
        known = number if isinstance(number, (int, str)) else None
        self._say({"id": known, "ok": False, "error": reason})

    def _say(self, message: Mapping[str, Any]) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(encode(message))

    # Watching

    def _begin_to_watch(self, request: Request) -> None:
        every = request.said["every"]
        self._every = min(SELDOM, max(OFTEN, EVERY if every is None else every))
        if self._watch is None:
            self._server.desk.watch_begins()
        self._watch = request
        if self._timer is not None:
            self._timer.cancel()
        self._show()

    def _show(self) -> None:
        """Send a snapshot, unless the last ones haven't been read; and so on."""
        transport = self._transport
        if self._watch is None or transport is None or transport.is_closing():
            return
        desk, number, pause = self._server.desk, self._watch.id, self._every
        if transport.get_write_buffer_size() > MOST_UNREAD:
            desk.dropped += 1
        else:
            began = time.perf_counter()
            try:
                found = desk.look()
                cost = (time.perf_counter() - began) * max(1, desk.watchers)
                pause = max(pause, min(SELDOM, cost / SHARE))
                self._say({"id": number, "ok": True, **found, "every": pause})
            except Exception as error:  # the next one may be right
                self._fail(number, error)
        self._timer = self._loop.call_later(pause, self._show)

    def _stop_watching(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._watch is not None:
            self._watch = None
            self._server.desk.watch_ends()


def peer_of(transport: asyncio.BaseTransport) -> tuple[int, int] | None:
    """Return the process and the user at the other end of a socket; None if that can't be told."""
    end = transport.get_extra_info("socket")
    with socket.socket(fileno=os.dup(end.fileno())) as own:
        if hasattr(socket, "SO_PEERCRED"):
            size = struct.calcsize("3i")
            process, user, _ = struct.unpack(
                "3i", own.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size)
            )
            return process, user
        local_peercred = getattr(socket, "LOCAL_PEERCRED", None)  # macOS, FreeBSD: struct xucred
        if local_peercred is not None:
            answer = own.getsockopt(0, local_peercred, struct.calcsize("2ih16i"))
            return 0, struct.unpack_from("2i", answer)[1]
    return None
