"""Signals end a run in order: Ctrl-C at once, SIGTERM when what runs has ended."""

from __future__ import annotations

import re
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.cli.workflows import start, write

LIMIT_S = 40.0

CODE = """
import time
from pathlib import Path

@cs.task
async def work(number: int, seconds: float) -> int:
    print("began", number)
    try:
        if seconds < 1:
            # Ends when the test has sent its signal.
            while not Path(__file__).with_name("signalled").exists():
                await asyncio.sleep(0.01)
            await asyncio.sleep(seconds)
        else:
            await asyncio.sleep(seconds)
    except asyncio.CancelledError:
        print("cancelled", number)
        raise
    print("ended", number)
    return number

@cs.task
def block() -> None:
    print("began 3")
    time.sleep(600)

def of(seconds):
    return [work(number, seconds).with_constraints(slot=1) for number in (1, 2)]

short, long, alone = of(0.2), of(600), work(1, 0.2)
stuck = block()
"""


def awaits_a_signal(pid: int) -> bool:
    """Whether a process was sent one that hasn't reached it yet, on a machine that is busy."""
    status = Path(f"/proc/{pid}/status")
    if not status.exists():
        return False
    pending = re.findall(r"^(?:SigPnd|ShdPnd):\s*(\w+)$", status.read_text(), re.MULTILINE)
    return any(int(signals, 16) for signals in pending)


def signalled(
    directory: Path, name: str, *signals: signal.Signals, grace: float = 30
) -> tuple[int, list[str], str]:
    """Send signals to a run whose first task has begun; return how it ended."""
    file = write(directory, CODE)
    with start("run", f"{file}:{name}", "--limit", "slot=1", "--grace", grace) as process:
        try:
            assert process.stdout is not None
            lines = [process.stdout.readline().strip()]
            for place, number in enumerate(signals):
                if place:
                    # Two that come together are one to the process, or come in another order.
                    while awaits_a_signal(process.pid):
                        time.sleep(0.01)
                    with pytest.raises(subprocess.TimeoutExpired):
                        process.wait(0.3)
                process.send_signal(number)
            (directory / "signalled").touch()
            out, err = process.communicate(timeout=LIMIT_S)
        finally:
            process.kill()
    return process.returncode, lines + out.splitlines(), err


def test_ctrl_c_cancels_at_once(tmp_path: Path) -> None:
    code, said, errors = signalled(tmp_path, "long", signal.SIGINT)
    assert (code, said) == (130, ["began 1", "cancelled 1"])
    assert errors.splitlines()[-1] == "ended by SIGINT"
    assert "Traceback" not in errors


@contextmanager
def at_hangup(action: signal.Handlers) -> Iterator[None]:
    """What SIGHUP does here, and so to what is started: by default, or nothing as by `nohup`."""
    before = signal.signal(signal.SIGHUP, action)
    try:
        yield
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_terminal_that_is_closed_cancels_at_once(tmp_path: Path) -> None:
    with at_hangup(signal.SIG_DFL):
        code, said, _ = signalled(tmp_path, "long", signal.SIGHUP)
    assert (code, said) == (129, ["began 1", "cancelled 1"])


def test_unless_it_was_started_to_outlive_that(tmp_path: Path) -> None:
    with at_hangup(signal.SIG_IGN):
        code, said, _ = signalled(tmp_path, "alone", signal.SIGHUP)
    assert (code, said) == (0, ["began 1", "ended 1", "1"])


def test_sigterm_lets_what_runs_end_and_starts_nothing(tmp_path: Path) -> None:
    code, said, errors = signalled(tmp_path, "short", signal.SIGTERM)
    assert (code, said) == (143, ["began 1", "ended 1"])
    assert errors.startswith("2 tasks: 1 succeeded, 1 cancelled, in ")


def test_a_run_of_which_nothing_is_left_ends_as_usual(tmp_path: Path) -> None:
    code, said, _ = signalled(tmp_path, "alone", signal.SIGTERM)
    assert (code, said) == (0, ["began 1", "ended 1", "1"])


@pytest.mark.parametrize(
    ("signals", "grace"),
    [
        ([signal.SIGTERM], 0.1),
        ([signal.SIGTERM, signal.SIGTERM], 600),
        ([signal.SIGTERM, signal.SIGINT], 600),
    ],
    ids=["the grace is over", "a second one", "ctrl-c"],
)
def test_then_it_is_cancelled(tmp_path: Path, signals: list[signal.Signals], grace: float) -> None:
    code, said, _ = signalled(tmp_path, "long", *signals, grace=grace)
    assert (code, said) == (143, ["began 1", "cancelled 1"])


def test_one_that_comes_while_it_is_being_cancelled_ends_the_process(tmp_path: Path) -> None:
    code, said, errors = signalled(tmp_path, "stuck", signal.SIGINT, signal.SIGINT)
    assert (code, said, errors) == (130, ["began 3"], "")
