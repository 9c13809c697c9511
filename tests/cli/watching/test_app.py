"""The screen shows what runs in a program of its own, and its keys change that."""

from __future__ import annotations

import itertools
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.cli.watching.odd import snapshots
from tests.cli.watching.screens import Screen, Sent, on_the_screen
from tests.cli.watching.test_panels import LOOK
from tests.control.worlds import program, until

from cascade.cli.watching import watched
from cascade.cli.watching.listing import Listing
from cascade.cli.watching.source import Programs
from cascade.control import Client, find
from cascade.errors import ControlError


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    directory = tmp_path_factory.mktemp("watched") / "control"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CASCADE_CONTROL_DIR", str(directory))
        yield directory


@pytest.fixture(scope="module")
def one(place: Path) -> Iterator[None]:
    """A program of 12 agents that share 5 slots."""
    with program(place, "one", 12, 5):
        until(lambda: find() == ["one"] and look("one")["runs"] == 12)
        yield


def look(name: str) -> dict[str, Any]:
    with Client(name) as client:
        return client.ask("look")


def steer(name: str, command: str, **said: Any) -> None:
    with Client(name) as client:
        client.ask(command, **said)


def slots(name: str) -> Any:
    return look(name)["resources"][0]["capacity"]


def test_it_shows_what_runs_who_holds_what_and_what_waits(one: None) -> None:
    async def story(screen: Screen) -> None:
        text = await screen.shows("12 runs, tasks:", "5/5", "7 wait", "held by one-", "run-1 one-0")
        assert "cascade watch  one  process " in text
        assert "RUNS 12" in text
        assert "waits for slot, held by" in text
        assert "none hold" in text
        await screen.until(lambda: any(sign in screen.text for sign in "▃▄▅▆▇"), "a course")

    on_the_screen(Programs(), ["one"], story)


def test_it_pauses_and_resumes_everything(one: None) -> None:
    async def story(screen: Screen) -> None:
        await screen.shows("12 runs")
        await screen.press("p")
        await screen.shows("one: 12 tasks match; ", "pause-global", "0 running  12 waiting")
        assert look("one")["rule_list"][0]["id"] == "pause-global"
        await screen.press("r")
        await screen.shows("one: lifted pause-global", "none hold", "5 running  7 waiting")

    on_the_screen(Programs(), ["one"], story)


def test_a_limit_is_typed_and_its_effect_told(one: None) -> None:
    async def story(screen: Screen) -> None:
        await screen.shows("5/5")
        await screen.press("l")
        await screen.shows("Enter sets it", "slot=")
        await screen.type("2")
        await screen.shows("one: slot: 5 → 2;", "2/2")
        assert slots("one") == 2
        await screen.press("l")
        await screen.shows("slot=")
        await screen.type("x")
        await screen.shows("error: AMOUNT must be a number or none, got 'x'")
        await screen.press("l", "9", "escape")
        assert slots("one") == 2
        await screen.press("l")
        await screen.shows("slot=")
        await screen.type("4 for 9s")
        await screen.shows("one: slot: 2 → 4;", "for 9s", "4/4")
        steer("one", "limit", resource="slot", amount=5)

    on_the_screen(Programs(), ["one"], story)


def test_the_chosen_run_is_cancelled_once_that_is_confirmed(one: None) -> None:
    async def story(screen: Screen) -> None:
        await screen.shows("run-3 one-2")
        await screen.press("down", "down")
        await screen.shows("▸ run-3 one-2")
        await screen.press("c")
        await screen.shows("Cancel run-3 of one?")
        await screen.press("n")
        await screen.press("c")
        await screen.shows("Cancel run-3 of one?")
        assert look("one")["runs"] == 12
        await screen.press("y")
        await screen.shows("one: 1 run cancelled: ", "11 runs, tasks:")
        await screen.until(lambda: "run-3 one-2" not in screen.text)
        assert look("one")["runs"] == 11
        await screen.shows("run-3 RunCancelledError: run-3 was")

    on_the_screen(Programs(), ["one"], story)


def test_what_waits_is_explained(one: None) -> None:
    async def story(screen: Screen) -> None:
        await screen.shows("waits for slot")
        screen.app.query_one("#waiting", Listing).focus()
        await screen.press("p")  # so that it goes on waiting
        await screen.shows("0 running")
        await screen.press("e")
        await screen.shows("Esc closes the explanation", " wants slot=1", "it has waited")
        await screen.press("escape")
        await screen.until(lambda: "it has waited" not in screen.text)
        screen.app.query_one("#rules", Listing).focus()
        await screen.press("e")
        await screen.shows("pause-global")
        await screen.press("r")
        await screen.shows("lifted pause-global")

    on_the_screen(Programs(), ["one"], story)


def test_a_program_that_ends_leaves_its_last_picture_and_may_come_back(place: Path) -> None:
    async def story(screen: Screen) -> None:
        with program(place, "brief", 3, 1) as process:
            await screen.shows("3 runs", "held by brief-", "1/1")
            process.kill()
            process.wait()
            text = await screen.shows("THE LAST PICTURE", "brief has ended")
            assert "held by brief-" in text
            await screen.press("p")
            await screen.shows("no program with the name 'brief' can be reached")
        with program(place, "brief", 4, 2):
            await screen.shows("brief runs again, in another process", "4 runs", "2/2")
            assert "LAST PICTURE" not in screen.text

    on_the_screen(Programs("brief"), ["brief"], story)


def test_a_busy_program_holds_nothing_up_and_is_named(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watched, "SLOW", 0.2)

    async def story(screen: Screen) -> None:
        with program(place, "busy", 3, 1) as process:
            await screen.shows("3 runs")
            os.kill(process.pid, signal.SIGSTOP)
            await screen.shows("NO ANSWER FOR ", "BUSY", "3 runs")
            await screen.press("p", "down")
            await screen.shows("busy: asked …", "▸ run-2")
            os.kill(process.pid, signal.SIGCONT)
            await screen.shows("busy: 3 tasks match")
            await screen.until(lambda: "BUSY" not in screen.text)

    on_the_screen(Programs("busy"), ["busy"], story)


def test_of_several_programs_one_is_shown_at_a_time(one: None, place: Path) -> None:
    async def story(screen: Screen) -> None:
        with program(place, "two", 4, 3):
            await screen.shows("[one] two", "5/5")
            await screen.press("n")
            await screen.shows("one [two]", "4 runs", "3/3")
            await screen.press("N")
            await screen.shows("[one] two", "5/5")

    on_the_screen(Programs(), ["one"], story)


@pytest.mark.parametrize("key", ["q", "ctrl+c"])
def test_keys_that_end_it(key: str) -> None:
    async def story(screen: Screen) -> None:
        await screen.press("l", key, *(["escape", "q"] if key == "q" else []))
        await screen.until(lambda: not screen.app.is_running)

    assert on_the_screen(Sent(), ["subject"], story).return_code == 0


def test_a_refusal_is_told_as_it_was_said() -> None:
    async def story(screen: Screen) -> None:
        source.answer = ControlError("it is [red]not[/] \x1b[31mallowed")
        await screen.press("p")
        await screen.shows("subject: refused: it is [red]not[/] ?[31mallowed")
        assert source.asked == [
            ("subject", "rule", {"scope": "global", "type": "pause", "params": {}})
        ]

    source = Sent()
    on_the_screen(source, ["subject"], story)


@pytest.mark.parametrize(
    ("size", "seen"),
    [((80, 24), "run-1 web"), ((200, 60), "run-1 web"), ((20, 6), "cascade"), ((3, 2), "…")],
)
def test_it_fits_windows_of_every_size(size: tuple[int, int], seen: str) -> None:
    async def story(screen: Screen) -> None:
        source.shots.put_nowait(LOOK)
        await screen.shows(seen)
        rows = screen.text.splitlines()
        assert len(rows) == size[1]
        assert {len(row) for row in rows} == {size[0]}
        if size[0] >= 80:
            for part in ("run-1 web", "8/10", "fetch waits for slot", "rate=10/m", "run-2 new"):
                assert part in screen.text
            assert "q quit" in screen.text

    source = Sent()
    on_the_screen(source, ["subject"], story, size)


@settings(
    max_examples=2,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(st.lists(snapshots(), min_size=6, max_size=6))
def test_no_snapshot_breaks_the_screen(shots: list[dict[str, Any]]) -> None:
    async def story(screen: Screen) -> None:
        for key, shot in zip(itertools.cycle(["tab", "down", "e"]), shots, strict=False):
            source.shots.put_nowait(shot)
            await screen.until(source.shots.empty)
            await screen.press(key)
            assert len(screen.text.splitlines()) == 24
        source.shots.put_nowait(LOOK)
        await screen.shows("run-1 web")

    source = Sent()
    source.answer = {"sentences": ["[red]", "a\nb"], "effect": None, "left_out": 3}
    on_the_screen(source, ["subject"], story)
