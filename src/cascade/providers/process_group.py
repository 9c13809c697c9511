"""A command as a group of processes: its output taken as it comes, its end complete.

The command leads a session of its own, so that whatever it starts is in one group with it, unless
it leaves the group on purpose. Ending it means the whole group: a polite signal, a time of grace,
and one that nobody can ignore.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, cast

from cascade.child_groups import ChildGroup

Sink = Callable[[bytes], None]
"""Takes a piece of output; an empty one is its end."""


@dataclass(frozen=True, slots=True)
class Command:
    """What is to be started."""

    arguments: tuple[str | bytes, ...] | str
    """The program and its arguments; or one string for the shell."""
    cwd: str | None
    """The directory that it runs in; None: this process's."""
    env: Mapping[str, str] | None
    """Its environment variables; None: this process's."""
    reads: bool
    """Whether it gets something to read from stdin."""


class ProcessGroup(asyncio.SubprocessProtocol):
    """A running command. The loop calls it with what the command does.

    Args:
        loop: the running loop.
        sinks: who takes the output of 1 (stdout) and 2 (stderr); a missing one goes where this
            process's goes.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, sinks: Mapping[int, Sink]) -> None:
        self._sinks = sinks
        self._open = set(sinks)
        self._transport: asyncio.SubprocessTransport | None = None
        self._children: ChildGroup | None = None
        self.exited: asyncio.Future[None] = loop.create_future()
        """Done when the command itself has ended, and was reaped."""
        self.complete: asyncio.Future[None] = loop.create_future()
        """Done when its output has ended as well: nobody can write to it any more."""
        self.broken: asyncio.Future[Exception] = loop.create_future()
        """Done when a sink has raised, with what."""

    @classmethod
    async def start(cls, command: Command, sinks: Mapping[int, Sink], grace: float) -> ProcessGroup:
        """Start a command. When cancelled meanwhile, end it again first.

        Raises:
            OSError: it can't be started, such as for want of the program or the directory.
        """
        loop = asyncio.get_running_loop()
        group = cls(loop, sinks)
        # A cancel in here would end the command, but not what that has started in the meantime.
        opening = loop.create_task(group._open_on(loop, command))
        try:
            await _until_done(opening)
        except asyncio.CancelledError:
            if opening.exception() is None:
                try:
                    await group.end(grace)
                finally:
                    group.close()
            raise
        opening.result()
        return group

    async def _open_on(self, loop: asyncio.AbstractEventLoop, command: Command) -> None:
        piped: dict[str, Any] = {
            "stdin": asyncio.subprocess.PIPE if command.reads else asyncio.subprocess.DEVNULL,
            "stdout": asyncio.subprocess.PIPE if 1 in self._sinks else None,
            "stderr": asyncio.subprocess.PIPE if 2 in self._sinks else None,
        }
        how: dict[str, Any] = {"cwd": command.cwd, "env": command.env, "start_new_session": True}
        if isinstance(command.arguments, str):
            await loop.subprocess_shell(lambda: self, command.arguments, **piped, **how)
        else:
            program, *others = command.arguments
            await loop.subprocess_exec(lambda: self, program, *others, **piped, **how)

    @property
    def returncode(self) -> int:
        """How the command ended: its exit code, or minus the number of the signal."""
        assert self._transport is not None
        code = self._transport.get_returncode()
        assert code is not None
        return code

    async def finish(self, given: bytes | None) -> None:
        """Wait until the command has ended and its output is complete.

        Args:
            given: what it reads from stdin; what it doesn't read is lost.

        Raises:
            Exception: what a sink has raised; the command may run on then.
        """
        if given is not None:
            assert self._transport is not None
            stdin = cast("asyncio.WriteTransport", self._transport.get_pipe_transport(0))
            # uvloop raises it where the command has ended already; asyncio says nothing.
            with contextlib.suppress(RuntimeError):
                stdin.write(given)
                stdin.close()  # once all of it is written
        await asyncio.wait((self.complete, self.broken), return_when=asyncio.FIRST_COMPLETED)
        if self.broken.done():
            raise self.broken.result()

    async def end(self, grace: float) -> None:
        """Let the whole group end: ask it to, and after `grace` seconds make it.

        Returns when the command is reaped, also when cancelled, which ends the grace.

        Raises:
            PermissionError: it runs as somebody else and can't be signalled.
        """
        assert self._children is not None
        self._children.signal(signal.SIGTERM)
        try:
            await asyncio.wait((self.complete,), timeout=grace)
        finally:
            # The number of a group isn't given to anybody else as long as one of it lives.
            self._children.signal(signal.SIGKILL)
            await _until_done(self.exited)

    def close(self) -> None:
        """Let go of the pipes, and of what the command has left behind."""
        assert self._transport is not None
        assert self._children is not None
        self._children.let_go()
        self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The command was started."""
        self._transport = cast("asyncio.SubprocessTransport", transport)
        self._children = ChildGroup(self._transport.get_pid())

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        """A piece of output."""
        self._feed(fd, data)

    def pipe_connection_lost(self, fd: int, exc: Exception | None) -> None:
        """A pipe has ended; for stdin also one that nobody reads any more, which is no error."""
        if fd in self._open:
            self._feed(fd, b"")
            self._open.discard(fd)
            self._look()

    def process_exited(self) -> None:
        """The command itself has ended."""
        self.exited.set_result(None)
        self._look()

    def _feed(self, fd: int, data: bytes) -> None:
        if self.broken.done():
            return
        try:
            self._sinks[fd](data)
        except Exception as error:
            self.broken.set_result(error)

    def _look(self) -> None:
        if self.exited.done() and not self._open and not self.complete.done():
            self.complete.set_result(None)


async def _until_done(future: asyncio.Future[Any]) -> None:
    """Wait until a future is done, also when cancelled; raise the cancellation afterwards."""
    cancelled = None
    while not future.done():
        try:
            await asyncio.wait((future,))
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None:
        try:
            raise cancelled
        finally:
            del cancelled
