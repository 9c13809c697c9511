"""Each answer belongs to its own question, whatever comes in between."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.control.worlds import LIMIT, program, until

from cascade.control import AsyncClient, Client, aio, client, find
from cascade.control.messages import LARGEST
from cascade.control.talk import Talk
from cascade.errors import ControlError


def test_a_note_is_checked_before_anybody_is_asked(place: Path) -> None:
    for kind in (Client, AsyncClient):
        with pytest.raises(ValueError, match="via must be of up to 40 letters"):
            kind("nobody", via="a (b)")


Story = Callable[[AsyncClient], Coroutine[Any, Any, Any]]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    directory = tmp_path / "control"
    monkeypatch.setenv("CASCADE_CONTROL_DIR", str(directory))
    return directory


class Scripted:
    """A program that answers each question with what it is told to send."""

    def __init__(self, place: Path, *answers: Callable[[Any], bytes]) -> None:
        place.mkdir(mode=0o700, exist_ok=True)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.bind(str(place / "scripted.sock"))
        self._socket.listen(1)
        self._answers = answers
        self._thread = threading.Thread(target=self._speak)
        self._thread.start()

    def _speak(self) -> None:
        end, _ = self._socket.accept()
        end.settimeout(LIMIT)
        with end, end.makefile("rb") as questions:
            for answer in self._answers:
                number = json.loads(questions.readline())["id"]
                try:
                    end.sendall(answer(number))
                except OSError:  # whoever asked has heard enough
                    return

    def __enter__(self) -> Scripted:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._thread.join(LIMIT)
        self._socket.close()
        assert not self._thread.is_alive()


def line(**answer: Any) -> bytes:
    return json.dumps(answer).encode() + b"\n"


def asked(story: Story, patience: float = LIMIT) -> Any:
    """Let a story happen with a client of the scripted program."""

    async def main() -> Any:
        async with AsyncClient("scripted", patience) as end:
            return await story(end)

    return asyncio.run(main())


def late(number: int) -> bytes:
    time.sleep(0.4)
    return line(id=number, ok=True, said="late")


def prompt(number: int) -> bytes:
    return line(id=number, ok=True, said="prompt")


class TestLateAnswers:
    """One who has given up waiting must not take the old answer for the new one."""

    def test_are_passed_over_by_a_client(self, place: Path) -> None:
        with Scripted(place, late, prompt), Client("scripted", 0.2) as end:
            with pytest.raises(ControlError, match="doesn't answer within"):
                end.ask("ps")
            time.sleep(0.3)
            assert end.ask("look")["said"] == "prompt"

    def test_are_passed_over_on_a_loop(self, place: Path) -> None:
        async def story(end: AsyncClient) -> Any:
            with pytest.raises(ControlError, match="doesn't answer within"):
                await end.ask("ps")
            await asyncio.sleep(0.3)
            return await end.ask("look")

        with Scripted(place, late, prompt):
            assert asked(story, 0.2)["said"] == "prompt"

    def test_a_patience_is_for_the_whole_answer(self, place: Path) -> None:
        def in_drops(number: int) -> bytes:
            return b" "

        with Scripted(place, in_drops, prompt), Client("scripted", 0.2) as end:
            before = time.monotonic()
            with pytest.raises(ControlError, match=r"within 0\.2 s"):
                end.ask("ps")
            assert time.monotonic() - before >= 0.2
            assert end.ask("ps")["said"] == "prompt"


class TestOddAnswers:
    @pytest.mark.parametrize("sent", [b"nonsense\n", b"[1]\n", b"\xff\n", b"[" * 5000 + b"\n"])
    def test_what_is_no_answer_is_named(self, place: Path, sent: bytes) -> None:
        with (
            Scripted(place, lambda number: sent),
            Client("scripted") as end,
            pytest.raises(ControlError, match="scripted sends what is no answer"),
        ):
            end.ask("ps")

    def test_one_without_end_is_given_up(
        self, place: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(client, "LARGEST_ANSWER", 1000)
        monkeypatch.setattr(aio, "LARGEST_ANSWER", 1000)
        with (
            Scripted(place, lambda number: b"x" * 5000),
            Client("scripted") as end,
            pytest.raises(ControlError, match="sends an answer of more than"),
        ):
            end.ask("ps")

        (place / "scripted.sock").unlink()

        async def story(end: AsyncClient) -> None:
            with pytest.raises(ControlError, match="sends an answer of more than"):
                await end.ask("ps")

        with Scripted(place, lambda number: b"x" * 5000):
            asked(story)

    def test_a_refusal_without_a_number_is_for_the_last_question(self, place: Path) -> None:
        full = line(ok=False, error="too many connections")
        with (
            Scripted(place, lambda number: full),
            Client("scripted") as end,
            pytest.raises(ControlError, match="too many connections"),
        ):
            end.ask("ps")


def test_a_question_has_bounds() -> None:
    talk = Talk("subject", 1)
    with pytest.raises(ControlError, match=f"at most {LARGEST} bytes"):
        talk.question("explain", {"what": "x" * LARGEST})
    for patience in (0, -1, float("nan"), float("inf")):
        with pytest.raises(ValueError, match="patience must be"):
            Talk("subject", patience)


class TestOnALoop:
    """A client that doesn't hold up the loop it is used on."""

    @pytest.fixture
    def subject(self, place: Path) -> Iterator[Any]:
        with program(place, "scripted", 3, 1) as process:
            until(lambda: find() == ["scripted"])
            yield process

    def test_it_asks_and_is_refused(self, subject: Any) -> None:
        async def story(end: AsyncClient) -> None:
            assert (await end.ask("ps"))["name"] == "scripted"
            with pytest.raises(ControlError, match="there is no resource slto"):
                await end.ask("limit", resource="slto", amount=1)
            with pytest.raises(ControlError, match="do must be one of"):
                await end.ask("nothing")
            assert "slot: 1 → 2" in (await end.ask("limit", resource="slot", amount=2))["effect"]

        asked(story)

    def test_it_watches_until_the_program_ends(self, subject: Any) -> None:
        async def story(end: AsyncClient) -> list[Any]:
            found = []

            async def watch() -> None:
                async for snapshot in end.watch(0.1):
                    found.append(snapshot["name"])
                    if len(found) == 2:
                        subject.kill()

            with pytest.raises(ControlError, match="scripted has ended"):
                await watch()
            with pytest.raises(ControlError, match="has ended"):
                await end.ask("ps")
            return found

        assert asked(story)[:2] == ["scripted", "scripted"]

    def test_without_a_program_it_says_so(self, place: Path) -> None:
        with pytest.raises(ControlError, match="no program with the name 'scripted'"):
            asked(lambda end: end.ask("ps"))

    def test_without_a_connection_it_says_so(self) -> None:
        async def main() -> None:
            end = AsyncClient("scripted")
            await end.close()
            with pytest.raises(ControlError, match="await connect"):
                await end.ask("ps")

        asyncio.run(main())


@pytest.mark.parametrize("amount", [float("nan"), float("inf"), {1}, object()])
def test_what_cannot_be_sent_is_refused_before_it_is(amount: Any) -> None:
    with pytest.raises(ControlError, match="must hold text, finite numbers, lists and dicts"):
        Talk("program", 1.0).question("limit", {"resource": "slot", "amount": amount})


def test_nor_is_a_text_that_might_be_taken_for_another() -> None:
    with pytest.raises(ControlError, match=r"of whole characters, got '\\udcff'"):
        Talk("subject", LIMIT).question("rule", {"scope": "task:\udcff*"})
