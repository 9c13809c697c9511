"""The command `fireflies`: every option, every refusal, and what it writes where."""

from __future__ import annotations

import asyncio
import inspect
import itertools
import json
import math
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from cascade.connectors.local import LocalBroker, LocalBusConnector
from cascade.testing import run_virtual
from observatory.experiments import run_fireflies
from observatory.experiments.recorder import Summary
from observatory.experiments.run_fireflies import run_experiment
from observatory.networking.topology import moore_neighbors
from observatory.reference.fireflies import simulate
from observatory.visualization.palette import Palettes

KEYS = {
    "agents",
    "width",
    "height",
    "period",
    "nudge",
    "limit",
    "seed",
    "time",
    "duration",
    "elapsed",
    "flashes",
    "missed",
    "pulses",
    "order_parameter",
    "active",
    "steps",
    "lateness_s",
    "dropped",
    "digest",
    "topology",
    "model",
}
SMALL = ["--agents", "9", "--duration", "20", "--time", "virtual"]
PROGRAM = [sys.executable, "-m", "observatory.experiments.run_fireflies"]
NAN, INF = math.nan, math.inf


@dataclass(frozen=True)
class Outcome:
    """How a command ended and what it has printed."""

    code: int
    out: str
    err: str

    @property
    def summary(self) -> dict[str, Any]:
        """The summary in the last line of stdout."""
        summary = json.loads(self.out.splitlines()[-1])
        assert isinstance(summary, dict)
        return summary

    @property
    def bars(self) -> list[str]:
        """The lines with a bar."""
        return [line for line in self.out.splitlines() if "█" in line or "·" in line]


Command = Callable[..., Outcome]


@pytest.fixture
def fireflies(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Command]:
    """The command, run in this process as the console would run it."""

    def command(*arguments: str | Path) -> Outcome:
        monkeypatch.setattr(sys, "argv", ["fireflies", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            run_fireflies.main()
        assert isinstance(ended.value.code, int)
        return Outcome(ended.value.code, *capsys.readouterr())

    before = signal.getsignal(signal.SIGINT)
    yield command
    signal.signal(signal.SIGINT, before)


# --- every option -----------------------------------------------------------------------------


def test_the_summary_is_the_last_line_of_stdout_and_has_exactly_its_keys(
    fireflies: Command,
) -> None:
    outcome = fireflies(*SMALL, "--summary", "-")
    assert outcome.code == 0
    assert outcome.err == ""
    assert outcome.out.endswith("}\n")
    assert set(outcome.summary) == KEYS
    assert set(outcome.summary["order_parameter"]) == {"first", "last", "max"}
    assert set(outcome.summary["active"]) == {"max", "mean"}
    assert set(outcome.summary["steps"]) == {"total", "min_per_agent", "max_per_agent"}
    assert set(outcome.summary["lateness_s"]) == {"p50", "p99", "max"}


def test_every_number_reaches_the_experiment(fireflies: Command) -> None:
    numbers = ["--agents", "12", "--period", "2.5", "--nudge", "0.125", "--duration", "20"]
    outcome = fireflies(
        *numbers, "--limit", "5", "--seed", "17", "--time", "virtual", "--summary", "-"
    )
    told = {
        "agents": 12,
        "width": 4,
        "height": 3,
        "period": 2.5,
        "nudge": 0.125,
        "limit": 5,
        "seed": 17,
        "time": "virtual",
        "duration": 20.0,
    }
    assert {name: outcome.summary[name] for name in told} == told
    assert outcome.summary["active"]["max"] == 5


def test_its_flashes_are_those_of_the_reference(fireflies: Command) -> None:
    outcome = fireflies(*SMALL, "--seed", "4", "--summary", "-")
    assert outcome.summary["flashes"] == len(simulate(9, 5.0, 0.2, 20.0, seed=4).flashes)


def test_the_limit_has_a_second_name(fireflies: Command) -> None:
    outcome = fireflies(*SMALL, "--concurrency-limit", "3", "--summary", "-")
    assert (outcome.summary["limit"], outcome.summary["active"]["max"]) == (3, 3)


def test_on_virtual_time_a_seed_reproduces_the_summary(fireflies: Command) -> None:
    summaries = [
        fireflies(*SMALL, "--limit", "4", "--seed", "5", "--summary", "-").summary for _ in "12"
    ]
    for summary in summaries:
        assert summary.pop("elapsed") > 0
    assert summaries[0] == summaries[1]


def test_without_a_seed_one_is_drawn_and_told(fireflies: Command) -> None:
    first = fireflies(*SMALL, "--summary", "-")
    second = fireflies(*SMALL, "--summary", "-")
    assert first.summary["seed"] != second.summary["seed"]
    again = fireflies(*SMALL, "--summary", "-", "--seed", str(first.summary["seed"]))
    assert again.summary["digest"] == first.summary["digest"] != second.summary["digest"]


def test_a_seed_may_be_negative(fireflies: Command) -> None:
    assert fireflies(*SMALL, "--seed", "-3", "--summary", "-").summary["seed"] == -3


def test_real_time_is_the_default(fireflies: Command) -> None:
    outcome = fireflies("--agents", "9", "--period", "0.05", "--duration", "0.3", "--summary", "-")
    assert outcome.summary["time"] == "real"
    assert outcome.summary["elapsed"] >= 0.29
    assert outcome.summary["duration"] == pytest.approx(0.3)
    explicit = fireflies("--agents", "1", "--duration", "0.01", "--time", "real", "--summary", "-")
    assert explicit.summary["time"] == "real"


def test_the_summary_goes_to_a_file(fireflies: Command, tmp_path: Path) -> None:
    file = tmp_path / "summary.json"
    file.write_text("what an earlier run has left here, and it was longer\n" * 100)
    outcome = fireflies(*SMALL, "--summary", file)
    assert outcome.code == 0
    assert "{" not in outcome.out
    assert set(json.loads(file.read_text())) == KEYS
    assert file.read_text().count("\n") == 1


def test_without_the_option_the_summary_is_for_people_only(fireflies: Command) -> None:
    outcome = fireflies(*SMALL, "--limit", "3", "--seed", "6")
    assert "{" not in outcome.out
    for part in ("9 on a torus of 3×3", "virtual time", "3; in use", "flashes", "6"):
        assert part in outcome.out


def test_the_log_holds_whole_json_lines(fireflies: Command, tmp_path: Path) -> None:
    file = tmp_path / "log.jsonl"
    outcome = fireflies(*SMALL, "--limit", "3", "--log", file, "--summary", "-")
    text = file.read_text()
    assert text.endswith("\n")
    lines = [json.loads(line) for line in text.splitlines()]
    assert {line["key"] for line in lines} == {
        "lateness_s",
        "order_parameter",
        "slots.used",
        "slots.waiting",
    }
    flashes = sum(line["count"] for line in lines if line["key"] == "lateness_s")
    assert flashes == outcome.summary["flashes"]


def test_no_visualize_prints_no_lines_and_visualize_lines_with_a_bar(fireflies: Command) -> None:
    silent = fireflies(*SMALL, "--no-visualize")
    assert silent.bars == []
    shown = fireflies(*SMALL, "--visualize", "--summary", "-")
    assert len(shown.bars) in (19, 20)
    assert all(" R 0." in line or " R 1." in line for line in shown.bars)
    assert set(shown.summary) == KEYS


def test_lines_tell_of_slots_where_there_is_a_limit(fireflies: Command) -> None:
    shown = fireflies(*SMALL, "--visualize", "--limit", "3")
    assert all("slots 3, waiting 6" in line for line in shown.bars)
    assert shown.bars
    assert "slots" not in fireflies(*SMALL, "--visualize").out


def test_a_long_run_on_virtual_time_prints_a_screenful_and_not_a_line_a_second(
    fireflies: Command,
) -> None:
    shown = fireflies("--agents", "2", "--duration", "6000", "--time", "virtual", "--visualize")
    assert len(shown.bars) in (59, 60)


def test_where_stdout_is_no_terminal_nothing_is_visualized(fireflies: Command) -> None:
    assert fireflies(*SMALL).bars == []


def test_help_names_every_option(fireflies: Command) -> None:
    outcome = fireflies("--help")
    assert outcome.code == 0
    options = (
        "--agents --limit --concurrency-limit --period --nudge --duration --visualize "
        "--no-visualize --seed --time --summary --log"
    )
    for option in options.split():
        assert option in outcome.out, option


@pytest.mark.parametrize(("count", "squares"), [(97, (81, 100)), (5, (4, 9)), (7, (4, 9))])
def test_a_prime_count_runs_and_says_which_counts_make_a_square(
    fireflies: Command, count: int, squares: tuple[int, int]
) -> None:
    arguments = ["--duration", "2", "--time", "virtual", "--summary", "-"]
    outcome = fireflies("--agents", str(count), *arguments)
    assert outcome.code == 0
    assert (outcome.summary["width"], outcome.summary["height"]) == (count, 1)
    assert len(outcome.err.splitlines()) == 1
    for number in (count, *squares):
        assert str(number) in outcome.err


@pytest.mark.parametrize("count", [1, 4, 6, 12, 100])
def test_other_counts_are_run_without_a_word(fireflies: Command, count: int) -> None:
    outcome = fireflies("--agents", str(count), "--duration", "2", "--time", "virtual")
    assert (outcome.code, outcome.err) == (0, "")


@pytest.mark.parametrize(
    "options",
    [
        ["--topology", "ring"],
        ["--model", "mirollo-strogatz", "--dissipation", "2", "--topology", "complete"],
    ],
)
def test_agents_and_the_reference_come_to_the_same(fireflies: Command, options: list[str]) -> None:
    arguments = [*SMALL, "--seed", "3", *options, "--summary", "-"]
    by_agents, calculated = (
        json.loads(fireflies(*arguments, "--engine", engine).out.splitlines()[-1])
        for engine in ("agents", "reference")
    )
    assert by_agents["digest"] == calculated["digest"]
    assert [options[1] in (by_agents["topology"], by_agents["model"])] == [True]


def test_a_mean_field_runs_as_a_reference(fireflies: Command) -> None:
    options = ["--model", "kuramoto", "--coupling", "4", "--half-width", "0.1"]
    options += ["--engine", "reference", "--summary", "-"]
    summary = json.loads(fireflies(*SMALL, *options).out.splitlines()[-1])
    assert (summary["model"], summary["topology"]) == ("kuramoto", "complete")
    assert summary["order_parameter"]["last"] > 0.9


# --- what is refused --------------------------------------------------------------------------


def refused() -> Iterator[tuple[str, str]]:
    for option in ("--agents", "--limit", "--concurrency-limit"):
        for value in ("0", "-1", "1.5", "nan", "inf", "many", ""):
            yield option, value
    for option in ("--period", "--duration", "--strict"):
        for value in ("0", "-1", "-0.5", "nan", "inf", "-inf", "1e999", "long", ""):
            yield option, value
    for value in ("-1", "-0.1", "nan", "inf", "-inf", "little", ""):
        yield "--nudge", value
    for value in ("1.5", "nan", "inf", "dice", ""):
        yield "--seed", value
    for value in ("lunar", "REAL", "0", ""):
        yield "--time", value
    yield "--period", "1e-10"
    yield "--topology", "star"
    yield "--model", "winfree"
    yield "--model", "kuramoto"
    yield "--engine", "steam"
    for option in ("--dissipation", "--coupling", "--half-width"):
        for value in ("3.5", "-1", "nan", "weak"):
            yield option, value


def refusal(outcome: Outcome) -> str:
    assert outcome.code == 2
    assert outcome.out == ""
    (line,) = outcome.err.splitlines()
    assert outcome.err.endswith("\n")
    return line


@pytest.mark.parametrize(("option", "value"), list(refused()))
def test_a_bad_value_is_refused_in_one_line_that_names_the_option_and_the_value(
    fireflies: Command, option: str, value: str
) -> None:
    line = refusal(fireflies(f"{option}={value}"))
    assert ("--limit" if option == "--concurrency-limit" else option) in line
    said = line.partition("got ")[2].strip("'")
    try:
        same = said == value or float(said) == float(value) or float(said) != float(said)
    except ValueError:
        same = False
    assert same, line


def test_a_number_of_thousands_of_digits_is_refused_in_a_line_that_can_be_read(
    fireflies: Command,
) -> None:
    line = refusal(fireflies("--agents", "9" * 5000))
    assert "--agents" in line
    assert len(line) < 400


@pytest.mark.parametrize("option", ["--summary", "--log", "--still", "--cast", "--record"])
def test_a_path_that_cant_be_written_is_refused_before_the_run(
    fireflies: Command, option: str, tmp_path: Path
) -> None:
    for path, reason in (
        (tmp_path / "missing" / "file", "No such file or directory"),
        (tmp_path, "Is a directory"),
    ):
        line = refusal(fireflies(option, path, "--agents", "97"))
        assert option in line
        assert str(path) in line
        assert reason in line
    assert option in refusal(fireflies(f"{option}="))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--brightness", "3"], "--brightness"),
        (["--agents"], "--agents"),
        (["--visualize=3"], "--visualize"),
        (["nine"], "nine"),
    ],
)
def test_what_is_no_option_is_refused_in_one_line(
    fireflies: Command, arguments: list[str], named: str
) -> None:
    assert named in refusal(fireflies(*arguments))


def test_what_agents_dont_know_and_a_calculation_doesnt_have_is_refused(
    fireflies: Command,
) -> None:
    line = refusal(fireflies("--model", "kuramoto"))
    assert "--model must be fixed or mirollo-strogatz with agents" in line
    assert "--engine reference" in line
    line = refusal(fireflies("--engine", "reference", "--limit", "3"))
    assert line == "fireflies: --limit must be left out with --engine reference, got 3"
    line = refusal(fireflies("--engine", "reference", "--strict", "20"))
    assert line == (
        "fireflies: --strict must be left out with --engine reference: its flashes are never late"
    )
    for option in (["--control"], ["--control-name", "world"]):
        line = refusal(fireflies("--engine", "reference", *option))
        assert line == (
            "fireflies: --control must be left out with --engine reference: it has no agents"
        )


def test_a_refused_command_leaves_no_files(fireflies: Command, tmp_path: Path) -> None:
    files = ["--summary", tmp_path / "summary.json", "--log", tmp_path / "log.jsonl"]
    files += ["--record", tmp_path / "record"]
    refusal(fireflies(*files, "--limit", "0"))
    assert list(tmp_path.iterdir()) == []
    refusal(fireflies(*files, "--still", tmp_path / "missing" / "still.svg"))
    refusal(fireflies(*files, "--still", tmp_path / "record"))
    assert list(tmp_path.iterdir()) == []


FILES = ["--summary", "--still", "--cast", "--record", "--log"]


@pytest.mark.parametrize(("one", "other"), [*itertools.combinations(FILES, 2)])
def test_no_two_options_write_into_one_file(
    fireflies: Command, tmp_path: Path, one: str, other: str
) -> None:
    file, link = tmp_path / "file", tmp_path / "link"
    file.write_text("mine")
    link.symlink_to(file)
    line = refusal(fireflies(*SMALL, other, file, one, link))
    assert f"{other} must be another file than {one}, got " in line
    assert file.read_text() == "mine"


def test_what_isnt_kept_may_be_shared(fireflies: Command) -> None:
    assert fireflies(*SMALL, "--still", os.devnull, "--log", os.devnull).code == 0


# --- as a typer application -------------------------------------------------------------------


def test_the_app_is_a_typer_application() -> None:
    assert isinstance(run_fireflies.app, typer.Typer)
    result = CliRunner().invoke(run_fireflies.app, [*SMALL, "--seed", "3", "--summary", "-"])
    assert result.exit_code == 0
    assert set(json.loads(result.stdout.splitlines()[-1])) == KEYS


def test_the_app_refuses_what_the_command_refuses() -> None:
    result = CliRunner().invoke(run_fireflies.app, ["--limit", "0"])
    assert result.exit_code == 2
    assert result.stderr.splitlines() == [
        "fireflies: --limit must be a whole number ≥ 1, got 0",
    ]
    assert CliRunner().invoke(run_fireflies.app, ["--agents", "x"]).exit_code == 2


# --- as a program -----------------------------------------------------------------------------


def program(*arguments: str, **more: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*PROGRAM, *arguments],
        stderr=subprocess.PIPE,
        encoding="utf-8",
        timeout=60,
        check=False,
        **{"stdout": subprocess.PIPE, **more},
    )


def test_the_program_does_what_the_command_does(fireflies: Command) -> None:
    arguments = [*SMALL, "--seed", "8", "--summary", "-"]
    ended = program(*arguments)
    assert (ended.returncode, ended.stderr) == (0, "")
    theirs, ours = json.loads(ended.stdout.splitlines()[-1]), fireflies(*arguments).summary
    del theirs["elapsed"], ours["elapsed"]
    assert theirs == ours


def test_the_program_refuses_with_exit_code_2_and_without_a_traceback() -> None:
    ended = program("--limit", "0")
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr == "fireflies: --limit must be a whole number ≥ 1, got 0\n"


def test_what_doesnt_go_to_a_terminal_is_free_of_codes() -> None:
    ended = program(*SMALL, "--visualize", "--summary", "-")
    assert "█" in ended.stdout
    codes = {character for character in ended.stdout if ord(character) < 32}
    assert codes == {"\n"}


def test_a_reader_that_has_enough_ends_the_run_without_a_traceback(tmp_path: Path) -> None:
    endless = [*PROGRAM, "--agents", "9", "--period", "0.5", "--duration", "600", "--visualize"]
    endless += ["--summary", str(tmp_path / "summary.json")]
    ended = subprocess.run(
        ["sh", "-c", f"{shlex.join(endless)} | head -1"],
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        check=True,
    )
    assert len(ended.stdout.splitlines()) == 1
    assert ended.stderr == ""
    # How far it came is kept all the same; the shell may be done before.
    give_up = time.monotonic() + 30
    while not (tmp_path / "summary.json").stat().st_size and time.monotonic() < give_up:
        time.sleep(0.01)
    assert json.loads((tmp_path / "summary.json").read_text())["duration"] >= 1


@pytest.mark.parametrize("buffering", [{}, {"PYTHONUNBUFFERED": "1"}])
@pytest.mark.parametrize("shown", ["--visualize", "--no-visualize"])
def test_a_reader_that_is_gone_from_the_start_is_no_traceback_either(
    shown: str, buffering: dict[str, str]
) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    environment = {**os.environ, **buffering}
    if not buffering:
        environment.pop("PYTHONUNBUFFERED", None)
    try:
        ended = program(*SMALL, shown, "--summary", "-", stdout=writer, env=environment)
    finally:
        os.close(writer)
    assert (ended.returncode, ended.stderr) == (1, "")


def test_an_encoding_without_blocks_gets_a_bar_of_something_else() -> None:
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    ended = program(*SMALL, "--visualize", "--summary", "-", env=environment)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert "????" in ended.stdout
    assert set(json.loads(ended.stdout.splitlines()[-1])) == KEYS


def test_it_runs_without_a_stdout() -> None:
    ended = subprocess.run(
        ["sh", "-c", f"{shlex.join([*PROGRAM, *SMALL])} >&-"],
        stderr=subprocess.PIPE,
        encoding="utf-8",
        timeout=60,
        check=True,
    )
    assert ended.stderr == ""


@pytest.mark.parametrize("streams", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_streams_that_are_closed_from_the_start_are_no_trouble(streams: str) -> None:
    real = ["--agents", "4", "--duration", "0.1", "--period", "1", "--no-visualize"]
    ended = subprocess.run(
        ["sh", "-c", f"{shlex.join([*PROGRAM, *real])} {streams}"], capture_output=True, timeout=60
    )
    assert (ended.returncode, ended.stderr) == (0, b"")
    assert (b"lateness" in ended.stdout) is (" >&-" not in f" {streams}")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the system has no full disk to offer")
@pytest.mark.parametrize(
    ("option", "stdout"),
    [
        *(("--summary", ""), ("--summary", ">&-"), ("--log", ""), ("--record", "")),
        *(("--still", ""), ("--cast", "")),
    ],
)
def test_a_full_disk_is_one_line_that_names_the_file(option: str, stdout: str) -> None:
    command = shlex.join([*PROGRAM, *SMALL, option, "/dev/full"])
    ended = subprocess.run(
        ["sh", "-c", f"{command} {stdout}"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        timeout=60,
    )
    assert ended.returncode == 1
    assert ended.stderr == "fireflies: '/dev/full': No space left on device\n"


# --- from Python ------------------------------------------------------------------------------


def test_names_that_users_rely_on() -> None:
    assert run_fireflies.get_neighbors is moore_neighbors
    assert (run_fireflies.GRID_SIDE, run_fireflies.NUM_AGENTS) == (30, 900)
    assert run_fireflies.PERIOD == 5.0
    for name in run_fireflies.__all__:
        assert hasattr(run_fireflies, name)


def test_the_arguments_of_run_experiment_and_their_defaults() -> None:
    parameters = inspect.signature(run_experiment).parameters.values()
    given = {p.name: p.default for p in parameters if p.kind is not p.KEYWORD_ONLY}
    assert list(given.items()) == [
        ("num_agents", 900),
        ("period", 5.0),
        ("nudge", 0.2),
        ("duration_seconds", 3000.0),
        ("visualize", True),
        ("decay_duty_cycle", 0.3),
        ("concurrency_limit", None),
        ("seed", None),
    ]
    assert {p.name for p in parameters if p.kind is p.KEYWORD_ONLY} == {
        "limit_holds",
        "refractory_period",
        "connector",
        "log",
        "palette_func",
        "still",
        "cast",
        "record",
        "strict",
        "topology",
        "model",
        "dissipation",
        "coupling",
        "half_width",
        "engine",
    }
    keywords = {p.name: p.default for p in parameters if p.kind is p.KEYWORD_ONLY}
    assert keywords.pop("palette_func") is Palettes.firefly
    assert keywords.pop("limit_holds") == "step"
    assert keywords.pop("model") == "fixed"
    assert keywords.pop("engine") == "agents"
    assert set(keywords.values()) == {None}


def test_run_experiment_returns_the_summary(capsys: pytest.CaptureFixture[str]) -> None:
    summary = run_virtual(run_experiment(12, 2.0, 0.1, 20.0, False, 0.3, 5, 7))
    assert isinstance(summary, Summary)
    assert set(summary.as_dict()) == KEYS
    assert (summary.agents, summary.period, summary.nudge) == (12, 2.0, 0.1)
    assert (summary.duration, summary.limit, summary.seed) == (20.0, 5, 7)
    assert capsys.readouterr() == ("", "")


def test_run_experiment_on_a_real_loop() -> None:
    summary = asyncio.run(
        run_experiment(num_agents=4, period=0.05, duration_seconds=0.2, visualize=False)
    )
    assert summary.time == "real"
    assert summary.elapsed >= 0.19


def test_run_experiment_visualizes_by_default(capsys: pytest.CaptureFixture[str]) -> None:
    run_virtual(run_experiment(num_agents=4, duration_seconds=5.5))
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 5
    assert all("█" in line or "·" in line for line in lines)


def test_run_experiment_draws_a_seed_and_tells_it() -> None:
    first, second = (
        run_virtual(run_experiment(4, duration_seconds=20.0, visualize=False)) for _ in "12"
    )
    assert first.seed != second.seed
    again = run_virtual(run_experiment(4, duration_seconds=20.0, visualize=False, seed=first.seed))
    assert again.digest == first.digest


def test_run_experiment_tells_flashes_and_metrics_where_it_is_asked_to(tmp_path: Path) -> None:
    async def scenario() -> tuple[int, Summary]:
        connector = LocalBusConnector(LocalBroker())
        await connector.connect()
        heard = 0

        async def hear(topic: str, payload: Any) -> None:
            nonlocal heard
            heard += 1

        await connector.subscribe("firefly/flash", hear)
        summary = await run_experiment(
            num_agents=9,
            duration_seconds=20.5,
            visualize=False,
            refractory_period=2.0,
            connector=connector,
            log=tmp_path / "log.jsonl",
            seed=2,
        )
        await connector.disconnect()
        return heard, summary

    heard, summary = run_virtual(scenario())
    assert heard == summary.flashes == len(simulate(9, 5.0, 0.2, 20.5, 2, 2.0).flashes)
    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert {line["key"] for line in lines} == {"lateness_s", "order_parameter"}


@pytest.mark.parametrize(
    ("name", "value", "error"),
    [
        ("num_agents", 0, ValueError),
        ("num_agents", 2.5, TypeError),
        ("period", 0.0, ValueError),
        ("period", NAN, ValueError),
        ("period", "5", TypeError),
        ("nudge", -0.1, ValueError),
        ("nudge", None, TypeError),
        ("duration_seconds", 0.0, ValueError),
        ("duration_seconds", -1.0, ValueError),
        ("duration_seconds", INF, ValueError),
        ("duration_seconds", "1", TypeError),
        ("decay_duty_cycle", 0.0, ValueError),
        ("decay_duty_cycle", 1.5, ValueError),
        ("concurrency_limit", 0, ValueError),
        ("concurrency_limit", -1, ValueError),
        ("concurrency_limit", 1.5, TypeError),
        ("concurrency_limit", True, TypeError),
        ("seed", 1.5, TypeError),
        ("refractory_period", 0.0, ValueError),
        ("refractory_period", 5.5, ValueError),
        ("strict", 0.0, ValueError),
        ("strict", INF, ValueError),
        ("strict", "1", TypeError),
    ],
)
def test_run_experiment_refuses_a_bad_argument_by_its_name(
    name: str, value: Any, error: type[Exception]
) -> None:
    with pytest.raises(error, match=f"^{name} must be") as caught:
        run_virtual(run_experiment(**{name: value}))
    assert repr(value) in str(caught.value)


def test_run_experiment_refuses_a_log_that_cant_be_written(tmp_path: Path) -> None:
    with pytest.raises(IsADirectoryError):
        run_virtual(run_experiment(num_agents=1, duration_seconds=1.0, log=tmp_path))
