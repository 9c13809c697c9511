"""The commands `run`, `plan` and `graph`, with their options and exit codes."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

from cascade.cli import require

require()

import typer  # noqa: E402 - after the line that says what is missing

import cascade as cs  # noqa: E402
from cascade.cli import browser, steering  # noqa: E402
from cascade.cli.loading import FailedInFile, Workflow, load  # noqa: E402
from cascade.cli.options import HelpWanted, check_params, params_of  # noqa: E402
from cascade.cli.problems import UsageProblem, in_full, in_words  # noqa: E402
from cascade.cli.progress import Progress  # noqa: E402
from cascade.cli.running import EndedBySignal, Supervisor  # noqa: E402
from cascade.cli.tally import Tally  # noqa: E402
from cascade.cli.typed import typed  # noqa: E402
from cascade.cli.usage import WRONG_USE, Commands, one_of  # noqa: E402
from cascade.cli.watching import watch  # noqa: E402
from cascade.control import LocalControl  # noqa: E402
from cascade.control.client import socket_of  # noqa: E402
from cascade.control.place import is_alive  # noqa: E402
from cascade.errors import ControlError, PictureError  # noqa: E402
from cascade.pictures import SUFFIXES  # noqa: E402
from cascade.spec.checks import check_duration  # noqa: E402

FAILED = 1


class Output(StrEnum):
    """How a result is printed."""

    AUTO = "auto"
    JSON = "json"
    REPR = "repr"
    NONE = "none"


class Drawn(StrEnum):
    """What a picture is written in."""

    SVG = "svg"
    DOT = "dot"
    MERMAID = "mermaid"


app = typer.Typer(
    cls=Commands,
    help="Run, plan and draw the workflows of a file.",
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
for each in steering.COMMANDS:
    app.command()(typed(each))
    if each.function is steering.ps:
        app.command()(watch)  # which shows the same, live
browser.add_to(app)

Target = Annotated[
    str, typer.Argument(metavar="FILE.py:NAME", help="The workflow; or package.module:NAME.")
]
Rest = Annotated[
    list[str] | None,
    typer.Argument(metavar="-- OPTIONS", help="Options of the workflow; -- --help lists them."),
]
Limits = Annotated[
    list[str] | None,
    typer.Option("--limit", metavar="NAME=AMOUNT", help="A capacity; may be given several times."),
]
Debug = Annotated[bool, typer.Option("--debug", help="Show whole tracebacks.")]


@app.command()
def run(
    target: Target,
    rest: Rest = None,
    limit: Limits = None,
    timeout: Annotated[
        str | None, typer.Option(metavar="S", help="Seconds for the whole run.")
    ] = None,
    grace: Annotated[
        str, typer.Option(metavar="S", help="Seconds that SIGTERM leaves to what runs.")
    ] = "10",
    output: Annotated[
        Output,
        typer.Option(
            parser=one_of(Output),
            metavar="|".join(Output),
            help="How the result is printed; auto: JSON if it can be, else repr.",
        ),
    ] = Output.AUTO,
    quiet: Annotated[bool, typer.Option("--quiet", help="Say nothing but the result.")] = False,
    control: Annotated[
        bool, typer.Option("--control", help="Let `cascade ps`, `limit` and others reach it.")
    ] = False,
    name: Annotated[
        str | None, typer.Option("--control-name", metavar="NAME", help="What it is called there.")
    ] = None,
    debug: Debug = False,
) -> None:
    """Run a workflow and print its result."""
    with _told(debug):
        longest = None if timeout is None else _seconds("--timeout", timeout)
        patience = _seconds("--grace", grace)
        manager = cs.ResourceManager()
        _checked(manager.set_capacity, _limits(limit))
        outside = _outside(name) if control or name is not None else None
        workflow = load(target)
        params = params_of(workflow, rest or [])
        check_params(workflow, params)
    with _told(debug, workflow):
        engine = cs.Engine(resource_manager=manager, connector=outside)
        tally = Tally(engine.bus, workflow.graph)
        progress = Progress(tally, manager, quiet=quiet)
        try:
            plan = engine.plan(workflow.target)
            result = Supervisor(engine, tally, progress, patience).run(plan, params, longest)
        finally:
            progress.conclude()
    with _told(debug):
        _print(result, output)


@app.command()
def plan(target: Target, rest: Rest = None, limit: Limits = None, debug: Debug = False) -> None:
    """Print what a run would do, as a tree; the exit code is 1 if something would stop it."""
    with _told(debug):
        limits = _limits(limit)
        workflow = load(target)
        params = params_of(workflow, rest or [])
        found = _checked(
            lambda: cs.dry_run(workflow.target, params=params, system_resources=limits)
        )
    _write(str(found))
    if found.problems:
        try:
            check_params(workflow, params)
        except UsageProblem as problem:  # what is missing, as it is given here
            _say(f"error: {problem}")
        raise typer.Exit(FAILED)


@app.command()
def graph(
    target: Target,
    format: Annotated[
        Drawn | None,
        typer.Option(
            parser=one_of(Drawn),
            metavar="|".join(Drawn),
            help="By default what the file's name says; on stdout dot.",
        ),
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", metavar="FILE", help="A file, instead of stdout.")
    ] = None,
    debug: Debug = False,
) -> None:
    """Draw a workflow."""
    with _told(debug):
        language = _language(format, output)
        workflow = load(target)
        try:
            picture = cs.visualize(workflow.target, format=language)
            if output is not None:
                output.write_text(picture + "\n", encoding="utf-8")
        except PictureError as error:
            _say(f"error: {error}")
            raise typer.Exit(FAILED) from None
        except OSError as error:
            _say(f"error: {str(output)!r} can't be written: {error.strerror}")
            raise typer.Exit(FAILED) from None
        if output is None:
            _write(picture)


@contextmanager
def _told(debug: bool, workflow: Workflow | None = None) -> Iterator[None]:
    """Tell the user of what is raised, and end with the exit code for it.

    Args:
        debug: whether whole tracebacks are shown.
        workflow: what is being run, if anything is.
    """
    try:
        yield
    except HelpWanted as wanted:
        _write(str(wanted))
        raise typer.Exit(0) from None
    except UsageProblem as problem:
        _say(in_full(problem) if debug else f"error: {problem}")
        raise typer.Exit(WRONG_USE) from None
    except FailedInFile as failed:
        cause = failed.__cause__ or failed
        _say(in_full(cause) if debug else in_words(cause, failed.file))
        raise typer.Exit(FAILED) from None
    except EndedBySignal as ended:
        _say(f"ended by {ended}")
        raise typer.Exit(128 + ended.number) from None
    except KeyboardInterrupt:
        _say(f"ended by {EndedBySignal(signal.SIGINT)}")
        raise typer.Exit(128 + signal.SIGINT) from None
    except typer.Exit:
        raise
    except BaseException as error:
        if workflow is None:
            raise
        _say(in_full(error) if debug else in_words(error, workflow.file))
        raise typer.Exit(FAILED) from None


def _write(text: str) -> None:
    """Write to stdout; where nobody reads it any more, that is all right with typer."""
    try:
        typer.echo(text)
    except BrokenPipeError:
        raise
    except (OSError, ValueError) as error:  # ValueError: a task has closed it
        reason = error.strerror if isinstance(error, OSError) else error
        _say(f"error: the output can't be written: {reason}")
        raise typer.Exit(FAILED) from None


def _say(text: str) -> None:
    typer.echo(text, err=True)


def _checked(function: Callable[..., Any], *arguments: Any) -> Any:
    """Call a function; what it refuses is the user's problem."""
    try:
        return function(*arguments)
    except (TypeError, ValueError) as error:
        raise UsageProblem(str(error)) from None


def _outside(name: str | None) -> LocalControl:
    """Return what lets the run be steered, under a name that no other program has."""
    control = _checked(LocalControl, name)
    try:
        taken = name is not None and is_alive(socket_of(name))
    except ControlError as error:
        raise UsageProblem(str(error)) from None
    if taken:
        raise UsageProblem(f"--control-name must be one that no running program has, got {name!r}")
    return control  # type: ignore[no-any-return]


def _seconds(name: str, text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        raise UsageProblem(f"{name} must be a number of seconds, got {text!r}") from None
    return float(_checked(check_duration, name, number))


def _language(format: Drawn | None, output: Path | None) -> Any:
    if format is not None:
        return format.value
    if output is None:
        return "dot"
    try:
        return SUFFIXES[output.suffix.lower()]
    except KeyError:
        known = ", ".join(SUFFIXES)
        raise UsageProblem(
            f"--output must end with one of {known}, or --format be given, got {str(output)!r}"
        ) from None


def _limits(texts: list[str] | None) -> dict[str, float]:
    found: dict[str, float] = {}
    for text in texts or ():
        name, equals, amount = text.partition("=")
        if name in found:
            raise UsageProblem(f"--limit must name each resource once, got {name!r} again")
        try:
            if not name or not equals:
                raise ValueError
            found[name] = float(amount)
        except ValueError:
            raise UsageProblem(f"--limit must be NAME=AMOUNT, got {text!r}") from None
    return found


def _print(result: Any, output: Output) -> None:
    if output is Output.NONE:
        return
    text = _json(result, output) if output is not Output.REPR else None
    if text is None:
        try:
            text = repr(result)
        except Exception as error:  # of its class, or of what is in it
            _say(
                f"error: the result, of type {type(result).__name__}, can't be shown: "
                f"{in_words(error, None)}"
            )
            raise typer.Exit(FAILED) from None
    _write(text)


def _json(result: Any, output: Output) -> str | None:
    """Return a result as JSON; None if it can't be, and needn't be."""
    try:
        return json.dumps(result, ensure_ascii=False, allow_nan=False)
    except Exception as error:  # also of a class of its own that looks like a list or a dict
        if output is not Output.JSON:
            return None
        _say(f"error: the result can't be written as JSON: {error}")
        raise typer.Exit(FAILED) from None
