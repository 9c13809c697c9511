"""DirectChannel: an inbox that joins agents without a broker, light enough for thousands."""

from __future__ import annotations

import asyncio
import math
from collections import OrderedDict, deque
from collections.abc import Coroutine
from typing import Any, Literal, get_args

from cascade.errors import ChannelFullError
from cascade.runtime.timers import call_on
from cascade.spec.checks import check_time, check_whole

__all__ = ["DirectChannel", "Overflow"]

Overflow = Literal["drop_oldest", "drop_newest", "error", "wait"]
"""What happens to a message that finds the inbox full."""
_OVERFLOWS: tuple[Overflow, ...] = get_args(Overflow)

# What an expired receiver's future holds; an exception there would tie frames into a cycle.
_EXPIRED: Any = object()

_Future = asyncio.Future[Any]


class DirectChannel:
    """A bounded first in, first out inbox for one event loop.

    Sending hands the message to the receiver that has waited longest, or puts it into the inbox.
    It never waits, except with ``overflow="wait"``. Messages are handed over as the very object
    that was sent. A message is never lost to a cancelled receiver: it goes back to the front,
    which may put the inbox above its capacity for a while. Not for use from several threads.

    Args:
        owner_id: whose inbox it is; for messages and logs only.
        capacity: how many messages the inbox holds, at least 1.
        overflow: what to do with a message that finds it full: ``"drop_oldest"`` makes room by
            dropping from the front, ``"drop_newest"`` drops the message itself, ``"error"``
            raises, ``"wait"`` lets `send` wait for its turn.

    Raises:
        TypeError: `capacity` isn't a whole number.
        ValueError: `capacity` is below 1, or `overflow` is none of the four.
    """

    __slots__ = (
        "__weakref__",
        "_capacity",
        "_inbox",
        "_later_receivers",
        "_overflow",
        "_receiver",
        "_returned",
        "_senders",
        "dropped",
        "owner_id",
    )

    def __init__(
        self, owner_id: Any, capacity: int = 100, overflow: Overflow = "drop_oldest"
    ) -> None:
        check_whole("capacity", capacity, 1)
        if overflow not in _OVERFLOWS:
            known = ", ".join(map(repr, _OVERFLOWS))
            raise ValueError(f"overflow must be one of {known}, got {overflow!r}")
        self.owner_id = owner_id
        """Whose inbox it is."""
        self.dropped = 0
        """How many messages were dropped because the inbox was full."""
        self._capacity = capacity
        self._overflow = overflow
        # Most channels have one receiver and empty inboxes, so one slot stands for a queue of
        # receivers and all three containers are made when they are first needed.
        self._receiver: _Future | None = None
        self._later_receivers: OrderedDict[_Future, None] | None = None
        self._inbox: deque[Any] | None = None
        self._returned = 0  # how many at the front of the inbox came back from cancelled receivers
        self._senders: OrderedDict[_Future, Any] | None = None

    def __repr__(self) -> str:
        return f"<DirectChannel of {self.owner_id!r}: {self.qsize()} of {self._capacity}>"

    def qsize(self) -> int:
        """How many messages are in the inbox."""
        return len(self._inbox) if self._inbox else 0

    async def send(self, message: Any) -> None:
        """Send a message; suspends only if `overflow` is ``"wait"`` and the inbox is full.

        Senders that wait are let in first come, first served. A sender that is cancelled before
        that takes its message with it; one that is cancelled at the moment at which it is let in
        has sent it.

        Raises:
            ChannelFullError: the inbox is full and `overflow` is ``"error"``.
        """
        if self._overflow == "wait" and self.qsize() >= self._capacity:
            await self._wait_for_room(message)
        else:
            self.send_nowait(message)

    def send_nowait(self, message: Any) -> None:
        """Send a message without waiting.

        Raises:
            ChannelFullError: the inbox is full and `overflow` is ``"error"`` or ``"wait"``.
        """
        receiver = self._receiver
        if receiver is not None:
            if self._later_receivers is None and not receiver.done():
                self._receiver = None  # what `_next_receiver` does for the usual one
            else:
                receiver = self._next_receiver()
            if receiver is not None:
                receiver.set_result(message)
                return
        inbox = self._inbox
        if inbox is None:
            inbox = self._inbox = deque()
        elif len(inbox) >= self._capacity:
            if self._overflow == "drop_newest":
                self.dropped += 1
                return
            if self._overflow != "drop_oldest":
                raise ChannelFullError(
                    f"the channel of {self.owner_id!r} is full: {len(inbox)} messages wait there"
                )
            while len(inbox) >= self._capacity:
                self._pop(inbox)
                self.dropped += 1
        inbox.append(message)

    def recv(self, timeout: float | None = None) -> Coroutine[Any, Any, Any]:
        """Return the next message, waiting for it if there is none; to be awaited.

        Several receivers are served first come, first served. The end of the time means "due": a
        caller needn't and shouldn't look at the clock again.

        Args:
            timeout: how long to wait at most, in seconds; None (the default) is for ever. With 0
                or less, a message that is there is returned and nothing is waited for.

        Raises:
            TimeoutError: no message in that time.
            TypeError: `timeout` isn't a number.
            ValueError: `timeout` is not-a-number.
        """
        if timeout is None:
            return self._receive(None, math.inf)
        return self._receive(check_time("timeout", timeout), 0.0)

    def recv_until(self, when: float) -> Coroutine[Any, Any, Any]:
        """Return the next message, waiting for it until a point in time; to be awaited.

        Args:
            when: the time on the event loop's clock, in seconds. If it has passed, a message
                that is there is returned and nothing is waited for.

        Raises:
            TimeoutError: no message until then.
            TypeError: `when` isn't a number.
            ValueError: `when` is not-a-number.
        """
        if type(when) is not float or when != when:
            when = check_time("when", when)
        return self._receive(None, when)

    def drain(self) -> list[Any]:
        """Take all messages out of the inbox, oldest first; senders that wait move up."""
        if not self._inbox:
            return []
        messages = list(self._inbox)
        self._inbox.clear()
        self._returned = 0
        self._admit_senders()
        return messages

    async def _receive(self, timeout: float | None, when: float) -> Any:
        """Return the next message within `timeout` seconds, or (None) until a point in time."""
        if self._inbox:
            return self._take()
        loop = asyncio.get_running_loop()
        now = loop.time()
        if timeout is not None:
            when = now + timeout
        if when <= now:
            raise TimeoutError(f"no message for {self.owner_id!r}")
        future = loop.create_future()
        if self._receiver is None:
            self._receiver = future
        else:
            if self._later_receivers is None:
                self._later_receivers = OrderedDict()
            self._later_receivers[future] = None
        timer = None if when == math.inf else call_on(loop, when, _expire, future)
        try:
            message = await future
        except BaseException:
            self._forget_receiver(future)
            if future.done() and not future.cancelled() and future.result() is not _EXPIRED:
                self._put_back(future.result())
            raise
        finally:
            if timer is not None:
                timer.cancel()
        if message is _EXPIRED:
            self._forget_receiver(future)
            raise TimeoutError(f"no message for {self.owner_id!r}")
        return message

    def _next_receiver(self) -> _Future | None:
        """Take the first receiver out of the queue that is neither expired nor cancelled."""
        while (receiver := self._receiver) is not None:
            self._move_receivers_up()
            if not receiver.done():
                return receiver
        return None

    def _forget_receiver(self, future: _Future) -> None:
        if self._receiver is future:
            self._move_receivers_up()
        elif self._later_receivers:
            self._later_receivers.pop(future, None)

    def _move_receivers_up(self) -> None:
        later = self._later_receivers
        self._receiver = later.popitem(last=False)[0] if later else None

    def _put_back(self, message: Any) -> None:
        receiver = self._next_receiver()
        if receiver is not None:
            receiver.set_result(message)
            return
        if self._inbox is None:
            self._inbox = deque()
        # Behind what has come back already: receivers are woken in the order of their messages.
        self._inbox.insert(self._returned, message)
        self._returned += 1

    def _pop(self, inbox: deque[Any]) -> Any:
        if self._returned:
            self._returned -= 1
        return inbox.popleft()

    def _take(self) -> Any:
        assert self._inbox
        message = self._pop(self._inbox)
        if self._senders:
            self._admit_senders()
        return message

    async def _wait_for_room(self, message: Any) -> None:
        future = asyncio.get_running_loop().create_future()
        if self._senders is None:
            self._senders = OrderedDict()
        self._senders[future] = message
        try:
            await future
        finally:
            self._senders.pop(future, None)

    def _admit_senders(self) -> None:
        """Let in as many waiting senders as there is room for, at once: nobody overtakes them."""
        inbox, senders = self._inbox, self._senders
        while senders and inbox is not None and len(inbox) < self._capacity:
            sender, message = senders.popitem(last=False)
            if not sender.done():
                inbox.append(message)
                sender.set_result(None)


def _expire(future: _Future) -> None:
    if not future.done():
        future.set_result(_EXPIRED)
