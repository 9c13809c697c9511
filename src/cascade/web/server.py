"""LocalServer: serves a page to this machine, on the running loop, until it is cancelled."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import time
from collections.abc import Iterator
from typing import Any

from cascade.quiet import QuietLog
from cascade.spec.checks import check_whole
from cascade.web import require
from cascade.web.guard import ADDRESS, Application, Guard, new_token

require()

import uvicorn  # noqa: E402 - after the line that says what is missing

MOST_CONNECTIONS = 64
"""How many may be connected at the same time."""
LARGEST_MESSAGE = 16 * 1024
"""Bytes of a message from a page, at most."""
HIGHEST_PORT = 65535


class LocalServer:
    """A server for this machine alone, with a token; the address is taken when it is made.

    Args:
        application: what is served, by ASGI.
        port: where; 0 is any that is free.

    Raises:
        TypeError, ValueError: `port` isn't a whole number from 0 to 65535.
        OSError: the port can't be had.
    """

    def __init__(self, application: Application, port: int = 0) -> None:
        check_port(port)
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        try:
            # What an ended server has left behind mustn't keep the next one from its place.
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self._socket.bind((ADDRESS, port))
            self._socket.listen(128)
        except BaseException:
            self._socket.close()
            raise
        self.port: int = self._socket.getsockname()[1]
        """Where it is."""
        self.token = new_token()
        """What the path has to begin with."""
        self.guard = Guard(application, self.token, self.port)
        """Who decides who is let in."""

    @property
    def url(self) -> str:
        """The address of the page, with the token."""
        return f"http://{ADDRESS}:{self.port}/{self.token}/"

    def close(self) -> None:
        """Give the port back, if `run` hasn't done that."""
        self._socket.close()

    async def run(self) -> None:
        """Serve until cancelled; then end all connections."""
        config = uvicorn.Config(
            self.guard,
            http="h11",
            ws="websockets-sansio",
            lifespan="off",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            limit_concurrency=MOST_CONNECTIONS,
            ws_max_size=LARGEST_MESSAGE,
            ws_per_message_deflate=False,
            timeout_graceful_shutdown=1,
        )
        server = _Server(config)
        with quiet():
            serving = asyncio.ensure_future(server.serve([self._socket]))
            try:
                await asyncio.shield(serving)
            finally:
                server.should_exit = True
                _drop_those_who_do_not_read(server)
                try:
                    await asyncio.wait([serving])
                finally:
                    serving.cancel()  # only if this was cancelled once more
                    self.close()


class _Server(uvicorn.Server):
    """A server that leaves signals to the program it is part of."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture none."""
        yield


def _drop_those_who_do_not_read(server: uvicorn.Server) -> None:
    """End connections that would never end in order, as what was sent is never read."""
    for connection in list(server.server_state.connections):
        transport: Any = connection.transport
        if transport.get_write_buffer_size():
            transport.abort()


class _Quiet(logging.Filter):
    """Turns what the server has to say, but for the everyday, into a line a second at most."""

    def __init__(self) -> None:
        super().__init__()
        self._log = QuietLog(time.monotonic, "cascade.web")

    def filter(self, record: logging.LogRecord) -> bool:
        """Tell it more quietly; the original is left out."""
        if record.levelno >= logging.WARNING:
            error = record.exc_info[1] if record.exc_info else None
            self._log.warn(record.getMessage().strip(), error=error)
        return False


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keep those who send nonsense from flooding the log, for as long as the block takes."""
    log, spoken = logging.getLogger("uvicorn.error"), _Quiet()
    log.addFilter(spoken)
    try:
        yield
    finally:
        log.removeFilter(spoken)


def check_port(port: object) -> int:
    """Return a port if it is one.

    Raises:
        TypeError, ValueError: it isn't a whole number from 0 to 65535.
    """
    number = check_whole("port", port, 0)
    if number > HIGHEST_PORT:
        raise ValueError(f"port must be from 0 to {HIGHEST_PORT}, got {port!r}")
    return number
