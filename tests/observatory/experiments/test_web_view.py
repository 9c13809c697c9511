"""The option `--web`: where the page is, and when there can be none."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from typer.testing import CliRunner

from cascade.testing import run_virtual
from observatory.experiments import run_fireflies
from observatory.experiments.fireflies import Fireflies
from observatory.experiments.web_view import together

SHORT = ["--agents", "9", "--duration", "0.3", "--period", "0.2", "--nudge", "0.01"]


def command(*options: str) -> tuple[int, str]:
    outcome = CliRunner().invoke(run_fireflies.app, [*SHORT, *options])
    assert outcome.exception is None or isinstance(outcome.exception, SystemExit)
    return outcome.exit_code, outcome.output


@pytest.mark.parametrize("options", [("--web",), ("--web", "--seed", "1"), ("--web", "0")])
def test_it_prints_the_address_whatever_else_is_asked_for(options: tuple[str, ...]) -> None:
    exit_code, output = command(*options)
    assert exit_code == 0
    assert output.startswith("open http://127.0.0.1:")


def test_a_port_can_be_chosen() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        port = other.getsockname()[1]
    exit_code, output = command("--web", str(port))
    assert exit_code == 0
    assert output.startswith(f"open http://127.0.0.1:{port}/")


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (("--web", "--time", "virtual"), "--web must be with --time real"),
        (("--web", "70000"), "--web port must be from 0 to 65535, got 70000"),
        (("--web", "-1"), "--web port must be"),
        (("--web", "here"), "must be a whole number"),
    ],
)
def test_what_cannot_be_is_refused(options: tuple[str, ...], reason: str) -> None:
    exit_code, output = command(*options)
    assert exit_code == 2
    assert reason in output


def test_a_port_in_use_is_named() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        exit_code, output = command("--web", str(port))
    assert exit_code == 2
    assert f"--web must be a port that is free, got {port}: " in output


def test_without_the_extra_it_says_which_one(monkeypatch: pytest.MonkeyPatch) -> None:
    import cascade.web

    monkeypatch.setattr(cascade.web, "NEEDED", ("nosuchpackage",))
    monkeypatch.delitem(__import__("sys").modules, "observatory.web.theatre", raising=False)
    exit_code, output = command("--web")
    assert exit_code == 2
    assert "pip install 'cascade-py[web]'" in output


def test_several_views_end_with_the_first_of_them() -> None:
    ended: list[str] = []

    def view(name: str, seconds: float) -> Callable[[Fireflies], Coroutine[Any, Any, None]]:
        async def run(experiment: Fireflies) -> None:
            try:
                await asyncio.sleep(seconds)
            finally:
                ended.append(name)

        return run

    first, second = view("first", 5), view("second", 3)
    assert together([]) is None
    assert together([first]) is first
    both = together([first, second])
    assert both is not None
    run_virtual(both(None))  # type: ignore[arg-type]
    assert ended == ["second", "first"]
