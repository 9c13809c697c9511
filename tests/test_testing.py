"""The tools for tests: `run_virtual`, `virtual_loop` and `EventRecorder`."""

from __future__ import annotations

import asyncio
import gc
import logging
import math

import pytest

from cascade import testing
from cascade.errors import VirtualDeadlockError
from cascade.runtime.bus import MessageBus
from cascade.runtime.events import RunEvent, RunFinished, RunStarted, TaskStarted
from cascade.spec.task import task


class TestRunVirtual:
    def test_returns_the_result_without_waiting(self) -> None:
        async def main() -> tuple[float, float]:
            before = asyncio.get_running_loop().time()
            await asyncio.sleep(3600)
            return before, asyncio.get_running_loop().time()

        assert testing.run_virtual(main()) == (0.0, 3600.0)
        assert testing.run_virtual(main(), start=50.0) == (50.0, 3650.0)

    def test_runs_lazy_results(self) -> None:
        @task
        async def wait_and_add(left: int, right: int) -> int:
            await asyncio.sleep(60)
            return left + right

        total = wait_and_add(wait_and_add(1, 2), 3)
        assert testing.run_virtual(total) == 6
        assert testing.run_virtual([total, wait_and_add(4, 5)]) == [6, 9]
        assert testing.run_virtual({"total": total}) == {"total": 6}

    def test_raises_what_the_coroutine_raises(self) -> None:
        async def main() -> None:
            raise OSError("broken")

        with pytest.raises(OSError, match="broken"):
            testing.run_virtual(main())

    def test_a_deadlock_cleans_up_before_it_is_raised(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        cleaned: list[str] = []

        async def wait(name: str) -> None:
            try:
                await asyncio.Event().wait()
            finally:
                await asyncio.sleep(1)
                cleaned.append(name)

        async def main() -> None:
            helper = asyncio.create_task(wait("helper"))
            await wait("main")
            await helper

        with (
            caplog.at_level(logging.DEBUG),
            pytest.raises(VirtualDeadlockError, match=r"TestRunVirtual.*wait"),
        ):
            testing.run_virtual(main())
        gc.collect()
        assert sorted(cleaned) == ["helper", "main"]
        assert [record for record in caplog.records if record.levelno > logging.INFO] == []

    def test_forgotten_tasks_are_cancelled(self) -> None:
        ended: list[str] = []

        async def forgotten() -> None:
            try:
                await asyncio.sleep(1e9)
            finally:
                ended.append("forgotten")

        async def main() -> asyncio.Task[None]:
            task = asyncio.create_task(forgotten())
            await asyncio.sleep(1)
            return task

        assert testing.run_virtual(main()).cancelled()
        assert ended == ["forgotten"]

    def test_where_a_loop_runs_it_says_what_to_do(self) -> None:
        async def inner() -> None:
            await asyncio.sleep(1)

        async def main() -> None:
            with pytest.raises(RuntimeError, match="await the coroutine"):
                testing.run_virtual(inner())

        asyncio.run(main())
        gc.collect()  # a coroutine that was never awaited would warn here

    def test_refuses_anything_else(self) -> None:
        async def main() -> None:
            await asyncio.sleep(1)

        with pytest.raises(TypeError, match=r"target.*42"):
            testing.run_virtual(42)
        with pytest.raises(TypeError, match="call it"):
            testing.run_virtual(main)

    def test_refuses_a_start_that_is_no_time(self) -> None:
        async def main() -> None:
            await asyncio.sleep(1)

        with pytest.raises(ValueError, match=r"start.*inf"):
            testing.run_virtual(main(), start=math.inf)
        gc.collect()


def test_virtual_loop_gives_a_new_loop_each_time() -> None:
    first, second = testing.virtual_loop(), testing.virtual_loop(start=9.0)
    assert first is not second
    assert (first.time(), second.time()) == (0.0, 9.0)
    assert first.virtual
    first.close()
    second.close()


class TestEventRecorder:
    def test_keeps_events_in_order_and_finds_them_by_class(self) -> None:
        bus = MessageBus()
        recorder = testing.EventRecorder(bus)
        started = RunStarted("run-1", 0.0)
        task_started = TaskStarted("run-1", 1.0, "1", "greet")
        finished = RunFinished("run-1", 2.0, "succeeded", 2.0)
        for event in (started, task_started, finished):
            bus.publish(event)
        assert recorder.events == [started, task_started, finished]
        assert recorder.names() == ["RunStarted", "TaskStarted", "RunFinished"]
        assert recorder.of(TaskStarted) == [task_started]
        assert recorder.of(RunEvent) == [started, finished]

    def test_hears_nothing_from_before_or_after(self) -> None:
        bus = MessageBus()
        bus.publish(RunStarted("before", 0.0))
        recorder = testing.EventRecorder(bus)
        bus.publish(RunStarted("heard", 0.0))
        recorder.close()
        recorder.close()
        assert not bus.hot
        bus.publish(RunStarted("after", 0.0))
        assert [event.run_id for event in recorder.events] == ["heard"]

    def test_refuses_what_is_no_bus(self) -> None:
        with pytest.raises(TypeError, match=r"bus.*None"):
            testing.EventRecorder(None)  # type: ignore[arg-type]
