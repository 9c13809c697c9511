"""A strict run ends with an error when flashes are too late on real time, and only then."""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from cascade.testing import run_virtual
from observatory.experiments.config import FirefliesConfig
from observatory.experiments.fireflies import Fireflies
from observatory.experiments.run_fireflies import run_experiment
from observatory.experiments.strict import TooLateError, until_too_late

QUICK: Any = {"num_agents": 4, "period": 0.25, "visualize": False, "seed": 1}


def test_it_looks_once_a_second_and_tells_what_it_saw() -> None:
    course = iter([None, 0.01, 0.02, 0.0201, 1.0])
    with pytest.raises(TooLateError) as caught:
        run_virtual(until_too_late(0.0, 0.02, lambda: next(course)))
    error = caught.value
    assert (error.lateness, error.limit, error.time) == (0.0201, 0.02, 4.0)
    assert str(error) == "lateness p99 was 20.1 ms after 4 s, and must be at most 20 ms"
    said = "lateness p99 was 3,812.4 ms after 1 s, and must be at most 20 ms"
    assert str(TooLateError(3.8124, 0.02, 1.0)) == said


def test_a_loop_that_is_held_up_ends_the_run() -> None:
    async def main() -> None:
        async def hold_up() -> None:
            while True:
                await asyncio.sleep(0.01)
                time.sleep(0.3)  # noqa: ASYNC251 - holding the loop up is what it is for

        holding = asyncio.create_task(hold_up())
        try:
            await run_experiment(**QUICK, duration_seconds=60.0, strict=0.05)
        finally:
            holding.cancel()

    with pytest.raises(TooLateError) as caught:
        asyncio.run(main())
    assert caught.value.lateness > 0.05
    assert caught.value.time == pytest.approx(1.0)


def test_one_that_is_in_time_goes_on() -> None:
    summary = asyncio.run(run_experiment(**QUICK, duration_seconds=1.2, strict=30.0))
    assert summary.duration == pytest.approx(1.2)


def test_on_virtual_time_it_never_fires() -> None:
    config = FirefliesConfig(num_agents=25, period=2.0, duration=20.0, limit=2, seed=1)
    summary = run_virtual(Fireflies(config, strict=1e-9).run())
    assert summary.lateness_s["p99"] is not None
    assert summary.lateness_s["p99"] > 1.0  # under the limit they are late, in the world's own time
    assert summary.duration == 20.0


def test_the_command_says_so_in_one_line_with_an_exit_code_of_its_own(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "observatory.experiments.run_fireflies", "--strict", "1e-6"]
    command += ["--agents=4", "--period=0.25", "--duration=60", "--no-visualize", "--summary=-"]
    answer = subprocess.run(
        command, capture_output=True, text=True, timeout=60, check=False, env=os.environ
    )
    assert answer.returncode == 3
    (line,) = answer.stderr.splitlines()
    assert line.startswith("fireflies: lateness p99 was ")
    assert re.search(r" ms after \d+ s, and must be at most 1e-06 ms \(--strict\)$", line)
    # What came out until then is told as always.
    assert json.loads(answer.stdout.splitlines()[-1])["flashes"] > 0
