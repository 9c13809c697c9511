"""The commands that see and steer programs which run: ps, limit, rate, pause, resume and others."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from cascade.cli.declared import Argument, Command, Option, Switch
from cascade.cli.orders import (
    NOBODY,
    REFUSED,
    WrongUse,
    burst_of,
    lifted,
    limit_order,
    say,
    time_said,
    told,
)
from cascade.control.client import Client, find, socket_of
from cascade.control.place import LOG, checked_directory, is_alive
from cascade.control.words import duration_in_words, is_scope
from cascade.errors import ControlError


def ps(as_json: bool) -> None:
    """List the programs that can be steered, and what runs in them."""
    with told():
        found, silent = _ask_each(find(), "ps")
    answers = [answer for _, answer in found]
    if as_json:
        _print_json(answers)
    elif not answers and not silent:
        say(NOBODY)
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
    what: str, duration: str | None, program: str | None, everywhere: bool, as_json: bool
) -> None:
    """Set how much there is of a resource, or how many tasks may run at once."""
    with told():
        command, said = limit_order(what, duration)
        _steer(program, everywhere, as_json, command, said)


def rate(
    what: str,
    rate: str,
    burst: str | None,
    duration: str | None,
    program: str | None,
    everywhere: bool,
    as_json: bool,
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
    scope: str, duration: str | None, program: str | None, everywhere: bool, as_json: bool
) -> None:
    """Let nothing more start; what runs goes on."""
    with told():
        said = {**time_said(duration), "scope": scope, "type": "pause", "params": {}}
        _steer(program, everywhere, as_json, "rule", said)


def resume(
    scope: str | None, rule: str | None, program: str | None, everywhere: bool, as_json: bool
) -> None:
    """Lift pauses, or another rule."""
    with told():
        said = {"rule": rule} if rule is not None else {"type": "pause"}
        if scope is not None:
            said["scope"] = scope
        _steer(program, everywhere, as_json, "lift", said)


def rules(log: bool, last: int, program: str | None, as_json: bool) -> None:
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
        say("no rules hold" if answers else NOBODY)
    _tell_of(silent)


def explain(what: str | None, program: str | None, as_json: bool) -> None:
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
            print(f"{each['program']}: {sentence}")
        if each["left_out"]:
            print(f"{each['program']}: and {each['left_out']} more")
    if not any(each["sentences"] for each in found):
        say("nothing waits")


def cancel(run: str, program: str | None, everywhere: bool, as_json: bool) -> None:
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
            if is_alive(socket_of(name)):  # else it has just ended
                silent.append(str(error))
    return answers, silent


def _tell_of(silent: Sequence[str]) -> None:
    """Tell of programs that don't answer, if there are any, and end with the exit code for it."""
    for problem in silent:
        say(f"error: {problem}")
    if silent:
        raise SystemExit(REFUSED)


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
            line = f"{answer['program']}: {text}"
            say(line) if "error" in answer else print(line)
    if refused is not None:
        raise SystemExit(REFUSED)


def _print_log(program: str | None, last: int, as_json: bool) -> None:
    from cascade.control.audit import read_trail  # here, as the others don't need it

    entries = read_trail(checked_directory() / LOG)
    found = [entry for entry in entries if program in (None, entry["program"])][-last:]
    if as_json:
        _print_json(found)
        return
    for each in found:
        who = _who_of(each.get("who"))
        print(f"{each['when']}  {each['program']}  {who}: {each['command']}")
        print(f"    {each['effect']}")
        if each.get("undo"):
            print(f"    undo: {each['undo']}")
    if not found:
        say("nothing was changed from outside")


def _who_of(who: object) -> str:
    """Return who stands in an entry; any program of the user may have written it."""
    from cascade.control.audit import Who

    known = who if isinstance(who, dict) else {}
    via = known.get("via")
    return str(Who(str(known.get("user", "?")), None, str(known.get("way", "?")), via))


def _print_table(rows: Sequence[Sequence[Any]]) -> None:
    """Print rows in columns; the first is the heading."""
    texts = [[str(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*texts, strict=True)]
    for row in texts:
        line = "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        print(line.rstrip())


def _print_json(value: Any) -> None:
    print(json.dumps(value, ensure_ascii=False))


_PROGRAM = Option("program", ("--program", "-p"), "NAME", "Which program; `cascade ps` lists them.")
_ALL = Switch("everywhere", "--all", "All programs.")
_FOR = Option("duration", ("--for",), "TIME", "For how long, such as 10m, 1h30m or 90s.")
_JSON = Switch("as_json", "--json", "Print JSON, for scripts.")

COMMANDS = (
    Command(ps, (_JSON,)),
    Command(
        limit,
        (
            Argument(
                "what",
                "WHAT=AMOUNT",
                "A resource (cpu_slot=50), or tasks (task:fetch*=3, tag:gpu=1, global=10); "
                "none: no limit.",
                needed=True,
            ),
            *(_FOR, _PROGRAM, _ALL, _JSON),
        ),
    ),
    Command(
        rate,
        (
            Argument(
                "what", "WHAT", "A resource with a rate, or tasks (task:fetch*).", needed=True
            ),
            Argument(
                "rate", "RATE", "Such as 10/m (per s, m, h or d); none: no limit.", needed=True
            ),
            Option("burst", ("--burst",), "N", "How many may start at once."),
            *(_FOR, _PROGRAM, _ALL, _JSON),
        ),
    ),
    Command(
        pause,
        (
            Argument("scope", "SCOPE", "task:<glob>, tag:<name>, engine:<name>.", default="global"),
            *(_FOR, _PROGRAM, _ALL, _JSON),
        ),
    ),
    Command(
        resume,
        (
            Argument("scope", "SCOPE", "What was paused; by default everything."),
            Option("rule", ("--rule",), "ID", "Any rule; `cascade rules` lists them."),
            *(_PROGRAM, _ALL, _JSON),
        ),
    ),
    Command(
        rules,
        (
            Switch("log", "--log", "Who has changed what, and how."),
            Option("last", ("--last",), "N", "How many entries of the log.", default=20),
            *(_PROGRAM, _JSON),
        ),
    ),
    Command(
        explain,
        (
            Argument("what", "WHAT", "A task, a run or an engine; by default all."),
            *(_PROGRAM, _JSON),
        ),
    ),
    Command(
        cancel,
        (
            Argument("run", "RUN", "A run, an engine, or all; see `cascade watch`.", needed=True),
            *(_PROGRAM, _ALL, _JSON),
        ),
    ),
)
"""The commands, in the order of the help."""
