"""AsyncClient: speaks to a program that can be steered, without holding up an event loop."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from types import TracebackType
from typing import Any

from cascade.control.client import socket_of
from cascade.control.talk import LARGEST_ANSWER, PATIENCE, Talk
from cascade.errors import ControlError


class AsyncClient:
    """A connection to one program, as `Client` is one, for use on an event loop.

    An asynchronous context manager: it connects at the beginning and leaves at the end. For one
    coroutine at a time; whoever watches and asks at the same time takes two.

    Args:
        name: what the program is called.
        patience: how many seconds an answer may take.
        via: what stands in the program's log beside the user, such as "cascade ui": up to 40
            letters, digits, spaces and ``._/-``; None: nothing.

    Raises:
        TypeError, ValueError: `patience` isn't a finite number above 0; or `via` can't be so.
    """

    def __init__(self, name: str, patience: float = PATIENCE, *, via: str | None = None) -> None:
        self.name = name
        """What the program is called."""
        self._talk = Talk(name, patience, via)
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def __aenter__(self) -> AsyncClient:
        await self.connect()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    async def connect(self) -> None:
        """Connect.

        Raises:
            ControlError: there is no such program, or it can't be reached.
        """
        path = socket_of(self.name)
        try:
            async with asyncio.timeout(self._talk.patience):
                self._streams = await asyncio.open_unix_connection(path, limit=LARGEST_ANSWER)
        except OSError as error:
            raise self._talk.unreachable() from error

    async def close(self) -> None:
        """End the connection; without one, do nothing."""
        streams, self._streams = self._streams, None
        if streams is not None:
            streams[1].transport.abort()  # what a busy program hasn't taken isn't waited for
            with contextlib.suppress(OSError):  # it has ended already, in whatever way
                await streams[1].wait_closed()

    async def ask(self, command: str, **said: Any) -> dict[str, Any]:
        """Ask for something, and return the answer.

        Args:
            command: one of `cascade.control.messages.COMMANDS`.
            **said: what it takes.

        Raises:
            ControlError: not connected; or it was refused, with the reason; or there was no answer
                in time.
        """
        try:
            async with asyncio.timeout(self._talk.patience):
                await self._send(command, said)
                return await self._answer()
        except OSError as error:
            raise self._talk.gone(error) from error

    async def watch(self, every: float = 1.0) -> AsyncGenerator[dict[str, Any]]:
        """Return snapshots, one after the other, until the program ends.

        A program that is busy sends none meanwhile; that is waited for, however long it takes.

        Args:
            every: seconds from one to the next, 0.1 to 60. Those of large worlds come less often,
                so that they take little of the program's time; each says when the next one comes.

        Raises:
            ControlError: not connected; or the program has ended, or refuses.
        """
        try:
            await self._send("watch", {"every": every})
            while True:
                yield await self._answer()
        except OSError as error:
            raise self._talk.gone(error) from error

    async def _send(self, command: str, said: dict[str, Any]) -> None:
        _, writer = self._connected()
        writer.write(self._talk.question(command, said))
        await writer.drain()

    async def _answer(self) -> dict[str, Any]:
        """Return the answer to the latest question."""
        reader, _ = self._connected()
        while True:
            try:
                line = await reader.readuntil(b"\n")
            except asyncio.IncompleteReadError:
                raise self._talk.ended() from None
            except asyncio.LimitOverrunError:
                raise self._talk.too_large() from None
            answer = self._talk.answer(line)
            if answer is not None:
                return answer

    def _connected(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if self._streams is None:
            raise ControlError(f"{self.name} isn't connected: await connect() first")
        return self._streams
