"""Nobody is let in but the browser that was given the address; the others get 403."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Any

import pytest
from tests.web.serving import PlainStage, a_page, a_theatre, get, next_message
from websockets.exceptions import InvalidStatus

from cascade.web.guard import new_token
from cascade.web.server import LocalServer
from observatory.web.theatre import Theatre


@pytest.fixture(scope="module")
def theatre() -> Iterator[Theatre]:
    with a_theatre(PlainStage()) as found:
        yield found


class TestAPage:
    def test_is_given_to_whoever_has_the_address(self, theatre: Theatre) -> None:
        status, _, content = get(theatre.url)
        assert status == 200
        assert b"<canvas" in content

    def test_may_be_called_by_the_other_name_of_this_machine(self, theatre: Theatre) -> None:
        host = f"localhost:{theatre.server.port}"
        assert get(theatre.url, host=host, origin=f"http://{host}")[0] == 200

    @pytest.mark.parametrize(
        "path",
        [
            "/",
            "/socket",
            "/stage.js",
            "//",
            "/?token=TOKEN",
            "/TOKENx/",
            "/xTOKEN/",
            "/TOKEN",
            "/token/TOKEN/",
            f"/{new_token()}/",
            "/%00/",
            "/%C3%A9/",
            "/%FF/",
        ],
    )
    def test_is_refused_without_the_token(self, theatre: Theatre, path: str) -> None:
        status, headers, content = get(
            theatre.url, path.replace("TOKEN", theatre.server.token).replace("token=", "t=")
        )
        assert status == 403
        assert theatre.server.token.encode() not in content
        assert "default-src 'none'" in headers["content-security-policy"]

    @pytest.mark.parametrize(
        "host", ["evil.example", "evil.example:PORT", "127.0.0.1", "127.0.0.1:1", "[::1]:PORT", ""]
    )
    def test_is_refused_under_a_foreign_name(self, theatre: Theatre, host: str) -> None:
        assert get(theatre.url, host=host.replace("PORT", str(theatre.server.port)))[0] == 403

    @pytest.mark.parametrize(
        "origin",
        ["http://evil.example", "http://127.0.0.1:1", "https://127.0.0.1:PORT", "null", ""],
    )
    def test_is_refused_to_a_foreign_page(self, theatre: Theatre, origin: str) -> None:
        assert get(theatre.url, origin=origin.replace("PORT", str(theatre.server.port)))[0] == 403

    @pytest.mark.parametrize(
        "path", ["../stage.py", "%2e%2e/stage.py", "stage.html", "__init__.py"]
    )
    def test_has_no_files_but_its_own(self, theatre: Theatre, path: str) -> None:
        assert get(theatre.url, f"/{theatre.server.token}/{path}")[0] == 404

    def test_takes_nothing_from_elsewhere(self, theatre: Theatre) -> None:
        for name in ("", "stage.js", "stage.css", "icon.svg"):
            _, headers, content = get(theatre.url + name)
            policy = headers["content-security-policy"]
            assert "default-src 'none'" in policy
            assert "unsafe" not in policy
            assert headers["x-content-type-options"] == "nosniff"
            assert headers["referrer-policy"] == "no-referrer"
            assert "set-cookie" not in headers
            text = content.decode().replace("http://www.w3.org/2000/svg", "")
            assert "http:" not in text
            assert "https:" not in text


class TestASocket:
    def test_is_given_to_the_page(self, theatre: Theatre) -> None:
        with a_page(theatre.url) as page:
            assert next_message(page, "hello")["hello"]["title"] == "A stage"

    def test_is_given_to_a_program_that_has_the_address(self, theatre: Theatre) -> None:
        with a_page(theatre.url, origin=None) as page:
            assert next_message(page, "hello")

    def test_is_refused_without_the_token(self, theatre: Theatre) -> None:
        assert status_of(theatre.url.replace(theatre.server.token, new_token())) == 403

    @pytest.mark.parametrize("origin", ["http://evil.example", "http://127.0.0.1:1", "null"])
    def test_is_refused_to_a_foreign_page(self, theatre: Theatre, origin: str) -> None:
        assert status_of(theatre.url, origin=origin) == 403

    def test_is_refused_under_a_foreign_name(self, theatre: Theatre) -> None:
        # The name leads here, as after DNS rebinding; its page has the origin that goes with it.
        port = theatre.server.port
        foreign = theatre.url.replace("127.0.0.1", "evil.example")
        with socket.create_connection(("127.0.0.1", port)) as here:
            assert status_of(foreign, sock=here) == 403


def status_of(url: str, origin: str | None = "own", **more: Any) -> int:
    with pytest.raises(InvalidStatus) as refused, a_page(url, origin, **more):
        pass
    return refused.value.response.status_code


class TestAServer:
    @pytest.mark.parametrize(
        ("port", "error"),
        [(-1, ValueError), (65536, ValueError), (1.5, TypeError), (True, TypeError)],
    )
    def test_refuses_what_is_no_port(self, port: object, error: type[Exception]) -> None:
        with pytest.raises(error, match="port"):
            LocalServer(_nothing, port)  # type: ignore[arg-type]

    def test_has_its_port_before_it_runs(self) -> None:
        first = LocalServer(_nothing)
        try:
            with pytest.raises(OSError, match="in use"):
                LocalServer(_nothing, first.port)
        finally:
            first.close()
        second = LocalServer(_nothing, first.port)
        second.close()
        assert second.token != first.token

    def test_listens_on_this_machine_alone(self, theatre: Theatre) -> None:
        address = theatre.server._socket.getsockname()[0]
        assert address == "127.0.0.1"


async def _nothing(scope: object, receive: object, send: object) -> None:
    """Answer nothing: these servers never run."""
