"""Run the kept mutants: ``python -m prove``. Ends with 1 if a test doesn't notice one."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from prove.mutants import MUTANTS, Mutant

ROOT = Path(__file__).parents[1]


def survives(mutant: Mutant) -> bool:
    """Run a mutant's tests on a copy of the sources that has it; whether they pass."""
    with tempfile.TemporaryDirectory() as directory:
        source = Path(directory) / "src"
        shutil.copytree(ROOT / "src", source, ignore=shutil.ignore_patterns("__pycache__"))
        file = source / mutant.file
        text = file.read_text(encoding="utf-8")
        if text.count(mutant.old) != 1:
            raise ValueError(f"{mutant.file} must have the text of the mutant once: {mutant.sense}")
        file.write_text(text.replace(mutant.old, mutant.new), encoding="utf-8")
        return passes(mutant.tests, source)


def passes(tests: str, source: Path) -> bool:
    """Whether tests pass on these sources."""
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", tests],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(source), "PYTHONDONTWRITEBYTECODE": "1"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        timeout=300,
        check=False,
    )
    if run.returncode in (2, 3, 4, 5):  # what pytest says when it couldn't run them
        raise RuntimeError(f"pytest ended with {run.returncode} on {tests}")
    return run.returncode == 0


def main(mutants: Sequence[Mutant] = MUTANTS) -> int:
    """Run all mutants, after the tests on the sources as they are; return the exit code."""
    for tests in sorted({mutant.tests for mutant in mutants}):
        if not passes(tests, ROOT / "src"):
            print(f"fails without any mutant: {tests}")
            return 1
    alive = 0
    for mutant in mutants:
        survived = survives(mutant)
        alive += survived
        print(f"{'NOT NOTICED' if survived else 'noticed':12} {mutant.sense}", flush=True)
    print(f"{len(mutants) - alive} of {len(mutants)} noticed")
    return 1 if alive else 0


if __name__ == "__main__":
    sys.exit(main())
