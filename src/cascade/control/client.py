"""Client: speaks to a program that can be steered."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator
from types import TracebackType
from typing import Any

from cascade.control.messages import LARGEST, encode
from cascade.control.place import SUFFIX, check_private, directory, socket_path
from cascade.control.server import is_alive
from cascade.errors import ControlError

PATIENCE = 10.0
"""Seconds that an answer may take by default."""


def find() -> list[str]:
    """Return the names of the programs of this user that can be steered now, in order.

    Raises:
        ControlError: the directory of their sockets is open to others.
    """
    place = directory()
    if not os.path.lexists(place):
        return []
    check_private(place)
    paths = {path.name.removesuffix(SUFFIX): path for path in place.glob(f"*{SUFFIX}")}
    return [name for name, path in sorted(paths.items()) if is_alive(path)]


class Client:
    """A connection to one program; a context manager.

    Args:
        name: what the program is called.
        patience: how many seconds an answer may take.

    Raises:
        ControlError: there is no such program, or it can't be reached.
    """

    def __init__(self, name: str, patience: float = PATIENCE) -> None:
        self.name = name
        """What the program is called."""
        place = directory()
        path = socket_path(place, name)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            if os.path.lexists(place):
                check_private(place)
            self._socket.settimeout(patience)
            self._socket.connect(str(path))
        except OSError as error:
            self._socket.close()
            raise ControlError(f"no program with the name {name!r} can be reached") from error
        except BaseException:
            self._socket.close()
            raise
        self._patience = patience
        self._rest = b""

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
        return self._answer()

    def watch(self, every: float = 1.0) -> Iterator[dict[str, Any]]:
        """Return snapshots, one after the other, without end.

        Args:
            every: seconds from one to the next, 0.1 to 60.

        Raises:
            ControlError: the program has ended, or doesn't answer in time.
        """
        self._send("watch", {"every": every})
        self._socket.settimeout(self._patience + every)
        while True:
            yield self._answer()

    def _send(self, command: str, said: dict[str, Any]) -> None:
        line = encode({"do": command, **said})
        if len(line) > LARGEST:
            raise ControlError(f"a command must be of at most {LARGEST} bytes, got {len(line)}")
        try:
            self._socket.sendall(line)
        except OSError as error:
            raise self._gone(error) from error

    def _answer(self) -> dict[str, Any]:
        try:
            while b"\n" not in self._rest:
                data = self._socket.recv(1 << 20)
                if not data:
                    raise ControlError(f"{self.name} has ended")
                self._rest += data
        except OSError as error:
            raise self._gone(error) from error
        line, _, self._rest = self._rest.partition(b"\n")
        answer: dict[str, Any] = json.loads(line)
        if not answer.get("ok"):
            raise ControlError(str(answer.get("error")))
        return answer

    def _gone(self, error: OSError) -> ControlError:
        if isinstance(error, TimeoutError):
            return ControlError(
                f"{self.name} doesn't answer within {self._patience:g} s: its loop is busy"
            )
        return ControlError(f"{self.name} has ended ({error})")
