"""`cascade ui` as a user has it: programs that run by themselves, the command, and a browser."""

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
from playwright.sync_api import expect
from prove.pages import one_who_does_not_read, say
from tests.cli.workflows import call
from tests.web.browser import Watched, chromium, needs_chromium, open_page
from tests.web.serving import a_page, get, next_message, until
from websockets.exceptions import InvalidStatus

import cascade.web

ROOT = Path(__file__).parents[2]
PROGRAM = """
import asyncio, sys
import cascade as cs
from cascade.control import LocalControl

@cs.task
async def fetch(page: int) -> int:
    await asyncio.sleep(0.5)
    return page

@cs.task
async def add(left: int, right: int) -> int:
    await asyncio.sleep(0.5)
    return left + right

@cs.task
async def keep() -> None:
    await asyncio.sleep(600)

async def main() -> None:
    engine = cs.Engine(system_resources={"line": 1}, connector=LocalControl("library"), name="main")
    keeper = asyncio.create_task(engine.run(keep()))
    await asyncio.sleep(0.1)
    print("ready", flush=True)
    while await asyncio.to_thread(sys.stdin.readline):
        pages = [fetch(n).with_constraints(line=1).named(("left", "right")[n]) for n in (0, 1)]
        await engine.run(add(*pages).named("sum"))
        print("done", flush=True)

asyncio.run(main())
"""


@contextmanager
def started(place: Path, *command: str) -> Iterator[subprocess.Popen[str]]:
    """Run a command with Python, until the end of the block."""
    process = subprocess.Popen(
        [sys.executable, *command],
        cwd=ROOT,
        env={
            **os.environ,
            "PYTHONPATH": str(ROOT / "src"),
            "CASCADE_CONTROL_DIR": str(place),
        },
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = tmp_path_factory.mktemp("control")
    found.chmod(0o700)
    return found


@pytest.fixture(scope="module")
def library(place: Path) -> Iterator[subprocess.Popen[str]]:
    with started(place, "-c", PROGRAM) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        yield process


@contextmanager
def interface(place: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    with started(place, "-m", "cascade.cli", "ui") as process:
        assert process.stderr is not None
        line = process.stderr.readline()
        found = re.fullmatch(r"open (http://127\.0\.0\.1:\d+/[\w-]{43}/)\n", line)
        assert found, line
        yield process, found[1]


@pytest.fixture(scope="module")
def url(place: Path) -> Iterator[str]:
    with interface(place) as (_, found):
        yield found


@pytest.fixture(scope="module")
def watched(url: str, library: subprocess.Popen[str]) -> Iterator[Watched]:
    with chromium() as browser:
        yield open_page(browser, url)


def run_once(library: subprocess.Popen[str]) -> None:
    """Let the program run its graph."""
    assert library.stdin is not None
    library.stdin.write("go\n")
    library.stdin.flush()


@needs_chromium
class TestThePage:
    def test_lists_programs_and_runs(self, watched: Watched) -> None:
        page = watched.page
        expect(page.locator("#programs li")).to_have_count(1)
        expect(page.locator("#programs")).to_contain_text("library")
        expect(page.locator("#runs")).to_contain_text("keep")
        expect(page.locator("#graph .node")).to_have_attribute("data-state", "running")

    def test_a_run_shows_its_graph_and_then_its_states_and_times(
        self, watched: Watched, library: subprocess.Popen[str]
    ) -> None:
        page = watched.page
        run_once(library)
        node = page.locator("#graph .node")
        expect(node).to_have_count(3)
        expect(page.locator("#graph .node[data-name=right]")).to_have_attribute(
            "data-state", "waiting"
        )
        expect(page.locator("#graph polyline")).to_have_count(2)
        assert library.stdout is not None
        assert library.stdout.readline() == "done\n"
        ended = page.locator("#runs li", has_text="succeeded")
        ended.locator("button").click()
        expect(page.locator("#run-title")).to_contain_text("sum · succeeded")
        for name in ("left", "right", "sum"):
            each = page.locator(f"#graph .node[data-name={name}]")
            expect(each).to_have_attribute("data-state", "succeeded")
            expect(each.locator(".became")).to_have_text(
                re.compile(r"succeeded · (\d+ ms|\d\.\d+ s)")
            )
        told = page.locator("#graph .node[data-name=right] title").text_content()
        assert told is not None
        assert re.search(r"waited from 0\.\d+ s to 0\.\d+ s", told), told
        assert re.search(r"ended at 1\.\d+ s", told), told
        expect(page.locator("#timeline .row")).to_have_count(3)
        expect(page.locator("#timeline .row[data-name=right] .bar.wait")).to_have_count(1)
        expect(page.locator("#timeline .row[data-name=sum] .bar.succeeded")).to_have_count(1)

    def test_a_limit_is_set_and_its_effect_and_its_trail_are_shown(self, watched: Watched) -> None:
        page = watched.page
        page.locator("#do").select_option("limit")
        page.locator("#what").fill("line")
        page.locator("#much").fill("3")
        page.locator("#for").fill("10m")
        page.locator("#send").click()
        expect(page.locator("#effect")).to_have_text("line: 1 → 3; 0 in use, 0 wait; for 10m")
        expect(page.locator("#undo")).to_have_text(
            re.compile(r"undo: cascade limit line=1 --program \S+")
        )
        expect(page.locator("#resources tr[data-name=line]")).to_contain_text("0 of 3")
        expect(page.locator("#trail li").first).to_contain_text("limit line=3 --for 600")
        expect(page.locator("#trail li").first).to_contain_text("(socket, via cascade ui)")

    def test_what_is_refused_says_why(self, watched: Watched) -> None:
        page = watched.page
        page.locator("#what").fill("lime")
        page.locator("#send").click()
        expect(page.locator("#effect")).to_have_class("refused")
        expect(page.locator("#effect")).to_contain_text("did you mean line?")

    def test_a_pause_is_a_rule_that_can_be_lifted(self, watched: Watched) -> None:
        page = watched.page
        page.locator("#do").select_option("pause")
        page.locator("#what").fill("task:fetch*")
        page.locator("#much").fill("")
        page.locator("#send").click()
        expect(page.locator("#rules")).to_contain_text("pause task:fetch*")
        page.locator("#rules button").click()
        expect(page.locator("#effect")).to_contain_text("lifted pause-task:fetch*")
        expect(page.locator("#rules li")).to_have_count(0)

    def test_what_a_page_misses_that_does_not_read_is_told(
        self, watched: Watched, url: str
    ) -> None:
        told = watched.page.locator("#dropped")
        expect(told).to_have_text("")
        with one_who_does_not_read(url) as end:

            def is_told() -> bool:
                say(end, {"choose": {"program": "library", "run": None}})
                return "looks left out" in told.inner_text()

            until(is_told)
            expect(told).to_have_text(
                re.compile(r"looks left out: 0 here, \d+ on all pages \(2 open\)")
            )

    def test_nothing_went_wrong_and_nothing_came_from_elsewhere(self, watched: Watched) -> None:
        assert watched.wrong == []
        assert watched.elsewhere == []


class TestTheCommand:
    def test_it_is_for_whoever_has_the_address(self, url: str) -> None:
        assert get(url)[0] == 200
        assert get(url, "/")[0] == 403
        assert get(url, host="evil.example")[0] == 403
        with a_page(url) as page:
            assert "programs" in next_message(page, "programs")
        with pytest.raises(InvalidStatus, match="403"), a_page(url, "http://evil.example"):
            pass

    @pytest.mark.parametrize(
        ("message", "reason"),
        [
            ("{}", "a message must be"),
            ('{"choose": 3}', "choose must be an object"),
            ('{"choose": {"program": "../x"}}', "name must be"),
            ('{"choose": {"run": ""}}', "run must be a text"),
            ('{"program": "../x", "form": {"do": "pause"}}', "name must be"),
            ('{"program": "gone", "form": {"do": "pause"}}', "no program with the name 'gone'"),
            ('{"program": "gone", "form": {"do": "ps"}}', "do must be one of"),
        ],
    )
    def test_what_is_no_message_is_refused(self, url: str, message: str, reason: str) -> None:
        with a_page(url) as page:
            page.send(message)
            assert reason in next_message(page, "error")["error"]

    @pytest.mark.parametrize(
        ("port", "reason"),
        [
            ("70000", "--port must be from 0 to 65535, got 70000"),
            ("TAKEN", "must be one that is free"),
        ],
    )
    def test_a_port_that_cannot_be_is_named(self, url: str, port: str, reason: str) -> None:
        result = call("ui", "--port", port.replace("TAKEN", url.split(":")[2].split("/")[0]))
        assert result.exit_code == 2
        assert reason in result.output
        assert result.output.count("\n") == 1

    def test_it_ends_in_order_while_a_page_is_open(self, place: Path) -> None:
        with interface(place) as (process, url), a_page(url) as page:
            next_message(page, "programs")
            process.send_signal(signal.SIGINT)
            _, errors = process.communicate(timeout=20)
        assert process.returncode == 130
        assert "Traceback" not in errors

    def test_without_the_extra_it_says_which_one(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(cascade.web, "NEEDED", ("nosuchpackage",))
        monkeypatch.delitem(sys.modules, "cascade.web.ui", raising=False)
        result = call("ui")
        assert result.exit_code == 2
        assert "pip install 'cascade-py[web]'" in result.output
        assert result.output.count("\n") == 1
