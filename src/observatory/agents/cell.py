"""cell_agent: a cell of Conway's Life that only knows its own state and what its neighbours tell.

In generation g an agent tells its state to its neighbours, waits until it has heard the states that
all of them have in g, and makes its state in g + 1 of them. Nobody tells it when to begin: the
generations are in step because nobody can make g + 1 without everybody around.

So neighbours are never more than one generation apart. Whoever is at g hears states of g and, from
neighbours that are ahead, states of g + 1, which are kept for the next step; nobody has sent g + 2
who hasn't heard its g + 1. At most twice as many messages as it has neighbours are in its inbox.

The game is J. H. Conway's: M. Gardner, "Mathematical Games", Scientific American 223 (October 1970)
120.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import cascade as cs
from cascade.runtime.timers import wait_until
from cascade.spec.checks import check_finite, check_whole
from observatory.networking.direct_channel import DirectChannel

INBOX = 16
"""How many messages the inbox of a cell with eight neighbours has to hold: two of each."""

Rule = Callable[[bool, int], bool]
"""From a cell's state and the number of its living neighbours to its next state."""


def life(alive: bool, living: int) -> bool:
    """Return whether a cell lives in the next generation, by Conway's rule.

    Args:
        alive: whether it lives in this one.
        living: how many of its neighbours do.
    """
    return living == 3 or (alive and living == 2)


class Observer(Protocol):
    """Whoever wants to know what cells do."""

    def made(self, agent_id: int, generation: int, alive: bool) -> None:
        """A cell has made its state in a generation."""
        ...


@cs.task
async def cell_agent(
    agent_id: int,
    alive: bool,
    generations: int,
    neighbors: Sequence[DirectChannel],
    my_channel: DirectChannel,
    start: float = 0.0,
    interval: float = 0.0,
    rule: Rule = life,
    observer: Observer | None = None,
    awake: bool = False,
    generation: int = 0,
    heard: int = 0,
    living: int = 0,
) -> Any:
    """One generation of a cell: tell the neighbours, hear them, and make the next state.

    Run it with ``engine.run(cell_agent(...), use_vm=True)``; it returns its last state.

    Args:
        agent_id: its number.
        alive: its state in this generation.
        generations: which generation is its last, at least 1.
        neighbors: the channels of those who hear its state.
        my_channel: where it hears theirs; best one of `INBOX` messages that raises when it is full,
            as a lost message would stop the world.
        start: when generation 0 is there, in seconds on the loop's clock.
        interval: generation g is made at ``start + g * interval`` seconds and not before; 0: as
            soon as its neighbours are heard.
        rule: what makes the next state.
        observer: is told each state that it makes.
        awake: give the slots back while it waits, for that time or for its neighbours. Under a
            limit it must, since whom it waits for may wait for its slot.
        generation: where it is.
        heard: how many neighbours have told their state in this generation already.
        living: how many of these live.

    Raises:
        TypeError, ValueError: an argument is no number or out of its range; it names the argument.
        RuntimeError: a message was of a generation that no neighbour can be at.
        ChannelFullError: the inbox of a neighbour is full, and raises then.
    """
    if not generation:
        check_whole("agent_id", agent_id, 0)
        check_whole("generations", generations, 1)
        if check_finite("interval", interval) < 0:
            raise ValueError(f"interval must be ≥ 0 seconds, got {interval!r}")
    message = (generation, alive)
    for channel in neighbors:
        channel.send_nowait(message)
    following = generation + 1
    if interval:
        due = start + following * interval
        if due > asyncio.get_running_loop().time():
            if awake:
                async with cs.released():
                    await wait_until(due)
            else:
                await wait_until(due)

    early = early_living = 0
    while heard < len(neighbors):
        messages = my_channel.drain()
        if not messages:
            if awake:
                async with cs.released():
                    messages = [await my_channel.recv()]
            else:
                messages = [await my_channel.recv()]
        for of, lives in messages:
            if of == generation:
                heard += 1
                living += lives
            elif of == following:
                early += 1
                early_living += lives
            else:
                raise RuntimeError(
                    f"cell {agent_id} is at generation {generation} and heard of generation {of}"
                )
    if heard > len(neighbors):
        raise RuntimeError(
            f"cell {agent_id} heard {heard} states of generation {generation} from "
            f"{len(neighbors)} neighbours"
        )
    alive = rule(alive, living)
    if observer is not None:
        observer.made(agent_id, following, alive)
    if following == generations:
        return alive
    return cs.TailCall(alive=alive, generation=following, heard=early, living=early_living)
