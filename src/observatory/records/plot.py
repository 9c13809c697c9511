"""A record as a figure: order, flashes, phases, lateness, and slots."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from observatory.extras import require
from observatory.records.playback import Playback
from observatory.records.reader import Record

require("a plot", "matplotlib")

import matplotlib as mpl  # noqa: E402 - after the line that says what is missing
from matplotlib.backends.backend_agg import FigureCanvasAgg  # noqa: E402
from matplotlib.figure import Figure  # noqa: E402

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FORMATS = ("svg", "png")
"""What a plot can be saved as; the ending of the file says which."""
SPANS = 200
"""Into how many spans of time the lateness is summed up at most; otherwise they are periods."""
BINS = 24
"""Into how many parts a turn is divided for the phases."""
_INK, _GREY, _RED, _GREEN, _BLUE = "#232a3d", "#8b93a7", "#c2403d", "#4d8f3a", "#2f6f9f"
_MOMENTS = ("#c9a227", "#cf6d3c", "#94406b", "#2c3f7a")


@contextmanager
def _style() -> Iterator[None]:
    """Draw in the same way on every machine, whatever its settings are, and put them back."""
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(
            {
                "svg.hashsalt": "observatory",
                "axes.spines.top": False,
                "axes.spines.right": False,
                "axes.titlesize": 10,
                "axes.titleweight": "bold",
                "axes.titlelocation": "left",
                "font.size": 9,
                "text.color": _INK,
                "legend.frameon": False,
                "legend.fontsize": 8,
            }
        )
        yield


def figure(record: Record) -> Figure:
    """Return a figure of a record, which belongs to no window and to no state of pyplot.

    Raises:
        ValueError: there is nothing in the record.
    """
    if record.empty:
        raise ValueError("there is nothing in the record")
    limited = bool(np.isfinite(record.samples["active"]).any())
    with _style():
        drawing = Figure(figsize=(10, 11.5 if limited else 9.5), layout="constrained")
        FigureCanvasAgg(drawing)
        ratios = [1.0, 1.6, 1.0, 1.0] if limited else [1.0, 1.6, 1.0]
        grid = drawing.add_gridspec(len(ratios), 2, height_ratios=ratios)
        whole: Any = slice(None)
        top = drawing.add_subplot(grid[0, whole])
        raster = drawing.add_subplot(grid[1, whole], sharex=top)
        _order(top, record)
        _raster(raster, record)
        _phases(drawing.add_subplot(grid[2, 0]), record)
        _lateness(drawing.add_subplot(grid[2, 1]), record)
        if limited:
            _slots(drawing.add_subplot(grid[3, whole], sharex=top), record)
        top.set_xlim(0.0, record.end or 1.0)
        header = record.header
        drawing.suptitle(
            f"{header.agents} fireflies ({header.width}×{header.height}), "
            f"period {header.period:g} s, seed {header.seed}, {header.clock} time"
            + ("" if record.complete else f"; breaks off after {record.end:.1f} s"),
            fontsize=11,
        )
    return drawing


def save(record: Record, filename: str | os.PathLike[str]) -> None:
    """Draw a record into a file, as SVG or PNG by its ending; the same record, the same bytes.

    Raises:
        ValueError: there is nothing in the record, or the ending is another one.
        OSError: the file can't be written.
    """
    kind = check_ending(filename)
    drawing = figure(record)
    with _style():
        metadata = {"Date": None} if kind == "svg" else {"Software": None}
        drawing.savefig(filename, format=kind, dpi=120, metadata=metadata)


def check_ending(filename: str | os.PathLike[str]) -> str:
    """Return the format that the ending of a file asks for.

    Raises:
        ValueError: it is none of `FORMATS`.
    """
    ending = Path(filename).suffix.removeprefix(".").lower()
    if ending not in FORMATS:
        raise ValueError(f"must end in .svg or .png, got {os.fspath(filename)!r}")
    return ending


def _order(axes: Axes, record: Record) -> None:
    samples = record.samples
    axes.set_title("order")
    axes.plot(samples["time"], samples["local_order"], color=_GREEN, lw=1, label="local, mean")
    axes.plot(samples["time"], samples["order_parameter"], color=_RED, lw=1.4, label="R")
    axes.set_ylim(-0.02, 1.05)
    axes.legend(loc="lower right", ncols=2)


def _raster(axes: Axes, record: Record) -> None:
    axes.set_title("flashes")
    # As an image inside of the drawing: there may be millions.
    axes.plot(
        record.times, record.agents, linestyle="none", marker=",", color=_INK, rasterized=True
    )
    axes.set_ylim(-0.5, record.header.agents - 0.5)
    axes.set_ylabel("agent")
    axes.set_xlabel("seconds since the start")


def _phases(axes: Axes, record: Record) -> None:
    axes.set_title("phases, at some times")
    playback = Playback(record)
    # Where an agent's last flashes are, its phase isn't known from both sides.
    last = max(0.0, record.end - record.header.period)
    for share, colour in zip((0.0, 1 / 3, 2 / 3, 1.0), _MOMENTS, strict=True):
        playback.seek(share * last)
        counts, edges = np.histogram(playback.turns(), BINS, (0.0, 1.0))
        axes.stairs(
            counts / record.header.agents, edges, color=colour, label=f"{playback.time:.0f} s"
        )
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1.2 * axes.get_ylim()[1])  # with room for the legend
    axes.set_xlabel("share of a turn")
    axes.set_ylabel("share of the agents")
    axes.legend(loc="upper center", ncols=4, columnspacing=1.2)


def _lateness(axes: Axes, record: Record) -> None:
    axes.set_title("lateness, in ms")
    axes.set_xlabel("seconds since the start")
    order = np.argsort(record.times, kind="stable")
    times, late = record.times[order], record.lateness[order] * 1e3
    spans = max(1, min(SPANS, round(record.end / record.header.period)))
    edges = np.linspace(0.0, record.end or 1.0, spans + 1)
    ends = np.searchsorted(times, edges)
    ends[-1] = len(times)  # the last span has its end in it
    rows = []
    for first, after, left, right in zip(ends, ends[1:], edges, edges[1:], strict=False):
        if after > first:
            some = np.sort(late[first:after])
            ranks = [-(-percent * len(some) // 100) - 1 for percent in (50, 99, 100)]
            rows.append([(left + right) / 2, *some[ranks]])
    if not rows:
        return
    middle, half, most, largest = np.array(rows).T
    axes.plot(middle, largest, ".", ms=2.5, color=_GREY, label="max")
    axes.plot(middle, most, color=_RED, lw=1, label="p99")
    axes.plot(middle, half, color=_BLUE, lw=1, label="p50")
    # What is a rounding error is drawn as none.
    axes.set_ylim(0, max(1.2 * float(largest.max()), 0.01))
    axes.set_xlim(0, record.end or 1.0)
    axes.legend(loc="upper right", ncols=3)


def _slots(axes: Axes, record: Record) -> None:
    samples = record.samples
    axes.set_title("slots in use, and agents that wait for one")
    axes.step(samples["time"], samples["waiting"], where="post", color=_GREY, lw=1, label="waiting")
    axes.step(
        samples["time"], samples["active"], where="post", color=_GREEN, lw=1.4, label="in use"
    )
    axes.set_ylim(0, None)
    axes.set_xlabel("seconds since the start")
    axes.legend(loc="lower right", ncols=2)
