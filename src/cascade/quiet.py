"""QuietLog: a log that nobody can flood."""

from __future__ import annotations

import logging
from collections.abc import Callable


class QuietLog:
    """Logs a warning at most once a second, and counts the others.

    Args:
        clock: returns seconds.
        name: the name of the logger.
    """

    def __init__(self, clock: Callable[[], float], name: str = "cascade.control") -> None:
        self._clock = clock
        self._log = logging.getLogger(name)
        self._next = -float("inf")
        self._left_out = 0

    def warn(self, message: str, *, error: BaseException | None = None) -> None:
        """Log a message, unless another one was logged less than a second ago."""
        now = self._clock()
        if now < self._next:
            self._left_out += 1
            return
        more = f" ({self._left_out} more before)" if self._left_out else ""
        self._next, self._left_out = now + 1.0, 0
        self._log.warning("%s%s", message, more, exc_info=error)
