"""What is set in one run holds for the next, and nothing stays of a loop that has ended."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import subprocess
import sys
import threading
import warnings
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any
from weakref import ref

import pytest
from tests.control.worlds import LIMIT, ME, until

import cascade as cs
from cascade.control import AsyncClient, Client, LocalControl, find
from cascade.control.local import control_from_environment
from cascade.control.messages import request_of


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    directory = tmp_path / "control"
    monkeypatch.setenv("CASCADE_CONTROL_DIR", str(directory))
    return directory


@cs.task
async def call(action: Callable[[], Any]) -> Any:
    return action()


@cs.task
async def sleep(seconds: float) -> str:
    await asyncio.sleep(seconds)
    return "slept"


def asking(control: LocalControl, command: str, **said: Any) -> Callable[[], dict[str, Any]]:
    """What asks the desk, to be done within a run."""
    return lambda: control.desk.answer(request_of({"do": command, **said}), ME)


PAUSE: dict[str, Any] = {"scope": "task:sleep", "type": "pause", "params": {}}


def on_one_loop(*works: Callable[[], Awaitable[Any]]) -> list[Any]:
    async def main() -> list[Any]:
        return [await work() for work in works]

    return asyncio.run(main())


def on_a_loop_each(*works: Callable[[], Awaitable[Any]]) -> list[Any]:
    async def main(work: Callable[[], Awaitable[Any]]) -> Any:
        return await work()

    return [asyncio.run(main(work)) for work in works]


@pytest.mark.parametrize("one_after_the_other", [on_one_loop, on_a_loop_each])
class TestRunsOneAfterTheOther:
    def test_a_rule_holds_for_engines_that_start_later(self, one_after_the_other: Any) -> None:
        control = LocalControl("subject")
        first, second = cs.Engine(connector=control), cs.Engine(connector=control)

        async def is_paused() -> bool:
            try:
                await asyncio.wait_for(second.run(sleep(0)), 0.1)
            except TimeoutError:
                return True
            return False

        outcomes = one_after_the_other(
            lambda: first.run(call(asking(control, "rule", **PAUSE))),
            is_paused,
            lambda: first.run(call(asking(control, "lift"))),
        )
        assert outcomes[1] is True
        assert outcomes[2]["effect"].startswith("lifted pause-task:sleep")

    def test_a_limit_goes_back(self, one_after_the_other: Any) -> None:
        control, manager = LocalControl("subject"), cs.ResourceManager({"slot": 4})
        engine = cs.Engine(connector=control, resource_manager=manager)

        async def capacity_later() -> float | None:
            await asyncio.sleep(0.1)
            await engine.run(sleep(0.05))
            return manager.statistics().resources["slot"].capacity

        limit = asking(control, "limit", resource="slot", amount=1, **{"for": 0.1})
        assert one_after_the_other(lambda: engine.run(call(limit)), capacity_later)[1] == 4

    def test_no_loop_is_kept(self, one_after_the_other: Any) -> None:
        control = LocalControl("subject")
        loops: list[ref[asyncio.AbstractEventLoop]] = []

        async def many() -> None:
            loops.append(ref(asyncio.get_running_loop()))
            engines = [cs.Engine(connector=control) for _ in range(5)]
            assert await asyncio.gather(*[engine.run(sleep(0.01)) for engine in engines])

        one_after_the_other(many, many)
        gc.collect()
        assert [loop() for loop in loops] == [None, None]


def test_nothing_is_left_to_the_cyclic_collector() -> None:
    async def main() -> int:
        control = LocalControl("subject")
        for _ in range(2):
            gc.collect()
            gc.disable()
            for use_vm in (False, True):
                await cs.Engine(connector=control).run(sleep(0), use_vm=use_vm)
        return gc.collect()

    try:
        assert asyncio.run(main()) == 0
    finally:
        gc.enable()


def test_a_loop_that_is_closed_under_its_run_leaves_no_socket(place: Path) -> None:
    control = LocalControl("subject")
    loop = asyncio.new_event_loop()
    manager = cs.ResourceManager()
    engine = cs.Engine(connector=control, resource_manager=manager)
    run = loop.create_task(engine.run(sleep(1000), use_vm=True))
    loop.run_until_complete(asyncio.sleep(0.05))
    assert find() == ["subject"]
    loop.close()
    coroutine = run.get_coro()
    assert coroutine is not None
    coroutine.close()
    assert list(place.glob("*.sock")) == []
    assert manager.oversight is None
    assert asyncio.run(engine.run(sleep(0))) == "slept"


@pytest.mark.parametrize("turns", range(3))
def test_one_who_is_cancelled_while_connecting_leaves_nothing(place: Path, turns: int) -> None:
    async def main() -> str:
        first = LocalControl("first")
        connecting = asyncio.create_task(first.connect())
        for _ in range(turns):
            await asyncio.sleep(0)
        connecting.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await connecting
        await first.disconnect()  # it may have been quicker
        # What comes next gets the same descriptor, and must be heard.
        second = LocalControl("second")
        await second.connect()
        async with AsyncClient("second", patience=5) as client:
            answer = await client.ask("ps")
        await second.disconnect()
        return str(answer["name"])

    assert asyncio.run(main()) == "second"
    assert list(place.glob("*.sock")) == []


def test_loops_may_come_and_go_in_many_threads(place: Path, switching_often: None) -> None:
    control, problems = LocalControl(), []

    def come_and_go() -> None:
        try:
            for _ in range(100):
                cs.run(sleep(0), connector=control)
        except Exception as error:
            problems.append(error)

    threads = [threading.Thread(target=come_and_go) for _ in range(6)]
    with warnings.catch_warnings():
        # They knock at each other's sockets, and a loop that ends just then leaves the end of whom
        # it hasn't let in yet to the collector.
        warnings.simplefilter("ignore", ResourceWarning)
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(LIMIT)
        gc.collect()
    assert problems == []
    assert list(place.glob("*.sock")) == []


FORKING = """
import asyncio, os, time
import cascade as cs
from cascade.control import LocalControl

@cs.task
async def fork():
    child = os.fork()
    if child == 0:
        time.sleep(60)
    print(child, flush=True)
    await asyncio.sleep(60)

asyncio.run(cs.Engine(connector=LocalControl("parent")).run(fork()))
"""


def test_a_child_that_was_forked_does_not_pass_for_its_parent(place: Path) -> None:
    parent = subprocess.Popen([sys.executable, "-c", FORKING], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    try:
        assert find() == ["parent"]
        with Client("parent") as client:
            assert client.ask("ps")["runs"] == 1
        parent.kill()
        parent.wait(LIMIT)
        os.kill(child, 0)
        assert find() == []
    finally:
        parent.kill()
        parent.wait()
        parent.stdout.close()
        os.kill(child, 9)


def test_the_switch_lets_children_of_the_same_name_run(
    monkeypatch: pytest.MonkeyPatch, place: Path
) -> None:
    monkeypatch.setattr("cascade.control.local._shared", [])
    monkeypatch.setenv("CASCADE_CONTROL_NAME", "nightly")
    code = "import cascade as cs, time\n@cs.task\ndef nap(): time.sleep(60)\ncs.run(nap())\n"
    environment = {**os.environ, "CASCADE_CONTROL": "1"}
    child = subprocess.Popen([sys.executable, "-c", code], env=environment)
    try:
        until(lambda: find() == ["nightly"])

        async def main() -> list[str]:
            control = control_from_environment()
            await control.connect()
            try:
                return find()
            finally:
                await control.disconnect()

        assert asyncio.run(main()) == ["nightly", "nightly-2"]
    finally:
        child.kill()
        child.wait()
