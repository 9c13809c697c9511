"""instrument(): what it takes, what it costs when it isn't used, and what it needs."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import cascade as cs
from cascade import telemetry, testing
from cascade.telemetry.loop_clock import LoopClock, nanoseconds


@pytest.mark.parametrize(
    ("arguments", "error", "says"),
    [
        ({"engine_or_bus": 5}, TypeError, "engine_or_bus must be an Engine or a MessageBus, got 5"),
        ({"tracer_provider": 5}, TypeError, "tracer_provider must have the method get_tracer"),
        ({"meter_provider": "x"}, TypeError, "meter_provider must have the method get_meter"),
        ({"spans_per_task": -1}, ValueError, "spans_per_task must be a whole number ≥ 0, got -1"),
        ({"spans_per_task": True}, TypeError, "spans_per_task must be a whole number"),
    ],
)
def test_a_bad_argument_is_refused_and_nobody_listens(
    arguments: dict[str, Any], error: type[Exception], says: str
) -> None:
    engine = cs.Engine()
    with pytest.raises(error, match=says):
        telemetry.instrument(**{"engine_or_bus": engine, **arguments})
    assert not engine.bus.hot


def python(code: str) -> str:
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    ).stdout


def test_neither_cascade_nor_its_logs_import_opentelemetry() -> None:
    code = "import sys, cascade, cascade.testing; print('cascade.telemetry' in sys.modules);"
    code += "import cascade.telemetry; print('opentelemetry' in sys.modules)"
    assert python(code).split() == ["False", "False"]


def test_without_opentelemetry_the_error_names_the_extra() -> None:
    code = """
import sys
sys.modules["opentelemetry"] = None
import cascade as cs
from cascade import telemetry
telemetry.log_events(cs.MessageBus())
for use in ("telemetry.instrument(cs.Engine())", "import cascade.telemetry.export"):
    try:
        exec(use)
    except cs.errors.MissingExtraError as error:
        print(error.extra, "cascade-py[telemetry]" in str(error))
"""
    assert python(code).split() == ["telemetry", "True"] * 2


def test_with_the_global_providers_of_a_program_that_has_set_none_nothing_happens() -> None:
    code = """
import cascade as cs
from cascade import telemetry, testing

@cs.task
async def name():
    return cs.current().task_name

engine = cs.Engine()
with telemetry.instrument(engine) as handle:
    print(testing.run_virtual(engine.run(name())), handle.open_spans)
"""
    assert python(code).split() == ["name", "0"]


def test_closing_twice_does_nothing() -> None:
    engine = cs.Engine()
    handle = telemetry.instrument(engine)
    assert engine.bus.hot
    handle.close()
    handle.close()
    assert not engine.bus.hot


@given(times=st.lists(st.floats(0, 1e9), min_size=2, max_size=2))
def test_durations_are_those_of_the_loop(times: list[float]) -> None:
    first, second = sorted(times)
    loop = testing.virtual_loop()
    clock = LoopClock()
    clock.begin(loop)
    loop.close()
    assert clock(second) - clock(first) == nanoseconds(second) - nanoseconds(first)


def test_the_clock_follows_the_system_between_runs_but_not_on_virtual_time() -> None:
    import asyncio
    import time

    real, virtual = asyncio.new_event_loop(), testing.virtual_loop()
    try:
        for loop, moves in ((real, True), (virtual, False)):
            clock = LoopClock()
            clock.begin(loop)
            before = clock(0.0)
            time.sleep(0.002)
            clock.begin(loop)
            assert clock(0.0) == before  # one is under way
            clock.open = 0
            clock.begin(loop)
            assert (clock(0.0) != before) is moves
            assert abs(clock(loop.time()) - time.time_ns()) < 10e9
    finally:
        real.close()
        virtual.close()
