"""A page that is served in a thread, and the clients that come to it."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlsplit

from websockets.sync.client import ClientConnection, connect
from websockets.typing import Origin

from observatory.experiments.until_first import until_first
from observatory.web.stage import Control, Status
from observatory.web.theatre import Theatre

LIMIT = 30.0
"""Seconds after which a test gives up on a server or a browser."""


class PlainStage:
    """A stage of some places that grow brighter from picture to picture."""

    title = "A stage"
    palette = bytes(768)
    course = "R"
    controls: Sequence[Control] = (
        Control("limit", "Slots", "whole", 1, 100),
        Control("pause", "Pause", "switch"),
    )

    def __init__(self, width: int = 10, height: int = 10) -> None:
        self.width, self.height = width, height
        self.made = 0
        self.settings: list[tuple[str, Any]] = []

    def picture(self, now: float) -> bytes:
        self.made += 1
        return bytes([self.made % 256]) * (self.width * self.height)

    def status(self, now: float) -> Status:
        return Status(now, 0.5, {"made": str(self.made)}, {"limit": 7, "pause": False})

    def past(self) -> list[tuple[float, float]]:
        return [(1.0, 0.25)]

    def set(self, name: str, value: Any) -> str:
        self.settings.append((name, value))
        return f"{name} is {value}"


@contextmanager
def in_a_thread(work: Callable[[], Coroutine[Any, Any, Any]]) -> Iterator[None]:
    """Run a coroutine in a loop of another thread, until the end of the block."""
    ready = threading.Event()
    running: list[tuple[asyncio.AbstractEventLoop, asyncio.Task[Any]]] = []

    async def main() -> None:
        task = asyncio.ensure_future(work())
        running.append((asyncio.get_running_loop(), task))
        ready.set()
        await asyncio.wait([task])
        if not task.cancelled():
            task.result()

    failed: list[BaseException] = []

    def run() -> None:
        try:
            asyncio.run(main())
        except BaseException as error:
            failed.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    assert ready.wait(LIMIT)
    try:
        yield
    finally:
        loop, task = running[0]
        loop.call_soon_threadsafe(task.cancel)
        thread.join(LIMIT)
    assert not thread.is_alive()
    assert not failed, failed


@contextmanager
def a_theatre(stage: PlainStage) -> Iterator[Theatre]:
    """Serve the page of a stage."""
    theatre = Theatre()

    async def work() -> None:
        # As an experiment does it: the end waits until all of them have ended.
        await until_first([asyncio.ensure_future(part) for part in theatre.parts(stage)])

    with in_a_thread(work):
        yield theatre


def get(
    url: str, path: str | None = None, host: str | None = None, origin: str | None = None
) -> tuple[int, dict[str, str], bytes]:
    """Ask for a page; return the status, the headers and the content."""
    parts = urlsplit(url)
    connection = HTTPConnection(str(parts.hostname), parts.port, timeout=LIMIT)
    try:
        connection.putrequest("GET", parts.path if path is None else path, skip_host=True)
        connection.putheader("Host", parts.netloc if host is None else host)
        if origin is not None:
            connection.putheader("Origin", origin)
        connection.endheaders()
        answer = connection.getresponse()
        headers = {name.lower(): value for name, value in answer.getheaders()}
        return answer.status, headers, answer.read()
    finally:
        connection.close()


@contextmanager
def a_page(url: str, origin: str | None = "own", **more: Any) -> Iterator[ClientConnection]:
    """Connect to the socket of a page, as the page would."""
    parts = urlsplit(url)
    named = f"http://{parts.netloc}" if origin == "own" else origin
    page = connect(
        f"ws://{parts.netloc}{parts.path}socket",
        origin=None if named is None else Origin(named),
        compression=None,
        proxy=None,
        close_timeout=1,
        **more,
    )
    with page:
        yield page


def next_message(page: ClientConnection, *keys: str) -> dict[str, Any]:
    """Return the next message with one of some keys."""
    give_up = time.monotonic() + LIMIT
    while time.monotonic() < give_up:
        received = page.recv(timeout=LIMIT)
        if isinstance(received, str):
            message: dict[str, Any] = json.loads(received)
            if message.keys() & set(keys):
                return message
    raise AssertionError(f"no message with {keys} came")


def next_picture(page: ClientConnection) -> tuple[int, bytes]:
    """Return the next picture: its number and its places."""
    while True:
        received = page.recv(timeout=LIMIT)
        if isinstance(received, bytes):
            return int.from_bytes(received[:4], "little"), received[4:]


def ask(page: ClientConnection, message: object) -> dict[str, Any]:
    """Send a message and return the answer to it."""
    page.send(message if isinstance(message, (str, bytes)) else json.dumps(message))
    return next_message(page, "effect", "error")


def until(condition: Callable[[], Any], limit: float = LIMIT) -> Any:
    """Wait for something that another thread or process does, and return it."""
    give_up = time.monotonic() + limit
    while not (found := condition()):
        assert time.monotonic() < give_up, "it did not come"
        time.sleep(0.02)
    return found
