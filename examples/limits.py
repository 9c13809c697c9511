"""One limit for two engines, raised while they work, on virtual time: two hours in a moment."""

import asyncio

import cascade as cs
from cascade import testing

HOUR = 3600.0


@cs.task
async def bake(loaf: str) -> str:
    await asyncio.sleep(HOUR / 2)
    now = asyncio.get_running_loop().time()
    print(f"{now / 60:5.0f} min  {loaf} is baked")
    return loaf


async def build_a_second_oven(limits: cs.ResourceManager) -> None:
    await asyncio.sleep(HOUR / 4)
    limits.set_capacity({"oven": 2})
    print("   15 min  a second oven is ready")


async def main() -> None:
    limits = cs.ResourceManager({"oven": 1})
    bakeries = {name: cs.Engine(name=name, resource_manager=limits) for name in ("north", "south")}
    orders = [
        engine.run([bake(f"{name} {number}").with_constraints(oven=1) for number in (1, 2, 3)])
        for name, engine in bakeries.items()
    ]
    await asyncio.gather(build_a_second_oven(limits), *orders)

    oven = limits.statistics().resources["oven"]
    print(f"ovens: {oven.capacity:g}, in use at most: {oven.peak:g}, in use now: {oven.used:g}")


if __name__ == "__main__":
    testing.run_virtual(main())
