"""Tasks whose traces and metrics are read back."""

from __future__ import annotations

import asyncio
from typing import Any

import cascade as cs


@cs.task
async def sleep(seconds: float, *_: Any) -> float:
    await asyncio.sleep(seconds)
    return seconds


@cs.task
async def fail(seconds: float) -> None:
    await asyncio.sleep(seconds)
    raise OSError("broken")
