"""Run the long proofs and the kept mutants: ``python -m prove [WORDS ...]``.

With words, only those are run that have one of them in what they say. Ends with 1 if a proof
fails, or a test doesn't notice a mutant.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from prove.mutant import Mutant
from prove.mutants import MUTANTS
from prove.proofs import PROOFS, ROOT, Proof


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


def notice(mutants: Sequence[Mutant]) -> bool:
    """Run mutants, after their tests on the sources as they are; whether all are noticed."""
    for tests in sorted({mutant.tests for mutant in mutants}):
        if not passes(tests, ROOT / "src"):
            print(f"fails without any mutant: {tests}")
            return False
    alive = 0
    for mutant in mutants:
        survived = survives(mutant)
        alive += survived
        print(f"{'NOT NOTICED' if survived else 'noticed':12} {mutant.sense}", flush=True)
    if mutants:
        print(f"{len(mutants) - alive} of {len(mutants)} noticed")
    return not alive


def hold(proofs: Sequence[Proof]) -> bool:
    """Run proofs; whether all of them hold."""
    failed = 0
    for proof in proofs:
        holds = proof.holds()
        failed += not holds
        print(f"{'holds' if holds else 'FAILS':12} {proof.sense}", flush=True)
    return not failed


def main(words: Sequence[str] = ()) -> int:
    """Run what has one of the words in what it says, or everything; return the exit code."""
    proofs = [proof for proof in PROOFS if is_meant(proof.sense, words)]
    mutants = [mutant for mutant in MUTANTS if is_meant(mutant.sense, words)]
    if not proofs and not mutants:
        print(f"nothing to prove has any of these words in it: {', '.join(words)}")
        return 2
    all_hold = hold(proofs)
    return 0 if notice(mutants) and all_hold else 1


def is_meant(sense: str, words: Sequence[str]) -> bool:
    """Whether one of the words is in a sentence, or there are no words."""
    return not words or any(word in sense for word in words)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
