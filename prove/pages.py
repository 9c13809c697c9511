"""Those who open a page as a browser would: one that reads, and one that never reads again."""

from __future__ import annotations

import json
import secrets
import socket
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

from websockets.frames import Frame, Opcode
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Origin

PATIENCE = 30.0
"""Seconds that a page may take to answer."""


@contextmanager
def one_who_reads(url: str, *messages: object) -> Iterator[ClientConnection]:
    """Connect to the socket of a page and send it messages, as the page itself would."""
    parts = urlsplit(url)
    address = f"ws://{parts.netloc}{parts.path}socket"
    origin = Origin(f"http://{parts.netloc}")
    with connect(address, origin=origin, compression=None, proxy=None, max_size=None) as page:
        for message in messages:
            page.send(json.dumps(message))
        yield page


def next_status(page: ClientConnection) -> dict[str, Any]:
    """Return the next message that says how many were dropped.

    Raises:
        TimeoutError: none came in time.
    """
    while True:
        received = page.recv(timeout=PATIENCE)
        if isinstance(received, str):
            message: dict[str, Any] = json.loads(received)
            if "dropped_by_all" in message:
                return message


@contextmanager
def one_who_does_not_read(url: str, *messages: object) -> Iterator[socket.socket]:
    """Connect to the socket of a page, send it messages, and read nothing after that."""
    parts = urlsplit(url)
    with socket.socket() as end:
        # So that the buffers of the system are soon full, at the other end as well: that one is
        # made for some segments of the largest size.
        end.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        end.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, 536)
        end.settimeout(PATIENCE)
        end.connect((str(parts.hostname), parts.port))
        lines = [
            f"GET {parts.path}socket HTTP/1.1",
            f"Host: {parts.netloc}",
            f"Origin: http://{parts.netloc}",
            "Connection: Upgrade",
            "Upgrade: websocket",
            "Sec-WebSocket-Version: 13",
            f"Sec-WebSocket-Key: {b64encode(secrets.token_bytes(16)).decode()}",
        ]
        end.sendall("\r\n".join([*lines, "", ""]).encode())
        if end.recv(12, socket.MSG_WAITALL) != b"HTTP/1.1 101":
            raise ConnectionError("the page let nobody in")
        for message in messages:
            say(end, message)
        yield end


def say(end: socket.socket, message: object) -> None:
    """Send a message as one who doesn't read."""
    end.sendall(Frame(Opcode.TEXT, json.dumps(message).encode()).serialize(mask=True))
