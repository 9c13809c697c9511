"""Running a workflow until it ends, or until a signal ends it."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from cascade.child_groups import kill_all
from cascade.cli.progress import Progress
from cascade.cli.tally import Tally
from cascade.runtime.engine import Engine
from cascade.spec.constraint import GlobalConstraint

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""Ctrl-C, what asks a program to end, and what it gets when its terminal is closed."""


class EndedBySignal(Exception):
    """A signal has ended the run.

    Args:
        number: that signal.
    """

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.number = number
        """The signal."""


class Supervisor:
    """Runs a target once, and ends it in order when a signal comes.

    SIGTERM drains: nothing more starts, and what still runs may go on for a while. When that has
    ended, or the time is up, the rest is cancelled. Ctrl-C, a terminal that is closed, or a second
    signal cancels at once. A signal that comes while it is being cancelled ends the process where
    it stands, after those that it has started for its tasks.

    Args:
        engine: what runs it; used for this run only.
        tally: counts its events.
        progress: shows it.
        grace: how long a drain may take, in seconds.
    """

    def __init__(self, engine: Engine, tally: Tally, progress: Progress, grace: float) -> None:
        self._engine = engine
        self._tally = tally
        self._progress = progress
        self._grace = grace
        self._received: int | None = None
        self._cancelling = False
        self._timer: asyncio.TimerHandle | None = None
        self._work: asyncio.Task[Any] | None = None

    def run(self, target: Any, params: Mapping[str, Any], timeout: float | None) -> Any:
        """Run a target and return its result.

        Args:
            target: the target, or its plan.
            params: the values of its parameters.
            timeout: seconds for the whole run; None: as long as it takes.

        Raises:
            EndedBySignal: a signal has ended it.
            TimeoutError: it took longer than `timeout`.
            BaseException: what the first failing task raised.
        """
        interrupt = signal.getsignal(signal.SIGINT)
        try:
            return asyncio.run(self._supervised(target, params, timeout))
        except asyncio.CancelledError:
            if self._received is None:
                raise
            raise EndedBySignal(self._received) from None
        finally:
            # A task that raises SystemExit leaves the handler of asyncio's runner behind.
            if threading.current_thread() is threading.main_thread():
                signal.signal(signal.SIGINT, interrupt)

    async def _supervised(
        self, target: Any, params: Mapping[str, Any], timeout: float | None
    ) -> Any:
        self._work = asyncio.create_task(self._timed(target, params, timeout))
        with self._signals(asyncio.get_running_loop()):
            try:
                self._progress.start()
                return await self._work
            finally:
                self._tally.changed = None
                if self._timer is not None:
                    self._timer.cancel()
                self._progress.stop()

    async def _timed(self, target: Any, params: Mapping[str, Any], timeout: float | None) -> Any:
        try:
            async with asyncio.timeout(timeout) as limit:
                return await self._engine.run(target, params=params)
        except TimeoutError as error:
            if limit.expired():
                raise TimeoutError(f"the run took longer than {timeout:g} s") from error
            raise

    @contextmanager
    def _signals(self, loop: asyncio.AbstractEventLoop) -> Iterator[None]:
        if threading.current_thread() is not threading.main_thread():
            yield  # only the main thread gets signals
            return

        own = os.getpid()

        def receive(number: int, _frame: object) -> None:
            if os.getpid() != own:
                # A task has forked, and this is the child: the run is none of its business.
                plain = signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL
                signal.signal(number, plain)
                signal.raise_signal(number)
                return
            first = self._received is None
            if first:
                self._received = number
            if self._cancelling:
                kill_all()
                try:
                    self._progress.stop()
                finally:
                    os._exit(128 + number)
            if first and number == signal.SIGTERM:
                loop.call_soon_threadsafe(self._drain)
            else:
                self._cancelling = True
                loop.call_soon_threadsafe(self._cancel)

        before = {
            number: signal.signal(number, receive)
            for number in SIGNALS
            # Who starts a command by `nohup` wants it to outlive the terminal.
            if number != signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN
        }
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _drain(self) -> None:
        self._progress.note = "ending: nothing more starts"
        self._engine.constraint_manager.update(GlobalConstraint("drain", "global", "pause"))
        self._timer = asyncio.get_running_loop().call_later(self._grace, self._cancel)
        self._tally.changed = self._cancel_if_drained
        self._cancel_if_drained()

    def _cancel_if_drained(self) -> None:
        if not self._tally.running and not self._tally.is_over:
            self._tally.changed = None
            asyncio.get_running_loop().call_soon(self._cancel)

    def _cancel(self) -> None:
        self._cancelling = True
        self._progress.note = "ending: cancelled"
        if self._work is not None:
            self._work.cancel()
