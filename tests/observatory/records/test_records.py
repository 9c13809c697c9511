"""What is written is what is read; a record that was cut off anywhere is read as far as it goes."""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import numpy as np
import pyarrow as pa  # type: ignore[import-untyped]
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from observatory.records import writer
from observatory.records.format import FORMAT, KEY, SAMPLED, Header, RecordError, schema
from observatory.records.reader import Record, read_record
from observatory.records.writer import RecordWriter

HEADER = Header(
    agents=6,
    width=3,
    height=2,
    period=2.0,
    duration=60.0,
    seed=7,
    clock="virtual",
    start=0.0,
    settings={"nudge": 0.1, "limit": None},
)
HEADER_ENDS = schema(HEADER).serialize().size
"""Where the header ends, in bytes."""

times = st.floats(0.0, 1e6, allow_subnormal=False)
flashes = st.tuples(st.integers(0, 5), times, st.floats(0.0, 100.0))
counts = st.none() | st.integers(0, 2**31 - 1)
samples = st.tuples(
    times, st.floats(0, 1), st.none() | st.floats(0, 1), counts, counts, counts, st.none() | times
)
bits = st.lists(flashes, max_size=20) | samples
"""Some flashes at once, or the metrics of an instant."""


def write(path: Path, content: list[Any], *, whole: bool = True) -> list[int]:
    """Write a record, a batch for each bit; return how long the file was after each."""
    lengths = []
    kept = RecordWriter(path)
    kept.begin(HEADER)
    lengths.append(path.stat().st_size)
    for bit in content:
        if isinstance(bit, list):
            for agent, time, late in bit:
                kept.flash(agent, time, time + late)
        else:
            kept.sample(bit[0], **dict(zip(SAMPLED[1:], bit[1:], strict=True)))
        kept._flush()
        lengths.append(path.stat().st_size)
    kept.close()
    return lengths


def told(record: Record) -> tuple[list[Any], list[Any]]:
    """The flashes and the metrics of a record as plain data."""
    found = [
        tuple(None if value != value else value for value in row)
        for row in zip(*[record.samples[name].tolist() for name in SAMPLED], strict=True)
    ]
    return (
        list(zip(record.agents.tolist(), record.times.tolist(), strict=True)),
        found,
    )


def plain(content: list[Any]) -> tuple[list[Any], list[Any]]:
    lists = [bit for bit in content if isinstance(bit, list)]
    return (
        [(agent, time) for bit in lists for agent, time, _ in bit],
        [bit for bit in content if not isinstance(bit, list)],
    )


@pytest.fixture(scope="module")
def path() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as directory:
        yield Path(directory) / "record"


@settings(max_examples=30, deadline=None)
@given(content=st.lists(bits, max_size=5), data=st.data())
def test_what_is_written_is_read_and_cut_anywhere_it_is_a_prefix(
    path: Path, content: list[Any], data: st.DataObject
) -> None:
    lengths = write(path, content)
    record = read_record(path)
    assert told(record) == plain(content)
    assert record.complete
    assert record.header == HEADER
    late = [late for bit in content if isinstance(bit, list) for _, _, late in bit]
    assert record.lateness.tolist() == pytest.approx(late, abs=1e-9)

    whole = path.read_bytes()
    cut = data.draw(st.integers(0, len(whole) - 1) | st.sampled_from(lengths), label="cut")
    path.write_bytes(whole[:cut])
    if cut < HEADER_ENDS:
        with pytest.raises(RecordError, match=r"is empty|breaks off in its header"):
            read_record(path)
        return
    record = read_record(path)
    reached = max(0, sum(length <= cut for length in lengths) - 1)
    assert told(record) == plain(content[:reached])
    assert not record.complete


@settings(max_examples=50, deadline=None)
@given(place=st.integers(0, 3000), change=st.integers(1, 255))
def test_a_damaged_record_is_refused_or_read(path: Path, place: int, change: int) -> None:
    write(path, [[(1, 1.0, 0.5)] * 3, (1.0, 0.5, 0.5, 3, 1, 1, 0.5), [(2, 2.0, 0.0)]])
    damaged = bytearray(path.read_bytes())
    damaged[place % len(damaged)] ^= change
    path.write_bytes(damaged)
    try:
        record = read_record(path)
    except RecordError:
        return
    assert len(record.times) <= 4
    assert set(record.agents.tolist()) <= set(range(6))


@pytest.mark.parametrize("place", range(4, 8))
def test_one_that_says_that_its_header_is_huge_is_refused(path: Path, place: int) -> None:
    write(path, [])
    damaged = bytearray(path.read_bytes())
    damaged[place] = 0x7F
    path.write_bytes(damaged)
    with pytest.raises(RecordError, match="breaks off in its header"):
        read_record(path)


def test_a_batch_that_says_that_it_is_huge_ends_the_record(path: Path) -> None:
    first, *_ = write(path, [[(1, 1.0, 0.5)]])
    damaged = bytearray(path.read_bytes())
    for place in range(first + 4, first + 200):
        for value in (0x7F, 0xFF):
            changed = bytearray(damaged)
            changed[place] = value
            path.write_bytes(changed)
            assert len(read_record(path).times) <= 1


def test_a_count_that_no_double_has_is_the_nearest_one(path: Path) -> None:
    many = 2**53 + 1
    write(path, [(1.0, 0.5, None, many, None, None, None)])
    assert read_record(path).samples["flashes"].tolist() == [float(many)]


@given(st.binary(max_size=200))
def test_a_foreign_file_is_refused(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    with pytest.raises(RecordError, match=r"^is (no record|empty)"):
        read_record(path)


def test_another_arrow_stream_is_refused(tmp_path: Path) -> None:
    for metadata, why in (
        (None, "without a header"),
        ({KEY: b"[]"}, "header that can't be read"),
        ({KEY: b'{"format": 1}'}, "header that can't be read"),
        ({KEY: HEADER.as_json().replace(b'"width": 3', b'"width": 4')}, "makes no sense"),
        ({KEY: HEADER.as_json().replace(b'"width": 3', b'"width": "3"')}, "no sense"),
        ({KEY: HEADER.as_json().replace(b'"agents": 6', b'"agents": "6"')}, "can't be read"),
        (
            {KEY: HEADER.as_json().replace(b'"format": %d' % FORMAT, b'"format": 99')},
            "format 99; this version reads 1",
        ),
        ({KEY: HEADER.as_json()}, "other columns"),
    ):
        with pa.OSFile(str(tmp_path / "file"), "w") as file:
            pa.ipc.new_stream(file, pa.schema([("a", pa.int8())], metadata=metadata)).close()
        with pytest.raises(RecordError, match=why):
            read_record(tmp_path / "file")


def test_three_lines_of_pyarrow_read_it(tmp_path: Path) -> None:
    write(tmp_path / "record", [[(0, 1.0, 0.5), (1, 1.5, 0.0)], (1.0, 0.5, 0.25, 2, 1, 0, 0.5)])
    table = pa.ipc.open_stream(str(tmp_path / "record")).read_all()
    rows = table.filter(pa.compute.field("kind") == "flash").to_pylist()
    assert [(row["agent"], row["time"], row["lateness"]) for row in rows] == [
        *((0, 1.0, 0.5), (1, 1.5, 0.0)),
    ]
    (row,) = table.filter(pa.compute.field("kind") == "metrics").to_pylist()
    assert (row["time"], row["order_parameter"], row["flashes"]) == (1.0, 0.5, 2)


def test_arrays_of_flashes_are_as_one_by_one(tmp_path: Path) -> None:
    count = 2 * writer.MOST_ROWS + 17
    agents, due = np.arange(count) % 6, np.arange(count) / 16
    with RecordWriter(tmp_path / "arrays") as kept:
        kept.begin(HEADER)
        kept.flashes(agents, due, due + 0.25)
        kept.flashes([1, 2], [5.0, 6.0])
    with RecordWriter(tmp_path / "one by one") as kept:
        kept.begin(HEADER)
        for agent, time in zip(agents.tolist(), due.tolist(), strict=True):
            kept.flash(agent, time, time + 0.25)
        kept.flash(1, 5.0, 5.0)
        kept.flash(2, 6.0, 6.0)
    one, other = read_record(tmp_path / "arrays"), read_record(tmp_path / "one by one")
    assert len(one.times) == count + 2
    for name in ("agents", "times", "lateness"):
        assert np.array_equal(getattr(one, name), getattr(other, name))


@pytest.mark.parametrize("values", [([1], [1.0, 2.0]), ([1], [1.0], [1.0, 2.0]), ([[1]], [[1.0]])])
def test_arrays_of_several_lengths_are_refused(tmp_path: Path, values: Any) -> None:
    with RecordWriter(tmp_path / "record") as kept:
        kept.begin(HEADER)
        with pytest.raises(ValueError, match="must be of one length, got shapes"):
            kept.flashes(*values)


def test_what_is_gathered_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "INTERVAL", 1000.0)
    monkeypatch.setattr(writer, "PATIENCE", 1000.0)
    gathered = []
    with RecordWriter(tmp_path / "record") as kept:
        kept.begin(HEADER)
        for number in range(3 * writer.MOST_ROWS):
            kept.flash(0, float(number), float(number))
            gathered.append(len(kept._agents))
        assert max(gathered) < writer.MOST_ROWS
        assert len(read_record(tmp_path / "record").times) == 3 * writer.MOST_ROWS


def test_a_thread_writes_it_whatever_else_happens(tmp_path: Path) -> None:
    with RecordWriter(tmp_path / "record") as kept:
        kept.begin(HEADER)
        kept.flash(3, 1.0, 1.0)
        began = monotonic()
        while not len(read_record(tmp_path / "record").times):
            assert monotonic() < began + 10.0
            sleep(0.02)
        assert not read_record(tmp_path / "record").complete


def test_what_the_file_held_before_is_lost_and_it_ends_where_it_was_told_to(tmp_path: Path) -> None:
    (tmp_path / "record").write_bytes(b"x" * 100_000)
    assert write(tmp_path / "record", [[(1, 2.0, 0.5)]])
    record = read_record(tmp_path / "record")
    assert (record.end, record.empty, record.shape) == (2.5, False, (2, 3))
    write(tmp_path / "record", [])
    record = read_record(tmp_path / "record")
    assert (record.end, record.empty) == (0.0, True)


def begin_twice(kept: RecordWriter) -> None:
    kept.begin(HEADER)
    kept.begin(HEADER)


def begin_too_late(kept: RecordWriter) -> None:
    kept.close()
    kept.begin(HEADER)


@pytest.mark.parametrize("wrongly", [begin_twice, begin_too_late])
def test_a_record_begins_once(tmp_path: Path, wrongly: Callable[[RecordWriter], None]) -> None:
    with RecordWriter(tmp_path / "record") as kept, pytest.raises(RuntimeError, match="once"):
        wrongly(kept)


def test_a_record_begins_with_its_header(tmp_path: Path) -> None:
    with RecordWriter(tmp_path / "record") as kept, pytest.raises(RuntimeError, match="begin"):
        kept.flashes(np.zeros(writer.MOST_ROWS), np.zeros(writer.MOST_ROWS))


def test_a_file_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        RecordWriter(tmp_path / "nowhere" / "record")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_a_full_disk_is_an_error_at_the_header() -> None:
    with RecordWriter("/dev/full") as kept, pytest.raises(OSError, match="No space left"):
        kept.begin(HEADER)


def test_a_disk_that_fills_up_is_told_once_and_costs_no_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    kept = RecordWriter(tmp_path / "record")
    kept.begin(HEADER)
    monkeypatch.setattr(os, "write", full)
    for number in range(2 * writer.MOST_ROWS):
        kept.flash(0, float(number), float(number))
    assert len(kept._agents) < writer.MOST_ROWS
    with pytest.raises(OSError, match="No space left"):
        kept.sample(1.0, order_parameter=1.0)
    kept.sample(2.0, order_parameter=1.0)
    kept.close()
    assert read_record(tmp_path / "record").empty
