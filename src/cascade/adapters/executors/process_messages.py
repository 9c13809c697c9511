"""What is said to a worker process about a call, and what its answer means."""

from __future__ import annotations

import inspect
import io
import pickle
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from types import FunctionType
from typing import Any

from cascade.adapters.executors.process_worker import (
    BAD_ARGUMENTS,
    BAD_FUNCTION,
    BAD_RESULT,
    PROTOCOL,
    VALUE,
    Frame,
    cloudpickled,
    pickled,
)
from cascade.errors import MissingExtraError, RemoteError
from cascade.ports import ProcessCall
from cascade.spec.checks import shown

EXTRA = "processes"
"""The extra that brings cloudpickle."""


def request_of(call: ProcessCall) -> list[bytes]:
    """Return the frames that tell a worker what to call: reference, function and arguments.

    Raises:
        TypeError: the function or an argument can't be sent; it names the task and the argument.
        MissingExtraError: only cloudpickle could send it, and it isn't installed.
    """
    where = reference_of(call.fn)
    function = b""
    if where is None:
        function = _sendable(call.fn, f"the function of task {call.name!r}")
    try:
        arguments = _bytes_of((call.args, call.kwargs))
    except Exception as error:
        raise _first_unsendable(call, error) from error
    return [(where or "").encode(), function, arguments]


def reference_of(fn: Callable[..., Any]) -> str | None:
    """Return ``module:name`` of a function that can be imported, by itself or as a task."""
    module, name = getattr(fn, "__module__", None), getattr(fn, "__qualname__", None)
    if not isinstance(module, str) or not isinstance(name, str) or module == "__main__":
        return None
    found: Any = sys.modules.get(module)
    for part in name.split("."):
        found = getattr(found, part, None)
    return f"{module}:{name}" if getattr(found, "fn", found) is fn else None


def outcome_of(name: str, answer: list[bytearray]) -> Any:
    """Return what a worker's answer says the call has returned, or raise what it has raised.

    Args:
        name: the name of the task.
        answer: the frames of the answer.

    Raises:
        TypeError: arguments or the result couldn't be sent.
        RemoteError: it has raised something that can't be sent.
        BaseException: what the function has raised, with the worker's traceback as a note.
    """
    kind = answer[0]
    if kind == VALUE:
        try:
            return pickle.loads(answer[1])
        except Exception as error:
            raise TypeError(
                f"the result of task {name!r} can't be brought back from its process: {error!r}"
            ) from error
    itself, (type_name, text, where) = answer[1], [frame.decode() for frame in answer[2:]]
    said = f"{type_name}: {text}"
    if kind == BAD_RESULT:
        raise TypeError(
            f"the result of task {name!r} can't be brought back from its process: {said}"
        )
    if kind == BAD_ARGUMENTS:
        raise TypeError(f"the arguments of task {name!r} can't be read in a process: {said}")
    raised = _exception(itself) or RemoteError(name, type_name, text)
    try:
        if kind == BAD_FUNCTION:
            _note(raised, f"while the function of task {name!r} was imported in a process")
        _note(raised, f"in a worker process:\n{where.rstrip()}")
        raise raised
    finally:
        del raised  # the frame is in its traceback


def _exception(itself: Frame) -> BaseException | None:
    """Return an exception that was sent, unless it can't be put together again."""
    if not itself:
        return None
    try:
        sent = pickle.loads(itself)
    except Exception:
        return None  # its type and text have come as well
    return sent if isinstance(sent, BaseException) else None


def _note(error: BaseException, note: str) -> None:
    with suppress(Exception):  # a frozen exception takes none
        error.add_note(note)


class _InMain(Exception):
    """Something of the main module was found."""


class _MainFinder(pickle.Pickler):
    """Raises `_InMain` for what a worker can't import, because its main module is another one."""

    def reducer_override(self, value: Any) -> Any:
        """Look at what would be sent by its name."""
        if isinstance(value, (type, FunctionType)) and value.__module__ == "__main__":
            raise _InMain
        return NotImplemented


def _bytes_of(value: object) -> bytes:
    data = pickled(value)
    if b"__main__" not in data:
        return data
    try:
        _MainFinder(io.BytesIO(), PROTOCOL).dump(value)
    except _InMain:
        return cloudpickled(value)
    except Exception:
        return data  # cloudpickle has written it
    return data


def _sendable(value: object, what: str) -> bytes:
    try:
        return _bytes_of(value)
    except ImportError as error:
        raise MissingExtraError(
            f"{what}, which can't be imported in a worker process,", "cloudpickle", EXTRA
        ) from error
    except Exception as error:
        raise TypeError(
            f"{what} can't be sent to a process, got {shown(value)}: {error}"
        ) from error


def _first_unsendable(call: ProcessCall, error: Exception) -> Exception:
    """Return an error that names the argument that can't be sent."""
    for name, value in _named_arguments(call):
        try:
            _sendable(value, f"argument {name} of task {call.name!r}")
        except (MissingExtraError, TypeError) as found:
            return found
    return TypeError(f"the arguments of task {call.name!r} can't be sent to a process: {error}")


def _named_arguments(call: ProcessCall) -> Iterator[tuple[str, object]]:
    try:
        parameters = list(inspect.signature(call.fn).parameters)
    except (TypeError, ValueError):
        parameters = []
    for place, value in enumerate(call.args):
        yield repr(parameters[place]) if place < len(parameters) else f"number {place + 1}", value
    for name, value in call.kwargs.items():
        yield repr(name), value
