"""`fireflies --web` as a user has it: the program by itself, and a real browser."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect
from prove.pages import one_who_does_not_read
from tests.web.browser import Watched, chromium, needs_chromium, open_page
from tests.web.serving import (
    PlainStage,
    a_page,
    a_theatre,
    ask,
    get,
    next_message,
    next_picture,
    until,
)

COMMAND = [sys.executable, "-m", "observatory.experiments.run_fireflies"]
ROOT = Path(__file__).parents[2]


@contextmanager
def fireflies(*options: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Run the command, and give its process and the address that it has printed."""
    process = subprocess.Popen(
        [*COMMAND, *options],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stderr is not None
        line = process.stderr.readline()
        found = re.fullmatch(r"open (http://127\.0\.0\.1:\d+/[\w-]{43}/)\n", line)
        assert found, line
        yield process, found[1]
    finally:
        process.kill()
        process.communicate()


@pytest.fixture(scope="module")
def world() -> Iterator[str]:
    options = ("--agents", "400", "--limit", "60", "--period", "1", "--nudge", "0.1", "--seed", "0")
    with fireflies(*options, "--no-visualize", "--web") as (_, url):
        yield url


@pytest.fixture(scope="module")
def watched(world: str) -> Iterator[Watched]:
    with chromium() as browser:
        yield _opened(browser, world)


def _opened(browser: Browser, url: str) -> Watched:
    watched = open_page(browser, url)
    expect(watched.page.locator("#connection")).to_have_text("watching")
    return watched


def pixels(watched: Watched) -> str:
    """Return the picture as it is drawn."""
    found: str = watched.page.evaluate("document.getElementById('picture').toDataURL()")
    return found


@needs_chromium
class TestThePage:
    def test_the_picture_moves(self, watched: Watched) -> None:
        page = watched.page
        expect(page.locator("#title")).to_have_text("20×20 fireflies")
        first = pixels(watched)
        until(lambda: pixels(watched) != first)
        size = page.evaluate("[picture.width, picture.height]")
        assert size == [20, 20]

    def test_it_tells_how_it_goes(self, watched: Watched) -> None:
        expect(watched.page.locator("#course-value")).to_have_text(re.compile(r"^[01]\.\d{3}$"))
        assert watched.value("agents") == "400"
        assert re.fullmatch(r"\d+ of 60", watched.value("slots"))
        assert watched.value("lateness p99").endswith(" ms")
        assert int(watched.value("frames skipped")) >= 0

    def test_a_lower_limit_is_used_at_once(self, watched: Watched) -> None:
        page = watched.page
        page.locator("#set-limit").fill("7")
        page.locator("label", has=page.locator("#set-limit")).locator("button").click()
        expect(page.locator("#effect")).to_contain_text("slots: 60 → 7")
        expect(page.locator('[data-name="slots"]')).to_have_text("7 of 7")
        page.locator("#set-limit").fill("60")
        page.locator("#set-limit").press("Enter")
        expect(page.locator("#effect")).to_contain_text("slots: 7 → 60")
        expect(page.locator('[data-name="slots"]')).not_to_have_text("7 of 7")

    def test_what_cannot_be_is_refused_in_words(self, watched: Watched) -> None:
        page = watched.page
        page.locator("#set-limit").fill("0")
        page.locator("#set-limit").press("Enter")
        expect(page.locator("#effect")).to_have_class("refused")
        expect(page.locator("#effect")).to_have_text(
            "limit must be a whole number from 1 to 400, got 0"
        )

    def test_a_pause_holds_the_picture_and_ends(self, watched: Watched) -> None:
        page = watched.page
        page.locator("#set-pause").check()
        expect(page.locator("#effect")).to_contain_text("paused")
        # What has begun ends within a period, and what was lit fades.
        expect(page.locator('[data-name="alight"]')).to_have_text("0%")
        expect(page.locator('[data-name="slots"]')).to_have_text("0 of 60")
        page.locator("#set-pause").uncheck()
        expect(page.locator("#effect")).to_have_text("goes on")
        expect(page.locator('[data-name="alight"]')).not_to_have_text("0%")

    def test_the_nudge_can_be_changed(self, watched: Watched) -> None:
        page = watched.page
        page.locator("#set-nudge").fill("0.25")
        page.locator("#set-nudge").press("Enter")
        expect(page.locator("#effect")).to_contain_text("nudge: 0.1 → 0.25 s")

    def test_it_tells_what_other_pages_skip(self, watched: Watched) -> None:
        with a_theatre(PlainStage(300, 300)) as theatre, one_who_does_not_read(theatre.url):
            other = _opened(watched.page.context.browser, theatre.url)  # type: ignore[arg-type]
            expect(other.page.locator('[data-name="pages"]')).to_have_text("2")
            until(lambda: int(other.value("frames skipped by all")) >= 5)
            other.page.close()

    def test_nothing_went_wrong_and_nothing_came_from_elsewhere(self, watched: Watched) -> None:
        assert watched.wrong == []
        assert watched.elsewhere == []

    def test_a_foreign_page_cannot_reach_it(self, watched: Watched, world: str) -> None:
        # A page of another origin, which somehow knows the address with its token.
        page = watched.page.context.browser.new_page()  # type: ignore[union-attr]
        page.goto("data:text/html,foreign")
        outcome = page.evaluate(
            """address => new Promise((told) => {
                const socket = new WebSocket(address);
                socket.onopen = () => told("open");
                socket.onerror = () => told("refused");
            })""",
            world.replace("http:", "ws:") + "socket",
        )
        assert outcome == "refused"
        page.close()


class TestTheCommand:
    def test_it_serves_a_page_to_whoever_has_the_address(self, world: str) -> None:
        assert get(world)[0] == 200
        assert get(world.rsplit("/", 2)[0] + "/")[0] == 403

    def test_a_page_steers_what_runs(self, world: str) -> None:
        with a_page(world) as page:
            assert next_message(page, "hello")["hello"]["width"] == 20
            assert len(next_picture(page)[1]) == 400
            assert "→ 50" in ask(page, {"set": "limit", "to": 50})["effect"]
            assert "→ 60" in ask(page, {"set": "limit", "to": 60})["effect"]

    def test_it_ends_in_order_while_somebody_watches(self) -> None:
        with fireflies("--agents", "9", "--web", "0", "--no-visualize") as (process, url):
            with a_page(url) as page:
                next_picture(page)
                process.send_signal(signal.SIGTERM)
                output, errors = process.communicate(timeout=20)
            assert process.returncode == 128 + signal.SIGTERM
            assert "agents  9 on a torus of 3×3" in output
            assert "Traceback" not in errors
