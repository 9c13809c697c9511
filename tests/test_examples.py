"""Every example runs without a warning and prints what is kept in ``tests/examples_output``."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))
KEPT = Path(__file__).parent / "examples_output"


def test_every_example_has_a_kept_output_and_every_output_an_example() -> None:
    names = {path.stem for path in EXAMPLES}
    assert names >= {"quickstart", "limits", "agents", "map_reduce", "data_pipeline", "crawler"}
    assert names == {path.stem for path in KEPT.glob("*.txt")}


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_example_prints_what_is_kept(example: Path, tmp_path: Path) -> None:
    run = subprocess.run(
        [sys.executable, "-W", "error", "-X", "utf8", str(example)],
        cwd=tmp_path,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        check=False,
    )
    assert run.stderr == ""
    assert run.returncode == 0
    assert run.stdout == (KEPT / f"{example.stem}.txt").read_text(encoding="utf-8")
    assert list(tmp_path.iterdir()) == []
