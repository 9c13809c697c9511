"""The command `fireflies` with a stopwatch on its page: what the loop works for it beside agents.

Page and agents share one thread, and what agents do differs from moment to moment: the difference
of two runs would say little. So each callback of the loop is timed that belongs to the page: its
context says so, which whatever the page begins inherits, also the server, its connections and what
they send. What is timed is the processor time of the thread, so that it doesn't matter who else
uses the machine.

This is possible on asyncio's own loop only, and not on uvloop, which the command uses where it is
installed. There the same work costs less. Left out is what the loop does between callbacks.

Each line that comes in is answered with the seconds so far: "page 1.234".
"""

from __future__ import annotations

import sys
import threading
from asyncio.events import Handle
from contextvars import ContextVar
from time import thread_time
from typing import Any, cast

from observatory.experiments import run_fireflies
from observatory.experiments.fireflies import Fireflies
from observatory.experiments.web_view import WebView

_is_page: ContextVar[bool] = ContextVar("is_page", default=False)


class Stopwatch:
    """Counts the seconds that the loop works for the page."""

    def __init__(self) -> None:
        self.seconds = 0.0
        """How many so far."""

    def begin(self) -> None:
        """Count from now on, in all loops of asyncio."""
        callbacks, views = cast("Any", Handle), cast("Any", WebView)
        run_handle, show = callbacks._run, views.run

        def run_timed(handle: Any) -> None:
            if _is_page not in handle._context:
                run_handle(handle)
                return
            before = thread_time()
            run_handle(handle)
            self.seconds += thread_time() - before

        async def show_timed(view: WebView, experiment: Fireflies) -> None:
            _is_page.set(True)
            await show(view, experiment)

        callbacks._run, views.run = run_timed, show_timed

    def answer(self) -> None:
        """Say how many there are, for each line that comes in."""
        for _ in sys.stdin:
            print(f"page {self.seconds}", flush=True)


def main() -> None:
    """Run the command."""
    sys.modules["uvloop"] = None  # type: ignore[assignment]
    stopwatch = Stopwatch()
    stopwatch.begin()
    threading.Thread(target=stopwatch.answer, daemon=True).start()
    run_fireflies.main()


if __name__ == "__main__":
    main()
