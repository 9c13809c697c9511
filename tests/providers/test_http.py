"""Requests: what is sent and answered, what is an error, and when it is tried again."""

from __future__ import annotations

import asyncio
import json
import socket
import subprocess
import sys
import threading
from typing import Any

import httpx
import pytest
import uvloop
from tests.providers.server import Answer, Asked, serving

import cascade as cs
from cascade.errors import CascadeError, MissingExtraError
from cascade.providers import http
from cascade.runtime.events import TaskRetrying
from cascade.testing import EventRecorder


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ask this machine's own servers directly."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


class Script:
    """Answers one after the other, the last one for ever, and keeps what was asked."""

    def __init__(self, *answers: Answer) -> None:
        self.left = list(answers) or [Answer()]
        self.asked: list[Asked] = []

    def __call__(self, asked: Asked) -> Answer:
        self.asked.append(asked)
        return self.left.pop(0) if len(self.left) > 1 else self.left[0]


def run_sharing(target: Any, definition: Any, bus: Any = None) -> Any:
    engine = cs.Engine(bus=bus)
    engine.register(definition)
    return asyncio.run(engine.run(target))


def test_an_answer_is_a_value_that_needs_no_client() -> None:
    headers = {"Content-Type": "application/json; charset=latin-1", "X-Kind": "test"}
    script = Script(Answer(body='{"a": "ü"}'.encode("latin-1"), headers=headers))
    with serving(script) as address:
        answer = cs.run(http.get(f"{address}/x"))
    assert (answer.status, answer.reason, answer.method) == (200, "OK", "GET")
    assert answer.url == f"{address}/x"
    assert (answer.headers["x-kind"], answer.headers["X-KIND"]) == ("test", "test")
    assert answer.content == b'{"a": "\xfc"}'
    assert answer.text == '{"a": "ü"}'
    with pytest.raises(AttributeError):
        answer.status = 500


def test_what_a_task_makes_of_it() -> None:
    script = Script(Answer(body=b'{"next": "/b"}'), Answer(body=b"[1]"))
    with serving(script) as address:

        @cs.task(mode="inline")
        def following(answer: http.Response) -> str:
            return f"{address}{answer.json()['next']}"

        assert cs.run(http.get(following(http.get(address)))).json() == [1]
    assert [asked.path for asked in script.asked] == ["/", "/b"]


@pytest.mark.parametrize(
    ("lazy", "method", "body", "kind"),
    [
        (http.post, "POST", {"json": {"a": 1}}, "application/json"),
        (http.put, "PUT", {"data": {"a": "1"}}, "application/x-www-form-urlencoded"),
        (http.post, "POST", {"content": b"raw"}, None),
    ],
)
def test_bodies(lazy: Any, method: str, body: dict[str, Any], kind: str | None) -> None:
    script = Script()
    with serving(script) as address:
        cs.run(lazy(address, headers={"X-Mine": "1"}, params={"q": "a b"}, **body))
    (asked,) = script.asked
    assert (asked.method, asked.path, asked.headers["X-Mine"]) == (method, "/?q=a+b", "1")
    assert asked.headers.get("Content-Type") == kind
    assert (json.loads(asked.body) if "json" in body else asked.body) in (
        *({"a": 1}, b"a=1", b"raw"),
    )


def test_other_methods() -> None:
    script = Script()
    with serving(script) as address:
        cs.run([http.delete(address), http.request("PUT", address)])
    assert sorted(asked.method for asked in script.asked) == ["DELETE", "PUT"]


def test_redirections_are_followed_unless_told_otherwise() -> None:
    def answer(asked: Asked) -> Answer:
        return Answer(302, headers={"Location": "/b"}) if asked.path == "/a" else Answer(body=b"b")

    with serving(answer) as address:
        assert cs.run(http.get(f"{address}/a")).url == f"{address}/b"
        assert cs.run(http.get(f"{address}/a", follow_redirects=False)).status == 302


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (404, http.ClientError),
        (429, http.TooManyRequestsError),
        (500, http.ServerError),
        (503, http.ServerError),
    ],
)
def test_a_status_of_no_success_is_an_error(status: int, kind: type[http.HTTPStatusError]) -> None:
    with serving(Script(Answer(status, b"why", {"Retry-After": "3"}))) as address:
        with pytest.raises(http.HTTPStatusError) as caught:
            cs.run(http.get(address.replace("//", "//me:secret@")))
        assert cs.run(http.get(address, raise_for_status=False)).text == "why"
    error = caught.value
    assert type(error) is kind
    assert isinstance(error, CascadeError)
    assert (error.status, error.retry_after, error.response.text) == (status, 3.0, "why")
    assert f"GET {address} was answered with {status}" in str(error)
    assert "secret" not in str(error)


def test_retries_wait_as_long_as_the_server_wants() -> None:
    script = Script(
        Answer(503, headers={"Retry-After": "3600"}),
        Answer(429, headers={"Retry-After": "0"}),
        Answer(body=b"at last"),
    )
    bus = cs.MessageBus()
    recorder = EventRecorder(bus)
    busy = (http.ServerError, http.TooManyRequestsError)
    with serving(script) as address:
        lazy = http.get(address).with_retry(3, delay=0.001, max_delay=0.05, on=busy)
        assert cs.run(lazy, bus=bus).text == "at last"
    assert [event.delay for event in recorder.of(TaskRetrying)] == [0.05, 0.001]


def test_other_errors_than_the_named_ones_are_not_tried_again() -> None:
    script = Script(Answer(404))
    with serving(script) as address, pytest.raises(http.ClientError):
        cs.run(http.get(address).with_retry(5, on=http.ServerError))
    assert len(script.asked) == 1


def test_a_connection_that_fails_raises_as_it_is() -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))  # taken, but nobody listens
        with pytest.raises(httpx.ConnectError):
            cs.run(http.get(f"http://127.0.0.1:{nobody.getsockname()[1]}"))


@pytest.mark.parametrize("loop", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_a_timeout_gives_up_an_answer_that_does_not_come(loop: Any) -> None:
    ended = threading.Event()

    def answer(asked: Asked) -> Answer:
        ended.wait(10)
        return Answer()

    with serving(answer) as address, asyncio.Runner(loop_factory=loop) as runner:
        try:
            with pytest.raises(TimeoutError, match=r"'http\.get' did not end within 0\.05 s"):
                runner.run(cs.arun(http.get(address).with_timeout(0.05)))
        finally:
            ended.set()


# Shared clients


def test_requests_of_a_run_share_the_connections_of_a_client() -> None:
    script = Script()
    with serving(script) as address:
        shared = cs.inject("http")
        calls = [http.get(f"/{n}", client=shared) for n in range(6)]
        definition = http.client(base_url=address, headers={"X-All": "1"}, max_connections=1)
        assert [answer.status for answer in run_sharing(calls, definition)] == [200] * 6
    assert sorted(asked.path for asked in script.asked) == [f"/{n}" for n in range(6)]
    assert len({asked.port for asked in script.asked}) == 1
    assert {asked.headers["X-All"] for asked in script.asked} == {"1"}


def test_a_client_is_closed_after_the_run() -> None:
    kept = []

    @cs.task(mode="inline")
    def keep(client: httpx.AsyncClient) -> None:
        kept.append((client, client.is_closed))

    run_sharing(keep(cs.inject("web")), http.client("web", timeout=7))
    ((client, was_closed),) = kept
    assert (was_closed, client.is_closed) == (False, True)
    assert client.timeout == httpx.Timeout(7.0, connect=5.0, pool=None)


def test_without_a_client_each_call_has_its_own_connection() -> None:
    script = Script()
    with serving(script) as address:
        first = http.get(address)
        cs.run([first, http.get(address).after(first)])
    assert len({asked.port for asked in script.asked}) == 2


# Wrong arguments


@pytest.mark.parametrize(
    ("lazy", "message"),
    [
        (http.get(""), "url must not be empty"),
        (http.get(5), "url must be a string, got 5"),
        (http.request("", "x"), "method must not be empty"),
        (http.post("x", json={}, content=b""), r"only one of .*, got \['json', 'content'\]"),
        (http.get("x", client="http"), "client must be an httpx.AsyncClient, got 'http'"),
    ],
)
def test_wrong_arguments_are_named(lazy: Any, message: str) -> None:
    with pytest.raises((TypeError, ValueError), match=message):
        cs.run(lazy)


def test_a_misspelt_argument_is_refused_by_the_call() -> None:
    with pytest.raises(TypeError, match="header"):
        http.get("x", header={})


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"timeout": 0}, "timeout must be above 0"),
        ({"connect_timeout": "5"}, "connect_timeout must be a number"),
        ({"max_connections": 0}, "max_connections must be a whole number ≥ 1"),
        ({"name": ""}, "name must not be empty"),
    ],
)
def test_wrong_options_of_a_client_are_refused_by_the_call(
    arguments: dict[str, Any], message: str
) -> None:
    with pytest.raises((TypeError, ValueError), match=message):
        http.client(**arguments)


def test_without_httpx_the_call_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "httpx", None)
    with pytest.raises(MissingExtraError, match=r"needs 'httpx', .*cascade-py\[http\]"):
        cs.run(http.get("http://127.0.0.1"))


def test_the_providers_can_be_imported_without_any_library() -> None:
    code = (
        "import sys; before = set(sys.modules)\n"
        "from cascade.providers import files, http, shell, sql\n"
        "print(*{name.split('.')[0] for name in set(sys.modules) - before})"
    )
    command = [sys.executable, "-c", code]
    brought = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    assert {name for name in brought if name[:2] != "__"} - sys.stdlib_module_names == {"cascade"}
