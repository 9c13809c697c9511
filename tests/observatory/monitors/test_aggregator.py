"""MetricsAggregator: whole lines, exact intervals, stated percentiles."""

from __future__ import annotations

import asyncio
import json
import math
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cascade.testing import run_virtual
from observatory.monitors.aggregator import MetricsAggregator


def lines_of(path: Path) -> list[dict[str, Any]]:
    text = path.read_text()
    assert text == "" or text.endswith("\n")
    return [json.loads(line) for line in text.splitlines()]


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "metrics.jsonl"


def test_a_line_per_key_and_interval(log: Path) -> None:
    async def scenario() -> None:
        aggregator = MetricsAggregator(str(log), interval_s=2.0)
        aggregator.open()
        running = asyncio.create_task(aggregator.run())
        await aggregator.record("b", 1)
        await asyncio.sleep(1.0)
        await aggregator.record("a", 5.0)
        aggregator.record_nowait("b", 3)
        await asyncio.sleep(4.0)
        half: Any = np.float32(0.5)
        await aggregator.record("a", half)
        await asyncio.sleep(0.25)
        aggregator.close()
        aggregator.close()
        await running

    run_virtual(scenario(), start=10.0)
    assert lines_of(log) == [
        {"time": 12.0, "key": "b", "count": 2, "mean": 2, "min": 1, "max": 3, "p50": 1, "p99": 3},
        {"time": 12.0, "key": "a", "count": 1, "mean": 5, "min": 5, "max": 5, "p50": 5, "p99": 5},
        {
            "time": 15.25,
            "key": "a",
            "count": 1,
            "mean": 0.5,
            "min": 0.5,
            "max": 0.5,
            "p50": 0.5,
            "p99": 0.5,
        },
    ]


@pytest.mark.parametrize("count", [1, 2, 3, 99, 100, 101, 1000])
def test_percentiles_are_nearest_rank(log: Path, count: int) -> None:
    values = [float((7 * index) % 1009) for index in range(count)]

    async def scenario() -> None:
        with MetricsAggregator(log) as aggregator:
            for value in values:
                await aggregator.record("x", value)

    run_virtual(scenario())
    (line,) = lines_of(log)
    assert line["count"] == count
    assert (line["min"], line["max"]) == (min(values), max(values))
    assert line["mean"] == pytest.approx(math.fsum(values) / count)
    for name, share in (("p50", 50), ("p99", 99)):
        reaching = [v for v in values if 100 * sum(w <= v for w in values) >= share * count]
        assert line[name] == min(reaching)


def test_the_ends_of_intervals_dont_drift(log: Path) -> None:
    async def scenario() -> None:
        with MetricsAggregator(log, interval_s=0.1) as aggregator:
            running = asyncio.create_task(aggregator.run())
            for _ in range(1000):
                await asyncio.sleep(0.1003)
                await aggregator.record("x", 1.0)
            aggregator.close()
            await running

    run_virtual(scenario())
    times = [line["time"] for line in lines_of(log)]
    for time in times[:-1]:
        assert time == pytest.approx(round(time, 1), abs=1e-9)
    assert sum(line["count"] for line in lines_of(log)) == 1000


def test_a_loop_that_was_kept_from_running_writes_once_for_all_it_missed(
    log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scenario() -> None:
        loop = asyncio.get_running_loop()
        clock, skipped = loop.time, 0.0
        monkeypatch.setattr(loop, "time", lambda: clock() + skipped, raising=False)
        with MetricsAggregator(log, interval_s=1.0) as aggregator:
            running = asyncio.create_task(aggregator.run())
            await aggregator.record("x", 1.0)
            await asyncio.sleep(0.5)
            skipped = 3.25
            await aggregator.record("x", 2.0)
            await asyncio.sleep(1.0)
            aggregator.close()
            await running

    run_virtual(scenario())
    (line,) = lines_of(log)
    assert (line["count"], line["time"]) == (2, 4.0)


def test_each_interval_is_one_write_of_whole_lines(
    log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[bytes] = []
    real_write = os.write

    def write(descriptor: int, data: bytes) -> int:
        written.append(data)
        return real_write(descriptor, data)

    async def scenario() -> None:
        with MetricsAggregator(log) as aggregator:
            running = asyncio.create_task(aggregator.run())
            monkeypatch.setattr(os, "write", write)
            for _ in range(3):
                for key in range(50):
                    await aggregator.record(f"key {key}", key)
                await asyncio.sleep(1.5)
            monkeypatch.undo()
            running.cancel()
            await asyncio.wait([running])
            assert running.cancelled()

    run_virtual(scenario())
    assert [data.count(b"\n") for data in written] == [50, 50, 50]
    assert all(data.endswith(b"\n") for data in written)
    assert len(lines_of(log)) == 150


def test_a_short_write_is_completed(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real_write = os.write

    async def scenario() -> None:
        with MetricsAggregator(log) as aggregator:
            await aggregator.record("x", 1.0)
            monkeypatch.setattr(os, "write", lambda fd, data: real_write(fd, data[:7]))
            aggregator.close()
            monkeypatch.undo()

    run_virtual(scenario())
    assert [line["key"] for line in lines_of(log)] == ["x"]


def test_the_file_is_added_to(log: Path) -> None:
    async def scenario(value: float) -> None:
        with MetricsAggregator(log) as aggregator:
            await aggregator.record("x", value)

    run_virtual(scenario(1.0))
    run_virtual(scenario(2.0))
    assert [line["mean"] for line in lines_of(log)] == [1.0, 2.0]


def test_it_can_be_opened_and_run_again(log: Path) -> None:
    async def scenario() -> None:
        aggregator = MetricsAggregator(log)
        for value in (1.0, 2.0):
            aggregator.open()
            running = asyncio.create_task(aggregator.run())
            await aggregator.record("x", value)
            await asyncio.sleep(1.5)
            aggregator.close()
            await running

    run_virtual(scenario())
    assert [(line["time"], line["mean"]) for line in lines_of(log)] == [(1.0, 1.0), (2.5, 2.0)]


def test_closed_after_its_loop_the_rest_is_dated_by_the_last_value(log: Path) -> None:
    aggregator = MetricsAggregator(log, interval_s=60.0)
    aggregator.open()

    async def scenario() -> None:
        running = asyncio.create_task(aggregator.run())
        await asyncio.sleep(3.0)
        await aggregator.record("x", 1.0)
        await asyncio.sleep(4.0)
        assert not running.done()

    run_virtual(scenario())
    aggregator.close()
    assert [line["time"] for line in lines_of(log)] == [3.0]


def test_large_values_and_odd_keys_make_valid_lines(log: Path) -> None:
    async def scenario() -> None:
        with MetricsAggregator(log) as aggregator:
            for _ in range(4):
                await aggregator.record('a "key"\nof two lines', 1.5e308)

    run_virtual(scenario())
    (line,) = lines_of(log)
    assert line["key"] == 'a "key"\nof two lines'
    assert line["max"] == 1.5e308


@pytest.mark.parametrize(
    ("value", "error"),
    [(math.nan, ValueError), (-math.inf, ValueError), ("1", TypeError), (None, TypeError)],
)
def test_what_isnt_a_finite_number_is_refused(
    log: Path, value: Any, error: type[Exception]
) -> None:
    async def scenario() -> None:
        with MetricsAggregator(log) as aggregator:
            with pytest.raises(error, match="value of 'speed' must be"):
                await aggregator.record("speed", value)
            wrong: Any = 7
            with pytest.raises(TypeError, match="key must be a string, got 7"):
                await aggregator.record(wrong, 1.0)

    run_virtual(scenario())
    assert lines_of(log) == []


def test_it_has_to_be_open(log: Path) -> None:
    async def scenario() -> None:
        aggregator = MetricsAggregator(log)
        with pytest.raises(RuntimeError, match=r"call open\(\) first"):
            await aggregator.record("x", 1.0)
        with pytest.raises(RuntimeError, match=r"call open\(\) first"):
            await aggregator.run()
        aggregator.close()
        aggregator.open()
        running = asyncio.create_task(aggregator.run())
        await asyncio.sleep(0)
        with pytest.raises(RuntimeError, match="running already"):
            await aggregator.run()
        aggregator.close()
        await running
        with pytest.raises(RuntimeError, match=r"call open\(\) first"):
            await aggregator.record("x", 1.0)

    run_virtual(scenario())


@pytest.mark.parametrize(
    ("interval", "error"),
    [(0, ValueError), (-1.0, ValueError), (math.inf, ValueError), (math.nan, ValueError)],
)
def test_bad_intervals(interval: float, error: type[Exception]) -> None:
    with pytest.raises(error, match="interval_s must be finite and above 0"):
        MetricsAggregator("unused", interval_s=interval)


def test_wrong_types() -> None:
    wrong: Any = "1"
    with pytest.raises(TypeError, match="interval_s must be a number of seconds, got '1'"):
        MetricsAggregator("unused", interval_s=wrong)
    wrong = 3
    with pytest.raises(TypeError, match="filename must be a path, got 3"):
        MetricsAggregator(wrong)
