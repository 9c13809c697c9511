"""A record of the fireflies holds what happened, also when the program was killed."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path
from time import monotonic
from typing import Any

import numpy as np
import pyarrow as pa  # type: ignore[import-untyped]
import pytest
from typer.testing import CliRunner

from cascade.errors import MissingExtraError
from cascade.testing import run_virtual
from observatory.experiments import run_fireflies
from observatory.experiments.calculated import Calculated
from observatory.experiments.config import FirefliesConfig
from observatory.experiments.fireflies import Fireflies, Moment
from observatory.experiments.run_fireflies import run_experiment
from observatory.flashes import flash_digest
from observatory.order import local_order
from observatory.records.reader import Record, read_record

SMALL = FirefliesConfig(num_agents=25, period=2.0, nudge=0.1, duration=20.0, seed=3)


def digest(record: Record) -> str:
    return flash_digest(zip(record.agents.tolist(), record.times.tolist(), strict=True))


def recorded(config: FirefliesConfig, path: Path) -> tuple[Record, list[dict[str, Any]], Any]:
    """Run an experiment on virtual time, looking at it ten times a period."""
    moments: list[dict[str, Any]] = []

    def look(moment: Moment) -> None:
        assert experiment.recorder is not None
        turns = experiment.recorder.turns(asyncio.get_running_loop().time())
        order = local_order(turns.reshape(config.shape[::-1])).mean()
        moments.append({**asdict(moment), "local_order": float(order)})

    experiment = Fireflies(config, record=path, watch=look, watch_interval=config.period / 10)
    summary = run_virtual(experiment.run())
    return read_record(path), moments, summary


@pytest.mark.parametrize("limit", [None, 4])
def test_a_record_holds_the_flashes_and_what_was_seen(tmp_path: Path, limit: int | None) -> None:
    config = replace(SMALL, limit=limit)
    record, moments, summary = recorded(config, tmp_path / "record")
    assert record.complete
    assert digest(record) == summary.digest
    assert len(record.times) == summary.flashes
    assert float(record.lateness.max()) == pytest.approx(summary.lateness_s["max"])
    assert len(moments) >= 99
    for name, values in record.samples.items():
        seen = [moment[name] for moment in moments]
        expected = [float("nan") if value is None else value for value in seen]
        assert values.tolist() == pytest.approx(expected, nan_ok=True), name
    assert np.isnan(record.samples["active"]).all() == (limit is None)
    # As a patch is in step with itself before all are with each other.
    assert record.samples["local_order"].mean() > record.samples["order_parameter"].mean()


def test_so_does_that_of_a_calculation_up_to_its_last_instant(tmp_path: Path) -> None:
    config = replace(
        SMALL, num_agents=100, duration=3.19
    )  # the calculation goes on ten times a period
    summary = run_virtual(Calculated(config, record=tmp_path / "record").run())
    record = read_record(tmp_path / "record")
    assert record.complete
    assert len(record.times) == summary.flashes
    assert digest(record) == summary.digest


def test_its_header_tells_what_was_run(tmp_path: Path) -> None:
    header = recorded(SMALL, tmp_path / "record")[0].header
    assert (header.agents, header.width, header.height) == (25, 5, 5)
    assert (header.period, header.duration, header.seed) == (2.0, 20.0, 3)
    assert (header.clock, header.start, header.started) == ("virtual", 0.0, None)
    assert header.settings["nudge"] == 0.1
    assert header.settings["limit_holds"] == "step"
    assert set(header.versions) == {"python", "cascade-py", "numpy", "pyarrow"}
    assert header.versions["pyarrow"] == pa.__version__


def test_a_record_on_real_time_tells_when_it_was(tmp_path: Path) -> None:
    summary = asyncio.run(
        run_experiment(
            num_agents=4,
            period=0.05,
            duration_seconds=0.3,
            visualize=False,
            record=tmp_path / "record",
        )
    )
    record = read_record(tmp_path / "record")
    assert digest(record) == summary.digest
    assert (record.header.clock, record.header.seed) == ("real", summary.seed)
    assert record.header.start > 0
    assert str(record.header.started).endswith("+00:00")
    assert 0 < record.end <= 0.3 + float(record.lateness.max())


def test_who_keeps_a_record_changes_nothing_and_the_same_seed_is_the_same_world(
    tmp_path: Path,
) -> None:
    one, _, summary = recorded(SMALL, tmp_path / "one")
    other, _, _ = recorded(SMALL, tmp_path / "other")
    assert run_virtual(Fireflies(SMALL).run()).digest == summary.digest
    assert np.array_equal(one.times, other.times)
    assert np.array_equal(one.agents, other.agents)
    assert np.array_equal(one.lateness, other.lateness)
    for name in one.samples:
        assert np.array_equal(one.samples[name], other.samples[name], equal_nan=True)


def test_cancelled_it_closes_its_record(tmp_path: Path) -> None:
    async def main() -> None:
        running = asyncio.create_task(Fireflies(SMALL, record=tmp_path / "record").run())
        await asyncio.sleep(5.05)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running

    run_virtual(main())
    record = read_record(tmp_path / "record")
    assert record.complete
    assert 4.9 < record.end <= 5.05


def test_a_record_that_cant_be_written_any_more_ends_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main() -> None:
        running = asyncio.create_task(
            run_experiment(num_agents=4, period=0.1, visualize=False, record=tmp_path / "record")
        )
        await asyncio.sleep(0.1)
        full = os.open("/dev/full", os.O_WRONLY)
        real = os.write
        monkeypatch.setattr(os, "write", lambda _, data: real(full, data))
        try:
            with pytest.raises(OSError, match="No space left"):
                await running
        finally:
            monkeypatch.undo()
            os.close(full)

    asyncio.run(main())


def test_without_pyarrow_the_option_names_the_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    answer = CliRunner().invoke(run_fireflies.app, ["--record", str(tmp_path / "record")])
    assert answer.exit_code == 2
    assert "--record needs 'pyarrow'" in answer.output
    assert "cascade-py[record]" in answer.output
    assert list(tmp_path.iterdir()) == []
    monkeypatch.delitem(sys.modules, "observatory.records.writer", raising=False)
    monkeypatch.delitem(sys.modules, "observatory.records.format", raising=False)
    with pytest.raises(MissingExtraError, match="pyarrow"):
        run_virtual(run_experiment(visualize=False, record=tmp_path / "record"))


# A program that keeps a record, and tells each flash, and when that was, as it happens.
TELLING = """
import asyncio, os, sys
from time import monotonic
from cascade.testing import run_virtual
from observatory.experiments.run_fireflies import run_experiment

class Telling:
    async def connect(self): pass
    async def disconnect(self): pass
    async def publish(self, topic, payload, qos=0, retain=False):
        if topic == "firefly/flash":
            line = f"{monotonic()} {payload['agent_id']}\\n"
            os.write(1, line.encode())
    async def subscribe(self, topic, callback):
        class Handle:
            def unsubscribe(self): pass
        return Handle()

experiment = run_experiment(
    num_agents=100, period=0.4, nudge=0.02, visualize=False, seed=1, duration_seconds=1e6,
    connector=Telling(), record=sys.argv[1],
)
run_virtual(experiment) if sys.argv[2] == "virtual" else asyncio.run(experiment)
"""


@pytest.mark.parametrize("clock", ["real", "virtual"])
def test_a_kill_loses_nothing_older_than_a_second(tmp_path: Path, clock: str) -> None:
    command = [sys.executable, "-c", TELLING, str(tmp_path / "record"), clock]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as program:
        assert program.stdout is not None
        told = [program.stdout.readline()]
        try:
            while float(told[-1].split()[0]) < float(told[0].split()[0]) + 1.4:
                told.append(program.stdout.readline())
        finally:
            killed_at = monotonic()
            program.send_signal(signal.SIGKILL)
        told += [line for line in program.stdout if line.endswith(b"\n")]
    assert program.returncode == -signal.SIGKILL
    flashes = [(float(when), int(agent)) for when, agent in (line.split() for line in told)]
    # What the program said while its killer was still on the way doesn't tell how old a flash is.
    older = [agent for when, agent in flashes if when < killed_at - 1.0]
    assert len(older) > 20
    record = read_record(tmp_path / "record")
    assert not record.complete
    assert record.agents[: len(older)].tolist() == older
    every = [agent for _, agent in flashes]
    assert record.agents[: len(every)].tolist() == every[: len(record.agents)]
    # It opens in anybody else's hands, too: only whole batches are in it.
    with contextlib.closing(pa.OSFile(str(tmp_path / "record"))) as file:
        assert pa.ipc.open_stream(file).read_all().num_rows >= len(record.times)
