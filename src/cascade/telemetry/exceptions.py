"""Exceptions as attributes of spans and log records: of bounded size, whatever was raised."""

from __future__ import annotations

import traceback

from cascade.telemetry.task_names import whole

MOST_TEXT = 1_000
"""How many characters of an error's text are kept."""
MOST_TRACE = 16_000
"""How many characters of a traceback are kept: the last ones, which tell what was raised."""
MOST_FRAMES = 50
"""How many frames of a traceback are kept: the innermost ones."""


def type_name(error: BaseException) -> str:
    """Return the full name of an error's type."""
    kind = type(error)
    outside = kind.__module__ not in ("builtins", "__main__")
    return whole(f"{kind.__module__}.{kind.__qualname__}" if outside else kind.__qualname__)


def text_of(error: BaseException) -> str:
    """Return the text of an error, shortened; also of one whose own ``__str__`` fails."""
    try:
        text = str(error)
    except Exception as failure:
        return f"<its text could not be made: {type(failure).__name__}>"
    return whole(text if len(text) <= MOST_TEXT else f"{text[:MOST_TEXT]}…")


def trace_of(error: BaseException) -> str:
    """Return the traceback of an error as Python prints it, shortened."""
    told = traceback.format_exception(type(error), error, error.__traceback__, limit=-MOST_FRAMES)
    text = whole("".join(told))
    return text if len(text) <= MOST_TRACE else f"…{text[-MOST_TRACE:]}"
