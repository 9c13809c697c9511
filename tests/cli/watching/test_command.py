"""`cascade watch` says in a line why it can't begin."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from cascade.cli import watching
from cascade.cli.command import app


def watch(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["watch", *arguments])


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CASCADE_CONTROL_DIR", str(tmp_path / "control"))
    monkeypatch.setattr(watching, "has_terminal", lambda: True)


def refusal(*arguments: str) -> tuple[int, str]:
    done = watch(*arguments)
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    return done.exit_code, done.stderr


def test_without_a_terminal_it_names_what_works_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    code, said = refusal()
    assert code == 2
    assert "needs a terminal; for scripts there is cascade ps --json" in said


def test_without_the_extra_it_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    find_spec = importlib.util.find_spec

    def without_textual(name: str, package: str | None = None) -> Any:
        return None if name == "textual" else find_spec(name, package)

    monkeypatch.setattr(importlib.util, "find_spec", without_textual)
    code, said = refusal()
    assert code == 2
    assert "cascade watch needs 'textual', which isn't installed" in said
    assert "cascade-py[watch]" in said


@pytest.mark.parametrize(
    ("every", "problem"),
    [
        ("0.05", "must be from 0.1 to 60 seconds, got '0.05'"),
        ("2m", "must be from 0.1 to 60 seconds, got '2m'"),
        ("0", "must be above 0 seconds, got '0'"),
        ("nan", "must be above 0 seconds, got 'nan'"),
        ("inf", "must be above 0 seconds, got 'inf'"),
        ("often", "must be a duration such as"),
    ],
)
def test_the_pause_between_two_looks_has_bounds(every: str, problem: str) -> None:
    code, said = refusal("--every", every)
    assert code == 2
    assert f"error: --every {problem}" in said


def test_without_programs_it_says_how_to_have_one() -> None:
    code, said = refusal()
    assert code == 1
    assert "CASCADE_CONTROL=1" in said


def test_a_program_that_is_not_there_is_named() -> None:
    code, said = refusal("nobody")
    assert code == 1
    assert "no program with the name 'nobody' can be reached" in said


def test_the_other_commands_do_not_wait_for_its_libraries() -> None:
    code = "import sys, cascade.cli.command; sys.exit('textual' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
