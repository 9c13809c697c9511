"""The console commands: each takes Ctrl-C before it imports anything that takes a while."""

from __future__ import annotations

import os
import signal


def fireflies() -> None:
    """Run `observatory.experiments.run_fireflies.main`."""
    signal.signal(signal.SIGINT, lambda *_: os._exit(130))
    from observatory.experiments.run_fireflies import main

    main()


def bottleneck() -> None:
    """Run `observatory.experiments.run_bottleneck.main`."""
    signal.signal(signal.SIGINT, lambda *_: os._exit(130))
    from observatory.experiments.run_bottleneck import main

    main()


def observatory() -> None:
    """Run `observatory.experiments.run_observatory.main`."""
    signal.signal(signal.SIGINT, lambda *_: os._exit(130))
    from observatory.experiments.run_observatory import main

    main()
