"""Theatre: a stage with its page and its server, on the loop of the experiment itself."""

from __future__ import annotations

import base64
from collections.abc import Coroutine
from typing import Any

from cascade.web import require
from cascade.web.conversation import converse, encode
from cascade.web.outbox import Outbox
from cascade.web.site import Site
from observatory.web.broadcast import Broadcast
from observatory.web.stage import Stage

require()

from starlette.websockets import WebSocket  # noqa: E402 - after the line that says what is missing

MOST_WATCHERS = 16
"""How many pages may watch at the same time."""
FILES = {
    "/": "stage.html",
    "/stage.js": "stage.js",
    "/stage.css": "stage.css",
}


class Theatre(Site):
    """Serves the page of a stage to this machine.

    Args:
        port: where; 0 is any port that is free.

    Raises:
        TypeError, ValueError: `port` isn't a whole number from 0 to 65535.
        OSError: the port can't be had.
    """

    def __init__(self, port: int = 0) -> None:
        super().__init__("observatory.web", FILES, MOST_WATCHERS, port)
        self.broadcast: Broadcast | None = None
        """What is shown; None before it begins."""
        self._stage: Stage | None = None

    def parts(self, stage: Stage) -> list[Coroutine[Any, Any, None]]:
        """Return what has to run side by side to show a stage, each of them without end."""
        self._stage, self.broadcast = stage, Broadcast(stage)
        return [self.broadcast.run(), self.server.run()]

    async def talk(self, socket: WebSocket) -> None:
        """Show it the stage, and hear what is to be set."""
        stage, broadcast = self._stage, self.broadcast
        assert stage is not None
        assert broadcast is not None
        outbox = Outbox()
        await outbox.say(encode({"hello": _introduced(stage)}))
        broadcast.join(outbox)
        try:
            await converse(socket, outbox, self._hear, self.log)
        finally:
            broadcast.leave(outbox)

    async def _hear(self, message: dict[str, Any]) -> dict[str, Any]:
        """Set a control.

        Raises:
            TypeError, ValueError: it can't be set so; nothing has changed.
        """
        stage = self._stage
        assert stage is not None
        if message.keys() != {"set", "to"}:
            raise ValueError('a message must be {"set": NAME, "to": VALUE}')
        controls = {control.name: control for control in stage.controls}
        name = message["set"]
        if not isinstance(name, str) or name not in controls:
            raise ValueError(f"set must be one of {', '.join(controls) or 'nothing'}")
        return {"effect": stage.set(name, controls[name].check(message["to"]))}


def _introduced(stage: Stage) -> dict[str, Any]:
    return {
        "title": stage.title,
        "width": stage.width,
        "height": stage.height,
        "palette": base64.b64encode(stage.palette).decode(),
        "course": stage.course,
        "past": stage.past(),
        "controls": [control.as_dict() for control in stage.controls],
    }
