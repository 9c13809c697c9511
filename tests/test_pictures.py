"""The pictures in the docs are what the commands beside them make."""

from __future__ import annotations

import ast
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
COMMAND = re.compile(r"^\$ (\w+) (.*) --still (docs/pictures/\S+)$", re.MULTILINE)
COMMANDS = {
    picture: (experiment, options)
    for page in sorted((ROOT / "docs").glob("*.md"))
    for experiment, options, picture in COMMAND.findall(page.read_text(encoding="utf-8"))
}
PICTURE = re.compile(r"docs/pictures/[\w.-]*\w")


def test_each_picture_has_its_command_or_a_program_that_draws_it() -> None:
    pictures = {str(path.relative_to(ROOT)) for path in (ROOT / "docs" / "pictures").iterdir()}
    programs = [path.read_text(encoding="utf-8") for path in (ROOT / "docs").rglob("*.py")]
    said = [ast.get_docstring(ast.parse(program)) or "" for program in programs]
    drawn = {picture for text in said for picture in PICTURE.findall(text)}
    assert pictures == set(COMMANDS) | drawn
    assert not set(COMMANDS) & drawn


@pytest.mark.parametrize("picture", COMMANDS)
def test_a_picture_is_what_its_command_makes(picture: str, tmp_path: Path) -> None:
    made = tmp_path / "picture.svg"
    experiment, options = COMMANDS[picture]
    subprocess.run(
        [
            *(sys.executable, "-W", "error", "-m", f"observatory.experiments.run_{experiment}"),
            *(*shlex.split(options), "--still", str(made)),
        ],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    assert made.read_text(encoding="utf-8") == (ROOT / picture).read_text(encoding="utf-8")
