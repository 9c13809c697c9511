"""The socket: for the same user only, whatever is sent to it, and gone with the program."""

from __future__ import annotations

import asyncio
import itertools
import json
import logging
import os
import signal
import socket
import stat
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.control.worlds import LIMIT, program, until

import cascade as cs
from cascade.control import Client, LocalControl, find
from cascade.control.messages import COMMANDS, LARGEST
from cascade.control.place import directory, socket_path
from cascade.errors import ConnectorError, ControlError, VirtualTimeError
from cascade.testing import run_virtual

MESSAGES = int(os.environ.get("CASCADE_MESSAGES", "1500"))
"""How many messages are made up in the test of what can be sent; `make prove` sends 10,000."""


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    directory = tmp_path / "control"
    monkeypatch.setenv("CASCADE_CONTROL_DIR", str(directory))
    return directory


@cs.task
async def agent(steps: int = 0) -> Any:
    await asyncio.sleep(0.02)
    return cs.TailCall(steps=steps + 1)


class Program:
    """A program in a thread of this process: one agent, and a control with a name."""

    def __init__(self, name: str | None = "subject") -> None:
        self.manager = cs.ResourceManager({"slot": 1})
        self.control = LocalControl(name)
        self.loop = asyncio.new_event_loop()
        self.run: asyncio.Task[Any] | None = None
        self._thread = threading.Thread(target=self._live)
        self._thread.start()

    def _live(self) -> None:
        engine = cs.Engine(resource_manager=self.manager, connector=self.control)
        work = engine.run(agent().with_constraints(slot=1), use_vm=True)
        try:
            self.run = self.loop.create_task(work)
            self.loop.run_until_complete(asyncio.wait([self.run]))
        finally:
            self.loop.close()

    def end(self) -> None:
        if self.run is not None and self._thread.is_alive():
            self.loop.call_soon_threadsafe(self.run.cancel)
        self._thread.join(LIMIT)
        assert not self._thread.is_alive()


@pytest.fixture
def subject(place: Path) -> Iterator[Program]:
    running = Program()
    try:
        until(lambda: "subject" in find() and list(running.control._stations.values()))
        yield running
    finally:
        running.end()


def connected(place: Path) -> socket.socket:
    end = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    end.settimeout(LIMIT)
    end.connect(str(place / "subject.sock"))
    return end


class TestTheSocket:
    def test_it_is_for_its_user_alone(self, subject: Program, place: Path) -> None:
        assert stat.S_IMODE(place.stat().st_mode) == 0o700
        assert stat.S_IMODE((place / "subject.sock").stat().st_mode) == 0o600

    def test_it_goes_with_the_last_run(self, place: Path) -> None:
        running = Program()
        until(lambda: find() == ["subject"])
        running.end()
        assert find() == []
        assert not (place / "subject.sock").exists()

    def test_one_left_behind_by_a_dead_program_is_replaced(self, place: Path) -> None:
        with program(place, "subject", 1, 1) as dead:
            until(lambda: find() == ["subject"])
            dead.send_signal(signal.SIGKILL)
            dead.wait(LIMIT)
            assert find() == []
            assert (place / "subject.sock").exists()
            running = Program()
            until(lambda: find() == ["subject"])
            running.end()

    def test_a_name_that_is_taken_is_refused(self, subject: Program) -> None:
        other = Program()
        assert other.run is not None or until(lambda: other.run)
        other._thread.join(LIMIT)
        assert other.run is not None
        with pytest.raises(ControlError, match="a program with the name subject runs"):
            other.run.result()

    def test_without_a_name_each_loop_has_its_own(self, place: Path) -> None:
        first, second = Program(None), Program(None)
        try:
            names = until(lambda: find() if len(find()) == 2 else None)
            assert names[1] == f"{names[0]}-2"
            assert str(os.getpid()) in names[0]
        finally:
            first.end()
            second.end()

    @pytest.mark.parametrize("mode", [0o755, 0o770, 0o707])
    def test_a_directory_open_to_others_is_refused(self, place: Path, mode: int) -> None:
        place.mkdir()
        place.chmod(mode)
        with pytest.raises(ControlError, match="its mode must be 0700"):
            asyncio.run(LocalControl().connect())
        with pytest.raises(ControlError, match="its mode must be 0700"):
            find()

    def test_a_link_is_no_directory(self, place: Path, tmp_path: Path) -> None:
        (tmp_path / "elsewhere").mkdir(mode=0o700)
        place.symlink_to(tmp_path / "elsewhere")
        with pytest.raises(ControlError, match="something else than a directory"):
            asyncio.run(LocalControl().connect())

    def test_a_path_that_is_too_long_is_named(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("CASCADE_CONTROL_DIR", str(tmp_path / ("long" * 30)))
        with pytest.raises(ControlError, match="CASCADE_CONTROL_DIR"):
            asyncio.run(LocalControl().connect())

    @pytest.mark.parametrize("name", ["", "a/b", "-x", "x" * 65, "ä"])
    def test_a_name_that_is_none_is_refused(self, name: str) -> None:
        with pytest.raises(ValueError, match="name must be of up to 64"):
            LocalControl(name)

    def test_on_virtual_time_there_is_none(self, place: Path) -> None:
        with pytest.raises(VirtualTimeError, match="can't be steered"):
            run_virtual(LocalControl().connect())


class TestWhereItIs:
    def test_it_is_with_what_the_user_has_for_running_programs(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.delenv("CASCADE_CONTROL_DIR", raising=False)
        monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
        assert directory() == tmp_path / "cascade"

    @pytest.mark.parametrize("user", ["another", "nobody there"])
    def test_it_is_not_where_another_user_is_at_home(
        self, user: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.delenv("CASCADE_CONTROL_DIR", raising=False)
        monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
        if user == "another":
            uid = os.geteuid() + 1
            monkeypatch.setattr(os, "geteuid", lambda: uid)
        else:
            monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "nothing"))
        assert directory().name == f"cascade-{os.geteuid()}"


class TestAnotherUser:
    @pytest.fixture(autouse=True)
    def as_root(self) -> None:
        if os.geteuid() != 0:
            pytest.skip("needs root, to become somebody else")

    def as_nobody(self, action: Callable[[], None]) -> str:
        """Do something as another user, in a child; return what it raised."""
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            said = b"nothing"
            try:
                os.setgroups([])
                os.setgid(65534)
                os.setuid(65534)
                action()
            except BaseException as error:
                said = repr(error).encode()
            finally:
                os.write(writing, said)
                os._exit(0)
        os.close(writing)
        with os.fdopen(reading, "rb") as answers:
            said = answers.read()
        os.waitpid(child, 0)
        return said.decode()

    @staticmethod
    def let_in(place: Path) -> None:
        """Open every directory on the way, so that only what is to be tested is in the way."""
        for each in place.parents:
            if each != each.parent:
                each.chmod(0o755 | each.stat().st_mode)

    def test_cannot_list(self, subject: Program, place: Path) -> None:
        self.let_in(place)
        assert "belongs to another user" in self.as_nobody(lambda: print(find()))

    def test_cannot_reach_the_socket(self, subject: Program, place: Path) -> None:
        self.let_in(place)

        def steer() -> None:
            with connected(place) as end:
                end.sendall(b'{"do":"ps"}\n')

        assert "PermissionError" in self.as_nobody(steer)

    def test_is_refused_even_where_the_directory_lets_it_in(
        self, subject: Program, place: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        self.let_in(place)
        place.chmod(0o755)
        (place / "subject.sock").chmod(0o666)

        def steer() -> None:
            with connected(place) as end:
                end.sendall(b'{"do":"limit","resource":"slot","amount":0}\n')
                raise RuntimeError(f"was answered {end.recv(1000)!r}")

        said = self.as_nobody(steer)
        assert "b''" in said or "ConnectionResetError" in said or "BrokenPipeError" in said
        assert subject.manager.statistics().resources["slot"].capacity == 1
        assert "of user 65534 was refused" in caplog.text


def without_effect() -> st.SearchStrategy[bytes]:
    """What is no command: bytes, cut off and wrong messages, and too large ones."""
    values = st.none() | st.integers() | st.text(max_size=20) | st.lists(st.integers(), max_size=2)
    wrong = st.fixed_dictionaries(
        {"do": st.sampled_from(sorted(COMMANDS)) | values, "unknown": values},
        optional=dict.fromkeys(("resource", "amount", "scope", "params", "run", "id"), values),
    ).map(lambda message: json.dumps(message).encode())
    right = st.sampled_from(
        [
            b'{"do":"limit","resource":"slot","amount":0}',
            b'{"do":"rule","scope":"global","type":"pause","params":{}}',
            b'{"do":"cancel","run":"all"}',
        ]
    )
    cut = st.tuples(right, st.integers(1, 30)).map(lambda both: both[0][: -both[1]])
    sizes = st.sampled_from([10_000, LARGEST + 1])
    large = st.tuples(right, sizes).map(lambda both: both[0] + b" " * both[1] + b"x")
    return st.one_of(st.binary(max_size=200), wrong, wrong, cut, cut, large)


@settings(
    max_examples=max(1, MESSAGES // 100),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(messages=st.lists(without_effect(), min_size=100, max_size=100))
def test_whatever_is_sent_nothing_happens(
    subject: Program, place: Path, caplog: pytest.LogCaptureFixture, messages: list[bytes]
) -> None:
    caplog.clear()
    before = subject.manager.statistics().resources["slot"]
    began = time.monotonic()
    end = connected(place)
    for message in messages:
        try:
            end.sendall(message.replace(b"\n", b"") + b"\n")
        except OSError:  # after a large one the connection is ended
            end.close()
            end = connected(place)
    end.close()
    with Client("subject") as client:
        found = client.ask("look")
    assert found["runs"] == 1
    assert found["rule_list"] == []
    assert subject.manager.statistics().resources["slot"].capacity == before.capacity
    lines = [each for each in caplog.records if each.name == "cascade.control"]
    assert len(lines) <= 1 + (time.monotonic() - began)
    assert not any(each.exc_info for each in caplog.records)


class TestTooLarge:
    @pytest.mark.parametrize("end_of_line", [b"\n", b""])
    def test_a_message_ends_the_connection_and_has_no_effect(
        self, subject: Program, place: Path, end_of_line: bytes
    ) -> None:
        command = b'{"do":"limit","resource":"slot","amount":0}'
        with connected(place) as end:
            end.sendall(command + b" " * (LARGEST + 1 - len(command)) + end_of_line)
            with end.makefile("rb") as answers:
                assert f"at most {LARGEST} bytes" in json.loads(answers.readline())["error"]
                assert answers.read() == b""
        assert subject.manager.statistics().resources["slot"].capacity == 1

    def test_one_that_is_just_not_too_large_is_obeyed(self, subject: Program, place: Path) -> None:
        with connected(place) as end:
            end.sendall(b'{"do":"ps"}'.ljust(LARGEST) + b"\n")
            with end.makefile("rb") as answers:
                assert json.loads(answers.readline())["ok"]


class TestManyQuestions:
    COUNT = 3000

    def test_all_are_answered_in_order_though_nobody_reads_for_a_while(
        self, subject: Program, place: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("cascade.control.server.MOST_UNREAD", 20_000)
        questions = b"".join(b'{"do":"ps","id":%d}\n' % number for number in range(self.COUNT))
        with connected(place) as end:
            asking = threading.Thread(target=end.sendall, args=(questions,))
            asking.start()
            station = next(iter(subject.control._stations.values()))
            assert station._server is not None
            server = station._server
            (connection,) = until(lambda: list(server.connections))
            transport = connection._transport
            assert transport is not None
            until(lambda: connection._full)
            time.sleep(0.1)
            assert transport.get_write_buffer_size() < 25_000
            with end.makefile("rb") as answers:
                for number in range(self.COUNT):
                    assert json.loads(answers.readline())["id"] == number
            asking.join(LIMIT)

    def test_the_program_has_its_turn_after_each(
        self, subject: Program, place: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        desk = next(iter(subject.control._stations.values())).desk
        turns: list[str] = []

        def slow(*_: Any) -> dict[str, Any]:
            subject.loop.call_soon(turns.append, "the program")
            turns.append("a question")
            return {}

        monkeypatch.setitem(desk._commands, "ps", slow)
        with connected(place) as end:
            end.sendall(b'{"do":"ps"}\n' * 50)
            until(lambda: len(turns) == 100)
        assert turns == ["a question", "the program"] * 50


class TestWatching:
    def test_snapshots_come_until_the_connection_ends(self, subject: Program) -> None:
        with Client("subject") as client:
            shots = client.watch(0.1)
            counts = [next(shots)["throughput"]["steps"] for _ in range(4)]
            assert max(counts) > 0
        until(lambda: self._watchers(subject) == 0)

    @staticmethod
    def _watchers(subject: Program) -> int:
        return next(iter(subject.control._stations.values())).desk.watchers

    def test_one_who_does_not_read_is_left_out_and_holds_nobody_up(
        self, subject: Program, place: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("cascade.control.server.MOST_UNREAD", 1000)
        monkeypatch.setattr("cascade.control.server.OFTEN", 0.001)
        with connected(place) as stopped, Client("subject") as client:
            stopped.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
            stopped.sendall(b'{"do":"watch","every":0.001}\n')
            dropped = until(lambda: client.ask("ps")["dropped"])
            assert client.ask("ps")["dropped"] >= dropped

    def test_what_takes_long_comes_less_often_and_says_so(
        self, subject: Program, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("cascade.control.server.SHARE", 1e-9)
        with Client("subject") as client:
            assert next(client.watch(0.1))["every"] == 60
        monkeypatch.setattr("cascade.control.server.SHARE", 1.0)
        monkeypatch.setattr("cascade.control.snapshot.by_name", lambda managers: time.sleep(0.15))
        with Client("subject") as client:
            shots = client.watch(0.1)
            pause = next(shots)["every"]
            assert 0.15 <= pause < 60
            before = time.monotonic()
            next(shots)
            assert time.monotonic() - before >= 0.15

    def test_a_snapshot_that_fails_is_told_and_the_next_one_comes(
        self, subject: Program, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        with Client("subject") as client:
            shots = client.watch(0.1)
            next(shots)
            with monkeypatch.context() as patch:
                patch.setattr("cascade.control.snapshot.by_name", lambda managers: 1 / 0)
                with pytest.raises(ControlError, match="failed inside: ZeroDivisionError"):
                    list(itertools.islice(shots, 20))
            until(lambda: self._watchers(subject) == 1)
            assert client.ask("ps")["runs"] == 1
        until(lambda: self._watchers(subject) == 0)
        assert "a command failed" in caplog.text

    def test_a_busy_loop_is_named(self, subject: Program) -> None:
        with Client("subject", patience=0.2) as client:
            client.ask("ps")
            subject.loop.call_soon_threadsafe(time.sleep, 0.6)
            with pytest.raises(ControlError, match=r"within 0\.2 s: its loop is busy"):
                client.ask("ps")


def test_a_defect_is_answered_and_the_program_goes_on(
    subject: Program, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def defect(*_: Any) -> Any:
        raise ZeroDivisionError("inside")

    desk = next(iter(subject.control._stations.values())).desk
    monkeypatch.setitem(desk._commands, "ps", defect)
    with Client("subject") as client:
        with pytest.raises(ControlError, match="failed inside: ZeroDivisionError"):
            client.ask("ps")
        assert client.ask("look")["runs"] == 1
    assert any(each.levelno == logging.WARNING and each.exc_info for each in caplog.records)


@pytest.mark.parametrize(
    ("sent", "number"),
    [
        ({"do": "nothing", "id": 7}, 7),
        ({"do": "limit", "id": "seven"}, "seven"),
        ({"do": "ps", "id": [1]}, None),
        ({"do": "ps", "id": 7}, 7),
    ],
)
def test_also_a_refusal_bears_the_number_of_its_question(
    subject: Program, place: Path, sent: dict[str, Any], number: Any
) -> None:
    with connected(place) as end:
        end.sendall(json.dumps(sent).encode() + b"\n")
        with end.makefile("rb") as answers:
            assert json.loads(answers.readline())["id"] == number


def test_a_program_that_ends_is_named(subject: Program) -> None:
    with Client("subject") as client:
        client.ask("ps")
        subject.end()
        with pytest.raises(ControlError, match="subject has ended"):
            client.ask("ps")
    with pytest.raises(ControlError, match="no program with the name 'subject'"):
        Client("subject")


def test_topics_go_round_within_the_program(place: Path) -> None:
    async def main() -> list[Any]:
        control, heard = LocalControl(), []

        async def hear(topic: str, payload: Any) -> None:
            heard.append((topic, payload))

        with pytest.raises(ConnectorError, match="needs a connection"):
            await control.publish("a", 1)
        await control.connect()
        await control.subscribe("a/+", hear)
        await control.publish("a/b", 1)
        await asyncio.sleep(0.01)
        await control.disconnect()
        await control.disconnect()
        return heard

    assert asyncio.run(main()) == [("a/b", 1)]


def test_a_path_names_the_program(tmp_path: Path) -> None:
    assert socket_path(tmp_path, "one").name == "one.sock"
