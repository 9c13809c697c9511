"""The commands that see and steer programs which run: ps, limit, rate, pause, resume and others."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from typing import Annotated, Any

from cascade.cli import require

require()

import typer  # noqa: E402 - after the line that says what is missing

from cascade.cli.orders import (  # noqa: E402
    NOBODY,
    REFUSED,
    WrongUse,
    burst_of,
    lifted,
    limit_order,
    time_said,
    told,
)
from cascade.cli.usage import whole  # noqa: E402
from cascade.cli.watching import watch  # noqa: E402
from cascade.control import Client, find  # noqa: E402
from cascade.control.audit import Who, read_trail  # noqa: E402
from cascade.control.place import LOG, check_private, directory  # noqa: E402
from cascade.control.words import duration_in_words, is_scope  # noqa: E402
from cascade.errors import ControlError  # noqa: E402

Program = Annotated[
    str | None,
    typer.Option("--program", "-p", metavar="NAME", help="Which program; `cascade ps` lists them."),
]
All = Annotated[bool, typer.Option("--all", help="All programs.")]
For = Annotated[
    str | None,
    typer.Option("--for", metavar="TIME", help="For how long, such as 10m, 1h30m or 90s."),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")]


def add_to(app: typer.Typer) -> None:
    """Add the commands to an application."""
    for command in (ps, watch, limit, rate, pause, resume, rules, explain, cancel):
        app.command()(command)


def ps(as_json: Json = False) -> None:
    """List the programs that can be steered, and what runs in them."""
    with told():
        found, silent = _ask_each(find(), "ps")
    answers = [answer for _, answer in found]
    if as_json:
        _print_json(answers)
    elif not answers and not silent:
        typer.echo(NOBODY, err=True)
    else:
        rows = [("PROGRAM", "PID", "SINCE", "ENGINES", "RUNS", "RUNNING", "WAITING", "RULES")]
        for each in answers:
            tasks = each["tasks"]
            since = duration_in_words(round(each["seconds"]))
            counts = (each["engines"], each["runs"], tasks["running"], tasks["waiting"])
            rows.append((each["name"], each["pid"], since, *counts, each["rules"]))
        if len(rows) > 1:
            _print_table(rows)
    _tell_of(silent)


def limit(
    what: Annotated[
        str,
        typer.Argument(
            metavar="WHAT=AMOUNT",
            help="A resource (cpu_slot=50), or tasks (task:fetch*=3, tag:gpu=1, global=10); "
            "none: no limit.",
        ),
    ],
    duration: For = None,
    program: Program = None,
    everywhere: All = False,
    as_json: Json = False,
) -> None:
    """Set how much there is of a resource, or how many tasks may run at once."""
    with told():
        command, said = limit_order(what, duration)
        _steer(program, everywhere, as_json, command, said)


def rate(
    what: Annotated[
        str, typer.Argument(metavar="WHAT", help="A resource with a rate, or tasks (task:fetch*).")
    ],
    rate: Annotated[
        str, typer.Argument(metavar="RATE", help="Such as 10/m (per s, m, h or d); none: no limit.")
    ],
    burst: Annotated[
        str | None, typer.Option("--burst", metavar="N", help="How many may start at once.")
    ] = None,
    duration: For = None,
    program: Program = None,
    everywhere: All = False,
    as_json: Json = False,
) -> None:
    """Set how many may start in a time."""
    with told():
        said = time_said(duration)
        most = {} if burst is None else {"burst": burst_of(burst)}
        if is_scope(what) and rate == "none":
            command, said = "lift", lifted(what, "rate_limit", said)
        elif is_scope(what):
            params = {"rate": rate, **most}
            command, said = "rule", {**said, "scope": what, "type": "rate_limit", "params": params}
        else:
            said |= {"resource": what, "rate": None if rate == "none" else rate, **most}
            command = "rate"
        _steer(program, everywhere, as_json, command, said)


def pause(
    scope: Annotated[
        str, typer.Argument(metavar="SCOPE", help="task:<glob>, tag:<name>, engine:<name>.")
    ] = "global",
    duration: For = None,
    program: Program = None,
    everywhere: All = False,
    as_json: Json = False,
) -> None:
    """Let nothing more start; what runs goes on."""
    with told():
        said = {**time_said(duration), "scope": scope, "type": "pause", "params": {}}
        _steer(program, everywhere, as_json, "rule", said)


def resume(
    scope: Annotated[
        str | None,
        typer.Argument(metavar="SCOPE", help="What was paused; by default everything."),
    ] = None,
    rule: Annotated[
        str | None,
        typer.Option("--rule", metavar="ID", help="Any rule; `cascade rules` lists them."),
    ] = None,
    program: Program = None,
    everywhere: All = False,
    as_json: Json = False,
) -> None:
    """Lift pauses, or another rule."""
    with told():
        said = {"rule": rule} if rule is not None else {"type": "pause"}
        if scope is not None:
            said["scope"] = scope
        _steer(program, everywhere, as_json, "lift", said)


def rules(
    log: Annotated[bool, typer.Option("--log", help="Who has changed what, and how.")] = False,
    last: Annotated[
        int,
        typer.Option(
            "--last", parser=whole(least=1), metavar="N", help="How many entries of the log."
        ),
    ] = 20,
    program: Program = None,
    as_json: Json = False,
) -> None:
    """List the rules that hold, or what was changed from outside."""
    with told():
        if log:
            _print_log(program, last, as_json)
            return
        if program is None:
            found, silent = _ask_each(find(), "rules")
        else:
            found, silent = _ask([program], "rules"), []
    answers = [(name, answer["rules"]) for name, answer in found]
    if as_json:
        _print_json([{"program": name, "rules": found} for name, found in answers])
        _tell_of(silent)
        return
    rows = [("PROGRAM", "RULE", "SCOPE", "TYPE", "HOW MUCH", "LEFT")]
    for name, found in answers:
        for each in found:
            much = " ".join(f"{key}={value}" for key, value in each["params"].items())
            left = "–" if each["left"] is None else duration_in_words(round(each["left"]) or 1)
            rows.append((name, each["id"], each["scope"], each["type"], much or "–", left))
    if len(rows) > 1:
        _print_table(rows)
    elif answers or not silent:
        typer.echo("no rules hold" if answers else NOBODY, err=True)
    _tell_of(silent)


def explain(
    what: Annotated[
        str | None,
        typer.Argument(metavar="WHAT", help="A task, a run or an engine; by default all."),
    ] = None,
    program: Program = None,
    as_json: Json = False,
) -> None:
    """Say why tasks wait: for what, held by whom, behind whom."""
    with told():
        said = {} if what is None else {"what": what}
        found, refusals = [], []
        for name in _some(program, needed=True):
            try:
                answer = dict(_ask([name], "explain", **said)[0][1])
            except ControlError as error:
                refusals.append(str(error))
            else:
                found.append({"program": name, **answer})
        if not found:
            raise ControlError(refusals[0])
    if as_json:
        _print_json(found)
        return
    for each in found:
        for sentence in each["sentences"]:
            typer.echo(f"{each['program']}: {sentence}")
        if each["left_out"]:
            typer.echo(f"{each['program']}: and {each['left_out']} more")
    if not any(each["sentences"] for each in found):
        typer.echo("nothing waits", err=True)


def cancel(
    run: Annotated[
        str, typer.Argument(metavar="RUN", help="A run, an engine, or all; see `cascade watch`.")
    ],
    program: Program = None,
    everywhere: All = False,
    as_json: Json = False,
) -> None:
    """Cancel runs."""
    with told():
        _steer(program, everywhere, as_json, "cancel", {"run": run})


def _ask(names: Sequence[str], command: str, **said: Any) -> list[tuple[str, dict[str, Any]]]:
    """Ask programs for something; return the answers, each with its program."""
    answers = []
    for name in names:
        with Client(name) as client:
            answers.append((name, client.ask(command, **said)))
    return answers


def _ask_each(
    names: Sequence[str], command: str
) -> tuple[list[tuple[str, dict[str, Any]]], list[str]]:
    """Ask programs for something; return the answers, and why others that run don't answer."""
    answers, silent = [], []
    for name in names:
        try:
            answers += _ask([name], command)
        except ControlError as error:
            if name in find():  # else it has just ended
                silent.append(str(error))
    return answers, silent


def _tell_of(silent: Sequence[str]) -> None:
    """Tell of programs that don't answer, if there are any, and end with the exit code for it."""
    for problem in silent:
        typer.echo(f"error: {problem}", err=True)
    if silent:
        raise typer.Exit(REFUSED)


def _some(program: str | None, needed: bool = False) -> list[str]:
    """Return the programs that are meant: one, or all that run."""
    if program is not None:
        return [program]
    found = find()
    if needed and not found:
        raise ControlError(NOBODY)
    return found


def _steer(
    program: str | None, everywhere: bool, as_json: bool, command: str, said: dict[str, Any]
) -> None:
    """Change something in one program, or in all, and print the effects."""
    names = _some(program, needed=True)
    if len(names) > 1 and not everywhere:
        raise WrongUse(
            f"{len(names)} programs run: {', '.join(names)}. Name one with --program, or say --all"
        )
    answers: list[dict[str, Any]] = []
    refused = None
    for name in names:
        try:
            answers.append({"program": name, **_ask([name], command, **said)[0][1]})
        except ControlError as error:
            refused = error
            answers.append({"program": name, "error": str(error)})
    if as_json:
        _print_json(answers)
    else:
        for answer in answers:
            text = answer.get("effect") or f"refused: {answer['error']}"
            typer.echo(f"{answer['program']}: {text}", err="error" in answer)
    if refused is not None:
        raise typer.Exit(REFUSED)


def _print_log(program: str | None, last: int, as_json: bool) -> None:
    place = directory()
    if os.path.lexists(place):
        check_private(place)
    found = [entry for entry in read_trail(place / LOG) if program in (None, entry["program"])][
        -last:
    ]
    if as_json:
        _print_json(found)
        return
    for each in found:
        who = _who_of(each.get("who"))
        typer.echo(f"{each['when']}  {each['program']}  {who}: {each['command']}")
        typer.echo(f"    {each['effect']}")
        if each.get("undo"):
            typer.echo(f"    undo: {each['undo']}")
    if not found:
        typer.echo("nothing was changed from outside", err=True)


def _who_of(who: object) -> str:
    """Return who stands in an entry; any program of the user may have written it."""
    known = who if isinstance(who, dict) else {}
    via = known.get("via")
    return str(Who(str(known.get("user", "?")), None, str(known.get("way", "?")), via))


def _print_table(rows: Sequence[Sequence[Any]]) -> None:
    """Print rows in columns; the first is the heading."""
    texts = [[str(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*texts, strict=True)]
    for row in texts:
        line = "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        typer.echo(line.rstrip())


def _print_json(value: Any) -> None:
    typer.echo(json.dumps(value, ensure_ascii=False))
