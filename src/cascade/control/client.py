"""Client: speaks to a program that can be steered."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any

from cascade.control.place import SUFFIX, checked_directory, is_alive, socket_path
from cascade.control.talk import LARGEST_ANSWER, PATIENCE, Talk


def find() -> list[str]:
    """Return the names of the programs of this user that can be steered now, in order.

    Raises:
        ControlError: the directory of their sockets is open to others.
    """
    return [name for name, path in sockets().items() if is_alive(path)]


def sockets() -> dict[str, Path]:
    """Return the sockets of this user by the names of their programs, in order; also of dead ones.

    Raises:
        ControlError: the directory of the sockets is open to others.
    """
    place = checked_directory()
    paths = {path.name.removesuffix(SUFFIX): path for path in place.glob(f"*{SUFFIX}")}
    return dict(sorted(paths.items()))


def socket_of(name: str) -> Path:
    """Return the path of the socket of a program, which may not be there.

    Raises:
        ControlError: the directory of the sockets is open to others.
    """
    return socket_path(checked_directory(), name)


class Client:
    """A connection to one program; a context manager.

    Args:
        name: what the program is called.
        patience: how many seconds an answer may take.
        via: what stands in the program's log beside the user, such as "cascade ui": up to 40
            letters, digits, spaces and ``._/-``; None: nothing.

    Raises:
        ControlError: there is no such program, or it can't be reached.
        TypeError, ValueError: `patience` isn't a finite number above 0; or `via` can't be so.
    """

    def __init__(self, name: str, patience: float = PATIENCE, *, via: str | None = None) -> None:
        self.name = name
        """What the program is called."""
        self._talk = Talk(name, patience, via)
        path = socket_of(name)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self._socket.settimeout(patience)
            self._socket.connect(str(path))
        except OSError as error:
            self._socket.close()
            raise self._talk.unreachable() from error
        except BaseException:
            self._socket.close()
            raise
        self._rest = bytearray()

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the connection."""
        self._socket.close()

    def ask(self, command: str, **said: Any) -> dict[str, Any]:
        """Ask for something, and return the answer.

        Args:
            command: one of `cascade.control.messages.COMMANDS`.
            **said: what it takes.

        Raises:
            ControlError: it was refused, with the reason; or there was no answer in time.
        """
        self._send(command, said)
        return self._answer(self._talk.patience)

    def watch(self, every: float = 1.0) -> Iterator[dict[str, Any]]:
        """Return snapshots, one after the other, without end.

        Args:
            every: seconds from one to the next, 0.1 to 60. Those of large worlds come less often,
                so that they take little of the program's time; each says when the next one comes.

        Raises:
            ControlError: the program has ended, or doesn't answer in time.
        """
        self._send("watch", {"every": every})
        while True:
            snapshot = self._answer(self._talk.patience + every)
            every = snapshot.get("every", every)
            yield snapshot

    def _send(self, command: str, said: dict[str, Any]) -> None:
        line = self._talk.question(command, said)
        try:
            self._socket.settimeout(self._talk.patience)
            self._socket.sendall(line)
        except OSError as error:
            raise self._talk.gone(error) from error

    def _answer(self, patience: float) -> dict[str, Any]:
        """Return the answer to the latest question."""
        give_up = time.monotonic() + patience
        while True:
            answer = self._talk.answer(self._line(give_up))
            if answer is not None:
                return answer

    def _line(self, give_up: float) -> bytes:
        """Return the next line, without its end."""
        rest, searched = self._rest, 0
        try:
            while (end := rest.find(b"\n", searched)) < 0:
                searched = len(rest)
                if searched > LARGEST_ANSWER:
                    raise self._talk.too_large()
                self._socket.settimeout(max(0.001, give_up - time.monotonic()))
                data = self._socket.recv(1 << 20)
                if not data:
                    raise self._talk.ended()
                rest += data
        except OSError as error:
            raise self._talk.gone(error) from error
        line = bytes(rest[:end])
        del rest[: end + 1]
        return line
