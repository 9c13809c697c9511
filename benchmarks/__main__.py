"""The command: ``python -m benchmarks [--quick] [--json FILE] [--results DIRECTORY] [NAME...]``.

It prints a table and ends with exit code 1 if a budget was exceeded in each of three attempts. The
short form accepts twice the budget, and leaves out the peers.
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

from benchmarks import (
    agents,
    events,
    fireflies,
    graphs,
    limits,
    machines,
    million,
    peers,
    results,
    scaling,
    view,
)
from benchmarks.harness import ATTEMPTS, TOLERANCE, Benchmark, Row, settle

BENCHMARKS: Mapping[str, Benchmark] = {
    "inline": graphs.inline,
    "async": graphs.coroutines,
    "threads": graphs.threads,
    "chains": graphs.chains,
    "declaring": graphs.declaring,
    "million": million.measure,
    "tailcall": machines.steps,
    "slots": limits.slots,
    "contention": limits.contention,
    "agents": agents.agents,
    "events": events.publishing,
    "fireflies": fireflies.compare,
    "together": fireflies.synchronous,
    "largest": fireflies.largest,
    "scaling": scaling.scaling,
    "view": view.view,
}
ON_DEMAND = ("scaling", "view")
"""What is measured only when it is named: it takes minutes by itself."""
ONCE = ("fireflies", "together", "largest")
"""What has one attempt in the long form, as it takes minutes of real time."""

RULES = (
    "Figures are for one item: the median of the rounds, in brackets the best one and the spread "
    "(largest minus smallest, in per cent of the median).\n"
    "The cyclic collector is off during the measurements unless the row says otherwise. "
    "Lateness and processor time are compared by their best rounds."
)
_HEADER = ("", "items", "unit", "floor", "Cascade", "ratio", "budget", "")
_WIDTHS = (56, 7, 11, 20, 20, 5, 12, 0)


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
    verdict = f"EXCEEDED ({attempt})" if row.exceeded else ""
    if row.budget and not row.exceeded:
        verdict = "ok" if attempt == 1 else f"ok in attempt {attempt}"
    ratio = f"{row.ratio:.2f}"
    return _columns((row.name, f"{row.items}", row.unit, *sides, ratio, row.budget, verdict))


def peer_lines(row: Row) -> list[str]:
    """Return a line of the table for each peer of a row."""
    return [
        _columns(
            (
                f"    {name}",
                f"{items}",
                row.unit,
                "",
                f"{_number(sample.median)} ({_number(sample.best)}, {sample.spread:.0%})",
                f"{ratio:.2f}",
                "",
                "",
            )
        )
        for name, items, sample, ratio in row.peers
    ]


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
    parser.add_argument(
        "--results", metavar="DIRECTORY", help="write the table and a figure as results.md and .svg"
    )
    options = parser.parse_args(arguments)
    unknown = [name for name in options.names if name not in benchmarks]
    if unknown:
        parser.error(f"no benchmark is named {unknown[0]!r}; there are {', '.join(benchmarks)}")
    began = monotonic()
    about = machine()
    print(f"{about}\n{RULES}\n\n{_columns(_HEADER)}", flush=True)
    found: list[dict[str, Any]] = []
    exceeded: list[str] = []
    rows: list[Row] = []
    for name in options.names or [name for name in benchmarks if name not in ON_DEMAND]:
        attempts = 1 if name in ONCE and not options.quick else ATTEMPTS
        for row, attempt in settle(benchmarks[name], options.quick, attempts):
            print(line(row, attempt), flush=True)
            for other in peer_lines(row):
                print(other, flush=True)
            rows.append(row)
            found.append({"benchmark": name, "attempt": attempt, **asdict(row)})
            if row.exceeded:
                exceeded.append(row.name)
    print(f"\n{monotonic() - began:.0f} s")
    if peers.missing:
        print(f"left out, as they aren't installed: {', '.join(peers.missing)}")
    if options.results is not None:
        results.write(Path(options.results), about, RULES, rows)
    if options.json is not None:
        document = {"machine": about, "quick": options.quick, "rows": found}
        Path(options.json).write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    if exceeded:
        names = "; ".join(exceeded)
        accepted = f"{TOLERANCE:g} times the budget" if options.quick else "the budget"
        print(f"more than {accepted}, in every attempt: {names}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
