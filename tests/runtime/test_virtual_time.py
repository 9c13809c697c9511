"""Virtual time: the clock jumps, the order is fixed, and what can't be simulated is refused."""

from __future__ import annotations

import asyncio
import contextvars
import functools
import gc
import itertools
import math
import os
import random
import signal
import socket
import sys
import threading
import time
import weakref
from collections.abc import Coroutine
from typing import Any, TypeVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.long_form import tries

from cascade.errors import VirtualTimeError
from cascade.runtime.virtual_time import VirtualTimeLoop

T = TypeVar("T")
LONG = 3600.0


def run(main: Coroutine[Any, Any, T], start: float = 0.0, debug: bool | None = None) -> T:
    loop_factory = functools.partial(VirtualTimeLoop, start)
    with asyncio.Runner(loop_factory=loop_factory, debug=debug) as runner:
        return runner.run(main)


def now() -> float:
    return asyncio.get_running_loop().time()


class TestClock:
    def test_jumps_to_exactly_the_time_of_the_next_timer(self) -> None:
        async def main() -> list[float]:
            loop = asyncio.get_running_loop()
            seen: list[float] = []
            done = asyncio.Event()
            for when in (0.1, 0.3, 1 / 3, 1e6 + 1e-9):
                loop.call_at(when, lambda: seen.append(loop.time()))
            loop.call_at(1e7, done.set)
            await done.wait()
            return [*seen, loop.time()]

        assert run(main()) == [0.1, 0.3, 1 / 3, 1e6 + 1e-9, 1e7]

    def test_begins_at_start(self) -> None:
        async def main() -> tuple[float, float]:
            before = now()
            await asyncio.sleep(2.5)
            return before, now()

        assert run(main(), start=1000.0) == (1000.0, 1002.5)

    def test_stands_still_while_callbacks_are_ready(self) -> None:
        async def main() -> float:
            asyncio.get_running_loop().call_later(1e-9, lambda: None)
            for _ in range(100):
                await asyncio.sleep(0)
            return now()

        assert run(main()) == 0.0

    def test_a_day_takes_no_time(self) -> None:
        async def main() -> float:
            for _ in range(24 * 60):
                await asyncio.sleep(60)
            return now()

        began = time.monotonic()
        assert run(main()) == 86400.0
        assert time.monotonic() - began < 20

    def test_a_time_in_the_past_is_due_now_and_moves_nothing_back(self) -> None:
        async def main() -> float:
            loop = asyncio.get_running_loop()
            called = asyncio.Event()
            loop.call_at(-5.0, called.set)
            await called.wait()
            return loop.time()

        assert run(main(), start=7.0) == 7.0

    @pytest.mark.parametrize("start", [math.nan, math.inf])
    def test_refuses_a_start_that_is_no_time(self, start: float) -> None:
        with pytest.raises(ValueError, match=f"start.*{start}"):
            VirtualTimeLoop(start)

    def test_refuses_a_start_that_is_no_number(self) -> None:
        with pytest.raises(TypeError, match=r"start.*'noon'"):
            VirtualTimeLoop("noon")  # type: ignore[arg-type]

    def test_tells_itself_from_a_real_loop(self) -> None:
        with asyncio.Runner(loop_factory=VirtualTimeLoop) as virtual, asyncio.Runner() as real:
            assert getattr(virtual.get_loop(), "virtual", False) is True
            assert getattr(real.get_loop(), "virtual", False) is False

    def test_each_loop_numbers_from_one(self) -> None:
        for _ in range(2):
            loop = VirtualTimeLoop()
            assert [next(loop.run_numbers) for _ in range(3)] == [1, 2, 3]
            loop.close()


class TestTimers:
    def test_equal_times_run_first_in_first_out(self) -> None:
        async def main() -> list[int]:
            loop = asyncio.get_running_loop()
            order: list[int] = []
            for number in range(50):
                loop.call_at(1.0, order.append, number)
            await asyncio.sleep(2)
            return order

        assert run(main()) == list(range(50))

    @settings(deadline=None, max_examples=tries(50, 150))
    @given(
        timers=st.lists(st.sampled_from([0.0, 0.1, 0.2, 0.3, 1.0]) | st.floats(0, 10), max_size=40),
        cancels=st.lists(st.tuples(st.integers(0, 39), st.integers(0, 39)), max_size=40),
    )
    def test_they_run_by_time_then_by_creation_unless_cancelled_before(
        self, timers: list[float], cancels: list[tuple[int, int]]
    ) -> None:
        """`cancels` says which timer, when it runs, cancels which others."""
        in_order = sorted(range(len(timers)), key=lambda number: timers[number])
        expected: list[tuple[int, float]] = []
        cancelled: set[int] = set()
        for number in in_order:
            if number not in cancelled:
                expected.append((number, timers[number]))
                cancelled.update(victim for killer, victim in cancels if killer == number)

        async def main() -> list[tuple[int, float]]:
            loop = asyncio.get_running_loop()
            ran: list[tuple[int, float]] = []

            def go_off(number: int) -> None:
                ran.append((number, loop.time()))
                for killer, victim in cancels:
                    if killer == number and victim < len(handles):
                        handles[victim].cancel()

            handles = [loop.call_at(when, go_off, number) for number, when in enumerate(timers)]
            await asyncio.sleep(20)
            return ran

        assert run(main()) == expected

    def test_random_cancels_in_great_number_disturb_no_order(self) -> None:
        async def main() -> tuple[list[float], list[float]]:
            loop = asyncio.get_running_loop()
            chance = random.Random(7)
            ran: list[float] = []
            kept: list[float] = []
            for _ in range(5000):
                when = chance.uniform(1, 100)
                handle = loop.call_at(when, ran.append, when)
                if chance.random() < 0.9:
                    handle.cancel()
                else:
                    kept.append(when)
            await asyncio.sleep(200)
            return ran, sorted(kept)

        ran, kept = run(main())
        assert ran == kept

    def test_cancelled_ones_do_not_pile_up(self) -> None:
        async def main() -> int:
            loop = asyncio.get_running_loop()
            for _ in range(10_000):
                loop.call_later(LONG, print).cancel()
            await asyncio.sleep(0)
            gc.collect()
            return sum(isinstance(thing, asyncio.TimerHandle) for thing in gc.get_objects())

        assert run(main()) < 1000

    def test_a_cancelled_one_forgets_what_it_was_to_call(self) -> None:
        class Thing:
            pass

        async def main() -> object:
            thing = Thing()
            kept = weakref.ref(thing)
            handle = asyncio.get_running_loop().call_later(LONG, print, thing)
            handle.cancel()
            del thing
            return kept()

        assert run(main()) is None

    def test_handle_knows_its_time_and_state(self) -> None:
        async def main() -> None:
            handle = asyncio.get_running_loop().call_at(5.5, print)
            assert handle.when() == 5.5
            assert not handle.cancelled()
            handle.cancel()
            handle.cancel()
            assert handle.cancelled()

        run(main())

    def test_keep_the_context_of_their_maker(self) -> None:
        variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable")

        async def main() -> list[str]:
            loop = asyncio.get_running_loop()
            seen: list[str] = []

            def look() -> None:
                seen.append(variable.get("unset"))

            variable.set("first")
            loop.call_later(1, look)
            variable.set("second")
            loop.call_later(2, look)
            loop.call_later(3, look, context=contextvars.Context())
            await asyncio.sleep(4)
            return seen

        assert run(main()) == ["first", "second", "unset"]

    def test_one_that_fails_reaches_the_exception_handler_and_stops_nobody(self) -> None:
        async def main() -> tuple[list[object], list[str]]:
            loop = asyncio.get_running_loop()
            errors: list[object] = []
            ran: list[str] = []
            loop.set_exception_handler(lambda _, context: errors.append(context["exception"]))
            loop.call_later(1, int, "no number")
            loop.call_later(1, ran.append, "next")
            await asyncio.sleep(2)
            return errors, ran

        errors, ran = run(main())
        assert [type(error) for error in errors] == [ValueError]
        assert ran == ["next"]

    def test_refuse_what_is_no_time_or_no_function(self) -> None:
        async def main() -> None:
            loop = asyncio.get_running_loop()
            with pytest.raises(ValueError, match=r"when.*nan"):
                loop.call_at(math.nan, print)
            with pytest.raises(TypeError, match=r"when.*'soon'"):
                loop.call_at("soon", print)  # type: ignore[arg-type]
            with pytest.raises(TypeError, match=r"callback.*None"):
                loop.call_later(1, None)  # type: ignore[arg-type]

        run(main())

    def test_a_closed_loop_takes_none(self) -> None:
        loop = VirtualTimeLoop()
        loop.close()
        with pytest.raises(RuntimeError, match="closed"):
            loop.call_later(1, print)

    def test_leave_no_cycles(self) -> None:
        async def main() -> int:
            async def wait_in_every_way() -> None:
                await asyncio.sleep(1)
                ready = asyncio.get_running_loop().create_future()
                asyncio.get_running_loop().call_later(1, ready.set_result, None)
                await ready
                asyncio.get_running_loop().call_later(LONG, print).cancel()

            await wait_in_every_way()
            gc.collect()
            for _ in range(100):
                await wait_in_every_way()
            return gc.collect()

        gc.disable()
        try:
            assert run(main()) == 0
        finally:
            gc.enable()


class TestUnchangedCode:
    def test_timeouts(self) -> None:
        async def main() -> list[float]:
            times = []
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(asyncio.sleep(10), 3)
            times.append(now())
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(4):
                    await asyncio.Event().wait()
            times.append(now())
            assert await asyncio.wait_for(asyncio.sleep(1, "in time"), 3) == "in time"
            times.append(now())
            return times

        assert run(main()) == [3.0, 7.0, 8.0]

    def test_queue_condition_and_group(self) -> None:
        async def main() -> list[tuple[str, float]]:
            queue: asyncio.Queue[str] = asyncio.Queue(maxsize=1)
            condition = asyncio.Condition()
            got: list[tuple[str, float]] = []

            async def produce() -> None:
                for word in ("a", "b", "c"):
                    await asyncio.sleep(1)
                    await queue.put(word)

            async def consume() -> None:
                for _ in range(3):
                    got.append((await queue.get(), now()))
                    await asyncio.sleep(5)
                async with condition:
                    condition.notify_all()

            async def watch() -> None:
                async with condition:
                    await condition.wait()
                got.append(("end", now()))

            async with asyncio.TaskGroup() as group:
                for part in (produce, consume, watch):
                    group.create_task(part())
            return got

        assert run(main()) == [("a", 1.0), ("b", 6.0), ("c", 11.0), ("end", 16.0)]

    def test_works_in_debug_mode(self) -> None:
        async def main() -> float:
            await asyncio.wait_for(asyncio.to_thread(time.sleep, 0), 1)
            await asyncio.sleep(1)
            return now()

        assert run(main(), debug=True) == 1.0

    def test_the_same_program_twice_has_the_same_order(self) -> None:
        async def main() -> list[tuple[int, float]]:
            chance = random.Random(3)
            trace: list[tuple[int, float]] = []
            lock = asyncio.Lock()

            async def agent(number: int) -> None:
                for _ in range(20):
                    await asyncio.sleep(chance.choice([0, 0.1, 0.2, 1]))
                    async with lock:
                        trace.append((number, now()))
                        if chance.random() < 0.3:
                            await asyncio.to_thread(trace.append, (-number, now()))

            await asyncio.gather(*(agent(number) for number in range(1, 20)))
            return trace

        assert run(main()) == run(main())


async def _protocol_user(call: str) -> object:
    loop = asyncio.get_running_loop()
    return await getattr(loop, call)(asyncio.Protocol, "example.org", 80)


class TestRefusals:
    @pytest.mark.parametrize(
        "call",
        [
            "create_connection",
            "create_server",
            "create_datagram_endpoint",
            "create_unix_connection",
            "create_unix_server",
            "connect_accepted_socket",
            "connect_read_pipe",
            "connect_write_pipe",
            "getaddrinfo",
            "getnameinfo",
            "sendfile",
            "sock_accept",
            "sock_connect",
            "sock_recv",
            "sock_recv_into",
            "sock_recvfrom",
            "sock_recvfrom_into",
            "sock_sendall",
            "sock_sendfile",
            "sock_sendto",
            "start_tls",
            "subprocess_exec",
            "subprocess_shell",
            "add_reader",
            "add_writer",
        ],
    )
    def test_what_answers_in_real_time_is_refused_by_name(self, call: str) -> None:
        with pytest.raises(VirtualTimeError, match=rf"{call}\(\).*real event loop"):
            run(_protocol_user(call))

    def test_streams_and_subprocesses_of_asyncio_too(self) -> None:
        async def main() -> None:
            with pytest.raises(VirtualTimeError, match="DirectChannel or LocalBroker"):
                await asyncio.open_connection("127.0.0.1", 9)
            with pytest.raises(VirtualTimeError, match="DirectChannel or LocalBroker"):
                await asyncio.start_server(lambda _reader, _writer: None, "127.0.0.1", 0)
            with pytest.raises(VirtualTimeError, match=r"asyncio.to_thread"):
                await asyncio.create_subprocess_exec(sys.executable, "-V")
            here, there = socket.socketpair()
            with here, there, pytest.raises(VirtualTimeError, match=r"asyncio.to_thread"):
                asyncio.get_running_loop().add_reader(here, print)

        run(main())


class TestSignals:
    def test_control_c_cancels_the_main_task(self) -> None:
        ended: list[str] = []

        async def main() -> None:
            asyncio.get_running_loop().call_at(5, signal.raise_signal, signal.SIGINT)
            try:
                for _ in itertools.count():
                    await asyncio.sleep(1)
            finally:
                ended.append(f"cleaned up at {now():g}")

        with pytest.raises(KeyboardInterrupt):
            run(main())
        assert ended == ["cleaned up at 5"]

    def test_control_c_reaches_a_loop_that_waits_for_a_job(self) -> None:
        released = threading.Event()

        def work() -> bool:
            os.kill(os.getpid(), signal.SIGINT)
            return released.wait(30)

        async def main() -> None:
            try:
                await asyncio.to_thread(work)
            finally:
                released.set()

        with pytest.raises(KeyboardInterrupt):
            run(main())

    def test_handlers_of_the_loop_are_called(self) -> None:
        async def main() -> bool:
            loop = asyncio.get_running_loop()
            called = asyncio.Event()
            loop.add_signal_handler(signal.SIGUSR1, called.set)
            try:
                loop.call_later(1, signal.raise_signal, signal.SIGUSR1)
                return await asyncio.wait_for(called.wait(), LONG)
            finally:
                loop.remove_signal_handler(signal.SIGUSR1)

        assert run(main()) is True
