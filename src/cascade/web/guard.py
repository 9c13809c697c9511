"""Guard: lets nobody in but the browser that was given the address, and says so with 403.

The token is the first part of every path, so that the links of a page carry it by themselves. A
cookie would be sent to every other port of this machine as well, whoever listens there.
"""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, TypeAlias

Scope: TypeAlias = MutableMapping[str, Any]
Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
Application: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]
"""An application by ASGI 3."""

ADDRESS = "127.0.0.1"
"""Where a page is served, and nowhere else."""
NAMES = (ADDRESS, "localhost")
"""What a browser may call that."""


def new_token() -> str:
    """Return a token that nobody can guess: 256 random bits."""
    return secrets.token_urlsafe(32)


def headers_for(port: int) -> list[tuple[bytes, bytes]]:
    """Return the headers of every answer: nothing from elsewhere, nothing told to elsewhere."""
    # Not every browser counts a socket to the same place as 'self'.
    sockets = " ".join(f"ws://{name}:{port}" for name in NAMES)
    policy = (
        f"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
        f"connect-src 'self' {sockets}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    return [
        (b"content-security-policy", policy.encode()),
        (b"x-content-type-options", b"nosniff"),
        (b"referrer-policy", b"no-referrer"),
        (b"cross-origin-opener-policy", b"same-origin"),
        (b"cross-origin-resource-policy", b"same-origin"),
        (b"x-frame-options", b"DENY"),
        (b"cache-control", b"no-store"),
    ]


class Guard:
    """Stands before an application.

    Refused is whoever doesn't know the token, whoever calls this machine by another name than its
    own (a foreign name that leads here: DNS rebinding), and every page of somebody else's.

    Args:
        inner: the application; it sees paths without the token.
        token: what the path has to begin with.
        port: where it is served.
    """

    def __init__(self, inner: Application, token: str, port: int) -> None:
        self.refused = 0
        """How many requests were refused."""
        self._inner = inner
        self._token = token.encode()
        self._hosts = {f"{name}:{port}".encode() for name in NAMES}
        self._headers = headers_for(port)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request or a socket."""
        path = self._path_inside(scope)
        if path is None:
            self.refused += 1
            await self._refuse(scope, send)
            return

        async def send_safely(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), *self._headers]
            await send(message)

        inside = {**scope, "path": path, "raw_path": path.encode(), "root_path": ""}
        await self._inner(inside, receive, send_safely)

    def _path_inside(self, scope: Scope) -> str | None:
        """Return the path behind the token; None if the request is to be refused."""
        headers: list[tuple[bytes, bytes]] = scope["headers"]
        hosts = [value.lower() for name, value in headers if name == b"host"]
        origins = [value.lower() for name, value in headers if name == b"origin"]
        if len(hosts) != 1 or hosts[0] not in self._hosts:
            return None
        # A browser names the origin of every socket, and of what one page sends to another. What
        # names none is no page.
        if any(origin != b"http://" + hosts[0] for origin in origins):
            return None
        token, slash, rest = str(scope["path"]).removeprefix("/").partition("/")
        if not secrets.compare_digest(token.encode("utf-8", "replace"), self._token):
            return None
        return slash + rest if slash else None

    async def _refuse(self, scope: Scope, send: Send) -> None:
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})  # before it is accepted: a 403
            return
        text = b"403: open the whole address that was printed, with its token.\n"
        headers = [
            (b"content-type", b"text/plain; charset=utf-8"),
            (b"content-length", str(len(text)).encode()),
            *self._headers,
        ]
        await send({"type": "http.response.start", "status": 403, "headers": headers})
        await send({"type": "http.response.body", "body": text})
