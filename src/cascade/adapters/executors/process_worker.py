"""What a worker process runs: it makes one call after the other, until its pipe is closed.

The process is started with this file as its program, so that it begins without importing the
library, and without running the user's main module again. It therefore needs nothing but the
standard library. The pool uses `send`, `receive` and `pickled` for its own side of the pipe.
"""

from __future__ import annotations

import os
import pickle
import signal
import struct
import sys
from collections.abc import Callable, Sequence
from pkgutil import resolve_name
from typing import Any

PROTOCOL = 5
"""The version of pickle that both sides speak."""
VALUE, ERROR, BAD_FUNCTION, BAD_ARGUMENTS, BAD_RESULT = b"value", b"error", b"fn", b"args", b"out"
"""What an answer begins with: what has come of a call."""

_SMALL = 1 << 16
"""Bytes up to which the frames of a message are sent at once."""

Frame = bytes | bytearray


def send(channel: int, frames: Sequence[Frame]) -> None:
    """Write a message.

    Raises:
        OSError: nobody is there to read it.
    """
    lengths = [len(frame) for frame in frames]
    head = struct.pack(f"!B{len(frames)}Q", len(frames), *lengths)
    parts = [b"".join([head, *frames])] if sum(lengths) < _SMALL else [head, *frames]
    for part in parts:
        left = memoryview(part)
        while left:
            left = left[os.write(channel, left) :]


def receive(channel: int, wait: Callable[[], object] = int) -> list[bytearray]:
    """Read a message.

    Args:
        channel: where from.
        wait: called before each reading.

    Raises:
        EOFError: the other side has closed its end.
    """
    (count,) = _exactly(channel, 1, wait)
    lengths = struct.unpack(f"!{count}Q", _exactly(channel, 8 * count, wait))
    return [_exactly(channel, length, wait) for length in lengths]


def _exactly(channel: int, size: int, wait: Callable[[], object]) -> bytearray:
    read = bytearray(size)
    left = memoryview(read)
    while left:
        wait()
        count = os.readv(channel, [left])
        if not count:
            raise EOFError("the other side has closed its end")
        left = left[count:]
    return read


def pickled(value: object) -> bytes:
    """Return a value as bytes: by pickle, or else by cloudpickle.

    Raises:
        ImportError: only cloudpickle could do it, and it isn't installed.
        Exception: it can't be done.
    """
    try:
        return pickle.dumps(value, PROTOCOL)
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        try:
            return cloudpickled(value)
        except ImportError:
            if isinstance(error, TypeError):  # something that isn't to be copied, such as a lock
                raise error from None
            raise


def cloudpickled(value: object) -> bytes:
    """Return a value as bytes, with the functions and classes in it that can't be imported.

    Raises:
        ImportError: cloudpickle isn't installed.
        Exception: it can't be done.
    """
    import cloudpickle  # type: ignore[import-untyped]

    data: bytes = cloudpickle.dumps(value, PROTOCOL)
    return data


def answer(path: Frame, reference: Frame, function: Frame, arguments: Frame) -> list[bytes]:
    """Make a call and return what has come of it, as the frames of a message.

    Args:
        path: a pickled `sys.path`, if it has changed.
        reference: the function as ``module:name``, if it can be imported; a task stands for its
            function.
        function: the pickled function otherwise.
        arguments: the pickled positional and named arguments.
    """
    try:
        if path:
            sys.path[:] = pickle.loads(path)
        found: Any = resolve_name(reference.decode()) if reference else pickle.loads(function)
        call = getattr(found, "fn", found) if reference else found
    except Exception as error:
        return [BAD_FUNCTION, *_described(error)]
    try:
        args, kwargs = pickle.loads(arguments)
    except Exception as error:
        return [BAD_ARGUMENTS, *_described(error)]
    try:
        value = call(*args, **kwargs)
        for stream in (sys.stdout, sys.stderr):
            # An earlier call may have closed it, which is no fault of this one.
            if stream is not None and not getattr(stream, "closed", False):
                stream.flush()
    except BaseException as error:
        return [ERROR, *_described(error)]
    try:
        return [VALUE, pickled(value)]
    except Exception as error:
        return [BAD_RESULT, *_described(error)]


def _described(error: BaseException) -> tuple[bytes, bytes, bytes, bytes]:
    """Return an exception, if it can be pickled; and its type, its text and where it was raised."""
    from traceback import format_exception

    own = error.__traceback__
    where = "".join(format_exception(type(error), error, own.tb_next if own is not None else None))
    kind = f"{type(error).__module__}.{type(error).__qualname__}".removeprefix("builtins.")
    try:
        text = str(error)
    except Exception as further:
        text = f"its text can't be had: {further!r}"
    try:
        itself = pickled(error)
    except Exception:
        itself = b""  # the others stand for it
    return itself, kind.encode(), text.encode(errors="replace"), where.encode(errors="replace")


def end_with(lifeline: int) -> None:
    """Let this process be killed when the other end of a pipe is closed, whatever it is doing.

    So are the others of its process group, which it leads. Linux does it by itself, so that it
    works in the midst of C code too. Elsewhere a thread waits for it.
    """
    try:
        import fcntl

        fcntl.fcntl(lifeline, fcntl.F_SETOWN, -os.getpid())
        fcntl.fcntl(lifeline, fcntl.F_SETSIG, signal.SIGKILL)
        fcntl.fcntl(lifeline, fcntl.F_SETFL, fcntl.fcntl(lifeline, fcntl.F_GETFL) | os.O_ASYNC)
    except (ImportError, AttributeError):
        from threading import Thread

        Thread(target=_end_at_the_close_of, args=(lifeline,), daemon=True).start()
    else:
        from select import select

        if select([lifeline], [], [], 0)[0]:  # it was closed before
            os._exit(1)


def _end_at_the_close_of(lifeline: int) -> None:
    os.read(lifeline, 1)
    os.killpg(os.getpid(), signal.SIGKILL)


def main(channel: int, lifeline: int) -> None:
    """Make the calls that come over a pipe, and answer them, until it is closed.

    Args:
        channel: a socket; a message is what `answer` takes, and gets what that returns.
        lifeline: the end of a pipe that is open as long as the process that started this one.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # whoever started this one decides
    os.set_inheritable(channel, False)
    os.set_inheritable(lifeline, False)
    end_with(lifeline)
    while True:
        try:
            frames = receive(channel)
        except (EOFError, ConnectionResetError):
            return
        # Not by way of a name: what a call was about isn't kept until the next one.
        send(channel, answer(*frames))
        frames.clear()


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
