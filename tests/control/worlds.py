"""Worlds of agents to be steered: in this process on virtual time, or as programs of their own."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cascade as cs
from cascade.control.audit import Trail, Who
from cascade.control.desk import Desk
from cascade.control.messages import request_of
from cascade.runtime.constraints import ConstraintManager

LIMIT = 30.0
"""Seconds after which a test gives up on another process."""
ME = Who("tester", None, "program")


@cs.task(tags=["living"])
async def agent(number: int, steps: int = 0) -> Any:
    await asyncio.sleep(1)
    return cs.TailCall(steps=steps + 1)


class World:
    """Agents in one manager, and a desk that answers for it."""

    def __init__(self, agents: int, slots: int | None = None) -> None:
        self.manager = cs.ResourceManager(None if slots is None else {"slot": slots})
        self.constraints = ConstraintManager(cs.Engine(resource_manager=self.manager))
        self.desk = Desk("world", Trail("world", None), asyncio.get_running_loop())
        self.desk.oversee(self.constraints)
        self.ended: list[BaseException] = []
        self.lives = [asyncio.create_task(self._live(number, slots)) for number in range(agents)]

    async def _live(self, number: int, slots: int | None) -> None:
        work = agent(number)
        if slots is not None:
            work = work.with_constraints(slot=1)
        try:
            engine = cs.Engine(resource_manager=self.manager, name=f"engine-{number}")
            await engine.run(work, use_vm=True)
        except cs.errors.RunCancelledError as error:
            self.ended.append(error)

    def ask(self, command: str, **said: Any) -> dict[str, Any]:
        """Ask the desk."""
        return self.desk.answer(request_of({"do": command, **said}), ME)

    async def end(self) -> None:
        """End everything."""
        for life in self.lives:
            life.cancel()
        await asyncio.wait(self.lives)
        self.desk.close()


PROGRAM = """
import asyncio, sys
import cascade as cs
from cascade.control import LocalControl

@cs.task
async def agent(number: int, steps: int = 0):
    await asyncio.sleep(0.4)
    return cs.TailCall(steps=steps + 1)

async def main(name, agents, slots):
    control, manager = LocalControl(name), cs.ResourceManager({"slot": slots})
    async def life(number):
        engine = cs.Engine(resource_manager=manager, connector=control, name=f"{name}-{number}")
        try:
            await engine.run(agent(number).with_constraints(slot=1), use_vm=True)
        except cs.errors.RunCancelledError as error:
            print(error, flush=True)
    lives = [asyncio.create_task(life(number)) for number in range(agents)]
    await asyncio.sleep(0)
    print("ready", flush=True)
    await asyncio.gather(*lives)

asyncio.run(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))
"""


@contextmanager
def program(directory: Path, name: str, agents: int, slots: int) -> Iterator[subprocess.Popen[str]]:
    """Run agents in a process of their own, until the end of the block."""
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, name, str(agents), str(slots)],
        env={**os.environ, "CASCADE_CONTROL_DIR": str(directory)},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        yield process
    finally:
        process.kill()
        process.communicate()


def until(condition: Callable[[], Any], limit: float = LIMIT) -> Any:
    """Wait for something in another process, and return it."""
    give_up = time.monotonic() + limit
    while not (found := condition()):
        assert time.monotonic() < give_up, "it did not come"
        time.sleep(0.02)
    return found
