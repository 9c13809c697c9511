"""Profiling: ``python -m benchmarks.profile NAME [--out FILE]`` draws where the time goes.

It runs the short form of the named benchmark under pyinstrument, floors and all, and writes a flame
graph as a page to be opened in a browser.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.__main__ import BENCHMARKS
from benchmarks.peers import available, load


def main(arguments: Sequence[str]) -> int:
    """Profile one benchmark and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.profile")
    parser.add_argument("name", choices=BENCHMARKS, metavar="NAME", help=", ".join(BENCHMARKS))
    parser.add_argument("--out", metavar="FILE", help="where to; NAME.html by default")
    options = parser.parse_args(arguments)
    if not available("pyinstrument", "pyinstrument"):
        print("profiling needs pyinstrument: pip install cascade-py[peers]", file=sys.stderr)
        return 1
    profiler = load("pyinstrument").Profiler(interval=0.0005, async_mode="disabled")
    with profiler:
        for row in BENCHMARKS[options.name](True):
            print(f"{row.name}: {row.ratio:.2f}", flush=True)
    file = Path(options.out or f"{options.name}.html")
    file.write_text(profiler.output_html(), encoding="utf-8")
    print(f"written: {file}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
