"""What a run of the fireflies leaves behind: its flashes, and one short name for all of them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import NamedTuple


class Flash(NamedTuple):
    """One flash of one agent; equal to the plain tuple ``(agent, time)``."""

    agent: int
    """The number of the agent, from 0."""
    time: float
    """When the flash was due, in seconds since the start of the run."""


def flash_line(flash: tuple[int, float]) -> bytes:
    """Return the line ``agent:time`` that stands for a flash in a digest, to nine decimals."""
    return b"%d:%.9f\n" % flash


def flash_digest(flashes: Iterable[tuple[int, float]]) -> str:
    """Return the SHA-256 of the flashes, as 64 hexadecimal digits.

    Two runs have the same digest when the same agents flashed in the same order at the same
    times, to nine decimals. What is hashed is one line ``agent:time`` for each flash.

    Args:
        flashes: Agents and times (in seconds), in the order in which they happened.
    """
    digest = hashlib.sha256()
    for flash in flashes:
        digest.update(flash_line(flash))
    return digest.hexdigest()
