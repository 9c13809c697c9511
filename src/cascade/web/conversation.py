"""A conversation with one page: what it sends is checked, and what it gets is bounded."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from cascade.quiet import QuietLog
from cascade.web import require
from cascade.web.outbox import Outbox

require()

from starlette.websockets import WebSocket, WebSocketDisconnect  # noqa: E402 - after that line

Hear = Callable[[dict[str, Any]], Awaitable[dict[str, Any] | None]]
"""Does what a page asks for and returns the answer, if there is one; what it raises of ValueError
and TypeError is told to the page."""


def encode(message: dict[str, Any]) -> str:
    """Return a message as text, in ASCII: what a page has sent may be no proper Unicode."""
    return json.dumps(message, allow_nan=False, separators=(",", ":"))


def decode(text: object) -> dict[str, Any]:
    """Return the object that a page has sent.

    Raises:
        ValueError: it is none.
    """
    if not isinstance(text, str):
        raise ValueError("a message must be text")
    try:
        message = json.loads(text)
    except (ValueError, RecursionError):
        raise ValueError("a message must be one JSON object") from None
    if not isinstance(message, dict):
        raise ValueError("a message must be a JSON object")
    return message


async def converse(
    socket: WebSocket,
    outbox: Outbox,
    hear: Hear,
    log: QuietLog,
    *beside: Coroutine[Any, Any, None],
) -> None:
    """Send what is in an outbox and hear what the page says, until it goes away.

    Args:
        socket: the connection, accepted already.
        outbox: what is to be sent.
        hear: does what the page asks for.
        log: where it is told that what came was no message.
        *beside: what else goes on for as long as the conversation lasts.

    Raises:
        Exception: what `hear` raises beside ValueError and TypeError, or what goes on beside it.
    """
    talkers = [
        asyncio.create_task(_send(socket, outbox)),
        asyncio.create_task(_listen(socket, outbox, hear, log)),
        *[asyncio.create_task(each) for each in beside],
    ]
    try:
        await asyncio.wait(talkers, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for talker in talkers:
            talker.cancel()
        outcomes = await asyncio.gather(*talkers, return_exceptions=True)
    for outcome in outcomes:
        if isinstance(outcome, Exception) and not isinstance(outcome, WebSocketDisconnect):
            raise outcome


async def _send(socket: WebSocket, outbox: Outbox) -> None:
    try:
        await outbox.run(socket.send_text, socket.send_bytes)
    except RuntimeError as error:
        # So it is said when the server has closed the connection by itself, as for a message that
        # is too long; whoever listens is told next.
        raise WebSocketDisconnect(1006) from error


async def _listen(socket: WebSocket, outbox: Outbox, hear: Hear, log: QuietLog) -> None:
    while True:
        event = await socket.receive()
        if event["type"] == "websocket.disconnect":
            return
        try:
            message = decode(event.get("text"))
        except ValueError as error:
            log.warn(f"a page has sent what is no message: {error}")
            await outbox.say(encode({"error": str(error)}))
            continue
        try:
            answer = await hear(message)
        except (ValueError, TypeError) as error:
            answer = {"error": str(error)}
        if answer is not None:
            await outbox.say(encode(answer))
