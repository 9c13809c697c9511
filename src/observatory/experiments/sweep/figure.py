"""The picture of a sweep: R at the end over the settings that were varied."""

from __future__ import annotations

import io
import itertools
import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from observatory.experiments.sweep.axes import Axis
from observatory.experiments.sweep.plan import Point, Sweep
from observatory.experiments.sweep.settings import said
from observatory.experiments.sweep.store import FIGURE, write_text
from observatory.experiments.sweep.table import Estimate
from observatory.extras import require

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_PANELS = 36
"""Heat maps side by side at most."""
MOST_WRITTEN = 120
"""Up to how many cells of a heat map have their value written into them."""
STYLE: Any = {"svg.hashsalt": "sweep", "svg.fonttype": "none", "font.size": 9}
"""No random names, and texts as texts, so that the same results are the same file."""


def check_can_draw() -> None:
    """Raise unless what draws is installed.

    Raises:
        MissingExtraError: matplotlib isn't; it names the extra.
    """
    require("the picture of a sweep", "matplotlib")


def draw(directory: Path, sweep: Sweep, order: Mapping[Point, Estimate]) -> str:
    """Draw R at the end into `FIGURE`, and return in a sentence what was drawn, or why nothing was.

    One setting makes a curve with error bars, two a heat map, more a heat map of the last two for
    each combination of the others.

    Args:
        directory: where the picture goes.
        sweep: what was run.
        order: what is known of R at each point.

    Raises:
        MissingExtraError: matplotlib isn't installed.
        OSError: it can't be written.
    """
    if not sweep.axes:
        return f"{FIGURE} isn't drawn: no setting is varied"
    check_can_draw()
    others = sweep.axes[:-2]
    panels = math.prod([len(axis.values) for axis in others])
    if panels > MOST_PANELS:
        return f"{FIGURE} isn't drawn: it would have {panels} panels, and {MOST_PANELS} is the most"
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context(STYLE):
        if len(sweep.axes) == 1:
            figure = Figure(figsize=(6, 4), layout="constrained")
            _curve(figure.add_subplot(), sweep.axes[0], order)
            said_of_it = f"R over {sweep.axes[0].name}, with 95 % confidence intervals"
        else:
            figure = _heat_maps(sweep, order)
            rows, columns = sweep.axes[-2:]
            said_of_it = f"R over {rows.name} and {columns.name}"
            if others:
                names = " and ".join([axis.name for axis in others])
                said_of_it += f", in {panels} panels for {names}"
        text = io.StringIO()
        figure.savefig(text, format="svg", metadata={"Date": None})
    write_text(directory / FIGURE, text.getvalue())
    return f"{FIGURE} shows {said_of_it}"


def _curve(axes: Axes, axis: Axis, order: Mapping[Point, Estimate]) -> None:
    places = (
        [float(value or 0) for value in axis.values]
        if axis.is_numeric
        else [*map(float, range(len(axis.values)))]
    )
    found = [
        (place, one.mean, 0.0 if one.low is None else one.mean - one.low)
        for place, value in zip(places, axis.values, strict=True)
        if (one := order[(value,)]).mean is not None
    ]
    if found:
        at, means, halves = zip(*found, strict=True)
        axes.errorbar(at, means, yerr=halves, fmt="o-" if axis.is_numeric else "o", capsize=3)
    if not axis.is_numeric:
        axes.set_xticks(places, [*map(said, axis.values)])
    axes.set_ylim(0, 1.05)
    axes.set_xlabel(axis.name)
    axes.set_ylabel("R at the end")


def _heat_maps(sweep: Sweep, order: Mapping[Point, Estimate]) -> Figure:
    from matplotlib.figure import Figure

    *others, rows, columns = sweep.axes
    combinations = list(itertools.product(*[axis.values for axis in others]))
    across = math.ceil(math.sqrt(len(combinations)))
    down = math.ceil(len(combinations) / across)
    width = max(3.5, 0.5 * len(columns.values) + 1)
    height = max(2.5, 0.35 * len(rows.values) + 1)
    figure = Figure(figsize=(min(across * width + 1, 30), min(down * height, 30)))
    figure.set_layout_engine("constrained")
    grid = figure.subplots(down, across, squeeze=False)
    image = None
    for number, axes in enumerate(grid.flat):
        if number >= len(combinations):
            axes.set_axis_off()
            continue
        first = combinations[number]
        cells = [
            [_mean(order[(*first, row, column)]) for column in columns.values]
            for row in rows.values
        ]
        image = axes.imshow(cells, vmin=0, vmax=1, cmap="viridis", origin="lower", aspect="auto")
        axes.set_xticks(range(len(columns.values)), [*map(said, columns.values)], rotation=45)
        axes.set_yticks(range(len(rows.values)), [*map(said, rows.values)])
        axes.set_xlabel(columns.name)
        axes.set_ylabel(rows.name)
        names = zip(others, first, strict=True)
        axes.set_title(" ".join([f"{axis.name}={said(value)}" for axis, value in names]))
        if len(rows.values) * len(columns.values) <= MOST_WRITTEN:
            _write_values(axes, cells)
    assert image is not None
    figure.colorbar(image, ax=grid, label="R at the end")
    return figure


def _write_values(axes: Axes, cells: list[list[float]]) -> None:
    for y, line in enumerate(cells):
        for x, value in enumerate(line):
            if not math.isnan(value):
                colour = "black" if value > 0.6 else "white"
                axes.text(x, y, f"{value:.2f}", ha="center", va="center", color=colour)


def _mean(one: Estimate) -> float:
    """Return the mean; not-a-number, which stays white, where nothing is known."""
    return math.nan if one.mean is None else one.mean
