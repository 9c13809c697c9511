"""How a program in which an experiment runs is ended from outside: in order, and only once."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Callable, Coroutine
from time import monotonic
from typing import Any, TypeVar

from observatory.visualization.terminal import put_back_all

T = TypeVar("T")

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)
"""What ends it: Ctrl-C, kill, the closing of the terminal, and Ctrl-\\."""
DEAF_S = 1.0
"""Seconds after the first signal in which Ctrl-C is taken for the same one: a key that is pressed
twice. An exception in the midst of the tidying up would leave it half done."""


class EndedBySignal(Exception):
    """A signal has ended the work.

    Args:
        number: that signal.
    """

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.number = number
        """The signal."""


async def until_signalled(work: Coroutine[Any, Any, T]) -> T:
    """Await some work; the first of `SIGNALS` cancels it, and it may tidy up.

    Until `DEAF_S` later Ctrl-C does nothing more; if it was Ctrl-C that came first, also when the
    work has ended by then. After that it puts terminals back and does what it would have done
    without this. A signal that the program was started to ignore (as with nohup) stays ignored.

    Raises:
        EndedBySignal: a signal has ended it.
        BaseException: what the work itself raises.
    """
    if threading.current_thread() is not threading.main_thread():
        return await work  # only the main thread gets signals
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    received: int | None = None
    before = {number: signal.getsignal(number) for number in SIGNALS}
    again: Callable[[int, Any], None] | None = None

    def end(number: int, frame: Any) -> None:
        nonlocal received, again
        if received is None and task is not None:
            received = number
            again = _deaf_for_a_while(before[signal.SIGINT])
            task.cancel()
            loop.call_soon_threadsafe(lambda: None)  # wakes the loop
        elif number == signal.SIGINT and again is not None:
            again(number, frame)

    taken = [number for number, handler in before.items() if handler is not signal.SIG_IGN]
    for number in taken:
        signal.signal(number, end)
    try:
        result = await work
    except asyncio.CancelledError:
        if received is None:
            raise
    finally:
        for number in taken:
            signal.signal(number, before[number])
        if again is not None and received == signal.SIGINT:
            signal.signal(signal.SIGINT, again)
    # One that came when the work was all but done has cancelled this task, too.
    if received is not None:
        raise EndedBySignal(received)
    return result


def _deaf_for_a_while(before: Any) -> Callable[[int, Any], None]:
    """Return a handler that does nothing for `DEAF_S`, and then what another one does."""
    until = monotonic() + DEAF_S

    def again(number: int, frame: Any) -> None:
        if monotonic() < until:
            return
        put_back_all()
        signal.signal(number, before)
        if callable(before):
            before(number, frame)
        else:
            signal.raise_signal(number)

    return again
