"""The files of a page: shipped with the package, read once, served under their names alone."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import files

from cascade.web import require

require()

from starlette.requests import Request  # noqa: E402 - after the line that says what is missing
from starlette.responses import Response  # noqa: E402
from starlette.routing import Route  # noqa: E402

TYPES = {
    "html": "text/html; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "svg": "image/svg+xml",
}
"""The type of a file, by the end of its name."""


def routes_of(package: str, names: Mapping[str, str]) -> list[Route]:
    """Return where the files of a page are served.

    Args:
        package: whose files they are.
        names: the path below the address, such as "/" or "/page.js", and the file of each.
    """
    return [_route(path, package, name) for path, name in names.items()]


def _route(path: str, package: str, name: str) -> Route:
    content = (files(package) / name).read_bytes()
    media_type = TYPES[name.rpartition(".")[2]]

    async def answer(request: Request) -> Response:
        return Response(content, media_type=media_type)

    return Route(path, answer, methods=["GET"])
