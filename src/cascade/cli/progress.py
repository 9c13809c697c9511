"""Progress: a line on the terminal that tells how far a run is."""

from __future__ import annotations

import asyncio
import sys
import time
from typing import TextIO

from rich.console import Console
from rich.live import Live
from rich.text import Text

from cascade.cli.tally import Tally
from cascade.runtime.resource_manager import ResourceManager

PAUSE_S = 0.1
"""How long a picture stays at least, in seconds."""
MOST_NAMES = 3
"""How many of the resources that are waited for are named."""
MOST_EXPLAINED = 100
"""Up to how many waiters it is looked up why nothing moves."""


class Progress:
    """Shows a tally on a terminal while a run goes on, and a line about it at the end.

    Where the stream isn't a terminal, there is only the line at the end.

    Args:
        tally: what is shown.
        manager: the limits of the run, to say why nothing moves.
        stream: where it is shown; stderr by default.
        quiet: whether nothing is shown at all.
    """

    def __init__(
        self,
        tally: Tally,
        manager: ResourceManager,
        stream: TextIO | None = None,
        *,
        quiet: bool = False,
    ) -> None:
        self._tally = tally
        self._manager = manager
        self._quiet = quiet
        self._began = time.monotonic()
        self._timer: asyncio.TimerHandle | None = None
        self._live: Live | None = None
        self._stream = sys.stderr if stream is None else stream
        self.note = ""
        """What is said beside the figures."""
        if not quiet and self._stream.isatty():
            self._live = Live(
                console=Console(file=self._stream),
                auto_refresh=False,
                transient=True,
                # What tasks print stands above the line; into a pipe it goes as it is.
                redirect_stdout=sys.stdout.isatty(),
            )

    def start(self) -> None:
        """Begin, on the running loop."""
        self._began = time.monotonic()
        if self._live is not None:
            self._live.start()
            self._tick()

    def stop(self) -> None:
        """Give the terminal back. Calling it again does nothing."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._live is not None:
            self._live.stop()
            self._live = None

    def conclude(self) -> None:
        """Say how it went, unless it is to be quiet."""
        self.stop()
        if not self._quiet:
            summary = self._tally.summary(time.monotonic() - self._began)
            print(summary, file=self._stream, flush=True)

    def _tick(self) -> None:
        if self._live is not None:
            self._live.update(Text(self.line(), no_wrap=True, overflow="ellipsis"), refresh=True)
            self._timer = asyncio.get_running_loop().call_later(PAUSE_S, self._tick)

    def line(self) -> str:
        """Return what is shown now."""
        tally = self._tally
        done = f"{tally.ended.total():,} of {tally.total:,} done"
        parts = [f"{done} (and {tally.children:,} mapped)" if tally.children else done]
        parts.append(f"{len(tally.running):,} running")
        if tally.waiting:
            names = [
                f"{name} {count:,}" for name, count in tally.waiting_for.most_common(MOST_NAMES)
            ]
            more = len(tally.waiting_for) - MOST_NAMES
            names += [f"{more:,} more"] if more > 0 else []
            parts.append(f"{tally.waiting:,} waiting for {', '.join(names)}")
        parts.append(f"{time.monotonic() - self._began:.1f} s")
        if self.note:
            parts.append(self.note)
        elif not tally.running and 0 < tally.waiting <= MOST_EXPLAINED:
            parts += [str(reason) for reason in self._manager.explain()[:1]]
        return " · ".join(parts)
