"""Tail calls: a step of a machine, beside a bare trampoline of its own kind."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import cascade as cs
from benchmarks import peers
from benchmarks.harness import Peer, Row, Work, measure


class Again:
    """What a bare trampoline's function returns to be called again."""

    __slots__ = ("args",)

    def __init__(self, *args: Any) -> None:
        self.args = args


def add(left: int, total: int) -> Any:
    """Add up the numbers from `left` down to 1, one a step."""
    return Again(left - 1, total + left) if left else total


async def add_async(left: int, total: int) -> Any:
    """Do the same in a coroutine that never suspends."""
    return Again(left - 1, total + left) if left else total


@cs.task(mode="inline")
def add_inline_task(left: int, total: int) -> Any:
    """Do the same as a task."""
    return cs.TailCall(left - 1, total + left) if left else total


@cs.task
async def add_async_task(left: int, total: int) -> Any:
    """Do the same as an async task."""
    return cs.TailCall(left - 1, total + left) if left else total


def bounce(left: int) -> int:
    """Call a function until it is done."""
    args: tuple[Any, ...] = (left, 0)
    while True:
        result = add(*args)
        if type(result) is not Again:
            return int(result)
        args = result.args


async def bounce_async(left: int) -> int:
    """Await a coroutine function until it is done."""
    args: tuple[Any, ...] = (left, 0)
    while True:
        result = await add_async(*args)
        if type(result) is not Again:
            return int(result)
        args = result.args


def steps(quick: bool) -> Iterable[Row]:
    """Make many steps without suspending, without and with a limit that nobody else wants."""
    count = 50_000 if quick else 200_000
    rounds = 7 if quick else 11

    def run(task: cs.Task[Any], limited: bool) -> Any:
        target = task(count, 0)
        if limited:
            target = target.with_constraints(slot=1)
        engine = cs.Engine(system_resources={"slot": 1} if limited else None)
        return engine.run(target, use_vm=True)

    works = (
        ("async step", lambda: bounce_async(count), add_async_task, False, 4.5),
        ("inline step", lambda: bounce(count), add_inline_task, False, 4.5),
        ("async step, limited", lambda: bounce_async(count), add_async_task, True, 8.0),
        ("inline step, limited", lambda: bounce(count), add_inline_task, True, 8.0),
    )
    others: list[Peer] = []
    if not quick and peers.available("simpy", "simpy"):
        others = [peers.simpy_steps(50_000)]
    for name, floor, task, limited, budget in works:
        yield measure(
            Work(
                f"tail call, {name}",
                count,
                floor,
                lambda task=task, limited=limited: run(task, limited),  # type: ignore[misc]
                budget,
                rounds,
                peers=others if name == "inline step" else (),
            ),
            quick,
        )
