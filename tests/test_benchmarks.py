"""The benchmarks' harness: it compares, prints a table, and fails on a budget exceeded."""

from __future__ import annotations

import asyncio
import gc
import json
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

import cascade as cs
from cascade import testing
from observatory.experiments.config import FirefliesConfig
from observatory.reference.fireflies import simulate

sys.path.insert(0, str(Path(__file__).parent.parent))  # they aren't part of what is installed

from benchmarks import (
    agents,
    fireflies,
    graphs,
    harness,
    limits,
    machines,
    peers,
    profile,
    results,
    scaling,
    view,
)
from benchmarks.__main__ import main
from benchmarks.harness import Peer, Row, Sample, Work, measure, settle
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
            Work("counting", 1_000, count(1_000), count(30_000), self.budget, rounds=3 + quick),
            quick,
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
        assert "EXCEEDED (3)" in printed.out
        assert printed.err == "more than 2 times the budget, in every attempt: counting\n"

    def test_the_short_form_accepts_twice_a_budget_and_the_long_one_does_not(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def floor() -> None: ...
        def ours() -> None: ...

        def timed(runner: object, do: object, seconds: list[float], collect: bool) -> None:
            seconds.append(1.0 if do is floor else 1.5)

        monkeypatch.setattr(harness, "_timed", timed)
        work = Work("waiting", 1, floor, ours, 1.0, 3)
        assert measure(work).exceeded
        assert not measure(work, quick=True).exceeded
        assert measure(replace(work, budget=0.5), quick=True).exceeded

    def test_peers_take_part_in_the_long_form(self, capsys: pytest.CaptureFixture[str]) -> None:
        calls: list[int] = []

        async def other() -> None:
            calls.append(1)
            await asyncio.sleep(0)

        peer = Peer("elsewhere", 10, other, rounds=2)
        work = Work("noting", 10, lambda: None, lambda: None, rounds=4, peers=[peer])
        row = measure(work)
        assert len(calls) == 2
        [(name, items, sample, ratio)] = row.peers
        assert (name, items) == ("elsewhere", 10)
        assert ratio == sample.median / row.floor.median
        assert main([], {"noted": lambda quick: [measure(work, quick)]}) == 0
        assert any(x.startswith("    elsewhere") for x in capsys.readouterr().out.splitlines())
        assert measure(work, quick=True).peers == ()

    def test_peers_that_are_missing_are_named(
        self, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(peers, "missing", {})
        assert not peers.available("no_such_module", "no-such-library")
        assert peers.available("json", "json")
        assert main([], {"loops": Loops(budget=None)}) == 0
        assert "left out, as they aren't installed: no-such-library" in capsys.readouterr().out

    def test_results_are_kept_as_a_page_and_a_figure(self, tmp_path: Path) -> None:
        sample = Sample.of([2.0, 3.0])
        other = ("elsewhere", 5, sample, 40.0)
        row = Row("a work", 1000, "µs", sample, sample, 1.25, "≤ 1 ×", True, (other,))
        results.write(tmp_path, "some machine", "first rule\nsecond rule", [row])
        page = (tmp_path / "results.md").read_text()
        assert "Written by `make bench` on some machine." in page
        assert "| a work | 1,000 | µs | 2.5 (± 20%) | 2.5 (± 20%) | 1.25 |" in page
        assert "≤ 1 × **exceeded**" in page
        assert "elsewhere 2.5 (± 20%) (40 ×)" in page
        assert ("![" in page) == (tmp_path / "results.svg").exists()

    def test_profiling_says_what_it_needs(
        self, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(profile, "available", lambda *_: False)
        assert profile.main(["events"]) == 1
        assert "pip install cascade-py[peers]" in capsys.readouterr().err

    def test_a_flat_profile_counts_what_functions_take_by_themselves_below_cascade(self) -> None:
        def frame(name: str, file: str) -> str:
            return f"{name}\0{file}\0{7}\1more"

        outside = frame("main", "/benchmarks/__main__.py")
        run = frame("run", "/src/cascade/app.py")
        sleep = frame("sleep", "/lib/asyncio/tasks.py")
        records = [
            ([outside], 5.0),
            ([outside, sleep], 5.0),
            ([outside, run], 1.0),
            ([outside, run, sleep], 3.0),
        ]
        assert profile.flat(records).splitlines() == [
            " 75.0%  sleep (asyncio/tasks.py)",
            " 25.0%  run (cascade/app.py)",
        ]

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
        needs, mix, mix_async = graphs.needs_of(10), graphs.mix, graphs.mix_async
        expected = graphs.run_sorted(dict(enumerate(needs)), mix, lambda n: mix(n, 1, 2), 10)
        as_tasks = graphs.run_as_tasks(needs, mix_async, lambda n: mix_async(n, 1, 2), 10)
        assert asyncio.run(as_tasks) == expected
        assert graphs.run_in_pool(needs, 10) == expected
        for task in (
            graphs.inline_mix,
            graphs.async_mix,
            graphs.suspending_mix,
            graphs.thread_mix,
        ):
            target = graphs.declare(task, 10)
            assert asyncio.run(graphs.runner_of(target)()) == expected
        assert cs.run(graphs.declare_nested(10)) == expected

    def test_chains(self) -> None:
        for task in (graphs.inline_increment, graphs.async_increment):
            assert cs.run(graphs.declare_chain(task)) == graphs.CHAIN

    def test_a_node_of_a_large_graph_is_measured_in_a_process_of_its_own(self) -> None:
        run = [sys.executable, "-m", "benchmarks.million", "1000"]
        root = Path(__file__).parent.parent
        found = json.loads(subprocess.run(run, cwd=root, capture_output=True, check=True).stdout)
        assert found["microseconds"] > 0
        assert found["bytes"] >= 0

    def test_a_size_that_grows_is_compared_with_the_smallest(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(scaling, "NODES", (1_000, 2_000))
        monkeypatch.setattr(scaling, "AGENTS", (200,))
        monkeypatch.setattr(scaling, "FEW", 2_000)
        monkeypatch.setattr(scaling, "DURATION", 0.5)
        rows = {(row.name, row.unit): row for row in scaling.scaling(True)}
        first, second = (
            rows[f"{size} nodes: declared, built and run, bytes a node", "bytes"]
            for size in ("1,000", "2,000")
        )
        assert first.ratio == 1.0
        assert second.ratio == second.cascade.median / first.cascade.median
        assert rows["an agent's memory, 200 at once", "bytes"].cascade.median > 1_000
        assert ("200 fireflies, processor", "% of a core") in rows

    @pytest.mark.parametrize("world", [agents.bare, agents.with_engines])
    def test_agents_live_as_many_as_are_asked_for(self, world: agents.World) -> None:
        waiting = 0

        def count() -> None:
            nonlocal waiting
            waiting = len(asyncio.all_tasks()) - 1

        asyncio.run(world(count, 5))
        assert waiting == 5

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
