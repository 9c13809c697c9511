"""`cascade plan` tells what would happen, `cascade graph` draws it; neither runs anything."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from tests.cli.workflows import call, write

CODE = """
@cs.task
def part(n: int) -> int:
    raise SystemExit("never run")

@cs.task
def whole(parts: list[int]) -> int:
    raise SystemExit("never run")

answer = whole([part(1).with_constraints(gpu=2), part(cs.Param("n", type=int))])
"""


class TestPlan:
    def test_it_is_a_tree(self, tmp_path: Path) -> None:
        result = call("plan", write(tmp_path, CODE), "--limit", "gpu=2", "--", "--n", "1")
        assert result.exit_code == 0
        assert "whole #3" in result.stdout
        assert "part #0  gpu=2" in result.stdout

    @pytest.mark.parametrize(
        ("arguments", "said"),
        [
            (["--limit", "gpu=1", "--", "--n", "1"], "problem: a request for 2 of 'gpu'"),
            (["--limit", "gpu=2"], "problem: the workflow needs 'n'"),
        ],
    )
    def test_what_would_stop_a_run_gives_code_1(
        self, tmp_path: Path, arguments: list[str], said: str
    ) -> None:
        result = call("plan", write(tmp_path, CODE), *arguments)
        assert result.exit_code == 1
        assert said in result.stdout

    def test_what_is_missing_is_told_as_the_option_that_it_is(self, tmp_path: Path) -> None:
        result = call("plan", write(tmp_path, CODE), "--limit", "gpu=2")
        assert "needs the option --n (after --)" in result.stderr

    def test_wrong_use_gives_code_2(self, tmp_path: Path) -> None:
        assert call("plan", write(tmp_path, CODE), "--limit", "gpu=-1").exit_code == 2


class TestGraph:
    def test_it_is_drawn_on_stdout(self, tmp_path: Path) -> None:
        file = write(tmp_path, CODE)
        assert call("graph", file).stdout.startswith("digraph")
        assert call("graph", file, "--format", "mermaid").stdout.startswith("flowchart")

    def test_it_is_written_to_a_file_whose_name_says_the_format(self, tmp_path: Path) -> None:
        file, picture = write(tmp_path, CODE), tmp_path / "picture.mmd"
        result = call("graph", file, "--output", picture)
        assert (result.exit_code, result.stdout) == (0, "")
        assert picture.read_text().startswith("flowchart")
        call("graph", file, "--output", picture, "--format", "dot")
        assert picture.read_text().startswith("digraph")

    def test_a_file_of_another_kind_is_refused(self, tmp_path: Path) -> None:
        file, picture = write(tmp_path, CODE), tmp_path / "picture.pdf"
        result = call("graph", file, "--output", picture)
        assert result.exit_code == 2
        assert result.stderr.startswith("error: --output must end with one of .dot, ")
        assert not picture.exists()

    def test_what_fails_is_one_line(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        file = write(tmp_path, CODE)
        result = call("graph", file, "--output", tmp_path / "no" / "picture.dot")
        assert (result.exit_code, result.stderr.count("\n")) == (1, 1)
        assert result.stderr.endswith("picture.dot' can't be written: No such file or directory\n")
        monkeypatch.setattr(shutil, "which", lambda program: None)
        result = call("graph", file, "--format", "svg")
        assert result.exit_code == 1
        assert "Graphviz" in result.stderr
