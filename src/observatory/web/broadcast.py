"""Broadcast: each picture is made once for all who watch, and none is made while nobody does."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import asdict
from functools import partial

from cascade.web.outbox import Outbox
from observatory.ticks import Ticks
from observatory.web.stage import Stage

FRAMES_PER_SECOND = 30
FRAMES_PER_STATUS = 8
"""How many frames there are from one status to the next."""


class Broadcast:
    """Shows a stage to pages, each of which may come and go.

    A picture is sent as its number (32 bits, the least significant byte first) and a byte for each
    place. A page that doesn't read gets the latest one when it reads again.

    Args:
        stage: what is shown.
    """

    def __init__(self, stage: Stage) -> None:
        self.pictures = 0
        """How many pictures were made."""
        self._dropped_by_gone = 0
        self._stage = stage
        self._watching: dict[Outbox, None] = {}
        self._somebody = asyncio.Event()

    @property
    def dropped(self) -> int:
        """How many of them were not sent to a page, as it had not read those before; for all."""
        return self._dropped_by_gone + sum(outbox.dropped for outbox in self._watching)

    @property
    def watchers(self) -> int:
        """How many pages watch."""
        return len(self._watching)

    def join(self, outbox: Outbox) -> None:
        """Show it to one page more."""
        self._watching[outbox] = None
        self._somebody.set()

    def leave(self, outbox: Outbox) -> None:
        """Show it to a page no longer."""
        if self._watching.pop(outbox, self) is None:
            self._dropped_by_gone += outbox.dropped
        if not self._watching:
            self._somebody.clear()

    async def run(self) -> None:
        """Make pictures while somebody watches, without end.

        Raises:
            Exception: what the stage raises.
        """
        loop = asyncio.get_running_loop()
        while True:
            await self._somebody.wait()
            ticks = Ticks(loop.time(), 1 / FRAMES_PER_SECOND)
            until_status = 0
            while True:
                now = await ticks.next()
                if not self._watching:
                    break
                self._show(now)
                if until_status == 0:
                    self._tell(now)
                until_status = (until_status + 1) % FRAMES_PER_STATUS

    def _show(self, now: float) -> None:
        number = (self.pictures % 2**32).to_bytes(4, "little")
        picture = number + self._stage.picture(now)
        self.pictures += 1
        for outbox in self._watching:
            outbox.show(picture)

    def _tell(self, now: float) -> None:
        status = json.dumps(asdict(self._stage.status(now)), separators=(",", ":"))
        for outbox in self._watching:
            outbox.tell(self._with_counts(outbox, status))

    def _with_counts(self, outbox: Outbox, status: str) -> Callable[[], str]:
        """Return what writes a status when its turn comes, with what is true by then."""
        return partial(self._written, outbox, status)

    def _written(self, outbox: Outbox, status: str) -> str:
        counts = f'"dropped":{outbox.dropped},"dropped_by_all":{self.dropped}'
        return f'{{"status":{status},{counts},"watchers":{self.watchers}}}'
