"""What an experiment prints: a line for a moment, a table for the summary."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from observatory.experiments.moment import Moment
from observatory.experiments.recorder import Summary
from observatory.writing import naming

BAR_WIDTH = 40
"""How many characters a full bar takes."""


def print_moment(moment: Moment) -> None:
    """Print what can be seen at a moment as one line, with a bar for R."""
    full = round(moment.order_parameter * BAR_WIDTH)
    bar = "█" * full + "·" * (BAR_WIDTH - full)
    line = f"{moment.time:7.0f} s  R {moment.order_parameter:.3f} {bar}"
    line += f"  alight {moment.alight:4.0%}  flashes {moment.flashes}"
    if moment.active is not None:
        line += f"  slots {moment.active}, waiting {moment.waiting}"
    print(line, flush=True)


def print_summary(summary: Summary) -> None:
    """Print a summary as a table."""

    def number(value: float | None, form: str = ".4f") -> str:
        return "–" if value is None else format(value, form)

    where = f"on a torus of {summary.width}×{summary.height}"
    if summary.topology != "torus":
        where = "in a ring" if summary.topology == "ring" else "that all hear each other"
    order, late, steps = summary.order_parameter, summary.lateness_s, summary.steps
    rows = [
        ("agents", f"{summary.agents} {where}"),
        ("clock", f"{summary.duration:.1f} s of {summary.time} time in {summary.elapsed:.1f} s"),
        ("seed", str(summary.seed)),
        ("flashes", f"{summary.flashes}, {summary.pulses} for each agent, {summary.missed} missed"),
        (
            "order R",
            f"{number(order['first'])} after the first period, {number(order['last'])} at the end",
        ),
        (
            "steps",
            f"{steps['total']}, {steps['min_per_agent']} to {steps['max_per_agent']} an agent",
        ),
        ("lateness", f"p50 {number(late['p50'])} s, p99 {number(late['p99'])} s"),
        ("dropped", f"{summary.dropped} messages"),
    ]
    if summary.model != "fixed":
        rows.insert(1, ("model", summary.model))
    if summary.limit is not None:
        active = summary.active
        rows.insert(
            rows.index(("seed", str(summary.seed))),
            (
                "slots",
                f"{summary.limit}; in use {number(active['mean'], '.1f')} on average, "
                f"{number(active['max'], '.0f')} at most",
            ),
        )
    print_rows(rows)


def print_rows(rows: Iterable[tuple[str, str]]) -> None:
    """Print a table of names and what they stand for."""
    for name, text in rows:
        print(f"{name:>9}  {text}")


def present(values: dict[str, Any], print_table: Callable[[], None], where: str | None) -> None:
    """Print a summary as a table, and write it as JSON if that is wanted.

    Whichever of the two fails, the other is done.

    Args:
        values: the summary as plain data.
        print_table: prints it.
        where: a file for JSON, or "-" for the last line of stdout; None: nowhere.
    """
    try:
        if where is not None and where != "-":
            write_json(values, where)  # first, as the terminal may be gone
    finally:
        print_table()
    if where == "-":
        write_json(values, where)


def write_json(values: dict[str, Any], where: str) -> None:
    """Write values as JSON into a file, or with "-" as a line to stdout."""
    text = json.dumps(values)
    if where == "-":
        print(text, flush=True)
    else:
        with naming(where):
            Path(where).write_text(text + "\n", encoding="utf-8")
