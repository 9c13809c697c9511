"""Loop turns: how a machine that never suspends finds out that it must let others run.

In real time a machine yields when its loop turn has lasted 5 ms; on virtual time after a fixed
number of steps, so that the order of events stays a function of the seed. To learn whether the
loop has turned meanwhile, a machine leaves a mark: one callback for all machines of a turn, so that
agents that suspend in every step hardly pay for a fairness that they don't need.
"""

from __future__ import annotations

import asyncio
from time import monotonic
from weakref import WeakKeyDictionary

SLICE = 0.005
"""Seconds that one loop turn may last before machines yield, in real time."""
STEPS_REAL = 1
"""Steps without a look at the clock, in real time: one, since the next may be a long one."""
STEPS_VIRTUAL = 255
"""Steps before the mark on virtual time: the machine yields with the next one, the 256th."""


class LoopTurn:
    """The current turn of one event loop, as far as machines have marked it."""

    __slots__ = ("_marked", "ends_at", "number", "quota", "virtual")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.virtual: bool = getattr(loop, "virtual", False)
        self.quota = STEPS_VIRTUAL if self.virtual else STEPS_REAL
        """How many steps a machine makes before it leaves a mark."""
        self.number = 0
        """Grows whenever a marked turn has ended."""
        self._marked = False
        self.ends_at = 0.0
        """When the marked turn has lasted long enough, as `time.monotonic` tells it."""

    def mark(self, loop: asyncio.AbstractEventLoop) -> int:
        """Ask to be told when this turn has ended; return its number."""
        if not self._marked:
            self._marked = True
            self.ends_at = monotonic() + SLICE
            loop.call_soon(self._ended)
        return self.number

    def _ended(self) -> None:
        self._marked = False
        self.number += 1


_turns: WeakKeyDictionary[asyncio.AbstractEventLoop, LoopTurn] = WeakKeyDictionary()


def turn_of(loop: asyncio.AbstractEventLoop) -> LoopTurn:
    """Return the turn of a loop, shared by all its machines."""
    turn = _turns.get(loop)
    if turn is None:
        turn = _turns[loop] = LoopTurn(loop)
    return turn
