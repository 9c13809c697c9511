"""The page on the command line tells the truth: its commands print what stands below them."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from tests.cli.workflows import call

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "command-line.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```console\n\$ cascade (.*)\n((?:.+\n|\n)*?)```$", PAGE, re.MULTILINE)


def test_the_page_has_commands() -> None:
    assert {command.split()[0] for command, _ in BLOCKS} == {"run", "plan", "graph"}


@pytest.mark.parametrize(("command", "said"), BLOCKS, ids=[command for command, _ in BLOCKS])
def test_a_command_prints_what_the_page_says(
    command: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    result = call(*shlex.split(command))
    assert re.sub(r"in \d+\.\d s", "in 0.0 s", result.output) == said
