"""Signals end the work in order, as Ctrl-C does."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from collections.abc import Iterator
from time import monotonic
from types import FrameType

import pytest

from observatory.experiments import ending
from observatory.experiments.ending import DEAF_S, SIGNALS, EndedBySignal, until_signalled


@pytest.fixture(autouse=True)
def handlers() -> Iterator[None]:
    found = {number: signal.getsignal(number) for number in SIGNALS}
    for number in SIGNALS:
        signal.signal(number, signal.SIG_DFL)  # one may be ignored here, as `nohup` has it
    before = {number: signal.getsignal(number) for number in SIGNALS}
    yield
    assert {number: signal.getsignal(number) for number in SIGNALS} == before
    for number, handler in found.items():
        signal.signal(number, handler)


async def sent(*numbers: int) -> None:
    """Work that is ended by signals, and takes a moment to tidy up."""
    try:
        for number in numbers:
            os.kill(os.getpid(), number)
            await asyncio.sleep(0)
        await asyncio.Event().wait()
    finally:
        await asyncio.sleep(0.01)
        tidied.append(numbers)


tidied: list[tuple[int, ...]] = []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT])
def test_a_signal_cancels_the_work_and_is_told(number: int) -> None:
    tidied.clear()
    with pytest.raises(EndedBySignal) as ended:
        asyncio.run(until_signalled(sent(number)))
    assert ended.value.number == number
    assert tidied == [(number,)]


def test_a_second_one_does_not_disturb_the_tidying_up() -> None:
    async def work() -> None:
        try:
            os.kill(os.getpid(), signal.SIGTERM)
            await asyncio.Event().wait()
        finally:
            os.kill(os.getpid(), signal.SIGHUP)
            await asyncio.sleep(0.01)
            tidied.append(())

    tidied.clear()
    with pytest.raises(EndedBySignal, match="SIGTERM"):
        asyncio.run(until_signalled(work()))
    assert tidied == [()]


@pytest.fixture
def interrupts(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[float]]:
    """What Ctrl-C does without all this: it is noted down. The clock stands still."""
    clock = [100.0]
    heard: list[float] = []
    monkeypatch.setattr(ending, "monotonic", lambda: clock[0])
    monkeypatch.setattr(ending, "put_back_all", lambda: heard.append(0.0))
    before = signal.signal(signal.SIGINT, lambda *_: heard.append(clock[0]))
    yield heard
    clock[0] += 10 * DEAF_S
    signal.signal(signal.SIGINT, before)


def test_ctrl_c_twice_is_ctrl_c_once(interrupts: list[float]) -> None:
    tidied.clear()
    with pytest.raises(EndedBySignal, match="SIGINT"):
        asyncio.run(until_signalled(sent(signal.SIGINT, signal.SIGINT)))
    assert tidied == [(signal.SIGINT, signal.SIGINT)]
    os.kill(os.getpid(), signal.SIGINT)  # while what came out is printed
    assert interrupts == []


def test_who_insists_ends_what_takes_too_long_and_has_the_terminal_back(
    interrupts: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def work() -> None:
        try:
            os.kill(os.getpid(), signal.SIGINT)
            await asyncio.Event().wait()
        finally:
            monkeypatch.setattr(ending, "monotonic", lambda: 100.0 + 2 * DEAF_S)
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(EndedBySignal, match="SIGINT"):
        asyncio.run(until_signalled(work()))
    assert interrupts == [0.0, 100.0]  # first the terminals, then what it does otherwise


def test_a_loop_that_sleeps_is_woken() -> None:
    async def work() -> None:
        # While the loop waits for something that doesn't come, a signal reaches the process.
        threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGTERM)).start()
        async with asyncio.timeout(5):
            await asyncio.Event().wait()

    began = monotonic()
    with pytest.raises(EndedBySignal, match="SIGTERM"):
        asyncio.run(until_signalled(work()))
    assert monotonic() - began < 4


@pytest.mark.parametrize("ended", [True, False])
def test_handlers_of_others_are_put_back(ended: bool) -> None:
    number = signal.SIGTERM
    heard: list[int] = []

    def theirs(number: int, _frame: FrameType | None) -> None:
        heard.append(number)

    async def work() -> None:
        assert signal.getsignal(number) is not theirs
        if ended:
            await sent(number)

    before = signal.signal(number, theirs)
    try:
        if ended:
            with pytest.raises(EndedBySignal):
                asyncio.run(until_signalled(work()))
        else:
            asyncio.run(until_signalled(work()))
        assert signal.getsignal(number) is theirs
        assert heard == []
        os.kill(os.getpid(), number)
        assert heard == [number]
    finally:
        signal.signal(number, before)


def test_what_is_raised_while_tidying_up_is_passed_on() -> None:
    async def work() -> None:
        try:
            await sent(signal.SIGTERM)
        finally:
            raise OSError("can't be tidied up")

    with pytest.raises(OSError, match="can't be tidied up"):
        asyncio.run(until_signalled(work()))


def test_one_that_comes_when_the_work_is_all_but_done_is_told_as_well() -> None:
    async def work() -> str:
        await asyncio.sleep(0)
        os.kill(os.getpid(), signal.SIGTERM)
        return "done"

    with pytest.raises(EndedBySignal, match="SIGTERM"):
        asyncio.run(until_signalled(work()))


def test_what_was_ignored_stays_ignored() -> None:
    async def work() -> str:
        os.kill(os.getpid(), signal.SIGHUP)
        await asyncio.sleep(0.01)
        return "went on"

    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        assert asyncio.run(until_signalled(work())) == "went on"
    finally:
        signal.signal(signal.SIGHUP, before)


def test_what_the_work_returns_or_raises_is_passed_on() -> None:
    async def fail() -> None:
        raise OSError("gone")

    assert asyncio.run(until_signalled(asyncio.sleep(0, "done"))) == "done"
    with pytest.raises(OSError, match="gone"):
        asyncio.run(until_signalled(fail()))


def test_a_cancellation_from_elsewhere_is_one() -> None:
    async def main() -> None:
        task = asyncio.create_task(until_signalled(asyncio.Event().wait()))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())


def test_outside_of_the_main_thread_it_just_awaits() -> None:
    async def main() -> str:
        return await asyncio.to_thread(asyncio.run, until_signalled(asyncio.sleep(0, "done")))

    assert asyncio.run(main()) == "done"
