"""A million mapped children that return None: how far memory gets from where it started.

``python -m prove.million inline`` (or ``async``) runs them, a thousand at a time, and ends with 1
if the process ever had more than 20 MiB more than before.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import cascade as cs

CHILDREN = 1_000_000
WINDOW = 1_000
MOST = 20 * 2**20
"""How many bytes the process may take more; the list of a million times None is 8 MB of them."""


@cs.task(mode="inline")
def do_nothing(n: int) -> None:
    """Return None at once."""


@cs.task
async def pass_on(n: int) -> None:
    """Return None in the next turn of the loop."""
    await asyncio.sleep(0)


TASKS: dict[str, cs.Task[None]] = {"inline": do_nothing, "async": pass_on}


def bytes_of(entry: str, process: int | str = "self") -> int:
    """Return what the system says about a process: VmRSS is now, VmHWM the most ever."""
    status = Path(f"/proc/{process}/status").read_text(encoding="ascii")
    (line,) = [line for line in status.splitlines() if line.startswith(f"{entry}:")]
    return int(line.split()[1]) * 1024


def growth(task: cs.Task[None], children: int) -> int:
    """Run so many children; return how many bytes more than before the process ever had."""
    asyncio.run(cs.Engine().run(task.map(n=range(WINDOW)).windowed(10)))
    before = bytes_of("VmRSS")
    values = asyncio.run(cs.Engine().run(task.map(n=range(children)).windowed(WINDOW)))
    assert len(values) == children
    return bytes_of("VmHWM") - before


def main(kind: str) -> int:
    """Run the children of this kind; return the exit code."""
    found = growth(TASKS[kind], CHILDREN)
    print(f"{CHILDREN:,} {kind} children took {found / 2**20:.1f} MiB")
    return found > MOST


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
