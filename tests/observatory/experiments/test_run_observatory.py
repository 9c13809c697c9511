"""The command `observatory`: it lists what there is, and imports only what is called."""

from __future__ import annotations

import signal
import subprocess
import sys
import tomllib
from collections.abc import Callable
from contextvars import copy_context
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from cascade.errors import MissingExtraError
from observatory.experiments import run_observatory
from observatory.experiments.run_observatory import COMMANDS

ROOT = Path(__file__).parents[3]


def called(*arguments: str, code: str | None = None) -> subprocess.CompletedProcess[str]:
    program = ["-m", "observatory"] if code is None else ["-c", code]
    return subprocess.run(
        [sys.executable, "-W", "error", *program, *arguments],
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        check=False,
    )


Answered = Callable[[str], tuple[Any, list[str], list[str]]]
"""From arguments to the exit code and the lines of stdout and stderr."""


@pytest.fixture
def answered(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Answered:
    """The command in this process, which its own name and its way with Ctrl-C don't outlive."""

    def call(arguments: str) -> tuple[Any, list[str], list[str]]:
        monkeypatch.setattr(sys, "argv", ["observatory", *arguments.split()])
        before = signal.getsignal(signal.SIGINT)
        try:
            with pytest.raises(SystemExit) as ended:
                copy_context().run(run_observatory.main)
        finally:
            signal.signal(signal.SIGINT, before)
        out, err = capsys.readouterr()
        return ended.value.code, out.splitlines(), err.splitlines()

    return call


def test_it_lists_its_commands_with_a_line_each_and_imports_none() -> None:
    code = (
        "import atexit, sys\n"
        "sys.argv[0] = 'observatory'\n"
        "atexit.register(lambda: print('numpy' in sys.modules, file=sys.stderr))\n"
        "from observatory.experiments.command import observatory\n"
        "observatory()\n"
    )
    answer = called("--help", code=code)
    assert (answer.returncode, answer.stderr) == (0, "False\n")
    for name, (_, line) in COMMANDS.items():
        assert any(row.split(maxsplit=1) == [name, line] for row in answer.stdout.splitlines())


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_is_an_application_with_an_entry_of_its_own(command: str) -> None:
    module = import_module(f"observatory.experiments.{COMMANDS[command][0]}")
    assert len(module.app.registered_commands) == 1
    assert callable(module.main)
    assert len(COMMANDS[command][1]) <= 65  # one line of 80 characters


def test_a_command_runs_under_its_whole_name() -> None:
    small = ("--width", "4", "--height", "4", "--generations", "2")
    answer = called("conway", *small, "--time", "virtual", "--seed", "1")
    assert (answer.returncode, answer.stderr) == (0, "")
    assert "0 in 32 steps" in answer.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("conway --width 2", "observatory conway: --width must be a whole number ≥ 3, got 2"),
        ("bottleneck --slots 0", "observatory bottleneck: --slots must be a whole number"),
        ("conway --wide 2", "observatory conway: No such option: --wide"),
        ("convey", "observatory: there is no command 'convey'; the nearest is 'conway'"),
        ("", "observatory: a command is missing, one of fireflies, bottleneck"),
        ("--loud", "observatory: No such option: --loud"),
    ],
)
def test_what_is_wrong_gets_one_line_and_exit_code_2(
    arguments: str, message: str, answered: Answered
) -> None:
    code, out, (line,) = answered(arguments)
    assert (code, out) == (2, [])
    assert line.startswith(message)


def test_the_help_of_a_command_has_its_whole_name(answered: Answered) -> None:
    code, (usage, *_), errors = answered("conway --help")
    assert (code, errors) == (0, [])
    assert usage.endswith("observatory conway [OPTIONS]")


def test_a_command_whose_extra_is_missing_says_so_in_one_line(
    answered: Answered, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(name: str) -> None:
        raise MissingExtraError("conway", "numpy", "observatory")

    monkeypatch.setattr(run_observatory, "import_module", missing)
    code, out, (line,) = answered("conway")
    assert (code, out) == (2, [])
    assert line == f"observatory conway: {MissingExtraError('conway', 'numpy', 'observatory')}"


def test_ctrl_c_while_a_command_is_imported_ends_it_in_silence() -> None:
    code = (
        "import os, signal\n"
        "from observatory.experiments import run_observatory\n"
        "def interrupted(name):\n"
        "    os.kill(os.getpid(), signal.SIGINT)\n"
        "run_observatory.import_module = interrupted\n"
        "run_observatory.main()\n"
    )
    answer = called("conway", code=code)
    assert (answer.returncode, answer.stdout, answer.stderr) == (130, "", "")


def test_the_console_commands_of_the_package_exist() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    scripts = project["scripts"]
    assert {"observatory", "fireflies", "bottleneck"} <= scripts.keys()
    for target in scripts.values():
        module, _, name = target.partition(":")
        assert callable(getattr(import_module(module), name))


def test_the_modules_of_the_table_are_those_that_there_are() -> None:
    there = {path.stem for path in Path(run_observatory.__file__).parent.glob("run_*.py")}
    assert {module for module, _ in COMMANDS.values()} == there - {"run_observatory"}
