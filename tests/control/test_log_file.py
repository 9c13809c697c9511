"""A log stays small, and loses nothing but its oldest lines, however many write it."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cascade.control import log_file
from cascade.control.audit import Trail, Who, read_trail

ROOT = Path(__file__).parents[2]
WRITERS = 4
LINES = 300
WRITER = """
import sys
from pathlib import Path
from cascade.control import log_file

log_file.LARGEST_FILE = 4000
for number in range(int(sys.argv[3])):
    log_file.append(Path(sys.argv[1]), f"{sys.argv[2]} {number}\\n")
"""


def lines_of(file: Path) -> list[str]:
    return [line for line in log_file.read(file) if line]


@given(st.lists(st.text("abc \u2028\ud800", max_size=30), max_size=60))
def test_it_keeps_the_latest_lines_in_order_in_two_small_files(texts: list[str]) -> None:
    with tempfile.TemporaryDirectory() as place, pytest.MonkeyPatch.context() as patch:
        patch.setattr(log_file, "LARGEST_FILE", 200)
        file = Path(place) / "log.jsonl"
        written = [f"{number} {text}" for number, text in enumerate(texts)]
        for line in written:
            log_file.append(file, line + "\n")
        told = lines_of(file)
        expected = [line.encode("utf-8", "backslashreplace").decode() for line in written]
        assert told == expected[len(expected) - len(told) :]
        files = sorted(Path(place).iterdir())
        assert {each.name for each in files} <= {"log.jsonl", "log.1.jsonl"}
        assert all(each.stat().st_size <= 200 for each in files)
        if len(told) < len(expected):
            # Something was given up only as there was a whole older file, and one line more.
            lost = len(expected[-len(told) - 1].encode()) + 1
            assert sum(each.stat().st_size for each in files) + lost > 200


def test_a_line_that_is_larger_than_a_file_is_kept_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_file, "LARGEST_FILE", 20)
    for line in ("short", "long " * 20, "short again"):
        log_file.append(tmp_path / "log.jsonl", line + "\n")
    assert lines_of(tmp_path / "log.jsonl") == ["long " * 20, "short again"]


def test_several_programs_write_whole_lines_and_none_of_the_latest_is_lost(tmp_path: Path) -> None:
    file = tmp_path / "log.jsonl"
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, str(file), str(writer), str(LINES)],
            env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
        )
        for writer in range(WRITERS)
    ]
    assert [writer.wait(30) for writer in writers] == [0] * WRITERS
    numbers: dict[int, list[int]] = {}
    for line in lines_of(file):
        writer, number = map(int, line.split())
        numbers.setdefault(writer, []).append(number)
    assert LINES - 1 in [each[-1] for each in numbers.values()]
    for each in numbers.values():
        assert each == list(range(each[0], each[-1] + 1))
    assert log_file.older(file).exists()
    assert all(each.stat().st_size < 8000 for each in tmp_path.iterdir())


def test_what_was_put_aside_twice_meanwhile_is_written_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_file, "LARGEST_FILE", 10)
    file = tmp_path / "log.jsonl"
    write = os.write

    def write_late(descriptor: int, data: bytes) -> int:
        monkeypatch.setattr(os, "write", write)
        for number in range(3):
            log_file.append(file, f"other {number}\n")
        return write(descriptor, data)

    monkeypatch.setattr(os, "write", write_late)
    log_file.append(file, "slow\n")
    assert lines_of(file)[-1] == "slow"


def test_one_who_was_stopped_while_it_puts_a_file_aside_holds_nobody_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_file, "LARGEST_FILE", 10)
    file = tmp_path / "log.jsonl"
    log_file.append(file, "first\n")
    with file.open() as stopped:
        fcntl.flock(stopped, fcntl.LOCK_EX)
        log_file.append(file, "second\n")
        assert not log_file.older(file).exists()
    log_file.append(file, "third\n")
    assert log_file.older(file).read_text() == "first\nsecond\n"
    assert lines_of(file) == ["first", "second", "third"]


def test_who_reads_while_a_file_is_put_aside_gets_all_of_both(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_file, "LARGEST_FILE", 14)
    file = tmp_path / "log.jsonl"
    for number in range(2):
        log_file.append(file, f"line {number}\n")
    read_newer = log_file._lines_of

    def read_late(newer: Path) -> list[str]:
        monkeypatch.setattr(log_file, "_lines_of", read_newer)
        log_file.append(file, "line 2\n")
        return read_newer(newer)

    monkeypatch.setattr(log_file, "_lines_of", read_late)
    assert lines_of(file) == ["line 0", "line 1", "line 2"]


def test_a_trail_is_read_from_both(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_file, "LARGEST_FILE", 500)
    file = tmp_path / "log.jsonl"
    trail = Trail("world", file)
    for number in range(4):
        trail.add(Who("ada", 7, "socket"), f"limit slot={number}", "done")
    assert log_file.older(file).exists()
    commands = [entry["command"] for entry in read_trail(file)]
    assert commands == [f"limit slot={number}" for number in range(4)][-len(commands) :]
    assert len(commands) >= 3
