"""ChildGroup: a group of processes that this program has started, and can end as a whole.

All that there are can be killed at once, for a program that ends where it stands. What counts them
is global, as the children of a program are.
"""

from __future__ import annotations

import atexit
import os
import signal
import threading
from contextlib import suppress

_living: set[ChildGroup] = set()


class ChildGroup:
    """A child that leads a process group, with whatever it has started in it.

    It is killed when this program ends and nobody has let it go before.

    Args:
        leader: the number of the child, which is that of its group, too.
    """

    __slots__ = ("_lock", "_ours", "leader")

    def __init__(self, leader: int) -> None:
        self.leader = leader
        """The number of the child."""
        self._ours = True
        # A signal handler may come here while its own thread is in the midst of `signal`.
        self._lock = threading.RLock()
        _living.add(self)

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to all of the group, unless it was let go or is gone; from any thread.

        Raises:
            PermissionError: it runs as somebody else.
        """
        with self._lock:
            if self._ours:
                with suppress(ProcessLookupError):
                    os.killpg(self.leader, number)

    def let_go(self) -> None:
        """Send it no more signals: its number may soon be that of somebody else's group."""
        with self._lock:
            self._ours = False
        _living.discard(self)


def kill_all() -> None:
    """Kill all groups that weren't let go; may be called by a signal handler."""
    for group in list(_living):
        with suppress(PermissionError):  # it runs as somebody else, or is ending just now
            group.signal(signal.SIGKILL)


# A child that was made by a fork, and goes on with this program, has no part in its children.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_living.clear)
atexit.register(kill_all)
