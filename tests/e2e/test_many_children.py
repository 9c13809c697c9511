"""Memory doesn't grow with the children that a map has had; `prove/million.py` has a million."""

from __future__ import annotations

import asyncio
import tracemalloc
from typing import Any

import pytest
from tests.long_form import tries

import cascade as cs

CHILDREN = tries(9_000, 30_000)
LOOKS = (CHILDREN // 3, CHILDREN - 1)
"""The children that look how much memory there is."""


@pytest.mark.parametrize("mode", ["inline", "async"])
def test_windowed_children_take_no_more_than_a_third_of_them(mode: str) -> None:
    traced: list[int] = []

    def look(n: int) -> None:
        if n in LOOKS:
            traced.append(tracemalloc.get_traced_memory()[0])

    async def look_later(n: int) -> None:
        await asyncio.sleep(0)
        look(n)

    task: cs.Task[Any] = cs.task(look_later) if mode == "async" else cs.task(mode="inline")(look)
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        children = task.map(n=range(CHILDREN)).windowed(50)
        values = asyncio.run(cs.Engine().run(children))
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert values == [None] * CHILDREN
    assert traced[1] - traced[0] < 8 * CHILDREN
    assert most - before < 2**18 + 8 * CHILDREN  # those under way, and the list of the values
