"""Timed waits: every part of the library that waits for a time does it through here.

Times are seconds on the event loop's clock. That a timer has gone off means "due": a caller must
not compare the clock with the due time once more, because some loops' timers (uvloop) go off up to
a millisecond early, and a caller that goes back to wait would spin.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVarTuple

from cascade.spec.checks import check_time

Ts = TypeVarTuple("Ts")


def call_at(when: float, callback: Callable[[*Ts], object], *args: *Ts) -> asyncio.TimerHandle:
    """Call `callback(*args)` on the running loop at the time `when`, in seconds.

    Returns:
        A handle whose `cancel()` forgets the call; after the call it does nothing.

    Raises:
        TypeError: `when` isn't a number.
        ValueError: `when` is not-a-number.
        RuntimeError: no event loop is running.
    """
    when = check_time("when", when)
    return call_on(asyncio.get_running_loop(), when, callback, *args)


def call_on(
    loop: asyncio.AbstractEventLoop, when: float, callback: Callable[[*Ts], object], *args: *Ts
) -> asyncio.TimerHandle:
    """Do what `call_at` does, for callers that have checked the time and know the running loop."""
    return loop.call_at(when, callback, *args)


async def wait_until(when: float) -> None:
    """Return when the loop's clock shows `when` (seconds); at once if it is due already.

    At once means: without letting anybody else run in between.

    Raises:
        TypeError: `when` isn't a number.
        ValueError: `when` is not-a-number.
    """
    if type(when) is not float or when != when:
        when = check_time("when", when)
    loop = asyncio.get_running_loop()
    if when <= loop.time():
        return
    due: asyncio.Future[None] = loop.create_future()
    timer = call_on(loop, when, _wake, due)
    try:
        await due
    finally:
        timer.cancel()


def _wake(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_result(None)
