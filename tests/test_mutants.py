"""The kept mutants fit the sources; ``make prove`` runs all of them and the long proofs, too."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from prove.__main__ import main, survives
from prove.mutant import Mutant
from prove.mutants import MUTANTS
from prove.proofs import PROOFS, ROOT, Proof


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.sense)
def test_each_changes_one_place_and_has_its_tests(mutant: Mutant) -> None:
    assert (ROOT / "src" / mutant.file).read_text(encoding="utf-8").count(mutant.old) == 1
    assert mutant.new != mutant.old
    file, *names = mutant.tests.split("::")
    for name in names:
        assert re.search(rf"(class|def) {name}\b", (ROOT / file).read_text(encoding="utf-8"))
    assert Path(ROOT, file).exists()


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


@pytest.mark.parametrize("proof", PROOFS, ids=lambda proof: proof.sense)
def test_the_long_proofs_run_what_there_is(proof: Proof) -> None:
    for argument in proof.arguments:
        assert not argument.startswith("tests/") or Path(ROOT, argument).exists()


def test_the_long_forms_of_tests_are_proved() -> None:
    proofs = [proof for proof in PROOFS if "CASCADE_LONG" in proof.environment]
    tried = {argument for proof in proofs for argument in proof.arguments}
    assert {"tests/e2e/test_scale.py", "tests/spec/test_binding.py"} <= tried


@pytest.mark.parametrize(("code", "holds"), [("pass", True), ("exit(3)", False)])
def test_a_proof_holds_if_it_ends_well(code: str, holds: bool) -> None:
    assert Proof("anything", ("-c", code)).holds() is holds


def test_words_that_nothing_has_in_it_prove_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["no such word"]) == 2
    assert "no such word" in capsys.readouterr().out
