"""The cyclic collector, kept from pausing a run in which it would find nothing."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def collector_off() -> Iterator[None]:
    """Freeze and disable the cyclic collector, and put it back as it was.

    Agents make no cycles, so it would never find anything, and its pauses are the main source of
    lateness.
    """
    enabled = gc.isenabled()
    # What somebody else has frozen must stay frozen, and can't be told from what is added.
    freezing = not gc.get_freeze_count()
    gc.collect()
    if freezing:
        gc.freeze()
    gc.disable()
    try:
        yield
    finally:
        if freezing:
            gc.unfreeze()
        if enabled:
            gc.enable()
