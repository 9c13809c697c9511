"""Recent: what has been added to running totals lately."""

from __future__ import annotations

from collections import deque


class Recent:
    """Running totals as they were noted over the last seconds.

    They start at 0, at time 0.

    Args:
        span: over how many seconds it looks back.
        totals: how many totals there are.
    """

    def __init__(self, span: float, totals: int) -> None:
        self._span = span
        self._noted = deque([(0.0, (0,) * totals)])

    def note(self, time: float, *totals: int) -> None:
        """Note the totals at a time, in seconds; at the same time again, the latest ones count."""
        noted = self._noted
        if noted[-1][0] == time:
            noted.pop()
        noted.append((time, totals))
        # The first is from the beginning of the span, or from before it.
        while len(noted) > 1 and noted[1][0] <= time - self._span:
            noted.popleft()

    @property
    def before(self) -> tuple[int, ...]:
        """The totals at the beginning of the span."""
        return self._noted[0][1]

    def per_second(self) -> list[float]:
        """Return how much a second was added to each total; 0 while no time has passed."""
        (began, before), (now, latest) = self._noted[0], self._noted[-1]
        if now <= began:
            return [0.0] * len(before)
        return [(new - old) / (now - began) for old, new in zip(before, latest, strict=True)]
