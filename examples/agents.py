"""Agents that go on step after step: 200 random walkers share 20 slots, on virtual time."""

import asyncio
import random

import cascade as cs
from cascade import testing

WALKERS, SLOTS, GOAL = 200, 20, 5


@cs.task
async def walk(generator: random.Random, place: int, steps: int) -> cs.TailCall | int:
    """Make one step of a tenth of a second; start again until the goal is reached."""
    await asyncio.sleep(0.1)
    place += generator.choice((-1, 1, 1))
    if place >= GOAL:
        return steps + 1
    return cs.TailCall(place=place, steps=steps + 1)


async def main() -> None:
    limits = cs.ResourceManager({"slot": SLOTS})
    walkers = [
        cs.Engine(resource_manager=limits).run(
            walk(random.Random(seed), place=0, steps=0).with_constraints(slot=1), use_vm=True
        )
        for seed in range(WALKERS)
    ]
    steps = await asyncio.gather(*walkers)

    seconds = asyncio.get_running_loop().time()
    print(f"steps: {sum(steps)} in all, {min(steps)} to {max(steps)} a walker")
    print(f"slots in use at most: {limits.statistics().resources['slot'].peak:g} of {SLOTS}")
    print(f"took {seconds:.1f} s; without a gap it would be {sum(steps) / SLOTS / 10:.1f} s")


if __name__ == "__main__":
    testing.run_virtual(main())
