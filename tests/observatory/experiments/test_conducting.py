"""An experiment as a command runs it: what came out is told, however it ended."""

from __future__ import annotations

import io
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from observatory.experiments.conducting import conduct, showing
from observatory.experiments.showing import Showing


@dataclass(frozen=True)
class Count:
    """A summary."""

    steps: int

    def as_dict(self) -> dict[str, Any]:
        return {"steps": self.steps}


class Counting:
    """An experiment that counts to three, and fails at a step if that is wanted."""

    def __init__(self, fails_at: int | None = None, error: BaseException | None = None) -> None:
        self.begun = False
        self._steps = 0
        self._fails_at = fails_at
        self._error = error

    async def run(self) -> Count:
        for step in range(3):
            if step == self._fails_at:
                assert self._error is not None
                raise self._error
            self.begun = True
            self._steps += 1
        return self.summary()

    def summary(self) -> Count:
        return Count(self._steps)


def tell(summary: Count) -> None:
    print(f"{summary.steps} steps")


def test_it_prints_what_came_out_and_keeps_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert conduct(Counting(), tell, str(tmp_path / "summary"), virtual=True) == 0
    assert capsys.readouterr().out == "3 steps\n"
    assert json.loads((tmp_path / "summary").read_text()) == {"steps": 3}


def test_ctrl_c_is_told_as_well(capsys: pytest.CaptureFixture[str]) -> None:
    assert conduct(Counting(2, KeyboardInterrupt()), tell, "-", virtual=True) == 130
    assert capsys.readouterr().out == '2 steps\n{"steps": 2}\n'


@pytest.mark.parametrize("error", [OSError("the disk is full"), ValueError("a bug")])
def test_whatever_ends_it_what_came_out_is_told_first(
    error: Exception, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(type(error), match=str(error)):
        conduct(Counting(2, error), tell, str(tmp_path / "summary"), virtual=True)
    assert capsys.readouterr().out == "2 steps\n"
    assert json.loads((tmp_path / "summary").read_text()) == {"steps": 2}


def test_before_it_has_begun_there_is_nothing_to_tell(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(OSError, match="no way"):
        conduct(Counting(0, OSError("no way")), tell, "-", virtual=True)
    assert capsys.readouterr().out == ""


def test_without_a_terminal_it_is_shown_only_in_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", io.StringIO())
    assert not showing(None, None, None)
    assert not showing(True, None, None)
    assert showing(True, "still", None) == Showing(False, "still", None)
    assert showing(False, None, "cast") == Showing(False, None, "cast")
