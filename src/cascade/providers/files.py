"""Files as tasks: read, and written all or not at all.

A write goes to a new file beside the old one, which takes its place when all of it is on the disk.
So others see the old content or the new one, and a failure leaves the old one. Where a path is a
symbolic link, what it points to is written.

All run in threads. One that timed out goes on and may still write.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

from cascade.providers.declaring import provided
from cascade.spec.checks import shown

PathLike = str | os.PathLike[str]


@provided("files.read_bytes")
def read_bytes(path: PathLike) -> bytes:
    """Return the content of a file.

    Raises:
        OSError: it isn't there, or can't be read.
    """
    return Path(path).read_bytes()


@provided("files.read_text")
def read_text(path: PathLike, *, encoding: str = "utf-8") -> str:
    """Return the content of a file as text, with the line ends that it has.

    Raises:
        OSError: it isn't there, or can't be read.
        UnicodeDecodeError: it isn't in that encoding.
    """
    return Path(path).read_bytes().decode(encoding)


@provided("files.read_json")
def read_json(path: PathLike) -> Any:
    """Return the value that a file of JSON holds.

    Raises:
        OSError: it isn't there, or can't be read.
        json.JSONDecodeError: it isn't JSON.
    """
    return json.loads(Path(path).read_bytes())


@provided("files.write_bytes")
def write_bytes(path: PathLike, data: bytes, *, parents: bool = False) -> Path:
    """Write a file, all or nothing. Its mode bits stay; its owner is who writes.

    Args:
        path: where. What is there is replaced.
        data: the new content.
        parents: whether to make the directories that are missing.

    Returns:
        The path.

    Raises:
        OSError: it can't be written; nothing has changed then.
        TypeError: `data` isn't bytes.
    """
    if not isinstance(data, (bytes, bytearray, memoryview)):
        raise TypeError(f"data must be bytes, got {shown(data)}")
    return _replace(path, lambda file: file.write(data), parents)


@provided("files.write_text")
def write_text(
    path: PathLike, text: str, *, encoding: str = "utf-8", parents: bool = False
) -> Path:
    """Write text, as it is, to a file, all or nothing; see `write_bytes`.

    Raises:
        OSError: it can't be written; nothing has changed then.
        UnicodeEncodeError: the text can't be written in that encoding.
        TypeError: `text` isn't a string.
    """
    if not isinstance(text, str):
        raise TypeError(f"text must be a string, got {shown(text)}")
    data = text.encode(encoding)
    return _replace(path, lambda file: file.write(data), parents)


@provided("files.write_json")
def write_json(
    path: PathLike,
    value: Any,
    *,
    indent: int | None = 2,
    sort_keys: bool = False,
    parents: bool = False,
) -> Path:
    """Write a value as JSON, in UTF-8 with a line end, all or nothing; see `write_bytes`.

    Args:
        path: where. What is there is replaced.
        value: what `json.dumps` takes, without infinite numbers and not-a-number.
        indent: how many spaces a level is set in; None: all in one line.
        sort_keys: whether the keys are put in order.
        parents: whether to make the directories that are missing.

    Raises:
        OSError: it can't be written; nothing has changed then.
        TypeError, ValueError: JSON can't tell the value.
    """
    text = json.dumps(
        value, ensure_ascii=False, allow_nan=False, indent=indent, sort_keys=sort_keys
    )
    data = f"{text}\n".encode()
    return _replace(path, lambda file: file.write(data), parents)


@provided("files.copy")
def copy(source: PathLike, destination: PathLike, *, parents: bool = False) -> Path:
    """Copy the content and the mode bits of a file, all or nothing; see `write_bytes`.

    Returns:
        The path of the copy.

    Raises:
        OSError: one can't be read, or the other not written; nothing has changed then.
    """
    with open(source, "rb") as original:
        mode = stat.S_IMODE(os.fstat(original.fileno()).st_mode)
        return _replace(destination, lambda file: shutil.copyfileobj(original, file), parents, mode)


@provided("files.remove")
def remove(path: PathLike, *, missing_ok: bool = False) -> bool:
    """Remove a file, or a link; whether it was there.

    Args:
        path: which one. A directory is refused.
        missing_ok: whether it may be missing.

    Raises:
        FileNotFoundError: it isn't there, unless `missing_ok`.
        OSError: it can't be removed, or is a directory.
    """
    try:
        os.unlink(path)
    except FileNotFoundError:
        if not missing_ok:
            raise
        return False
    return True


@provided("files.exists")
def exists(path: PathLike) -> bool:
    """Whether there is a file or a directory; a link that leads nowhere counts as none."""
    return Path(path).exists()


@provided("files.glob")
def glob(pattern: str, *, directory: PathLike = ".") -> list[Path]:
    """Return the paths below a directory that fit a pattern, in alphabetical order.

    Args:
        pattern: as of `pathlib.Path.glob`: ``*.csv`` in the directory, ``**/*.csv`` below it.
        directory: where to look.

    Raises:
        NotADirectoryError: there is no such directory.
        ValueError: the pattern is empty.
    """
    root = Path(directory)
    if not root.is_dir():
        raise NotADirectoryError(f"directory must be one that is there, got {str(root)!r}")
    return sorted(root.glob(pattern))


def _replace(
    path: PathLike,
    fill: Callable[[BinaryIO], object],
    parents: bool,
    mode: int | None = None,
) -> Path:
    """Let `fill` write a new file, and put it in the place of the one at `path`."""
    given = Path(path)
    target = Path(os.path.realpath(given))
    if target.is_dir():
        raise IsADirectoryError(f"path must be that of a file, got the directory {str(given)!r}")
    if parents:
        target.parent.mkdir(parents=True, exist_ok=True)
    if mode is None and target.exists():
        mode = stat.S_IMODE(target.stat().st_mode)
    draft = target.parent / f".{secrets.token_hex(8)}.part"
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
    try:
        with open(descriptor, "wb") as file:
            if mode is not None:
                os.fchmod(descriptor, mode)
            fill(file)
            file.flush()
            os.fsync(descriptor)
        os.replace(draft, target)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
    _sync_directory(target.parent)
    return given


def _sync_directory(directory: Path) -> None:
    """Have the disk know the new name, too."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
