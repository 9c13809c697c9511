"""Calls in processes: copied there and back, killed one by one, and nothing is left behind."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import signal
import socket
import sys
import threading
import time
import weakref
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.adapters.executors import process_calls

from cascade.adapters.executors import process_worker, worker_process
from cascade.adapters.executors.local import LocalExecutor
from cascade.errors import MissingExtraError, RemoteError, WorkerDiedError
from cascade.ports import ProcessCall
from cascade.testing import run_virtual

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="needs processes as POSIX has them")

LIMIT = 10.0
"""Seconds after which a test gives up waiting."""


class Office:
    """An executor and a loop that the tests of this module share: processes start slowly."""

    def __init__(self) -> None:
        self.executor = LocalExecutor(processes=2)
        self.runner = asyncio.Runner()

    def run(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        return self.runner.run(coroutine)

    def submit(self, fn: Callable[..., Any], *args: Any, **kwargs: Any) -> asyncio.Future[Any]:
        call = ProcessCall(fn, args, kwargs, fn.__name__)
        return asyncio.ensure_future(self.executor.execute(call, "process"))

    def call(self, fn: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        async def main() -> Any:
            return await self.submit(fn, *args, **kwargs)

        return self.run(main())

    def pids(self) -> list[int]:
        assert self.executor._process_pool is not None
        return self.executor._process_pool.pids


@pytest.fixture(scope="module")
def office() -> Iterator[Office]:
    office = Office()
    yield office
    office.run(office.executor.aclose())
    office.runner.close()


async def until(condition: Callable[[], Any]) -> None:
    give_up = time.monotonic() + LIMIT
    while not condition():
        assert time.monotonic() < give_up, "it did not get there"
        await asyncio.sleep(0.001)


def is_there(pid: int) -> bool:
    """Whether there is a process of this number that isn't a zombie waiting for its parent."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state not in "ZX"


def is_known(pid: int) -> bool:
    """Whether the system still knows a process of this number, be it a zombie."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def number_at(mark: Path) -> int:
    return int(mark.read_text())


class TestCalls:
    def test_returns_what_the_function_returns(self, office: Office) -> None:
        assert office.call(process_calls.add, 1) == 2
        assert office.call(process_calls.add, 1, b=[2][0]) == 3
        assert office.call(process_calls.pid) != os.getpid()

    def test_a_plain_function_is_a_call_without_arguments(self, office: Office) -> None:
        async def main() -> Any:
            return await office.executor.execute(process_calls.own_group, "process")

        assert office.run(main()) is True

    def test_a_process_makes_one_call_after_the_other(self, office: Office) -> None:
        first = office.call(process_calls.count_calls)
        assert office.call(process_calls.count_calls) == first + 1

    def test_as_many_at_a_time_as_there_are_processes(self, office: Office) -> None:
        async def main() -> list[int]:
            began = time.monotonic()
            pids = await asyncio.gather(*[office.submit(process_calls.nap, 0.1) for _ in range(4)])
            assert time.monotonic() - began < LIMIT
            return pids

        assert len(set(office.run(main()))) == 2

    def test_large_values_go_there_and_back(self, office: Office) -> None:
        data = os.urandom(5_000_000)
        assert office.call(reversed_bytes, data) == data[::-1]

    def test_lambdas_and_closures(self, office: Office) -> None:
        pytest.importorskip("cloudpickle")
        offset = 10
        assert office.call(lambda value: value + offset, 1) == 11
        assert office.call(process_calls.add, *office.call(lambda: (1, offset))) == 11
        twice = office.call(lambda: lambda value: 2 * value)
        assert office.call(lambda function: function(4), twice) == 8

    def test_modules_that_can_be_found_here_are_found_there(
        self, office: Office, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "come_lately.py").write_text("def which():\n    return __file__\n")
        monkeypatch.syspath_prepend(tmp_path)
        import come_lately  # type: ignore[import-not-found]

        assert office.call(come_lately.which) == str(tmp_path / "come_lately.py")

    def test_what_is_printed_goes_where_this_process_prints(
        self, office: Office, capfd: pytest.CaptureFixture[str]
    ) -> None:
        async def main() -> None:
            executor = LocalExecutor(processes=1)  # capturing began after the others were started
            await executor.execute(
                ProcessCall(process_calls.say, ("out", "err"), {}, "say"), "process"
            )
            await executor.aclose()

        office.run(main())
        assert capfd.readouterr() == ("out\n", "err\n")

    def test_no_files_of_this_process_are_open_there(self, office: Office, tmp_path: Path) -> None:
        if not Path("/proc/self/fd").exists():
            pytest.skip("needs /proc")
        descriptor = os.open(tmp_path / "secret", os.O_CREAT | os.O_RDWR)
        os.set_inheritable(descriptor, True)
        try:

            async def main() -> list[str]:
                executor = LocalExecutor(processes=2)
                both = [ProcessCall(process_calls.open_files, (), {}, "files") for _ in range(2)]
                found = await asyncio.gather(*[executor.execute(c, "process") for c in both])
                await executor.aclose()
                return [name for names in found for name in names]

            found = office.run(main())
        finally:
            os.close(descriptor)
        assert not [name for name in found if "secret" in name]
        assert len([name for name in found if name.startswith("socket:")]) == 2

    @pytest.mark.parametrize("processes", ["2", 0])
    def test_a_number_of_processes_that_makes_no_sense_is_refused(self, processes: Any) -> None:
        with pytest.raises((TypeError, ValueError), match=rf"processes.*≥ 1.*{processes!r}"):
            LocalExecutor(processes=processes)


def reversed_bytes(data: bytes) -> bytes:
    return data[::-1]


class TestErrors:
    def test_an_exception_comes_as_itself_with_the_traceback_as_a_note(
        self, office: Office
    ) -> None:
        sent = LookupError("no", 7)
        sent.add_note("mine")
        with pytest.raises(LookupError) as raised:
            office.call(process_calls.fail, sent)
        assert raised.value.args == ("no", 7)
        mine, note = raised.value.__notes__
        assert mine == "mine"
        assert note.startswith("in a worker process:\nTraceback")
        assert "process_calls.py" in note
        assert "process_worker.py" not in note

    def test_one_that_cannot_be_sent_is_told_by_type_and_text(self, office: Office) -> None:
        with pytest.raises(RemoteError, match=r"fail_stubbornly.*Stubborn: 1 and 2") as raised:
            office.call(process_calls.fail_stubbornly)
        assert raised.value.text == "1 and 2"
        assert "raise Stubborn(1, 2)" in raised.value.__notes__[0]

    def test_a_timeout_of_the_functions_own_is_none_of_the_executors(self, office: Office) -> None:
        async def main() -> None:
            call = ProcessCall(process_calls.fail, (TimeoutError("own"),), {}, "fail")
            await office.executor.execute(call, "process", timeout=LIMIT)

        with pytest.raises(TimeoutError, match="own"):
            office.run(main())

    def test_stop_iteration_ends_nobody_silently(self, office: Office) -> None:
        with pytest.raises(RuntimeError, match="StopIteration"):
            office.call(process_calls.fail, StopIteration(1))

    def test_an_argument_that_cannot_be_sent_is_named(self, office: Office) -> None:
        with pytest.raises(TypeError, match=r"argument 'b' of task 'add' can't be sent.*lock"):
            office.call(process_calls.add, 1, threading.Lock())
        with pytest.raises(TypeError, match=r"argument 'b' of task 'add' can't be sent.*lock"):
            office.call(process_calls.add, 1, b=threading.Lock())

    def test_arguments_that_cannot_be_read_there(self, office: Office) -> None:
        with pytest.raises(TypeError, match=r"arguments of task 'pid' can't be read.*not a number"):
            office.call(process_calls.pid, process_calls.Unreadable())

    def test_a_result_that_cannot_be_sent_is_named(self, office: Office) -> None:
        with pytest.raises(TypeError, match=r"result of task 'lock' can't be brought back.*lock"):
            office.call(process_calls.lock)
        with pytest.raises(TypeError, match=r"result of task 'Unread.*not a number"):
            office.call(process_calls.Unreadable)

    def test_a_function_that_cannot_be_imported_there(
        self, office: Office, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        module = type(sys)("nowhere_to_be_found")
        exec("def work(): pass", module.__dict__)
        monkeypatch.setitem(sys.modules, module.__name__, module)
        with pytest.raises(ModuleNotFoundError, match="nowhere_to_be_found") as raised:
            office.call(module.work)
        assert "while the function of task 'work' was imported" in raised.value.__notes__[0]

    def test_without_cloudpickle_the_extra_is_named(
        self, office: Office, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setitem(sys.modules, "cloudpickle", None)
        with pytest.raises(MissingExtraError, match=r"function of task '<lambda>'.*\[processes\]"):
            office.call(lambda: None)
        with pytest.raises(MissingExtraError, match=r"argument 'a' of task 'add'.*\[processes\]"):
            office.call(process_calls.add, lambda: None)
        assert office.call(process_calls.add, 1) == 2

    def test_an_interrupt_is_left_to_the_parent(self, office: Office) -> None:
        assert office.call(process_calls.interrupt_oneself) == "unmoved"
        assert office.call(process_calls.own_group) is True


class TestDeath:
    @pytest.mark.parametrize("how", ["exit code 3", "SIGSEGV", "SIGKILL"])
    def test_of_a_process_fails_its_own_call_only(self, office: Office, how: str) -> None:
        async def main() -> Any:
            neighbour = office.submit(process_calls.nap, 0.2)
            return await asyncio.gather(
                neighbour, office.submit(process_calls.die, how), return_exceptions=True
            )

        pid, error = office.run(main())
        assert isinstance(pid, int)
        assert isinstance(error, WorkerDiedError)
        assert f"task 'die' died: {how}" in str(error)
        assert error.exit_code == {"exit code 3": 3, "SIGSEGV": -11, "SIGKILL": -9}[how]
        assert office.call(process_calls.add, 1) == 2

    def test_is_noticed_though_a_child_keeps_the_socket_open(self, office: Office) -> None:
        if not hasattr(os, "pidfd_open"):
            pytest.skip("needs pidfd_open")
        with pytest.raises(WorkerDiedError, match="exit code 4"):
            office.call(process_calls.die_and_leave_a_child)

    def test_while_idle_costs_no_call(self, office: Office) -> None:
        pid = office.call(process_calls.pid)
        for each in office.pids():
            os.kill(each, signal.SIGKILL)
        office.run(until(lambda: not is_there(pid)))
        assert office.call(process_calls.pid) != pid


class TestKilling:
    def test_a_timeout_ends_what_is_stuck_in_c(self, office: Office, tmp_path: Path) -> None:
        mark = tmp_path / "mark"

        async def main() -> Any:
            # First both processes are to be there: starting one may take longer than the time-out.
            await asyncio.gather(*[office.submit(process_calls.nap, 0.05) for _ in range(2)])
            neighbour = office.submit(process_calls.nap, 0.5)
            call = ProcessCall(process_calls.stuck_in_c, (mark,), {}, "stuck")
            began = time.monotonic()
            stuck = asyncio.ensure_future(office.executor.execute(call, "process", timeout=0.3))
            waiting = office.submit(process_calls.pid)
            with pytest.raises(TimeoutError, match=r"within 0\.3 s"):
                await stuck
            assert time.monotonic() - began < 1.3
            assert not is_known(number_at(mark))
            ended = time.monotonic()
            assert await waiting != number_at(mark)
            assert time.monotonic() - ended < 1
            return await neighbour

        assert office.run(main()) in office.pids()

    def test_a_cancelled_call_is_gone_when_its_awaitable_ends(
        self, office: Office, tmp_path: Path
    ) -> None:
        mark = tmp_path / "mark"

        async def main() -> None:
            stuck = office.submit(process_calls.stuck_in_c, mark)
            await until(mark.exists)
            began = time.monotonic()
            stuck.cancel()
            with pytest.raises(asyncio.CancelledError):
                await stuck
            assert time.monotonic() - began < 1
            assert not is_known(number_at(mark))

        office.run(main())

    def test_so_is_what_it_has_started(self, office: Office, tmp_path: Path) -> None:
        mark = tmp_path / "mark"

        async def main() -> None:
            stuck = office.submit(process_calls.stuck_with_a_child, mark)
            await until(mark.exists)
            assert is_there(number_at(mark))
            stuck.cancel()
            await asyncio.wait([stuck])
            await until(lambda: not is_there(number_at(mark)))

        office.run(main())

    def test_one_that_waits_is_withdrawn(self, office: Office, tmp_path: Path) -> None:
        mark = tmp_path / "mark"

        async def main() -> None:
            running = [office.submit(process_calls.nap, 0.2) for _ in range(2)]
            waiting = office.submit(process_calls.tell, mark)
            await asyncio.sleep(0.05)
            assert waiting.cancel()
            await asyncio.gather(*running)
            await office.submit(process_calls.add, 1)

        office.run(main())
        assert not mark.exists()

    def test_cancelling_at_any_moment_hangs_nobody(self, office: Office) -> None:
        async def main() -> None:
            for delay in (0, 0.0002, 0.0005, 0.001):
                calls = [office.submit(process_calls.add, 1) for _ in range(3)]
                await asyncio.sleep(delay)
                for call in calls:
                    call.cancel()
                done, waiting = await asyncio.wait(calls, timeout=LIMIT)
                assert not waiting
                assert all(call.cancelled() or call.result() == 2 for call in done)

        office.run(main())
        assert office.call(process_calls.add, 2) == 3


class TestClosing:
    def test_waits_for_what_runs_and_leaves_no_process(self, office: Office) -> None:
        async def main() -> None:
            executor = LocalExecutor(processes=2)
            call = ProcessCall(process_calls.nap, (0.1,), {}, "nap")
            running = asyncio.ensure_future(executor.execute(call, "process"))
            idle = asyncio.ensure_future(executor.execute(process_calls.pid, "process"))
            await idle
            await executor.aclose()
            assert running.done()
            assert not is_known(await running)
            assert not is_known(await idle)

        office.run(main())

    def test_that_is_cancelled_kills_what_runs(self, office: Office, tmp_path: Path) -> None:
        mark = tmp_path / "mark"

        async def main() -> None:
            executor = LocalExecutor(processes=1)
            call = ProcessCall(process_calls.stuck_in_c, (mark,), {}, "stuck")
            stuck = asyncio.ensure_future(executor.execute(call, "process"))
            queued = asyncio.ensure_future(executor.execute(process_calls.pid, "process"))
            await until(mark.exists)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(0.05):
                    await executor.aclose()
            assert not is_known(number_at(mark))
            with pytest.raises(WorkerDiedError, match="SIGKILL"):
                await stuck
            with pytest.raises(RuntimeError, match="closed"):
                await queued

        office.run(main())


class TestWithoutOne:
    """What nobody has closed ends when nobody can use it any more."""

    def test_with_its_executor(self, office: Office) -> None:
        async def main() -> int:
            executor = LocalExecutor(processes=1)
            return int(await executor.execute(process_calls.pid, "process"))

        pid = office.run(main())
        give_up = time.monotonic() + LIMIT
        while is_known(pid):
            gc.collect()
            assert time.monotonic() < give_up, "it lives on"
            time.sleep(0.01)

    def test_with_a_loop_that_is_closed_under_calls(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(worker_process, "GLANCE", 0.02)
        marks = [tmp_path / name for name in ("one", "two")]
        loop = asyncio.new_event_loop()

        async def main() -> tuple[int, list[weakref.ref[Any]]]:
            executor = LocalExecutor(processes=3)
            idle = await executor.execute(process_calls.pid, "process")
            jobs = []
            for mark in marks:
                call = ProcessCall(process_calls.stuck_in_c, (mark,), {}, "stuck")
                jobs.append(executor.execute(call, "process"))
            await until(lambda: all(mark.exists() for mark in marks))
            return idle, [weakref.ref(job) for job in jobs]

        idle, jobs = loop.run_until_complete(main())
        loop.close()
        give_up = time.monotonic() + LIMIT
        pids = [idle, *map(number_at, marks)]
        while any(map(is_known, pids)) or any(job() is not None for job in jobs):
            gc.collect()
            assert time.monotonic() < give_up, "they live on"
            time.sleep(0.01)


class TestLoops:
    def test_on_virtual_time_the_clock_stands_still_meanwhile(self) -> None:
        async def main() -> tuple[list[str], float]:
            executor = LocalExecutor(processes=2)
            order: list[str] = []
            loop = asyncio.get_running_loop()
            loop.call_later(0.001, order.append, "timer")
            call = ProcessCall(process_calls.nap, (0.05,), {}, "nap")
            naps = [executor.execute(call, "process", timeout=0.001) for _ in range(3)]
            await asyncio.gather(*naps)
            order.append("naps")
            withdrawn = asyncio.ensure_future(executor.execute(call, "process"))
            await asyncio.sleep(0)
            withdrawn.cancel()
            await asyncio.wait([withdrawn])
            await asyncio.sleep(1)
            await executor.aclose()
            return order, loop.time()

        assert run_virtual(main()) == (["naps", "timer"], 1.0)

    def test_on_uvloop(self, office: Office) -> None:
        uvloop: Any = pytest.importorskip("uvloop")

        async def main() -> None:
            assert await office.submit(process_calls.add, 1) == 2
            stuck = office.submit(process_calls.nap, 60)
            await asyncio.sleep(0.02)
            stuck.cancel()
            with pytest.raises(asyncio.CancelledError):
                await stuck

        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(main())


class TestMessages:
    def test_come_as_they_were_sent(self) -> None:
        ours, theirs = socket.socketpair()
        with ours, theirs:
            frames = [b"", b"x", bytes(200_000), b""]
            sender = threading.Thread(target=process_worker.send, args=(ours.fileno(), frames))
            sender.start()
            assert process_worker.receive(theirs.fileno()) == frames
            sender.join()
            ours.close()
            with pytest.raises(EOFError):
                process_worker.receive(theirs.fileno())


def test_a_call_that_closes_what_it_prints_to_does_no_harm_to_the_next() -> None:
    office = Office()
    for _ in range(3):  # more than there are processes
        assert office.call(process_calls.close_the_output) == "closed"
    office.run(office.executor.aclose())
    office.runner.close()


@pytest.mark.parametrize("what", ["os.pipe", "socket.socketpair", "subprocess.Popen"])
def test_one_that_cannot_be_started_leaves_no_file_open(
    monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    def fail(*args: Any, **kwargs: Any) -> Any:
        raise OSError(24, "Too many open files")

    def next_descriptors() -> list[int]:
        found = [os.dup(0) for _ in range(3)]
        for descriptor in found:
            os.close(descriptor)
        return found

    before = next_descriptors()
    monkeypatch.setattr(what, fail)
    with pytest.raises(OSError, match="Too many open files"):
        worker_process.WorkerProcess()
    monkeypatch.undo()
    assert next_descriptors() == before
