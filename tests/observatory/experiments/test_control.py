"""Fireflies can be seen and steered from another program, one agent at a time or all of them."""

from __future__ import annotations

import asyncio
import signal
import sys
from pathlib import Path
from typing import Any

import pytest

from cascade.control import Client, LocalControl
from cascade.control.server import bind
from observatory.experiments import run_fireflies
from observatory.experiments.config import FirefliesConfig
from observatory.experiments.fireflies import Fireflies

LIMIT = 30.0
"""Seconds after which a test gives up."""


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CASCADE_CONTROL_DIR", str(tmp_path / "control"))


def asked(command: str, **said: Any) -> dict[str, Any]:
    with Client("flies") as client:
        return client.ask(command, **said)


async def until(condition: Any) -> None:
    async with asyncio.timeout(LIMIT):
        while not condition():  # noqa: ASYNC110 - what changes is in another part of the program
            await asyncio.sleep(0.02)


def test_agents_are_seen_paused_limited_and_cancelled_one_by_one() -> None:
    async def main() -> None:
        config = FirefliesConfig(num_agents=25, period=0.2, nudge=0.01, limit=20, duration=1000)
        flies = Fireflies(config, control=LocalControl("flies"))
        experiment = asyncio.create_task(flies.run())
        await until(lambda: flies.recorder is not None and flies.recorder.count > 25)
        recorder = flies.recorder
        assert recorder is not None
        seen = await asyncio.to_thread(asked, "ps")
        assert (seen["runs"], seen["engines"]) == (25, 25)

        answer = await asyncio.to_thread(asked, "limit", resource="cpu_slot", amount=25)
        assert answer["effect"].startswith("cpu_slot: 20 → 25; ")
        await until(lambda: flies.moment(asyncio.get_running_loop().time()).active == 25)

        pause = {"scope": "engine:agent-3", "type": "pause", "params": {}}
        answer = await asyncio.to_thread(asked, "rule", **pause)
        assert answer["effect"].startswith("1 task matches; ")
        await asyncio.sleep(0.5)
        still, others = recorder.steps[3], sum(recorder.steps)
        await asyncio.sleep(0.5)
        assert recorder.steps[3] == still
        assert sum(recorder.steps) > others
        await asyncio.to_thread(asked, "lift", type="pause")
        await until(lambda: recorder.steps[3] > still)

        await asyncio.to_thread(asked, "cancel", run="agent-4")
        await until(lambda: asked_runs(flies) == 24)
        gone = recorder.steps[4]
        others = sum(recorder.steps)
        await asyncio.sleep(0.5)
        assert recorder.steps[4] == gone
        assert sum(recorder.steps) > others
        assert not experiment.done()
        experiment.cancel()
        await asyncio.wait([experiment])

    asyncio.run(main())


def asked_runs(flies: Fireflies) -> int:
    return len(flies.manager.running())


def test_a_name_that_is_taken_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    directory = tmp_path / "control"
    directory.mkdir(mode=0o700)
    arguments = ["--agents", "4", "--duration", "1", "--control-name", "flies", "--no-visualize"]
    monkeypatch.setattr(sys, "argv", ["fireflies", *arguments])
    interrupt = signal.getsignal(signal.SIGINT)
    with bind(directory / "flies.sock"), pytest.raises(SystemExit) as ended:
        run_fireflies.main()
    signal.signal(signal.SIGINT, interrupt)
    said = "fireflies: a program with the name flies runs already: choose another\n"
    assert (ended.value.code, capsys.readouterr().err) == (1, said)
