"""What is told while a sweep runs, on virtual time."""

from __future__ import annotations

import asyncio
import io

import pytest

import cascade as cs
from cascade.testing import run_virtual
from observatory.experiments.sweep.progress import Progress, clock_time


@cs.task
async def work(number: int) -> None:
    await asyncio.sleep(9.0)
    if number == 3:
        raise ValueError(number)


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def follow(stream: io.StringIO, total: int, there: int) -> Progress:
    """Run what is missing, two at a time, and return what has told of it."""

    async def main() -> Progress:
        bus = cs.MessageBus()
        progress = Progress(total, there, stream, asyncio.get_running_loop().time)
        runs = work.map(number=range(total - there)).with_constraints(job=1).collecting_errors()
        with progress.following(bus):
            await cs.arun(runs, bus=bus, system_resources={"job": 2})
        return progress

    return run_virtual(main())


def test_elsewhere_than_on_a_terminal_there_is_a_line_now_and_then() -> None:
    stream = io.StringIO()
    progress = follow(stream, 7, 2)
    assert stream.getvalue().splitlines() == [
        "2 of 7 done · 5 left",
        "2 of 7 done · 2 running · 3 left",
        "4 of 7 done · 2 running · 1 left · ETA 0:15",
        "4 of 7 done · 2 running · 1 left · ETA 0:22",
        "5 of 7 done · 1 failed · 1 running · 0 left · ETA 0:05",
        "5 of 7 done · 1 failed · 1 running · 0 left · ETA 0:06",
        "6 of 7 done · 1 failed · 0 left",
    ]
    assert (progress.done, progress.failed, progress.running, progress.left) == (6, 1, 0, 0)


def test_on_a_terminal_a_line_is_kept_up_to_date_and_one_stays() -> None:
    stream = Terminal()
    follow(stream, 7, 2)
    assert "4 of 7 done · 2 running · 1 left · ETA 0:22" in stream.getvalue()
    assert stream.getvalue().endswith("6 of 7 done · 1 failed · 0 left\n")


def test_broken_off_it_says_how_far_it_came() -> None:
    stream = io.StringIO()

    async def main() -> None:
        with Progress(3, 0, stream).following(cs.MessageBus()):
            raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        run_virtual(main())
    assert stream.getvalue() == "0 of 3 done · 3 left\n"


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.4, "0:00"), (61.0, "1:01"), (3599.6, "1:00:00"), (36_000, "10:00:00")]
)
def test_times_are_said_as_on_a_clock(seconds: float, text: str) -> None:
    assert clock_time(seconds) == text
