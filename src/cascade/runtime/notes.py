"""Notes on exceptions: where it happened, and what went wrong besides."""

from __future__ import annotations

from contextlib import suppress


def annotate(error: BaseException, note: str) -> None:
    """Add a note to an exception, once, unless it takes none: a note must never cost the error."""
    # A user's exception may be a frozen dataclass, or define `__notes__` or `add_note` anew.
    with suppress(Exception):
        if note not in getattr(error, "__notes__", ()):
            error.add_note(note)
