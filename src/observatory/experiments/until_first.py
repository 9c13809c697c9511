"""Tasks that belong together: when the first of them ends, all of them do."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any


async def until_first(
    tasks: Sequence[asyncio.Task[Any]], when_over: Callable[[], None] | None = None
) -> None:
    """Wait until one of some tasks ends; then stop the others and wait for them.

    Args:
        tasks: those that belong together.
        when_over: is called once, before any of them is stopped, also if this is cancelled.

    Raises:
        BaseException: what one of them raised, the first of them in their order.
    """
    try:
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            if when_over is not None:
                when_over()
    finally:
        for task in tasks:
            task.cancel()
        outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    for outcome in outcomes:
        if isinstance(outcome, BaseException) and not isinstance(outcome, asyncio.CancelledError):
            raise outcome
