"""What runs, in a browser on the same machine: `cascade ui`, and the server that it stands on.

Nothing but this machine can reach it, and only with the token of the address that is printed. See
`cascade.web.guard` for who is let in, and `cascade.web.server` for how it is served.
"""

from __future__ import annotations

import importlib.util

from cascade.errors import MissingExtraError

NEEDED = ("starlette", "uvicorn", "websockets")
"""The packages that the extra `web` brings."""


def require() -> None:
    """Check that what a page needs is installed.

    Raises:
        MissingExtraError: naming the package that is missing, and the extra.
    """
    for package in NEEDED:
        if importlib.util.find_spec(package) is None:
            raise MissingExtraError("a page in the browser", package, "web")
