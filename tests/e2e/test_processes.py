"""Whole runs with process tasks: slots come back, scripts work, and no process is left."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.adapters.executors import process_calls

import cascade as cs
from cascade.errors import WorkerDiedError
from cascade.runtime.events import TaskRetrying
from cascade.testing import EventRecorder, run_virtual

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/stat").exists(), reason="looks at processes by /proc"
)

LIMIT = 10.0
"""Seconds after which a test gives up waiting."""

add = cs.task(mode="process")(process_calls.add)
stuck = cs.task(mode="process", name="stuck")(process_calls.stuck_in_c)
die = cs.task(mode="process")(process_calls.die)
nap = cs.task(mode="process")(process_calls.nap)
tell = cs.task(mode="process")(process_calls.tell)


@cs.task(mode="process")
def countdown(number: int, pids: tuple[int, ...] = ()) -> Any:
    pids = (*pids, os.getpid())
    return cs.TailCall(number - 1, pids) if number else cs.TailCall(pids, to=with_own)


@cs.task
def with_own(pids: tuple[int, ...]) -> tuple[int, set[int]]:
    return os.getpid(), set(pids)


def children() -> set[int]:
    """The processes that this one has started and not yet waited for."""
    found = set()
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parent = (entry / "stat").read_text().rpartition(")")[2].split()[1]
            except OSError:
                continue
            if int(parent) == os.getpid():
                found.add(int(entry.name))
    return found


@pytest.fixture(scope="module")
def executor() -> Iterator[cs.LocalExecutor]:
    """An executor that some tests share: processes start slowly."""
    executor = cs.LocalExecutor(processes=2)
    yield executor
    asyncio.run(executor.aclose())


@pytest.fixture(autouse=True)
def _no_child_is_left(executor: cs.LocalExecutor) -> Iterator[None]:
    before = children()
    yield
    pool = executor._process_pool
    assert children() - before <= set(() if pool is None else pool.pids)


def until(condition: Callable[[], Any]) -> None:
    give_up = time.monotonic() + LIMIT
    while not condition():
        assert time.monotonic() < give_up, "it did not get there"
        time.sleep(0.005)


def is_there(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


class TestRuns:
    @pytest.mark.parametrize("run", [cs.run, run_virtual])
    def test_results_feed_other_tasks(self, run: Callable[[Any], Any]) -> None:
        assert run(add(add(1, 2), b=add(3))) == 7

    def test_a_tail_call_comes_back(self) -> None:
        own, pids = cs.run(countdown(2))
        assert own == os.getpid()
        assert own not in pids

    def test_a_tail_call_comes_back_to_a_machine(self) -> None:
        own, pids = cs.run(countdown(1), use_vm=True)
        assert own not in pids

    def test_a_failure_kills_the_siblings(self, tmp_path: Path) -> None:
        mark = tmp_path / "mark"

        @cs.task
        def fail() -> None:
            until(mark.exists)
            raise LookupError("mine")

        began = time.monotonic()
        with pytest.raises(LookupError, match="mine"):
            cs.run([stuck(mark), fail()])
        assert time.monotonic() - began < LIMIT
        assert not is_there(int(mark.read_text()))

    def test_a_cancelled_run_ends_at_once(self, tmp_path: Path) -> None:
        mark = tmp_path / "mark"

        async def main() -> None:
            run = asyncio.ensure_future(cs.arun([stuck(mark), nap(60)]))
            await asyncio.to_thread(until, mark.exists)
            run.cancel()
            with pytest.raises(asyncio.CancelledError):
                await run

        asyncio.run(asyncio.wait_for(main(), LIMIT))
        assert not is_there(int(mark.read_text()))

    def test_a_dead_process_can_be_tried_again(
        self, tmp_path: Path, executor: cs.LocalExecutor
    ) -> None:
        pytest.importorskip("cloudpickle")
        mark = tmp_path / "mark"

        @cs.task(mode="process")
        def die_once() -> str:
            if not mark.exists():
                mark.write_text("")
                os._exit(7)
            return "alive"

        async def main() -> Any:
            bus = cs.MessageBus()
            recorder = EventRecorder(bus)
            target = die_once().with_retry(max_attempts=2)
            value = await cs.Engine(executor=executor, bus=bus).run(target)
            return value, recorder.of(TaskRetrying)[0].error

        value, error = asyncio.run(main())
        assert value == "alive"
        assert isinstance(error, WorkerDiedError)
        assert error.exit_code == 7

    def test_the_slot_of_one_that_took_too_long_is_free_at_once(
        self, tmp_path: Path, executor: cs.LocalExecutor
    ) -> None:
        mark = tmp_path / "mark"

        async def main() -> None:
            engine = cs.Engine(executor=executor, system_resources={"cpu": 1})
            await engine.run([nap(0.05), nap(0.05)])  # both processes are to be there first
            neighbour = asyncio.ensure_future(engine.run(nap(0.6)))
            began = time.monotonic()
            with pytest.raises(TimeoutError, match=r"'stuck' did not end within 0\.3 s") as raised:
                await engine.run(stuck(mark).with_timeout(0.3).with_constraints(cpu=1))
            assert time.monotonic() - began < 1.3
            assert "stuck" in raised.value.__notes__[-1]
            assert not is_there(int(mark.read_text()))
            ended = time.monotonic()
            assert await engine.run(add(1).with_constraints(cpu=1)) == 2
            assert time.monotonic() - ended < 1
            assert is_there(await neighbour)

        asyncio.run(main())

    def test_a_timeout_of_the_functions_own_stays_its_own(self, executor: cs.LocalExecutor) -> None:
        fail = cs.task(mode="process")(process_calls.fail)
        with pytest.raises(TimeoutError, match="own"):
            cs.run(fail(TimeoutError("own")).with_timeout(LIMIT), executor=executor)

    def test_a_run_without_them_makes_no_process(self) -> None:
        async def main() -> None:
            executor = cs.LocalExecutor()
            await cs.arun(with_own(()), executor=executor)
            assert executor._process_pool is None
            await executor.aclose()

        asyncio.run(main())


# A whole program without a guard around its main part.
SCRIPT = """
import ctypes, os, pathlib, sys
import cascade as cs
print("main", flush=True)
class Point:
    def __init__(self, x):
        self.x = x
class Bad(Exception):
    pass
@cs.task(mode="process")
def double(point):
    if point.x < 0:
        raise Bad(point.x)
    return Point(2 * point.x)
@cs.task(mode="process")
def again(n, step=1):
    return cs.TailCall(n - step, to=again) if n > 0 else "done"
@cs.task(mode="process")
def stuck(mark):
    pathlib.Path(mark + ".new").write_text(str(os.getpid()))
    os.rename(mark + ".new", mark)
    ctypes.PyDLL(None).sleep(60)
if len(sys.argv) > 1:
    cs.run([stuck(mark) for mark in sys.argv[1:]], executor=cs.LocalExecutor(processes=2))
points, word = cs.run(([double(Point(n)) for n in range(3)], again(2)))
print([point.x for point in points], all(type(point) is Point for point in points), word)
try:
    cs.run(double(Point(-1)))
except Bad as error:
    print("Bad", error)
"""


class TestScripts:
    def test_one_without_a_guard_runs_once(self, tmp_path: Path) -> None:
        pytest.importorskip("cloudpickle")
        script = tmp_path / "script.py"
        script.write_text(SCRIPT)
        run = subprocess.run(
            [sys.executable, "-W", "error", str(script)],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert run.stderr == ""
        assert run.stdout == "main\n[0, 2, 4] True done\nBad -1\n"

    @pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
    def test_nothing_survives_its_program(self, tmp_path: Path, number: signal.Signals) -> None:
        pytest.importorskip("cloudpickle")
        script = tmp_path / "script.py"
        script.write_text(SCRIPT)
        marks = [tmp_path / "a", tmp_path / "b"]
        program = subprocess.Popen(
            [sys.executable, str(script), *map(str, marks)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            until(lambda: all(mark.exists() for mark in marks))
            workers = [int(mark.read_text()) for mark in marks]
            assert all(map(is_there, workers))
            program.send_signal(number)
            program.wait(LIMIT)
            until(lambda: not any(map(is_there, workers)))
        finally:
            program.kill()
            program.wait()
