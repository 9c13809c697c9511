"""A million tasks while a page is open in a browser that has stopped.

``python -m prove.stopped_page ui`` runs them in a program that `cascade ui` shows: the program, the
server of the page and the page are three processes. ``python -m prove.stopped_page stage`` runs
them beside the page of an experiment, on the same event loop: each task that ends lights a place of
the picture.

The page is a socket with a small buffer that is opened as a browser opens it (token, origin), and
isn't read any more. The same runs with a page that reads, in turn. What counts is the time from the
beginning of a run to its end, but for that in which the loop was ready and others had the
processor: waiting for a page would count, and who else uses the machine doesn't. It ends with 1 if
the stopped page makes the run slower than 1.1 times, if the program or the server of the page grows
by more than 20 MiB, or if another page isn't told how much was dropped.
"""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import cascade as cs
from cascade.control import LocalControl
from cascade.control.place import DIRECTORY_VARIABLE
from cascade.runtime.events import TaskFinished
from observatory.web.stage import Control, Status
from observatory.web.theatre import Theatre
from prove.million import bytes_of, do_nothing
from prove.pages import PATIENCE, next_status, one_who_does_not_read, one_who_reads, say
from prove.stopped import NAME, TASKS, Outcome, in_turn

ROOT = Path(__file__).parents[1]
ROUNDS = 3
WARM_UP = 10_000
"""Tasks after which all is imported and made that is needed."""
SIDE = 100
"""Places in a row of the picture, and rows."""
RESOURCES = {f"line-{number}": 1 for number in range(50)}
"""What there is to be seen beside the run, so that a look has the size of some kilobytes."""
CHOICE = {"choose": {"program": NAME, "run": None}}
"""What the page of `cascade ui` says, to see the newest run of the program."""
DROPPED = {"ui": "looks", "stage": "pictures"}
"""What a page that doesn't read misses."""


# In the program


@cs.task
async def keep(begun: asyncio.Event) -> None:
    """Run on."""
    begun.set()
    await asyncio.get_running_loop().create_future()


class Field:
    """A stage whose places light up when tasks end."""

    title = "Tasks that end"
    width = height = SIDE
    palette = bytes(768)
    course = "share"
    controls: Sequence[Control] = ()

    def __init__(self) -> None:
        self.ended = 0
        self._places = bytearray(SIDE * SIDE)

    def light(self, event: TaskFinished) -> None:
        """Light the next place."""
        place = self.ended % len(self._places)
        self._places[place] = (self._places[place] + 1) % 256
        self.ended += 1

    def picture(self, now: float) -> bytes:
        """Return the places as they are."""
        return bytes(self._places)

    def status(self, now: float) -> Status:
        """Say how many have ended."""
        return Status(now, self.ended % TASKS / TASKS, {"ended": str(self.ended)}, {})

    def past(self) -> list[tuple[float, float]]:
        """Return no course: it has just begun."""
        return []

    def set(self, name: str, value: Any) -> str:
        """Raise ValueError: nothing can be set."""
        raise ValueError(f"{name} can't be set")


async def _run_for_interface() -> None:
    engine = cs.Engine(connector=LocalControl(NAME), system_resources=RESOURCES)
    begun = asyncio.Event()
    keeping = asyncio.create_task(engine.run(keep(begun)))  # or there is nothing to be seen
    await begun.wait()
    print("ready", flush=True)
    await _obey(engine)
    keeping.cancel()


async def _run_for_stage() -> None:
    theatre, field, engine = Theatre(), Field(), cs.Engine()
    engine.bus.subscribe(TaskFinished, field.light)
    print(theatre.url, flush=True)
    async with asyncio.TaskGroup() as group:
        parts = [group.create_task(part) for part in theatre.parts(field)]
        await _obey(engine)
        for part in parts:
            part.cancel()


async def _obey(engine: cs.Engine) -> None:
    """Run as many tasks as each line says, and answer with the seconds that it took."""
    while line := await asyncio.to_thread(sys.stdin.readline):
        began, stood = time.perf_counter(), _stood_in_line()
        await engine.run(do_nothing.map(n=range(int(line))).windowed(1000))
        print(time.perf_counter() - began - (_stood_in_line() - stood), flush=True)


def _stood_in_line() -> float:
    """Return for how many seconds this thread could have run and others had the processor."""
    return int(Path("/proc/thread-self/schedstat").read_text("ascii").split()[1]) / 1e9


# Outside of it


@contextmanager
def _started(place: Path, *command: str) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-m", *command],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT / "src"), DIRECTORY_VARIABLE: str(place)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def run_with(kind: str, page: str, tasks: int = TASKS) -> Outcome:
    """Run tasks while a page of a kind ("ui" or "stage") "reads", or has "stopped"."""
    with ExitStack() as stack:
        place = Path(stack.enter_context(tempfile.TemporaryDirectory())) / "control"
        program = stack.enter_context(_started(place, "prove.stopped_page", "serve", kind))
        processes, url = [program.pid], _line_of(program)
        if kind == "ui":
            server = stack.enter_context(_started(place, "prove.stopped_page", "serve", "page"))
            processes.append(server.pid)
            url = _line_of(server)
        message = [CHOICE] if kind == "ui" else []
        if page == "reads":
            stack.enter_context(_reading(url, *message))
        else:
            end = stack.enter_context(one_who_does_not_read(url))
            _fill(end, url, message)
        _run(program, WARM_UP)
        dropped = _dropped(url)
        before = [_at_rest(process) for process in processes]
        seconds = _run(program, tasks)
        most = [bytes_of("VmHWM", process) for process in processes]
        grown = max(after - then for after, then in zip(most, before, strict=True)) / 2**20
        return Outcome(seconds, grown, _dropped(url) - dropped)


def _run(program: subprocess.Popen[str], tasks: int) -> float:
    """Let a program run tasks, and return the seconds that it took."""
    assert program.stdin is not None
    program.stdin.write(f"{tasks}\n")
    program.stdin.flush()
    return float(_line_of(program))


def _line_of(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line:
        raise RuntimeError("a process has ended before its time")
    return line.strip()


def _at_rest(process: int) -> int:
    """Return how many bytes a process has, and forget that it may have had more."""
    Path(f"/proc/{process}/clear_refs").write_text("5", encoding="ascii")
    return bytes_of("VmRSS", process)


def _dropped(url: str) -> int:
    """Return how many were dropped for all pages, as somebody is told who opens one now."""
    with one_who_reads(url) as page:
        return int(next_status(page)["dropped_by_all"])


@contextmanager
def _reading(url: str, *messages: object) -> Iterator[None]:
    """Read a page in a thread until the end of the block."""
    ended, some = threading.Event(), threading.Event()
    with one_who_reads(url, *messages) as page:

        def read() -> None:
            while not ended.is_set():
                next_status(page)
                some.set()

        thread = threading.Thread(target=read)
        thread.start()
        try:
            if not some.wait(PATIENCE):
                raise TimeoutError("the page was told nothing")
            yield
        finally:
            ended.set()
            thread.join()


def _fill(end: socket.socket, url: str, message: Sequence[object]) -> None:
    """Wait until a page that doesn't read misses something.

    What it says meanwhile, again and again, is answered at once: two looks a second would take
    long to fill all buffers on their way.
    """
    give_up = time.monotonic() + PATIENCE
    while not _dropped(url):
        if time.monotonic() > give_up:
            raise TimeoutError("the page misses nothing")
        for _ in range(10):
            for each in message:
                say(end, each)
            time.sleep(0.02)


async def _serve_page() -> None:
    from cascade.web.ui import UserInterface

    interface = UserInterface()
    print(interface.url, flush=True)
    await interface.run()


SERVED = {"ui": _run_for_interface, "stage": _run_for_stage, "page": _serve_page}
"""What the processes do."""


def main(arguments: list[str]) -> int:
    """Run both in turn, print the figures, and return the exit code."""
    if arguments[0] == "serve":
        asyncio.run(SERVED[arguments[1]]())
        return 0
    (kind,) = arguments
    verdict = in_turn(lambda page: run_with(kind, page), DROPPED[kind], ROUNDS)
    print(f"{kind}: {verdict}")
    return not verdict.holds


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
