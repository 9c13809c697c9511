"""Progress counts what events tell, says what is waited for, and gives the terminal back."""

from __future__ import annotations

import asyncio
import io
from pathlib import Path

import pytest
from tests.cli.workflows import write
from tests.e2e.terminals import PYTHON, Pty, wait_until

import cascade as cs
from cascade.cli.progress import Progress
from cascade.cli.tally import Tally
from cascade.graph.build import build
from cascade.testing import run_virtual

SHOWN, HIDDEN = b"\x1b[?25h", b"\x1b[?25l"


@cs.task
async def work(n: int) -> int:
    await asyncio.sleep(1)
    return n


def watched(target: object, *moments: float, **limits: float) -> list[str]:
    """Run a target, and return the line of its progress at moments, and the summary."""

    async def main() -> list[str]:
        manager = cs.ResourceManager(limits)
        engine = cs.Engine(resource_manager=manager)
        tally = Tally(engine.bus, build(target))
        progress = Progress(tally, manager, io.StringIO())
        running = asyncio.create_task(engine.run(target))
        lines = []
        for moment in moments:
            await asyncio.sleep(moment - asyncio.get_running_loop().time())
            lines.append(progress.line().rpartition(" · ")[0])
        await running
        return [*lines, tally.summary(3.0)]

    lines: list[str] = run_virtual(main())
    return lines


class TestWhatIsSaid:
    def test_how_many_are_done_run_and_wait_for_what(self) -> None:
        calls = [work(n).with_constraints(gpu=1) for n in range(4)]
        assert watched([work(9), *calls], 0.5, 1.5, gpu=2) == [
            "0 of 5 done · 3 running · 2 waiting for gpu 2",
            "3 of 5 done · 2 running",
            "5 tasks: 5 succeeded, in 3.0 s",
        ]

    def test_the_children_of_a_map_are_told_apart(self) -> None:
        mapped = work.map(n=[1, 2, 3]).with_constraints(gpu=1)
        assert watched(mapped, 0.5, 1.5, gpu=2) == [
            "0 of 1 done · 2 running · 1 waiting for gpu 1",
            "0 of 1 done (and 2 mapped) · 1 running",
            "1 task (and 3 mapped): 1 succeeded, in 3.0 s",
        ]

    def test_only_the_most_wanted_resources_are_named(self) -> None:
        calls = [work(n).with_constraints(**{f"r{n % 5}": 1}) for n in range(15)]
        line, *_ = watched(calls, 0.5, r0=1, r1=1, r2=1, r3=1, r4=1)
        assert line == "0 of 15 done · 5 running · 10 waiting for r0 2, r1 2, r2 2, 2 more"


def test_nothing_is_drawn_where_there_is_no_terminal() -> None:
    async def main() -> str:
        engine, stream = cs.Engine(), io.StringIO()
        target = work(1)
        progress = Progress(Tally(engine.bus, build(target)), engine.resource_manager, stream)
        progress.start()
        await engine.run(target)
        progress.stop()
        return stream.getvalue()

    assert run_virtual(main()) == ""


@pytest.mark.parametrize("keys", [b"", b"\x03"], ids=["to its end", "ctrl-c"])
def test_a_terminal_shows_it_and_is_given_back(tmp_path: Path, keys: bytes) -> None:
    code = """
from pathlib import Path

@cs.task
async def work(number: int) -> int:
    while not Path(__file__).with_name("seen").exists():
        await asyncio.sleep(0.01)
    print("said by a task")
    return number

both = [work(number).with_constraints(slot=1) for number in (1, 2)]
"""
    file = write(tmp_path, code)
    # Here stderr is the terminal, too.
    command = ["/bin/sh", "-c", 'exec "$@" 2>&1', "sh", *PYTHON, "-m", "cascade.cli", "run"]
    arguments = [f"{file}:both", "--limit", "slot=1"]
    sources = {"PYTHONPATH": str(Path(cs.__file__).parents[1])}
    with Pty([*command, *arguments], tmp_path / "err", variables=sources) as pty:

        def reads(text: str) -> bool:
            pty.read()
            return text in pty.words

        wait_until(lambda: reads("1 running · 1 waiting for slot 1"), lambda: pty.text)
        assert HIDDEN in pty.sent
        if keys:
            pty.press(keys)
        else:
            (tmp_path / "seen").touch()
        wait_until(lambda: pty.process.poll() is not None, lambda: pty.text)
        pty.read()
        assert pty.sent.rindex(SHOWN) > pty.sent.rindex(HIDDEN)
        if keys:
            assert pty.process.returncode == 130
            assert "ended by SIGINT" in pty.words
        else:
            assert pty.process.returncode == 0
            assert "2 tasks: 2 succeeded" in pty.words
            assert pty.words.count("said by a task") == 2
            assert "[1, 2]" in pty.words
