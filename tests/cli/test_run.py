"""`cascade run` loads a workflow, runs it, prints its result, and tells what went wrong."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from tests.cli.workflows import call, start, write
from typer.testing import CliRunner

import cascade.cli
from cascade.cli import main
from cascade.cli.command import app

LIMIT_S = 40.0

GREETING = """
name = cs.Param("name", description="whom to greet, 100% politely")
times = cs.Param("times", default=1)
loud = cs.Param("loud", default=True)
tags = cs.Param("all_tags", default=[], type=list)

@cs.task(mode="inline")
def greet(name: str, times: int, loud: bool, tags: list[str]) -> dict:
    return {"said": [f"Hello {name}"] * times, "loud": loud, "tags": tags}

greeting = greet(name, times, loud, tags)
"""

SEVERAL = """
@cs.task(mode="inline")
def one() -> int:
    return 1

@cs.task(mode="inline")
def add(a: int, b: int) -> int:
    return a + b

first = again = one()
total = add(first, 2)
both = {"first": first, "total": total}

def made():
    return [total, first]

def needs(argument):
    return total

async def coroutine():
    return total
"""


class TestWhatIsRun:
    @pytest.mark.parametrize(
        ("name", "printed"),
        [
            ("total", "3"),
            ("both", '{"first": 1, "total": 3}'),
            ("made", "[3, 1]"),
            ("one", "1"),
        ],
    )
    def test_a_lazy_result_a_container_a_function_or_a_task(
        self, tmp_path: Path, name: str, printed: str
    ) -> None:
        result = call("run", f"{write(tmp_path, SEVERAL)}:{name}")
        assert (result.exit_code, result.stdout) == (0, printed + "\n")

    def test_the_only_lazy_result_needs_no_name(self, tmp_path: Path) -> None:
        result = call("run", write(tmp_path, GREETING), "--", "--name", "Ada")
        assert (result.exit_code, json.loads(result.stdout)["said"]) == (0, ["Hello Ada"])

    def test_a_module_by_its_name(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (tmp_path / "parts").mkdir()
        write(tmp_path / "parts", SEVERAL, "sums.py")
        monkeypatch.chdir(tmp_path)
        assert call("run", "parts.sums:total").stdout == "3\n"

    def test_a_file_imports_what_stands_beside_it_and_isnt_main(self, tmp_path: Path) -> None:
        write(tmp_path, SEVERAL, "parts.py")
        file = write(tmp_path, "from parts import total\nassert __name__ == 'flow'\n")
        assert call("run", f"{file}:total").stdout == "3\n"

    def test_a_file_may_be_called_like_a_module_that_is_in_use(self, tmp_path: Path) -> None:
        file = write(tmp_path, SEVERAL, "json.py")
        assert call("run", f"{file}:total").stdout == "3\n"
        assert sys.modules["json"] is json

    @pytest.mark.parametrize(
        ("name", "said"),
        [
            ("", "has 2 lazy results, say which one: "),
            (":nothing", "has no 'nothing': it has first, total"),
            (":needs", "can't be called without arguments: missing a required argument"),
            (":add", "can't be called without arguments"),
            (":coroutine", "is an async function"),
            (":HEAD", "has no 'HEAD'"),
            (":asyncio", "is no workflow"),
            (":", "say FILE.py:NAME"),
        ],
    )
    def test_anything_else_is_refused(self, tmp_path: Path, name: str, said: str) -> None:
        result = call("run", f"{write(tmp_path, SEVERAL)}{name}")
        assert result.exit_code == 2
        assert said in result.stderr
        assert result.stderr.count("\n") == 1

    @pytest.mark.parametrize("place", ["", ".", "parts..sums", ":x", "flow.py:"])
    def test_what_names_nothing_is_wrong_use(self, place: str) -> None:
        result = call("run", place)
        assert result.exit_code == 2
        assert result.stderr == f"error: say FILE.py:NAME or package.module:NAME, got {place!r}\n"

    @pytest.mark.parametrize("place", ["no/such.py:x", "no_such_module_of_ours:x"])
    def test_what_isnt_there_is_said_to_be_missing(self, place: str) -> None:
        result = call("run", place)
        assert result.exit_code == 2
        assert result.stderr.startswith("error: there is no ")


class TestOptions:
    def test_each_parameter_is_an_option_of_its_type(self, tmp_path: Path) -> None:
        given = ["--name", "Ada", "--times", "2", "--no-loud"]
        tags = ["--all-tags", "x", "--all_tags=-y"]
        result = call("run", write(tmp_path, GREETING), "--", *given, *tags)
        assert json.loads(result.stdout) == {
            "said": ["Hello Ada", "Hello Ada"],
            "loud": False,
            "tags": ["x", "-y"],
        }

    def test_help_lists_them(self, tmp_path: Path) -> None:
        result = call("run", write(tmp_path, GREETING), "--", "--help")
        assert result.exit_code == 0
        text = " ".join(result.stdout.split())
        assert "--name TEXT whom to greet, 100% politely (must be given)" in text
        assert "--times INT (default: 1)" in text
        assert "--no-loud" in text

    @pytest.mark.parametrize(
        ("given", "said"),
        [
            ([], "needs the option --name"),
            (["--name"], "expected one argument"),
            (["--nam", "Ada"], "doesn't know '--nam': it has --name, --times, --loud, --all-tags"),
            (["Ada"], "doesn't know 'Ada'"),
            (["--name", "Ada", "--times", "x"], "parameter 'times' must be int, got 'x'"),
        ],
    )
    def test_wrong_ones_are_one_clear_line(
        self, tmp_path: Path, given: list[str], said: str
    ) -> None:
        result = call("run", write(tmp_path, GREETING), "--", *given)
        assert result.exit_code == 2
        assert said in result.stderr
        assert result.stderr.count("\n") == 1
        assert result.stdout == ""

    def test_names_that_clash_stay_apart(self, tmp_path: Path) -> None:
        code = """
names = ("a-b", "a_b", "help", "no-x")
values = [cs.Param(name, default="") for name in names] + [cs.Param("x", default=True)]
"""
        given = ["--a-b", "1", "--a_b", "2", "--help", "3", "--no-x", "4"]
        result = call("run", f"{write(tmp_path, code)}:values", "--", *given)
        assert json.loads(result.stdout) == ["1", "2", "3", "4", True]

    def test_a_dict_is_given_as_json(self, tmp_path: Path) -> None:
        file = str(write(tmp_path, "values = [cs.Param('d', type=dict)]")) + ":values"
        assert call("run", file, "--", "--d", '{"a": 1}').stdout == '[{"a": 1}]\n'
        assert call("run", file, "--", "--d", "[1]").exit_code == 2

    def test_environment_variables_that_miss_are_named(self, tmp_path: Path) -> None:
        file = write(tmp_path, "values = [cs.Env('NO_SUCH_VARIABLE_OF_OURS')]")
        result = call("run", f"{file}:values")
        assert result.exit_code == 2
        assert "the environment variable NO_SUCH_VARIABLE_OF_OURS" in result.stderr


class TestResult:
    @pytest.mark.parametrize(
        ("code", "how", "printed"),
        [
            ("'ä'", "auto", '"ä"'),
            ("None", "auto", "null"),
            ("{1}", "auto", "{1}"),
            ("float('nan')", "auto", "nan"),
            ("'a'", "repr", "'a'"),
        ],
    )
    def test_it_is_json_where_it_can_be(
        self, tmp_path: Path, code: str, how: str, printed: str
    ) -> None:
        file = write(tmp_path, f"value = cs.task(mode='inline')(lambda: {code})()")
        result = call("run", file, "--output", how)
        assert (result.exit_code, result.stdout) == (0, printed + "\n")

    def test_it_may_stay_unsaid_or_have_to_be_json(self, tmp_path: Path) -> None:
        file = write(tmp_path, "value = cs.task(mode='inline')(lambda: {1})()")
        assert call("run", file, "--output", "none").stdout == ""
        result = call("run", file, "--output", "json")
        assert (result.exit_code, result.stdout) == (1, "")
        assert "can't be written as JSON" in result.stderr

    def test_a_line_at_the_end_unless_quiet(self, tmp_path: Path) -> None:
        file = f"{write(tmp_path, SEVERAL)}:total"
        assert call("run", file).stderr.startswith("2 tasks: 2 succeeded, in ")
        assert call("run", file, "--quiet").stderr == ""

    @pytest.mark.parametrize(
        ("body", "said"),
        [
            ("class Odd:\n        def __repr__(self): raise KeyError('no')\n    return Odd()",
             "error: the result, of type Odd, can't be shown: KeyError: 'no'"),
            ("return 10**6000", "error: the result, of type int, can't be shown: ValueError: "),
            ("import sys; sys.stdout.close()", "error: the output can't be written: "),
        ],
        ids=["a repr that raises", "too many digits", "a task has closed it"],
    )  # fmt: skip
    def test_one_that_cant_be_shown_is_said_in_a_line(
        self, tmp_path: Path, body: str, said: str
    ) -> None:
        file = write(tmp_path, f"@cs.task(mode='inline')\ndef x():\n    {body}\n")
        with start("run", f"{file}:x", "--quiet") as process:
            _, errors = process.communicate(timeout=LIMIT_S)
        assert process.returncode == 1
        assert errors.startswith(said)
        assert "Traceback" not in errors


class TestFailures:
    CODE = """
def divide(part, whole):
    return part / whole

@cs.task
def share(part: int, whole: int) -> float:
    return divide(part, whole)

@cs.task
async def late() -> None:
    await asyncio.sleep(60)

bad = [share(1, 0), late()]
slow = late()
greedy = late().with_constraints(gpu=2)
"""

    def test_the_error_its_notes_and_the_users_line(self, tmp_path: Path) -> None:
        file = write(tmp_path, self.CODE)
        result = call("run", f"{file}:bad", "--quiet")
        assert result.exit_code == 1
        assert result.stderr.splitlines() == [
            "ZeroDivisionError: division by zero",
            "  in task 'share' (node 1 of 2)",
            f"  at {file}:5",
        ]

    def test_debug_shows_all(self, tmp_path: Path) -> None:
        result = call("run", f"{write(tmp_path, self.CODE)}:bad", "--debug")
        assert result.exit_code == 1
        assert "Traceback (most recent call last)" in result.stderr
        assert "in task 'share'" in result.stderr

    def test_a_file_that_raises_is_told_the_same_way(self, tmp_path: Path) -> None:
        file = write(tmp_path, "\nraise ValueError('no')\n")
        result = call("run", f"{file}:x")
        assert result.exit_code == 1
        assert result.stderr.splitlines() == ["ValueError: no", f"  at {file}:4"]
        file.write_text("x = (", encoding="utf-8")
        result = call("run", f"{file}:x")
        assert result.stderr.startswith("SyntaxError: ")
        assert f"at {file}:1" in result.stderr

    def test_of_a_group_each_error_is_told(self, tmp_path: Path) -> None:
        code = "async def bad(): raise ValueError('inner')\n"
        code += "@cs.task\nasync def x():\n    async with asyncio.TaskGroup() as group:\n"
        code += "        group.create_task(bad())\n"
        file = write(tmp_path, code)
        result = call("run", f"{file}:x", "--quiet")
        assert (result.exit_code, result.stdout) == (1, "")
        assert result.stderr.splitlines() == [
            "ExceptionGroup: unhandled errors in a TaskGroup (1 sub-exception)",
            "  in task 'x' (node 1 of 1)",
            f"  at {file}:6",
            "  ValueError: inner",
            f"    at {file}:3",
        ]

    def test_of_a_large_group_only_some_are(self, tmp_path: Path) -> None:
        file = write(tmp_path, "raise ExceptionGroup('many', [ValueError(i) for i in range(12)])")
        said = call("run", f"{file}:x").stderr.splitlines()
        assert [line for line in said if "ValueError" in line] == [
            f"  ValueError: {number}" for number in range(10)
        ]
        assert said[-1] == "  and 2 more"

    def test_an_error_that_cant_tell_its_text(self, tmp_path: Path) -> None:
        code = "class Odd(Exception):\n    def __str__(self): raise KeyError('no')\nraise Odd()"
        result = call("run", f"{write(tmp_path, code)}:x")
        assert result.exit_code == 1
        assert result.stderr.startswith("Odd: (its text can't be told: KeyError)\n")

    @pytest.mark.parametrize("code", ["raise SystemExit(0)", "raise SystemExit('no')"])
    @pytest.mark.parametrize("where", ["", "def x(): ", "@cs.task\ndef x(): "])
    def test_what_leaves_the_program_has_failed(
        self, tmp_path: Path, where: str, code: str
    ) -> None:
        result = call("run", f"{write(tmp_path, where + code)}:x", "--quiet")
        assert (result.exit_code, result.stdout) == (1, "")
        assert result.stderr.startswith("SystemExit: ")

    def test_time_that_runs_out(self, tmp_path: Path) -> None:
        result = call("run", f"{write(tmp_path, self.CODE)}:slow", "--timeout", "0.01")
        assert result.exit_code == 1
        assert "TimeoutError: the run took longer than 0.01 s" in result.stderr

    def test_limits_hold(self, tmp_path: Path) -> None:
        file = f"{write(tmp_path, self.CODE)}:greedy"
        result = call("run", file, "--limit", "gpu=1")
        assert result.exit_code == 1
        assert "InfeasibleRequestError" in result.stderr

    @pytest.mark.parametrize(
        ("wrong", "said"),
        [
            (["--limit", "gpu"], "--limit must be NAME=AMOUNT, got 'gpu'"),
            (["--limit", "gpu=1", "--limit", "gpu=2"], "name each resource once, got 'gpu' again"),
            (["--limit", "gpu=-1"], "the amount of 'gpu' must be"),
            (["--timeout", "-1"], "--timeout must be ≥ 0 seconds, got -1"),
            (["--timeout", "long"], "--timeout must be a number of seconds, got 'long'"),
            (["--grace", "nan"], "--grace must be"),
            (["--output", "xml"], "must be one of auto, json, repr, none, got 'xml'"),
            (["--limt", "gpu=1"], "--limit"),
            (["--name", "Ada"], "options of the workflow itself come after --"),
        ],
    )
    def test_wrong_options_are_one_clear_line(
        self, tmp_path: Path, wrong: list[str], said: str
    ) -> None:
        result = call("run", f"{write(tmp_path, self.CODE)}:slow", *wrong)
        assert (result.exit_code, result.stdout) == (2, "")
        assert result.stderr.startswith("error: ")
        assert said in result.stderr
        assert result.stderr.count("\n") == 1

    @pytest.mark.parametrize(
        ("arguments", "said"),
        [
            (["run"], "error: missing argument 'FILE.py:NAME' (see cascade run --help)"),
            (["rum", "x"], "error: no such command 'rum'"),
            (["--nonsense"], "error: no such option: --nonsense (see cascade --help)"),
        ],
    )
    def test_so_is_a_call_without_what_it_needs(self, arguments: list[str], said: str) -> None:
        result = CliRunner().invoke(app, arguments, prog_name="cascade")
        assert result.exit_code == 2
        assert result.stderr.startswith(said)
        assert result.stderr.count("\n") == 1

    def test_without_any_argument_the_commands_are_listed(self) -> None:
        result = call()
        assert result.exit_code == 2
        assert "Draw a workflow." in result.output
        assert "error" not in result.output

    @pytest.mark.parametrize(
        ("closed", "printed"), [("<&-", b"1\n"), ("2>&-", b"1\n"), ("<&- >&- 2>&-", b"")]
    )
    def test_streams_that_are_closed_are_no_trouble(
        self, tmp_path: Path, closed: str, printed: bytes
    ) -> None:
        file = write(tmp_path, "value = cs.task(mode='inline')(lambda: 1)()")
        command = shlex.join([sys.executable, "-m", "cascade.cli", "run", str(file)])
        ended = subprocess.run(["sh", "-c", f"{command} {closed}"], capture_output=True, timeout=60)
        assert (ended.returncode, ended.stdout) == (0, printed)

    @pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
    def test_an_output_that_cant_be_written_is_one_line(self, tmp_path: Path) -> None:
        file = write(tmp_path, "value = cs.task(mode='inline')(lambda: 1)()")
        with (
            Path("/dev/full").open("w") as full,
            start("run", file, "--quiet", stdout=full) as process,
        ):
            _, errors = process.communicate(timeout=LIMIT_S)
        assert process.returncode == 1
        assert errors == "error: the output can't be written: No space left on device\n"

    @pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
    @pytest.mark.parametrize("arguments", [["--help"], ["run", "--help"], ["ps", "--json"]])
    def test_so_is_one_of_help_or_a_list(self, tmp_path: Path, arguments: list[str]) -> None:
        env = {"CASCADE_CONTROL_DIR": str(tmp_path)}
        with (
            Path("/dev/full").open("w") as full,
            start(*arguments, stdout=full, env=env) as process,
        ):
            _, errors = process.communicate(timeout=LIMIT_S)
        assert process.returncode == 1
        assert errors == "error: the output can't be written: No space left on device\n"

    def test_a_reader_that_has_gone_is_no_news(self, tmp_path: Path) -> None:
        file = write(tmp_path, "value = cs.task(mode='inline')(lambda: 1)()")
        reads, writes = os.pipe()
        os.close(reads)
        with start("graph", file, stdout=writes) as process:
            os.close(writes)
            _, errors = process.communicate(timeout=LIMIT_S)
        assert (process.returncode, errors) == (1, "")


def test_ctrl_c_while_the_file_is_loaded(tmp_path: Path) -> None:
    code = "import time\nprint('loading')\ntime.sleep(600)\n"
    with start("run", f"{write(tmp_path, code)}:x") as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "loading\n"
            process.send_signal(signal.SIGINT)
            _, errors = process.communicate(timeout=LIMIT_S)
        finally:
            process.kill()
    assert (process.returncode, errors) == (130, "ended by SIGINT\n")


def test_without_its_packages_it_names_the_extra(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(cascade.cli, "NEEDED", ("no_such_package_of_ours",))
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    assert "pip install 'cascade-py[cli]'" in capsys.readouterr().err
