"""A page that has stopped costs a run nothing; `prove/stopped_page.py` has a million tasks."""

from __future__ import annotations

import pytest
from prove.stopped import GROWTH
from prove.stopped_page import run_with


@pytest.mark.parametrize("kind", ["ui", "stage"])
def test_memory_is_flat_and_what_a_stopped_page_misses_is_told_to_others(kind: str) -> None:
    outcome = run_with(kind, "stopped", tasks=30_000)
    assert outcome.grown <= GROWTH
    assert outcome.dropped > 0
