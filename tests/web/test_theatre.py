"""A stage is shown to all who watch, at once, and none of them can hold it up or upset it."""

from __future__ import annotations

import json
import logging
import os
import socket
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from prove.pages import one_who_does_not_read
from tests.web.serving import (
    PlainStage,
    a_page,
    a_theatre,
    ask,
    next_message,
    next_picture,
    until,
)
from websockets.exceptions import ConnectionClosed

from cascade.web.server import LARGEST_MESSAGE
from observatory.web.theatre import MOST_WATCHERS, Theatre

MESSAGES = int(os.environ.get("CASCADE_MESSAGES", "150"))
"""How many messages are made up in the test of what can be sent; `make prove` sends 10,000."""


@pytest.fixture(scope="module")
def stage() -> PlainStage:
    return PlainStage()


@pytest.fixture(scope="module")
def theatre(stage: PlainStage) -> Iterator[Theatre]:
    with a_theatre(stage) as found:
        yield found


class TestAPage:
    def test_is_told_what_there_is(self, theatre: Theatre) -> None:
        with a_page(theatre.url) as page:
            hello = next_message(page, "hello")["hello"]
        assert (hello["title"], hello["width"], hello["height"]) == ("A stage", 10, 10)
        assert [control["name"] for control in hello["controls"]] == ["limit", "pause"]
        assert hello["past"] == [[1.0, 0.25]]

    def test_gets_pictures_and_a_status(self, theatre: Theatre) -> None:
        with a_page(theatre.url) as page:
            status = next_message(page, "status")
            assert status["status"]["settings"] == {"limit": 7, "pause": False}
            assert (status["dropped"], status["watchers"]) == (0, 1)
            first, places = next_picture(page)
            second, later = next_picture(page)
        assert second == first + 1
        assert later[0] == (places[0] + 1) % 256
        assert len(places) == 100

    def test_gets_the_same_pictures_as_the_others(
        self, theatre: Theatre, stage: PlainStage
    ) -> None:
        assert theatre.broadcast is not None
        with a_page(theatre.url) as one, a_page(theatre.url) as other:
            seen = dict(next_picture(one) for _ in range(10))
            also = dict(next_picture(other) for _ in range(10))
            assert {number: seen[number] for number in seen.keys() & also.keys()}
            assert all(seen[number] == also[number] for number in seen.keys() & also.keys())
        until(lambda: not theatre.broadcast.watchers)  # type: ignore[union-attr]
        assert stage.made == theatre.broadcast.pictures

    def test_can_set_what_there_is_to_set(self, theatre: Theatre, stage: PlainStage) -> None:
        stage.settings.clear()
        with a_page(theatre.url) as page:
            assert ask(page, {"set": "limit", "to": 5}) == {"effect": "limit is 5"}
            assert ask(page, {"set": "pause", "to": True}) == {"effect": "pause is True"}
        assert stage.settings == [("limit", 5), ("pause", True)]

    @pytest.mark.parametrize(
        ("message", "reason"),
        [
            ({"set": "limit", "to": 0}, "limit must be a whole number from 1 to 100, got 0"),
            ({"set": "limit", "to": 1.5}, "limit must be a whole number from 1 to 100, got 1.5"),
            ({"set": "limit", "to": "5"}, "limit"),
            ({"set": "limit", "to": True}, "limit"),
            ({"set": "limit", "to": None}, "limit"),
            ({"set": "pause", "to": 1}, "pause must be true or false, got 1"),
            ({"set": "palette", "to": 1}, "set must be one of limit, pause"),
            ({"set": ["limit"], "to": 1}, "set must be one of limit, pause"),
            ({"set": "limit"}, 'a message must be {"set": NAME, "to": VALUE}'),
            ([], "a message must be a JSON object"),
            ('{"set": "limit", "to": NaN}', "limit must be a finite number, got nan"),
            ("{", "a message must be one JSON object"),
            ("[" * 5000, "a message must be one JSON object"),
            (b"\x00\x01", "a message must be text"),
        ],
    )
    def test_is_told_why_something_cannot_be(
        self, theatre: Theatre, stage: PlainStage, message: object, reason: str
    ) -> None:
        stage.settings.clear()
        with a_page(theatre.url) as page:
            assert reason in ask(page, message)["error"]
        assert stage.settings == []

    def test_is_one_of_a_few(self, theatre: Theatre) -> None:
        assert theatre.broadcast is not None
        pages = []
        try:
            for _ in range(MOST_WATCHERS):
                page = a_page(theatre.url)
                page.__enter__()
                pages.append(page)
            until(lambda: theatre.broadcast.watchers == MOST_WATCHERS)  # type: ignore[union-attr]
            with pytest.raises(Exception, match="403"), a_page(theatre.url):
                pass
        finally:
            for page in pages:
                page.__exit__(None, None, None)
        until(lambda: not theatre.broadcast.watchers)  # type: ignore[union-attr]


def test_no_picture_is_made_while_nobody_watches(theatre: Theatre, stage: PlainStage) -> None:
    with a_page(theatre.url) as page:
        next_picture(page)
    assert theatre.broadcast is not None
    until(lambda: not theatre.broadcast.watchers)  # type: ignore[union-attr]
    made = stage.made
    time.sleep(0.2)
    assert stage.made == made


def test_one_who_does_not_read_skips_pictures_and_holds_nobody_up() -> None:
    stage = PlainStage(300, 300)
    with a_theatre(stage) as theatre, one_who_does_not_read(theatre.url):
        broadcast = theatre.broadcast
        assert broadcast is not None
        (slow,) = until(lambda: list(broadcast._watching))
        until(lambda: slow.dropped >= 10)
        sent, before = slow.sent, _resident()
        with a_page(theatre.url, max_size=None) as page:
            numbers = [next_picture(page)[0] for _ in range(5)]
            assert numbers == sorted(set(numbers))
        until(lambda: slow.dropped >= 40)
        assert slow.sent == sent
        # Thirty pictures, 2.7 MB in all, have come and gone.
        assert _resident() - before < 2 * 2**20
    assert slow.dropped > 0


def test_one_who_did_not_read_is_told_how_much_was_skipped() -> None:
    with a_theatre(PlainStage(1000, 1000)) as theatre, a_page(theatre.url, max_size=None) as page:
        next_message(page, "status")
        broadcast = theatre.broadcast
        assert broadcast is not None
        (slow,) = list(broadcast._watching)
        until(lambda: slow.dropped >= 10)
        assert until(lambda: next_message(page, "status")["dropped"]) >= 10


def test_what_one_page_skips_is_told_to_all_also_when_it_has_gone() -> None:
    with a_theatre(PlainStage(300, 300)) as theatre, a_page(theatre.url, max_size=None) as page:
        assert next_message(page, "status")["dropped_by_all"] == 0
        with one_who_does_not_read(theatre.url):
            until(lambda: next_message(page, "status")["dropped_by_all"] >= 5)
        until(lambda: next_message(page, "status")["watchers"] == 1)
        status = next_message(page, "status")
        assert status["dropped_by_all"] - status["dropped"] >= 5


def _resident() -> int:
    with open("/proc/self/statm", encoding="ascii") as status:
        return int(status.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=5,
)
nearly_right = st.fixed_dictionaries(
    {"set": st.sampled_from(["limit", "pause", "LIMIT", ""]) | anything},
    optional={"to": anything, "more": anything},
)
wrong: st.SearchStrategy[str | bytes] = st.one_of(
    anything.map(json.dumps),
    nearly_right.map(json.dumps),
    # Cut off somewhere.
    st.builds(lambda whole, at: json.dumps(whole)[:at], nearly_right, st.integers(0, 25)),
    st.text(max_size=200),
    st.binary(max_size=200),
    st.integers(LARGEST_MESSAGE + 1, 3 * LARGEST_MESSAGE).map(lambda size: " " * size),
)


def is_right(message: str | bytes) -> bool:
    """Whether a message, which was made up at random, is one that does something."""
    try:
        found: Any = json.loads(message) if isinstance(message, str) else None
    except (ValueError, RecursionError):
        return False
    if not isinstance(found, dict) or found.keys() != {"set", "to"}:
        return False
    value = found["to"]
    if found["set"] == "pause":
        return isinstance(value, bool)
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return found["set"] == "limit" and number and 1 <= value <= 100 and value % 1 == 0


class Talker:
    """A page that says one thing after the other, and comes back when it is sent away."""

    def __init__(self, url: str) -> None:
        self.closed = 0
        self._url = url
        self._open: Any = None
        self._page: Any = None

    def say(self, message: str | bytes) -> None:
        if self._page is None:
            self._open = a_page(self._url)
            self._page = self._open.__enter__()
        if len(message) > LARGEST_MESSAGE:
            with pytest.raises(ConnectionClosed, match="1009"):  # too big
                ask(self._page, message)
            self.closed += 1
            self.leave()
        else:
            answer = ask(self._page, message)
            assert "error" in answer, (message, answer)

    def leave(self) -> None:
        if self._open is not None:
            self._open.__exit__(None, None, None)
        self._open = self._page = None


def test_whatever_is_sent_nothing_happens(
    stage: PlainStage, theatre: Theatre, caplog: pytest.LogCaptureFixture
) -> None:
    stage.settings.clear()
    talker = Talker(theatre.url)
    caplog.set_level(logging.WARNING)
    began = time.monotonic()

    @settings(
        max_examples=MESSAGES,
        deadline=None,
        database=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )
    @given(wrong.filter(lambda message: not is_right(message)))
    def all_of_them(message: str | bytes) -> None:
        talker.say(message)

    try:
        all_of_them()
        talker.say("x" * (LARGEST_MESSAGE + 1))
    finally:
        talker.leave()
    seconds = time.monotonic() - began
    assert talker.closed
    assert stage.settings == []
    # Both the experiment and the server under it have a log of their own, of a line a second.
    for name in ("observatory.web", "cascade.web"):
        lines = [record for record in caplog.records if record.name == name]
        assert len(lines) <= seconds + 1
    assert {record.name for record in caplog.records} <= {"observatory.web", "cascade.web"}
    with a_page(theatre.url) as page:
        assert ask(page, {"set": "limit", "to": 9}) == {"effect": "limit is 9"}


@pytest.mark.parametrize(
    "garbage",
    [
        b"\x00" * 100,
        b"GET\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 100_000 + b"\r\n\r\n",
    ],
)
def test_what_is_no_request_is_refused_and_the_rest_goes_on(
    theatre: Theatre, garbage: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(5):
        with socket.create_connection(("127.0.0.1", theatre.server.port), timeout=10) as end:
            end.sendall(garbage)
            assert end.recv(1000).split()[1] in (b"400", b"403")
    assert len([each for each in caplog.records if each.levelno >= logging.WARNING]) <= 2
    with a_page(theatre.url) as page:
        assert next_picture(page)


def test_an_end_comes_though_somebody_does_not_read() -> None:
    began = time.monotonic()
    with a_theatre(PlainStage(300, 300)) as theatre, one_who_does_not_read(theatre.url):
        until(_has_dropped(theatre))
    assert time.monotonic() - began < 10


def _has_dropped(theatre: Theatre) -> Callable[[], bool]:
    broadcast = theatre.broadcast
    assert broadcast is not None
    return lambda: any(each.dropped for each in list(broadcast._watching))
