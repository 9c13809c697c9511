"""Groups of child processes are signalled as long as they are ours; none outlives the program."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from cascade.child_groups import ChildGroup, kill_all

LIMIT_S = 10.0


@contextmanager
def child() -> Iterator[tuple[subprocess.Popen[bytes], ChildGroup]]:
    with subprocess.Popen(["sleep", "60"], start_new_session=True) as process:
        group = ChildGroup(process.pid)
        try:
            yield process, group
        finally:
            process.kill()
            group.let_go()


def test_a_signal_reaches_all_of_a_group() -> None:
    script = "sleep 60 & echo started; wait"
    with subprocess.Popen(
        ["sh", "-c", script], start_new_session=True, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"started\n"
        group = ChildGroup(process.pid)
        group.signal(signal.SIGTERM)
        assert process.stdout.read() == b""  # the other one, too, had it open
        assert process.wait(LIMIT_S) == -signal.SIGTERM
        group.signal(signal.SIGTERM)  # nobody is there any more
        group.let_go()


def test_all_are_killed_but_those_that_were_let_go() -> None:
    with child() as (one, _), child() as (other, _), child() as (former, group):
        group.let_go()
        group.signal(signal.SIGKILL)
        kill_all()
        assert one.wait(LIMIT_S) == other.wait(LIMIT_S) == -signal.SIGKILL
        with pytest.raises(subprocess.TimeoutExpired):
            former.wait(0.05)


def test_a_fork_has_no_part_in_them() -> None:
    with child() as (process, _):
        if (fork := os.fork()) == 0:
            kill_all()
            os._exit(0)
        os.waitpid(fork, 0)
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.05)


def test_a_signal_handler_may_kill_them_in_the_midst_of_a_signal(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sent: list[int] = []

    def killpg(_: int, number: int) -> None:
        sent.append(number)
        if number == signal.SIGTERM:
            kill_all()

    with child() as (_, group):
        monkeypatch.setattr(os, "killpg", killpg)
        group.signal(signal.SIGTERM)
        monkeypatch.undo()
    assert sent == [signal.SIGTERM, signal.SIGKILL]


def test_what_is_left_at_the_end_of_the_program_is_killed() -> None:
    script = """
import subprocess
from cascade.child_groups import ChildGroup

process = subprocess.Popen(["sleep", "60"], start_new_session=True)
ChildGroup(process.pid)
print(process.pid)
"""
    found = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True)
    pid = int(found.stdout)
    limit = time.monotonic() + LIMIT_S
    while lives(pid):
        assert time.monotonic() < limit
        time.sleep(0.01)


def lives(pid: int) -> bool:
    with suppress(FileNotFoundError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    return False
