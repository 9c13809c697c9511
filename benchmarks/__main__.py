"""The command: ``python -m benchmarks [--quick] [--json FILE] [NAME...]``.

It prints a table and ends with exit code 1 if a budget was exceeded in each of three attempts.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from time import monotonic
from typing import Any

from benchmarks import agents, events, fireflies, graphs, limits, machines, view
from benchmarks.harness import ATTEMPTS, Benchmark, Row, settle

BENCHMARKS: Mapping[str, Benchmark] = {
    "inline": graphs.inline,
    "async": graphs.coroutines,
    "threads": graphs.threads,
    "declaring": graphs.declaring,
    "tailcall": machines.steps,
    "contention": limits.contention,
    "engines": limits.engines,
    "agents": agents.agents,
    "events": events.publishing,
    "fireflies": fireflies.compare,
    "view": view.view,
}

RULES = (
    "Figures are for one item: the median of the rounds, in brackets the best one and the spread "
    "(largest minus smallest, in per cent of the median).\n"
    "The cyclic collector is off during the measurements unless the row says otherwise. "
    "Lateness and processor time are compared by their best rounds."
)
_HEADER = ("", "items", "unit", "floor", "Cascade", "ratio", "budget", "")
_WIDTHS = (46, 6, 11, 20, 20, 5, 12, 0)


def machine() -> str:
    """Say what the figures were measured on."""
    load = f", load average {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else ""
    return (
        f"{platform.python_implementation()} {platform.python_version()}, "
        f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores{load}"
    )


def line(row: Row, attempt: int) -> str:
    """Return a row of the table as text."""
    sides = [
        f"{_number(side.median)} ({_number(side.best)}, {side.spread:.0%})"
        for side in (row.floor, row.cascade)
    ]
    verdict = f"EXCEEDED in {attempt} attempts" if row.exceeded else ""
    if row.budget and not row.exceeded:
        verdict = "ok" if attempt == 1 else f"ok in attempt {attempt}"
    ratio = f"{row.ratio:.2f}"
    return _columns((row.name, f"{row.items}", row.unit, *sides, ratio, row.budget, verdict))


def _columns(cells: Sequence[str]) -> str:
    return "  ".join(f"{cell:{width}}" for cell, width in zip(cells, _WIDTHS, strict=True)).rstrip()


def _number(value: float) -> str:
    return f"{value:.3g}" if value < 1000 else f"{value:.0f}"


def main(arguments: Sequence[str], benchmarks: Mapping[str, Benchmark] = BENCHMARKS) -> int:
    """Run the named benchmarks, or all of them, and return the exit code.

    Args:
        arguments: the command line without the name of the program.
        benchmarks: the benchmarks that there are, by name.
    """
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description="What Cascade costs, beside a hand-written floor."
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(benchmarks))
    parser.add_argument("--quick", action="store_true", help="the short form, about a minute")
    parser.add_argument("--json", metavar="FILE", help="write the figures as JSON as well")
    options = parser.parse_args(arguments)
    unknown = [name for name in options.names if name not in benchmarks]
    if unknown:
        parser.error(f"no benchmark is named {unknown[0]!r}; there are {', '.join(benchmarks)}")
    began = monotonic()
    about = machine()
    print(f"{about}\n{RULES}\n\n{_columns(_HEADER)}", flush=True)
    found: list[dict[str, Any]] = []
    exceeded: list[str] = []
    for name in options.names or benchmarks:
        for row, attempt in settle(benchmarks[name], options.quick):
            print(line(row, attempt), flush=True)
            found.append({"benchmark": name, "attempt": attempt, **asdict(row)})
            if row.exceeded:
                exceeded.append(row.name)
    print(f"\n{monotonic() - began:.0f} s")
    if options.json is not None:
        document = {"machine": about, "quick": options.quick, "rows": found}
        Path(options.json).write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    if exceeded:
        names = "; ".join(exceeded)
        print(f"more than the budget, in each of {ATTEMPTS} attempts: {names}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
