"""MetricsAggregator: named numbers, gathered and written as one line of JSON per interval."""

from __future__ import annotations

import asyncio
import json
import math
import os
from array import array
from contextlib import suppress
from numbers import Real
from typing import Any, Self

import numpy as np

from observatory.percentiles import percentiles
from observatory.writing import naming


class MetricsAggregator:
    """Gathers values by key and appends a line of JSON per key and interval to a file.

    A line is an object with ``time`` (the end of the interval, in seconds on the event loop's
    clock), ``key``, ``count``, ``mean``, ``min``, ``max``, ``p50`` and ``p99``. Percentiles are
    nearest-rank: ``p99`` is the smallest recorded value that at least 99 % of the values don't
    exceed, so it is always one that was recorded. A key without a value gets no line. An
    interval's lines reach the file in one write, so that a crash leaves whole lines; the values
    of the current interval are kept in memory, 8 bytes each.

    ``with MetricsAggregator(...) as aggregator:`` opens and closes it.

    Args:
        filename: the file; it is made if need be, and lines are added to its end.
        interval_s: the length of an interval, in seconds.

    Raises:
        TypeError: `filename` isn't a path, or `interval_s` isn't a number.
        ValueError: `interval_s` isn't finite and above 0.
    """

    def __init__(self, filename: str | os.PathLike[str], interval_s: float = 1.0) -> None:
        if not isinstance(filename, (str, os.PathLike)):
            raise TypeError(f"filename must be a path, got {filename!r}")
        if isinstance(interval_s, bool) or not isinstance(interval_s, (float, int)):
            raise TypeError(f"interval_s must be a number of seconds, got {interval_s!r}")
        if not 0 < interval_s < math.inf:
            raise ValueError(f"interval_s must be finite and above 0, got {interval_s!r}")
        self._filename = filename
        self._interval = interval_s
        self._descriptor: int | None = None
        self._values: dict[str, array[float]] = {}
        self._last_recorded = 0.0
        self._closing: asyncio.Event | None = None

    def open(self) -> None:
        """Open the file; if it is open already, do nothing.

        Raises:
            OSError: the file can't be made or written to.
        """
        if self._descriptor is None:
            flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
            self._descriptor = os.open(self._filename, flags, 0o644)

    def close(self) -> None:
        """Write what is left, close the file and end `run()`; if it is closed, do nothing.

        What is left is dated now, or if no event loop is running any more, when the last value
        was recorded.

        Raises:
            OSError: the rest can't be written; the file is closed all the same.
        """
        if self._descriptor is None:
            return
        if self._closing is not None:
            self._closing.set()
        try:
            self._write(self._now())
        finally:
            os.close(self._descriptor)
            self._descriptor = None

    def __enter__(self) -> Self:
        self.open()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    async def record(self, key: str, value: float) -> None:
        """Add a value to the current interval; never suspends. See `record_nowait`."""
        self.record_nowait(key, value)

    def record_nowait(self, key: str, value: float) -> None:
        """Add a value to the current interval.

        Raises:
            RuntimeError: the file isn't open, or no event loop is running.
            TypeError: `key` isn't a string, or `value` isn't a number.
            ValueError: `value` isn't finite.
        """
        if self._descriptor is None:
            raise RuntimeError(f"the aggregator of {self._filename} isn't open: call open() first")
        if not isinstance(key, str):
            raise TypeError(f"key must be a string, got {key!r}")
        if isinstance(value, bool) or not isinstance(value, (float, Real)):
            raise TypeError(f"value of {key!r} must be a number, got {value!r}")
        if not math.isfinite(value):
            raise ValueError(f"value of {key!r} must be finite, got {value!r}")
        now = asyncio.get_running_loop().time()
        values = self._values.get(key)
        if values is None:
            values = self._values[key] = array("d")
        values.append(value)
        self._last_recorded = now

    async def run(self) -> None:
        """Write each interval's lines at its end, until `close()` or until cancelled.

        The ends are counted from the start of this call, so that they don't drift. Where the loop
        was kept from running over several ends, one line stands for all that was missed.

        Raises:
            RuntimeError: the file isn't open, or `run()` is under way already.
            OSError: the lines can't be written.
        """
        if self._descriptor is None:
            raise RuntimeError(f"the aggregator of {self._filename} isn't open: call open() first")
        if self._closing is not None and not self._closing.is_set():
            raise RuntimeError(f"the aggregator of {self._filename} is running already")
        closing = self._closing = asyncio.Event()
        loop = asyncio.get_running_loop()
        start, passed = loop.time(), 0
        try:
            while True:
                with suppress(TimeoutError):
                    async with asyncio.timeout_at(start + (passed + 1) * self._interval):
                        await closing.wait()
                if closing.is_set():
                    return
                passed = max(passed + 1, math.floor((loop.time() - start) / self._interval))
                self._write(start + passed * self._interval)
        finally:
            closing.set()

    def _now(self) -> float:
        try:
            return asyncio.get_running_loop().time()
        except RuntimeError:
            return self._last_recorded

    def _write(self, time: float) -> None:
        gathered, self._values = self._values, {}
        lines = [json.dumps(_summarise(time, key, values)) for key, values in gathered.items()]
        rest = "".join(f"{line}\n" for line in lines).encode()
        assert self._descriptor is not None
        with naming(self._filename):
            while rest:  # a second write only where the system took less than the whole
                rest = rest[os.write(self._descriptor, rest) :]


def _summarise(time: float, key: str, values: array[float]) -> dict[str, Any]:
    numbers = np.frombuffer(values)
    p50, p99, largest = percentiles(values, 50, 99, 100)
    return {
        "time": time,
        "key": key,
        "count": len(numbers),
        # In extended precision, since the sum of finite values may be too large for a float.
        "mean": float(numbers.mean(dtype=np.longdouble)),
        "min": float(numbers.min()),
        "max": largest,
        "p50": p50,
        "p99": p99,
    }
