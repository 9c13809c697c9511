"""The example notebook runs from top to bottom in a real kernel, where an event loop runs already.

Python's own settings for warnings don't hold for it: the kernel is a process of its own.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

import cascade

NOTEBOOK = Path(__file__).parents[1] / "examples" / "notebook.ipynb"


def read() -> Any:
    return nbformat.read(NOTEBOOK, as_version=4)  # type: ignore[no-untyped-call]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty directory, beside which all that Jupyter and IPython keep of a user is put."""
    home = tmp_path / "home"
    home.mkdir()
    for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR"):
        monkeypatch.setenv(name, str(home / name.lower()))
    monkeypatch.setenv("JUPYTER_PLATFORM_DIRS", "1")
    monkeypatch.setenv("HOME", str(home))
    sources = str(Path(cascade.__file__).parents[1])
    monkeypatch.setenv(
        "PYTHONPATH", os.pathsep.join(filter(None, [sources, os.environ.get("PYTHONPATH")]))
    )
    (tmp_path / "work").mkdir()
    return tmp_path / "work"


def outputs_of(notebook: Any, cell: str) -> list[Any]:
    (outputs,) = (each.outputs for each in notebook.cells if each.id == cell)
    return list(outputs)


def test_it_is_kept_without_outputs() -> None:
    code = [cell for cell in read().cells if cell.cell_type == "code"]
    assert code
    assert [(cell.outputs, cell.execution_count) for cell in code] == [([], None)] * len(code)


@pytest.mark.timeout(100)
def test_it_runs_and_shows_pictures(place: Path) -> None:
    notebook = read()
    client = NotebookClient(
        notebook,
        timeout=30,
        startup_timeout=60,
        kernel_name="python3",
        resources={"metadata": {"path": str(place)}},
    )
    client.execute()
    (ran,) = outputs_of(notebook, "run")
    assert ran.data["text/plain"] == "'declarations'"
    printed, before = outputs_of(notebook, "see")
    assert printed.text.startswith("2 nodes, the longest way has 2: words → the longest word\n")
    (after,) = outputs_of(notebook, "seen")
    kind = "text/markdown" if shutil.which("dot") is None else "image/svg+xml"
    assert "the longest word" in before.data[kind]
    assert "succeeded" not in before.data[kind]
    assert "succeeded" in after.data[kind]
    assert list(place.iterdir()) == []
