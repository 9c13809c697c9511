"""Requests over HTTP as tasks, by httpx: ``pip install cascade-py[http]``.

An answer of 400 or above is an error that says when the server wants to be asked again, so that
`LazyResult.with_retry` waits as long. Many requests share connections through a `client`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from cascade.errors import MissingExtraError
from cascade.providers.answers import (
    ClientError,
    Headers,
    HTTPStatusError,
    Response,
    ServerError,
    TooManyRequestsError,
)
from cascade.providers.declaring import provided
from cascade.providers.retry_after import retry_after
from cascade.spec.checks import check_name, check_timeout, check_whole, shown
from cascade.spec.resource import ResourceDefinition, resource

if TYPE_CHECKING:
    import httpx

__all__ = [  # noqa: RUF022 - grouped by theme
    "request",
    "get",
    "post",
    "put",
    "delete",
    "client",
    "Response",
    "Headers",
    "HTTPStatusError",
    "ClientError",
    "TooManyRequestsError",
    "ServerError",
]


@provided("http.request")
async def request(
    method: str,
    url: str,
    *,
    headers: Mapping[str, str] | None = None,
    params: Mapping[str, Any] | None = None,
    json: Any = None,
    data: Mapping[str, Any] | None = None,
    content: str | bytes | None = None,
    client: httpx.AsyncClient | None = None,
    follow_redirects: bool = True,
    raise_for_status: bool = True,
) -> Response:
    """Send a request, and return the answer when all of it has come.

    Args:
        method: such as "GET".
        url: where to; below the client's base if it has one.
        headers: header fields beside the usual ones.
        params: what stands behind the ``?``; what stands there in `url` is replaced.
        json: a value to send as JSON; None: nothing.
        data: fields to send as a form.
        content: a body to send as it is.
        client: who keeps the connections, such as ``cs.inject("http")`` for `client`. None: one
            for this call alone, with the limits of time that httpx has by default.
        follow_redirects: whether to go where the server points to.
        raise_for_status: whether a status of 400 or above is an error.

    Raises:
        ServerError, ClientError, TooManyRequestsError: such a status.
        httpx.HTTPError: it couldn't be sent, or no answer came; `httpx.TransportError` for all
            that goes wrong with a connection.
        MissingExtraError: httpx isn't installed.
        TypeError, ValueError: an argument isn't valid; the error names it.
    """
    httpx = _httpx()
    check_name(method, "method")
    check_name(url, "url")
    bodies = {"json": json, "data": data, "content": content}
    given = [name for name, body in bodies.items() if body is not None]
    if len(given) > 1:
        raise ValueError(f"only one of json, data and content can be sent, got {given}")
    if client is not None and not isinstance(client, httpx.AsyncClient):
        raise TypeError(f"client must be an httpx.AsyncClient, got {shown(client)}")
    what: dict[str, Any] = {
        **{name: bodies[name] for name in given},
        "headers": headers,
        "params": params,
        "follow_redirects": follow_redirects,
    }
    if client is None:
        async with httpx.AsyncClient() as own:
            answer = _value_of(await own.request(method, url, **what))
    else:
        answer = _value_of(await client.request(method, url, **what))
    if raise_for_status and answer.status >= 400:
        raise _error_of(answer)
    return answer


@provided("http.get")
async def get(
    url: str,
    *,
    headers: Mapping[str, str] | None = None,
    params: Mapping[str, Any] | None = None,
    client: httpx.AsyncClient | None = None,
    follow_redirects: bool = True,
    raise_for_status: bool = True,
) -> Response:
    """Send a GET request; see `request` for the arguments and errors."""
    answer: Response = await request.fn(
        "GET",
        url,
        headers=headers,
        params=params,
        client=client,
        follow_redirects=follow_redirects,
        raise_for_status=raise_for_status,
    )
    return answer


@provided("http.post")
async def post(
    url: str,
    *,
    headers: Mapping[str, str] | None = None,
    params: Mapping[str, Any] | None = None,
    json: Any = None,
    data: Mapping[str, Any] | None = None,
    content: str | bytes | None = None,
    client: httpx.AsyncClient | None = None,
    follow_redirects: bool = True,
    raise_for_status: bool = True,
) -> Response:
    """Send a POST request; see `request` for the arguments and errors."""
    answer: Response = await request.fn(
        "POST",
        url,
        headers=headers,
        params=params,
        json=json,
        data=data,
        content=content,
        client=client,
        follow_redirects=follow_redirects,
        raise_for_status=raise_for_status,
    )
    return answer


@provided("http.put")
async def put(
    url: str,
    *,
    headers: Mapping[str, str] | None = None,
    params: Mapping[str, Any] | None = None,
    json: Any = None,
    data: Mapping[str, Any] | None = None,
    content: str | bytes | None = None,
    client: httpx.AsyncClient | None = None,
    follow_redirects: bool = True,
    raise_for_status: bool = True,
) -> Response:
    """Send a PUT request; see `request` for the arguments and errors."""
    answer: Response = await request.fn(
        "PUT",
        url,
        headers=headers,
        params=params,
        json=json,
        data=data,
        content=content,
        client=client,
        follow_redirects=follow_redirects,
        raise_for_status=raise_for_status,
    )
    return answer


@provided("http.delete")
async def delete(
    url: str,
    *,
    headers: Mapping[str, str] | None = None,
    params: Mapping[str, Any] | None = None,
    client: httpx.AsyncClient | None = None,
    follow_redirects: bool = True,
    raise_for_status: bool = True,
) -> Response:
    """Send a DELETE request; see `request` for the arguments and errors."""
    answer: Response = await request.fn(
        "DELETE",
        url,
        headers=headers,
        params=params,
        client=client,
        follow_redirects=follow_redirects,
        raise_for_status=raise_for_status,
    )
    return answer


def client(
    name: str = "http",
    *,
    timeout: float = 30.0,
    connect_timeout: float = 5.0,
    max_connections: int = 100,
    **options: Any,
) -> ResourceDefinition:
    """Return a resource: a client that keeps connections, shared by the requests of a run.

    ``engine.register(http.client())``, then ``http.get(url, client=cs.inject("http"))``. A request
    waits as long as it takes for one of its connections.

    Args:
        name: the name to inject it by.
        timeout: how many seconds the server may be silent. `LazyResult.with_timeout` limits the
            whole of a request.
        connect_timeout: how many seconds making a connection may take.
        max_connections: how many there may be at once.
        **options: what else `httpx.AsyncClient` takes, such as ``base_url`` and ``headers``.

    Raises:
        TypeError, ValueError: an argument isn't valid; the error names it. Options are looked at
            when the client is made.
        MissingExtraError: when it is made and httpx isn't installed.
    """
    check_name(name, "name")
    silence = check_timeout("timeout", timeout)
    connecting = check_timeout("connect_timeout", connect_timeout)
    most = check_whole("max_connections", max_connections, 1)

    @resource(name=name)
    async def shared() -> AsyncIterator[httpx.AsyncClient]:
        httpx = _httpx()
        limits = httpx.Limits(max_connections=most, max_keepalive_connections=most)
        times = httpx.Timeout(silence, connect=connecting, pool=None)
        async with httpx.AsyncClient(limits=limits, timeout=times, **options) as opened:
            yield opened

    return shared


def _httpx() -> Any:
    try:
        import httpx
    except ImportError as error:
        raise MissingExtraError("cascade.providers.http", "httpx", "http") from error
    return httpx


def _value_of(answer: httpx.Response) -> Response:
    return Response(
        method=answer.request.method,
        url=str(answer.url.copy_with(userinfo=b"")),
        status=answer.status_code,
        reason=answer.reason_phrase,
        headers=Headers(answer.headers),
        content=answer.content,
        encoding=answer.encoding or "utf-8",
    )


def _error_of(answer: Response) -> HTTPStatusError:
    again = retry_after(answer.headers, datetime.now(UTC))
    if answer.status >= 500:
        return ServerError(answer, again)
    if answer.status == 429:
        return TooManyRequestsError(answer, again)
    return ClientError(answer, again)
