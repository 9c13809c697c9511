"""DirectChannel: order, overflow, deadlines, and cancellation that loses nothing."""

from __future__ import annotations

import asyncio
import gc
import math
import random
import sys
from collections.abc import Callable, Coroutine
from contextvars import Context
from typing import Any, TypeVarTuple

import pytest

from cascade.errors import ChannelFullError
from cascade.testing import run_virtual
from observatory.networking.direct_channel import DirectChannel

Ts = TypeVarTuple("Ts")


def started(coroutine: Coroutine[Any, Any, Any]) -> bool:
    """Take a coroutine's first step; whether it suspended there."""
    try:
        coroutine.send(None)
    except StopIteration:
        return False
    coroutine.close()
    return True


async def turns(count: int = 3) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


def test_messages_arrive_in_order_as_the_same_objects() -> None:
    async def scenario() -> None:
        channel = DirectChannel("a")
        messages = [object() for _ in range(10)]
        for message in messages[:5]:
            await channel.send(message)
        for message in messages[5:]:
            channel.send_nowait(message)
        assert channel.qsize() == 10
        received = [await channel.recv() for _ in messages]
        assert all(a is b for a, b in zip(received, messages, strict=True))
        assert channel.qsize() == 0

    asyncio.run(scenario())


def test_falsy_messages_are_messages() -> None:
    async def scenario() -> list[Any]:
        channel = DirectChannel("a")
        waiting = asyncio.create_task(channel.recv(timeout=1))
        await turns()
        for message in (None, 0, False):
            channel.send_nowait(message)
        return [await waiting, await channel.recv(), await channel.recv(timeout=0)]

    assert run_virtual(scenario()) == [None, 0, False]


def test_a_waiting_receiver_gets_the_message_and_later_ones_dont_overtake_it() -> None:
    async def scenario() -> list[Any]:
        channel = DirectChannel("a")
        waiting = asyncio.create_task(channel.recv())
        await turns()
        for number in range(3):
            channel.send_nowait(number)
        return [await waiting, *channel.drain()]

    assert asyncio.run(scenario()) == [0, 1, 2]


@pytest.mark.parametrize(
    ("overflow", "kept", "dropped"), [("drop_oldest", [2, 3, 4], 2), ("drop_newest", [0, 1, 2], 2)]
)
def test_dropping(overflow: Any, kept: list[int], dropped: int) -> None:
    channel = DirectChannel("a", capacity=3, overflow=overflow)
    for number in range(5):
        assert not started(channel.send(number))
    assert channel.qsize() == 3
    assert channel.drain() == kept
    assert channel.dropped == dropped
    assert channel.drain() == []


def test_drop_oldest_is_the_default_with_room_for_a_hundred() -> None:
    channel = DirectChannel(owner_id=7)
    for number in range(101):
        channel.send_nowait(number)
    assert channel.drain() == list(range(1, 101))
    assert repr(channel) == "<DirectChannel of 7: 0 of 100>"


def test_error_raises_and_keeps_the_inbox() -> None:
    channel = DirectChannel("owner", capacity=1, overflow="error")
    assert not started(channel.send(1))
    with pytest.raises(ChannelFullError, match="'owner' is full: 1"):
        channel.send(2).send(None)
    with pytest.raises(ChannelFullError, match="'owner' is full: 1"):
        channel.send_nowait(2)
    assert channel.drain() == [1]
    assert channel.dropped == 0


def test_waiting_senders_are_let_in_first_come_first_served() -> None:
    async def scenario() -> None:
        channel = DirectChannel("a", capacity=2, overflow="wait")
        finished: list[int] = []

        async def send(number: int) -> None:
            await channel.send(number)
            finished.append(number)

        tasks = [asyncio.create_task(send(number)) for number in range(6)]
        await turns()
        assert finished == [0, 1]
        with pytest.raises(ChannelFullError):
            channel.send_nowait("too much")
        assert await channel.recv() == 0
        # The one that waits is inside at once: a newcomer finds the inbox full again.
        assert channel.qsize() == 2
        assert started(channel.send("newcomer"))
        await turns()
        assert finished == [0, 1, 2]
        assert channel.drain() == [1, 2]
        assert channel.drain() == [3, 4]
        assert [await channel.recv()] == [5]
        await asyncio.gather(*tasks)
        assert finished == list(range(6))
        assert channel.dropped == 0

    asyncio.run(scenario())


def test_a_cancelled_sender_takes_its_message_with_it() -> None:
    async def scenario() -> None:
        channel = DirectChannel("a", capacity=1, overflow="wait")
        await channel.send(0)
        tasks = [asyncio.create_task(channel.send(number)) for number in (1, 2, 3)]
        await turns()
        tasks[0].cancel()
        await turns()
        assert await channel.recv() == 0
        assert await channel.recv() == 2
        assert await channel.recv() == 3
        assert channel.qsize() == 0
        await asyncio.wait(tasks)
        assert [task.cancelled() for task in tasks] == [True, False, False]

    asyncio.run(scenario())


def test_the_cancel_of_a_sender_that_meets_a_free_place_wakes_the_next_one() -> None:
    async def scenario() -> None:
        channel = DirectChannel("a", capacity=1, overflow="wait")
        await channel.send(0)
        first = asyncio.create_task(channel.send(1))
        second = asyncio.create_task(channel.send(2))
        await turns()
        first.cancel()
        assert await channel.recv() == 0
        assert await channel.recv() == 2
        await second

    asyncio.run(scenario())


def test_a_sender_cancelled_once_it_is_let_in_has_sent() -> None:
    async def scenario() -> None:
        channel = DirectChannel("a", capacity=1, overflow="wait")
        await channel.send(0)
        sender = asyncio.create_task(channel.send(1))
        await turns()
        assert await channel.recv() == 0
        sender.cancel()
        await asyncio.wait([sender])
        assert sender.cancelled()
        assert channel.drain() == [1]

    asyncio.run(scenario())


def test_several_receivers_are_served_first_come_first_served() -> None:
    async def scenario() -> list[int]:
        channel = DirectChannel("a")
        tasks = [asyncio.create_task(channel.recv()) for _ in range(4)]
        await turns()
        tasks[1].cancel()
        for number in range(4):
            channel.send_nowait(number)
        received = [await tasks[index] for index in (0, 2, 3)]
        return [*received, await channel.recv()]

    assert asyncio.run(scenario()) == [0, 1, 2, 3]


def test_a_message_handed_to_a_cancelled_receiver_goes_back_to_the_front() -> None:
    async def scenario() -> None:
        channel = DirectChannel("a", capacity=2)
        receiver = asyncio.create_task(channel.recv(timeout=1))
        await turns()
        for number in (1, 2, 3):
            channel.send_nowait(number)
        receiver.cancel()
        await asyncio.wait([receiver])
        assert receiver.cancelled()
        assert channel.drain() == [1, 2, 3]
        assert channel.dropped == 0

    run_virtual(scenario())


def test_a_message_handed_to_a_cancelled_receiver_goes_to_the_next_one() -> None:
    async def scenario() -> None:
        channel = DirectChannel("a")
        first = asyncio.create_task(channel.recv())
        second = asyncio.create_task(channel.recv())
        await turns()
        channel.send_nowait("message")
        first.cancel()
        assert await second == "message"
        assert first.cancelled()

    asyncio.run(scenario())


def test_after_a_put_back_the_inbox_returns_to_its_capacity() -> None:
    async def scenario() -> None:
        channel = DirectChannel("a", capacity=1)
        receiver = asyncio.create_task(channel.recv())
        await turns()
        channel.send_nowait(1)
        channel.send_nowait(2)
        receiver.cancel()
        await asyncio.wait([receiver])
        assert channel.qsize() == 2
        channel.send_nowait(3)
        assert channel.drain() == [3]
        assert channel.dropped == 2

    asyncio.run(scenario())


@pytest.mark.parametrize("timeout", [0, -1, -math.inf])
def test_without_time_a_message_is_taken_or_not_without_suspending(timeout: float) -> None:
    async def scenario() -> None:
        channel = DirectChannel("a")
        channel.send_nowait("ready")
        assert not started(channel.recv(timeout))
        with pytest.raises(TimeoutError, match="'a'"):
            channel.recv(timeout).send(None)
        channel.send_nowait("ready")
        assert not started(channel.recv_until(asyncio.get_running_loop().time() + timeout))
        with pytest.raises(TimeoutError, match="'a'"):
            channel.recv_until(asyncio.get_running_loop().time() + timeout).send(None)

    asyncio.run(scenario())


def test_a_timeout_ends_exactly_when_it_is_due() -> None:
    async def scenario() -> None:
        loop = asyncio.get_running_loop()
        channel = DirectChannel("a")
        with pytest.raises(TimeoutError):
            await channel.recv(timeout=2.5)
        assert loop.time() == 2.5
        with pytest.raises(TimeoutError):
            await channel.recv_until(4.0)
        assert loop.time() == 4.0
        loop.call_at(5.0, channel.send_nowait, "in time")
        assert await channel.recv_until(6.0) == "in time"
        assert loop.time() == 5.0
        loop.call_at(9.0, channel.send_nowait, "patience")
        assert await channel.recv(timeout=math.inf) == "patience"
        assert loop.time() == 9.0

    run_virtual(scenario())


def test_a_timer_that_goes_off_early_ends_the_wait_all_the_same() -> None:
    class HastyLoop(asyncio.SelectorEventLoop):
        timers = 0

        def call_at(
            self,
            when: float,
            callback: Callable[[*Ts], object],
            *args: *Ts,
            context: Context | None = None,
        ) -> asyncio.TimerHandle:
            self.timers += 1
            return super().call_at(when - 3600.0, callback, *args, context=context)

    async def scenario() -> int:
        with pytest.raises(TimeoutError):
            await DirectChannel("a").recv(timeout=60.0)
        loop = asyncio.get_running_loop()
        assert isinstance(loop, HastyLoop)
        return loop.timers

    with asyncio.Runner(loop_factory=HastyLoop) as runner:
        assert runner.run(scenario()) == 1


def test_a_message_sent_to_an_expired_receiver_waits_for_the_next() -> None:
    async def scenario() -> None:
        loop = asyncio.get_running_loop()
        channel = DirectChannel("a")
        receiver = asyncio.create_task(channel.recv_until(1.0))
        await turns()
        # Same instant, just behind the timer: the receiver has expired but not run yet.
        loop.call_at(1.0, channel.send_nowait, "late")
        with pytest.raises(TimeoutError):
            await receiver
        assert await channel.recv(timeout=0) == "late"

    run_virtual(scenario())


def test_receivers_that_give_up_leave_the_queue() -> None:
    async def scenario() -> None:
        channel = DirectChannel("a")
        patient = asyncio.create_task(channel.recv())
        await turns()
        for _ in range(50):
            with pytest.raises(TimeoutError):
                await channel.recv(timeout=0.1)
        assert not channel._later_receivers
        channel.send_nowait("finally")
        assert await patient == "finally"
        assert channel._receiver is None

    run_virtual(scenario())


def test_no_task_and_no_timer_is_left_behind() -> None:
    class CountingLoop(asyncio.SelectorEventLoop):
        def __init__(self) -> None:
            super().__init__()
            self.handles: list[asyncio.TimerHandle] = []

        def call_at(
            self,
            when: float,
            callback: Callable[[*Ts], object],
            *args: *Ts,
            context: Context | None = None,
        ) -> asyncio.TimerHandle:
            handle = super().call_at(when, callback, *args, context=context)
            self.handles.append(handle)
            return handle

    async def scenario() -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, CountingLoop)
        channel = DirectChannel("a")
        meanwhile: list[int] = []
        loop.call_soon(lambda: meanwhile.append(len(asyncio.all_tasks())))
        loop.call_soon(channel.send_nowait, 1)
        assert await channel.recv(timeout=60.0) == 1
        assert (meanwhile, len(asyncio.all_tasks())) == ([1], 1)
        task = asyncio.create_task(channel.recv(timeout=60.0))
        await turns()
        task.cancel()
        await asyncio.wait([task])
        assert len(loop.handles) == 2
        assert all(handle.cancelled() for handle in loop.handles)

    with asyncio.Runner(loop_factory=CountingLoop) as runner:
        runner.run(scenario())


def test_nothing_is_left_for_the_cyclic_collector() -> None:
    async def exchange(channel: DirectChannel) -> None:
        for number in range(1000):
            try:
                await channel.recv(timeout=0.001)
            except TimeoutError:
                pass
            else:
                raise AssertionError("nobody sent anything")
            task = asyncio.create_task(channel.recv(timeout=1.0))
            await asyncio.sleep(0)
            channel.send_nowait(number)
            if number % 2:
                task.cancel()
                try:
                    await task
                except asyncio.CancelledError:
                    assert channel.drain() == [number]
            else:
                assert await task == number

    async def scenario() -> int:
        channel = DirectChannel("a")
        found = -1
        for _ in range(2):
            gc.collect()
            gc.disable()
            try:
                await exchange(channel)
                found = gc.collect()
            finally:
                gc.enable()
        return found

    assert run_virtual(scenario()) == 0


def test_an_unused_channel_is_small() -> None:
    channel = DirectChannel("a")
    assert not hasattr(channel, "__dict__")
    assert sys.getsizeof(channel) < 150
    assert channel._inbox is None
    assert channel.qsize() == 0


@pytest.mark.parametrize("seed", range(20))
def test_nothing_is_lost_or_doubled_or_reordered_under_random_cancels(seed: int) -> None:
    async def scenario() -> None:
        draw = random.Random(seed)
        channel = DirectChannel("a", capacity=draw.randint(1, 3), overflow="wait")
        received: list[tuple[int, int]] = []
        sent: set[tuple[int, int]] = set()
        withdrawn: set[tuple[int, int]] = set()

        async def producer(number: int) -> None:
            for index in range(30):
                message = (number, index)
                task = asyncio.create_task(channel.send(message))
                await asyncio.sleep(draw.choice([0, 0.01, 0.02]))
                if draw.random() < 0.3:
                    task.cancel()
                await asyncio.wait([task])
                (withdrawn if task.cancelled() else sent).add(message)

        async def consumer() -> None:
            while True:
                task = asyncio.create_task(channel.recv(timeout=0.03))
                await asyncio.sleep(draw.choice([0, 0.01, 0.05]))
                if draw.random() < 0.3:
                    task.cancel()
                await asyncio.wait([task])
                if not task.cancelled() and task.exception() is None:
                    received.append(task.result())

        receiving = asyncio.create_task(consumer())
        await asyncio.gather(*(producer(number) for number in range(3)))
        await asyncio.sleep(5.0)
        receiving.cancel()
        await asyncio.wait([receiving])
        await asyncio.sleep(1.0)  # for the last recv() to give up
        assert channel.drain() == []
        assert len(received) == len(set(received))
        assert sent <= set(received) <= sent | withdrawn
        for number in range(3):
            own = [index for who, index in received if who == number]
            assert own == sorted(own)
        assert channel._receiver is None
        assert not channel._later_receivers
        assert not channel._senders

    run_virtual(scenario())


@pytest.mark.parametrize(
    ("make", "error", "text"),
    [
        (
            lambda: DirectChannel("a", capacity=0),
            ValueError,
            "capacity must be a whole number ≥ 1, got 0",
        ),
        (lambda: DirectChannel("a", capacity=1.5), TypeError, "capacity.*1.5"),  # type: ignore[arg-type]
        (lambda: DirectChannel("a", capacity=True), TypeError, "capacity.*True"),
        (
            lambda: DirectChannel("a", overflow="block"),  # type: ignore[arg-type]
            ValueError,
            "overflow must be one of 'drop_oldest', .*got 'block'",
        ),
    ],
)
def test_bad_arguments(make: Callable[[], Any], error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        make()


@pytest.mark.parametrize(
    ("wrong", "error"), [("1", TypeError), (True, TypeError), (math.nan, ValueError)]
)
def test_bad_times_are_refused_even_if_a_message_is_there(
    wrong: Any, error: type[Exception]
) -> None:
    channel = DirectChannel("a")
    channel.send_nowait("message")
    with pytest.raises(error, match="timeout must be a number of seconds"):
        channel.recv(wrong).send(None)
    with pytest.raises(error, match="when must be a number of seconds"):
        channel.recv_until(wrong).send(None)
    assert channel.drain() == ["message"]


@pytest.mark.parametrize("taken", [0, 1, 2])
def test_what_several_cancelled_receivers_give_back_keeps_its_order(taken: int) -> None:
    async def scenario() -> list[int]:
        channel = DirectChannel(owner_id="a")
        receivers = [asyncio.create_task(channel.recv()) for _ in range(3)]
        await asyncio.sleep(0)
        for number in range(5):
            channel.send_nowait(number)
        for receiver in receivers:
            receiver.cancel()
        await asyncio.wait(receivers)
        found = [await channel.recv() for _ in range(taken)]
        return found + channel.drain()

    assert run_virtual(scenario()) == [0, 1, 2, 3, 4]
