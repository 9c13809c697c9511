"""Terminal: taken over and put back, written to without waiting, and told when it has gone."""

from __future__ import annotations

import asyncio
import os
import termios
from collections.abc import Callable, Iterator
from time import monotonic
from typing import Any

import pytest
from tests.observatory.visualization import emulator
from tests.observatory.visualization.pseudo_terminal import ENTER, LEAVE, LIMIT_S, Pty

from cascade.testing import run_virtual
from observatory.visualization import terminal as module
from observatory.visualization.terminal import (
    Terminal,
    TerminalClosedError,
    can_show,
    put_back_all,
)

MUCH = b"".join(b"%07d " % number for number in range(30_000))
"""More than a terminal takes when nobody reads."""
CANCEL = b"\x18"


@pytest.fixture
def pty(monkeypatch: pytest.MonkeyPatch) -> Iterator[Pty]:
    pty = Pty(monkeypatch)
    yield pty
    pty.close()


@pytest.fixture
def terminal(pty: Pty) -> Iterator[Terminal]:
    terminal = Terminal(pty.screen)
    yield terminal
    terminal.close()


def is_busy(terminal: Terminal) -> bool:
    return terminal.busy


# --- taken over and put back ------------------------------------------------------------------


def test_taken_over_it_shows_another_screen_without_cursor_and_wrapping(
    pty: Pty, terminal: Terminal
) -> None:
    terminal.enter()
    pty.read_until(b"\x1b[2J")
    assert pty.output.startswith(ENTER)
    screen = emulator.Terminal(80, 24)
    screen.feed(pty.output)
    assert (screen.aside, screen.cursor, screen.wraps) == (True, False, False)
    terminal.leave()
    pty.read_until(LEAVE)
    screen.feed(LEAVE)
    assert (screen.aside, screen.cursor, screen.wraps) == (False, True, True)


def test_keys_come_one_by_one_and_unseen_and_ctrl_c_is_still_a_signal(
    pty: Pty, terminal: Terminal
) -> None:
    terminal.enter()
    before, now = pty.before, termios.tcgetattr(pty.screen)
    assert now[3] == before[3] & ~(termios.ECHO | termios.ICANON) | termios.NOFLSH
    assert now[3] & termios.ISIG
    assert now[:3] == before[:3]
    pty.read_until(b"\x1b[2J")
    pty.output = b""
    pty.type(b"xy")
    assert typed(terminal) == b"xy"
    assert terminal.keys() == b""
    assert pty.read(0.05) == b""


def typed(terminal: Terminal) -> bytes:
    """Wait for the next keys."""
    give_up = monotonic() + LIMIT_S
    while not (keys := terminal.keys()):
        assert monotonic() < give_up
    return keys


def test_left_it_is_as_it_was_and_leaving_again_does_nothing(pty: Pty, terminal: Terminal) -> None:
    terminal.enter()
    terminal.leave()
    pty.check_restored()
    terminal.leave()
    pty.read(0.05)
    pty.check_restored()


def test_it_can_be_taken_over_again(pty: Pty, terminal: Terminal) -> None:
    for _ in range(2):
        terminal.enter()
        assert termios.tcgetattr(pty.screen) != pty.before
        terminal.leave()
        pty.check_restored()
        pty.output = b""


def test_all_that_are_taken_over_are_put_back_at_once(pty: Pty, terminal: Terminal) -> None:
    terminal.enter()
    put_back_all()
    pty.check_restored()
    put_back_all()
    terminal.leave()
    pty.read(0.05)
    pty.check_restored()


def test_leaving_that_was_interrupted_is_done_again(
    pty: Pty, terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    terminal.enter()
    with monkeypatch.context() as patch:
        patch.setattr(termios, "tcsetattr", interrupt)
        with pytest.raises(KeyboardInterrupt):
            terminal.leave()
    assert termios.tcgetattr(pty.screen) != pty.before
    put_back_all()
    assert termios.tcgetattr(pty.screen) == pty.before


def test_closing_leaves_it(pty: Pty) -> None:
    terminal = Terminal(pty.screen)
    terminal.enter()
    terminal.close()
    pty.check_restored()


def test_never_taken_over_it_is_left_alone(pty: Pty) -> None:
    Terminal(pty.screen).close()
    assert pty.read(0.05) == b""
    assert termios.tcgetattr(pty.screen) == pty.before


def test_what_others_have_open_stays_blocking(pty: Pty, terminal: Terminal) -> None:
    terminal.enter()
    assert os.get_blocking(pty.screen)
    assert os.get_blocking(pty.stdout.fileno())


def test_what_is_no_terminal_is_refused() -> None:
    reading, writing = os.pipe()
    try:
        with pytest.raises(OSError):  # noqa: PT011 - its text is the system's
            Terminal(writing)
    finally:
        os.close(reading)
        os.close(writing)


# --- written to without waiting ---------------------------------------------------------------


def test_what_it_does_not_take_is_written_when_it_does(pty: Pty, terminal: Terminal) -> None:
    async def main() -> None:
        began = monotonic()
        terminal.write(MUCH)
        assert monotonic() - began < 1.0
        assert is_busy(terminal)
        await pty.until(lambda: not is_busy(terminal))
        assert pty.read_until(MUCH[-8:]) == MUCH
        terminal.write(b"more")
        assert not is_busy(terminal)
        assert pty.read_until(b"more") == MUCH + b"more"

    asyncio.run(main())


def test_the_loop_watches_it_only_while_it_is_busy(
    pty: Pty, terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    watched: set[Any] = set()

    async def main() -> None:
        loop = asyncio.get_running_loop()
        add, remove = loop.add_writer, loop.remove_writer

        def add_writer(descriptor: int, *rest: Any) -> None:
            watched.add(descriptor)
            add(descriptor, *rest)

        def remove_writer(descriptor: int) -> bool:
            watched.discard(descriptor)
            return remove(descriptor)

        monkeypatch.setattr(loop, "add_writer", add_writer)
        monkeypatch.setattr(loop, "remove_writer", remove_writer)
        terminal.write(b"a little")
        assert not watched
        terminal.write(MUCH)
        assert watched
        await pty.until(lambda: not is_busy(terminal))
        assert not watched
        terminal.write(MUCH)
        assert watched
        terminal.leave()
        assert not watched

    terminal.enter()
    asyncio.run(main())


def test_on_virtual_time_the_rest_is_written_by_flush(pty: Pty, terminal: Terminal) -> None:
    async def main() -> None:
        terminal.write(MUCH)
        await asyncio.sleep(60)
        assert is_busy(terminal)
        give_up = monotonic() + LIMIT_S
        while is_busy(terminal):
            assert monotonic() < give_up
            pty.read()
            terminal.flush()
        assert pty.read_until(MUCH[-8:]) == MUCH

    run_virtual(main())


@pytest.mark.parametrize("run", [asyncio.run, run_virtual])
def test_left_while_nobody_reads_the_rest_is_dropped_and_it_is_whole(
    pty: Pty, terminal: Terminal, run: Callable[..., Any]
) -> None:
    async def main() -> None:
        terminal.enter()
        terminal.write(MUCH)
        assert is_busy(terminal)
        began = monotonic()
        terminal.leave()
        assert monotonic() - began < 2.0
        assert not is_busy(terminal)

    run(main())
    assert termios.tcgetattr(pty.screen) == pty.before
    pty.read_until(CANCEL + LEAVE)
    assert len(pty.output) < len(MUCH)


def test_left_when_all_was_taken_nothing_is_cancelled(pty: Pty, terminal: Terminal) -> None:
    async def main() -> None:
        terminal.enter()
        terminal.write(b"a picture")

    asyncio.run(main())
    terminal.leave()
    assert pty.read_until(LEAVE).endswith(b"a picture" + LEAVE)


def test_left_when_its_loop_is_closed_it_is_whole(pty: Pty, terminal: Terminal) -> None:
    async def main() -> None:
        terminal.enter()
        terminal.write(MUCH)

    asyncio.run(main())
    terminal.leave()
    assert termios.tcgetattr(pty.screen) == pty.before
    pty.read_until(CANCEL + LEAVE)


def test_one_that_takes_nothing_at_all_is_waited_for_only_so_long(
    pty: Pty, terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_PATIENCE", 0.2)
    terminal.enter()
    termios.tcflow(pty.screen, termios.TCOOFF)  # as Ctrl-S does
    try:
        began = monotonic()
        terminal.leave()
        assert 0.2 <= monotonic() - began < 1.2
        assert termios.tcgetattr(pty.screen) == pty.before
    finally:
        termios.tcflow(pty.screen, termios.TCOON)


# --- its size ---------------------------------------------------------------------------------


def test_its_size_is_that_of_the_window(pty: Pty, terminal: Terminal) -> None:
    assert terminal.size() == (80, 24)
    pty.resize(132, 50)
    assert terminal.size() == (132, 50)


@pytest.mark.parametrize(
    ("told", "taken"), [((0, 0), (80, 24)), ((100, 0), (100, 24)), ((0, 50), (80, 50))]
)
def test_where_nobody_knows_the_size_it_is_the_usual_one(
    pty: Pty, terminal: Terminal, told: tuple[int, int], taken: tuple[int, int]
) -> None:
    pty.resize(*told)
    assert terminal.size() == taken


# --- gone -------------------------------------------------------------------------------------


def write(terminal: Terminal) -> None:
    async def main() -> None:
        terminal.write(b"anything")

    asyncio.run(main())


@pytest.mark.parametrize(
    "use", [Terminal.enter, Terminal.keys, Terminal.size, write], ids=lambda use: use.__name__
)
def test_when_it_has_gone_whoever_uses_it_is_told(
    pty: Pty, terminal: Terminal, use: Callable[[Terminal], object]
) -> None:
    pty.hang_up()
    with pytest.raises(TerminalClosedError):
        use(terminal)


def test_when_it_has_gone_leaving_it_is_no_error(pty: Pty) -> None:
    terminal = Terminal(pty.screen)
    terminal.enter()
    pty.hang_up()
    terminal.close()


def test_when_it_goes_while_it_is_busy_the_loop_has_no_trouble(
    pty: Pty, terminal: Terminal
) -> None:
    async def main() -> None:
        troubles: list[Any] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, what: troubles.append(what))
        terminal.write(MUCH)
        assert is_busy(terminal)
        pty.hang_up()
        give_up = monotonic() + LIMIT_S
        while is_busy(terminal):
            assert monotonic() < give_up
            await asyncio.sleep(0.01)
        with pytest.raises(TerminalClosedError):
            terminal.keys()
        assert troubles == []

    asyncio.run(main())


# --- which can show a view --------------------------------------------------------------------


def test_which_terminals_can_show_it(pty: Pty) -> None:
    assert can_show(pty.stdout, {"TERM": "xterm"})
    assert not can_show(pty.stdout, {"TERM": "dumb"})
    assert not can_show(pty.stdout, {})
    assert not can_show(None, {"TERM": "xterm"})
    with open(os.devnull, "w", encoding="utf-8") as nowhere:
        assert not can_show(nowhere, {"TERM": "xterm"})
    with os.fdopen(os.dup(pty.screen), "w", encoding="latin-1") as without_blocks:
        assert not can_show(without_blocks, {"TERM": "xterm"})


def test_one_without_a_name_cannot_show_it(pty: Pty, monkeypatch: pytest.MonkeyPatch) -> None:
    def nameless(descriptor: int) -> str:
        raise OSError("it has no name")

    monkeypatch.setattr(os, "ttyname", nameless)
    assert not can_show(pty.stdout, {"TERM": "xterm"})


@pytest.mark.parametrize("in_front", [True, False])
def test_only_in_front_it_is_shown(
    pty: Pty, monkeypatch: pytest.MonkeyPatch, in_front: bool
) -> None:
    monkeypatch.setattr(os, "tcgetpgrp", lambda _: os.getpgrp() if in_front else os.getpgrp() + 1)
    assert can_show(pty.stdout, {"TERM": "xterm"}) == in_front
