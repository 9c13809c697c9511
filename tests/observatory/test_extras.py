"""What isn't installed is named, with the extra that brings it."""

from __future__ import annotations

import subprocess
import sys

import pytest

from cascade.errors import MissingExtraError
from observatory.extras import require


def test_what_is_there_is_not_imported() -> None:
    require("tests", "numpy", "typer")


def test_what_is_missing_is_named_with_its_extra() -> None:
    with pytest.raises(MissingExtraError, match=r"needs .nowhere.*\[observatory\]"):
        require("tests", "numpy", "nowhere")


@pytest.mark.parametrize(("package", "extra"), [("pyarrow", "record"), ("matplotlib", "plot")])
def test_what_has_an_extra_of_its_own_is_named_with_it(
    monkeypatch: pytest.MonkeyPatch, package: str, extra: str
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingExtraError, match=rf"needs .{package}.*\[{extra}\]"):
        require("tests", package)


@pytest.mark.parametrize(
    ("module", "package"),
    [
        ("observatory.monitors.convergence", "numpy"),
        ("observatory.monitors.aggregator", "numpy"),
        ("observatory.experiments.run_fireflies", "numpy"),
        ("observatory.experiments.run_fireflies", "typer"),
    ],
)
def test_a_module_that_needs_it_says_so(module: str, package: str) -> None:
    code = f"import sys; sys.modules[{package!r}] = None; import {module}"
    answer = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60
    )
    assert answer.returncode == 1
    last = answer.stderr.splitlines()[-1]
    assert f"needs {package!r}" in last
    assert "pip install 'cascade-py[observatory]'" in last


def test_the_model_and_its_channels_need_nothing() -> None:
    code = (
        "import sys; sys.modules.update(numpy=None, typer=None, rich=None); "
        "import observatory.agents.kuramoto, observatory.reference.fireflies"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
