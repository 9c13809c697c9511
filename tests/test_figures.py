"""The figures in the docs are drawn by scripts that run."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SCRIPTS = sorted((ROOT / "docs" / "figures").glob("*.py"))


def test_each_figure_has_its_script() -> None:
    figures = {path.stem for path in (ROOT / "docs" / "figures").glob("*.svg")}
    assert figures == {script.stem for script in SCRIPTS} != set()


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_a_script_draws(script: Path, tmp_path: Path) -> None:
    drawn = tmp_path / "figure.svg"
    subprocess.run(
        [sys.executable, "-W", "error", script, drawn, "50", "3"],
        env={**os.environ, "MPLCONFIGDIR": str(tmp_path)},
        check=True,
    )
    assert "theory" in drawn.read_text(encoding="utf-8")
