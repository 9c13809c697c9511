"""Commands: what they come to, how their output comes, and that nothing is left of them."""

from __future__ import annotations

import asyncio
import os
import re
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import uvloop

import cascade as cs
from cascade.errors import CascadeError, VirtualTimeError
from cascade.providers import shell
from cascade.testing import run_virtual

LOOPS = [asyncio.new_event_loop, uvloop.new_event_loop]

STUBBORN = "trap '' TERM; (trap '' TERM; while :; do sleep 1000; done) & echo $!; wait; wait"
"""Neither the shell nor what it starts ends when it is asked to."""


def run(target: Any, loop: Callable[[], Any] = asyncio.new_event_loop) -> Any:
    with asyncio.Runner(loop_factory=loop) as runner:
        return runner.run(cs.arun(target))


def lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def check_gone(pid: int) -> None:
    limit = time.monotonic() + 5
    while lives(pid):  # a signal is sent at once, but a process takes a moment to end
        assert time.monotonic() < limit, f"process {pid} lives on"
        time.sleep(0.005)


class Lines:
    """Keeps the lines that it is told, and knows when the first has come."""

    def __init__(self) -> None:
        self.got: list[tuple[Any, str]] = []
        self.first = asyncio.Event()

    def __call__(self, line: Any, name: str) -> None:
        self.got.append((line, name))
        self.first.set()


# What it comes to


@pytest.mark.parametrize("loop", LOOPS)
def test_the_result_tells_all(loop: Any) -> None:
    result = run(shell.run(["sh", "-c", "echo out; echo err >&2"]), loop)
    assert (result.stdout, result.stderr, result.returncode) == ("out\n", "err\n", 0)
    assert result.command == ("sh", "-c", "echo out; echo err >&2")
    assert 0 < result.duration < 60
    with pytest.raises(AttributeError):
        result.stdout = "other"


def test_lazy_results_stand_among_the_arguments(tmp_path: Path) -> None:
    @cs.task(mode="inline")
    def name() -> str:
        return "a name; with $signs"

    assert run(shell.run(["echo", "-n", name(), tmp_path])).stdout == f"{name.fn()} {tmp_path}"


def test_it_is_an_ordinary_task_that_takes_constraints_and_maps() -> None:
    lazy = shell.run.map(command=[["echo", "1"], ["echo", "2"]]).with_constraints(process=1)
    results = cs.run(lazy, system_resources={"process": 1})
    assert [result.stdout for result in results] == ["1\n", "2\n"]


def test_another_code_than_0_is_an_error_that_tells_the_end_of_stderr() -> None:
    script = "import sys; print('x' * 9999 + ' the reason', file=sys.stderr); sys.exit(3)"
    with pytest.raises(shell.CommandError) as caught:
        run(shell.run([sys.executable, "-c", script]))
    error = caught.value
    assert isinstance(error, CascadeError)
    assert error.returncode == error.result.returncode == 3
    assert error.command[0] == sys.executable
    assert error.tail.startswith("...xx")
    assert error.tail.endswith("x the reason")
    assert len(error.tail) <= 2003
    assert re.search(r"command .*python.* failed with exit code 3: \.\.\.x+ the reason", str(error))


def test_a_signal_is_named() -> None:
    with pytest.raises(shell.CommandError, match=r"'kill -9 \$\$' was ended by SIGKILL"):
        run(shell.run("kill -9 $$", shell=True))


def test_without_check_any_code_is_a_result() -> None:
    assert run(shell.run(["sh", "-c", "exit 7"], check=False)).returncode == 7


def test_a_failed_command_can_be_tried_again(tmp_path: Path) -> None:
    command = shell.run("echo x >> tries; test $(wc -l < tries) = 3", shell=True, cwd=tmp_path)
    run(command.with_retry(3, on=shell.CommandError))
    assert (tmp_path / "tries").read_text() == "x\nx\nx\n"


def test_what_cannot_be_started_fails_as_it_does_anywhere(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no-such-program"):
        run(shell.run(["no-such-program"]))
    with pytest.raises(FileNotFoundError, match="nowhere"):
        run(shell.run(["true"], cwd=tmp_path / "nowhere"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"command": "ls -l"}, r"command must be a list .*shell=True, got 'ls -l'"),
        ({"command": ["ls"], "shell": True}, r"one string with shell=True, got \['ls'\]"),
        ({"command": []}, "must name a program, got an empty list"),
        ({"command": ["head", "-n", 5]}, r"command\[2\] must be a string or a path, got 5"),
        ({"command": 5}, "must be a list of the program and its arguments, got 5"),
        ({"command": ["cat"], "input": 5}, "input must be a string or bytes, got 5"),
        ({"command": ["ls"], "grace": -1}, "grace must be ≥ 0 seconds, got -1"),
        ({"command": ["ls"], "on_line": 5}, "on_line must be a function .*, got 5"),
        ({"command": ["ls"], "encoding": "utf-99"}, "unknown encoding: utf-99"),
    ],
)
def test_wrong_arguments_are_named(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises((TypeError, ValueError, LookupError), match=message):
        run(shell.run(**arguments))


def test_the_environment_is_the_one_that_was_given() -> None:
    result = run(shell.run("echo $GREETING$HOME", shell=True, env={"GREETING": "hello"}))
    assert result.stdout == "hello\n"


# Input and output


@pytest.mark.parametrize("loop", LOOPS)
def test_much_input_and_output_at_once_do_not_block_each_other(loop: Any) -> None:
    much = "0123456789abcdef\n" * 60_000
    script = "import sys\nfor line in sys.stdin: sys.stdout.write(line), sys.stderr.write(line)"
    result = run(shell.run([sys.executable, "-c", script], input=much), loop)
    assert result.stdout == result.stderr == much


@pytest.mark.parametrize("loop", LOOPS)
def test_input_that_nobody_reads_is_lost(loop: Any) -> None:
    assert run(shell.run(["true"], input=b"x" * 1_000_000), loop).stdout == ""


def test_without_input_there_is_nothing_to_read() -> None:
    assert run(shell.run(["cat"])).stdout == ""


def test_without_an_encoding_it_is_bytes() -> None:
    lines = Lines()
    result = run(shell.run(["cat"], input=b"\xff\n\xfe", encoding=None, on_line=lines))
    assert (result.stdout, result.stderr) == (b"\xff\n\xfe", b"")
    assert lines.got == [(b"\xff", "stdout"), (b"\xfe", "stdout")]


def test_what_is_not_in_the_encoding_is_an_error() -> None:
    with pytest.raises(UnicodeDecodeError):
        run(shell.run(["cat"], input=b"\xff"))
    with pytest.raises(UnicodeDecodeError):
        run(shell.run(["cat"], input=b"\xff", on_line=Lines(), capture=False))


def test_lines_come_whole_however_the_output_is_cut(tmp_path: Path) -> None:
    lines = Lines()
    script = r"printf 'one\ntw\303'; sleep 0.05; printf '\266\n\nlast'; echo wrong >&2"
    result = run(shell.run(["sh", "-c", script], on_line=lines))
    assert [line for line, name in lines.got if name == "stdout"] == ["one", "twö", "", "last"]
    assert [line for line, name in lines.got if name == "stderr"] == ["wrong"]
    assert result.stdout == "one\ntwö\n\nlast"


def test_uncaptured_output_is_not_kept_but_told(capfd: pytest.CaptureFixture[str]) -> None:
    script = "echo out; echo err >&2; exit 1"
    with pytest.raises(shell.CommandError, match="failed with exit code 1: err") as caught:
        run(shell.run(["sh", "-c", script], capture=False, on_line=shell.echo))
    assert (caught.value.result.stdout, caught.value.result.stderr) == ("", "")
    assert capfd.readouterr() == ("out\n", "err\n")


def test_uncaptured_output_without_a_listener_goes_straight_on(
    capfd: pytest.CaptureFixture[str],
) -> None:
    assert run(shell.run("echo out; echo err >&2", shell=True, capture=False)).stdout == ""
    assert capfd.readouterr() == ("out\n", "err\n")


# Its end


def test_a_listener_that_fails_ends_the_command() -> None:
    pids: list[int] = []

    def listener(line: str, name: str) -> None:
        pids.append(int(line))
        raise KeyError(name)

    with pytest.raises(KeyError, match="stdout"):
        run(shell.run(["sh", "-c", "echo $$; exec sleep 1000"], on_line=listener))
    check_gone(pids[0])


@pytest.mark.parametrize("loop", LOOPS)
def test_a_timeout_ends_all_that_the_command_has_started(loop: Any) -> None:
    lines = Lines()
    command = shell.run(["sh", "-c", STUBBORN], on_line=lines, grace=0.05)
    with pytest.raises(TimeoutError, match=r"'shell\.run' did not end within 0\.3 s"):
        run(command.with_timeout(0.3), loop)
    check_gone(int(lines.got[0][0]))


@pytest.mark.parametrize("loop", LOOPS)
def test_a_cancel_ends_all_that_the_command_has_started(loop: Any) -> None:
    async def main() -> int:
        lines = Lines()
        command = shell.run(["sh", "-c", "sleep 1000 & echo $!; wait"], on_line=lines)
        running = asyncio.ensure_future(cs.arun(command))
        await lines.first.wait()
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        return int(lines.got[0][0])

    with asyncio.Runner(loop_factory=loop) as runner:
        check_gone(runner.run(main()))


def test_what_ends_the_command_need_not_end_what_it_has_started() -> None:
    async def main() -> int:
        lines = Lines()
        script = "(trap '' TERM; echo ready; exec sleep 1000) & echo $!; wait"
        running = asyncio.ensure_future(
            cs.arun(shell.run(["sh", "-c", script], on_line=lines, grace=0.05))
        )
        while len(lines.got) < 2:
            lines.first.clear()
            await lines.first.wait()
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        return next(int(line) for line, _ in lines.got if line.isdigit())

    check_gone(asyncio.run(main()))


def test_it_has_its_time_to_end_in_peace() -> None:
    async def main() -> list[Any]:
        lines = Lines()
        script = (
            "trap 'sleep 0.1; echo tidied up; exit' TERM; echo ready; while :; do sleep 0.01; done"
        )
        running = asyncio.ensure_future(cs.arun(shell.run(["sh", "-c", script], on_line=lines)))
        await lines.first.wait()
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        return lines.got

    assert ("tidied up", "stdout") in asyncio.run(main())


def test_a_second_cancel_ends_the_time_of_grace() -> None:
    async def main() -> int:
        lines = Lines()
        command = shell.run.fn(["sh", "-c", STUBBORN], on_line=lines, grace=1000)
        running = asyncio.ensure_future(command)  # an engine would pass on only one
        await lines.first.wait()
        for _ in range(2):
            running.cancel()
            await asyncio.sleep(0.01)
        with pytest.raises(asyncio.CancelledError):
            await running
        return int(lines.got[0][0])

    check_gone(asyncio.run(main()))


def test_a_cancel_while_it_starts_leaves_nothing(tmp_path: Path) -> None:
    script = "echo $$ > pid; sleep 1000 & wait"

    async def main() -> None:
        for turns in range(6):
            running = asyncio.ensure_future(shell.run.fn(["sh", "-c", script], cwd=tmp_path))
            for _ in range(turns):
                await asyncio.sleep(0)
            running.cancel()
            with pytest.raises(asyncio.CancelledError):
                await running

    asyncio.run(main())
    if (tmp_path / "pid").exists() and (pid := (tmp_path / "pid").read_text()):
        check_gone(int(pid))


def test_what_left_the_group_with_the_output_in_its_hands_holds_nobody_up() -> None:
    script = "import os, time; os.setsid(); print(os.getpid(), flush=True); time.sleep(1000)"

    async def main() -> int:
        lines = Lines()
        command = ["sh", "-c", '"$0" -c "$1" & wait', sys.executable, script]
        running = asyncio.ensure_future(cs.arun(shell.run(command, on_line=lines, grace=0.05)))
        await lines.first.wait()
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        return int(lines.got[0][0])

    pid = asyncio.run(main())
    assert lives(pid)
    os.kill(pid, 9)


def test_virtual_time_refuses() -> None:
    with pytest.raises(VirtualTimeError, match="subprocess_exec"):
        run_virtual(cs.arun(shell.run(["true"])))
