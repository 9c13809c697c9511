"""WorkerProcess: one process that makes calls, one after the other, and can be killed any time."""

from __future__ import annotations

import os
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial

from cascade.adapters.executors import process_worker
from cascade.adapters.executors.process_worker import Frame, receive, send
from cascade.child_groups import ChildGroup

GRACE = 0.5
"""Seconds that an idle process has to end by itself."""
GLANCE = 1.0
"""Seconds between two looks at whether anybody still waits for a call."""


class WorkerProcess:
    """A fresh interpreter, in a process group of its own so that no Ctrl-C gets there.

    It has a socket for messages, and the end of a pipe that is closed when this process ends in any
    way, which kills it.

    Raises:
        OSError: it can't be started.
    """

    def __init__(self) -> None:
        self._told_path: list[str] | None = None
        self._watch: int | None = None
        self._channel, theirs = socket.socketpair()
        try:
            lifeline, self._lifeline = os.pipe()
        except BaseException:
            self._channel.close()
            theirs.close()
            raise
        handed_on = theirs.fileno(), lifeline
        try:
            self._process = subprocess.Popen(
                [*_interpreter(), process_worker.__file__, *map(str, handed_on)],
                stdin=subprocess.DEVNULL,
                pass_fds=handed_on,
                process_group=0,
            )
        except BaseException:
            self._close()
            raise
        finally:
            theirs.close()
            os.close(lifeline)
        self._group = ChildGroup(self._process.pid)
        self._waiting = select.poll()
        self._waiting.register(self._channel, select.POLLIN)
        with suppress(OSError, AttributeError):  # where there is none, the socket's end must do
            self._watch = os.pidfd_open(self._process.pid)
            self._waiting.register(self._watch, select.POLLIN)

    @property
    def pid(self) -> int:
        """The number of the process."""
        return self._process.pid

    def is_idle(self) -> bool:
        """Whether it is there and says nothing, as it does between two calls."""
        return not self._waiting.poll(0)

    def ask(self, frames: Sequence[Frame], is_wanted: Callable[[], bool]) -> list[bytearray] | None:
        """Send a call and wait for the answer.

        Args:
            frames: the call.
            is_wanted: whether anybody waits for it; asked about once a second.

        Returns:
            The answer; None if the process has ended, or nobody wants it any more.
        """
        try:
            send(self._channel.fileno(), [self._news_of_path(), *frames])
            return receive(self._channel.fileno(), partial(self._wait, is_wanted))
        except (EOFError, BrokenPipeError, ConnectionResetError):
            return None

    def _news_of_path(self) -> bytes:
        if self._told_path == sys.path:
            return b""
        self._told_path = [*sys.path]
        return process_worker.pickled(self._told_path)

    def _wait(self, is_wanted: Callable[[], bool]) -> None:
        """Wait until there is something to read.

        A process that has ended may have left children, who keep its socket open.
        """
        while not (found := self._waiting.poll(GLANCE * 1000)):
            if not is_wanted():
                raise EOFError("nobody waits for it")
        if self._channel.fileno() not in [number for number, _ in found]:
            raise EOFError("the process has ended")

    def kill(self) -> None:
        """Kill the process and those it has started, unless it has been reaped; from any thread."""
        with suppress(PermissionError):  # it is ending just now
            self._group.signal(signal.SIGKILL)

    def end(self) -> int:
        """Kill the process, wait until it is gone, and return what it ended with.

        For one that was about to end already that is its own exit code or signal.
        """
        self.kill()
        self._group.let_go()  # before it is reaped, when its number might become somebody else's
        code = self._process.wait()
        self._close()
        return code

    def dismiss(self) -> None:
        """Tell an idle process that there is nothing more to do; it then ends by itself."""
        with suppress(OSError):  # it is gone
            self._channel.shutdown(socket.SHUT_WR)

    def see_off(self) -> None:
        """Wait until a dismissed process is gone, and kill it if it takes too long."""
        self._waiting.poll(GRACE * 1000)
        self.end()

    def _close(self) -> None:
        self._channel.close()
        for end in (self._lifeline, self._watch):
            if end is not None:
                os.close(end)


def _interpreter() -> list[str]:
    """Return the command that starts an interpreter like this one, on a file."""
    flags: list[str] = subprocess._args_from_interpreter_flags()  # type: ignore[attr-defined]
    return [sys.executable, *flags, "-P"]
