"""The kept mutants fit the sources; ``make prove`` runs them all, here only one of them runs."""

from __future__ import annotations

from pathlib import Path

import pytest
from prove.__main__ import ROOT, survives
from prove.mutants import MUTANTS, Mutant


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.sense)
def test_each_changes_one_place_and_has_its_tests(mutant: Mutant) -> None:
    assert (ROOT / "src" / mutant.file).read_text(encoding="utf-8").count(mutant.old) == 1
    assert mutant.new != mutant.old
    assert Path(ROOT, mutant.tests.partition("::")[0]).exists()


def test_one_of_them_is_noticed() -> None:
    (mutant,) = (m for m in MUTANTS if m.sense.startswith("work goes on without a slot"))
    assert not survives(mutant)


def test_a_change_that_is_no_defect_is_not() -> None:
    harmless = Mutant(
        "nothing",
        "cascade/runtime/attempts.py",
        "        attempt.released -= 1",
        "        attempt.released += -1",
        "tests/runtime/test_released.py",
    )
    assert survives(harmless)
