"""The pictures in the docs are what the commands beside them make."""

from __future__ import annotations

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


def test_each_picture_has_its_command() -> None:
    pictures = {str(path.relative_to(ROOT)) for path in (ROOT / "docs" / "pictures").iterdir()}
    assert pictures == set(COMMANDS)


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
