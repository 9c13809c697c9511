"""Talk: how questions are put to a program, and which answer belongs to which."""

from __future__ import annotations

import json
from itertools import count
from typing import Any

from cascade.control.messages import LARGEST, check_via, encode
from cascade.errors import ControlError
from cascade.spec.checks import check_finite, shown

PATIENCE = 10.0
"""Seconds that an answer may take by default."""
LARGEST_ANSWER = 64 * 1024 * 1024
"""Bytes of an answer at most: whoever sends more is no program of this library."""


class Talk:
    """The questions of one connection. Each has a number, and its answers bear it.

    Without that, the late answer to a question that was given up would pass for the answer to the
    next one.

    Args:
        name: what the program is called.
        patience: how many seconds an answer may take.
        via: what the program is told that it was asked by; None: nothing.

    Raises:
        TypeError, ValueError: `patience` isn't a finite number above 0; or `via` can't be so.
    """

    def __init__(self, name: str, patience: float, via: str | None = None) -> None:
        self.name = name
        """What the program is called."""
        self.patience = float(check_finite("patience", patience))
        """How many seconds an answer may take."""
        if self.patience <= 0:
            raise ValueError(f"patience must be above 0 seconds, got {shown(patience)}")
        self._note = {} if via is None else {"via": check_via(via)}
        self._numbers = count(1)
        self._latest = 0

    def question(self, command: str, said: dict[str, Any]) -> bytes:
        """Return a question as a line.

        Raises:
            ControlError: it is too long, or holds what can't be sent, such as a number that isn't
                finite, or a text that might be taken for another one.
        """
        self._latest = next(self._numbers)
        question = {"do": command, **said, **self._note, "id": self._latest}
        try:
            line = encode(question, errors="strict")
        except UnicodeEncodeError as error:
            raise ControlError(
                f"a command must be of whole characters, got {shown(error.object[error.start])}"
            ) from None
        except (TypeError, ValueError, RecursionError):
            raise ControlError(
                f"a command must hold text, finite numbers, lists and dicts, got {shown(said)}"
            ) from None
        if len(line) > LARGEST:
            raise ControlError(f"a command must be of at most {LARGEST} bytes, got {len(line)}")
        return line

    def answer(self, line: bytes) -> dict[str, Any] | None:
        """Return an answer; None if it belongs to an earlier question.

        Raises:
            ControlError: what was asked for is refused, with the reason; or it is no answer.
        """
        try:
            answer = json.loads(line)
        except (ValueError, RecursionError):
            answer = None
        if not isinstance(answer, dict):
            raise ControlError(f"{self.name} sends what is no answer")
        if answer.get("id", self._latest) not in (None, self._latest):
            return None
        if not answer.get("ok"):
            raise ControlError(str(answer.get("error")))
        return answer

    def gone(self, error: OSError) -> ControlError:
        """Return what to raise where a connection fails."""
        if isinstance(error, TimeoutError):
            return ControlError(
                f"{self.name} doesn't answer within {self.patience:g} s: its loop is busy"
            )
        return ControlError(f"{self.name} has ended ({error})")

    def ended(self) -> ControlError:
        """Return what to raise where the other side has closed the connection."""
        return ControlError(f"{self.name} has ended")

    def too_large(self) -> ControlError:
        """Return what to raise about an answer of more than `LARGEST_ANSWER` bytes."""
        return ControlError(f"{self.name} sends an answer of more than {LARGEST_ANSWER} bytes")

    def unreachable(self) -> ControlError:
        """Return what to raise where nobody listens."""
        return ControlError(f"no program with the name {self.name!r} can be reached")
