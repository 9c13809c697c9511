"""FileCache: values in files, for later processes."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import pickle
import struct
import tempfile
import time
from collections.abc import Callable
from os import PathLike
from pathlib import Path
from typing import Any, Literal

from cascade.adapters.cache.plain import decode, encode
from cascade.ports import Hit
from cascade.spec.checks import shown

MAGIC = b"cascade cache 1\n"
_HEAD = struct.Struct(">d20s")
"""Until when an entry may be used (seconds since 1970; infinity: for ever), and its digest."""
FORMATS = ("json", "pickle")


class FileCache:
    """Keeps each value in a file of its own.

    An entry is written beside its place and then moved there, so that nobody sees half of one.
    What isn't a whole entry of the same format counts as nothing. Lifetimes count on the wall
    clock, the only one that goes on between processes.

    Args:
        directory: where the files are; made when first needed.
        format: "json" for None, booleans, numbers, text, bytes, lists, tuples, sets and
            dictionaries of these; "pickle" for nearly everything. Reading a pickle can run any
            code: use it only for a directory in which nobody else can write.
        clock: returns seconds since 1970.

    Raises:
        TypeError: `directory` isn't a path.
        ValueError: an unknown format.
    """

    __slots__ = ("_clock", "_directory", "_format")

    def __init__(
        self,
        directory: str | PathLike[str],
        format: Literal["json", "pickle"] = "json",
        clock: Callable[[], float] = time.time,
    ) -> None:
        if not isinstance(directory, (str, PathLike)):
            raise TypeError(f"directory must be a path, got {shown(directory)}")
        if format not in FORMATS:
            raise ValueError(f"format must be one of {', '.join(FORMATS)}, got {shown(format)}")
        self._directory = Path(directory)
        self._format = format
        self._clock = clock

    async def get(self, key: str) -> Hit | None:
        """Return what is kept under a key, or None.

        Raises:
            OSError: the file is there and can't be read.
        """
        return await asyncio.to_thread(self._read, self._place(key))

    async def put(self, key: str, value: Any, ttl: float | None) -> None:
        """Keep a value for `ttl` seconds (None: for ever).

        Raises:
            TypeError: it can't be kept in this format.
            OSError: the file can't be written.
        """
        until = float("inf") if ttl is None else self._clock() + ttl
        if self._format == "json":
            try:
                content = json.dumps(encode(value), separators=(",", ":")).encode()
            except TypeError as error:
                raise TypeError(f"{error}; FileCache(..., format='pickle') can") from None
        else:
            content = pickle.dumps(value, protocol=5)
        await asyncio.to_thread(self._write, self._place(key), until, content)

    async def delete(self, key: str) -> None:
        """Forget what is kept under a key, if anything."""
        await asyncio.to_thread(self._place(key).unlink, missing_ok=True)

    def _place(self, key: str) -> Path:
        # By digest: a key of somebody else's making can't lead out of the directory.
        name = hashlib.blake2b(key.encode(), digest_size=20).hexdigest()
        return self._directory / name[:2] / f"{name[2:]}.{self._format}"

    def _read(self, place: Path) -> Hit | None:
        try:
            whole = place.read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return None
        start = len(MAGIC) + _HEAD.size
        if len(whole) < start or not whole.startswith(MAGIC):
            return None
        until, digest = _HEAD.unpack(whole[len(MAGIC) : start])
        content = whole[start:]
        if digest != self._digest(until, content) or until <= self._clock():
            return None
        if self._format == "json":
            return Hit(decode(json.loads(content)))
        try:
            return Hit(pickle.loads(content))
        except Exception:
            return None  # of a class that has gone or has changed: its code may raise anything

    def _write(self, place: Path, until: float, content: bytes) -> None:
        place.parent.mkdir(parents=True, exist_ok=True)
        number, name = tempfile.mkstemp(prefix=".writing-", dir=place.parent)
        try:
            with os.fdopen(number, "wb") as file:
                file.write(MAGIC + _HEAD.pack(until, self._digest(until, content)) + content)
                file.flush()
                os.fsync(file.fileno())
            os.replace(name, place)
        except BaseException:
            os.unlink(name)
            raise

    def _digest(self, until: float, content: bytes) -> bytes:
        whole = hashlib.blake2b(struct.pack(">d", until), digest_size=20)
        whole.update(self._format.encode())
        whole.update(content)
        return whole.digest()
