"""Terminals for the tests of the view: real ones in tmux, with a shell, and bare ones.

A `Pane` is a terminal as a person has it: a shell runs in it, keys are typed, and what is seen is
read back cell by cell. A `Pty` is what is below that: the bytes that the program sends, read by
whoever wants to, or by nobody.
"""

from __future__ import annotations

import fcntl
import os
import re
import select
import shlex
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import termios
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

LIMIT_S = 40.0
"""How long anything here may take at most, in seconds; the machine may be busy."""
PYTHON = [sys.executable, "-W", "error"]
FIREFLIES = [*PYTHON, "-m", "observatory.experiments.run_fireflies"]
"""The program, as it is started without a shell."""
PROMPT = "ready>"
PAST = [f"line {number} of what was there before" for number in range(1, 4)]
"""What a shell has printed before the program is started."""

# What `python -m` does, and a file with the process's id as soon as the program's imports begin.
_PROGRAM = """\
import os, pathlib, runpy, sys
class Herald:
    def find_spec(self, name, path=None, target=None):
        if name == "asyncio":
            sys.meta_path.remove(self)
            pathlib.Path("written").write_text(str(os.getpid()))
            os.rename("written", "began")
sys.meta_path.insert(0, Herald())
runpy.run_module("observatory.experiments.run_fireflies", run_name="__main__", alter_sys=True)
"""
_COMMANDS = {
    # Some output, and a note of how the terminal is set.
    "begin": "stty -g > before\n" + "".join(f"echo '{line}'\n" for line in PAST),
    "fireflies": f'exec {shlex.join(PYTHON)} program.py "$@"\n',
    # Tells how the terminal is set now, compared with what was noted.
    "end": """\
        if [ "$(stty -g)" = "$(cat before)" ]; then state=restored; else state=changed; fi
        echo "ended with $1, the terminal is $state"
    """,
}
_ENDED = re.compile(r"^(?:\^C)?ended with (\w+), the terminal is (\w+)$", re.MULTILINE)


def environment(**variables: str) -> dict[str, str]:
    """Return an environment in which no setting of the machine has a say in how things look."""
    kept = {name: value for name in ("PATH", "HOME") if (value := os.environ.get(name)) is not None}
    return {**kept, "LANG": "C.UTF-8", "TERM": "xterm-256color", **variables}


def wait_until(
    condition: Callable[[], bool],
    state: Callable[[], object],
    limit: float = LIMIT_S,
    pause: float = 0.03,
) -> None:
    """Wait until a condition holds; if it takes too long, fail and show the state.

    Each look at a terminal of tmux is a process, which takes time from the program that is waited
    for: hence the pause between two of them, in seconds.
    """
    give_up = time.monotonic() + limit
    while not condition():
        assert time.monotonic() < give_up, f"it never came to be: {state()}"
        time.sleep(pause)


# --- tmux -------------------------------------------------------------------------------------


class Cell(NamedTuple):
    """One character of a screen, with the parameters that select its colours."""

    glyph: str
    ink: str
    paper: str


Screen = list[list[Cell]]


class Tmux:
    """A tmux server of its own, that reads no settings but these."""

    def __init__(self) -> None:
        self._home = Path(tempfile.mkdtemp(prefix="tmux-"))
        self._panes: list[Pane] = []
        self._started = False

    def __call__(self, *command: str) -> str:
        """Run a tmux command and return what it prints."""
        variables = environment(
            TMUX_TMPDIR=str(self._home), COLORTERM="truecolor", PS1=f"{PROMPT} ", HISTFILE=""
        )
        done = subprocess.run(
            ["tmux", "-u", "-f", "/dev/null", "-L", "fireflies", *command],
            env=variables,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            timeout=LIMIT_S,
        )
        assert done.returncode == 0, (command, done.stderr)
        return done.stdout

    def pane(self, columns: int = 80, rows: int = 24) -> Pane:
        """Open a terminal of that size with a shell that has printed something already."""
        if not self._started:
            self._started = True
            settings = ("set -g status off", "set -g default-terminal screen-256color")
            options = " ; ".join(("start-server", "set -s exit-empty off", *settings))
            self(*shlex.split(options))
        directory = Path(tempfile.mkdtemp(prefix="pane-", dir=self._home))
        (directory / "program.py").write_text(_PROGRAM)
        for name, text in _COMMANDS.items():
            (directory / name).write_text(f"#!/bin/sh\n{text}")
            (directory / name).chmod(0o755)
        size = ("-x", str(columns), "-y", str(rows))
        shell = ("bash", "--norc", "--noprofile", "-i")
        printed = ("-P", "-F", "#{pane_id}")
        name = self("new-session", "-d", *printed, *size, "-c", str(directory), *shell).strip()
        pane = Pane(self, name, directory)
        self._panes.append(pane)
        pane.wait_for_prompt()
        pane.type_line("clear; ./begin")
        pane.wait_until(lambda text: text.splitlines()[: len(PAST)] == PAST)
        pane.wait_for_prompt()
        self("clear-history", "-t", name)
        return pane

    def close(self) -> None:
        """Close all terminals and end the server; what still runs in them is killed."""
        try:
            if self._started:
                self("kill-server")
        finally:
            for pane in self._panes:
                if pane.began:
                    with suppress(ProcessLookupError):
                        os.kill(pane.program, signal.SIGKILL)
            shutil.rmtree(self._home)


class Pane:
    """A terminal in tmux with a shell in it."""

    def __init__(self, tmux: Tmux, name: str, directory: Path) -> None:
        self.directory = directory
        """Where the shell is."""
        self._tmux = tmux
        self._name = name

    # What a person does.

    def press(self, *keys: str) -> None:
        """Press keys, by the names that tmux gives them."""
        self._tmux("send-keys", "-t", self._name, *keys)

    def type_line(self, line: str) -> None:
        """Type a line, and Enter."""
        self._tmux("send-keys", "-t", self._name, "-l", line)
        self.press("Enter")

    def start(self, *arguments: str) -> None:
        """Start the program; when it has ended, the shell tells how."""
        self.type_line(f"{shlex.join(['./fireflies', *arguments])}; ./end $?")

    def resize(self, columns: int, rows: int) -> None:
        """Give the window another size."""
        self._tmux("resize-window", "-t", self._name, "-x", str(columns), "-y", str(rows))

    # What a person sees.

    @property
    def text(self) -> str:
        """The rows on the screen, without the spaces at their ends."""
        return self._tmux("capture-pane", "-p", "-t", self._name)

    def screen(self) -> Screen:
        """Return the rows on the screen, cell by cell."""
        captured = self._tmux("capture-pane", "-p", "-e", "-N", "-t", self._name)
        return _cells(captured.removesuffix("\n"))

    def tell(self, *names: str) -> list[str]:
        """Return what tmux knows of the terminal, by the names of its variables."""
        asked = ",".join(f"#{{{name}}}" for name in names)
        return self._tmux("display-message", "-p", "-t", self._name, asked).strip().split(",")

    def wait_until(self, condition: Callable[[str], bool]) -> None:
        """Wait until a condition holds for the rows on the screen."""
        wait_until(lambda: condition(self.text), lambda: f"\n{self.text}")

    def wait_for_prompt(self) -> None:
        self.wait_until(lambda text: text.rstrip().rpartition("\n")[2] == PROMPT)

    # The program.

    def wait_for_end(self) -> None:
        """Wait until the shell tells that it has ended."""
        wait_until(lambda: self.ended is not None, lambda: f"\n{self.text}")

    @property
    def began(self) -> bool:
        """Whether the program's imports have begun."""
        return (self.directory / "began").exists()

    @property
    def program(self) -> int:
        """The id of its process."""
        return int((self.directory / "began").read_text())

    @property
    def ended(self) -> str | None:
        """How it ended, as the shell tells; None while it hasn't."""
        ended = _ENDED.search(self.text)
        return None if ended is None else f"{ended[1]}, {ended[2]}"

    def assert_whole(self) -> None:
        """Assert that the shell has its terminal back, as it was."""
        self.wait_for_prompt()
        flags = {
            "alternate_on": "0",
            "cursor_flag": "1",
            "wrap_flag": "1",
            "insert_flag": "0",
            "origin_flag": "0",
            "mouse_any_flag": "0",
            "scroll_region_upper": "0",
        }
        assert dict(zip(flags, self.tell(*flags), strict=True)) == flags
        assert self.text.splitlines()[: len(PAST)] == PAST
        prompt = next(row for row in reversed(self.screen()) if row and row[0].glyph != " ")
        assert {(cell.ink, cell.paper) for cell in prompt} == {("", "")}
        assert self.text.rstrip().splitlines()[-1] == PROMPT
        self.type_line("echo hel''lo")
        self.wait_until(lambda text: text.rstrip().endswith(f"\nhello\n{PROMPT}"))
        assert self.text.rstrip().splitlines()[-3:-1] == [f"{PROMPT} echo hel''lo", "hello"]


def _cells(captured: str) -> Screen:
    """Take what tmux has captured apart: text, and sequences that select colours."""
    ink = paper = ""
    screen: Screen = []
    for row in captured.split("\n"):
        cells: list[Cell] = []
        for text, parameters in re.findall(r"([^\x1b]+)|\x1b\[([\d;]*)m", row):
            cells += [Cell(glyph, ink, paper) for glyph in text]
            if not text:
                ink, paper = _selected(parameters, ink, paper)
        screen.append(cells)
    return screen


def _selected(parameters: str, ink: str, paper: str) -> tuple[str, str]:
    rest = [int(number or 0) for number in parameters.split(";")]
    while rest:
        number = rest.pop(0)
        if number == 0:
            ink = paper = ""
        elif number in (38, 48):
            length = 4 if rest[0] == 2 else 2
            colour, rest = ";".join(map(str, rest[:length])), rest[length:]
            ink, paper = (colour, paper) if number == 38 else (ink, colour)
        elif number in (39, 49):
            ink, paper = ("", paper) if number == 39 else (ink, "")
        else:
            raise ValueError(f"no colour of the view: {parameters}")
    return ink, paper


# --- bare terminals ---------------------------------------------------------------------------

# What a shell does before it starts a program: the terminal becomes that of the session.
_OWNER = """
import fcntl, os, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execv(sys.argv[1], sys.argv[1:])
"""


class Pty:
    """A bare terminal with a program in it; what it sends is read by `read`, or by nobody.

    Args:
        command: the program and its arguments.
        errors: the file for its stderr.
        owned: whether the terminal is that of the program's session, as in a shell.
        size: columns and rows.
        variables: of the environment, besides the usual ones.
    """

    def __init__(
        self,
        command: Sequence[str],
        errors: Path,
        *,
        owned: bool = True,
        size: tuple[int, int] = (80, 24),
        variables: Mapping[str, str] | None = None,
    ) -> None:
        self.sent = b""
        """What the program has sent and somebody has read."""
        self._keyboard: int | None
        self._keyboard, screen = os.openpty()
        columns, rows = size
        fcntl.ioctl(screen, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        owner = [sys.executable, "-S", "-E", "-c", _OWNER] if owned else []
        with errors.open("wb") as stderr:
            self.process = subprocess.Popen(
                [*owner, *command],
                stdin=screen,
                stdout=screen,
                stderr=stderr,
                start_new_session=True,
                env=environment(**(variables or {})),
            )
        os.close(screen)

    def __enter__(self) -> Pty:
        return self

    def __exit__(self, *exc_info: object) -> None:
        """Close the terminal; what still runs in it is killed."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.hang_up()

    @property
    def text(self) -> str:
        """All that was read."""
        return self.sent.decode(errors="replace")

    @property
    def words(self) -> str:
        """All that was read, without what selects colours."""
        return re.sub(r"\x1b\[[\d;]*m", "", self.text)

    def press(self, keys: bytes) -> None:
        assert self._keyboard is not None
        os.write(self._keyboard, keys)

    def hang_up(self) -> None:
        """Close the terminal, as closing its window does."""
        if self._keyboard is not None:
            os.close(self._keyboard)
            self._keyboard = None

    def read(self) -> None:
        """Read all that is there."""
        while self._keyboard is not None and select.select([self._keyboard], [], [], 0)[0]:
            try:
                read = os.read(self._keyboard, 65536)
            except OSError:  # Linux: nobody has the other side open any more
                return
            if not read:
                return
            self.sent += read

    def read_until(self, condition: Callable[[], bool]) -> None:
        """Read until a condition holds."""

        def holds() -> bool:
            self.read()
            return condition()

        wait_until(holds, lambda: (self.process.poll(), self.sent[-2000:]), pause=0.01)

    def read_to_the_end(self) -> int:
        """Read until the program has ended and return its exit code."""
        self.read_until(lambda: self.process.poll() is not None)
        self.read()
        assert self.process.returncode is not None
        return self.process.returncode
