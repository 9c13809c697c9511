"""What can be seen of the programs that can be steered, for one page; asked over their sockets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from cascade.control import Client, find
from cascade.control.place import check_program_name
from cascade.errors import ControlError
from cascade.web.forms import command_of

PATIENCE = 2.0
"""Seconds that a program may take to answer; a busy one is shown as busy."""
VIA = "cascade ui"
"""What stands in the log of a program beside the user."""
LATEST = 30
"""Entries of the trail that are shown."""


@dataclass(frozen=True, slots=True)
class Choice:
    """What a page wants to see."""

    program: str | None = None
    """The name of the program."""
    run: str | None = None
    """The id of the run; None: the newest one."""


def seen(choice: Choice, with_shape: bool) -> dict[str, Any]:
    """Return what there is to be seen: blocks for as long as the programs take to answer.

    Args:
        choice: what is looked at.
        with_shape: also the nodes and edges of the graph, which never change.
    """
    try:
        names = find()
    except ControlError as error:  # the directory of the sockets is open to others
        return {"programs": [], "chosen": choice.program, "problem": str(error)}
    programs = [_asked(name) for name in names]
    found: dict[str, Any] = {"programs": programs, "chosen": choice.program}
    if choice.program is None or choice.program not in [each["name"] for each in programs]:
        return found
    try:
        with Client(choice.program, PATIENCE) as client:
            look = client.ask("look")
            look["run_list"] = _once_each(look["run_list"])
            found["look"] = look
            found["trail"] = client.ask("log", last=LATEST)["entries"]
            run = choice.run or _newest(look)
            if run is not None:
                try:
                    found["graph"] = client.ask("graph", run=run, shape=with_shape)
                except ControlError as error:
                    found["no_graph"] = str(error)
    except ControlError as error:
        found["problem"] = str(error)
    return found


def steer(program: object, form: object) -> dict[str, Any]:
    """Ask a program to do what a form says, and return what it answers.

    Raises:
        TypeError, ValueError: the form or the name can't be, or the program has refused.
    """
    command, said = command_of(form)
    name = check_program_name(program)
    try:
        with Client(name, PATIENCE, via=VIA) as client:
            answer = client.ask(command, **said)
    except ControlError as error:
        raise ValueError(str(error)) from None
    return {"effect": answer["effect"], "undo": answer["undo"]}


def _asked(name: str) -> dict[str, Any]:
    try:
        with Client(name, PATIENCE) as client:
            return client.ask("ps")
    except ControlError as error:
        return {"name": name, "problem": str(error)}


def _once_each(runs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return each run once: the children of a map stand beside it under the same id."""
    found: dict[str, dict[str, Any]] = {}
    for run in runs:
        if run["id"] not in found or run["seconds"] is not None:
            found[run["id"]] = run
    return list(found.values())


def _newest(look: dict[str, Any]) -> str | None:
    if look["run_list"]:
        return str(look["run_list"][-1]["id"])
    return str(look["ended_runs"][0]["run"]) if look["ended_runs"] else None
