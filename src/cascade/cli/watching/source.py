"""Source: where the pictures come from, and who is asked to change something."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from pathlib import Path
from typing import Any, Protocol

from cascade.control.aio import AsyncClient
from cascade.control.client import sockets
from cascade.control.place import is_alive


class Source(Protocol):
    """Programs that can be watched and steered."""

    def programs(self) -> list[str]:
        """Return their names; called in a thread, so it may take a while."""
        ...

    def watch(self, name: str, every: float) -> AsyncGenerator[dict[str, Any]]:
        """Return the snapshots of one, without end.

        Raises:
            ControlError: it has ended, or can't be reached.
        """
        ...

    async def ask(self, name: str, command: str, said: dict[str, Any]) -> dict[str, Any]:
        """Ask one for something, and return the answer.

        Raises:
            ControlError: it was refused; or there was no answer in time.
        """
        ...


class Programs:
    """The programs of this user.

    Args:
        only: the one that counts; None: all.
    """

    def __init__(self, only: str | None = None) -> None:
        self._only = only
        self._seen: dict[str, tuple[int, int]] = {}
        self._alive: list[str] = []

    def programs(self) -> list[str]:
        """Return the names of those that run.

        Their sockets are knocked at only when there is another one than before: one that is busy
        doesn't answer a knock, and many would fill its queue.
        """
        if self._only is not None:
            return [self._only]
        paths = sockets()
        seen = {name: _identity(path) for name, path in paths.items()}
        if seen != self._seen:
            self._alive = [name for name, path in paths.items() if is_alive(path)]
            self._seen = seen
        return list(self._alive)

    async def watch(self, name: str, every: float) -> AsyncGenerator[dict[str, Any]]:
        """Return the snapshots of a program, from a connection of its own."""
        async with AsyncClient(name) as client, aclosing(client.watch(every)) as snapshots:
            async for snapshot in snapshots:
                yield snapshot

    async def ask(self, name: str, command: str, said: dict[str, Any]) -> dict[str, Any]:
        """Ask a program for something, over a connection of its own."""
        async with AsyncClient(name) as client:
            return await client.ask(command, **said)


def _identity(path: Path) -> tuple[int, int]:
    """Return what tells a socket from another one of the same name."""
    try:
        found = path.stat()
    except OSError:  # gone since it was listed
        return (0, 0)
    return found.st_ino, found.st_mtime_ns
