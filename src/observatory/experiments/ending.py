"""How a program in which an experiment runs is ended from outside: in order, as with Ctrl-C."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

SIGNALS = (signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)
"""What ends it, beside Ctrl-C: kill, the closing of the terminal, and Ctrl-\\."""


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

    A signal that the program was started to ignore (as with nohup) stays ignored.

    Raises:
        EndedBySignal: a signal has ended it.
        BaseException: what the work itself raises.
    """
    if threading.current_thread() is not threading.main_thread():
        return await work  # only the main thread gets signals
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    received: int | None = None

    def end(number: int, _frame: object) -> None:
        nonlocal received
        if received is None and task is not None:
            received = number
            task.cancel()
            loop.call_soon_threadsafe(lambda: None)  # wakes the loop

    before = {number: signal.getsignal(number) for number in SIGNALS}
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
    # One that came when the work was all but done has cancelled this task, too.
    if received is not None:
        raise EndedBySignal(received)
    return result
