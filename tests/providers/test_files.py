"""Files: what is read and written, that a write is all or nothing, and what stays as it was."""

from __future__ import annotations

import errno
import json
import os
import shutil
import stat
from pathlib import Path
from typing import Any

import pytest

import cascade as cs
from cascade.providers import files


def names(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


def test_text_bytes_and_json_come_back_as_they_were_written(tmp_path: Path) -> None:
    text = "grün\r\nand\n"
    written = cs.run(
        [
            files.write_text(tmp_path / "a", text),
            files.write_text(tmp_path / "b", text, encoding="latin-1"),
            files.write_bytes(tmp_path / "c", b"\x00\xff"),
            files.write_json(tmp_path / "d", {"ü": [1, None]}),
        ]
    )
    assert written == [tmp_path / name for name in "abcd"]
    assert (tmp_path / "a").read_bytes() == text.encode()
    assert (tmp_path / "b").read_bytes() == text.encode("latin-1")
    assert (tmp_path / "d").read_text("utf-8") == '{\n  "ü": [\n    1,\n    null\n  ]\n}\n'
    read = [
        files.read_text(tmp_path / "a"),
        files.read_text(tmp_path / "b", encoding="latin-1"),
        files.read_bytes(tmp_path / "c"),
        files.read_json(tmp_path / "d"),
    ]
    assert cs.run(read) == [text, text, b"\x00\xff", {"ü": [1, None]}]


def test_paths_and_contents_may_be_lazy(tmp_path: Path) -> None:
    first = files.write_text(str(tmp_path / "first"), "one")
    second = files.write_text(tmp_path / "second", files.read_text(first))
    assert cs.run(files.read_text(second)) == "one"


def test_json_can_be_short_and_in_order(tmp_path: Path) -> None:
    cs.run(files.write_json(tmp_path / "a", {"b": 1, "a": 2}, indent=None, sort_keys=True))
    assert (tmp_path / "a").read_text() == '{"a": 2, "b": 1}\n'


@pytest.mark.parametrize("value", [float("nan"), object(), {(1, 2): 3}])
def test_what_json_cannot_tell_leaves_the_old_file(tmp_path: Path, value: Any) -> None:
    (tmp_path / "a").write_text("old")
    with pytest.raises((TypeError, ValueError)):
        cs.run(files.write_json(tmp_path / "a", value))
    assert (tmp_path / "a").read_text() == "old"
    assert names(tmp_path) == ["a"]


def test_missing_directories_are_made_when_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "x" / "y" / "a"
    with pytest.raises(FileNotFoundError):
        cs.run(files.write_text(path, "text"))
    assert cs.run(files.write_text(path, "text", parents=True)) == path
    cs.run(files.copy(path, tmp_path / "z" / "a", parents=True))
    assert (tmp_path / "z" / "a").read_text() == path.read_text() == "text"


@pytest.mark.parametrize("call", ["write", "fsync", "replace"])
def test_a_failure_leaves_the_old_content_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    path = tmp_path / "a"
    path.write_text("old")
    seen: list[str] = []

    def fail(*_: object) -> None:
        seen.append(path.read_text())
        raise OSError(errno.ENOSPC, "the disk is full")

    if call == "write":
        monkeypatch.setattr(shutil, "copyfileobj", fail)
    else:
        monkeypatch.setattr(os, call, fail)
    (tmp_path / "b").write_text("new")
    with pytest.raises(OSError, match="the disk is full"):
        cs.run(files.copy(tmp_path / "b", path))
    monkeypatch.undo()
    assert seen == ["old"]
    assert path.read_text() == "old"
    assert names(tmp_path) == ["a", "b"]


def test_all_of_it_is_on_the_disk_before_it_takes_the_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    happened: list[tuple[str, int]] = []
    sync, replace = os.fsync, os.replace

    def note_sync(descriptor: int) -> None:
        happened.append(("fsync", os.fstat(descriptor).st_size))
        sync(descriptor)

    def note_replace(source: Path, target: Path) -> None:
        assert source.parent == target.parent
        happened.append(("replace", source.stat().st_size))
        replace(source, target)

    monkeypatch.setattr(os, "fsync", note_sync)
    monkeypatch.setattr(os, "replace", note_replace)
    files.write_bytes.fn(tmp_path / "a", b"x" * 100_001)
    assert happened[:2] == [("fsync", 100_001), ("replace", 100_001)]
    assert [what for what, _ in happened] == ["fsync", "replace", "fsync"]  # and the directory's


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_mode_bits_stay(tmp_path: Path) -> None:
    path = tmp_path / "script"
    path.write_text("old")
    path.chmod(0o751)
    cs.run(files.write_text(path, "new"))
    assert mode_of(path) == 0o751
    cs.run(files.copy(path, tmp_path / "copy"))
    assert mode_of(tmp_path / "copy") == 0o751


def test_a_new_file_has_the_usual_mode(tmp_path: Path) -> None:
    (tmp_path / "usual").touch()
    cs.run(files.write_text(tmp_path / "new", ""))
    assert mode_of(tmp_path / "new") == mode_of(tmp_path / "usual")


def test_a_link_stays_and_what_it_points_to_is_written(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "there" / "a")
    assert cs.run(files.write_text(tmp_path / "link", "new")) == tmp_path / "link"
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "there" / "a").read_text() == "new"


def test_a_directory_is_no_file(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    with pytest.raises(IsADirectoryError, match="path must be that of a file, got the directory"):
        cs.run(files.write_text(tmp_path / "a", "text"))
    with pytest.raises(OSError, match="a"):
        cs.run(files.remove(tmp_path / "a"))
    assert names(tmp_path) == ["a"]


def test_a_file_can_be_copied_onto_itself(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("text")
    cs.run(files.copy(tmp_path / "a", tmp_path / "a"))
    assert (tmp_path / "a").read_text() == "text"


def test_remove_tells_whether_it_was_there(tmp_path: Path) -> None:
    (tmp_path / "a").touch()
    assert cs.run(files.exists(tmp_path / "a")) is True
    assert cs.run(files.remove(tmp_path / "a")) is True
    assert cs.run(files.exists(tmp_path / "a")) is False
    assert cs.run(files.remove(tmp_path / "a", missing_ok=True)) is False
    with pytest.raises(FileNotFoundError):
        cs.run(files.remove(tmp_path / "a"))


def test_glob_is_in_order(tmp_path: Path) -> None:
    for name in ("b.csv", "a.csv", "c.txt", "below/d.csv"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert cs.run(files.glob("*.csv", directory=tmp_path)) == [
        tmp_path / "a.csv",
        tmp_path / "b.csv",
    ]
    assert len(cs.run(files.glob("**/*.csv", directory=tmp_path))) == 3
    with pytest.raises(NotADirectoryError, match="nowhere"):
        cs.run(files.glob("*", directory=tmp_path / "nowhere"))


def test_wrong_contents_are_named(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="text must be a string, got b'x'"):
        cs.run(files.write_text(tmp_path / "a", b"x"))
    with pytest.raises(TypeError, match="data must be bytes, got 'x'"):
        cs.run(files.write_bytes(tmp_path / "a", "x"))
    (tmp_path / "a").write_text("{")
    with pytest.raises(json.JSONDecodeError):
        cs.run(files.read_json(tmp_path / "a"))
