"""Profiling: ``python -m benchmarks.profile NAME [--out FILE] [--flat]`` shows where the time goes.

It runs the short form of the named benchmark under pyinstrument, floors and all, and writes a flame
graph as a page to be opened in a browser. With ``--flat`` it prints the functions that take most of
the time by themselves.
"""

from __future__ import annotations

import argparse
import sys
from collections import defaultdict
from collections.abc import Sequence
from operator import itemgetter
from pathlib import Path

from benchmarks.__main__ import BENCHMARKS
from benchmarks.peers import available, load

OURS = ("cascade", "observatory")
"""Packages whose share is told; the floors are none of theirs."""


def flat(records: Sequence[tuple[Sequence[str], float]], count: int = 12) -> str:
    """Return the functions that take most by themselves, in per cent of what Cascade takes.

    Args:
        records: of each sample the functions that were running, outermost first, and the time in
            seconds. A function is its name, its file and its line, with NUL between them.
        count: how many functions.
    """
    own: defaultdict[str, float] = defaultdict(float)
    for stack, time in records:
        places = [frame.split("\0", 2)[:2] for frame in stack]
        if any(part in OURS for _, file in places for part in Path(file).parts):
            name, file = places[-1]
            own[f"{name} ({'/'.join(Path(file).parts[-2:])})"] += time
    whole = sum(own.values())
    largest = sorted(own.items(), key=itemgetter(1), reverse=True)
    return "\n".join(f"{time / whole:6.1%}  {place}" for place, time in largest[:count])


def main(arguments: Sequence[str]) -> int:
    """Profile one benchmark and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.profile")
    parser.add_argument("name", choices=BENCHMARKS, metavar="NAME", help=", ".join(BENCHMARKS))
    parser.add_argument("--out", metavar="FILE", help="where to; NAME.html by default")
    parser.add_argument(
        "--flat", action="store_true", help="print the functions that take most by themselves"
    )
    options = parser.parse_args(arguments)
    if not available("pyinstrument", "pyinstrument"):
        print("profiling needs pyinstrument: pip install cascade-py[peers]", file=sys.stderr)
        return 1
    profiler = load("pyinstrument").Profiler(interval=0.0005, async_mode="disabled")
    with profiler:
        for row in BENCHMARKS[options.name](True):
            print(f"{row.name}: {row.ratio:.2f}", flush=True)
    if options.flat:
        print(flat(profiler.last_session.frame_records))
        return 0
    file = Path(options.out or f"{options.name}.html")
    file.write_text(profiler.output_html(), encoding="utf-8")
    print(f"written: {file}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
