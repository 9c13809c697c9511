"""Outbox: what one page is still to be sent. Of pictures only the latest counts."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable

MOST_ANSWERS = 16
"""Answers that wait for a page, before it is listened to no longer."""


class Outbox:
    """Sends to one page as fast as it reads, and never holds more than the latest picture.

    Answers are sent before all else, in their order; then the latest status; then the latest
    picture.
    """

    def __init__(self) -> None:
        self.sent = 0
        """How many pictures were handed on."""
        self.dropped = 0
        """How many were left out, because the page had not read the ones before."""
        self.dropped_statuses = 0
        """How many statuses were left out in the same way."""
        self._answers: deque[str] = deque()
        self._status: Callable[[], str] | None = None
        self._picture: bytes | None = None
        self._something = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()

    async def say(self, text: str) -> None:
        """Send an answer; waits while too many of them haven't been read."""
        await self._room.wait()
        self._answers.append(text)
        if len(self._answers) >= MOST_ANSWERS:
            self._room.clear()
        self._something.set()

    def tell(self, status: Callable[[], str]) -> None:
        """Send a status in place of an earlier one, which is then counted as dropped.

        It is written when its turn comes.
        """
        if self._status is not None:
            self.dropped_statuses += 1
        self._status = status
        self._something.set()

    def show(self, picture: bytes) -> None:
        """Send a picture in place of an earlier one, which is then counted as dropped."""
        if self._picture is not None:
            self.dropped += 1
        self._picture = picture
        self._something.set()

    async def run(
        self,
        send_text: Callable[[str], Awaitable[None]],
        send_bytes: Callable[[bytes], Awaitable[None]],
    ) -> None:
        """Send what there is, without end.

        Args:
            send_text: sends a text; returns when there is room for more.
            send_bytes: sends bytes, in the same way.
        """
        while True:
            await self._something.wait()
            if self._answers:
                text = self._answers.popleft()
                self._room.set()
                await send_text(text)
            elif self._status is not None:
                status, self._status = self._status, None
                await send_text(status())
            elif self._picture is not None:
                picture, self._picture = self._picture, None
                await send_bytes(picture)
                self.sent += 1
            else:
                self._something.clear()
