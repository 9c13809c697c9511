"""Commands as tasks.

A command runs in a session of its own. When its task is cancelled or timed out, everything that the
command has started ends with it, before the task does.
"""

from __future__ import annotations

import asyncio
import codecs
import os
import shlex
import signal
import sys
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cascade.errors import CascadeError
from cascade.providers.declaring import provided
from cascade.providers.process_group import Command, ProcessGroup, Sink
from cascade.spec.checks import check_duration, shown

OnLine = Callable[[Any, str], object]
"""Called with a line of output, without its end, and with "stdout" or "stderr"."""

_NAMES = {1: "stdout", 2: "stderr"}
_TAIL = 2000
"""How many bytes of stderr an error tells at most."""


@dataclass(frozen=True, slots=True)
class CommandResult:
    """What a command came to."""

    command: tuple[str, ...]
    """The program and its arguments; for a shell, the one string."""
    returncode: int
    """Its exit code; minus the number of the signal if one has ended it."""
    stdout: Any
    """What it has written, as a string, or bytes with ``encoding=None``; empty if not captured."""
    stderr: Any
    """The same for its error output."""
    duration: float
    """How long it took, in seconds on the loop's clock."""


class CommandError(CascadeError):
    """A command has ended with another exit code than 0, or by a signal."""

    def __init__(self, result: CommandResult, tail: str) -> None:
        command = result.command[0] if len(result.command) == 1 else shlex.join(result.command)
        what = f"command {shown(command)} {_ending(result.returncode)}"
        super().__init__(f"{what}: {tail}" if tail else what)
        self.result = result
        """All that is known about it."""
        self.command = result.command
        """The program and its arguments."""
        self.returncode = result.returncode
        """Its exit code; minus the number of the signal if one has ended it."""
        self.tail = tail
        """The end of its error output, unless that went straight to this process's."""


@provided("shell.run")
async def run(
    command: Sequence[str | os.PathLike[str]] | str,
    *,
    cwd: str | os.PathLike[str] | None = None,
    env: Mapping[str, str] | None = None,
    input: str | bytes | None = None,
    check: bool = True,
    capture: bool = True,
    encoding: str | None = "utf-8",
    shell: bool = False,
    on_line: OnLine | None = None,
    grace: float = 5.0,
) -> CommandResult:
    """Run a command, and return what it came to when it and its output have ended.

    When the task is cancelled or timed out, the command's whole process group gets SIGTERM, and
    what is left of it after `grace` seconds SIGKILL. A command that ends by itself may leave
    processes behind; those that still hold its output are waited for. On virtual time it is refused
    with `VirtualTimeError`.

    Args:
        command: the program and its arguments. A string only with ``shell=True``.
        cwd: the directory to run in; None: this process's.
        env: all environment variables it has; None: this process's.
        input: what it can read from stdin; None: nothing.
        check: whether another exit code than 0 is an error.
        capture: whether the result holds the output. Without it and without `on_line`, the output
            goes straight to where this process's goes.
        encoding: of the output, and of `input` if that is a string; None for bytes.
        shell: whether `command` is one string for ``/bin/sh``. Never build it from what others
            have written.
        on_line: called on the loop for each line as it comes, such as `echo`. If it raises, the
            command is ended, and the task fails with that.
        grace: how many seconds the command has to end when it is told to.

    Raises:
        CommandError: another exit code than 0, or a signal, if `check`.
        OSError: it can't be started: no such program, or directory.
        UnicodeDecodeError: the output isn't in that encoding.
        TypeError, ValueError: an argument isn't valid; the error names it.
    """
    grace = check_duration("grace", grace)
    arguments = _arguments(command, shell)
    if encoding is not None:
        codecs.lookup(encoding)
    if on_line is not None and not callable(on_line):
        raise TypeError(f"on_line must be a function of a line and a name, got {shown(on_line)}")
    order = Command(
        arguments=arguments,
        cwd=None if cwd is None else os.fspath(cwd),
        env=env,
        reads=input is not None,
    )
    given = _bytes_of(input, encoding)
    outputs = {fd: _Output(name, capture, encoding, on_line) for fd, name in _NAMES.items()}
    sinks: dict[int, Sink] = {}
    if capture or on_line is not None:
        sinks = {fd: output.take for fd, output in outputs.items()}
    loop = asyncio.get_running_loop()
    began = loop.time()
    group = await ProcessGroup.start(order, sinks, grace)
    try:
        await group.finish(given)
    except BaseException:
        await group.end(grace)
        raise
    finally:
        group.close()
    result = CommandResult(
        command=(arguments,) if isinstance(arguments, str) else arguments,
        returncode=group.returncode,
        stdout=outputs[1].value(),
        stderr=outputs[2].value(),
        duration=loop.time() - began,
    )
    if check and result.returncode:
        raise CommandError(result, outputs[2].tail())
    return result


def echo(line: Any, name: str) -> None:
    """Write a line to this process's stdout or stderr: for `on_line`.

    Args:
        line: the line, a string or bytes.
        name: "stdout" or "stderr".
    """
    text = line.decode("utf-8", "backslashreplace") if isinstance(line, bytes) else line
    print(text, file=sys.stderr if name == "stderr" else sys.stdout, flush=True)


class _Output:
    """Takes the output of a command as it comes."""

    def __init__(
        self, name: str, capture: bool, encoding: str | None, on_line: OnLine | None
    ) -> None:
        self._name = name
        self._encoding = encoding
        self._kept: list[bytes] | None = [] if capture else None
        self._last: deque[bytes] = deque()
        self._held = self._size = 0
        self._on_line = on_line
        self._decode: Any = None
        if encoding is not None:
            self._decode = codecs.getincrementaldecoder(encoding)().decode
        self._begun: list[Any] = []  # the pieces of a line whose end hasn't come yet

    def take(self, data: bytes) -> None:
        if self._kept is not None:
            self._kept.append(data)
        self._last.append(data)
        self._held += len(data)
        self._size += len(data)
        while self._held - len(self._last[0]) >= _TAIL:
            self._held -= len(self._last.popleft())
        if self._on_line is not None:
            self._tell(data, self._on_line)

    def _tell(self, data: bytes, on_line: OnLine) -> None:
        piece: Any = data if self._decode is None else self._decode(data, final=not data)
        end: Any = b"\n" if self._decode is None else "\n"
        *lines, rest = piece.split(end)
        for line in lines:
            on_line(end[:0].join([*self._begun, line]), self._name)
            self._begun.clear()
        if rest:
            self._begun.append(rest)
        if not data and self._begun:
            on_line(end[:0].join(self._begun), self._name)
            self._begun.clear()

    def value(self) -> Any:
        data = b"".join(self._kept or ())
        return data if self._encoding is None else data.decode(self._encoding)

    def tail(self) -> str:
        data = b"".join(self._last)
        text = data[-_TAIL:].decode(self._encoding or "utf-8", "replace").strip()
        return f"...{text}" if self._size > _TAIL else text


def _arguments(command: Any, shell: bool) -> tuple[str, ...] | str:
    if isinstance(command, (str, bytes)):
        if not shell or isinstance(command, bytes):
            raise TypeError(
                "command must be a list of the program and its arguments, "
                f"or a string with shell=True, got {shown(command)}"
            )
        return command
    if shell:
        raise TypeError(f"command must be one string with shell=True, got {shown(command)}")
    if not isinstance(command, Sequence):
        raise TypeError(
            f"command must be a list of the program and its arguments, got {shown(command)}"
        )
    if not command:
        raise ValueError("command must name a program, got an empty list")
    for place, part in enumerate(command):
        if not isinstance(part, (str, os.PathLike)):
            raise TypeError(f"command[{place}] must be a string or a path, got {shown(part)}")
    return tuple(os.fspath(part) for part in command)


def _bytes_of(given: Any, encoding: str | None) -> bytes | None:
    if given is None or isinstance(given, bytes):
        return given
    if not isinstance(given, str):
        raise TypeError(f"input must be a string or bytes, got {shown(given)}")
    return given.encode(encoding or "utf-8")


def _ending(returncode: int) -> str:
    if returncode >= 0:
        return f"failed with exit code {returncode}"
    try:
        return f"was ended by {signal.Signals(-returncode).name}"
    except ValueError:
        return f"was ended by signal {-returncode}"
