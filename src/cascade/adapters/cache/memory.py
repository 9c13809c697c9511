"""InMemoryCache: the latest values, by reference."""

from __future__ import annotations

import asyncio
import math
from collections import OrderedDict
from typing import Any

from cascade.ports import Hit
from cascade.spec.checks import check_whole


class InMemoryCache:
    """Keeps values in a dictionary; the one that wasn't used for longest goes first.

    A value is kept as it is, not as a copy: whoever changes it, changes what others get.

    Args:
        max_entries: how many are kept at most.

    Raises:
        TypeError, ValueError: `max_entries` isn't a whole number ≥ 1.
    """

    __slots__ = ("_entries", "_max_entries")

    def __init__(self, max_entries: int = 1024) -> None:
        self._max_entries = check_whole("max_entries", max_entries, 1)
        self._entries: OrderedDict[str, tuple[Any, float]] = OrderedDict()

    async def get(self, key: str) -> Hit | None:
        """Return what is kept under a key, or None. Lifetimes count on the loop's clock."""
        entry = self._entries.get(key)
        if entry is None:
            return None
        value, until = entry
        if until <= asyncio.get_running_loop().time():
            del self._entries[key]
            return None
        self._entries.move_to_end(key)
        return Hit(value)

    async def put(self, key: str, value: Any, ttl: float | None) -> None:
        """Keep a value for `ttl` seconds (None: until others need the room)."""
        until = math.inf if ttl is None else asyncio.get_running_loop().time() + ttl
        self._entries[key] = value, until
        self._entries.move_to_end(key)
        while len(self._entries) > self._max_entries:
            self._entries.popitem(last=False)

    async def delete(self, key: str) -> None:
        """Forget what is kept under a key, if anything."""
        self._entries.pop(key, None)

    def __len__(self) -> int:
        return len(self._entries)
