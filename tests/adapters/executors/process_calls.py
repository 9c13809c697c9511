"""What the tests call in processes: it can be imported there, quickly."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any, NoReturn

calls = 0


def add(a: int, b: int = 1) -> int:
    return a + b


def pid(*_: Any) -> int:
    return os.getpid()


def own_group(*_: Any) -> bool:
    return os.getpgid(0) == os.getpid()


def count_calls() -> int:
    global calls
    calls += 1
    return calls


def nap(seconds: float) -> int:
    time.sleep(seconds)
    return os.getpid()


def stuck_in_c(mark: Path) -> None:
    """Tell the own number, then hold the interpreter's lock for long."""
    tell(mark)
    ctypes.PyDLL(None).sleep(30)


def stuck_with_a_child(mark: Path) -> None:
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    tell(mark, child.pid)
    child.wait()


def tell(mark: Path, number: int | None = None) -> None:
    """Write a number where the test looks for it."""
    aside = mark.with_suffix(".new")
    aside.write_text(str(os.getpid() if number is None else number))
    aside.rename(mark)


def die(how: str) -> None:
    if how == "exit code 3":
        os._exit(3)
    elif how == "SIGSEGV":
        signal.signal(signal.SIGSEGV, signal.SIG_DFL)
    os.kill(os.getpid(), signal.Signals[how])
    time.sleep(60)


def die_and_leave_a_child() -> None:
    """Die while a child still has all that this process had open."""
    if os.fork() == 0:
        time.sleep(60)
    os._exit(4)


def interrupt_oneself() -> str:
    os.kill(os.getpid(), signal.SIGINT)
    return "unmoved"


def fail(error: BaseException) -> NoReturn:
    raise error


class Stubborn(Exception):
    """Can be pickled, but not put together again."""

    def __init__(self, first: int, second: int) -> None:
        super().__init__(f"{first} and {second}")


def fail_stubbornly() -> NoReturn:
    raise Stubborn(1, 2)


def lock() -> Any:
    return threading.Lock()


def say(text: str, error: str) -> None:
    print(text)
    print(error, file=sys.stderr)


def open_files() -> list[str]:
    """Return what is open here, but for the directory that tells so."""
    found = []
    for number in os.listdir("/proc/self/fd"):
        with contextlib.suppress(FileNotFoundError):
            found.append(os.readlink(f"/proc/self/fd/{number}"))
    return found


class Unreadable:
    """Raises when a process puts it together again."""

    def __reduce__(self) -> tuple[Any, ...]:
        return int, ("not a number",)


def close_the_output() -> str:
    sys.stdout.close()
    return "closed"
