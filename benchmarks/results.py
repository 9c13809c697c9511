"""What is kept of a run of the benchmarks: the table as Markdown, and a figure of the ratios."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from benchmarks.harness import Row, Sample
from benchmarks.peers import available, load

COMMAND = "make bench"
COLOURS = {"Cascade": "#0072b2", "peer": "#d55e00"}
"""From the palette of Okabe and Ito, which colour-blind people can tell apart."""


def write(directory: Path, machine: str, rules: str, rows: Sequence[Row]) -> None:
    """Write ``results.md`` and, if matplotlib is installed, ``results.svg``.

    Args:
        directory: where to.
        machine: what the figures were measured on.
        rules: how they were measured.
        rows: the figures.
    """
    has_figure = draw(directory / "results.svg", rows)
    text = markdown(machine, rules, rows, has_figure)
    (directory / "results.md").write_text(text, encoding="utf-8")


def markdown(machine: str, rules: str, rows: Sequence[Row], has_figure: bool) -> str:
    """Return the table as a page."""
    lines = [
        "# Results",
        "",
        f"Written by `{COMMAND}` on {machine}.",
        "",
        *[f"{rule}  " for rule in rules.splitlines()],
        "",
    ]
    if has_figure:
        lines += ["![ratios to the floor](results.svg)", ""]
    lines += [
        "| work | items | unit | floor | Cascade | ratio | budget | peers |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        budget = f"{row.budget} **exceeded**" if row.exceeded else row.budget
        others = ", ".join(
            f"{name} {_cell(sample)} ({ratio:.3g} ×)" for name, _, sample, ratio in row.peers
        )
        cells = (
            row.name,
            f"{row.items:,}",
            row.unit,
            _cell(row.floor),
            _cell(row.cascade),
            f"{row.ratio:.2f}",
            budget,
            others,
        )
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def _cell(sample: Sample) -> str:
    return f"{sample.median:.3g} (± {sample.spread / 2:.0%})"


def draw(file: Path, rows: Sequence[Row]) -> bool:
    """Draw the ratios to the floor on a logarithmic scale; whether that could be done."""
    if not available("matplotlib", "matplotlib"):
        return False
    rc_context, figures = load("matplotlib").rc_context, load("matplotlib.figure")
    # Costs with a budget that is a multiple of the floor's.
    shown = [
        row
        for row in rows
        if row.unit != "ratio" and row.budget.startswith("≤") and row.budget.endswith("×")
    ]
    with rc_context({"svg.hashsalt": "cascade", "svg.fonttype": "none", "font.size": 9}):
        figure = figures.Figure(figsize=(9, 0.34 * len(shown) + 1.2), layout="constrained")
        axes = figure.subplots()
        for place, row in enumerate(shown):
            axes.plot(row.ratio, place, "o", color=COLOURS["Cascade"], zorder=3)
            for name, _, _, ratio in row.peers:
                axes.plot(ratio, place, "s", color=COLOURS["peer"], zorder=3)
                axes.annotate(name, (ratio, place), (4, 3), textcoords="offset points", fontsize=7)
        axes.axvline(1.0, color="#555555", linewidth=1)
        axes.set_xscale("log")
        axes.set_yticks(range(len(shown)), [row.name for row in shown])
        axes.invert_yaxis()
        axes.set_xlabel("cost as a multiple of the floor's, written by hand (the line at 1)")
        axes.plot([], [], "o", color=COLOURS["Cascade"], label="Cascade")
        axes.plot([], [], "s", color=COLOURS["peer"], label="others")
        axes.legend(loc="lower right", frameon=False)
        axes.grid(axis="x", color="#dddddd", linewidth=0.6)
        axes.spines[["top", "right", "left"]].set_visible(False)
        axes.tick_params(axis="y", length=0)
        figure.savefig(file, metadata={"Date": None, "Creator": None})
    return True
