"""Notes on exceptions: where it happened, and what went wrong besides."""

from __future__ import annotations

from contextlib import suppress


def annotate(error: BaseException, note: str) -> None:
    """Add a note to an exception, once, unless it takes none: a note must never cost the error."""
    # A user's exception may be a frozen dataclass, or define `__notes__` or `add_note` anew.
    with suppress(Exception):
        if note not in getattr(error, "__notes__", ()):
            error.add_note(note)


def raise_first(errors: list[BaseException], failure: BaseException | None) -> None:
    """Tell what a clean-up has raised: as notes on a failure; without one, raise the first of it.

    Args:
        errors: what the clean-up has raised, in order; emptied.
        failure: what went wrong before it, if anything.
    """
    first = errors.pop(0) if failure is None and errors else None
    try:
        for further in errors:
            annotate(failure or first or further, f"then the clean-up raised {further!r}")
        if first is not None:
            raise first
    finally:
        # The frame is in the traceback of what it raises: it must not refer to that.
        failure = first = further = None  # type: ignore[assignment]
        errors.clear()
