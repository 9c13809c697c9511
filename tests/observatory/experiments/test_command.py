"""The console command is the program, and takes Ctrl-C from its very start."""

from __future__ import annotations

import signal
import subprocess
import sys
from importlib.metadata import entry_points

from observatory.experiments import command


def test_the_console_command_is_this_one() -> None:
    (script,) = entry_points(group="console_scripts", name="fireflies")
    assert script.load() is command.fireflies


def test_it_runs_the_experiment() -> None:
    code = "import sys; sys.argv = ['fireflies', '--agents', '0']; "
    code += "from observatory.experiments.command import fireflies; fireflies()"
    answer = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60
    )
    assert answer.returncode == 2
    assert answer.stderr == "fireflies: --agents must be a whole number ≥ 1, got 0\n"


def test_ctrl_c_while_it_imports_ends_it_in_silence() -> None:
    code = (
        "import builtins, os, signal, observatory.experiments.command\n"
        "real = builtins.__import__\n"
        "def slow(name, *rest, **more):\n"
        "    if name == 'typer':\n"
        "        os.kill(os.getpid(), signal.SIGINT)\n"
        "    return real(name, *rest, **more)\n"
        "builtins.__import__ = slow\n"
        "observatory.experiments.command.fireflies()\n"
    )
    answer = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60
    )
    assert (answer.returncode, answer.stdout, answer.stderr) == (130, "", "")
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
