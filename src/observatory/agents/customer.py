"""customer_agent: one who thinks, queues for a slot, works, and thinks again, without end.

Agents of this kind around one limit are a closed queueing network, the machine-repair model of
queueing theory, whose answers are known: L. Kleinrock, Queueing Systems I (1975), section 3.8.
"""

from __future__ import annotations

import asyncio
import random
from typing import Any, Literal, Protocol

import cascade as cs

SLOT = "slot"
"""The resource that agents queue for."""
DOORS = "doors"
"""The gate that they have to pass as well."""

State = Literal["idle", "waiting", "working"]
"""What an agent is doing."""


class Observer(Protocol):
    """Whoever wants to know what agents do."""

    def enters(self, agent_id: int, state: State, time: float) -> None:
        """An agent is in a state from a time on, in seconds on the loop's clock."""
        ...


@cs.task
async def customer_agent(
    agent_id: int,
    manager: cs.ResourceManager,
    think: float,
    work: float,
    draw: random.Random,
    observer: Observer | None = None,
) -> Any:
    """One round: think, queue for a slot, work, give it back.

    Run it with ``engine.run(customer_agent(...), use_vm=True)``; it never returns by itself.

    Args:
        agent_id: its number.
        manager: where it queues for one `SLOT`, and for `DOORS` to be open.
        think: how long it thinks on average, in seconds; exponentially distributed.
        work: how long it works on average, in seconds; exponentially distributed.
        draw: where these times come from; its own, so that they don't depend on the others.
        observer: is told what it does.
    """
    loop = asyncio.get_running_loop()
    if observer is not None:
        observer.enters(agent_id, "idle", loop.time())
    await asyncio.sleep(draw.expovariate(1 / think))
    if observer is not None:
        observer.enters(agent_id, "waiting", loop.time())
    async with manager.hold({SLOT: 1, DOORS: 1}, owner=f"agent {agent_id}"):
        if observer is not None:
            observer.enters(agent_id, "working", loop.time())
        await asyncio.sleep(draw.expovariate(1 / work))
    return cs.TailCall()
