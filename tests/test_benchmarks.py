"""The benchmarks' harness: it compares, prints a table, and fails on a budget exceeded."""

from __future__ import annotations

import asyncio
import gc
import json
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest

from cascade import testing
from observatory.experiments.config import FirefliesConfig
from observatory.reference.fireflies import simulate

sys.path.insert(0, str(Path(__file__).parent.parent))  # they aren't part of what is installed

from benchmarks import fireflies, graphs, harness, limits, machines, view
from benchmarks.__main__ import main
from benchmarks.harness import Row, Sample, Work, measure, settle
from benchmarks.lights import Lights


def row_of(ratio: float, *, exceeded: bool = False, name: str = "work") -> Row:
    sample = Sample.of([1.0])
    return Row(name, 1, "µs", sample, sample, ratio, "≤ 2 ×", exceeded)


class Loops:
    """Two ways of counting, one with more turns than the other."""

    def __init__(self, budget: float | None) -> None:
        self.budget = budget
        self.measured = 0

    def __call__(self, quick: bool) -> Iterable[Row]:
        self.measured += 1

        def count(turns: int) -> Callable[[], None]:
            return lambda: [None for _ in range(turns)].clear()

        yield measure(
            Work("counting", 1_000, count(1_000), count(30_000), self.budget, rounds=3 + quick)
        )


class TestMeasure:
    def test_takes_turns_and_sums_up(self) -> None:
        order: list[str] = []
        work = Work(
            "noting", 10, lambda: order.append("floor"), lambda: order.append("cascade"), rounds=4
        )
        row = measure(work)
        assert order == ["floor", "cascade", "cascade", "floor"] * 2
        assert (row.name, row.items, row.unit) == ("noting", 10, "µs")
        assert row.ratio == row.cascade.median / row.floor.median
        assert not row.exceeded

    def test_runs_and_times_coroutines(self) -> None:
        async def wait() -> int:
            for _ in range(1_000):
                await asyncio.sleep(0)
            return 7

        row = measure(Work("waiting", 1, lambda: 7, wait, rounds=3))
        assert row.ratio > 10

    @pytest.mark.parametrize("collect", [False, True])
    def test_both_sides_have_the_same_collector(self, collect: bool) -> None:
        seen: list[bool] = []
        work = Work(
            "looking",
            1,
            lambda: seen.append(gc.isenabled()),
            lambda: seen.append(gc.isenabled()),
            rounds=2,
            collector=collect,
        )
        before = gc.isenabled()
        measure(work)
        assert seen == [collect] * 4
        assert gc.isenabled() is before

    def test_refuses_sides_that_differ(self) -> None:
        with pytest.raises(RuntimeError, match="odd: the two sides differ, 1 and 2"):
            measure(Work("odd", 1, lambda: 1, lambda: 2))

    def test_sample(self) -> None:
        assert Sample.of([4.0, 2.0, 9.0]) == Sample(median=4.0, best=2.0, spread=1.75)


class TestSettle:
    def test_gives_a_noisy_row_another_attempt_and_keeps_what_was_good(self) -> None:
        attempts: Iterator[list[Row]] = iter(
            [
                [row_of(1.0, name="steady"), row_of(3.0, exceeded=True)],
                [row_of(5.0, name="steady", exceeded=True), row_of(1.5)],
            ]
        )
        rows = settle(lambda quick: next(attempts), quick=True)
        assert rows == [(row_of(1.0, name="steady"), 1), (row_of(1.5), 2)]

    def test_gives_up_after_three(self) -> None:
        calls: list[bool] = []

        def always(quick: bool) -> list[Row]:
            calls.append(quick)
            return [row_of(3.0, exceeded=True)]

        assert settle(always, quick=False) == [(row_of(3.0, exceeded=True), harness.ATTEMPTS)]
        assert calls == [False] * 3


class TestCommand:
    def test_prints_a_table_with_ratios(
        self, capsys: pytest.CaptureFixture[str], tmp_path: Path
    ) -> None:
        file = tmp_path / "figures.json"
        benchmark = Loops(budget=1e6)
        assert main(["--quick", "--json", str(file)], {"loops": benchmark}) == 0
        assert benchmark.measured == 1
        [found] = json.loads(file.read_text())["rows"]
        assert found["name"] == "counting"
        assert found["ratio"] > 2
        printed = capsys.readouterr().out
        [line] = [line for line in printed.splitlines() if line.startswith("counting")]
        assert f"{found['ratio']:.2f}" in line.split()
        assert line.endswith("ok")
        assert "ratio" in printed

    def test_fails_on_a_budget_exceeded(self, capsys: pytest.CaptureFixture[str]) -> None:
        benchmark = Loops(budget=1.0)
        assert main(["--quick"], {"loops": benchmark}) == 1
        assert benchmark.measured == 3
        printed = capsys.readouterr()
        assert "EXCEEDED in 3 attempts" in printed.out
        assert printed.err == "more than the budget, in each of 3 attempts: counting\n"

    def test_runs_only_what_is_named(self) -> None:
        one, other = Loops(budget=None), Loops(budget=None)
        assert main(["one"], {"one": one, "other": other}) == 0
        assert (one.measured, other.measured) == (1, 0)

    def test_refuses_unknown_names(self, capsys: pytest.CaptureFixture[str]) -> None:
        with pytest.raises(SystemExit) as ended:
            main(["loop"], {"loops": Loops(budget=None)})
        assert ended.value.code == 2
        assert "no benchmark is named 'loop'; there are loops" in capsys.readouterr().err


class TestFloors:
    """A floor is only worth something if it does the same work."""

    def test_graphs(self) -> None:
        needs = graphs.needs_of(10)
        expected = graphs.run_sorted(dict(enumerate(needs)), 10)
        assert asyncio.run(graphs.run_as_tasks(needs, 10)) == expected
        assert graphs.run_in_pool(needs, 10) == expected
        for task in (graphs.inline_mix, graphs.async_mix, graphs.thread_mix):
            target = graphs.declare(task, 10)
            assert asyncio.run(graphs.runner_of(target)()) == expected

    def test_trampolines(self) -> None:
        assert machines.bounce(100) == asyncio.run(machines.bounce_async(100)) == 5050

    def test_contention(self) -> None:
        asyncio.run(limits.contend_semaphore(50, 3, 2))
        asyncio.run(limits.contend_manager(50, 3, 2))

    def test_bare_fireflies_are_the_reference_world(self) -> None:
        config = FirefliesConfig(num_agents=25, period=5.0, nudge=0.9, duration=200.0, seed=3)
        world = fireflies.BareWorld(config)
        testing.run_virtual(world.run())
        expected = simulate(25, 5.0, 0.9, 200.0, 3).flashes
        assert len(expected) > 1_000
        assert [(agent, round(time, 9)) for agent, time in world.flashes] == [
            (agent, round(time, 9)) for agent, time in expected
        ]
        assert max(world.lateness) == 0.0

    def test_lights_are_out_of_step_and_lit_once_a_period(self) -> None:
        lights = Lights(400, now=100.0)
        lit_at = lights.grid.matrix.lit_at
        before = list(lit_at)
        assert all(95.0 <= time <= 100.0 for time in before)
        for tenth in range(1, 51):
            lights.light(100.0 + tenth / 10)
            alight = (lights.grid.matrix.at(100.0 + tenth / 10) > 0).mean()
            assert 0.2 < alight < 0.4  # three tenths of a period
        assert [round(time - 5.0, 9) for time in lit_at] == [round(time, 9) for time in before]


class TestRunInTerminal:
    def test_reads_what_is_written_in_a_window_of_that_size(self) -> None:
        program = (
            "import os, sys; print('x' * 50_000, end='', flush=True); "
            "sys.stderr.write(str([*os.get_terminal_size(), os.environ['COLORTERM']]))"
        )
        shown = view.run_in_terminal([sys.executable, "-c", program], view.Size(91, 17))
        assert shown.received == 50_000
        assert shown.errors == "[91, 17, 'truecolor']"
        assert shown.processor > 0

    def test_tells_of_a_program_that_fails(self) -> None:
        command = [sys.executable, "-c", "raise SystemExit('no such light')"]
        with pytest.raises(RuntimeError, match="ended with 1: no such light"):
            view.run_in_terminal(command, view.SMALL)
