"""The figures in the docs are drawn by scripts that run."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SCRIPTS = {
    "limit_and_synchrony": ROOT / "benchmarks" / "limit_and_synchrony.py",
    "order_parameter": ROOT / "docs" / "figures" / "order_parameter.py",
}
"""What draws each of them."""


def test_each_figure_has_its_script() -> None:
    figures = {path.stem for path in (ROOT / "docs" / "figures").glob("*.svg")}
    assert figures == set(SCRIPTS)
    assert all(script.is_file() for script in SCRIPTS.values())


def test_the_mean_field_is_drawn_beside_theory(tmp_path: Path) -> None:
    drawn = tmp_path / "figure.svg"
    subprocess.run(
        [sys.executable, "-W", "error", SCRIPTS["order_parameter"], drawn, "50", "3"],
        env={**os.environ, "MPLCONFIGDIR": str(tmp_path)},
        check=True,
    )
    assert "theory" in drawn.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "module", ["benchmarks.limit_and_synchrony", "prove.worlds", "prove.conway"]
)
def test_what_takes_long_explains_itself_instead_of_beginning(module: str, tmp_path: Path) -> None:
    for arguments, code in (["--help"], 0), ([], 2):
        told = subprocess.run(
            [sys.executable, "-m", module, *arguments],
            env={**os.environ, "PYTHONPATH": str(ROOT), "MPLCONFIGDIR": str(tmp_path)},
            cwd=tmp_path,
            capture_output=True,
            encoding="utf-8",
            timeout=60,
        )
        assert told.returncode == code
        assert (told.stdout or told.stderr).startswith(f"usage: python -m {module}")
