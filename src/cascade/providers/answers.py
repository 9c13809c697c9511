"""What servers answer: values that are complete, and errors that say when to ask again."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from cascade.errors import CascadeError


class Headers(Mapping[str, str]):
    """The header fields of an answer, by names in any case; several of one name are one, joined."""

    __slots__ = ("_values",)

    def __init__(self, values: Mapping[str, str]) -> None:
        self._values = {name.lower(): value for name, value in values.items()}

    def __getitem__(self, name: str) -> str:
        return self._values[name.lower()]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        return f"Headers({self._values!r})"


@dataclass(frozen=True, slots=True)
class Response:
    """What a server has answered: a value, complete when it is there."""

    method: str
    """How it was asked, such as "GET"."""
    url: str
    """Where the answer came from, after redirections, without a user's name and password."""
    status: int
    """The status code, such as 200."""
    reason: str
    """What the code means, such as "OK"."""
    headers: Headers
    """The header fields, by names in any case."""
    content: bytes
    """The body, with its compression undone."""
    encoding: str
    """How the body is encoded if it is text: what the server says, or else UTF-8."""

    @property
    def text(self) -> str:
        """The body as text; what isn't in the encoding is replaced by U+FFFD."""
        return self.content.decode(self.encoding, "replace")

    def json(self) -> Any:
        """Return the value that the body holds as JSON.

        Raises:
            json.JSONDecodeError: it isn't JSON.
        """
        return json.loads(self.content)


class HTTPStatusError(CascadeError):
    """A server has answered with a status that is none of success."""

    def __init__(self, response: Response, retry_after: float | None = None) -> None:
        again = "" if retry_after is None else f", to be asked again in {retry_after:g} s"
        super().__init__(
            f"{response.method} {response.url} was answered with "
            f"{f'{response.status} {response.reason}'.strip()}{again}"
        )
        self.response = response
        """The answer."""
        self.status = response.status
        """Its status code."""
        self.retry_after = retry_after
        """How many seconds the server wants to be left alone, which retries heed; None: any."""


class ClientError(HTTPStatusError):
    """A status from 400 to 499: the request can't be answered as it is."""


class TooManyRequestsError(ClientError):
    """Status 429: the server was asked too often."""


class ServerError(HTTPStatusError):
    """A status from 500: the server has failed."""
