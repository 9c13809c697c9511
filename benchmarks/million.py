"""A graph of a million nodes: declared, built and run in a process of its own.

Run as a module it does just that, and prints what a node took in time and memory.
"""

from __future__ import annotations

import asyncio
import gc
import json
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from time import perf_counter

from benchmarks.harness import TOLERANCE, Row, Sample

NODES = 1_000_000
SECONDS = 25.0
"""How many microseconds a node may take."""
BYTES = 700.0
"""How much memory a node may take."""


def work(nodes: int) -> dict[str, float]:
    """Declare, build and run a layered graph; return what a node took."""
    import cascade as cs
    from benchmarks.graphs import LAYERS, declare, inline_mix

    gc.collect()
    gc.freeze()
    gc.disable()
    before, began = peak(), perf_counter()
    target = declare(inline_mix, nodes // LAYERS)
    asyncio.run(cs.Engine().run(target))
    return {
        "microseconds": (perf_counter() - began) * 1e6 / nodes,
        "bytes": (peak() - before) / nodes,
    }


def work_alone(nodes: int) -> dict[str, float]:
    """Do the work in a process of its own."""
    run = subprocess.run(
        [sys.executable, "-m", "benchmarks.million", str(nodes)],
        cwd=Path(__file__).parent.parent,
        capture_output=True,
        text=True,
        check=True,
    )
    found: dict[str, float] = json.loads(run.stdout)
    return found


def peak() -> int:
    """Return the most memory that this process has ever had, in bytes.

    Not by way of `resource`: its figure is inherited from the process that started this one.
    """
    status = Path("/proc/self/status").read_text(encoding="ascii")
    (line,) = [line for line in status.splitlines() if line.startswith("VmHWM:")]
    return int(line.split()[1]) * 1024


def measure(quick: bool) -> Iterable[Row]:
    """Measure the time and the memory of a node; there is no floor."""
    nodes = NODES // 10 if quick else NODES
    found = [work_alone(nodes) for _ in range(1 if quick else 3)]
    accepted = TOLERANCE if quick else 1.0
    for name, unit, limit in (("microseconds", "µs", SECONDS), ("bytes", "bytes", BYTES)):
        sample = Sample.of([one[name] for one in found])
        yield Row(
            f"{nodes:,} nodes: declared, built and run, {unit} a node",
            nodes,
            unit,
            Sample.of([limit]),
            sample,
            sample.median / limit,
            f"≤ {limit:g} {unit}",
            sample.median > limit * accepted,
        )


if __name__ == "__main__":
    print(json.dumps(work(int(sys.argv[1]))))
