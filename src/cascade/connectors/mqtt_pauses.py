"""Pauses between attempts to reach a broker."""

from __future__ import annotations

from random import Random

from cascade.spec.checks import check_finite, shown


class Pauses:
    """How long to wait before each further attempt to connect.

    The pauses double up to a limit, and each is shortened by up to a half at random ("equal
    jitter", as in M. Brooker, "Exponential Backoff and Jitter", 2015).

    Args:
        first: seconds, above 0.
        longest: seconds, at least `first`.
        random: where the randomness comes from; None: a generator of its own.

    Raises:
        TypeError, ValueError: an argument isn't valid; the error names it.
    """

    def __init__(self, first: float, longest: float, random: Random | None) -> None:
        self._first = check_finite("reconnect_after", first)
        self._longest = check_finite("reconnect_at_most", longest)
        if self._first <= 0:
            raise ValueError(f"reconnect_after must be above 0 seconds, got {first!r}")
        if self._longest < self._first:
            raise ValueError(
                f"reconnect_at_most must be at least reconnect_after ({first!r}), got {longest!r}"
            )
        if random is not None and not isinstance(random, Random):
            raise TypeError(f"random must be a random.Random or None, got {shown(random)}")
        self._random = Random() if random is None else random
        self._pause = self._first

    def restart(self) -> None:
        """Begin with the first pause again."""
        self._pause = self._first

    def next(self, connected: float = 0.0) -> float:
        """Return how many seconds to wait.

        Args:
            connected: how many seconds the last connection has lasted; 0: the attempt has failed.
                After one that outlasts the pause that would be due, the pauses begin anew.
        """
        if connected > self._pause:
            self.restart()
        pause = self._pause * self._random.uniform(0.5, 1.0)
        self._pause = min(2 * self._pause, self._longest)
        return pause
