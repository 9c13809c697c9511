"""Reading a record: as far as it goes, wherever it was made."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from observatory.records.format import FLASH, KEY, METRICS, SAMPLED, Header, RecordError
from observatory.records.format import schema as schema_of

# isort: split
import pyarrow as pa  # type: ignore[import-untyped]  # after the format, which says what is missing
import pyarrow.compute as pc  # type: ignore[import-untyped]

_UNREADABLE = (pa.ArrowException, OSError, MemoryError)
"""What reading raises where a file is damaged; it may say that much more follows than there is."""
_END = 8
"""How many bytes the end mark of a stream takes."""


@dataclass(frozen=True)
class Record:
    """What a record holds."""

    header: Header
    """What the experiment was run with."""
    agents: NDArray[np.int32]
    """Who flashed, in the order in which it happened, of shape (flashes,)."""
    times: NDArray[np.float64]
    """When each flash was due, in seconds since the start, of the same shape."""
    lateness: NDArray[np.float64]
    """Flash sent minus flash due, in seconds, of the same shape."""
    samples: dict[str, NDArray[np.float64]]
    """The metrics by name (see `SAMPLED`), one value an instant, in order; not-a-number where
    there was none."""
    complete: bool
    """Whether it goes to its end mark; otherwise it was cut off, or is still being written."""

    @cached_property
    def sent(self) -> NDArray[np.float64]:
        """When each flash was sent, in seconds since the start."""
        return self.times + self.lateness

    @cached_property
    def end(self) -> float:
        """How far it goes, in seconds since the start; 0 if it holds nothing."""
        last = [float(times.max()) for times in (self.sent, self.samples["time"]) if len(times)]
        return max(0.0, *last) if last else 0.0

    @property
    def empty(self) -> bool:
        """Whether it holds neither flashes nor metrics."""
        return not len(self.times) and not len(self.samples["time"])

    @property
    def shape(self) -> tuple[int, int]:
        """Rows of agents, and agents in a row."""
        return self.header.height, self.header.width


def read_record(filename: str | os.PathLike[str]) -> Record:
    """Read a record, up to its end or to where it breaks off.

    Raises:
        OSError: the file can't be read.
        RecordError: it is no record, or breaks off in its header.
    """
    with open(filename, "rb") as file:
        if not file.read(1):
            raise RecordError("is empty")
        file.seek(0)
        source = pa.PythonFile(file, mode="r")
        try:
            stream = pa.ipc.open_stream(source)
            header = _header(stream.schema)
        except _UNREADABLE as error:
            raise RecordError("is no record, or breaks off in its header") from error
        batches: list[Any] = []
        complete = False
        read = source.tell()
        while True:
            try:
                batch = stream.read_next_batch()
                batch.validate(full=True)
            except StopIteration:
                complete = source.tell() == read + _END
                break
            except _UNREADABLE:
                break  # what comes before it is whole
            if not _sound(batch, header):
                break
            read = source.tell()
            batches.append(batch)
    table = pa.Table.from_batches(batches, stream.schema)
    flashes = table.filter(pc.equal(table["kind"], FLASH))
    metrics = table.filter(pc.equal(table["kind"], METRICS))
    return Record(
        header=header,
        agents=flashes["agent"].to_numpy().astype(np.int32, copy=False),
        times=flashes["time"].to_numpy(),
        lateness=flashes["lateness"].to_numpy(),
        samples={name: metrics[name].cast(pa.float64(), safe=False).to_numpy() for name in SAMPLED},
        complete=complete,
    )


def _header(schema: Any) -> Header:
    """Return the header that is in the metadata of a schema.

    Raises:
        RecordError: there is none, or the columns are others.
    """
    metadata = schema.metadata or {}
    if KEY not in metadata:
        raise RecordError("is no record: it is an Arrow stream without a header of one")
    header = Header.from_json(metadata[KEY])
    if not schema.equals(schema_of(header)):
        raise RecordError("is no record: it has other columns")
    return header


def _sound(batch: Any, header: Header) -> bool:
    """Whether a batch can be what a writer has written."""
    rows = pa.Table.from_batches([batch])
    flashes = rows.filter(pc.equal(rows["kind"], FLASH))
    if flashes["agent"].null_count or flashes["lateness"].null_count:
        return False
    agents = flashes["agent"].to_numpy()
    return bool(
        ((agents >= 0) & (agents < header.agents)).all()
        and np.isfinite(rows["time"].to_numpy()).all()
        and np.isfinite(flashes["lateness"].to_numpy()).all()
    )
