"""However a run ends, none of the processes that it has started goes on."""

from __future__ import annotations

import os
import signal
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from tests.cli.workflows import start, write

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/environ").exists(), reason="needs /proc to find processes"
)

LIMIT_S = 40.0

CODE = """
import ctypes
import os
import subprocess
from pathlib import Path
from cascade.providers import shell

HERE = Path(__file__).parent
patience = cs.Param("patience", default=0.1)

def tell(name: str) -> None:
    aside = HERE / f"{name}.new"
    aside.write_text(str(os.getpid()))
    aside.rename(HERE / name)

@cs.task(mode="process")
def in_c() -> None:
    subprocess.Popen(["sleep", "600"])
    tell("in_c")
    ctypes.PyDLL(None).sleep(600)  # with the lock of the interpreter in its hands

@cs.task(mode="process")
def in_python() -> None:
    tell("in_python")
    while True:
        pass

def command(name: str, trap: str) -> object:
    script = f'{trap} sleep 600 & echo $$ > "{name}.new"; mv "{name}.new" "{name}"; wait; wait'
    return shell.run(["sh", "-c", script], cwd=HERE, grace=patience)

computing = [in_c(), in_python()]
both = [computing, command("polite", ""), command("stubborn", "trap '' TERM;")]
"""

COMPUTING = ["in_c", "in_python"][: os.cpu_count()]
"""What begins at once: there are as many worker processes as processors."""
BOTH = [*COMPUTING, "polite", "stubborn"]


def until(condition: Callable[[], object], what: str) -> None:
    limit = time.monotonic() + LIMIT_S
    while not condition():
        assert time.monotonic() < limit, f"{what}: not within {LIMIT_S:g} s"
        time.sleep(0.01)


def marked(mark: str) -> set[int]:
    """Return the processes that have inherited a variable of the environment."""
    found = set()
    for path in Path("/proc").glob("[0-9]*/environ"):
        try:
            if mark.encode() in path.read_bytes():
                found.add(int(path.parent.name))
        except (PermissionError, ProcessLookupError, FileNotFoundError):
            continue  # somebody else's, or just gone; one that nobody has reaped yet has none
    return found


class Run:
    """A run whose tasks are all under way."""

    def __init__(self, process: subprocess.Popen[str], directory: Path, mark: str) -> None:
        self.process = process
        self._directory = directory
        self._mark = mark

    def pid(self, name: str) -> int:
        """Return the number of the process that a task is in."""
        return int((self._directory / name).read_text())

    def lives(self, name: str) -> bool:
        return self.pid(name) in marked(self._mark)

    def ended(self) -> int:
        """Wait until the command and all that it has started are gone; return its exit code."""
        code = self.process.wait(LIMIT_S)
        until(lambda: not marked(self._mark), "processes go on")
        return code


@contextmanager
def running(
    directory: Path, name: str, begun: list[str], *options: object, patience: float = 0.1
) -> Iterator[Run]:
    file, mark = write(directory, CODE), f"marked-{uuid.uuid4().hex}"
    arguments = ["run", f"{file}:{name}", *options]
    if name == "both":
        arguments += ["--", "--patience", patience]
    with start(*arguments, env={"CASCADE_TEST_MARK": mark}, start_new_session=True) as process:
        try:
            until(lambda: all((directory / each).exists() for each in begun), "tasks begin")
            yield Run(process, directory, mark)
        finally:
            process.kill()
            for pid in marked(mark):
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_to_the_command(tmp_path: Path, number: signal.Signals, code: int) -> None:
    with running(tmp_path, "both", BOTH, "--grace", 0.1) as run:
        run.process.send_signal(number)
        assert run.ended() == code


def test_ctrl_c_in_the_terminal_which_goes_to_its_whole_process_group(tmp_path: Path) -> None:
    with running(tmp_path, "both", BOTH) as run:
        os.killpg(run.process.pid, signal.SIGINT)
        assert run.ended() == 130


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_second_one_while_it_is_being_cancelled(
    tmp_path: Path, number: signal.Signals, code: int
) -> None:
    with running(tmp_path, "both", BOTH, "--grace", 0.1, patience=600) as run:
        run.process.send_signal(number)
        until(lambda: not run.lives("polite"), "the first signal is obeyed")
        assert run.process.poll() is None
        assert run.lives("stubborn")
        run.process.send_signal(number)
        assert run.ended() == code


def test_the_command_is_killed(tmp_path: Path) -> None:
    # Nobody can end a shell then; worker processes notice it by themselves.
    with running(tmp_path, "computing", COMPUTING) as run:
        run.process.kill()
        assert run.ended() == -signal.SIGKILL


FORKING = """
import multiprocessing
import os
import time
import warnings

def sleep(begun) -> None:
    begun.send(True)
    time.sleep(600)

@cs.task
def ended_by(number: int) -> int:
    warnings.simplefilter("ignore")  # newer versions warn of forks beside threads
    context = multiprocessing.get_context("fork")
    ours, begun = context.Pipe()
    child = context.Process(target=sleep, args=(begun,))
    child.start()
    ours.recv()
    os.kill(child.pid, number)
    child.join()
    return child.exitcode

codes = [ended_by(2), ended_by(15)]
"""


def test_a_fork_of_a_task_obeys_signals_as_any_process(tmp_path: Path) -> None:
    target = f"{write(tmp_path, FORKING)}:codes"
    with start("run", target, "--quiet", start_new_session=True) as process:
        try:
            out, _ = process.communicate(timeout=LIMIT_S)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            raise
    assert out == f"[1, {-signal.SIGTERM}]\n"
