"""Assembling a fireflies experiment: with its views, its page, and by what it is steered."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from cascade.control import LocalControl, control_from_environment, is_switched_on
from cascade.ports import Connector
from observatory.experiments.calculated import ENGINES, Engine
from observatory.experiments.config import FirefliesConfig
from observatory.experiments.fireflies import Fireflies
from observatory.experiments.report import print_moment
from observatory.experiments.view import FirefliesView
from observatory.experiments.web_view import WebView, together
from observatory.monitors.aggregator import MetricsAggregator
from observatory.visualization.palette import PaletteFunction
from observatory.visualization.terminal import can_show

LINES_ON_VIRTUAL_TIME = 60
"""How many lines are printed at most where nobody waits for them."""


def assembled(
    config: FirefliesConfig,
    visible: bool,
    palette_func: PaletteFunction,
    files: dict[str, str | Path | None],
    virtual: bool,
    log: MetricsAggregator | None,
    connector: Connector | None = None,
    engine: Engine = "agents",
    *,
    record: str | Path | None = None,
    strict: float | None = None,
    control: Connector | None = None,
    page: WebView | None = None,
) -> Fireflies:
    """Return the experiment that was asked for, with all that belongs to it.

    Args:
        config: the settings.
        visible: show it: in the terminal of stdout, or else as lines.
        palette_func: from brightness to colour.
        files: the drawing ("still") and the recording ("cast") of what is seen, if wanted.
        virtual: whether it runs on virtual time, on which lines come less often.
        log: where metrics are logged, open already.
        connector: where flashes are told.
        engine: what runs it.
        record: a file for a record of the run.
        strict: how late flashes may be, in seconds.
        control: by what it can be steered.
        page: a page on which it is shown, too.

    Raises:
        ValueError: there is something that the engine doesn't have.
    """
    terminal = visible and can_show(sys.stdout, os.environ)
    view = None
    if terminal or any(files.values()):
        view = FirefliesView(config, palette_func, terminal=terminal, log=log, **files)
    interval = max(1.0, config.duration / LINES_ON_VIRTUAL_TIME) if virtual else 1.0
    return ENGINES[engine](
        config,
        log=log,
        connector=connector,
        watch=print_moment if visible and not terminal else None,
        watch_interval=interval,
        view=together([each.run for each in (view, page) if each is not None]),
        record=record,
        strict=strict,
        control=control,
    )


def steering(wanted: bool, name: str | None, time: str, engine: str) -> LocalControl | None:
    """Return by what the agents can be steered, if that is wanted.

    Raises:
        ValueError: the name is none, or there are no agents, or no sockets on that clock.
    """
    steerable = ENGINES[engine].steerable
    if not wanted and name is None:
        # The switch in the environment is for agents on real time alone.
        wanted = is_switched_on() and time == "real" and steerable
        return control_from_environment() if wanted else None
    if not steerable:
        raise ValueError("control must be left out with --engine reference: it has no agents")
    if time == "virtual":
        raise ValueError("control needs --time real")
    try:
        return LocalControl(name)
    except ValueError as error:
        raise ValueError(f"control-{error}") from None
