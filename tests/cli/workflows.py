"""What the tests of the command have in common: files with workflows, and ways to call it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import IO

from typer.testing import CliRunner, Result

from cascade.cli.command import app

HEAD = "import asyncio\nimport cascade as cs\n"


def call(*arguments: object) -> Result:
    """Call the command within this process."""
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def write(directory: Path, code: str, name: str = "flow.py") -> Path:
    """Write a file with a workflow, and return its path."""
    path = directory / name
    path.write_text(HEAD + code, encoding="utf-8")
    return path


def start(
    *arguments: object,
    env: Mapping[str, str] | None = None,
    start_new_session: bool = False,
    stdout: int | IO[str] = subprocess.PIPE,
) -> subprocess.Popen[str]:
    """Start the command as a process of its own, whose output can be read.

    Args:
        *arguments: what it is called with.
        env: what is added to the environment.
        start_new_session: whether it leads a process group of its own, as in a terminal.
        stdout: where its output goes, if it isn't to be read.
    """
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-m", "cascade.cli", *map(str, arguments)],
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        env={**os.environ, "PYTHONUNBUFFERED": "1", **(env or {})},
        start_new_session=start_new_session,
    )
