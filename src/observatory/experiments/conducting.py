"""Conducting: an experiment as a command runs it, from its options to its exit code."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any, Protocol, TypeVar

from observatory.experiments import console
from observatory.experiments.report import present
from observatory.experiments.showing import Showing
from observatory.visualization.terminal import can_show


class Summary(Protocol):
    """What came out of an experiment."""

    def as_dict(self) -> dict[str, Any]:
        """Return it as plain data, ready for JSON."""
        ...


S = TypeVar("S", bound=Summary)
S_co = TypeVar("S_co", bound=Summary, covariant=True)


class Conducted(Protocol[S_co]):
    """An experiment, as far as a command knows it."""

    @property
    def begun(self) -> bool:
        """Whether there is something to tell of."""
        ...

    def run(self) -> Coroutine[Any, Any, S_co]:
        """Run it to its end."""
        ...

    def summary(self) -> S_co:
        """Return what came out so far."""
        ...


def showing(visualize: bool | None, still: str | None, cast: str | None) -> Showing:
    """Return where an experiment is shown: in the terminal, if stdout is one that can."""
    return Showing(visualize is not False and can_show(sys.stdout, os.environ), still, cast)


def conduct(
    experiment: Conducted[S],
    print_summary: Callable[[S], None],
    where: str | None,
    *,
    virtual: bool,
) -> int:
    """Run an experiment, tell what came out, and return the exit code.

    However the run ends, it is told how far it came: also when something can't be written any
    more, or whoever read the output has gone away.

    Args:
        experiment: what is run.
        print_summary: prints what came out as a table.
        where: a file for the same as JSON, or "-" for the last line of stdout; None: nowhere.
        virtual: whether it runs on virtual time.

    Raises:
        BaseException: what the experiment raises, but for Ctrl-C and signals; see `console.run`.
        OSError: what came out can't be written.
    """
    try:
        return console.run(experiment.run(), virtual=virtual)
    finally:
        if experiment.begun:
            summary = experiment.summary()
            present(summary.as_dict(), partial(print_summary, summary), where)
