"""Commands that steer: plain ones are read as typer reads them, and don't wait for it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from cascade.cli.command import app as application
from cascade.cli.declared import Argument, Command, Option, Switch, plainly_read
from cascade.cli.steering import COMMANDS
from cascade.cli.typed import typed

WORDS = st.sampled_from(
    [
        *("--for", "--program", "-p", "--all", "--json", "--burst", "--rule", "--log", "--last"),
        *("--for=1h", "--program=one", "-p=one", "-pone", "--all=yes", "--last=3", "--last=+3"),
        *("--", "-", "--help", "--nonsense", "--fo", "", "10m", "one", "slot=5", "global", "-5"),
        *("0", "7", "007", "1.5", "task:a b", "none", "=", "\N{LATIN SMALL LETTER E WITH ACUTE}"),
    ]
)

NAMES = [
    each.name or getattr(each.callback, "__name__", "") for each in application.registered_commands
]


def by_typer(command: Command, words: list[str]) -> dict[str, Any] | None:
    """What typer calls a command with; None if it doesn't."""
    called: list[dict[str, Any]] = []

    def call(**values: Any) -> None:
        called.append(values)

    call.__name__ = command.name
    app = typer_app(Command(call, command.parameters))
    CliRunner().invoke(app, [command.name, *words])
    return called[0] if called else None


def typer_app(command: Command) -> Any:
    import typer

    app = typer.Typer(add_completion=False, rich_markup_mode=None)
    app.callback()(lambda: None)  # or a lone command would have no name
    app.command()(typed(command))
    return app


@settings(max_examples=300, deadline=None)
@given(command=st.sampled_from(COMMANDS), words=st.lists(WORDS, max_size=6))
def test_what_is_read_plainly_is_what_typer_reads(command: Command, words: list[str]) -> None:
    values = plainly_read(command, words)
    if values is not None:
        assert values == by_typer(command, words)


@pytest.mark.parametrize(
    ("name", "words", "values"),
    [
        ("ps", [], {"as_json": False}),
        ("ps", ["--json"], {"as_json": True}),
        (
            "limit",
            ["slot=5", "--for", "10m", "-p", "one"],
            {
                "what": "slot=5",
                "duration": "10m",
                "program": "one",
                "everywhere": False,
                "as_json": False,
            },
        ),
        (
            "pause",
            ["--all"],
            {
                "scope": "global",
                "duration": None,
                "program": None,
                "everywhere": True,
                "as_json": False,
            },
        ),
        (
            "rules",
            ["--log", "--last=3"],
            {"log": True, "last": 3, "program": None, "as_json": False},
        ),
    ],
)
def test_what_is_usual_is_plain(name: str, words: list[str], values: dict[str, Any]) -> None:
    (command,) = [each for each in COMMANDS if each.name == name]
    assert plainly_read(command, words) == values


def test_each_command_has_a_parameter_for_all_that_it_is_called_with() -> None:
    for command in COMMANDS:
        names = [each.name for each in command.parameters]
        code = command.function.__code__
        assert sorted(names) == sorted(code.co_varnames[: code.co_argcount])
        assert all(isinstance(each, Argument | Option | Switch) for each in command.parameters)
        assert command.name in NAMES


def cascade(place: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run the command, and say which modules it has loaded."""
    code = (
        "import atexit, sys\n"
        "from cascade.cli import main\n"
        "heavy = ('typer', 'rich', 'pydantic')\n"
        "atexit.register(lambda: print(*[name for name in heavy if name in sys.modules]))\n"
        f"sys.argv = {['cascade', *words]!r}\n"
        "main()\n"
    )
    return subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "CASCADE_CONTROL_DIR": str(place)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_plain_one_does_not_load_typer(tmp_path: Path) -> None:
    done = cascade(tmp_path / "control", "pause", "task:fetch*", "--for", "10m")
    assert (done.returncode, done.stdout) == (1, "\n")
    assert done.stderr.startswith("error: no program runs that can be steered")
    assert cascade(tmp_path / "control", "ps").returncode == 0


def test_others_are_left_to_typer(tmp_path: Path) -> None:
    done = cascade(tmp_path / "control", "pause", "--nonsense")
    assert done.returncode == 2
    assert "typer" in done.stdout
    assert done.stderr == "error: no such option: --nonsense (see cascade pause --help)\n"
