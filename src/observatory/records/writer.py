"""RecordWriter: an experiment in a file, written while it runs: a crash loses a second at most.

Rows are gathered in arrays, and written four times a second of real time by whoever adds one then:
that takes a fraction of a millisecond, and nobody has to be waited for. A thread sees to it that
nothing is left lying about when nobody comes. Each batch reaches the file in one write, so that a
killed program leaves whole ones.
"""

from __future__ import annotations

import io
import os
import threading
from array import array
from functools import lru_cache
from time import monotonic
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike

from observatory.records.format import COLUMNS, FLASH, METRICS, SAMPLED, Header, schema, versions
from observatory.writing import naming

# isort: split
import pyarrow as pa  # type: ignore[import-untyped]  # after the format, which says what is missing

INTERVAL = 0.25
"""Seconds of real time after which whoever adds something writes a batch."""
PATIENCE = 0.5
"""Seconds of real time after which the thread does, if nobody came."""
MOST_ROWS = 16_384
"""Flashes that are gathered at most; more are written at once, by whoever brings them."""


class RecordWriter:
    """Writes a record. Memory is bounded; the file grows by some 20 bytes a flash.

    Whatever makes flashes can use it, one by one or in arrays. `begin` comes first, then `flash`,
    `flashes` and `sample` in any order, and `close` or the end of a ``with`` block last. They may
    be called from any thread.

    Args:
        filename: the file; what it held before is lost.

    Raises:
        OSError: the file can't be written.
    """

    def __init__(self, filename: str | os.PathLike[str]) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
        self._filename = filename
        self._descriptor: int | None = os.open(filename, flags, 0o666)
        self._encoded = io.BytesIO()
        self._stream: Any = None
        self._schema: Any = None
        self._agents, self._times, self._lateness = _no_flashes()
        self._samples: list[tuple[Any, ...]] = []
        self._gathering = threading.Lock()
        """Held for an instant, while rows are added or taken out."""
        self._writing = threading.Lock()
        """Held while a batch is encoded and written."""
        self._failure: OSError | None = None
        self._told = False
        self._flushed = monotonic()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._write_on, name="record", daemon=True)
        _warm_up()

    def begin(self, header: Header) -> None:
        """Write the header, and begin to write what comes.

        Raises:
            RuntimeError: it has begun already, or is closed.
            OSError: the header can't be written.
        """
        if self._stream is not None or self._descriptor is None:
            raise RuntimeError("a record begins once, and before it is closed")
        self._schema = schema(header)
        self._stream = _stream(self._encoded, self._schema)
        try:
            # Arrow writes the schema with the first batch: one without rows.
            self._stream.write_batch(_batch(*_no_flashes(), [], self._schema))
            self._send()
        except OSError as error:
            self._failure, self._told = error, True
            raise
        self._thread.start()

    def flash(self, agent: int, time: float, sent: float) -> None:
        """Add a flash.

        Args:
            agent: the number of the agent, from 0.
            time: when it was due, in seconds since the start.
            sent: when it was sent, in seconds since the start.
        """
        with self._gathering:
            self._agents.append(agent)
            self._times.append(time)
            self._lateness.append(sent - time)
            full = len(self._agents) >= MOST_ROWS
        if full or monotonic() >= self._flushed + INTERVAL:
            self._flush()

    def flashes(self, agents: ArrayLike, times: ArrayLike, sent: ArrayLike | None = None) -> None:
        """Add many flashes, in order.

        Args:
            agents: the numbers of the agents, of shape (flashes,).
            times: when they were due, in seconds since the start.
            sent: when they were sent, in seconds since the start; None: when they were due.

        Raises:
            ValueError: the arrays aren't of one length.
        """
        who, due = np.asarray(agents, dtype=np.int32), np.asarray(times, dtype=np.float64)
        late = np.zeros_like(due) if sent is None else np.asarray(sent, dtype=np.float64) - due
        if who.ndim != 1 or who.shape != due.shape or who.shape != late.shape:
            raise ValueError(
                f"agents, times and sent must be of one length, got shapes {who.shape}, "
                f"{due.shape} and {late.shape}"
            )
        for first in range(0, len(who), MOST_ROWS):
            part = slice(first, first + MOST_ROWS)
            with self._gathering:
                self._agents.frombytes(who[part].tobytes())
                self._times.frombytes(due[part].tobytes())
                self._lateness.frombytes(late[part].tobytes())
                full = len(self._agents) >= MOST_ROWS
            if full or monotonic() >= self._flushed + INTERVAL:
                self._flush()

    def sample(
        self,
        time: float,
        *,
        order_parameter: float,
        local_order: float | None = None,
        flashes: int | None = None,
        active: int | None = None,
        waiting: int | None = None,
        lateness_p99: float | None = None,
    ) -> None:
        """Add the metrics of an instant.

        Args:
            time: the instant, in seconds since the start.
            order_parameter: R of all agents.
            local_order: the mean local order; see `observatory.order`.
            flashes: how many flashes there were so far.
            active: slots in use; None without a limit.
            waiting: agents that wait for a slot; None without a limit.
            lateness_p99: what 99 % of the latest flashes weren't later than, in seconds.

        Raises:
            OSError: something couldn't be written since the last call.
        """
        row = (time, order_parameter, local_order, flashes, active, waiting, lateness_p99)
        with self._gathering:
            self._samples.append(row)
            full = len(self._samples) >= MOST_ROWS
        if full or monotonic() >= self._flushed + INTERVAL:
            self._flush()
        self._raise_failure()

    def close(self) -> None:
        """Write what is left and the end mark, and close the file. Again, it does nothing.

        Raises:
            OSError: something couldn't be written; the file is closed all the same.
        """
        if self._descriptor is None:
            return
        try:
            if self._stream is not None:
                if self._thread.ident is not None:  # it was begun
                    self._closing.set()
                    self._thread.join()
                self._flush()
                if self._failure is None:
                    self._stream.close()
                    self._send()
            self._raise_failure()
        finally:
            os.close(self._descriptor)
            self._descriptor = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def _write_on(self) -> None:
        wait = PATIENCE
        while not self._closing.wait(wait):
            wait = self._flushed + PATIENCE - monotonic()
            if wait <= 0:
                self._flush()
                wait = PATIENCE

    def _flush(self) -> None:
        """Write what is gathered; a failure is kept for whoever asks next."""
        if self._stream is None:
            raise RuntimeError("a record begins with its header: call begin() first")
        with self._writing:
            with self._gathering:
                agents, times, lateness = self._agents, self._times, self._lateness
                samples, self._samples = self._samples, []
                self._agents, self._times, self._lateness = _no_flashes()
            self._flushed = monotonic()
            if self._failure is not None or not (agents or samples):
                return
            try:
                self._stream.write_batch(_batch(agents, times, lateness, samples, self._schema))
                self._send()
            except OSError as error:
                self._failure = error

    def _send(self) -> None:
        """Put what is encoded into the file, in one write where the system takes all of it."""
        rest = self._encoded.getvalue()
        self._encoded.seek(0)
        self._encoded.truncate()
        assert self._descriptor is not None
        with naming(self._filename):
            while rest:
                rest = rest[os.write(self._descriptor, rest) :]

    def _raise_failure(self) -> None:
        if self._failure is not None and not self._told:
            self._told = True
            raise self._failure


@lru_cache(maxsize=1)
def _warm_up() -> None:
    """Do what takes long when it is done first: not when agents are about to flash."""
    versions()
    columns = pa.schema(COLUMNS.items())
    flash = array("i", [0]), array("d", [0.0]), array("d", [0.0])
    with _stream(io.BytesIO(), columns) as stream:
        stream.write_batch(_batch(*flash, [(0.0, 1.0, *[None] * (len(SAMPLED) - 2))], columns))


def _stream(sink: io.BytesIO, columns: Any) -> Any:
    """Return a `pyarrow.RecordBatchStreamWriter`."""
    options = pa.ipc.IpcWriteOptions(compression="lz4", use_threads=False)
    return pa.ipc.new_stream(sink, columns, options=options)


def _no_flashes() -> tuple[array[int], array[float], array[float]]:
    return array("i"), array("d"), array("d")


def _batch(
    agents: array[int],
    times: array[float],
    lateness: array[float],
    samples: list[tuple[Any, ...]],
    columns: Any,
) -> Any:
    """Return flashes and then samples as a `pyarrow.RecordBatch`."""
    flashes, count = len(agents), len(samples)
    of_samples = list(zip(*samples, strict=True)) or [()] * len(SAMPLED)
    first = {
        "kind": pa.repeat(FLASH, flashes),
        "time": pa.array(np.frombuffer(times)),
        "agent": pa.array(np.frombuffer(agents, dtype=np.int32)),
        "lateness": pa.array(np.frombuffer(lateness)),
    }
    second = {
        "kind": pa.repeat(METRICS, count),
        **{
            name: pa.array(values, type=COLUMNS[name])
            for name, values in zip(SAMPLED, of_samples, strict=True)
        },
    }
    arrays = [
        pa.concat_arrays(
            [
                first[name] if name in first else pa.nulls(flashes, kind),
                second[name] if name in second else pa.nulls(count, kind),
            ]
        )
        for name, kind in COLUMNS.items()
    ]
    return pa.record_batch(arrays, schema=columns)
